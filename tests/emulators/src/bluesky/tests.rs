//! Every strict rule of the network over real HTTP: one request that is refused and one that is accepted. Long
//! because all of it leans on the same small client.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Once};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::*;
use crate::browser::Browser;
use crate::fixtures;

const START: i64 = 1_790_000_000_000;
const RKEY: &str = "3lbcdefghij2k";

struct World {
    gateway: Arc<Gateway>,
    clock: Arc<AtomicI64>,
    bluesky: Bluesky,
    client: Client,
    did: String,
    password: String,
}

struct Session {
    access: String,
    refresh: String,
}

async fn world() -> World {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let clock = Arc::new(AtomicI64::new(START));
    let now = clock.clone();
    let gateway = Gateway::start(Arc::new(move || now.load(Ordering::SeqCst))).await.unwrap();
    let bluesky = Bluesky::new(&gateway);
    let did = bluesky.add_account("alice.bsky.social");
    let password = bluesky.add_app_password(&did, "trypost").unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    World { gateway, clock, bluesky, client, did, password }
}

impl World {
    fn advance(&self, minutes: i64) {
        self.clock.fetch_add(minutes * 60_000, Ordering::SeqCst);
    }

    fn url(&self, host: &str, method: &str) -> String {
        format!("{}/{host}/xrpc/{method}", self.gateway.url())
    }

