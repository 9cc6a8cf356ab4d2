//! Mastodon's connector against emulated instances: connect, check, publish, find, delete and revoke, as the vendor's pages
//! and Doorkeeper have it, and what follows from each refusal. Long, because it is one story per test.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use emulators::browser::{Browser, Consent as Press};
use emulators::fixtures;
use emulators::mastodon::{Mastodon as Instance, Options as Software, UserState};
use emulators::{Fault as Broken, FaultKind, Gateway};
use http::Method;
use serde_json::{Value, json};
use trypost::domain::account::{Account, AccountStatus, Tokens};
use trypost::domain::fault::Fault;
use trypost::domain::id::{AccountId, WorkspaceId};
use trypost::domain::post::{Mark, Media, MediaKind, Options, RichText, Style};
use trypost::domain::{OsEntropy, Secret, Timestamp, Unobserved};
use trypost::platforms::http::{Http, PublicResolver};
use trypost::platforms::mastodon::Mastodon;
use trypost::platforms::{
    Answer, App, Consent, Context, Credentials, Delivery, File, Finding, Platform, Prepared, Sent, Want,
};
use url::Url;

const HOST: &str = "mastodon.example";
const START: i64 = 1_790_000_000_000;

/// Instances behind a gateway, and a connector that talks to them.
struct World {
    gateway: Arc<Gateway>,
    clock: Arc<AtomicI64>,
    instance: Instance,
    platform: Mastodon,
    http: Http,
    redirect: Url,
    directory: tempfile::TempDir,
}

/// A connected account.
struct Connected {
    app: App,
    account: Account,
    tokens: Tokens,
}

impl Connected {
    fn credentials(&self) -> Credentials<'_> {
        Credentials { tokens: Some(&self.tokens) }
    }
}

/// A post to be sent.
#[derive(Default)]
struct Draft {
    text: RichText,
    files: Vec<File>,
    options: Options,
}

impl Draft {
    fn text(words: &str) -> Self {
        Self { text: RichText { plain: words.into(), marks: vec![] }, ..Self::default() }
    }

    fn to<'a>(&'a self, who: &'a Connected) -> Delivery<'a> {
        Delivery {
            account: &who.account,
            credentials: who.credentials(),
            text: &self.text,
            files: &self.files,
            options: &self.options,
        }
    }
}

