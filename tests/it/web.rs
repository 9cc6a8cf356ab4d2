//! The web part as the world meets it: the daemon as `main` starts it, over real HTTP, with people, vendors and strangers
//! at its door. Long because it is one story per test.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use emulators::Gateway;
use emulators::bluesky::Bluesky;
use emulators::browser::{Browser, Consent, Page};
use emulators::mastodon::{Mastodon, Options};
use emulators::telegram::{Telegram, User};
use reqwest::{Client, Response};
use trypost::app::{App, Parts};
use trypost::config::Config;
use trypost::domain::Clock;
use trypost::flows::Actor;
use trypost::flows::team::Introduced;
use trypost::store::Place;
use url::Url;

use crate::support::chromium;
use crate::support::clock::TestClock;

const PUBLIC: &str = "https://trypost.example";
const HOST: &str = "m.example";
const TOKEN: &str = "42:canary-token";
const SECRET: &str = "canary-webhook-secret";
const EVIL: &str = "\"><script>alert(1)</script><img src=x onerror=alert(2)>";

/// A daemon with an owner, and everybody who comes to its door.
struct House {
    app: App,
    gateway: Arc<Gateway>,
    clock: Arc<TestClock>,
    telegram: Telegram,
    user: User,
    bluesky: Bluesky,
    browser: Browser,
    client: Client,
    actor: Actor,
    _mastodon: Mastodon,
    _folder: tempfile::TempDir,
}

