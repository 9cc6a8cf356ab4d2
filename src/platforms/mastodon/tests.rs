//! What the connector knows without a server, and the relay that stands between megalodon and the world.

use megalodon::SNS;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use super::notes::Notes;
use super::relay::{Errand, Relay};
use super::wire::{Draft, Server};
use super::{Mastodon, Platform};
use crate::domain::fault::{Fault, Operation};
use crate::domain::{OsEntropy, Secret};
use crate::platforms::http::Http;
use crate::platforms::http::tests::{Reply, Vendor, reply};
use crate::platforms::{App, Context};

#[test]
fn instances_are_normalised() {
    let mastodon = Mastodon::default();
    for (typed, host) in [
        ("mastodon.social", "mastodon.social"),
        ("  Mastodon.Social ", "mastodon.social"),
        ("https://mastodon.social", "mastodon.social"),
        ("https://mastodon.social/", "mastodon.social"),
        ("http://mastodon.social/@me", "mastodon.social"),
        ("https://mastodon.social/@me@other.example", "mastodon.social"),
        ("@me@mastodon.social", "mastodon.social"),
        ("me@mastodon.social", "mastodon.social"),
        ("mastodon.social.", "mastodon.social"),
        ("mastodon.social:443", "mastodon.social"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("https://xn--bcher-kva.example", "xn--bcher-kva.example"),
    ] {
        assert_eq!(mastodon.instance(typed).as_deref(), Ok(host), "{typed}");
    }
    for typed in [
        "",
        "@",
        "mastodon",
        "localhost",
        "@me",
        "https://me:secret@mastodon.social/",
        "https://me@mastodon.social/",
        "mastodon.social:8443",
        "127.0.0.1",
        "https://[::1]/",
        "0x7f.1",
        "two words.example",
        "ftp://mastodon.social",
        "..",
    ] {
        let refused = mastodon.instance(typed);
        assert!(refused.as_ref().is_err_and(|why| why.contains("mastodon.social")), "{typed}: {refused:?}");
    }
}

#[test]
fn limits_are_the_accounts_servers() {
    let mastodon = Mastodon::default();
    let fresh = mastodon.limits(&json!(null));
    assert_eq!((fresh.text, fresh.images, fresh.url_weight, fresh.alt), (500, 4, Some(23), 1500));
    let noted =
        json!({"limits": {"text": 5000, "media": 6, "url": 25, "types": ["image/png", "video/webm", "audio/ogg"]}});
    let limits = mastodon.limits(&noted);
    assert_eq!((limits.text, limits.images, limits.media, limits.url_weight), (5000, 6, 6, Some(25)));
    assert_eq!((limits.image_types, limits.video_types), (vec!["image/png".to_owned()], vec!["video/webm".to_owned()]));
    assert_eq!(limits.image_bytes, 16 * 1024 * 1024);
}

#[test]
fn replays_are_trusted_only_where_they_are_known() {
    for (document, software, ignores) in [
        (json!({"version": "4.4.8"}), "mastodon", false),
        (json!({"version": "4.3.0+glitch", "source_url": "https://github.com/glitch-soc/mastodon"}), "mastodon", false),
        (json!({"version": "0.20.2+git-8d9bd2e"}), "gotosocial", true),
        (
            json!({"version": "1.0.0", "source_url": "https://codeberg.org/superseriousbusiness/gotosocial"}),
            "gotosocial",
            true,
        ),
        (json!({"version": "2.7.2 (compatible; Pleroma 2.6.0)"}), "pleroma", false),
        (json!({"version": "2.7.2 (compatible; Akkoma 3.10.4-0-gebfb617)"}), "akkoma", false),
        (json!({"version": "3.5.3 (compatible; Pixelfed 0.12.4)"}), "pixelfed", true),
        (json!({"version": "4.2.1 (compatible; Iceshrimp.NET/2024)"}), "iceshrimp.net/2024", true),
    ] {
        let notes = Notes::read("a.example", &document);
        assert_eq!((notes.software.as_str(), notes.ignores_idempotency), (software, ignores), "{document}");
    }
    assert!(Notes::default().ignores_idempotency, "an unknown server is not trusted");
    assert_eq!(Notes::of(&serde_json::to_value(Notes::default()).unwrap()), Notes::default());
}

struct Bench {
    http: Http,
    app: App,
    redirect: Url,
}

impl Bench {
    fn new(vendor: &Vendor) -> Self {
        let redirect = Url::parse("https://trypost.example/accounts/mastodon/callback").unwrap();
        Self { http: vendor.http(), app: App::default(), redirect }
    }

    fn cx(&self) -> Context<'_> {
        Context {
            http: &self.http,
            now: "2026-11-22T12:00:00Z".parse().unwrap(),
            app: &self.app,
            redirect_uri: &self.redirect,
            entropy: &OsEntropy,
        }
    }
}