impl World {
    async fn new(software: Software) -> Self {
        let clock = Arc::new(AtomicI64::new(START));
        let now = clock.clone();
        let gateway = Gateway::start(Arc::new(move || now.load(Ordering::SeqCst))).await.unwrap();
        let instance = Instance::new(&gateway, HOST, software);
        instance.add_user("alice");
        gateway.mount("trypost.example", axum::Router::new().fallback(|| async { "back" }));
        let url = Url::parse(&gateway.url()).unwrap();
        let http = Http::new(Some(url), Arc::new(PublicResolver), Arc::new(Unobserved)).unwrap();
        let redirect = Url::parse("https://trypost.example/accounts/mastodon/callback").unwrap();
        let directory = tempfile::tempdir().unwrap();
        Self { gateway, clock, instance, platform: Mastodon::default(), http, redirect, directory }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.clock.load(Ordering::SeqCst)).unwrap()
    }

    fn advance(&self, by: Duration) {
        self.clock.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    fn cx<'a>(&'a self, app: &'a App) -> Context<'a> {
        Context { http: &self.http, now: self.now(), app, redirect_uri: &self.redirect, entropy: &OsEntropy }
    }

    async fn app(&self, host: &str) -> App {
        self.platform.register(&self.cx(&App::default()), host).await.unwrap()
    }

    /// From the link to the callback's query.
    async fn consent(&self, app: &App, press: Press) -> (Secret, BTreeMap<String, String>) {
        let want = Want { instance: app.host.as_deref(), state: "the state", reconnect: None };
        let begun = self.platform.begin(&self.cx(app), want).await.unwrap();
        let browser = Browser::new(&self.gateway.url()).unwrap();
        let page = browser.consent(begun.url.unwrap().as_str(), press).await.unwrap();
        let url = Url::parse(&page.url).unwrap();
        assert!(url.as_str().starts_with(self.redirect.as_str()), "{url}");
        (begun.keep, url.query_pairs().into_owned().collect())
    }

    async fn complete(&self, app: &App) -> Result<Consent, Fault> {
        let (keep, callback) = self.consent(app, Press::Approve { as_user: "alice".into() }).await;
        assert_eq!(callback["state"], "the state");
        self.platform.complete(&self.cx(app), &keep, Answer::Callback(callback)).await
    }

    async fn connect(&self) -> Connected {
        self.connect_at(HOST).await
    }

    async fn connect_at(&self, host: &str) -> Connected {
        let app = self.app(host).await;
        let mut consent = self.complete(&app).await.unwrap();
        let found = consent.found.remove(0);
        let account = Account {
            id: AccountId::from("acc_1".to_owned()),
            workspace: WorkspaceId::from("wsp_1".to_owned()),
            platform: "mastodon".into(),
            remote_id: found.remote_id,
            name: found.name,
            handle: found.handle,
            url: found.url,
            meta: found.meta,
            grant: None,
            status: AccountStatus::Connected,
            status_since: self.now(),
            why: None,
            fix: None,
            is_active: true,
            shaky_since: None,
        };
        Connected { app, account, tokens: consent.grant.unwrap().tokens }
    }

    async fn verify(&self, who: &Connected) -> Result<trypost::platforms::Seen, Fault> {
        self.platform.verify(&self.cx(&who.app), &who.account, who.credentials()).await
    }

    fn file(&self, bytes: &[u8], kind: MediaKind, mime: &str, alt: Option<&str>) -> File {
        let path: PathBuf = self.directory.path().join(format!("{}.bin", bytes.len()));
        std::fs::write(&path, bytes).unwrap();
        let media = Media {
            sha256: String::new(),
            kind,
            mime: mime.into(),
            bytes: bytes.len() as u64,
            width: 8,
            height: 8,
            duration_ms: None,
            alt: alt.map(str::to_owned),
        };
        File { media, path }
    }

    fn picture(&self, width: u32, alt: Option<&str>) -> File {
        self.file(&fixtures::png(width, 8), MediaKind::Image, "image/png", alt)
    }

    fn film(&self) -> File {
        self.file(&fixtures::mp4(2_000, 64, 64, 200_000), MediaKind::Video, "video/mp4", Some("a film"))
    }

    /// All steps before the visible call, and how many of them were waits.
    async fn prepare(&self, who: &Connected, draft: &Draft) -> Result<(Value, Vec<String>), Fault> {
        let (mut journal, mut notes) = (Value::Null, vec![]);
        loop {
            match self.platform.prepare(&self.cx(&who.app), &draft.to(who), journal).await? {
                Prepared::Step { journal: new, note } => (journal, _) = (new, notes.push(note)),
                Prepared::Wait { journal: new, note, pause } => {
                    self.advance(pause);
                    (journal, _) = (new, notes.push(note));
                }
                Prepared::Ready { journal } => return Ok((journal, notes)),
            }
            assert!(notes.len() < 2000, "preparing never ends");
        }
    }

    async fn send(&self, who: &Connected, draft: &Draft, journal: &Value, key: &str) -> Result<Sent, Fault> {
        self.platform.send(&self.cx(&who.app), &draft.to(who), journal.clone(), key).await
    }

    async fn publish(&self, who: &Connected, draft: &Draft) -> Result<Sent, Fault> {
        let (journal, _) = self.prepare(who, draft).await?;
        let key = self.platform.send_key(self.now(), &OsEntropy);
        self.send(who, draft, &journal, &key).await
    }

    async fn find(&self, who: &Connected, draft: &Draft, journal: &Value, since: Timestamp) -> Finding {
        self.platform.find(&self.cx(&who.app), &draft.to(who), journal.clone(), "key", since).await.unwrap()
    }

    fn fault(&self, path: &str, method: Method, kind: FaultKind) {
        self.gateway.inject(Broken::new(HOST, path, 1, kind).on(method));
    }

    /// Nothing that no correct client would ask.
    fn assert_clean(&self) {
        assert_eq!(self.gateway.take_violations(), Vec::<String>::new());
        crate::contracts::hold(&self.gateway);
    }
}

