//! A chat room on a real database, with real connectors against emulated vendors, the real outbox, and chat networks
//! that only remember what they were asked to show. It does not know what is being tested.
//! Long because the stand-ins for three chat networks and the people in them are one bench.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bots::{
    ChatKind, CommandSpec, Failure, FileRef, Form, Handler, Identity, Incoming, Membership, MembershipStatus, Message,
    MessageRef, Person, Press, Proof, Responder, Surface, SurfaceKind, Text, Update, UpdateKind,
};
use emulators::Gateway;
use emulators::browser::{Browser, Consent};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use trypost::chat::{Chat, Talk, connect};
use trypost::domain::id::{PersonId, WorkspaceId};
use trypost::domain::workspace::Role;
use trypost::domain::{Clock, OsEntropy, Secret, Timestamp, Unobserved};
use trypost::flows::connect::{Opened, Returned};
use trypost::flows::team::Introduced;
use trypost::flows::{Flows, Offered, Refusal, Settings, Wake};
use trypost::jobs::deliver;
use trypost::lifecycle::Lifecycle;
use trypost::platforms::http::{Http, PublicResolver};
use trypost::platforms::{App, Platform, registry, telegram::TelegramBudget};
use trypost::store::{Place, Store, Vault};
use url::Url;

pub const TELEGRAM_TOKEN: &str = "42:canary-token";
pub const DISCORD_TOKEN: &str = "canary-discord-token";
const PATIENCE: Duration = Duration::from_secs(20);

/// A clock that stands until it is told.
pub struct Hand(AtomicI64);

#[async_trait]
impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap()
    }

    async fn sleep_until(&self, until: Timestamp) {
        if until > self.now() {
            std::future::pending::<()>().await;
        }
    }
}

/// One shown message.
#[derive(Clone, Debug)]
pub struct Shown {
    pub chat: String,
    pub id: String,
    pub message: Message,
}

impl Shown {
    pub fn says(&self) -> &str {
        &self.message.text.plain
    }

    pub fn labels(&self) -> Vec<&str> {
        self.message.rows.iter().flatten().map(|button| button.label.as_str()).collect()
    }

    /// The address behind the button with this label.
    pub fn link(&self, label: &str) -> Option<&str> {
        self.message.rows.iter().flatten().filter(|button| button.label == label).find_map(|button| {
            match &button.press {
                Press::Link(url) => Some(url.as_str()),
                Press::Token(_) => None,
            }
        })
    }

    fn token(&self, label: &str) -> Option<&str> {
        self.message.rows.iter().flatten().filter(|button| button.label == label).find_map(|button| {
            match &button.press {
                Press::Token(token) => Some(token.as_str()),
                Press::Link(_) => None,
            }
        })
    }
}

/// A chat network that remembers.
pub struct Network {
    kind: SurfaceKind,
    shown: Mutex<Vec<Shown>>,
    deleted: Mutex<Vec<String>>,
    toasts: Mutex<Vec<String>>,
    forms: Mutex<Vec<Form>>,
    /// Chats that the bot may not write to first.
    pub closed: Mutex<BTreeSet<String>>,
    /// (chat, person) who may manage it.
    pub admins: Mutex<BTreeSet<(String, String)>>,
    /// Whether the bot may delete what members wrote.
    pub may_delete: Mutex<bool>,
    changed: Notify,
    count: AtomicU64,
}

impl Network {
    fn new(kind: SurfaceKind) -> Arc<Self> {
        Arc::new(Self {
            kind,
            shown: Mutex::default(),
            deleted: Mutex::default(),
            toasts: Mutex::default(),
            forms: Mutex::default(),
            closed: Mutex::default(),
            admins: Mutex::default(),
            may_delete: Mutex::new(true),
            changed: Notify::new(),
            count: AtomicU64::new(100),
        })
    }

    fn put(&self, chat: &str, message: &Message) -> MessageRef {
        let id = self.count.fetch_add(1, Ordering::SeqCst).to_string();
        self.shown.lock().unwrap().push(Shown { chat: chat.to_owned(), id: id.clone(), message: message.clone() });
        self.changed.notify_waiters();
        MessageRef { surface: self.kind, chat: chat.to_owned(), id, token: None, parts: Vec::new() }
    }

