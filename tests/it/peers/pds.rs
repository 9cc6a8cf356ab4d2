//! The Bluesky connector against the reference data server: sign-in, rotation and its grace, a post with a picture and
//! facets, a lost answer, deletion and the end of the session, by rules that nobody here wrote. The server stands behind
//! the gateway as `pds.example`.

use std::sync::Arc;

use emulators::{Fault as Injected, FaultKind, Gateway, fixtures};
use serde_json::{Value, json};
use trypost::domain::account::Tokens;
use trypost::domain::post::{Mark, Options, RichText, Style};
use trypost::domain::{Clock, Fault, OsEntropy, Secret, SystemClock, Unobserved};
use trypost::platforms::bluesky::Bluesky;
use trypost::platforms::http::{Http, PublicResolver};
use trypost::platforms::{App, Consent, Context, Credentials, Finding, Platform, Prepared};
use url::Url;

use crate::contract::bluesky::{Person, form, prepared, taken};
use crate::support::forwarder;
use crate::support::node::Peer;

const HOST: &str = "pds.example";
const MAIN_PASSWORD: &str = "the main password";

/// The server, the way to it, and what it calls the person.
struct Bench {
    gateway: Arc<Gateway>,
    http: Http,
    client: reqwest::Client,
    redirect: Url,
    app: App,
    _peer: Peer,
}

impl Bench {
    async fn new() -> Option<Self> {
        let peer = Peer::start("pds", "start.mjs", &[("LOG_ENABLED", "false")]).await?;
        let gateway = Gateway::start(Arc::new(|| SystemClock.now().as_millisecond())).await.unwrap();
        gateway.mount(HOST, forwarder::to(HOST, peer.address("pds")));
        gateway.mount("plc.directory", forwarder::to("plc.directory", peer.address("plc")));
        let base = gateway.url().parse().unwrap();
        let http = Http::new(Some(base), Arc::new(PublicResolver), Arc::new(Unobserved)).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let redirect = "https://team.example/accounts/bluesky/callback".parse().unwrap();
        Some(Self { gateway, http, client, redirect, app: App::default(), _peer: peer })
    }

    fn cx(&self) -> Context<'_> {
        let now = SystemClock.now();
        Context { http: &self.http, now, app: &self.app, redirect_uri: &self.redirect, entropy: &OsEntropy }
    }

    /// What the person does in the vendor's app.
    async fn by_hand(&self, method: &str, token: Option<&str>, body: Value) -> Value {
        let url = format!("{}/{HOST}/xrpc/{method}", self.gateway.url());
        let call = self.client.post(url).json(&body);
        let call = if let Some(token) = token { call.bearer_auth(token) } else { call };
        let answer = call.send().await.unwrap();
        let status = answer.status();
        let body = answer.text().await.unwrap();
        assert!(status.is_success(), "{method}: {status} {body}");
        serde_json::from_str(&body).unwrap_or_default()
    }

    async fn sign_in(&self, password: &str) -> Result<Consent, Fault> {
        Bluesky.complete(&self.cx(), &Secret::new(""), form("@Alice.test", password, HOST)).await
    }

    async fn renew(&self, tokens: &Tokens) -> Result<Tokens, Fault> {
        Bluesky.renew(&self.cx(), tokens).await
    }
}

#[tokio::test]
async fn a_whole_life_on_a_real_server() {
    let Some(bench) = Bench::new().await else { return };
    let owner = json!({ "handle": "alice.test", "email": "alice@example.org", "password": MAIN_PASSWORD });
    let owner = bench.by_hand("com.atproto.server.createAccount", None, owner).await;
    let token = owner["accessJwt"].as_str().unwrap().to_owned();
    let made = bench.by_hand("com.atproto.server.createAppPassword", Some(&token), json!({ "name": "trypost" })).await;
    let password = made["password"].as_str().unwrap();

    // Signing in: not with a wrong password, not with the main one.
    let refused = bench.sign_in("wrong-wrong").await.unwrap_err();
    assert!(matches!(&refused, Fault::Rejected { why, .. } if why.contains("did not accept")), "{refused:?}");
    let refused = bench.sign_in(MAIN_PASSWORD).await.unwrap_err();
    assert!(matches!(&refused, Fault::Rejected { why, .. } if why.contains("main password")), "{refused:?}");
    let mut person = Person::of(bench.sign_in(password).await.unwrap());
    assert_eq!(person.account.remote_id, owner["did"].as_str().unwrap());
    // Display names come from a view of the network, and there is none.
    assert_eq!(person.account.name, "alice.test");
    assert_eq!(person.account.meta["pds"], "https://pds.example");

    // The rotation's answer is lost: within the grace the old token still gives a successor.
    bench.gateway.inject(Injected::new(HOST, "refreshSession", 1, FaultKind::DropAfter));
    assert!(matches!(bench.renew(&person.tokens).await.unwrap_err(), Fault::InDoubt { .. }));
    let renewed = bench.renew(&person.tokens).await.unwrap();
    assert!(renewed.refresh != person.tokens.refresh && renewed.expires_at.is_some());
    person.tokens = renewed;
    let seen = Bluesky.verify(&bench.cx(), &person.account, person.credentials()).await.unwrap();
    assert_eq!(seen.handle.as_deref(), Some("alice.test"));
    let odd = Tokens { access: Secret::new("garbage"), ..person.tokens.clone() };
    let odd = Bluesky.verify(&bench.cx(), &person.account, Credentials { tokens: Some(&odd) }).await;
    assert_eq!(odd.unwrap_err(), Fault::Stale);

    posts_and_deletes(&bench, &person).await;

    // The session ends; with the app password still there, a new one is opened; without it, the consent is over.
    Bluesky.revoke(&bench.cx(), person.credentials()).await.unwrap();
    Bluesky.revoke(&bench.cx(), person.credentials()).await.unwrap();
    person.tokens = bench.renew(&person.tokens).await.unwrap();
    bench.by_hand("com.atproto.server.revokeAppPassword", Some(&token), json!({ "name": "trypost" })).await;
    let dead = bench.renew(&person.tokens).await.unwrap_err();
    assert!(matches!(&dead, Fault::GrantDead { why } if why.contains("app password")), "{dead:?}");
}