#[tokio::test]
async fn connecting() {
    for (software, pkce) in [
        (Software::mastodon("4.4.8"), true),
        (Software::mastodon("4.2.10"), false),
        (Software::mastodon("3.5.3"), false),
        (Software::gotosocial(), false),
    ] {
        let version = software.version.clone();
        let gotosocial = version.starts_with("0.");
        let world = World::new(software).await;
        let app = world.app(HOST).await;
        assert_eq!(app.host.as_deref(), Some(HOST));
        let consent = world.complete(&app).await.unwrap();
        assert!(consent.missing.is_empty(), "{:?}", consent.missing);
        let found = &consent.found[0];
        let id = found.remote_id.strip_prefix("mastodon.example:").unwrap();
        assert!(id == "1" || gotosocial, "{id}");
        assert_eq!((found.name.as_str(), found.handle.as_deref()), ("Alice", Some("alice@mastodon.example")));
        assert_eq!(found.url.as_deref(), Some("https://mastodon.example/@alice"));
        assert_eq!(found.blocked, None);
        assert_eq!(found.meta["instance"], HOST);
        assert_eq!(found.meta["version"], version);
        assert_eq!(found.meta["ignores_idempotency"], gotosocial);
        let limits = world.platform.limits(&found.meta);
        let expected = if gotosocial { (5000, 6, Some(25)) } else { (500, 4, Some(23)) };
        assert_eq!((limits.text, limits.media, limits.url_weight), expected);
        let tokens = &consent.grant.as_ref().unwrap().tokens;
        assert_eq!((&tokens.refresh, tokens.expires_at), (&None, None), "tokens don't end here");
        assert_eq!(world.instance.live_tokens("alice"), 1);
        let shown = format!("{consent:?}");
        assert!(!shown.contains(tokens.access.expose()), "the token shows in {shown}");
        let authorize = world.gateway.calls().into_iter().find(|call| call.path == "/oauth/authorize").unwrap();
        assert_eq!(authorize.query.contains("code_challenge="), pkce, "{version}");
        assert!(
            authorize.query.contains("scope=read%3Aaccounts+write%3Astatuses+write%3Amedia"),
            "{}",
            authorize.query
        );
        world.assert_clean();
    }
}

#[tokio::test]
async fn the_same_id_on_two_instances_is_two_accounts() {
    let world = World::new(Software::default()).await;
    let other = Instance::new(&world.gateway, "other.example", Software::default());
    other.add_user("alice");
    let (one, two) = (world.connect().await, world.connect_at("other.example").await);
    assert_eq!(
        (one.account.remote_id.as_str(), two.account.remote_id.as_str()),
        ("mastodon.example:1", "other.example:1")
    );
}

#[tokio::test]
async fn an_instance_that_lives_elsewhere_is_followed() {
    let world = World::new(Software::default()).await;
    let old = Instance::new(&world.gateway, "old.example", Software::default());
    old.knobs(|knobs| knobs.redirect_to = Some("https://mastodon.example".into()));
    let who = world.connect_at("old.example").await;
    assert_eq!(who.app.host.as_deref(), Some(HOST));
    assert_eq!(who.account.remote_id, "mastodon.example:1");
    world.assert_clean();
    // Never inwards, and never in a circle.
    for inwards in ["https://127.0.0.1", "https://localhost", "http://mastodon.example", "https://old.example"] {
        old.knobs(|knobs| knobs.redirect_to = Some(inwards.into()));
        let refused = world.platform.register(&world.cx(&App::default()), "old.example").await;
        assert!(matches!(refused, Err(Fault::Rejected { .. })), "{inwards}: {refused:?}");
    }
}

#[tokio::test]
async fn a_host_that_is_no_mastodon_server_is_told_so() {
    let world = World::new(Software::default()).await;
    world.gateway.mount("shop.example", axum::Router::new().fallback(|| async { "<html>A shop</html>" }));
    let refused = world.platform.register(&world.cx(&App::default()), "shop.example").await.unwrap_err();
    assert!(refused.to_string().contains("not a Mastodon server"), "{refused}");
    let absent = world.platform.register(&world.cx(&App::default()), "nowhere.example").await;
    assert!(matches!(absent, Err(Fault::Transient { .. })), "{absent:?}");
}