    fn replace(&self, at: &MessageRef, message: &Message) {
        for shown in self.shown.lock().unwrap().iter_mut().filter(|shown| shown.chat == at.chat && shown.id == at.id) {
            shown.message = message.clone();
        }
        self.changed.notify_waiters();
    }

    /// Everything in a chat, oldest first.
    pub fn all(&self, chat: &str) -> Vec<Shown> {
        self.shown.lock().unwrap().iter().filter(|shown| shown.chat == chat).cloned().collect()
    }

    /// The newest message of a chat.
    pub fn last(&self, chat: &str) -> Shown {
        self.all(chat).pop().unwrap_or_else(|| panic!("nothing was said in {chat}"))
    }

    /// Waits until some message of the chat holds these words.
    pub async fn wait(&self, chat: &str, words: &str) -> Shown {
        let look = async {
            loop {
                let changed = self.changed.notified();
                if let Some(shown) = self.all(chat).into_iter().rev().find(|shown| shown.says().contains(words)) {
                    return shown;
                }
                changed.await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.unwrap_or_else(|_| {
            panic!("{chat} never said {words:?}: {:#?}", self.all(chat).iter().map(Shown::says).collect::<Vec<_>>())
        })
    }

    pub fn deleted(&self) -> Vec<String> {
        self.deleted.lock().unwrap().clone()
    }

    pub fn toasts(&self) -> Vec<String> {
        std::mem::take(&mut self.toasts.lock().unwrap())
    }

    pub fn form(&self) -> Form {
        self.forms.lock().unwrap().pop().expect("a form")
    }
}

#[async_trait]
impl Surface for Network {
    fn kind(&self) -> SurfaceKind {
        self.kind
    }

    async fn identity(&self) -> Result<Identity, Failure> {
        Ok(Identity { id: "42".into(), handle: "trial_bot".into(), name: "Trial".into() })
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

    async fn send(&self, chat: &str, _: Option<&str>, message: &Message) -> Result<MessageRef, Failure> {
        if self.closed.lock().unwrap().contains(chat) {
            return Err(Failure::Unreachable("can't initiate a conversation".into()));
        }
        Ok(self.put(chat, message))
    }

    async fn direct_chat(&self, person: &str) -> Result<String, Failure> {
        Ok(person.to_owned())
    }

    async fn edit(&self, at: &MessageRef, message: &Message) -> Result<MessageRef, Failure> {
        self.replace(at, message);
        Ok(at.clone())
    }

    async fn delete(&self, at: &MessageRef) -> Result<(), Failure> {
        if !*self.may_delete.lock().unwrap() {
            return Err(Failure::Refused("not allowed".into()));
        }
        self.deleted.lock().unwrap().push(at.id.clone());
        Ok(())
    }

    async fn download(&self, _: &FileRef, _: &std::path::Path, _: u64) -> Result<(), Failure> {
        Err(Failure::Refused("no files here".into()))
    }

    async fn is_admin(&self, chat: &str, person: &str) -> Result<bool, Failure> {
        Ok(self.admins.lock().unwrap().contains(&(chat.to_owned(), person.to_owned())))
    }
}

struct Reply<'a> {
    network: &'a Network,
    update: &'a Update,
}

#[async_trait]
impl Responder for Reply<'_> {
    async fn answer(&self, message: &Message) -> Result<MessageRef, Failure> {
        let chat = &self.update.chat;
        if message.private && chat.kind != ChatKind::Direct && self.network.kind == SurfaceKind::Telegram {
            return Err(Failure::NotPrivate);
        }
        Ok(self.network.put(&chat.id, message))
    }

    async fn edit(&self, message: &Message) -> Result<MessageRef, Failure> {
        let pressed = !matches!(self.update.kind, UpdateKind::Command { .. } | UpdateKind::Message(_));
        match &self.update.message {
            Some(_) if message.private && self.network.kind == SurfaceKind::Telegram => Err(Failure::NotPrivate),
            Some(at) if pressed => {
                self.network.replace(at, message);
                Ok(at.clone())
            }
            _ => self.answer(message).await,
        }
    }

    async fn toast(&self, text: &str) -> Result<(), Failure> {
        self.network.toasts.lock().unwrap().push(text.to_owned());
        Ok(())
    }

    async fn form(&self, form: &Form) -> Result<bool, Failure> {
        let has = self.network.kind == SurfaceKind::Discord;
        if has {
            self.network.forms.lock().unwrap().push(form.clone());
        }
        Ok(has)
    }
}

/// Somebody in a chat.
#[derive(Clone)]
pub struct Seat {
    pub chat: bots::Chat,
    pub person: Option<Person>,
    pub proof: Proof,
}

pub fn seat(surface: SurfaceKind, chat: &str, kind: ChatKind, person: &str) -> Seat {
    let server = (surface == SurfaceKind::Discord && kind == ChatKind::Group).then(|| "700".to_owned());
    let chat = bots::Chat { surface, id: chat.to_owned(), topic: None, kind, title: None, server };
    let person = (!person.is_empty()).then(|| Person { id: person.to_owned(), name: name_of(person), handle: None });
    Seat { chat, person, proof: Proof::default() }
}

fn name_of(person: &str) -> String {
    match person {
        "8" => "Bob",
        "9" => "Eve",
        _ => "Ana",
    }
    .to_owned()
}

/// The console, and the direct chat of Ana (7) on a network.
pub fn console() -> Seat {
    seat(SurfaceKind::Console, "console", ChatKind::Direct, "operator")
}

pub fn direct(surface: SurfaceKind) -> Seat {
    seat(surface, "7", ChatKind::Direct, "7")
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

pub struct Bench {
    pub gateway: Arc<Gateway>,
    pub flows: Arc<Flows>,
    pub chat: Arc<Chat>,
    pub workspace: WorkspaceId,
    networks: BTreeMap<SurfaceKind, Arc<Network>>,
    clock: Arc<Hand>,
    browser: Browser,
    lifecycle: Lifecycle,
    count: AtomicU64,
    files: TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.lifecycle.stop();
    }
}

impl Bench {
    /// A daemon whose owner is Ana: at the console, on Telegram and on Discord. Bob (8) is a member without rights to
    /// connect; Eve (9) is unknown. `more` are offered besides the real platforms.
    pub async fn new(more: Vec<Arc<dyn Platform>>) -> Self {
        let clock = Arc::new(Hand(AtomicI64::new(1_800_000_000_000)));
        let shared = clock.clone();
        let gateway = Gateway::start(Arc::new(move || shared.0.load(Ordering::SeqCst))).await.unwrap();
        gateway.mount("trypost.example", axum::Router::new().fallback(|| async { "Go back to your chat." }));
        let files = tempfile::tempdir().unwrap();
        let vault = Vault::new(&Vault::generate(&OsEntropy), &[]).unwrap();
        let (time, entropy) = (clock.clone() as Arc<dyn Clock>, Arc::new(OsEntropy));
        let path = files.path().join("trypost.db");
        let store = Store::sqlite(&path, vault, time.clone(), entropy.clone(), Arc::new(Unobserved)).await.unwrap();
        store.migrate().await.unwrap();
        let http = Http::new(Some(gateway.url().parse().unwrap()), Arc::new(PublicResolver), Arc::new(Unobserved));
        let offered = registry::all(Arc::new(TelegramBudget::new())).into_iter().chain(more).map(|platform| {
            let id = platform.descriptor().id;
            let app = match id {
                "telegram" => App { bot_token: Some(Secret::new(TELEGRAM_TOKEN)), ..App::default() },
                "discord" => App {
                    id: "900".into(),
                    secret: Some(Secret::new("canary-client-secret")),
                    bot_token: Some(Secret::new(DISCORD_TOKEN)),
                    ..App::default()
                },
                _ => App::default(),
            };
            let redirect_uri = format!("https://trypost.example/accounts/{id}/callback").parse().unwrap();
            Offered { platform, app, redirect_uri, missing: Vec::new(), enabled: true }
        });
        let flows = Arc::new(Flows {
            started_at: time.now(),
            store,
            http: Arc::new(http.unwrap()),
            platforms: offered.collect(),
            clock: time,
            entropy,
            settings: Settings {
                app_url: "https://trypost.example".parse().unwrap(),
                self_hosted: true,
                media_dir: files.path().into(),
                image_bytes: 1,
                video_bytes: 1,
                lease: Duration::from_secs(15),
            },
            replica: "replica".into(),
            wake: Wake::default(),
        });
        let networks: BTreeMap<SurfaceKind, Arc<Network>> =
            [SurfaceKind::Console, SurfaceKind::Telegram, SurfaceKind::Discord]
                .map(|kind| (kind, Network::new(kind)))
                .into();
        let surfaces = networks.iter().map(|(kind, network)| (*kind, network.clone() as Arc<dyn Surface>)).collect();
        let chat = Arc::new(Chat { flows: flows.clone(), surfaces, scratch: files.path().into() });
        let lifecycle = Lifecycle::default();
        for network in networks.values() {
            deliver::start(flows.clone(), Arc::new(Draws(chat.clone())), network.clone(), &lifecycle);
        }
        let who = Introduced { surface: "console", user: "operator", name: "Ana", handle: None };
        let ana = flows.operator_at_console(who).await.unwrap();
        let workspace = flows.store.current_workspace(&ana).await.unwrap().unwrap();
        for surface in ["telegram", "discord"] {
            flows.store.add_identity(Some(&ana), surface, "7", "Ana", None).await.unwrap();
            let bob = flows.store.add_identity(None, surface, "8", "Bob", None).await.unwrap();
            flows.store.set_role(&workspace, &bob, Role::Member).await.unwrap();
        }
        let browser = Browser::new(&gateway.url()).unwrap();
        let count = AtomicU64::new(1);
        Self { gateway, flows, chat, workspace, networks, clock, browser, lifecycle, count, files }
    }

