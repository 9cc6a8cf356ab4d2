//! A small stage for one person and one bot: the real chat room, flows, store and workers; emulated platforms behind a
//! gateway; a clock that the test moves; and, instead of a chat network, a screen that shows what people would see. Long because
//! it stands in for a whole chat network, which every script needs.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bots::{
    ChatKind, CommandSpec, Failure, FileRef, Form, Handler, Identity, Incoming, Message, MessageRef, Person, Press,
    Proof, Responder, Surface, SurfaceKind, Update, UpdateKind,
};
use emulators::browser::{Browser, Consent};
use emulators::mastodon::{Mastodon as Instance, Options as Software};
use emulators::telegram::{Standing, Telegram};
use emulators::{Gateway, PATIENCE};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use trypost::chat::Chat;
use trypost::domain::id::{AccountId, PersonId};
use trypost::domain::workspace::{Role, Workspace};
use trypost::domain::{Clock, OsEntropy, Secret, Timestamp, Unobserved};
use trypost::flows::{Flows, Offered, Refusal, Settings, Wake};
use trypost::jobs::{self, deliver};
use trypost::lifecycle::Lifecycle;
use trypost::platforms::http::{Http, PublicResolver};
use trypost::platforms::telegram::TelegramBudget;
use trypost::platforms::{Answer, App, Context, Want, registry};
use trypost::store::{NewAccount, NewGrant, Store, Vault};
use url::Url;

pub const HOST: &str = "mastodon.example";
const TOKEN: &str = "42:canary-token";
const START: i64 = 1_790_000_000_000;
const REDIRECT: &str = "https://trypost.example/accounts/mastodon/callback";

/// Time that the test moves.
pub struct TestClock(watch::Sender<i64>);

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(*self.0.borrow()).unwrap()
    }

    async fn sleep_until(&self, until: Timestamp) {
        let mut moved = self.0.subscribe();
        let _ = moved.wait_for(|now| *now >= until.as_millisecond()).await;
    }
}

/// What people see: every message as it is now, and what was said without one.
#[derive(Default)]
struct Seen {
    messages: Vec<Message>,
    toasts: Vec<String>,
    forms: Vec<Form>,
}

pub struct Screen {
    kind: SurfaceKind,
    has_forms: bool,
    seen: Mutex<Seen>,
    changes: watch::Sender<u64>,
    files: Mutex<HashMap<String, Result<Vec<u8>, Failure>>>,
}

impl Screen {
    fn write<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        let result = change(&mut self.seen.lock().unwrap());
        self.changes.send_modify(|count| *count += 1);
        result
    }

    fn at(&self, id: usize) -> MessageRef {
        MessageRef { surface: self.kind, chat: "1".into(), id: id.to_string(), token: None, parts: Vec::new() }
    }

    fn push(&self, message: &Message) -> MessageRef {
        let id = self.write(|seen| {
            seen.messages.push(message.clone());
            seen.messages.len() - 1
        });
        self.at(id)
    }

    fn replace(&self, id: &str, message: &Message) -> MessageRef {
        let id: usize = id.parse().unwrap();
        self.write(|seen| seen.messages[id] = message.clone());
        self.at(id)
    }
}

#[async_trait]
impl Surface for Screen {
    fn kind(&self) -> SurfaceKind {
        self.kind
    }

    async fn identity(&self) -> Result<Identity, Failure> {
        Ok(Identity { id: "1".into(), handle: "bot".into(), name: "Bot".into() })
    }

    async fn run(
        &self,
        _: &'static [CommandSpec],
        _: Arc<dyn Handler>,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        stop.cancelled().await;
        Ok(())
    }

    async fn send(&self, _: &str, _: Option<&str>, message: &Message) -> Result<MessageRef, Failure> {
        Ok(self.push(message))
    }

    async fn direct_chat(&self, person: &str) -> Result<String, Failure> {
        Ok(person.to_owned())
    }