#[tokio::test]
async fn saying_no_is_not_a_failure_of_ours() {
    let world = World::new(Software::default()).await;
    let app = world.app(HOST).await;
    let (keep, callback) = world.consent(&app, Press::Deny).await;
    let denied = world.platform.complete(&world.cx(&app), &keep, Answer::Callback(callback)).await.unwrap_err();
    assert!(matches!(&denied, Fault::Rejected { why, .. } if why.contains("without agreeing")), "{denied}");
    world.assert_clean();
}

#[tokio::test]
async fn a_code_works_once_and_not_for_ever() {
    let world = World::new(Software::default()).await;
    let app = world.app(HOST).await;
    let (keep, callback) = world.consent(&app, Press::Approve { as_user: "alice".into() }).await;
    world.advance(Duration::from_secs(11 * 60));
    let old = world.platform.complete(&world.cx(&app), &keep, Answer::Callback(callback)).await;
    assert!(matches!(old, Err(Fault::Rejected { .. })), "{old:?}");
    world.assert_clean();
}

#[tokio::test]
async fn an_app_that_the_instance_forgot_is_registered_again_first() {
    let world = World::new(Software::default()).await;
    let app = world.app(HOST).await;
    let (keep, callback) = world.consent(&app, Press::Approve { as_user: "alice".into() }).await;
    world.instance.purge_apps();
    let forgotten = world.platform.complete(&world.cx(&app), &keep, Answer::Callback(callback)).await;
    assert!(matches!(forgotten, Err(Fault::Misconfigured { .. })), "{forgotten:?}");
    let again = world.app(HOST).await;
    assert_ne!(again.id, app.id);
    world.complete(&again).await.unwrap();
}

#[tokio::test]
async fn an_outage_while_connecting_is_an_outage() {
    for kind in [FaultKind::server_error(), FaultKind::html(), FaultKind::rate_limited(30), FaultKind::DropBefore] {
        for path in ["/api/v1/apps", "/.well-known/oauth-authorization-server", "/oauth/token", "verify_credentials"] {
            let world = World::new(Software::default()).await;
            world.gateway.inject(Broken::new(HOST, path, 1, kind.clone()));
            let connect = async {
                let app = world.platform.register(&world.cx(&App::default()), HOST).await?;
                let want = Want { instance: Some(HOST), state: "s", reconnect: None };
                let begun = world.platform.begin(&world.cx(&app), want).await?;
                let browser = Browser::new(&world.gateway.url()).unwrap();
                let press = Press::Approve { as_user: "alice".into() };
                let page = browser.consent(begun.url.unwrap().as_str(), press).await.unwrap();
                let callback = Url::parse(&page.url).unwrap().query_pairs().into_owned().collect();
                world.platform.complete(&world.cx(&app), &begun.keep, Answer::Callback(callback)).await
            };
            let fault = connect.await.unwrap_err();
            assert!(matches!(fault, Fault::Transient { .. }), "{path} {kind:?}: {fault}");
        }
    }
}

#[tokio::test]
async fn limits_that_can_not_be_read_do_not_stop_connecting() {
    let world = World::new(Software::default()).await;
    world.gateway.inject(Broken::new(HOST, "/instance", 1, FaultKind::server_error()));
    let mut who = world.connect().await;
    assert_eq!(who.account.meta["ignores_idempotency"], true, "an unknown server is not trusted");
    world.instance.limits(|limits| limits.max_characters = 1234);
    who.account.meta = world.verify(&who).await.unwrap().meta;
    assert_eq!(who.account.meta["ignores_idempotency"], false);
    assert_eq!(world.platform.limits(&who.account.meta).text, 1234);
}

#[tokio::test]
async fn an_old_instance_tells_its_limits_in_its_first_document() {
    let world = World::new(Software::mastodon("3.5.3")).await;
    world.instance.limits(|limits| limits.max_characters = 777);
    let body = r#"{"error":"Record not found"}"#.to_owned();
    let missing = FaultKind::Answer { status: 404, headers: vec![], body };
    world.gateway.inject(Broken::new(HOST, "/api/v2/instance", 1, missing));
    let who = world.connect().await;
    let limits = world.platform.limits(&who.account.meta);
    assert_eq!((limits.text, limits.image_bytes), (777, 16 * 1024 * 1024));
    assert_eq!(who.account.meta["version"], "3.5.3");
}

