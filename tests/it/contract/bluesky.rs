//! Bluesky: sign in, renew, verify, publish every kind, every loss, delete. What is not tied to the emulator (the
//! [`Person`] and the way a post goes) serves the test against the real server too. Long because each promise of the connector is one test in one world.

use std::collections::BTreeMap;

use emulators::bluesky::{Bluesky, ENTRYWAY, Standing, VENDOR_PDS, VIDEO};
use emulators::{Fault as Knob, FaultKind, fixtures};
use serde_json::{Value, json};
use trypost::domain::account::{Account, AccountStatus, Tokens};
use trypost::domain::post::{Mark, Options, Posted, RichText, Style};
use trypost::domain::{Fault, OsEntropy, Secret, Timestamp};
use trypost::platforms::bluesky::Bluesky as Connector;
use trypost::platforms::media::{self, Caps};
use trypost::platforms::{
    Answer, App, Consent, Context, Credentials, Delivery, File, Finding, Found, Platform, Prepared, Seen, Sent,
};

use super::bots::{Bench, plain};

/// A person with a connected account.
pub struct Person {
    pub account: Account,
    pub tokens: Tokens,
}

/// What the form gives.
pub fn form(handle: &str, password: &str, server: &str) -> Answer {
    let field = |name: &str, value: &str| (name.to_owned(), Secret::new(value));
    Answer::Form(BTreeMap::from([field("handle", handle), field("password", password), field("server", server)]))
}

impl Person {
    /// What flows would make of a consent.
    pub fn of(consent: Consent) -> Self {
        let [found] = <[Found; 1]>::try_from(consent.found).unwrap();
        let grant = consent.grant.unwrap();
        assert_eq!((grant.remote_user.as_str(), found.blocked), (found.remote_id.as_str(), None));
        let account = Account {
            id: "acc_1".to_owned().into(),
            workspace: "wsp_1".to_owned().into(),
            platform: "bluesky".into(),
            remote_id: found.remote_id,
            name: found.name,
            handle: found.handle,
            url: found.url,
            meta: found.meta,
            grant: None,
            status: AccountStatus::Connected,
            status_since: Timestamp::UNIX_EPOCH,
            why: None,
            fix: None,
            is_active: true,
            shaky_since: None,
        };
        Self { account, tokens: grant.tokens }
    }

    pub fn credentials(&self) -> Credentials<'_> {
        Credentials { tokens: Some(&self.tokens) }
    }

    pub fn delivery<'a>(&'a self, text: &'a RichText, files: &'a [File], options: &'a Options) -> Delivery<'a> {
        Delivery { account: &self.account, credentials: self.credentials(), text, files, options }
    }
}

/// All invisible steps of a post; gives the journal and what people were told.
pub async fn prepared<'a>(
    cx: impl Fn() -> Context<'a>,
    delivery: &Delivery<'_>,
) -> Result<(Value, Vec<String>), Fault> {
    let (mut journal, mut notes) = (Value::Null, Vec::new());
    for _ in 0..50 {
        match Connector.prepare(&cx(), delivery, journal).await? {
            Prepared::Step { journal: next, note } | Prepared::Wait { journal: next, note, .. } => {
                notes.push(note);
                journal = next;
            }
            Prepared::Ready { journal } => return Ok((journal, notes)),
        }
    }
    panic!("it never got ready: {notes:?}")
}

/// A file as the daemon takes it in.
pub async fn taken(folder: &tempfile::TempDir, name: &str, bytes: &[u8], alt: Option<&str>) -> File {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let mut media = media::probe(&path, Caps::default()).await.unwrap();
    media.alt = alt.map(str::to_owned);
    File { media, path }
}

struct World {
    bench: Bench,
    bluesky: Bluesky,
    did: String,
    password: String,
    folder: tempfile::TempDir,
}

async fn world() -> World {
    let bench = Bench::new(App::default()).await;
    let bluesky = Bluesky::new(&bench.gateway);
    let did = bluesky.add_account("alice.bsky.social");
    let password = bluesky.add_app_password(&did, "trypost").unwrap();
    World { bench, bluesky, did, password, folder: tempfile::tempdir().unwrap() }
}

impl World {
    async fn sign_in(&self, handle: &str, password: &str, server: &str) -> Result<Consent, Fault> {
        Connector.complete(&self.bench.cx(), &Secret::new(""), form(handle, password, server)).await
    }