    async fn edit(&self, at: &MessageRef, message: &Message) -> Result<MessageRef, Failure> {
        Ok(self.replace(&at.id, message))
    }

    async fn delete(&self, _: &MessageRef) -> Result<(), Failure> {
        Ok(())
    }

    async fn download(&self, file: &FileRef, to: &Path, _: u64) -> Result<(), Failure> {
        let bytes = self.files.lock().unwrap().get(&file.id).cloned();
        std::fs::write(to, bytes.unwrap_or(Err(Failure::Gone("no such file".into())))?).unwrap();
        Ok(())
    }

    async fn is_admin(&self, _: &str, _: &str) -> Result<bool, Failure> {
        Ok(false)
    }
}

/// Answers one update onto the screen.
struct Answers<'a> {
    screen: &'a Screen,
    pressed: Option<usize>,
}

#[async_trait]
impl Responder for Answers<'_> {
    async fn answer(&self, message: &Message) -> Result<MessageRef, Failure> {
        Ok(self.screen.push(message))
    }

    async fn edit(&self, message: &Message) -> Result<MessageRef, Failure> {
        match self.pressed {
            Some(id) => Ok(self.screen.replace(&id.to_string(), message)),
            None => self.answer(message).await,
        }
    }

    async fn toast(&self, text: &str) -> Result<(), Failure> {
        assert!(text.chars().count() <= 200, "too long for a toast: {text}");
        self.screen.write(|seen| seen.toasts.push(text.to_owned()));
        Ok(())
    }

    async fn form(&self, form: &Form) -> Result<bool, Failure> {
        if self.screen.has_forms {
            self.screen.write(|seen| seen.forms.push(form.clone()));
        }
        Ok(self.screen.has_forms)
    }
}

struct Draws(Arc<Chat>);

#[async_trait]
impl deliver::Draw for Draws {
    async fn draw(
        &self,
        subject: &str,
        surface: SurfaceKind,
        person: Option<&PersonId>,
        shared: bool,
    ) -> Result<Option<Message>, Refusal> {
        self.0.draw(subject, surface, person, shared).await
    }
}

/// The stage.
pub struct Stage {
    pub flows: Arc<Flows>,
    pub gateway: Arc<Gateway>,
    pub instance: Instance,
    pub telegram: Telegram,
    pub workspace: Workspace,
    pub data: TempDir,
    chat: Arc<Chat>,
    screen: Arc<Screen>,
    clock: Arc<TestClock>,
    person: PersonId,
    updates: AtomicUsize,
    lifecycle: Lifecycle,
}