#[tokio::test]
async fn checking() {
    for software in [Software::default(), Software::gotosocial()] {
        let world = World::new(software).await;
        let who = world.connect().await;
        world.instance.rename_user("alice", "Alice A.");
        let seen = world.verify(&who).await.unwrap();
        assert_eq!((seen.name.as_str(), seen.handle.as_deref()), ("Alice A.", Some("alice@mastodon.example")));
        for kind in [
            FaultKind::server_error(),
            FaultKind::html(),
            FaultKind::rate_limited(9),
            FaultKind::DropAfter,
            FaultKind::Truncate,
        ] {
            world.gateway.inject(Broken::new(HOST, "verify_credentials", 1, kind.clone()));
            let shaky = world.verify(&who).await;
            assert!(matches!(shaky, Err(Fault::Transient { .. })), "{kind:?}: {shaky:?}");
        }
        for state in [UserState::Disabled, UserState::Suspended, UserState::Unconfirmed, UserState::Pending] {
            world.instance.set_user("alice", state);
            let lost = world.verify(&who).await;
            assert!(matches!(lost, Err(Fault::AccountLost { .. })), "{state:?}: {lost:?}");
        }
        world.instance.set_user("alice", UserState::Active);
        world.instance.revoke_tokens("alice");
        let dead = world.verify(&who).await.unwrap_err();
        assert!(matches!(dead, Fault::GrantDead { .. }), "{dead}");
        assert!(!format!("{dead:?}").contains(who.tokens.access.expose()));
        world.gateway.unmount(HOST);
        assert!(matches!(world.verify(&who).await, Err(Fault::Transient { .. })));
        world.assert_clean();
    }
}

#[tokio::test]
async fn renewing_is_not_a_thing_here() {
    let world = World::new(Software::default()).await;
    let who = world.connect().await;
    let before = world.gateway.calls().len();
    let dead = world.platform.renew(&world.cx(&who.app), &who.tokens).await;
    assert!(matches!(dead, Err(Fault::GrantDead { .. })));
    assert_eq!(world.gateway.calls().len(), before);
}

#[tokio::test]
async fn publishing_words() {
    for software in [Software::default(), Software::gotosocial()] {
        let world = World::new(software).await;
        let who = world.connect().await;
        let mut draft = Draft::text("Read this, @bob@b.example <b>now</b>");
        draft.text.marks = vec![
            Mark { start: 0, end: 4, style: Style::Bold },
            Mark { start: 5, end: 9, style: Style::Link("https://example.com/x".into()) },
        ];
        draft.options = Options {
            content_warning: Some("long".into()),
            visibility: Some("unlisted".into()),
            language: Some("de".into()),
            ..Options::default()
        };
        let sent = world.publish(&who, &draft).await.unwrap();
        let status = world.instance.statuses().remove(0);
        assert_eq!(status.text, "Read this (https://example.com/x), @bob@b.example <b>now</b>");
        assert_eq!((status.spoiler_text.as_str(), status.visibility.as_str()), ("long", "unlisted"));
        assert_eq!((status.language.as_deref(), status.sensitive), (Some("de"), true));
        assert_eq!(sent.posted.id, status.id);
        assert_eq!(sent.posted.url, Some(format!("https://mastodon.example/@alice/{}", status.id)));
        assert!(!sent.more);
        for (visibility, expected) in [(None, "public"), (Some("private"), "private"), (Some("direct"), "direct")] {
            let mut draft = Draft::text("x");
            draft.options.visibility = visibility.map(str::to_owned);
            world.publish(&who, &draft).await.unwrap();
            assert_eq!(world.instance.statuses().last().unwrap().visibility, expected);
        }
        let mut draft = Draft::text("x");
        draft.options.visibility = Some("friends".into());
        let refused = world.publish(&who, &draft).await;
        assert!(matches!(refused, Err(Fault::Rejected { .. })), "{refused:?}");
        world.assert_clean();
    }
}