    pub fn network(&self, kind: SurfaceKind) -> &Network {
        &self.networks[&kind]
    }

    pub fn pass(&self, minutes: i64) {
        self.clock.0.fetch_add(minutes * 60_000, Ordering::SeqCst);
    }

    /// A group in which the workspace is run.
    pub async fn group(&self, surface: SurfaceKind, id: &str) {
        let place = Place { surface: surface.as_str().into(), chat: id.into(), topic: String::new() };
        self.flows.store.note_chat(&place, "group", Some("Acme team")).await.unwrap();
        self.flows.store.bind_chat(&place, Some(&self.workspace), false).await.unwrap();
    }

    async fn handle(&self, seat: &Seat, message: Option<MessageRef>, kind: UpdateKind) {
        let update = Update {
            id: self.count.fetch_add(1, Ordering::SeqCst).to_string(),
            chat: seat.chat.clone(),
            person: seat.person.clone(),
            proof: seat.proof,
            message,
            kind,
        };
        let network = self.network(seat.chat.surface);
        self.chat.handle(update.clone(), &Reply { network, update: &update }).await;
    }

    /// What `/start TOKEN` does.
    pub async fn resume(&self, seat: &Seat, token: &str) -> bool {
        let update = Update {
            id: "start".into(),
            chat: seat.chat.clone(),
            person: seat.person.clone(),
            proof: seat.proof,
            message: None,
            kind: UpdateKind::Message(Incoming::default()),
        };
        let responder = Reply { network: self.network(seat.chat.surface), update: &update };
        let talk = Talk::open(&self.chat, &update, &responder).await.unwrap();
        connect::resume(&talk, token).await.unwrap()
    }