    async fn person(&self) -> Person {
        Person::of(self.sign_in("@Alice", &self.password, "").await.unwrap())
    }

    async fn file(&self, name: &str, bytes: &[u8]) -> File {
        taken(&self.folder, name, bytes, Some("what is seen")).await
    }

    async fn publish(&self, person: &Person, text: &RichText, files: &[File]) -> Result<(Posted, Vec<String>), Fault> {
        let options = Options { language: Some("en".into()), ..Options::default() };
        let delivery = person.delivery(text, files, &options);
        let (journal, notes) = prepared(|| self.bench.cx(), &delivery).await?;
        let key = Connector.send_key(self.bench.now(), &OsEntropy);
        let sent = Connector.send(&self.bench.cx(), &delivery, journal, &key).await?;
        assert!(!sent.more && sent.posted.id == key);
        Ok((sent.posted, notes))
    }

    fn posts(&self) -> Vec<Value> {
        self.bluesky.posts(&self.did).into_iter().map(|post| post.value).collect()
    }

    fn knob(&self, host: &str, path: &str, times: usize, kind: FaultKind) {
        self.bench.gateway.inject(Knob::new(host, path, times, kind));
    }

    fn count(&self, path: &str) -> usize {
        self.bench.gateway.calls().iter().filter(|call| call.path.contains(path)).count()
    }

    fn clean(&self) {
        self.bench.assert_clean(&[&self.password]);
    }
}