#[tokio::test]
async fn publishing_pictures() {
    let world = World::new(Software::default()).await;
    // Some front ends take nothing without a length.
    world.instance.knobs(|knobs| knobs.require_content_length = true);
    let who = world.connect().await;
    let draft = Draft {
        files: vec![world.picture(8, Some("ein Bär")), world.picture(9, None), world.picture(10, Some("three"))],
        ..Draft::default()
    };
    let (journal, notes) = world.prepare(&who, &draft).await.unwrap();
    assert_eq!(notes, ["uploading 2 of 3", "uploading 3 of 3"]);
    world.send(&who, &draft, &journal, "key").await.unwrap();
    let status = world.instance.statuses().remove(0);
    let alts: Vec<Option<&str>> = status.media.iter().map(|media| media.description.as_deref()).collect();
    assert_eq!(alts, [Some("ein Bär"), None, Some("three")]);
    assert_eq!(status.media[2].bytes, fixtures::png(10, 8));
    let uploads = world.gateway.calls().into_iter().filter(|call| call.path == "/api/v2/media").count();
    assert_eq!(uploads, 3);
    world.assert_clean();
}

#[tokio::test]
async fn publishing_a_film_waits_for_the_server() {
    let world = World::new(Software::default()).await;
    let who = world.connect().await;
    let draft = Draft { files: vec![world.film()], ..Draft::text("look") };
    let (journal, notes) = world.prepare(&who, &draft).await.unwrap();
    assert_eq!(notes, ["the server is working on file 1 of 1"; 3]);
    world.send(&who, &draft, &journal, "key").await.unwrap();
    assert_eq!(world.instance.statuses()[0].media[0].kind, "video");
    world.assert_clean();

    world.instance.knobs(|knobs| knobs.processing_polls = 100_000);
    let stuck = world.prepare(&who, &draft).await;
    assert!(matches!(stuck, Err(Fault::Rejected { .. })), "{stuck:?}");
    world.instance.knobs(|knobs| (knobs.processing_polls, knobs.processing_fails) = (1, true));
    let failed = world.prepare(&who, &draft).await;
    assert!(matches!(failed, Err(Fault::Rejected { .. })), "{failed:?}");
    assert_eq!(world.instance.statuses().len(), 1, "all files or none");
}

#[tokio::test]
async fn old_instances_take_files_at_the_old_address() {
    let world = World::new(Software::mastodon("3.0.0")).await;
    world.instance.knobs(|knobs| knobs.media_v2 = false);
    let who = world.connect().await;
    let draft = Draft { files: vec![world.film()], ..Draft::text("look") };
    world.publish(&who, &draft).await.unwrap();
    assert_eq!(world.instance.statuses()[0].media.len(), 1);
}

#[tokio::test]
async fn refused_files_and_words() {
    let world = World::new(Software::default()).await;
    let who = world.connect().await;
    world.instance.limits(|limits| limits.image_size = 10);
    let picture = Draft { files: vec![world.picture(8, None)], ..Draft::text("x") };
    let refused = world.publish(&who, &picture).await;
    assert!(matches!(refused, Err(Fault::Rejected { .. })), "{refused:?}");
    world.instance.limits(|limits| limits.body_size = 10);
    let refused = world.publish(&who, &picture).await.unwrap_err();
    assert!(refused.to_string().contains("too large"), "{refused}");
    world.instance.limits(|limits| limits.body_size = 1_000_000);
    let refused = world.publish(&who, &Draft::text(&"x".repeat(501))).await.unwrap_err();
    assert!(refused.to_string().contains("500"), "{refused}");
    let refused = world.publish(&who, &Draft::default()).await.unwrap_err();
    assert!(refused.to_string().contains("no text"), "{refused}");
    assert!(world.instance.statuses().is_empty());
    world.assert_clean();
}

#[tokio::test]
async fn files_that_lie_too_long_are_uploaded_again() {
    let world = World::new(Software::default()).await;
    let who = world.connect().await;
    let draft = Draft { files: vec![world.picture(8, None)], ..Draft::text("later") };
    let (journal, _) = world.prepare(&who, &draft).await.unwrap();
    let again = world.platform.prepare(&world.cx(&who.app), &draft.to(&who), journal.clone()).await.unwrap();
    assert!(matches!(again, Prepared::Ready { journal: same } if same == journal));
    world.advance(Duration::from_secs(13 * 3600));
    let again = world.platform.prepare(&world.cx(&who.app), &draft.to(&who), journal.clone()).await.unwrap();
    assert!(matches!(again, Prepared::Ready { journal: new } if new["media"] != journal["media"]));
}