    async fn json(&self, request: RequestBuilder) -> (u16, Value) {
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn post(&self, token: &str, method: &str, body: Value) -> (u16, Value) {
        self.json(self.client.post(self.url(ENTRYWAY, method)).bearer_auth(token).json(&body)).await
    }

    async fn get(&self, token: &str, method: &str, query: &[(&str, &str)]) -> (u16, Value) {
        self.json(self.client.get(self.url(ENTRYWAY, method)).bearer_auth(token).query(query)).await
    }

    async fn sign_in(&self, identifier: &str, password: &str) -> (u16, Value) {
        let body = json!({ "identifier": identifier, "password": password });
        self.json(self.client.post(self.url(ENTRYWAY, "com.atproto.server.createSession")).json(&body)).await
    }

    async fn session(&self) -> Session {
        let (status, answer) = self.sign_in("alice.bsky.social", &self.password).await;
        assert_eq!(status, 200);
        tokens(&answer)
    }

    async fn refresh(&self, token: &str) -> (u16, Value) {
        self.json(self.client.post(self.url(ENTRYWAY, "com.atproto.server.refreshSession")).bearer_auth(token)).await
    }

    async fn upload(&self, token: &str, kind: &str, bytes: Vec<u8>) -> (u16, Value) {
        let request = self.client.post(self.url(ENTRYWAY, "com.atproto.repo.uploadBlob")).bearer_auth(token);
        let (status, answer) = self.json(request.header("content-type", kind).body(bytes)).await;
        (status, if status == 200 { answer["blob"].clone() } else { answer })
    }

    /// createRecord of a post with these fields over a valid one.
    async fn create(&self, token: &str, fields: Value) -> (u16, Value) {
        let mut record =
            json!({ "$type": "app.bsky.feed.post", "text": "hello", "createdAt": "2026-11-22T16:00:00.000Z" });
        for (name, value) in fields.as_object().unwrap() {
            record[name] = value.clone();
        }
        let body = json!({ "repo": self.did, "collection": "app.bsky.feed.post", "record": record });
        self.post(token, "com.atproto.repo.createRecord", body).await
    }

    async fn create_at(&self, token: &str, rkey: &str) -> (u16, Value) {
        let record = json!({ "text": "hello", "createdAt": "2026-11-22T16:00:00Z" });
        let body = json!({ "repo": self.did, "collection": "app.bsky.feed.post", "rkey": rkey, "record": record });
        self.post(token, "com.atproto.repo.createRecord", body).await
    }

    async fn service_auth(&self, token: &str, aud: &str, lxm: &str) -> String {
        let (status, answer) =
            self.get(token, "com.atproto.server.getServiceAuth", &[("aud", aud), ("lxm", lxm)]).await;
        assert_eq!(status, 200);
        answer["token"].as_str().unwrap().to_owned()
    }

    fn clean(&self) {
        assert_eq!(self.gateway.take_violations(), Vec::<String>::new());
    }

    fn violated(&self, part: &str) {
        let found = self.gateway.take_violations();
        assert!(found.len() == 1 && found[0].contains(part), "{part:?} not in {found:?}");
    }
}

fn tokens(answer: &Value) -> Session {
    let part = |name: &str| answer[name].as_str().unwrap().to_owned();
    Session { access: part("accessJwt"), refresh: part("refreshJwt") }
}

fn payload(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

fn error(answer: &Value) -> &str {
    answer["error"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn signing_in() {
    let world = world().await;
    let (status, answer) = world.sign_in("alice.bsky.social", &world.password).await;
    assert_eq!(
        (status, answer["did"].as_str(), answer["active"].as_bool()),
        (200, Some(world.did.as_str()), Some(true))
    );
    let access = payload(answer["accessJwt"].as_str().unwrap());
    assert_eq!(access["scope"], "com.atproto.appPass");
    assert_eq!(access["exp"].as_i64().unwrap(), START / 1000 + 7200);
    let service = &answer["didDoc"]["service"][0];
    assert_eq!(
        (&service["id"], &service["serviceEndpoint"]),
        (&json!("#atproto_pds"), &json!(format!("https://{VENDOR_PDS}")))
    );
    let main = world.bluesky.account(&world.did).unwrap();
    for identifier in [main.did.as_str(), &main.email, "ALICE.bsky.social"] {
        let (status, answer) = world.sign_in(identifier, &main.password).await;
        assert_eq!(status, 200);
        assert_eq!(payload(answer["accessJwt"].as_str().unwrap())["scope"], "com.atproto.access");
    }
    let (status, answer) = world.sign_in("alice.bsky.social", "wrong").await;
    assert_eq!((status, error(&answer)), (401, "AuthenticationRequired"));
    assert_eq!(world.sign_in("nobody.bsky.social", &world.password).await.0, 401);
    world.bluesky.set_email_factor(&world.did, true);
    let (status, answer) = world.sign_in(&main.did, &main.password).await;
    assert_eq!((status, error(&answer)), (401, "AuthFactorTokenRequired"));
    assert_eq!(world.sign_in(&main.did, &world.password).await.0, 200);
    world.bluesky.revoke_app_password(&main.did, "trypost");
    assert_eq!(world.sign_in(&main.did, &world.password).await.0, 401);
    world.clean();
    let text = world.client.post(world.url(ENTRYWAY, "com.atproto.server.createSession")).body("{}");
    assert_eq!(world.json(text).await.0, 400);
    world.violated("Content-Type");
}

#[tokio::test]
async fn tokens_rotate_with_two_hours_of_grace() {
    let world = world().await;
    let first = world.session().await;
    world.advance(60);
    let (status, answer) = world.refresh(&first.refresh).await;
    assert_eq!(status, 200);
    let second = tokens(&answer);
    // The answer was lost: the same successor again.
    world.advance(119);
    let (_, answer) = world.refresh(&first.refresh).await;
    assert_eq!(payload(&tokens(&answer).refresh)["jti"], payload(&second.refresh)["jti"]);
    assert_ne!(payload(&first.refresh)["jti"], payload(&second.refresh)["jti"]);
    world.advance(1);
    let (status, answer) = world.refresh(&first.refresh).await;
    assert_eq!((status, error(&answer), &answer["message"]), (400, "ExpiredToken", &json!("Token has been revoked")));
    assert_eq!(world.refresh(&second.refresh).await.0, 200);
    // Two hours after it was made the access token is over.
    let (status, answer) = world.get(&first.access, "com.atproto.server.getSession", &[]).await;
    assert_eq!((status, error(&answer)), (400, "ExpiredToken"));
    world.bluesky.knobs(|knobs| knobs.refresh_grace = false);
    let strict = world.session().await;
    assert_eq!(world.refresh(&strict.refresh).await.0, 200);
    assert_eq!(world.refresh(&strict.refresh).await.0, 400);
    // Ninety days later it is over by its own date; it can still be used to sign out.
    world.advance(90 * 24 * 60);
    let (status, answer) = world.refresh(&strict.refresh).await;
    assert_eq!((status, &answer["message"]), (400, &json!("Token has expired")));
    let request = world.client.post(world.url(ENTRYWAY, "com.atproto.server.deleteSession"));
    assert_eq!(world.json(request.bearer_auth(&strict.refresh)).await.0, 200);
    world.clean();
}

#[tokio::test]
async fn tokens_are_refused_in_the_servers_words() {
    let world = world().await;
    let session = world.session().await;
    let get = "com.atproto.server.getSession";
    assert_eq!(world.get(&session.access, get, &[]).await.0, 200);
    let (status, answer) = world.json(world.client.get(world.url(ENTRYWAY, get))).await;
    assert_eq!((status, error(&answer)), (401, "AuthMissing"));
    let (status, answer) = world.get("garbage", get, &[]).await;
    assert_eq!((status, error(&answer)), (400, "InvalidToken"));
    world.clean();
    assert_eq!(error(&world.get(&session.refresh, get, &[]).await.1), "InvalidToken");
    world.violated("no access token");
    assert_eq!(error(&world.refresh(&session.access).await.1), "InvalidToken");
    world.violated("no refresh token");
    let request =
        world.client.post(world.url(ENTRYWAY, "com.atproto.server.refreshSession")).bearer_auth(&session.refresh);
    assert_eq!(world.json(request.json(&json!({}))).await.0, 400);
    world.violated("request body");
    let delete =
        || world.client.post(world.url(ENTRYWAY, "com.atproto.server.deleteSession")).bearer_auth(&session.refresh);
    assert_eq!(world.bluesky.live_sessions(&world.did), 1);
    assert_eq!(world.json(delete()).await.0, 200);
    assert_eq!(world.bluesky.live_sessions(&world.did), 0);
    assert_eq!(error(&world.refresh(&session.refresh).await.1), "ExpiredToken");
    // Access tokens are stateless.
    assert_eq!(world.get(&session.access, get, &[]).await.0, 200);
    world.bluesky.expire_access(&world.did);
    assert_eq!(error(&world.get(&session.access, get, &[]).await.1), "ExpiredToken");
    let session = world.session().await;
    world.bluesky.revoke_app_password(&world.did, "trypost");
    assert_eq!(error(&world.refresh(&session.refresh).await.1), "ExpiredToken");
    world.clean();
}

#[tokio::test]
async fn blocked_accounts() {
    let world = world().await;
    let session = world.session().await;
    world.bluesky.set_standing(&world.did, Standing::Deactivated);
    let (status, answer) = world.get(&session.access, "com.atproto.server.getSession", &[]).await;
    assert_eq!((status, &answer["active"], &answer["status"]), (200, &json!(false), &json!("deactivated")));
    let (status, answer) = world.create(&session.access, json!({})).await;
    assert_eq!((status, error(&answer)), (401, "AccountDeactivated"));
    assert_eq!(world.sign_in(&world.did, &world.password).await.1["status"], "deactivated");
    world.bluesky.set_standing(&world.did, Standing::Active);
    assert_eq!(world.create(&session.access, json!({})).await.0, 200);
    world.bluesky.set_standing(&world.did, Standing::Takendown);
    assert_eq!(error(&world.create(&session.access, json!({})).await.1), "AccountTakedown");
    let (status, answer) = world.sign_in(&world.did, &world.password).await;
    assert_eq!((status, error(&answer)), (401, "AccountTakedown"));
    assert_eq!(error(&world.refresh(&session.refresh).await.1), "AccountTakedown");
    world.bluesky.set_standing(&world.did, Standing::Suspended);
    assert_eq!(world.get(&session.access, "com.atproto.server.getSession", &[]).await.1["status"], "suspended");
    world.clean();
}

#[tokio::test]
async fn a_post_with_a_picture_is_seen_and_deleted() {
    let world = world().await;
    let session = world.session().await;
    let (status, blob) = world.upload(&session.access, "image/png", fixtures::png(20, 10)).await;
    assert_eq!((status, &blob["mimeType"], &blob["$type"]), (200, &json!("image/png"), &json!("blob")));
    assert!(blob["ref"]["$link"].as_str().unwrap().starts_with("bafkrei"));
    let embed = json!({ "$type": "app.bsky.embed.images", "images": [{ "image": blob, "alt": "a wall", "aspectRatio": { "width": 2, "height": 1 } }] });
    let text = "héllo @bob #tag";
    world.bluesky.add_account("bob.bsky.social");
    let (_, bob) =
        world.get(&session.access, "com.atproto.identity.resolveHandle", &[("handle", "bob.bsky.social")]).await;
    let facets = json!([
        { "index": { "byteStart": 7, "byteEnd": 11 }, "features": [{ "$type": "app.bsky.richtext.facet#mention", "did": bob["did"] }] },
        { "index": { "byteStart": 12, "byteEnd": 16 }, "features": [{ "$type": "app.bsky.richtext.facet#tag", "tag": "tag" }] },
    ]);
    let (status, made) =
        world.create(&session.access, json!({ "text": text, "facets": facets, "embed": embed, "langs": ["fr"] })).await;
    assert_eq!((status, &made["validationStatus"]), (200, &json!("valid")));
    let rkey = made["uri"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    assert_eq!(rkey.len(), 13);
    let browser = Browser::new(&world.gateway.url()).unwrap();
    let page = browser.open("https://bsky.app/profile/alice.bsky.social").await.unwrap();
    assert!(page.text().contains(text) && page.html.contains("alt=\"a wall\""));
    let page = browser.open(&format!("https://bsky.app/profile/{}/post/{rkey}", world.did)).await.unwrap();
    assert!(page.text().contains(text));
    let cid = blob["ref"]["$link"].as_str().unwrap();
    assert_eq!(
        browser.open(&format!("https://bsky.app/img/{}/{cid}", world.did)).await.unwrap().headers["content-type"],
        "image/png"
    );
    let delete = || {
        world.post(
            &session.access,
            "com.atproto.repo.deleteRecord",
            json!({ "repo": world.did, "collection": "app.bsky.feed.post", "rkey": rkey }),
        )
    };
    assert_eq!(delete().await.0, 200);
    assert_eq!(delete().await.0, 200);
    assert!(world.bluesky.posts(&world.did).is_empty());
    world.clean();
}

#[tokio::test]
async fn posts_are_held_against_the_lexicon() {
    let world = world().await;
    let session = world.session().await;
    let mention = |did: &str| json!([{ "index": { "byteStart": 0, "byteEnd": 2 }, "features": [{ "$type": "app.bsky.richtext.facet#mention", "did": did }] }]);
    let link = |uri: &str| json!([{ "index": { "byteStart": 0, "byteEnd": 2 }, "features": [{ "$type": "app.bsky.richtext.facet#link", "uri": uri }] }]);
    let tag = |tag: String| json!([{ "index": { "byteStart": 0, "byteEnd": 2 }, "features": [{ "$type": "app.bsky.richtext.facet#tag", "tag": tag }] }]);
    let external = |uri: &str| json!({ "$type": "app.bsky.embed.external", "external": { "uri": uri, "title": "t", "description": "" } });
    let reference = json!({ "uri": "at://did:plc:x/app.bsky.feed.post/1", "cid": "bafyreiachwdazbw2jvhrrcmo3srmc4s45wdemsmizuwmen6bv6n7xldkkq" });
    let family = "👩‍👩‍👧";
    for (good, bad) in [
        (json!({ "text": "a".repeat(300) }), json!({ "text": "a".repeat(301) })),
        (json!({ "text": family.repeat(166) }), json!({ "text": family.repeat(167) })),
        (json!({ "createdAt": "2026-11-22T17:00:00+01:00" }), json!({ "createdAt": "2026-11-22" })),
        (json!({ "createdAt": "2026-11-22T16:00:00.5Z" }), json!({ "createdAt": null })),
        (json!({ "langs": ["en", "pt-BR", "de"] }), json!({ "langs": ["en", "fr", "de", "it"] })),
        (json!({ "langs": ["en"] }), json!({ "langs": ["ENGLISH!"] })),
        (json!({ "tags": ["a"] }), json!({ "tags": [1] })),
        (json!({ "facets": mention("did:plc:abc") }), json!({ "facets": mention("alice.bsky.social") })),
        (json!({ "facets": link("https://a.example") }), json!({ "facets": link("a example") })),
        (json!({ "facets": tag("a".repeat(64)) }), json!({ "facets": tag("a".repeat(65)) })),
        (json!({ "embed": external("https://a.example") }), json!({ "embed": external("a example") })),
        (json!({ "reply": { "root": reference, "parent": reference } }), json!({ "reply": { "root": reference } })),
        (
            json!({ "labels": { "$type": "com.atproto.label.defs#selfLabels", "values": [{ "val": "nudity" }] } }),
            json!({ "labels": { "values": [{ "val": "nudity" }] } }),
        ),
    ] {
        let (status, answer) = world.create(&session.access, good.clone()).await;
        assert_eq!(status, 200, "{good}: {answer}");
        world.clean();
        let (status, answer) = world.create(&session.access, bad.clone()).await;
        assert_eq!((status, error(&answer)), (400, "InvalidRequest"), "{bad}");
        world.violated("Invalid app.bsky.feed.post record");
    }
    let (_, answer) = world.create(&session.access, json!({ "text": "a".repeat(301) })).await;
    assert!(answer["message"].as_str().unwrap().contains("grapheme too big (maximum 300, got 301)"));
    world.violated("grapheme");
    assert_eq!(world.create(&session.access, json!({ "$type": "app.bsky.feed.like" })).await.0, 400);
    world.violated("Invalid $type");
    // Let pass by the vendor, but sent by no correct client.
    for (text, start, end) in [("é", 0, 1), ("ab", 0, 3), ("ab", 1, 1)] {
        let facet = json!([{ "index": { "byteStart": start, "byteEnd": end }, "features": [] }]);
        assert_eq!(world.create(&session.access, json!({ "text": text, "facets": facet })).await.0, 200);
        world.violated("no range of whole characters");
    }
    assert_eq!(world.create(&session.access, json!({ "text": "" })).await.0, 200);
    world.violated("neither text nor embed");
}

#[tokio::test]
async fn record_keys() {
    let world = world().await;
    let session = world.session().await;
    assert_eq!(world.create_at(&session.access, RKEY).await.0, 200);
    let (status, answer) = world.create_at(&session.access, RKEY).await;
    assert_eq!((status, error(&answer)), (500, "InternalServerError"));
    assert_eq!(world.bluesky.posts("alice.bsky.social").len(), 1);
    let get = |rkey: &'static str| {
        let query = [("repo", "alice.bsky.social"), ("collection", "app.bsky.feed.post"), ("rkey", rkey)];
        world.json(world.client.get(world.url(VENDOR_PDS, "com.atproto.repo.getRecord")).query(&query))
    };
    assert_eq!(get(RKEY).await.1["value"]["text"], "hello");
    let (status, answer) = get("3lbcdefghij2m").await;
    assert_eq!((status, error(&answer)), (400, "RecordNotFound"));
    let record = json!({ "text": "changed", "createdAt": "2026-11-22T16:00:00Z" });
    let put = json!({ "repo": world.did, "collection": "app.bsky.feed.post", "rkey": RKEY, "record": record });
    assert_eq!(world.post(&session.access, "com.atproto.repo.putRecord", put).await.0, 200);
    assert_eq!(get(RKEY).await.1["value"]["text"], "changed");
    for rkey in ["3lbcdefghij2m", "3lbcdefghij2n"] {
        assert_eq!(world.create_at(&session.access, rkey).await.0, 200);
    }
    let list = async |more: &[(&str, &str)]| {
        let query = [("repo", world.did.as_str()), ("collection", "app.bsky.feed.post")];
        let (_, answer) = world
            .json(world.client.get(world.url(ENTRYWAY, "com.atproto.repo.listRecords")).query(&query).query(more))
            .await;
        let uris = answer["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["uri"].as_str().unwrap().chars().last().unwrap());
        (uris.collect::<String>(), answer["cursor"].as_str().unwrap_or_default().to_owned())
    };
    let (found, cursor) = list(&[("limit", "2")]).await;
    assert_eq!(found, "nm");
    assert_eq!(list(&[("cursor", &cursor)]).await.0, "k");
    assert_eq!(list(&[("reverse", "true")]).await.0, "kmn");
    assert!(world.bluesky.delete_post(&world.did, RKEY) && !world.bluesky.delete_post(&world.did, RKEY));
    world.clean();
    assert_eq!(world.create_at(&session.access, "my-key").await.0, 400);
    world.violated("TID");
    let other = world.bluesky.add_account("bob.bsky.social");
    let body = json!({ "repo": other, "collection": "app.bsky.feed.post", "record": { "text": "x" } });
    assert_eq!(world.post(&session.access, "com.atproto.repo.createRecord", body).await.0, 401);
    world.violated("another repository");
    let body = json!({ "repo": "nobody.example", "collection": "app.bsky.feed.post", "record": { "text": "x" } });
    let (status, answer) = world.post(&session.access, "com.atproto.repo.createRecord", body).await;
    assert_eq!((status, error(&answer)), (403, "AccountNotFound"));
    world.violated("unknown repository");
}

#[tokio::test]
async fn blobs_must_be_there_and_fit() {
    let world = world().await;
    let session = world.session().await;
    let images = |blob: &Value, count: usize| json!({ "embed": { "$type": "app.bsky.embed.images", "images": vec![json!({ "image": blob, "alt": "" }); count] } });
    let (_, blob) = world.upload(&session.access, "image/png", fixtures::png_of_size(10, 10, 1_500_000)).await;
    assert_eq!(world.create(&session.access, images(&blob, 4)).await.0, 200);
    world.bluesky.knobs(|knobs| knobs.image_limit = 1_000_000);
    let (status, answer) = world.create(&session.access, images(&blob, 1)).await;
    assert_eq!((status, error(&answer)), (400, "InvalidRequest"));
    assert!(answer["message"].as_str().unwrap().contains("blob too big (maximum 1000000, got 1500000)"));
    let (_, small) = world.upload(&session.access, "image/jpeg", fixtures::jpeg(10, 10)).await;
    let mut unknown = small.clone();
    unknown["ref"]["$link"] = blob["ref"]["$link"].as_str().unwrap().replace('b', "c").into();
    let (status, answer) = world.create(&session.access, images(&unknown, 1)).await;
    assert_eq!((status, error(&answer)), (400, "BlobNotFound"));
    // Kept for a while only, unless a record holds it.
    let (_, forgotten) = world.upload(&session.access, "image/gif", fixtures::gif(10, 10, 1)).await;
    assert_eq!(world.create(&session.access, images(&small, 1)).await.0, 200);
    world.advance(60);
    assert_eq!(error(&world.create(&session.access, images(&forgotten, 1)).await.1), "BlobNotFound");
    assert_eq!(world.create(&session.access, images(&small, 1)).await.0, 200);
    world.clean();
    for (name, value, code) in [("mimeType", json!("image/webp"), "InvalidMimeType"), ("size", json!(1), "InvalidSize")]
    {
        let mut wrong = small.clone();
        wrong[name] = value;
        assert_eq!(error(&world.create(&session.access, images(&wrong, 1)).await.1), code);
        world.violated("does not match");
    }
    assert_eq!(world.create(&session.access, images(&small, 5)).await.0, 400);
    world.violated("array too big");
    assert_eq!(world.create(&session.access, images(&small, 0)).await.0, 200);
    world.violated("no images");
    let no_alt = json!({ "embed": { "$type": "app.bsky.embed.images", "images": [{ "image": small }] } });
    assert_eq!(world.create(&session.access, no_alt).await.0, 400);
    world.violated("alt");
    let as_video = json!({ "embed": { "$type": "app.bsky.embed.video", "video": small } });
    assert_eq!(error(&world.create(&session.access, as_video).await.1), "InvalidRequest");
    world.violated("Expected \"video/mp4\"");
    let (status, guessed) = world.upload(&session.access, "*/*", fixtures::png(4, 4)).await;
    assert_eq!((status, &guessed["mimeType"]), (200, &json!("image/png")));
    world.violated("Content-Type */*");
    let request = world.client.post(world.url(ENTRYWAY, "com.atproto.repo.uploadBlob")).bearer_auth(&session.access);
    assert_eq!(world.json(request.body(fixtures::png(4, 4))).await.0, 400);
    world.violated("required but not provided");
    world.bluesky.knobs(|knobs| knobs.blob_limit = 10);
    assert_eq!(world.upload(&session.access, "image/png", fixtures::png(4, 4)).await.0, 413);
}

#[tokio::test]
async fn a_video_goes_through_the_service() {
    let world = world().await;
    let session = world.session().await;
    let limits = |token: String| {
        world.json(world.client.get(world.url(VIDEO, "app.bsky.video.getUploadLimits")).bearer_auth(token))
    };
    let to_video = format!("did:web:{VIDEO}");
    let token = world.service_auth(&session.access, &to_video, "app.bsky.video.getUploadLimits").await;
    let (status, answer) = limits(token.clone()).await;
    assert_eq!((status, &answer["canUpload"], &answer["remainingDailyVideos"]), (200, &json!(true), &json!(25)));
    world.bluesky.knobs(|knobs| knobs.video_refused = Some("later".into()));
    assert_eq!(limits(token.clone()).await.1["canUpload"], false);
    world.clean();
    let wrong = world.service_auth(&session.access, &to_video, "com.atproto.repo.uploadBlob").await;
    let (status, answer) = limits(wrong).await;
    assert_eq!((status, error(&answer)), (401, "BadJwtLexiconMethod"));
    world.violated("lexicon method");
    assert_eq!(error(&limits(session.access.clone()).await.1), "BadJwt");
    world.violated("no service token");
    world.advance(1);
    assert_eq!(error(&limits(token).await.1), "JwtExpired");
    let video = fixtures::mp4(3000, 64, 48, 3000);
    let upload = async |token: &str, query: &[(&str, &str)], kind: &str| {
        let request = world.client.post(world.url(VIDEO, "app.bsky.video.uploadVideo")).bearer_auth(token).query(query);
        world.json(request.header("content-type", kind).body(video.clone())).await
    };
    let query = [("did", world.did.as_str()), ("name", "clip.mp4")];
    let to_entryway = world.service_auth(&session.access, "did:web:bsky.social", "com.atproto.repo.uploadBlob").await;
    let (status, answer) = upload(&to_entryway, &query, "video/mp4").await;
    assert_eq!((status, error(&answer)), (401, "BadJwtAudience"));
    world.violated("audience");
    let token =
        world.service_auth(&session.access, &format!("did:web:{VENDOR_PDS}"), "com.atproto.repo.uploadBlob").await;
    assert_eq!(upload(&token, &query[..1], "video/mp4").await.0, 400);
    world.violated("did and name");
    assert_eq!(upload(&token, &query, "application/octet-stream").await.0, 400);
    world.violated("Content-Type");
    let (status, answer) = upload(&token, &query, "video/mp4").await;
    assert_eq!((status, &answer["jobStatus"]["state"]), (200, &json!("JOB_STATE_CREATED")));
    let job = answer["jobStatus"]["jobId"].as_str().unwrap().to_owned();
    let (status, answer) = upload(&token, &query, "video/mp4").await;
    assert_eq!((status, answer["jobId"].as_str()), (409, Some(job.as_str())));
    let poll =
        || world.json(world.client.get(world.url(VIDEO, "app.bsky.video.getJobStatus")).query(&[("jobId", &job)]));
    for state in ["JOB_STATE_ENCODING", "JOB_STATE_SCANNING", "JOB_STATE_UPLOADING"] {
        assert_eq!(poll().await.1["jobStatus"]["state"], state);
    }
    let (_, answer) = poll().await;
    let blob = &answer["jobStatus"]["blob"];
    assert_eq!(
        (&answer["jobStatus"]["state"], &blob["mimeType"]),
        (&json!("JOB_STATE_COMPLETED"), &json!("video/mp4"))
    );
    let embed = json!({ "$type": "app.bsky.embed.video", "video": blob, "alt": "waves", "aspectRatio": { "width": 4, "height": 3 } });
    assert_eq!(world.create(&session.access, json!({ "embed": embed })).await.0, 200);
    // Another account: bare answers, and a failing job.
    world.bluesky.knobs(|knobs| {
        (knobs.wrap_job_status, knobs.video_polls, knobs.video_fails) = (false, 0, Some("encoding_failure".into()))
    });
    let longer = fixtures::mp4(4000, 64, 48, 3000);
    let request = world.client.post(world.url(VIDEO, "app.bsky.video.uploadVideo")).bearer_auth(&token).query(&query);
    let (_, answer) = world.json(request.header("content-type", "video/mp4").body(longer)).await;
    let job = answer["jobId"].as_str().unwrap().to_owned();
    let (_, answer) =
        world.json(world.client.get(world.url(VIDEO, "app.bsky.video.getJobStatus")).query(&[("jobId", &job)])).await;
    assert_eq!(
        (&answer["jobStatus"]["state"], &answer["jobStatus"]["failureCode"]),
        (&json!("JOB_STATE_FAILED"), &json!("encoding_failure"))
    );
    world.clean();
    let far = (START / 1000 + 2 * 3600).to_string();
    let (status, answer) =
        world.get(&session.access, "com.atproto.server.getServiceAuth", &[("aud", &to_video), ("exp", &far)]).await;
    assert_eq!((status, error(&answer)), (400, "BadExpiration"));
    world.violated("an hour");
    assert_eq!(
        world.get(&session.access, "com.atproto.server.getServiceAuth", &[("aud", "video.bsky.app")]).await.0,
        400
    );
    world.violated("DID");
}

#[tokio::test]
async fn budgets() {
    let world = world().await;
    for _ in 0..30 {
        assert_eq!(world.sign_in("alice.bsky.social", &world.password).await.0, 200);
    }
    let body = json!({ "identifier": "alice.bsky.social", "password": world.password });
    let answer =
        world.client.post(world.url(ENTRYWAY, "com.atproto.server.createSession")).json(&body).send().await.unwrap();
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(
        (answer.status().as_u16(), header("ratelimit-limit"), header("ratelimit-policy")),
        (429, "30".into(), "30;w=300".into())
    );
    assert_eq!((header("ratelimit-reset"), header("retry-after")), ((START / 1000 + 300).to_string(), "300".into()));
    assert_eq!(answer.json::<Value>().await.unwrap()["error"], "RateLimitExceeded");
    world.advance(5);
    let session = world.session().await;
    // 5,000 points an hour: a create costs 3.
    world.bluesky.state(|state| {
        state.throttles.points_hour.spend(&world.did, 4998, START + 300_000);
    });
    assert_eq!(world.create(&session.access, json!({})).await.0, 429);
    world.advance(60);
    assert_eq!(world.create(&session.access, json!({})).await.0, 200);
    world.bluesky.knobs(|knobs| knobs.rate_limits = false);
    for _ in 0..40 {
        assert_eq!(world.sign_in("alice.bsky.social", &world.password).await.0, 200);
    }
    world.clean();
}

#[tokio::test]
async fn hosts_identity_and_profiles() {
    let world = world().await;
    world.bluesky.add_pds("pds.example");
    let carol = world.bluesky.add_account_at("pds.example", "carol.example");
    let password = world.bluesky.add_app_password(&carol, "x").unwrap();
    assert_eq!(world.sign_in("carol.example", &password).await.0, 401);
    let body = json!({ "identifier": "carol.example", "password": password });
    let (status, answer) =
        world.json(world.client.post(world.url("pds.example", "com.atproto.server.createSession")).json(&body)).await;
    assert_eq!(status, 200);
    let token = tokens(&answer).access;
    world.bluesky.set_standing(&carol, Standing::Takendown);
    let there = world.client.get(world.url("pds.example", "com.atproto.server.getSession")).bearer_auth(&token);
    assert_eq!(error(&world.json(there).await.1), "InvalidRequest");
    world.bluesky.set_standing(&carol, Standing::Active);
    assert_eq!(error(&world.get(&token, "com.atproto.server.getSession", &[]).await.1), "InvalidToken");
    let (_, server) = world.json(world.client.get(world.url("pds.example", "com.atproto.server.describeServer"))).await;
    assert_eq!(
        (&server["did"], &server["availableUserDomains"][0]),
        (&json!("did:web:pds.example"), &json!(".pds.example"))
    );
    let plc = |did: &str| world.json(world.client.get(format!("{}/{DIRECTORY}/{did}", world.gateway.url())));
    let (_, document) = plc(&carol).await;
    assert_eq!(
        (&document["alsoKnownAs"][0], &document["service"][0]["serviceEndpoint"]),
        (&json!("at://carol.example"), &json!("https://pds.example"))
    );
    assert_eq!(plc("did:plc:unknown").await.0, 404);
    world.bluesky.move_account(&carol, VENDOR_PDS);
    assert_eq!(plc(&carol).await.1["service"][0]["serviceEndpoint"], format!("https://{VENDOR_PDS}"));
    world.bluesky.set_handle(&carol, "carol.new.example");
    let resolve = |handle: &'static str| {
        world.json(
            world.client.get(world.url(PUBLIC_API, "com.atproto.identity.resolveHandle")).query(&[("handle", handle)]),
        )
    };
    assert_eq!(resolve("carol.new.example").await.1["did"].as_str(), Some(carol.as_str()));
    let (status, answer) = resolve("carol.example").await;
    assert_eq!((status, error(&answer)), (400, "InvalidRequest"));
    let session = world.session().await;
    let profile = || world.get(&session.access, "app.bsky.actor.getProfile", &[("actor", "alice.bsky.social")]);
    assert_eq!(profile().await.1["displayName"], "Alice");
    world.bluesky.knobs(|knobs| knobs.appview_down = true);
    let (status, answer) = profile().await;
    assert_eq!((status, error(&answer)), (502, "UpstreamFailure"));
    world.clean();
    assert_eq!(world.get(&session.access, "app.bsky.feed.getNothing", &[]).await.0, 501);
    world.violated("no method");
    assert_eq!(world.get(&session.access, "com.atproto.repo.createRecord", &[]).await.0, 400);
    world.violated("Incorrect HTTP method");
}