fn rejected(fault: Result<Consent, Fault>) -> (String, String) {
    match fault {
        Err(Fault::Rejected { why, fix }) => (why, fix),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_app_password_connects_the_profile_at_its_own_server() {
    let world = world().await;
    let person = world.person().await;
    let account = &person.account;
    assert_eq!(
        (account.remote_id.as_str(), account.handle.as_deref()),
        (world.did.as_str(), Some("alice.bsky.social"))
    );
    assert_eq!(account.name, world.bluesky.account(&world.did).unwrap().display_name);
    assert_eq!(account.url, Some(format!("https://bsky.app/profile/{}", world.did)));
    assert_eq!(account.meta["pds"], format!("https://{VENDOR_PDS}"));
    let lives = |end: Option<Timestamp>| end.unwrap().duration_since(world.bench.now()).as_hours();
    assert_eq!((lives(person.tokens.expires_at), lives(person.tokens.refresh_expires_at)), (2, 90 * 24));
    assert_eq!(Connector.limits(&account.meta).image_bytes, 2_000_000);
    assert!(!format!("{:?}", person.tokens).contains(&world.password));
    world.clean();
}

#[tokio::test]
async fn an_account_on_a_server_of_its_own_connects_there() {
    let world = world().await;
    world.bluesky.add_pds("pds.example");
    let did = world.bluesky.add_account_at("pds.example", "bob.example");
    let password = world.bluesky.add_app_password(&did, "trypost").unwrap();
    world.bluesky.knobs(|knobs| knobs.appview_down = true);
    let person = Person::of(world.sign_in("bob.example", &password, "https://pds.example/").await.unwrap());
    // With no view of the network there is no display name.
    assert_eq!((person.account.remote_id.as_str(), person.account.name.as_str()), (did.as_str(), "bob.example"));
    assert_eq!(person.account.meta["pds"], "https://pds.example");
    assert_eq!(Connector.limits(&person.account.meta).image_bytes, 1_000_000);
    world.clean();
}

#[tokio::test]
async fn a_main_password_is_refused_and_its_session_ended() {
    let world = world().await;
    let main = world.bluesky.account(&world.did).unwrap().password;
    let (why, fix) = rejected(world.sign_in("alice", &main, "").await);
    assert!(why.contains("main password") && fix.contains("app password"), "{why} {fix}");
    assert_eq!(world.bluesky.live_sessions(&world.did), 0);
    world.bluesky.set_email_factor(&world.did, true);
    let (why, _) = rejected(world.sign_in("alice", &main, "").await);
    assert!(why.contains("main password"), "{why}");
    world.clean();
}

#[tokio::test]
async fn what_can_not_be_signed_in_to_is_said() {
    let world = world().await;
    for (handle, password, server, said) in [
        ("alice", "wrong-pass", "", "did not accept"),
        ("nobody", "wrong-pass", "", "did not accept"),
        ("", "x", "", "handle is missing"),
        ("alice", "", "", "app password is missing"),
        ("alice", "x", "not a server", "no server's name"),
        ("alice", "x", "http://pds.example", "no server's name"),
        ("alice", "x", "127.0.0.1", "not on the public internet"),
        ("alice", "x", "pds.example:8443", "port"),
        ("alice", "x", "bsky.app", "can't be signed in to"),
    ] {
        let (why, fix) = rejected(world.sign_in(handle, password, server).await);
        assert!(why.contains(said) && !fix.is_empty(), "{server}: {why}");
    }
    world.bluesky.set_standing(&world.did, Standing::Deactivated);
    let (why, _) = rejected(world.sign_in("alice", &world.password, "").await);
    assert!(why.contains("deactivated"), "{why}");
    assert_eq!(world.bluesky.live_sessions(&world.did), 0);
    world.bluesky.set_standing(&world.did, Standing::Takendown);
    // The server does not tell a stranger with an app password why.
    rejected(world.sign_in("alice", &world.password, "").await);
    world.bluesky.set_standing(&world.did, Standing::Active);
    world.knob(ENTRYWAY, "createSession", 1, FaultKind::rate_limited(77));
    match world.sign_in("alice", &world.password, "").await {
        Err(Fault::Transient { retry_after, .. }) => assert_eq!(retry_after.unwrap().as_secs(), 77),
        other => panic!("{other:?}"),
    }
    world.bench.gateway.take_violations();
}

#[tokio::test]
async fn renewal_rotates_and_a_lost_answer_is_asked_for_again() {
    let world = world().await;
    let person = world.person().await;
    world.bench.pass(60);
    let renewed = Connector.renew(&world.bench.cx(), &person.tokens).await.unwrap();
    assert!(renewed.access != person.tokens.access && renewed.refresh != person.tokens.refresh);
    assert_eq!(renewed.extra, person.tokens.extra);
    world.knob(ENTRYWAY, "refreshSession", 1, FaultKind::DropAfter);
    let lost = Connector.renew(&world.bench.cx(), &renewed).await.unwrap_err();
    assert!(matches!(lost, Fault::InDoubt { .. }), "{lost:?}");
    world.bench.pass(3600);
    let again = Connector.renew(&world.bench.cx(), &renewed).await.unwrap();
    let seen =
        Connector.verify(&world.bench.cx(), &person.account, Credentials { tokens: Some(&again) }).await.unwrap();
    assert_eq!(seen.handle, person.account.handle);
    assert_eq!(world.count("createSession"), 1);
    world.clean();
}

#[tokio::test]
async fn a_session_that_is_over_is_opened_anew_with_the_app_password() {
    let world = world().await;
    let person = world.person().await;
    world.bluesky.revoke_sessions(&world.did);
    let renewed = Connector.renew(&world.bench.cx(), &person.tokens).await.unwrap();
    assert!(renewed.refresh != person.tokens.refresh && world.count("createSession") == 2);
    world.bluesky.revoke_app_password(&world.did, "trypost");
    let dead = Connector.renew(&world.bench.cx(), &renewed).await.unwrap_err();
    assert!(matches!(&dead, Fault::GrantDead { why } if why.contains("app password")), "{dead:?}");
    world.clean();
}

#[tokio::test]
async fn an_outage_never_ends_a_consent() {
    let world = world().await;
    let person = world.person().await;
    for kind in [FaultKind::server_error(), FaultKind::html(), FaultKind::DropBefore, FaultKind::Truncate] {
        world.knob(ENTRYWAY, "refreshSession", 1, kind);
        let fault = Connector.renew(&world.bench.cx(), &person.tokens).await.unwrap_err();
        assert!(matches!(fault, Fault::InDoubt { .. }), "{fault:?}");
    }
    world.knob(ENTRYWAY, "refreshSession", 1, FaultKind::rate_limited(5));
    let fault = Connector.renew(&world.bench.cx(), &person.tokens).await.unwrap_err();
    assert!(matches!(fault, Fault::Transient { retry_after: Some(_), .. }), "{fault:?}");
    Connector.renew(&world.bench.cx(), &person.tokens).await.unwrap();
    world.clean();
}

async fn verify(world: &World, person: &Person) -> Result<Seen, Fault> {
    Connector.verify(&world.bench.cx(), &person.account, person.credentials()).await
}

#[tokio::test]
async fn a_check_sees_a_new_handle_a_dead_token_and_a_lost_account() {
    let world = world().await;
    let person = world.person().await;
    world.bluesky.set_handle(&world.did, "alice.example");
    assert_eq!(verify(&world, &person).await.unwrap().handle.as_deref(), Some("alice.example"));
    world.bluesky.set_standing(&world.did, Standing::Deactivated);
    let lost = verify(&world, &person).await.unwrap_err();
    assert!(matches!(&lost, Fault::AccountLost { why, .. } if why.contains("deactivated")), "{lost:?}");
    world.bluesky.set_standing(&world.did, Standing::Active);
    world.bluesky.expire_access(&world.did);
    assert_eq!(verify(&world, &person).await.unwrap_err(), Fault::Stale);
    world.clean();
}

#[tokio::test]
async fn giving_back_ends_the_session_and_twice_is_once() {
    let world = world().await;
    let person = world.person().await;
    for _ in 0..2 {
        Connector.revoke(&world.bench.cx(), person.credentials()).await.unwrap();
        assert_eq!(world.bluesky.live_sessions(&world.did), 0);
    }
    world.clean();
}

#[tokio::test]
async fn a_text_goes_out_with_its_links_mentions_and_tags() {
    let world = world().await;
    let person = world.person().await;
    let bob = world.bluesky.add_account("bob.bsky.social");
    let words = "Grüße 👩‍👧 @bob.bsky.social und @nobody.bsky.social: example.com #neu, here";
    let start = words.len() - 4;
    let link = Mark { start, end: words.len(), style: Style::Link("https://example.org/x".into()) };
    let text = RichText { plain: words.into(), marks: vec![link] };
    let (posted, _) = world.publish(&person, &text, &[]).await.unwrap();
    let post = world.posts().pop().unwrap();
    assert_eq!((&post["text"], &post["langs"]), (&json!(words), &json!(["en"])));
    let facets: Vec<(&str, Value)> = post["facets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|facet| {
            let at = |name: &str| usize::try_from(facet["index"][name].as_u64().unwrap()).unwrap();
            let feature = &facet["features"][0];
            let leads = ["did", "uri", "tag"].into_iter().find_map(|key| feature.get(key)).unwrap();
            (&words[at("byteStart")..at("byteEnd")], leads.clone())
        })
        .collect();
    assert_eq!(
        facets,
        [
            ("@bob.bsky.social", json!(bob)),
            ("example.com", json!("https://example.com")),
            ("#neu", json!("neu")),
            ("here", json!("https://example.org/x")),
        ]
    );
    assert_eq!(posted.url, Some(format!("https://bsky.app/profile/{}/post/{}", world.did, posted.id)));
    assert_eq!(posted.meta["uri"], format!("at://{}/app.bsky.feed.post/{}", world.did, posted.id));
    assert_eq!(posted.meta["cid"], world.bluesky.posts(&world.did)[0].cid);
    world.clean();
}

#[tokio::test]
async fn pictures_go_out_in_order_with_type_description_and_shape() {
    let world = world().await;
    let person = world.person().await;
    let files = [
        world.file("a", &fixtures::png(40, 20)).await,
        world.file("b", &fixtures::jpeg(20, 40)).await,
        world.file("c", &fixtures::webp(30, 30)).await,
        world.file("d", &fixtures::png_of_size(64, 64, 2_100_000)).await,
    ];
    let (_, notes) = world.publish(&person, &plain("four"), &files).await.unwrap();
    assert_eq!(notes, ["uploading 1 of 4", "uploading 2 of 4", "uploading 3 of 4", "uploading 4 of 4"]);
    let post = world.posts().pop().unwrap();
    let images = post["embed"]["images"].as_array().unwrap().clone();
    let shape = |index: usize| (images[index]["image"]["mimeType"].clone(), images[index]["aspectRatio"].clone());
    assert_eq!(shape(0), (json!("image/png"), json!({ "width": 40, "height": 20 })));
    assert_eq!(shape(1), (json!("image/jpeg"), json!({ "width": 20, "height": 40 })));
    assert_eq!(shape(2), (json!("image/webp"), json!({ "width": 30, "height": 30 })));
    // Too large by a little: a JPEG of the same pixels.
    assert_eq!(shape(3), (json!("image/jpeg"), json!({ "width": 64, "height": 64 })));
    assert!(images.iter().all(|image| image["alt"] == "what is seen"));
    world.clean();
}

#[tokio::test]
async fn an_older_server_gets_smaller_pictures() {
    let world = world().await;
    let person = world.person().await;
    world.bluesky.knobs(|knobs| knobs.image_limit = 1_000_000);
    let files = [world.file("a", &fixtures::png_of_size(64, 64, 1_500_000)).await];
    world.publish(&person, &plain("one"), &files).await.unwrap();
    let post = world.posts().pop().unwrap();
    assert!(post["embed"]["images"][0]["image"]["size"].as_u64().unwrap() <= 1_000_000);
    assert_eq!((world.posts().len(), world.count("uploadBlob"), world.count("createRecord")), (1, 2, 2));
    world.clean();
}

#[tokio::test]
async fn files_that_the_server_dropped_meanwhile_are_uploaded_again() {
    let world = world().await;
    let person = world.person().await;
    let files = [world.file("a", &fixtures::png(40, 20)).await];
    let (text, options) = (plain("late"), Options::default());
    let delivery = person.delivery(&text, &files, &options);
    let (journal, _) = prepared(|| world.bench.cx(), &delivery).await.unwrap();
    world.bench.pass(70 * 60);
    let key = Connector.send_key(world.bench.now(), &OsEntropy);
    Connector.send(&world.bench.cx(), &delivery, journal.clone(), &key).await.unwrap();
    assert_eq!((world.posts().len(), world.count("uploadBlob")), (1, 2));
    // An old journal is not trusted.
    assert!(matches!(Connector.prepare(&world.bench.cx(), &delivery, journal).await.unwrap(), Prepared::Step { .. }));
    world.clean();
}

async fn find(world: &World, delivery: &Delivery<'_>, journal: &Value, key: &str) -> Finding {
    Connector.find(&world.bench.cx(), delivery, journal.clone(), key, world.bench.now()).await.unwrap()
}

#[tokio::test]
async fn a_lost_answer_is_cleared_up_by_the_record_key() {
    let world = world().await;
    let person = world.person().await;
    let (text, options) = (plain("once"), Options::default());
    let delivery = person.delivery(&text, &[], &options);
    let (journal, _) = prepared(|| world.bench.cx(), &delivery).await.unwrap();
    let key = Connector.send_key(world.bench.now(), &OsEntropy);
    let send = async || Connector.send(&world.bench.cx(), &delivery, journal.clone(), &key).await;
    world.knob(VENDOR_PDS, "createRecord", 1, FaultKind::DropBefore);
    assert!(matches!(send().await.unwrap_err(), Fault::InDoubt { .. }));
    assert!(matches!(find(&world, &delivery, &journal, &key).await, Finding::Absent));
    for kind in [FaultKind::DropAfter, FaultKind::Truncate] {
        world.knob(VENDOR_PDS, "createRecord", 1, kind);
        assert!(matches!(send().await.unwrap_err(), Fault::InDoubt { .. }));
        let Finding::Sent(Sent { posted, more: false, .. }) = find(&world, &delivery, &journal, &key).await else {
            panic!("it is there");
        };
        assert_eq!(posted.meta["cid"], world.bluesky.posts(&world.did)[0].cid);
    }
    // Sent again with the same key, there is still one.
    assert!(matches!(send().await.unwrap_err(), Fault::InDoubt { .. }));
    assert_eq!(world.posts().len(), 1);
    world.clean();
}

#[tokio::test]
async fn refusals_of_a_post_are_told_and_an_old_token_is_renewed() {
    let world = world().await;
    let person = world.person().await;
    let long = plain(&"a".repeat(301));
    let fault = world.publish(&person, &long, &[]).await.unwrap_err();
    assert!(matches!(&fault, Fault::Rejected { why, .. } if why.contains("300 characters")), "{fault:?}");
    assert_eq!(world.bench.gateway.take_violations().len(), 1);
    world.bluesky.expire_access(&world.did);
    assert_eq!(world.publish(&person, &plain("x"), &[]).await.unwrap_err(), Fault::Stale);
    world.bluesky.set_standing(&world.did, Standing::Deactivated);
    let renewed = Connector.renew(&world.bench.cx(), &person.tokens).await.unwrap();
    let person = Person { tokens: renewed, ..person };
    let fault = world.publish(&person, &plain("x"), &[]).await.unwrap_err();
    assert!(matches!(&fault, Fault::AccountLost { why, .. } if why.contains("deactivated")), "{fault:?}");
    world.bench.gateway.inject(Knob::new(
        VENDOR_PDS,
        "createRecord",
        1,
        FaultKind::Answer {
            status: 429,
            headers: vec![("ratelimit-reset".into(), (world.bench.now().as_second() + 90).to_string())],
            body: r#"{"error":"RateLimitExceeded","message":"Rate Limit Exceeded"}"#.into(),
        },
    ));
    match world.publish(&person, &plain("x"), &[]).await.unwrap_err() {
        Fault::Transient { retry_after, .. } => assert_eq!(retry_after.unwrap().as_secs(), 90),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.posts().len(), 0);
    world.clean();
}

#[tokio::test]
async fn a_video_goes_through_the_video_service() {
    for wrapped in [true, false] {
        let world = world().await;
        let person = world.person().await;
        world.bluesky.knobs(|knobs| knobs.wrap_job_status = wrapped);
        let files = [world.file("film", &fixtures::mp4(1_500, 720, 1_280, 50_000)).await];
        let (_, notes) = world.publish(&person, &plain("film"), &files).await.unwrap();
        assert!(notes.iter().any(|note| note.starts_with("processing the video, ")), "{notes:?}");
        let post = world.posts().pop().unwrap();
        assert_eq!(post["embed"]["$type"], "app.bsky.embed.video");
        assert_eq!(post["embed"]["alt"], "what is seen");
        assert_eq!(post["embed"]["aspectRatio"], json!({ "width": 720, "height": 1280 }));
        // The same film a second time: the service names the job that is there.
        world.publish(&person, &plain("again"), &files).await.unwrap();
        assert_eq!((world.posts().len(), world.count("uploadVideo")), (2, 2));
        world.clean();
    }
}

#[tokio::test]
async fn a_moving_picture_goes_out_as_a_video_that_looks_like_one() {
    let world = world().await;
    let person = world.person().await;
    let files = [world.file("loop", &fixtures::gif(20, 20, 3)).await];
    world.publish(&person, &plain(""), &files).await.unwrap();
    assert_eq!(world.posts()[0]["embed"]["presentation"], "gif");
    let upload = world.bench.gateway.calls().into_iter().find(|call| call.path.contains("uploadVideo")).unwrap();
    assert_eq!(upload.headers["content-type"], "image/gif");
    world.clean();
}

#[tokio::test]
async fn what_the_video_service_refuses_is_told() {
    let world = world().await;
    let person = world.person().await;
    let files = [world.file("film", &fixtures::mp4(1_500, 720, 1_280, 50_000)).await];
    let refusal = async || match world.publish(&person, &plain("film"), &files).await {
        Err(Fault::Rejected { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    world.bluesky.knobs(|knobs| knobs.video_refused = Some("User has exceeded the daily upload limit".into()));
    assert!(refusal().await.contains("today"));
    world.bluesky.knobs(|knobs| knobs.video_refused = Some("Email must be verified".into()));
    assert!(refusal().await.contains("e-mail"));
    world.bluesky.knobs(|knobs| (knobs.video_refused, knobs.video_fails) = (None, Some("encoding_failure".into())));
    assert!(refusal().await.contains("could not process"));
    world.knob(VIDEO, "getJobStatus", 1, FaultKind::server_error());
    let files = [world.file("another", &fixtures::mp4(1_500, 720, 1_280, 60_000)).await];
    let fault = world.publish(&person, &plain("film"), &files).await.unwrap_err();
    assert!(matches!(fault, Fault::Transient { .. }), "{fault:?}");
    assert_eq!(world.posts().len(), 0);
    world.clean();
}

#[tokio::test]
async fn a_post_is_deleted_also_when_it_is_gone() {
    let world = world().await;
    let person = world.person().await;
    let (posted, _) = world.publish(&person, &plain("short-lived"), &[]).await.unwrap();
    for _ in 0..2 {
        Connector.delete(&world.bench.cx(), &person.account, person.credentials(), &posted).await.unwrap();
        assert_eq!(world.posts().len(), 0);
    }
    world.clean();
}