    fn reference(seat: &Seat, id: &str) -> MessageRef {
        let chat = seat.chat.id.clone();
        MessageRef { surface: seat.chat.surface, chat, id: id.into(), token: None, parts: Vec::new() }
    }

    /// Types a line; `id` is its message's.
    pub async fn say_as(&self, seat: &Seat, line: &str, id: &str) {
        let incoming = Incoming { text: Text::from(line), ..Incoming::default() };
        let kind = match line.strip_prefix('/') {
            Some(command) => {
                let mut words = command.split_whitespace().map(str::to_owned);
                let name = words.next().unwrap_or_default();
                UpdateKind::Command { name, arguments: words.collect(), incoming: Incoming::default() }
            }
            None => UpdateKind::Message(incoming),
        };
        self.handle(seat, Some(Self::reference(seat, id)), kind).await;
    }

    pub async fn say(&self, seat: &Seat, line: &str) -> Shown {
        self.say_as(seat, line, "1").await;
        self.network(seat.chat.surface).last(&seat.chat.id)
    }

    /// Presses the newest button with this label; gives the message as it is then.
    pub async fn press(&self, seat: &Seat, label: &str) -> Shown {
        let all = self.network(seat.chat.surface).all(&seat.chat.id);
        let shown = all.iter().rev().find(|shown| shown.token(label).is_some());
        let shown = shown.unwrap_or_else(|| panic!("no button {label:?}: {all:#?}"));
        self.press_on(seat, shown, label).await
    }