async fn posts_and_deletes(bench: &Bench, person: &Person) {
    let folder = tempfile::tempdir().unwrap();
    // Larger than the server's limit for a picture in a post, until it is scaled.
    let files = [
        taken(&folder, "a", &fixtures::png_noise(700, 700), Some("noise")).await,
        taken(&folder, "b", &fixtures::jpeg(30, 60), None).await,
    ];
    let words = "Grüße 👩‍👧 @alice.test, @nobody.test: example.com #neu here";
    let (start, end) = (words.len() - 4, words.len());
    let marks = vec![Mark { start, end, style: Style::Link("https://example.org/x".into()) }];
    let text = RichText { plain: words.into(), marks };
    let options = Options { language: Some("de".into()), ..Options::default() };
    let delivery = person.delivery(&text, &files, &options);
    let (journal, notes) = prepared(|| bench.cx(), &delivery).await.unwrap();
    assert_eq!(notes, ["uploading 1 of 2", "uploading 2 of 2"]);
    let key = Bluesky.send_key(SystemClock.now(), &OsEntropy);
    let send = async || Bluesky.send(&bench.cx(), &delivery, journal.clone(), &key).await;
    let find = async || Bluesky.find(&bench.cx(), &delivery, journal.clone(), &key, SystemClock.now()).await.unwrap();

    // The call is made and its answer lost: it is found, and a repetition makes no second one.
    assert!(matches!(find().await, Finding::Absent));
    bench.gateway.inject(Injected::new(HOST, "createRecord", 1, FaultKind::DropAfter));
    assert!(matches!(send().await.unwrap_err(), Fault::InDoubt { .. }));
    let Finding::Sent(found) = find().await else { panic!("it is there") };
    let again = send().await;
    // It answers 500 for a key that is taken.
    assert!(matches!(&again, Err(Fault::InDoubt { .. })), "{again:?}");
    let url = format!("{}/{HOST}/xrpc/com.atproto.repo.listRecords", bench.gateway.url());
    let query = [("repo", person.account.remote_id.as_str()), ("collection", "app.bsky.feed.post")];
    let listed: Value = bench.client.get(url).query(&query).send().await.unwrap().json().await.unwrap();
    let [post] = listed["records"].as_array().unwrap().as_slice() else { panic!("one post: {listed}") };
    assert_eq!((&post["uri"], &post["cid"]), (&found.posted.meta["uri"], &found.posted.meta["cid"]));
    assert_eq!((&post["value"]["text"], &post["value"]["langs"]), (&json!(words), &json!(["de"])));
    let leads: Vec<&str> = post["value"]["facets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|facet| {
            let feature = &facet["features"][0];
            ["did", "uri", "tag"].into_iter().find_map(|key| feature[key].as_str()).unwrap()
        })
        .collect();
    assert_eq!(leads, [person.account.remote_id.as_str(), "https://example.com", "neu", "https://example.org/x"]);
    let images = post["value"]["embed"]["images"].as_array().unwrap();
    assert_eq!((&images[0]["image"]["mimeType"], &images[0]["alt"]), (&json!("image/jpeg"), &json!("noise")));
    assert!(images[0]["image"]["size"].as_u64().unwrap() <= 1_000_000);
    assert_eq!(images[1]["aspectRatio"], json!({ "width": 30, "height": 60 }));

    // Deleted, and deleted again.
    for _ in 0..2 {
        Bluesky.delete(&bench.cx(), &person.account, person.credentials(), &found.posted).await.unwrap();
    }
    assert!(matches!(find().await, Finding::Absent));

    // A picture that this server finds too large is only refused in the record: it is replaced by a smaller one.
    let upload = bench.client.post(format!("{}/{HOST}/xrpc/com.atproto.repo.uploadBlob", bench.gateway.url()));
    let upload = upload.bearer_auth(person.tokens.access.expose()).header("content-type", "image/png");
    let large: Value = upload.body(fixtures::png_noise(700, 700)).send().await.unwrap().json().await.unwrap();
    assert!(large["blob"]["size"].as_u64().unwrap() > 1_000_000, "{large}");
    let mut swapped = journal.clone();
    swapped["record"]["embed"]["images"][0]["image"] = large["blob"].clone();
    let key = Bluesky.send_key(SystemClock.now(), &OsEntropy);
    let sent = Bluesky.send(&bench.cx(), &delivery, swapped, &key).await.unwrap();
    Bluesky.delete(&bench.cx(), &person.account, person.credentials(), &sent.posted).await.unwrap();

    // What the server refuses is told in our words.
    let long = RichText { plain: "a".repeat(301), marks: vec![] };
    let delivery = person.delivery(&long, &[], &options);
    let Prepared::Ready { journal } = Bluesky.prepare(&bench.cx(), &delivery, Value::Null).await.unwrap() else {
        panic!("there is nothing to upload")
    };
    let refused = Bluesky.send(&bench.cx(), &delivery, journal, &key).await.unwrap_err();
    assert!(matches!(&refused, Fault::Rejected { why, .. } if why.contains("300 characters")), "{refused:?}");
}