fn errand<'a>(token: &'a Secret, key: Option<&'a str>) -> Errand<'a> {
    Errand { operation: Operation::Send, sns: SNS::Mastodon, host: "m.example", token: Some(token), key }
}

#[tokio::test]
async fn the_relay_adds_what_megalodon_can_not() {
    let vendor = Vendor::start(vec![reply(422, &[("x-ratelimit-reset", "soon")], r#"{"error":"no"}"#)]).await;
    let bench = Bench::new(&vendor);
    let token = Secret::new("canary");
    let options = megalodon::megalodon::PostStatusInputOptions { sensitive: Some(true), ..Default::default() };
    let told = Relay::default()
        .call(&bench.cx(), errand(&token, Some("the-key")), |client| async move {
            client.post_status("hi".into(), Some(&options)).await
        })
        .await
        .unwrap();
    assert_eq!((told.answer.status, told.answer.header("x-ratelimit-reset")), (422, Some("soon")));
    assert!(told.entity.is_none());
    let request = &vendor.requests()[0];
    assert!(request.starts_with("POST /m.example/api/v1/statuses HTTP/1.1\r\n"), "{request}");
    for header in ["authorization: Bearer canary", "idempotency-key: the-key", "content-type: application/json"] {
        assert!(request.contains(header), "{header}: {request}");
    }
    assert!(request.contains("content-length: ") && !request.contains("chunked"), "{request}");
    // GoToSocial takes no strings for booleans.
    let body: serde_json::Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body, json!({"status": "hi", "sensitive": true}));
}

#[tokio::test]
async fn the_relay_lets_no_redirect_through() {
    let inside = Vendor::start(vec![reply(200, &[], "{}")]).await;
    let vendor = Vendor::start(vec![reply(302, &[("location", inside.gateway.as_str())], "")]).await;
    let bench = Bench::new(&vendor);
    let token = Secret::new("canary");
    let ask =
        |client: Box<dyn megalodon::Megalodon + Send + Sync>| async move { client.verify_account_credentials().await };
    let told = Relay::default().call(&bench.cx(), errand(&token, None), ask).await.unwrap();
    assert_eq!(told.answer.status, 302);
    assert_eq!((vendor.requests().len(), inside.requests().len()), (1, 0));
    // The guard stands in the way of the first hop as well.
    let inwards = Errand { host: "127.0.0.1", ..errand(&token, None) };
    let refused = Relay::default().call(&bench.cx(), inwards, ask).await;
    assert!(matches!(refused, Err(Fault::Rejected { .. })));
    assert_eq!(vendor.requests().len(), 1);
}

#[tokio::test]
async fn a_lost_answer_stays_in_doubt_behind_the_relay() {
    let vendor = Vendor::start(vec![Reply::Close]).await;
    let bench = Bench::new(&vendor);
    let token = Secret::new("canary");
    let ask = |client: Box<dyn megalodon::Megalodon + Send + Sync>| async move {
        client.post_status("hi".into(), None).await
    };
    let lost = Relay::default().call(&bench.cx(), errand(&token, None), ask).await;
    assert!(matches!(lost, Err(Fault::InDoubt { .. })));
    assert_eq!(vendor.requests().len(), 1, "sent once");
}

#[tokio::test]
async fn files_without_an_address_do_no_harm() {
    let status =
        json!([{"id": "1", "media_attachments": [{"id": "9", "type": "video", "url": null, "preview_url": null}]}]);
    let vendor = Vendor::start(vec![reply(200, &[], &status.to_string())]).await;
    let bench = Bench::new(&vendor);
    let token = Secret::new("canary");
    let ask = |client: Box<dyn megalodon::Megalodon + Send + Sync>| async move { client.get_media("9".into()).await };
    let media = json!({"id": "9", "type": "video", "url": null, "preview_url": null, "remote_url": null, "meta": {}, "description": null, "blurhash": null});
    let vendor_of_media = Vendor::start(vec![reply(200, &[], &media.to_string())]).await;
    let other = Bench::new(&vendor_of_media);
    let told = Relay::default().call(&other.cx(), errand(&token, None), ask).await.unwrap();
    assert_eq!(told.entity.map(|file| file.id), Some("9".to_owned()), "megalodon panics on this without the relay");
    let ask = |client: Box<dyn megalodon::Megalodon + Send + Sync>| async move {
        client.get_account_statuses("1".into(), None).await
    };
    let told = Relay::default().call(&bench.cx(), errand(&token, None), ask).await.unwrap();
    assert!(told.answer.is_success() && told.entity.is_none(), "a status that lacks fields is no entity, and no panic");
}

#[tokio::test]
async fn the_relay_answers_nobody_else_and_stops_with_its_owner() {
    let vendor = Vendor::start(vec![reply(200, &[], "{}")]).await;
    let bench = Bench::new(&vendor);
    let relay = Relay::default();
    let address = relay.address().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = "GET /guessed/api/v1/accounts/verify_credentials HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut buffer = [0; 64];
    let count = stream.read(&mut buffer).await.unwrap();
    assert!(buffer[..count].starts_with(b"HTTP/1.1 404"));
    assert!(vendor.requests().is_empty());
    let token = Secret::new("canary");
    let ask =
        |client: Box<dyn megalodon::Megalodon + Send + Sync>| async move { client.verify_account_credentials().await };
    relay.call(&bench.cx(), errand(&token, None), ask).await.unwrap();
    assert_eq!(relay.address().await, address, "one relay serves all calls");
    drop(relay);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
}

#[tokio::test]
async fn answers_that_lack_fields_are_read_all_the_same() {
    let who = json!({"id": "7", "username": "me", "acct": "me", "display_name": "", "url": "https://m.example/me"});
    let created = json!({"id": "11", "url": "https://m.example/p/11"});
    let list = json!([{"id": "11", "content": "<p>hi</p>", "created_at": "2026-11-22T11:59:00.000Z",
        "media_attachments": [{"id": "9"}]}, {"id": "no content"}]);
    let vendor = Vendor::start(vec![
        reply(200, &[], &who.to_string()),
        reply(200, &[], &created.to_string()),
        reply(200, &[], &list.to_string()),
        reply(200, &[], "<html>"),
    ])
    .await;
    let bench = Bench::new(&vendor);
    let (cx, relay, token) = (bench.cx(), Relay::default(), Secret::new("canary"));
    let server = Server { cx: &cx, relay: &relay, host: "m.example", software: "pixelfed", token: Some(&token) };
    let identity = server.identity(Operation::Verify).await.unwrap();
    assert_eq!((identity.id.as_str(), identity.username.as_str()), ("7", "me"));
    let draft = || Draft { text: "hi".into(), options: Default::default() };
    let sent = server.publish(draft(), "key").await.unwrap();
    assert_eq!(sent, ("11".to_owned(), Some("https://m.example/p/11".to_owned())));
    let statuses = server.statuses("7", None).await.unwrap();
    assert_eq!(
        (statuses.len(), statuses[0].content.as_str(), &statuses[0].media),
        (1, "<p>hi</p>", &vec!["9".to_owned()])
    );
    assert_eq!(statuses[0].created_at, Some("2026-11-22T11:59:00Z".parse().unwrap()));
    // A page where a status should be: nobody knows what happened.
    assert!(matches!(server.publish(draft(), "key").await, Err(Fault::InDoubt { .. })));
}
