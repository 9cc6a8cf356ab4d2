//! Every strict rule of an instance over real HTTP: one request that is refused and one that is accepted. Long
//! because all of it leans on the same small client.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Once};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::multipart::{Form, Part};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::*;
use crate::browser::{Browser, Consent, Page};
use crate::fixtures;

const START: i64 = 1_790_000_000_000;
const HOST: &str = "mastodon.example";
const REDIRECT: &str = "https://app.example/accounts/mastodon/callback";
const SCOPES: &str = "read:accounts write:statuses write:media";
const VERIFIER: &str = "a-verifier-of-more-than-forty-three-characters-0123";

struct World {
    gateway: Arc<Gateway>,
    clock: Arc<AtomicI64>,
    mastodon: Mastodon,
    client: Client,
    browser: Browser,
}

struct App {
    id: String,
    secret: String,
}

async fn world(options: Options) -> World {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let clock = Arc::new(AtomicI64::new(START));
    let now = clock.clone();
    let gateway = Gateway::start(Arc::new(move || now.load(Ordering::SeqCst))).await.unwrap();
    let mastodon = Mastodon::new(&gateway, HOST, options);
    mastodon.add_user("alice");
    // The daemon's callback.
    gateway.mount("app.example", axum::Router::new().fallback(|| async { "back in the app" }));
    let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let browser = Browser::new(&gateway.url()).unwrap();
    World { gateway, clock, mastodon, client, browser }
}

impl World {
    fn url(&self, path: &str) -> String {
        format!("{}/{HOST}{path}", self.gateway.url())
    }

    fn advance(&self, minutes: i64) {
        self.clock.fetch_add(minutes * 60_000, Ordering::SeqCst);
    }