impl House {
    async fn new(more: &[(&'static str, &str)]) -> Self {
        let clock = Arc::new(TestClock::at("2026-11-22T12:00:00Z"));
        let shared = clock.clone();
        let gateway = Gateway::start(Arc::new(move || shared.now().as_millisecond())).await.unwrap();
        let mastodon = Mastodon::new(&gateway, HOST, Options::default());
        mastodon.add_user("ana");
        let bluesky = Bluesky::new(&gateway);
        bluesky.add_account("ana.bsky.social");
        let telegram = Telegram::new(&gateway, TOKEN, "trial_bot");
        let user = telegram.add_user(7, "Ana", None);
        // A consent that is not to be spent at once ends here instead of at the daemon.
        gateway.mount("trypost.example", axum::Router::new().fallback(|| async { "Later." }));
        let folder = tempfile::tempdir().unwrap();
        let mut settings = vec![
            ("VENDOR_GATEWAY", gateway.url()),
            ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
            ("DATA_DIR", folder.path().display().to_string()),
            ("APP_URL", PUBLIC.to_owned()),
            ("TELEGRAM_BOT_TOKEN", TOKEN.to_owned()),
            ("TELEGRAM_BOT_USERNAME", "trial_bot".to_owned()),
        ];
        settings.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let find = |name: &str| settings.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        let config = Config::load(&find).unwrap();
        let app = App::start(&config, Parts { clock: clock.clone(), ..Parts::default() }).await.unwrap();
        let who = Introduced { surface: "console", user: "operator", name: "Ana", handle: None };
        let person = app.flows.operator_at_console(who).await.unwrap();
        let workspace = app.flows.store.current_workspace(&person).await.unwrap().unwrap();
        let place = Place { surface: "telegram".into(), chat: "7".into(), topic: String::new() };
        let browser = Browser::new(&gateway.url()).unwrap();
        browser.route(PUBLIC, &format!("http://{}", app.address));
        telegram.route(PUBLIC, &format!("http://{}", app.address));
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let actor = Actor { person, workspace, place };
        Self {
            app,
            gateway,
            clock,
            telegram,
            user,
            bluesky,
            browser,
            client,
            actor,
            _mastodon: mastodon,
            _folder: folder,
        }
    }

    /// A fresh link for the platform, in its public form.
    async fn link(&self, platform: &str) -> String {
        let instance = (platform == "mastodon").then_some(HOST);
        self.app.flows.connect(&self.actor, platform, instance, None).await.unwrap().link.into()
    }

    /// A callback of Mastodon that nobody has followed yet.
    async fn callback(&self, consent: Consent) -> String {
        let link = self.link("mastodon").await;
        let away = Browser::new(&self.gateway.url()).unwrap();
        let vendor = self.get(&link).await.headers()["location"].to_str().unwrap().to_owned();
        away.consent(&vendor, consent).await.unwrap().url
    }

    /// The local form of an address of ours.
    fn local(&self, url: &str) -> String {
        let path = url.strip_prefix(PUBLIC).unwrap_or(url);
        format!("http://{}{path}", self.app.address)
    }

    async fn get(&self, url: &str) -> Response {
        self.client.get(self.local(url)).send().await.unwrap()
    }

    async fn page(&self, url: &str) -> (u16, String) {
        read(self.get(url).await).await
    }

    async fn post(&self, url: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> (u16, String) {
        let mut request = self.client.post(self.local(url)).form(fields);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.send().await.unwrap()).await
    }

    async fn accounts(&self) -> usize {
        self.app.flows.store.accounts(&self.actor.workspace).await.unwrap().len()
    }

    async fn end(self) {
        self.app.lifecycle.stop();
        self.app.ended().await;
        self.gateway.stop();
    }
}

fn ana() -> Consent {
    Consent::Approve { as_user: "ana".into() }
}

/// The page, after what every answer of ours must keep to.
async fn read(response: Response) -> (u16, String) {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let policy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    assert_eq!(header("content-security-policy"), policy, "{}", response.url());
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert!(header("cache-control") == "no-store" || response.url().path() == "/style.css", "{}", response.url());
    assert_eq!(header("set-cookie"), "", "pages need no cookie");
    let (status, html) = (response.status().as_u16(), header("content-type").starts_with("text/html"));
    let text = response.text().await.unwrap();
    if html {
        kept(&text);
    }
    (status, text)
}

/// No page has anything of its own that runs, styles, or comes from elsewhere.
fn kept(html: &str) {
    let lower = html.to_lowercase();
    for never in ["<script", "<style", "style=", "onerror=alert(2)>", "javascript:", "src=", "<iframe", "http-equiv"] {
        // What people typed may be there, but only escaped.
        let plain =
            lower.replace("&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(2)&gt;", "");
        let plain = plain.replace("&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(2)&gt;", "");
        assert!(!plain.contains(never), "{never} in {html}");
    }
    assert_eq!(lower.matches("<link").count(), 1, "one stylesheet, ours: {html}");
    assert!(lower.contains(r#"<link rel="stylesheet" href="/style.css">"#), "{html}");
}

#[tokio::test]
async fn fixed_pages_and_what_is_not_there() {
    let house = House::new(&[]).await;
    let (status, home) = house.page("/").await;
    assert_eq!(status, 200);
    assert!(home.contains("This daemon is run from a chat"), "{home}");
    for unknown in ["/nothing", "/connect", "/connect/", "/connect/a/b", "/accounts/myspace/callback?state=x", "/.env"]
    {
        let (status, text) = house.page(unknown).await;
        assert_eq!((status, text.contains("There is nothing here")), (404, true), "{unknown}: {text}");
    }
    for dead in ["/connect/bad", "/connect/%00", "/connect/%ff", "/connect/%3Cscript%3E", "/accounts/mastodon/callback"]
    {
        let (status, text) = house.page(dead).await;
        assert!(status == 410 && text.contains("/connect"), "{dead}: {status} {text}");
    }
    let (status, css) = house.page("/style.css").await;
    assert!(status == 200 && css.contains("body{"));
    assert_eq!(house.page("/healthz").await, (200, "ok".to_owned()));
    assert_eq!(house.page("/readyz").await, (200, "ready".to_owned()));
    let (status, metrics) = house.page("/metrics").await;
    assert_eq!(status, 200);
    for line in ["trypost_queue_length 0", "trypost_outbox_length"] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    // A delivery when none is asked for.
    assert_eq!(house.post("/telegram/webhook", &[], &[]).await.0, 404);
    house.app.flows.store.close().await;
    let (status, text) = house.page("/readyz").await;
    assert_eq!((status, text.as_str()), (503, "the database takes no writes"));
    let (status, text) = house.page("/connect/bad").await;
    assert!(status == 500 && text.contains("Something went wrong here"), "{status} {text}");
    assert_eq!(house.page("/healthz").await.0, 200, "alive, though not ready");
}

#[tokio::test]
async fn the_private_form() {
    let house = House::new(&[]).await;
    let password = house.bluesky.add_app_password("ana.bsky.social", "trypost").unwrap();
    let link = house.link("bluesky").await;
    let page = house.browser.open(&link).await.unwrap();
    let form = page.form().unwrap();
    let names: Vec<&str> = form.fields.iter().map(|field| field.name.as_str()).collect();
    assert!(names.contains(&"handle") && names.contains(&"password"), "{names:?}");
    assert!(page.html.contains(r#"type="password""#));

    // From another site nothing is done, even with the right words.
    let right = [("handle", "ana.bsky.social"), ("password", password.as_str())];
    for site in ["cross-site", "same-site"] {
        let (status, text) = house.post(&link, &[("sec-fetch-site", site)], &right).await;
        assert!(status == 403 && text.contains("not sent from our own page"), "{status} {text}");
    }
    // What is no form of ours.
    let big = "x".repeat(17 * 1024);
    let (status, text) = house.post(&link, &[], &[("handle", &big)]).await;
    assert!(status == 413 && text.contains("That form could not be read"), "{status} {text}");
    let strange = house.client.post(house.local(&link)).body("handle=a").send().await.unwrap();
    assert_eq!(read(strange).await.0, 415);
    let twice = [("handle", "a.bsky.social"), ("handle", "b.bsky.social"), ("password", "x")];
    let (status, text) = house.post(&link, &[], &twice).await;
    assert!(status == 422 && text.contains("That form could not be read"), "{status} {text}");

    // A wrong password says why, keeps the handle, and never the password.
    let wrong = [("handle", "ana.bsky.social"), ("password", "wron-gwro-ngwr-ongw")];
    let again = house.browser.submit(&page, "Continue", &wrong).await.unwrap();
    assert_eq!(again.status, 422);
    assert!(
        again.html.contains(r#"role="alert""#) && again.html.contains(r#"value="ana.bsky.social""#),
        "{}",
        again.html
    );
    assert!(!again.html.contains("wron-gwro"), "{}", again.html);
    // Nothing typed runs.
    let evil = house.browser.submit(&again, "Continue", &[("handle", EVIL), ("password", EVIL)]).await.unwrap();
    kept(&evil.html);
    assert!(evil.html.contains("&lt;script&gt;"), "{}", evil.html);

    let done = house.browser.submit(&evil, "Continue", &right).await.unwrap();
    assert_eq!(done.status, 200);
    let told = done.text();
    assert!(told.contains("Bluesky answered") && told.contains("pick and confirm in your chat"), "{told}");
    assert!(done.links().contains(&("https://t.me/trial_bot".into(), "Back to Telegram".into())), "{:?}", done.links());
    assert_eq!(house.accounts().await, 0, "nothing is connected before the chat says so");
    // The link is used up, for looking and for sending.
    assert_eq!(house.page(&link).await.0, 410);
    assert_eq!(house.post(&link, &[], &right).await.0, 410);
    house.end().await;
}

#[tokio::test]
async fn callbacks_good_bad_and_twice() {
    let house = House::new(&[]).await;
    let link = house.link("mastodon").await;
    assert_eq!(house.get(&link).await.status(), 303, "people close tabs: the link opens until it is answered");
    let done = house.browser.consent(&link, ana()).await.unwrap();
    assert_eq!(done.status, 200);
    assert!(done.url.starts_with(&format!("{PUBLIC}/accounts/mastodon/callback?")), "{}", done.url);
    assert!(done.text().contains("Mastodon answered"), "{}", done.text());
    assert_eq!(house.page(&done.url).await.0, 410, "a callback works once");
    assert_eq!(house.page(&link).await.0, 410);

    let denied = house.browser.consent(&house.link("mastodon").await, Consent::Deny).await.unwrap();
    assert!(denied.text().contains("Nothing was connected") && denied.text().contains("Your chat says so too"));
    assert_eq!(house.page(&denied.url).await.0, 410);

    let good = house.callback(ana()).await;
    let state = Url::parse(&good).unwrap();
    let state = state.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    for (bad, why) in [
        (good.replace(&state, "another"), "no such state"),
        (good.replace("/mastodon/", "/bluesky/"), "another platform's"),
        (format!("{good}&state={state}"), "a parameter twice"),
        (format!("{good}&code=x"), "a parameter twice"),
        (format!("{PUBLIC}/accounts/mastodon/callback?code=x"), "no state"),
    ] {
        let (status, text) = house.page(&bad).await;
        assert!(status == 410 && text.contains("no longer works"), "{why}: {status} {text}");
    }
    // None of it spent the attempt. Of two at once, exactly one wins.
    let (one, two) = tokio::join!(house.page(&good), house.page(&good));
    let mut statuses = [one.0, two.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 410]);

    // What a vendor says is shown as words.
    let said = house.callback(ana()).await;
    let state = said.split("state=").nth(1).unwrap().split('&').next().unwrap();
    let evil: String = url::form_urlencoded::byte_serialize(EVIL.as_bytes()).collect();
    let url = format!("/accounts/mastodon/callback?state={state}&error=server_error&error_description={evil}");
    let (status, text) = house.page(&url).await;
    assert_eq!(status, 200);
    kept(&text);
    assert!(text.contains("Nothing was connected") && text.contains("&lt;script&gt;"), "{text}");

    // Fifteen minutes.
    let (late, form) = (house.callback(ana()).await, house.link("bluesky").await);
    house.clock.pass(std::time::Duration::from_secs(15 * 60 + 1));
    for over in [&late, &form] {
        let (status, text) = house.page(over).await;
        assert!(status == 410 && text.contains("older than 15 minutes"), "{status} {text}");
    }
    assert_eq!(house.accounts().await, 0);
    assert_eq!(house.gateway.take_violations(), Vec::<String>::new());
    house.end().await;
}

#[tokio::test]
async fn telegram_delivers_with_its_secret_alone() {
    let house = House::new(&[("TELEGRAM_WEBHOOK_SECRET", SECRET), ("WEBHOOK_URL", PUBLIC)]).await;
    let hook = format!("{PUBLIC}/telegram/webhook");
    house.telegram.wait_for("the webhook", |state| state.webhook_url().map(drop)).await;
    let forged = r#"{"update_id":1,"message":{"message_id":1,"date":1,"chat":{"id":7,"type":"private","first_name":"Ana"},
        "from":{"id":7,"is_bot":false,"first_name":"Ana"},"text":"/start"}}"#;
    for secret in [None, Some(""), Some("wrong"), Some(&SECRET[1..])] {
        let mut request = house.client.post(house.local(&hook)).header("content-type", "application/json").body(forged);
        if let Some(secret) = secret {
            request = request.header("x-telegram-bot-api-secret-token", secret);
        }
        let status = request.send().await.unwrap().status();
        assert!(status == 401 || status == 403, "{secret:?}: {status}");
    }
    assert!(house.telegram.messages(7).is_empty(), "a forged delivery says nothing");
    assert_eq!(house.get(&hook).await.status(), 405);
    let code = house.app.flows.owner_code().await.unwrap();
    house.user.opens(code.as_deref().unwrap_or("me"));
    house.telegram.wait_message(7, |message| !message.text.is_empty()).await;
    let calls = house.gateway.calls();
    assert!(!calls.iter().any(|call| call.path.contains("getUpdates")), "nothing is asked for beside the webhook");
    house.end().await;
}

/// Where the pictures are put, for people to look at.
fn pictures() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The page as Chromium shows it; whether the stylesheet was applied is seen from the colours.
async fn pictured(name: &str, url: &str, size: (u32, u32)) -> bool {
    let file = pictures().join(format!("{name}.png"));
    if chromium::screenshot(&Url::parse(url).unwrap(), &file, size).await.is_none() {
        return false;
    }
    let picture = image::open(&file).unwrap().to_rgb8();
    assert_eq!(picture.get_pixel(2, 2).0, [0xf6, 0xf7, 0xf9], "{name}: the paper's colour");
    let has = |colour: [u8; 3]| picture.pixels().any(|pixel| pixel.0 == colour);
    assert!(has([0xff, 0xff, 0xff]), "{name}: the card's colour");
    assert!(has([0xd9, 0xde, 0xe6]), "{name}: the card's line");
    true
}

/// A page that was an answer to a form, at an address of its own, under the same headers.
async fn shown_again(house: &House, page: &Page) -> String {
    let (html, css) = (page.html.clone(), house.page("/style.css").await.1);
    let policy = page.headers["content-security-policy"].to_str().unwrap().to_owned();
    let routes = axum::Router::new()
        .route("/style.css", axum::routing::get(move || async move { ([("content-type", "text/css")], css) }))
        .fallback(move || async move {
            ([("content-type", "text/html".to_owned()), ("content-security-policy", policy)], html)
        });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    url
}

#[tokio::test]
async fn pages_look_as_they_should() {
    let house = House::new(&[]).await;
    let link = house.link("bluesky").await;
    if !pictured("form", &house.local(&link), (900, 800)).await {
        return;
    }
    pictured("form-phone", &house.local(&link), (500, 900)).await;
    let page = house.browser.open(&link).await.unwrap();
    let wrong = [("handle", "ana.bsky.social"), ("password", "wron-gwro-ngwr-ongw")];
    let again = house.browser.submit(&page, "Continue", &wrong).await.unwrap();
    pictured("form-wrong", &shown_again(&house, &again).await, (900, 900)).await;
    let good = house.callback(ana()).await;
    pictured("answered", &house.local(&good), (900, 500)).await;
    let denied = house.callback(Consent::Deny).await;
    pictured("failed", &house.local(&denied), (900, 500)).await;
    pictured("gone", &house.local("/connect/bad"), (900, 500)).await;
    house.end().await;
}