impl Stage {
    pub async fn new(kind: SurfaceKind) -> Self {
        let clock = Arc::new(TestClock(watch::Sender::new(START)));
        let shared = clock.clone();
        let gateway = Gateway::start(Arc::new(move || shared.now().as_millisecond())).await.unwrap();
        gateway.mount("trypost.example", axum::Router::new().fallback(|| async { "back" }));
        let instance = Instance::new(&gateway, HOST, Software::default());
        let telegram = Telegram::new(&gateway, TOKEN, "trial_bot");
        let data = tempfile::tempdir().unwrap();
        let media_dir = data.path().join("media");
        let scratch = data.path().join("scratch");
        std::fs::create_dir_all(&media_dir).unwrap();
        std::fs::create_dir_all(&scratch).unwrap();
        let vault = Vault::new(&Vault::generate(&OsEntropy), &[]).unwrap();
        let (entropy, observer) = (Arc::new(OsEntropy), Arc::new(Unobserved));
        let store =
            Store::sqlite(&data.path().join("db"), vault, clock.clone(), entropy.clone(), observer.clone()).await;
        let store = store.unwrap();
        store.migrate().await.unwrap();
        let person = store.add_identity(None, kind.as_str(), "7", "Ana", None).await.unwrap();
        let workspace = store.create_workspace("Blue team", &person).await.unwrap();
        let url = Url::parse(&gateway.url()).unwrap();
        let http = Arc::new(Http::new(Some(url), Arc::new(PublicResolver), observer).unwrap());
        let platforms = registry::all(Arc::new(TelegramBudget::new())).into_iter().map(|platform| {
            let bot = (platform.descriptor().id == "telegram").then(|| Secret::new(TOKEN));
            let app = App { bot_token: bot, bot_name: Some("trial_bot".into()), ..App::default() };
            Offered { platform, app, redirect_uri: REDIRECT.parse().unwrap(), missing: Vec::new(), enabled: true }
        });
        let flows = Arc::new(Flows {
            started_at: clock.now(),
            store,
            http,
            platforms: platforms.collect(),
            clock: clock.clone(),
            entropy,
            settings: Settings {
                app_url: "https://trypost.example".parse().unwrap(),
                self_hosted: true,
                media_dir,
                image_bytes: 10_000_000,
                video_bytes: 100_000_000,
                lease: Duration::from_secs(60),
            },
            replica: "one".into(),
            wake: Wake::default(),
        });
        let screen = Arc::new(Screen {
            kind,
            has_forms: kind == SurfaceKind::Discord,
            seen: Mutex::default(),
            changes: watch::Sender::new(0),
            files: Mutex::default(),
        });
        let surfaces: BTreeMap<SurfaceKind, Arc<dyn Surface>> = BTreeMap::from([(kind, screen.clone() as Arc<_>)]);
        let chat = Arc::new(Chat { flows: flows.clone(), surfaces, scratch });
        let lifecycle = Lifecycle::default();
        jobs::start_publisher(flows.clone(), &lifecycle);
        deliver::start(flows.clone(), Arc::new(Draws(chat.clone())), screen.clone(), &lifecycle);
        let updates = AtomicUsize::new(1);
        Self { flows, gateway, instance, telegram, workspace, data, chat, screen, clock, person, updates, lifecycle }
    }

    /// Time passes.
    pub fn advance(&self, by: Duration) {
        self.clock.0.send_modify(|now| *now += i64::try_from(by.as_millis()).unwrap());
        self.flows.wake.publish.notify_waiters();
        self.flows.wake.outbox.notify_waiters();
    }