    async fn json(&self, request: RequestBuilder) -> (u16, Value) {
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn app(&self, scopes: &str) -> App {
        let body = json!({ "client_name": "trypost", "redirect_uris": REDIRECT, "scopes": scopes });
        let (status, app) = self.json(self.client.post(self.url("/api/v1/apps")).json(&body)).await;
        assert_eq!(status, 200);
        App { id: app["client_id"].as_str().unwrap().into(), secret: app["client_secret"].as_str().unwrap().into() }
    }

    fn authorize(&self, app: &App, extra: &[(&str, &str)]) -> String {
        let mut url = url::Url::parse(&format!("https://{HOST}/oauth/authorize")).unwrap();
        let base =
            [("client_id", app.id.as_str()), ("redirect_uri", REDIRECT), ("response_type", "code"), ("state", "s&1")];
        let base = base.into_iter().filter(|(name, _)| !extra.iter().any(|(other, _)| other == name));
        url.query_pairs_mut().extend_pairs(base).extend_pairs(extra.iter().filter(|(_, value)| !value.is_empty()));
        url.into()
    }

    async fn approve(&self, url: &str) -> Page {
        self.browser.consent(url, Consent::Approve { as_user: "alice".into() }).await.unwrap()
    }

    async fn exchange(&self, app: &App, code: &str, extra: &[(&str, &str)]) -> (u16, Value) {
        let base = [
            ("grant_type", "authorization_code"),
            ("client_id", &app.id),
            ("client_secret", &app.secret),
            ("redirect_uri", REDIRECT),
            ("code", code),
        ];
        let base: Vec<_> = base.into_iter().filter(|(name, _)| !extra.iter().any(|(other, _)| other == name)).collect();
        let form: Vec<_> = base.iter().chain(extra).collect();
        self.json(self.client.post(self.url("/oauth/token")).form(&form)).await
    }

    async fn token(&self, scopes: &str) -> (App, String) {
        let app = self.app(scopes).await;
        let page = self.approve(&self.authorize(&app, &[("scope", scopes)])).await;
        let (status, token) = self.exchange(&app, &query(&page, "code").unwrap(), &[]).await;
        assert_eq!((status, token["scope"].as_str()), (200, Some(scopes)));
        (app, token["access_token"].as_str().unwrap().to_owned())
    }

    async fn post(&self, token: &str, body: Value) -> (u16, Value) {
        self.json(self.client.post(self.url("/api/v1/statuses")).bearer_auth(token).json(&body)).await
    }

    async fn upload(&self, token: &str, version: u8, bytes: Vec<u8>, description: &str) -> (u16, Value) {
        let form =
            Form::new().part("file", Part::bytes(bytes).file_name("f")).text("description", description.to_owned());
        let request = self.client.post(self.url(&format!("/api/v{version}/media"))).bearer_auth(token).multipart(form);
        self.json(request).await
    }

    async fn get(&self, token: &str, path: &str) -> (u16, Value) {
        self.json(self.client.get(self.url(path)).bearer_auth(token)).await
    }

    fn clean(&self) {
        assert_eq!(self.gateway.take_violations(), Vec::<String>::new());
    }

    fn violated(&self, part: &str) {
        let found = self.gateway.take_violations();
        assert!(found.len() == 1 && found[0].contains(part), "{part:?} not in {found:?}");
    }
}

fn query(page: &Page, name: &str) -> Option<String> {
    let url = url::Url::parse(&page.url).unwrap();
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

fn error(answer: &Value) -> &str {
    answer["error"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn connecting_posting_and_reading_back() {
    let world = world(Options::default()).await;
    let (_, token) = world.token(SCOPES).await;
    let (status, me) = world.get(&token, "/api/v1/accounts/verify_credentials").await;
    assert_eq!((status, me["id"].as_str(), me["display_name"].as_str()), (200, Some("1"), Some("Alice")));
    let (status, media) = world.upload(&token, 2, fixtures::png(20, 10), "a wall").await;
    assert_eq!((status, media["type"].as_str(), media["description"].as_str()), (200, Some("image"), Some("a wall")));
    let body =
        json!({ "status": "Hello <b>world</b>", "media_ids": [media["id"]], "language": "en", "spoiler_text": "cw" });
    let (status, post) = world.post(&token, body).await;
    assert_eq!((status, post["url"].as_str()), (200, Some("https://mastodon.example/@alice/1")));
    assert_eq!((post["sensitive"].as_bool(), post["application"]["name"].as_str()), (Some(true), Some("trypost")));
    assert_eq!(post["content"], "<p>Hello &lt;b&gt;world&lt;/b&gt;</p>");
    // Somebody looks at the public page, and finds the picture too.
    let page = world.browser.open("https://mastodon.example/public").await.unwrap();
    assert!(page.text().contains("Hello <b>world</b>") && page.html.contains("alt=\"a wall\""));
    let picture = media["url"].as_str().unwrap();
    assert_eq!(world.browser.open(picture).await.unwrap().headers["content-type"], "image/png");
    assert!(world.browser.open(post["url"].as_str().unwrap()).await.unwrap().text().contains("Hello"));
    let (_, list) = world.json(world.client.get(world.url("/api/v1/timelines/public"))).await;
    assert_eq!(list[0]["id"], "1");
    // Without a token public posts are seen; with one it must have the scope.
    let (status, list) = world.json(world.client.get(world.url("/api/v1/accounts/1/statuses"))).await;
    assert_eq!((status, list.as_array().map(Vec::len)), (200, Some(1)));
    let (status, answer) = world.get(&token, "/api/v1/accounts/1/statuses").await;
    assert_eq!((status, error(&answer)), (403, "This action is outside the authorized scopes"));
    // Media of a status is not found by the media call any more.
    assert_eq!(world.get(&token, "/api/v1/media/1").await.0, 404);
    let delete = |id: &str| world.client.delete(world.url(&format!("/api/v1/statuses/{id}"))).bearer_auth(&token);
    let (status, gone) = world.json(delete("1")).await;
    assert_eq!((status, gone["text"].as_str()), (200, Some("Hello <b>world</b>")));
    assert_eq!(world.json(delete("1")).await.0, 404);
    assert_eq!(world.json(world.client.get(world.url("/api/v1/statuses/1"))).await.0, 404);
    assert!(world.mastodon.statuses().is_empty());
    world.clean();
}

#[tokio::test]
async fn apps_are_validated_forgotten_and_deleted() {
    let world = world(Options::default()).await;
    let post = |body: Value| world.json(world.client.post(world.url("/api/v1/apps")).json(&body));
    let (status, answer) = post(json!({ "client_name": "x", "redirect_uris": "relative", "scopes": "read" })).await;
    assert_eq!((status, error(&answer)), (422, "Validation failed: Redirect URI must be an absolute URI."));
    world.violated("Redirect URI");
    assert_eq!(post(json!({ "client_name": "x", "redirect_uris": REDIRECT, "scopes": "nonsense" })).await.0, 422);
    world.violated("Scopes");
    assert_eq!(post(json!({ "redirect_uris": REDIRECT })).await.0, 422);
    world.violated("blank");
    let app = world.app(SCOPES).await;
    let page = world.approve(&world.authorize(&app, &[("scope", SCOPES)])).await;
    world.mastodon.purge_apps();
    assert_eq!(world.mastodon.apps(), 0);
    let (status, answer) = world.exchange(&app, &query(&page, "code").unwrap(), &[]).await;
    assert_eq!((status, error(&answer)), (401, "invalid_client"));
    let page = world.browser.open(&world.authorize(&app, &[])).await.unwrap();
    assert_eq!((page.status, page.form()), (401, None));
    let (_, token) = world.token(SCOPES).await;
    world.mastodon.purge_apps();
    assert_eq!(world.mastodon.apps(), 1);
    world.mastodon.delete_apps();
    let (status, answer) = world.get(&token, "/api/v1/accounts/verify_credentials").await;
    assert_eq!((status, error(&answer)), (401, "The access token is invalid"));
    world.clean();
    // Five registrations in ten minutes; the refused ones counted.
    assert_eq!(post(json!({ "client_name": "x", "redirect_uris": [REDIRECT] })).await.0, 429);
    world.advance(10);
    assert_eq!(post(json!({ "client_name": "x", "redirect_uris": [REDIRECT] })).await.0, 200);
}

#[tokio::test]
async fn authorize_refuses_what_doorkeeper_refuses() {
    let world = world(Options::default()).await;
    let app = world.app(SCOPES).await;
    let page = world.browser.open(&world.authorize(&app, &[("redirect_uri", "https://evil.example/")])).await.unwrap();
    assert_eq!((page.status, page.form()), (400, None));
    world.violated("redirect_uri");
    for (extra, code) in [
        (("scope", "write"), "invalid_scope"),
        (("scope", "read:statuses"), "invalid_scope"),
        (("response_type", "token"), "unsupported_response_type"),
        (("code_challenge", "plain"), "invalid_code_challenge_method"),
    ] {
        let extra = if extra.0 == "scope" { vec![extra] } else { vec![extra, ("scope", SCOPES)] };
        let page = world.browser.open(&world.authorize(&app, &extra)).await.unwrap();
        assert_eq!(query(&page, "error").as_deref(), Some(code));
        assert_eq!(query(&page, "state").as_deref(), Some("s&1"));
        world.violated(code);
    }
    let page = world.browser.consent(&world.authorize(&app, &[("scope", SCOPES)]), Consent::Deny).await.unwrap();
    assert_eq!((page.text().as_str(), query(&page, "error").as_deref()), ("back in the app", Some("access_denied")));
    assert_eq!(query(&page, "state").as_deref(), Some("s&1"));
    // A frozen user can't sign in; nobody can sign in as somebody who is not there.
    world.mastodon.set_user("alice", UserState::Disabled);
    let first = world.browser.open(&world.authorize(&app, &[("scope", SCOPES)])).await.unwrap();
    let page = world.browser.submit(&first, "approve", &[("user", "alice")]).await.unwrap();
    assert!(page.text().contains("Your login is currently disabled"));
    assert!(world.browser.submit(&first, "approve", &[("user", "bob")]).await.is_err());
    world.clean();
}

#[tokio::test]
async fn codes_are_single_use_short_lived_and_bound() {
    let world = world(Options::default()).await;
    let app = world.app(SCOPES).await;
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    let pkce = [("scope", SCOPES), ("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")];
    let url = world.authorize(&app, &pkce);
    let code = query(&world.approve(&url).await, "code").unwrap();
    world.clean();
    let (status, answer) = world.exchange(&app, &code, &[]).await;
    assert_eq!((status, error(&answer)), (400, "invalid_request"));
    world.violated("code_verifier");
    let (status, answer) = world.exchange(&app, &code, &[("code_verifier", "another")]).await;
    assert_eq!((status, error(&answer)), (400, "invalid_grant"));
    world.violated("code_verifier");
    assert_eq!(
        world.exchange(&app, &code, &[("code_verifier", VERIFIER), ("redirect_uri", "https://app.example/")]).await.0,
        400
    );
    world.violated("redirect_uri");
    let (status, answer) =
        world.exchange(&app, &code, &[("code_verifier", VERIFIER), ("grant_type", "password")]).await;
    assert_eq!((status, error(&answer)), (400, "unsupported_grant_type"));
    world.violated("grant_type");
    let (status, answer) =
        world.exchange(&app, &code, &[("code_verifier", VERIFIER), ("client_secret", "wrong")]).await;
    assert_eq!((status, error(&answer)), (401, "invalid_client"));
    let other = world.app(SCOPES).await;
    assert_eq!(world.exchange(&other, &code, &[("code_verifier", VERIFIER)]).await.0, 400);
    world.violated("another client");
    assert_eq!(world.exchange(&app, &code, &[("code_verifier", VERIFIER)]).await.0, 200);
    let (status, answer) = world.exchange(&app, &code, &[("code_verifier", VERIFIER)]).await;
    assert_eq!((status, error(&answer)), (400, "invalid_grant"));
    world.violated("used twice");
    let code = query(&world.approve(&url).await, "code").unwrap();
    world.advance(10);
    assert_eq!(world.exchange(&app, &code, &[("code_verifier", VERIFIER)]).await.0, 400);
    // Basic credentials are as good; and the app's own token belongs to nobody.
    let code = query(&world.approve(&url).await, "code").unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("redirect_uri", REDIRECT),
        ("code", &code),
        ("code_verifier", VERIFIER),
    ];
    let request = world.client.post(world.url("/oauth/token")).basic_auth(&app.id, Some(&app.secret)).form(&form);
    assert_eq!(world.json(request).await.0, 200);
    let (_, own) = world.exchange(&app, "", &[("grant_type", "client_credentials")]).await;
    let (status, _) = world.get(own["access_token"].as_str().unwrap(), "/api/v1/accounts/verify_credentials").await;
    assert_eq!(status, 422);
    world.clean();
}

#[tokio::test]
async fn old_instances_have_no_discovery_and_no_pkce() {
    let new = world(Options::default()).await;
    let (status, found) = new.json(new.client.get(new.url("/.well-known/oauth-authorization-server"))).await;
    assert_eq!((status, &found["code_challenge_methods_supported"]), (200, &json!(["S256"])));
    assert_eq!(found["userinfo_endpoint"], "https://mastodon.example/oauth/userinfo");
    let (_, token) = new.token("profile").await;
    assert_eq!(new.get(&token, "/oauth/userinfo").await.1["preferred_username"], "alice");
    assert_eq!(new.get(&token, "/api/v1/accounts/verify_credentials").await.0, 200);
    let (_, token) = new.token("read").await;
    assert_eq!(new.get(&token, "/oauth/userinfo").await.0, 403);
    let old = world(Options::mastodon("4.2.10")).await;
    assert_eq!(old.json(old.client.get(old.url("/.well-known/oauth-authorization-server"))).await.0, 404);
    let app = old.app("read").await;
    // The challenge is ignored: the exchange needs no verifier.
    let page = old.approve(&old.authorize(&app, &[("code_challenge", "x"), ("code_challenge_method", "S256")])).await;
    assert_eq!(old.exchange(&app, &query(&page, "code").unwrap(), &[]).await.0, 200);
    old.clean();
    let (_, instance) = old.json(old.client.get(old.url("/api/v2/instance"))).await;
    assert_eq!(instance["version"], "4.2.10");
    let (_, instance) = old.json(old.client.get(old.url("/api/v1/instance"))).await;
    assert_eq!(instance["configuration"]["statuses"]["max_characters"], 500);
    let list = json!({ "client_name": "x", "redirect_uris": [REDIRECT] });
    assert_eq!(old.json(old.client.post(old.url("/api/v1/apps")).json(&list)).await.0, 422);
    old.violated("before 4.3");
    let profile = json!({ "client_name": "x", "redirect_uris": REDIRECT, "scopes": "profile" });
    assert_eq!(old.json(old.client.post(old.url("/api/v1/apps")).json(&profile)).await.0, 422);
}

#[tokio::test]
async fn tokens_die_in_the_vendors_words() {
    let world = world(Options::default()).await;
    let (app, token) = world.token(SCOPES).await;
    let verify = || world.get(&token, "/api/v1/accounts/verify_credentials");
    for (state, text) in [
        (UserState::Disabled, "Your login is currently disabled"),
        (UserState::Suspended, "Your login is currently disabled"),
        (UserState::Pending, "Your login is currently pending approval"),
        (UserState::Unconfirmed, "Your login is missing a confirmed e-mail address"),
    ] {
        world.mastodon.set_user("alice", state);
        let (status, answer) = verify().await;
        assert_eq!((status, error(&answer)), (403, text));
    }
    world.mastodon.set_user("alice", UserState::Active);
    assert_eq!(verify().await.0, 200);
    let revoke = |token: &str, secret: &str| {
        let form = [("client_id", app.id.clone()), ("client_secret", secret.to_owned()), ("token", token.to_owned())];
        world.json(world.client.post(world.url("/oauth/revoke")).form(&form))
    };
    assert_eq!(revoke("unknown", &app.secret).await.0, 403);
    let (status, answer) = revoke(&token, "wrong").await;
    assert_eq!((status, error(&answer)), (403, "unauthorized_client"));
    assert_eq!(world.mastodon.live_tokens("alice"), 1);
    assert_eq!(revoke(&token, &app.secret).await, (200, json!({})));
    assert_eq!(revoke(&token, &app.secret).await.0, 200);
    assert_eq!(world.mastodon.live_tokens("alice"), 0);
    let answer: Response =
        world.client.get(world.url("/api/v1/accounts/verify_credentials")).bearer_auth(&token).send().await.unwrap();
    assert!(answer.headers()["www-authenticate"].to_str().unwrap().contains("The access token was revoked"));
    let (status, answer) = verify().await;
    assert_eq!((status, error(&answer)), (401, "The access token was revoked"));
    let (_, token) = world.token(SCOPES).await;
    world.mastodon.revoke_tokens("alice");
    assert_eq!(world.post(&token, json!({ "status": "x" })).await.0, 401);
    let (_, token) = world.token("read:accounts").await;
    let (status, answer) = world.post(&token, json!({ "status": "x" })).await;
    assert_eq!((status, error(&answer)), (403, "This action is outside the authorized scopes"));
    // A broad scope covers its parts.
    let (_, token) = world.token("write").await;
    assert_eq!(world.post(&token, json!({ "status": "x" })).await.0, 200);
    world.clean();
}

#[tokio::test]
async fn video_is_processed_before_it_can_be_attached() {
    let world = world(Options::default()).await;
    let (_, token) = world.token(SCOPES).await;
    let (status, media) = world.upload(&token, 2, fixtures::mp4(2000, 64, 48, 2000), "").await;
    assert_eq!((status, media["type"].as_str(), &media["url"]), (202, Some("video"), &Value::Null));
    let early = json!({ "status": "", "media_ids": ["1"] });
    let (status, answer) = world.post(&token, early.clone()).await;
    assert_eq!(status, 422);
    assert!(error(&answer).contains("have not finished processing"));
    world.violated("before it was ready");
    assert_eq!(world.get(&token, "/api/v1/media/1").await.0, 206);
    assert_eq!(world.get(&token, "/api/v1/media/1").await.0, 206);
    let (status, media) = world.get(&token, "/api/v1/media/1").await;
    assert_eq!((status, media["url"].is_string()), (200, true));
    assert_eq!(world.post(&token, early).await.0, 200);
    world.mastodon.knobs(|knobs| (knobs.processing_polls, knobs.processing_fails) = (0, true));
    let (_, media) = world.upload(&token, 2, fixtures::gif(8, 8, 2), "").await;
    assert_eq!(media["type"], "gifv");
    assert_eq!(world.get(&token, "/api/v1/media/2").await.0, 422);
    // The old API blocks until all is ready.
    world.mastodon.knobs(|knobs| knobs.media_v2 = false);
    assert_eq!(world.upload(&token, 2, fixtures::png(8, 8), "").await.0, 404);
    assert_eq!(world.upload(&token, 1, fixtures::mp4(2000, 64, 48, 2000), "").await.0, 200);
    world.clean();
}

#[tokio::test]
async fn media_limits() {
    let world = world(Options::default()).await;
    let (_, token) = world.token(SCOPES).await;
    world.mastodon.limits(|limits| {
        (limits.image_size, limits.description, limits.image_matrix, limits.body_size) = (10_000, 5, 10_000, 30_000);
    });
    assert_eq!(world.upload(&token, 2, fixtures::png_of_size(10, 10, 10_000), "12345").await.0, 200);
    assert_eq!(world.upload(&token, 2, fixtures::png_of_size(10, 10, 10_001), "").await.0, 422);
    assert_eq!(world.upload(&token, 2, fixtures::png_of_size(10, 10, 40_000), "").await.0, 413);
    assert_eq!(world.upload(&token, 2, fixtures::png(10, 10), "123456").await.0, 422);
    assert_eq!(world.upload(&token, 2, fixtures::png(101, 100), "").await.0, 422);
    assert_eq!(world.upload(&token, 2, b"just text".to_vec(), "").await.0, 422);
    world.mastodon.limits(|limits| limits.mime_types.retain(|mime| *mime != "image/webp"));
    assert_eq!(world.upload(&token, 2, fixtures::webp(8, 8), "").await.0, 422);
    assert_eq!(world.upload(&token, 2, fixtures::gif(8, 8, 1), "").await.0, 200);
    world.clean();
    let nothing = world.client.post(world.url("/api/v2/media")).bearer_auth(&token).multipart(Form::new());
    assert_eq!(world.json(nothing).await.0, 422);
    world.violated("file part");
    // Some front ends want the length beforehand.
    world.mastodon.knobs(|knobs| knobs.require_content_length = true);
    assert_eq!(world.upload(&token, 2, fixtures::png(8, 8), "").await.0, 200);
    let chunks = reqwest::Body::wrap_stream(futures::stream::iter([Ok::<_, std::io::Error>(fixtures::png(8, 8))]));
    let form = Form::new().part("file", Part::stream(chunks));
    let request = world.client.post(world.url("/api/v2/media")).bearer_auth(&token).multipart(form);
    assert_eq!(world.json(request).await.0, 411);
}

#[tokio::test]
async fn a_status_is_counted_and_checked() {
    let world = world(Options::default()).await;
    let (_, token) = world.token(SCOPES).await;
    let family = "👩‍👩‍👧";
    let link = format!("https://example.org/{}", "x".repeat(100));
    let full = format!("{} {link}. @bob@{}.example {family}", "a".repeat(500 - 24 - 2 - 4 - 2), "h".repeat(40));
    let (status, _) = world.post(&token, json!({ "status": full })).await;
    assert_eq!(status, 200);
    let (status, answer) = world.post(&token, json!({ "status": format!("{full}!") })).await;
    assert_eq!((status, error(&answer)), (422, "Validation failed: Text character limit of 500 exceeded"));
    assert_eq!(world.post(&token, json!({ "status": full, "spoiler_text": "!" })).await.0, 422);
    let (status, answer) = world.post(&token, json!({ "status": " " })).await;
    assert_eq!((status, error(&answer)), (422, "Validation failed: Text can't be blank"));
    let (status, answer) = world.post(&token, json!({ "status": "x", "media_ids": ["77"] })).await;
    assert_eq!(status, 422);
    assert!(error(&answer).contains("Media 77 not found"));
    for _ in 0..5 {
        world.upload(&token, 2, fixtures::png(8, 8), "").await;
    }
    let (_, video) = world.upload(&token, 1, fixtures::mp4(1000, 16, 16, 0), "").await;
    assert_eq!(world.post(&token, json!({ "media_ids": ["1", "2", "3", "4", "5"] })).await.0, 422);
    let (status, answer) = world.post(&token, json!({ "media_ids": ["1", video["id"]] })).await;
    assert_eq!((status, error(&answer)), (422, "Cannot attach a video to a post that already contains images"));
    assert_eq!(world.post(&token, json!({ "media_ids": ["1", "2", "3", "4"] })).await.0, 200);
    assert_eq!(world.post(&token, json!({ "media_ids": ["1"] })).await.0, 422);
    assert_eq!(world.post(&token, json!({ "status": "x", "in_reply_to_id": "99" })).await.0, 404);
    assert_eq!(
        world.post(&token, json!({ "status": "x", "in_reply_to_id": "1", "visibility": "unlisted" })).await.0,
        200
    );
    world.clean();
    assert_eq!(world.post(&token, json!({ "status": "x", "visibility": "secret" })).await.0, 422);
    world.violated("visibility");
    // Private posts are for the author's eyes.
    let (_, private) = world.post(&token, json!({ "status": "x", "visibility": "private" })).await;
    let path = format!("/api/v1/statuses/{}", private["id"].as_str().unwrap());
    assert_eq!(world.json(world.client.get(world.url(&path))).await.0, 404);
    let (_, reader) = world.token("read:statuses").await;
    assert_eq!(world.get(&reader, &path).await.0, 200);
}

#[tokio::test]
async fn an_idempotency_key_replays_for_an_hour() {
    let world = world(Options::default()).await;
    let (_, token) = world.token(SCOPES).await;
    let post = |key: &str| {
        let request =
            world.client.post(world.url("/api/v1/statuses")).bearer_auth(&token).header("Idempotency-Key", key);
        world.json(request.json(&json!({ "status": "once" })))
    };
    let first = post("k").await.1["id"].clone();
    assert_eq!(post("k").await.1["id"], first);
    assert_ne!(post("other").await.1["id"], first);
    assert_eq!(world.mastodon.statuses().len(), 2);
    world.advance(60);
    assert_ne!(post("k").await.1["id"], first);
    assert_eq!(world.mastodon.statuses().len(), 3);
    // Lists are paged, newest first.
    let list = async |query: &str| {
        let (_, list) = world.json(world.client.get(world.url(&format!("/api/v1/accounts/1/statuses{query}")))).await;
        list.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list("?limit=2").await, ["3", "2"]);
    assert_eq!(list("?max_id=2").await, ["1"]);
    assert_eq!(list("?since_id=1&limit=1").await, ["3"]);
    assert_eq!(list("?min_id=1&limit=1").await, ["2"]);
}

#[tokio::test]
async fn gotosocial_differs() {
    let world = world(Options::gotosocial()).await;
    let (app, token) = world.token(SCOPES).await;
    let (_, instance) = world.json(world.client.get(world.url("/api/v1/instance"))).await;
    assert!(instance["version"].as_str().unwrap().contains("+git"));
    assert_eq!(instance["configuration"]["statuses"]["max_characters"], 5000);
    assert_eq!(world.json(world.client.get(world.url("/.well-known/oauth-authorization-server"))).await.0, 404);
    for _ in 0..2 {
        let request =
            world.client.post(world.url("/api/v1/statuses")).bearer_auth(&token).header("Idempotency-Key", "k");
        assert_eq!(world.json(request.json(&json!({ "status": "twice" }))).await.0, 200);
    }
    let statuses = world.mastodon.statuses();
    assert_eq!((statuses.len(), statuses[0].id.len()), (2, 26));
    let account = &statuses[0].account;
    let path = format!("/api/v1/accounts/{account}/statuses");
    assert_eq!(world.get(&token, &path).await.1.as_array().map(Vec::len), Some(2));
    assert_eq!(world.json(world.client.get(world.url(&path))).await.0, 401);
    world.clean();
    // Its token endpoint reads the body only.
    let form = [("grant_type", "authorization_code"), ("redirect_uri", REDIRECT), ("code", "x")];
    let request = world.client.post(world.url("/oauth/token")).basic_auth(&app.id, Some(&app.secret)).form(&form);
    assert_eq!(world.json(request).await.0, 401);
    assert_eq!(world.json(world.client.get(world.url("/api/v1/timelines/public"))).await.0, 404);
    world.violated("no endpoint");
}

#[tokio::test]
async fn budgets_end_and_come_back() {
    let world = world(Options::default()).await;
    let (_, token) = world.token(SCOPES).await;
    for _ in 0..30 {
        assert_eq!(world.upload(&token, 2, fixtures::png(2, 2), "").await.0, 200);
    }
    let form = Form::new().part("file", Part::bytes(fixtures::png(2, 2)));
    let request = world.client.post(world.url("/api/v2/media")).bearer_auth(&token).multipart(form);
    let answer = request.send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["x-ratelimit-remaining"].to_str().unwrap()), (429, "0"));
    assert_eq!(answer.headers()["x-ratelimit-limit"], "30");
    let reset: jiff::Timestamp = answer.headers()["x-ratelimit-reset"].to_str().unwrap().parse().unwrap();
    assert!(reset.as_millisecond() > START && reset.as_millisecond() <= START + 30 * 60_000);
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "error": "Too many requests" }));
    world.advance(30);
    assert_eq!(world.upload(&token, 2, fixtures::png(2, 2), "").await.0, 200);
    world.mastodon.knobs(|knobs| knobs.rate_limits = false);
    for _ in 0..31 {
        assert_eq!(world.upload(&token, 2, fixtures::png(2, 2), "").await.0, 200);
    }
}