    /// Presses a button of a message as it was.
    pub async fn press_on(&self, seat: &Seat, shown: &Shown, label: &str) -> Shown {
        let kind = UpdateKind::Press(shown.token(label).unwrap().to_owned());
        self.handle(seat, Some(Self::reference(seat, &shown.id)), kind).await;
        self.now(seat, &shown.id)
    }

    pub async fn select(&self, seat: &Seat, values: &[&str]) -> Shown {
        let shown = self.network(seat.chat.surface).last(&seat.chat.id);
        let token = shown.message.select.as_ref().unwrap().token.clone();
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        self.handle(seat, Some(Self::reference(seat, &shown.id)), UpdateKind::Select { token, values }).await;
        self.now(seat, &shown.id)
    }

    /// Fills in the newest form.
    pub async fn submit(&self, seat: &Seat, fields: &[(&str, &str)]) -> Shown {
        let network = self.network(seat.chat.surface);
        let form = network.form();
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let at = network.all(&seat.chat.id).pop().map(|shown| Self::reference(seat, &shown.id));
        self.handle(seat, at, UpdateKind::Form { token: form.token, fields }).await;
        network.last(&seat.chat.id)
    }

    fn now(&self, seat: &Seat, id: &str) -> Shown {
        let all = self.network(seat.chat.surface).all(&seat.chat.id);
        all.into_iter().find(|shown| shown.id == id).unwrap()
    }

    pub async fn stands(&self, seat: &Seat, status: MembershipStatus) {
        let place = seat.chat.id.clone();
        let membership = Membership { status, place, title: None, handle: None };
        self.handle(seat, None, UpdateKind::Membership(membership)).await;
    }

    /// Where our own link leads.
    pub async fn vendor(&self, link: &str) -> Option<Url> {
        let token = link.rsplit_once("/connect/").unwrap().1;
        match self.flows.open_link(&Secret::new(token)).await.unwrap() {
            Opened::Vendor(url) => Some(url),
            Opened::Form { .. } | Opened::TooLate => None,
        }
    }

    /// Opens the link, decides on the vendor's page, and comes back.
    pub async fn consent(&self, platform: &str, link: &str, consent: Consent) -> Returned {
        let vendor = self.vendor(link).await.unwrap();
        let page = self.browser.consent(vendor.as_str(), consent).await.unwrap();
        let url: Url = page.url.parse().unwrap();
        assert_eq!(url.path(), format!("/accounts/{platform}/callback"), "{url}");
        self.flows.callback(platform, url.query_pairs().into_owned().collect()).await.unwrap()
    }

    /// Everything that lies on disk, as one text.
    pub fn disk(&self) -> String {
        let mut all = String::new();
        for entry in std::fs::read_dir(self.files.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                all.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
            }
        }
        all
    }
}