    fn app<'a>(&'a self, id: &str) -> &'a Offered {
        self.flows.offered(id).unwrap()
    }

    /// Connects this user of the instance by its consent page.
    pub async fn mastodon(&self, user: &str) -> AccountId {
        self.instance.add_user(user);
        let offered = self.app("mastodon");
        let redirect_uri = &offered.redirect_uri;
        let cx =
            |app| Context { http: &self.flows.http, now: self.clock.now(), app, redirect_uri, entropy: &OsEntropy };
        let none = App::default();
        let app = offered.platform.register(&cx(&none), HOST).await.unwrap();
        let secret = app.secret.clone().unwrap();
        let store = &self.flows.store;
        store.save_instance_app("mastodon", HOST, &app.id, &secret).await.unwrap();
        let want = Want { instance: Some(HOST), state: "the state", reconnect: None };
        let begun = offered.platform.begin(&cx(&app), want).await.unwrap();
        let browser = Browser::new(&self.gateway.url()).unwrap();
        let approve = Consent::Approve { as_user: user.into() };
        let page = browser.consent(begun.url.unwrap().as_str(), approve).await.unwrap();
        let query = Url::parse(&page.url).unwrap().query_pairs().into_owned().collect();
        let consent = offered.platform.complete(&cx(&app), &begun.keep, Answer::Callback(query)).await.unwrap();
        let grant = consent.grant.unwrap();
        let new = NewGrant {
            workspace: self.workspace.id.clone(),
            platform: "mastodon".into(),
            app: HOST.into(),
            remote_user: grant.remote_user,
            tokens: grant.tokens,
        };
        let grant = store.save_grant(&new).await.unwrap();
        self.account("mastodon", consent.found.into_iter().next().unwrap(), Some(grant)).await
    }

    /// Makes a channel where the bot may post, and connects it.
    pub async fn channel(&self, title: &str) -> (i64, AccountId) {
        let ana = self.telegram.add_user(7, "Ana", None);
        let chat = self.telegram.add_channel(title, None);
        self.telegram.join(chat, &ana, Standing::Creator);
        self.telegram.promote_bot(chat, &ana, &["can_post_messages"]);
        let offered = self.app("telegram");
        let (now, redirect_uri) = (self.clock.now(), &offered.redirect_uri);
        let cx = Context { http: &self.flows.http, now, app: &offered.app, redirect_uri, entropy: &OsEntropy };
        let answer = Answer::Place(chat.to_string());
        let consent = offered.platform.complete(&cx, &Secret::new(""), answer).await.unwrap();
        (chat, self.account("telegram", consent.found.into_iter().next().unwrap(), None).await)
    }

    async fn account(
        &self,
        platform: &str,
        found: trypost::platforms::Found,
        grant: Option<trypost::domain::id::GrantId>,
    ) -> AccountId {
        let new = NewAccount {
            workspace: self.workspace.id.clone(),
            platform: platform.into(),
            remote_id: found.remote_id,
            name: found.name,
            handle: found.handle,
            url: found.url,
            meta: found.meta,
            grant,
        };
        let account = self.flows.store.connect_account(&new).await.unwrap().0;
        // Accounts stand in the order in which they were connected.
        self.advance(Duration::from_millis(1));
        account
    }

    /// Somebody else owns the workspace now, and the person has this role.
    pub async fn role(&self, role: Role) {
        let other = self.flows.store.add_identity(None, "console", "1", "Bo", None).await.unwrap();
        self.flows.store.set_role(&self.workspace.id, &other, Role::Owner).await.unwrap();
        self.flows.store.set_role(&self.workspace.id, &self.person, role).await.unwrap();
    }

    /// A file that somebody can send.
    pub fn file(&self, id: &str, bytes: Result<Vec<u8>, Failure>) -> FileRef {
        self.screen.files.lock().unwrap().insert(id.into(), bytes);
        FileRef { id: id.into(), mime: None, name: Some(id.into()), size: None, alt: None }
    }

    async fn update(&self, id: usize, pressed: Option<usize>, kind: UpdateKind) {
        let update = Update {
            id: id.to_string(),
            chat: bots::Chat {
                surface: self.screen.kind,
                id: "1".into(),
                topic: None,
                kind: ChatKind::Direct,
                title: None,
                server: None,
            },
            person: Some(Person { id: "7".into(), name: "Ana".into(), handle: None }),
            proof: Proof::default(),
            message: pressed.map(|id| self.screen.at(id)),
            kind,
        };
        self.chat.handle(update, &Answers { screen: &self.screen, pressed }).await;
    }

    fn next(&self) -> usize {
        self.updates.fetch_add(1, Ordering::SeqCst)
    }

    /// Somebody sends a message; gives its update's number.
    pub async fn sends(&self, incoming: Incoming) -> usize {
        let id = self.next();
        self.update(id, None, UpdateKind::Message(incoming)).await;
        id
    }

    /// The network brings an update a second time, as if it had not been noted.
    pub async fn again(&self, id: usize, incoming: Incoming) {
        let kind = UpdateKind::Message(incoming);
        let forgotten = Timestamp::from_millisecond(i64::MAX / 1_000_000).unwrap();
        self.flows.store.sweep_talk(forgotten.max(self.clock.now())).await.unwrap();
        self.update(id, None, kind).await;
    }

    pub async fn says(&self, text: &str) {
        self.sends(Incoming { text: text.into(), ..Incoming::default() }).await;
    }

    pub async fn command(&self, name: &str, arguments: &[&str]) {
        let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
        let kind = UpdateKind::Command { name: name.into(), arguments, incoming: Incoming::default() };
        self.update(self.next(), None, kind).await;
    }

    /// The newest message with a button that begins with this label.
    fn button(&self, label: &str) -> (usize, String) {
        let seen = self.screen.seen.lock().unwrap();
        for (id, message) in seen.messages.iter().enumerate().rev() {
            for button in message.rows.iter().flatten().filter(|button| button.label.starts_with(label)) {
                if let Press::Token(token) = &button.press {
                    return (id, token.clone());
                }
            }
        }
        panic!("no button {label:?} on {:#?}", seen.messages.iter().map(|one| &one.text.plain).collect::<Vec<_>>());
    }

    pub async fn press(&self, label: &str) {
        let (id, token) = self.button(label);
        self.update(self.next(), Some(id), UpdateKind::Press(token)).await;
    }

    /// Keeps a button as it is now, to be pressed when the card has changed.
    pub fn hold(&self, label: &str) -> (usize, String) {
        self.button(label)
    }

    /// As [`Stage::hold`], on the newest message that says this.
    pub fn hold_on(&self, words: &str, label: &str) -> (usize, String) {
        let messages = self.messages();
        let (id, message) = messages.iter().enumerate().rfind(|(_, one)| one.text.plain.contains(words)).unwrap();
        let button = message.rows.iter().flatten().find(|button| button.label == label).unwrap();
        let Press::Token(token) = &button.press else { panic!("{label} is a link") };
        (id, token.clone())
    }

    pub async fn press_held(&self, (id, token): &(usize, String)) {
        self.update(self.next(), Some(*id), UpdateKind::Press(token.clone())).await;
    }

    /// Picks these values of the newest menu.
    pub async fn picks(&self, values: &[&str]) {
        let (id, token) = {
            let seen = self.screen.seen.lock().unwrap();
            let menus = seen.messages.iter().enumerate().rev();
            menus.filter_map(|(id, one)| Some((id, one.select.as_ref()?.token.clone()))).next().expect("a menu")
        };
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        self.update(self.next(), Some(id), UpdateKind::Select { token, values }).await;
    }

    /// Fills in the newest form and sends it, from the card `label` stands on.
    pub async fn fills(&self, on: Option<&str>, values: &[&str]) -> Form {
        let form = self.screen.seen.lock().unwrap().forms.last().cloned().expect("a form");
        let fields = form.fields.iter().zip(values).map(|(field, value)| (field.name.clone(), (*value).to_owned()));
        let kind = UpdateKind::Form { token: form.token.clone(), fields: fields.collect() };
        self.update(self.next(), on.map(|label| self.button(label).0), kind).await;
        form
    }

    pub fn messages(&self) -> Vec<Message> {
        self.screen.seen.lock().unwrap().messages.clone()
    }

    pub fn last(&self) -> Message {
        self.messages().pop().expect("a message")
    }

    pub fn said(&self) -> String {
        self.last().text.plain
    }

    pub fn toast(&self) -> String {
        self.screen.seen.lock().unwrap().toasts.last().cloned().unwrap_or_default()
    }

    /// Waits until a message says this.
    pub async fn sees(&self, words: &str) -> Message {
        let mut changes = self.screen.changes.subscribe();
        let search = async {
            loop {
                let found = self.messages().into_iter().rev().find(|message| message.text.plain.contains(words));
                if let Some(found) = found {
                    return found;
                }
                changes.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(found) => found,
            Err(_) => {
                let shown: Vec<String> = self.messages().into_iter().map(|message| message.text.plain).collect();
                panic!("nobody saw {words:?}, but {shown:#?}");
            }
        }
    }

    /// The end of a script: no request that no correct client makes, nothing left in the scratch folder.
    pub async fn end(self) {
        assert_eq!(self.gateway.take_violations(), Vec::<String>::new());
        crate::contracts::hold(&self.gateway);
        let left: Vec<_> = std::fs::read_dir(self.data.path().join("scratch")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        self.lifecycle.stop();
        self.lifecycle.kill();
        self.flows.store.close().await;
    }
}

/// What the buttons of a message say.
pub fn labels(message: &Message) -> Vec<&str> {
    message.rows.iter().flatten().map(|button| button.label.as_str()).collect()
}