#[tokio::test]
async fn instances_are_apart_move_and_know_their_endpoints() {
    let world = world(Options::default()).await;
    let other = Mastodon::new(&world.gateway, "other.example", Options::default());
    assert_eq!(other.add_user("carol"), "1");
    assert_eq!(world.mastodon.add_user("bob"), "2");
    let (_, token) = world.token(SCOPES).await;
    let elsewhere = format!("{}/other.example/api/v1/accounts/verify_credentials", world.gateway.url());
    assert_eq!(world.json(world.client.get(elsewhere).bearer_auth(&token)).await.0, 401);
    world.mastodon.rename_user("alice", "Alice A.");
    assert_eq!(world.get(&token, "/api/v1/accounts/verify_credentials").await.1["display_name"], "Alice A.");
    assert_eq!(world.mastodon.post_as("alice", "by hand").as_deref(), Some("1"));
    assert!(world.browser.open("https://mastodon.example/@alice").await.unwrap().text().contains("by hand"));
    assert!(world.mastodon.delete_status("1") && !world.mastodon.delete_status("1"));
    world.clean();
    assert_eq!(world.get(&token, "/api/v1/nothing").await.0, 404);
    world.violated("no endpoint GET /api/v1/nothing");
    assert_eq!(world.json(world.client.put(world.url("/api/v1/statuses"))).await.0, 404);
    world.violated("no endpoint PUT /api/v1/statuses");
    world.mastodon.set_online(false);
    assert!(world.client.get(world.url("/api/v1/instance")).send().await.is_err());
    world.mastodon.set_online(true);
    assert_eq!(world.get(&token, "/api/v1/accounts/verify_credentials").await.0, 200);
    world.mastodon.knobs(|knobs| knobs.redirect_to = Some("https://new.example".into()));
    let answer = world.client.get(world.url("/api/v1/instance?x=1")).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 301);
    assert_eq!(answer.headers()["location"], "https://new.example/api/v1/instance?x=1");
}