#[tokio::test]
async fn the_servers_budget_is_kept() {
    let world = World::new(Software::default()).await;
    let who = world.connect().await;
    let draft = Draft { files: vec![world.picture(8, None)], ..Draft::text("x") };
    for _ in 0..30 {
        world.prepare(&who, &draft).await.unwrap();
    }
    let paced = world.prepare(&who, &draft).await;
    let Err(Fault::Transient { retry_after: Some(pause), .. }) = paced else { panic!("{paced:?}") };
    assert!(pause > Duration::ZERO && pause <= Duration::from_secs(30 * 60), "{pause:?}");
    world.advance(pause);
    world.prepare(&who, &draft).await.unwrap();
}

#[tokio::test]
async fn a_lost_answer_is_replayed_with_the_same_key() {
    for kind in [FaultKind::DropAfter, FaultKind::Truncate, FaultKind::DropBefore] {
        let world = World::new(Software::default()).await;
        let who = world.connect().await;
        let draft = Draft { files: vec![world.picture(8, None)], ..Draft::text("once") };
        let (journal, _) = world.prepare(&who, &draft).await.unwrap();
        let since = world.now();
        world.fault("/api/v1/statuses", Method::POST, kind);
        let lost = world.send(&who, &draft, &journal, "key").await;
        assert!(matches!(lost, Err(Fault::InDoubt { .. })), "{lost:?}");
        world.advance(Duration::from_secs(50 * 60));
        assert!(matches!(world.find(&who, &draft, &journal, since).await, Finding::Absent));
        let sent = world.send(&who, &draft, &journal, "key").await.unwrap();
        let statuses = world.instance.statuses();
        assert_eq!((statuses.len(), &statuses[0].id), (1, &sent.posted.id));
        world.assert_clean();
    }
}

#[tokio::test]
async fn a_failing_server_leaves_the_visible_call_in_doubt() {
    let world = World::new(Software::default()).await;
    let who = world.connect().await;
    for kind in [FaultKind::server_error(), FaultKind::html()] {
        world.fault("/api/v1/statuses", Method::POST, kind);
        let lost = world.send(&who, &Draft::text("x"), &Value::Null, "key").await;
        assert!(matches!(lost, Err(Fault::InDoubt { .. })), "{lost:?}");
    }
    // A limit is an answer: nothing was made.
    world.fault("/api/v1/statuses", Method::POST, FaultKind::rate_limited(7));
    let paced = world.send(&who, &Draft::text("x"), &Value::Null, "key").await;
    assert!(matches!(paced, Err(Fault::Transient { retry_after: Some(pause), .. }) if pause.as_secs() == 7));
    world.gateway.unmount(HOST);
}

#[tokio::test]
async fn after_the_hour_the_account_is_read() {
    let world = World::new(Software::default()).await;
    let who = world.connect().await;
    let draft = Draft::text("one & two\n\n@bob@b.example <3");
    world.publish(&who, &draft).await.unwrap();
    world.advance(Duration::from_secs(3600));
    let since = world.now();
    world.fault("/api/v1/statuses", Method::POST, FaultKind::DropAfter);
    world.send(&who, &draft, &Value::Null, "key").await.unwrap_err();
    for words in ["other words", "more"] {
        world.instance.post_as("alice", words).unwrap();
    }
    world.advance(Duration::from_secs(2 * 3600));
    let Finding::Sent(found) = world.find(&who, &draft, &json!({"media": []}), since).await else {
        panic!("not found")
    };
    assert_eq!(found.posted.id, world.instance.statuses()[1].id, "the lost one, not the older one of the same words");
    assert!(found.posted.url.is_some());
    let other = Draft::text("never sent");
    assert!(matches!(world.find(&who, &other, &Value::Null, since).await, Finding::Unknown { .. }));
    world.assert_clean();
}

#[tokio::test]
async fn many_later_posts_do_not_hide_a_lost_one() {
    let world = World::new(Software::default()).await;
    let who = world.connect().await;
    let since = world.now();
    let draft = Draft::text("the lost one");
    world.fault("/api/v1/statuses", Method::POST, FaultKind::DropAfter);
    world.send(&who, &draft, &Value::Null, "key").await.unwrap_err();
    for number in 0..90 {
        world.instance.post_as("alice", &format!("number {number}")).unwrap();
    }
    world.advance(Duration::from_secs(2 * 3600));
    let found = world.find(&who, &draft, &Value::Null, since).await;
    assert!(matches!(found, Finding::Sent(sent) if sent.posted.id == "1"));
}

#[tokio::test]
async fn a_server_that_ignores_the_key_is_read_at_once() {
    let world = World::new(Software::gotosocial()).await;
    let who = world.connect().await;
    for files in [vec![], vec![world.picture(8, None)]] {
        let draft = Draft { files, ..Draft::text("twice would be wrong") };
        let (journal, _) = world.prepare(&who, &draft).await.unwrap();
        let since = world.now();
        world.fault("/api/v1/statuses", Method::POST, FaultKind::DropAfter);
        world.send(&who, &draft, &journal, "key").await.unwrap_err();
        let found = world.find(&who, &draft, &journal, since).await;
        let last = world.instance.statuses().last().unwrap().id.clone();
        assert!(matches!(found, Finding::Sent(sent) if sent.posted.id == last));
        world.advance(Duration::from_secs(600));
    }
    let draft = Draft::text("never arrived");
    let since = world.now();
    world.fault("/api/v1/statuses", Method::POST, FaultKind::DropBefore);
    world.send(&who, &draft, &Value::Null, "key").await.unwrap_err();
    assert!(matches!(world.find(&who, &draft, &Value::Null, since).await, Finding::Unknown { .. }));
    world.assert_clean();
}

#[tokio::test]
async fn what_nobody_shows_us_is_unknown() {
    let world = World::new(Software::default()).await;
    let who = world.connect().await;
    let mut draft = Draft::text("for followers");
    draft.options.visibility = Some("private".into());
    let since = world.now();
    world.fault("/api/v1/statuses", Method::POST, FaultKind::DropAfter);
    world.send(&who, &draft, &Value::Null, "key").await.unwrap_err();
    world.advance(Duration::from_secs(2 * 3600));
    assert!(matches!(world.find(&who, &draft, &Value::Null, since).await, Finding::Unknown { .. }));
}

#[tokio::test]
async fn deleting_and_giving_the_consent_back() {
    for software in [Software::default(), Software::gotosocial()] {
        let world = World::new(software).await;
        let who = world.connect().await;
        let sent = world.publish(&who, &Draft::text("x")).await.unwrap();
        for _ in 0..2 {
            let cx = world.cx(&who.app);
            world.platform.delete(&cx, &who.account, who.credentials(), &sent.posted).await.unwrap();
            assert!(world.instance.statuses().is_empty());
        }
        for _ in 0..2 {
            world.platform.revoke(&world.cx(&who.app), who.credentials()).await.unwrap();
            assert_eq!(world.instance.live_tokens("alice"), 0);
        }
        // The instance forgot the app and its tokens: nothing is left to be given back.
        world.instance.delete_apps();
        world.platform.revoke(&world.cx(&who.app), who.credentials()).await.unwrap();
        world.assert_clean();
    }
}

#[tokio::test]
async fn tokens_travel_in_one_header_only() {
    let world = World::new(Software::default()).await;
    let who = world.connect().await;
    world.verify(&who).await.unwrap();
    world.publish(&who, &Draft { files: vec![world.picture(8, None)], ..Draft::text("x") }).await.unwrap();
    let token = who.tokens.access.expose();
    for call in world.gateway.calls() {
        assert!(!call.query.contains(token) && !call.path.contains(token), "{} {}", call.method, call.path);
        assert!(
            call.headers.get("user-agent").is_some_and(|agent| agent.to_str().unwrap().starts_with("trypost/"))
                || call.path.starts_with("/oauth/authorize")
                || call.host == "trypost.example"
        );
    }
    let keyed = world.gateway.calls().into_iter().filter(|call| call.headers.contains_key("idempotency-key"));
    let keyed: Vec<_> = keyed.map(|call| (call.method, call.path)).collect();
    assert_eq!(keyed, [(Method::POST, "/api/v1/statuses".to_owned())]);
}
