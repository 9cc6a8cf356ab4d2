//! A chat room without networks: the real flows and store, one platform whose answers the test decides, and surfaces
//! that note what was said. Long because three traits are played in full.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bots::*;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use trypost::chat::Chat;
use trypost::domain::account::{Account, Tokens};
use trypost::domain::id::{AccountId, GrantId, WorkspaceId};
use trypost::domain::{Clock, Entropy, Fault, OsEntropy, Secret, Timestamp, Unobserved};
use trypost::flows::{Flows, Offered, Settings, Wake};
use trypost::platforms::http::{Http, PublicResolver};
use trypost::platforms::*;
use trypost::store::{NewAccount, NewGrant, Store, Vault};

/// What the platform says to everything that is asked now.
#[derive(Default)]
pub struct Mood {
    pub verify: Mutex<Option<Fault>>,
    pub send: Mutex<Option<Fault>>,
    pub revoked: AtomicU64,
}

struct Toy(Arc<Mood>);

static TOY: Descriptor = Descriptor {
    id: "toy",
    name: "Toyland",
    noun: "profile",
    entry: Entry::Consent,
    app: AppSource::None,
    bot: Some("telegram"),
    renewal: Renewal::Never,
    recovery: Recovery::Ask,
    needs_place: false,
    visibility: &[],
    content_warning: false,
    language: false,
    silent: false,
    deletable: Deletable::Always,
    hint: "",
    setup: &[],
    sources: &[],
};

#[async_trait]
impl Platform for Toy {
    fn descriptor(&self) -> &'static Descriptor {
        &TOY
    }

    fn limits(&self, _: &Value) -> Limits {
        Limits {
            text: 500,
            unit: Unit::Graphemes,
            text_bytes: None,
            url_weight: None,
            mention_without_host: false,
            link_marks: false,
            images: 0,
            videos: 0,
            media: 0,
            mixed: false,
            image_types: vec![],
            video_types: vec![],
            image_bytes: 0,
            video_bytes: 0,
            total_bytes: None,
            video_ms: None,
            alt: 0,
        }
    }

    async fn begin(&self, _: &Context<'_>, _: Want<'_>) -> Result<Begun, Fault> {
        Ok(Begun { url: Some("https://toy.example/agree".parse().unwrap()), keep: Secret::new("") })
    }

    async fn complete(&self, _: &Context<'_>, _: &Secret, _: Answer) -> Result<Consent, Fault> {
        Ok(Consent { grant: None, found: vec![], missing: vec![] })
    }

    async fn renew(&self, _: &Context<'_>, tokens: &Tokens) -> Result<Tokens, Fault> {
        Ok(tokens.clone())
    }

    async fn verify(&self, _: &Context<'_>, account: &Account, _: Credentials<'_>) -> Result<Seen, Fault> {
        match self.0.verify.lock().unwrap().clone() {
            Some(fault) => Err(fault),
            None => Ok(Seen { name: account.name.clone(), handle: None, url: account.url.clone(), meta: Value::Null }),
        }
    }

    async fn revoke(&self, _: &Context<'_>, _: Credentials<'_>) -> Result<(), Fault> {
        self.0.revoked.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn send_key(&self, _: Timestamp, entropy: &dyn Entropy) -> String {
        trypost::domain::clock::token(entropy)
    }

    async fn prepare(&self, _: &Context<'_>, _: &Delivery<'_>, _: Value) -> Result<Prepared, Fault> {
        Ok(Prepared::Ready { journal: json!({}) })
    }

    async fn send(&self, _: &Context<'_>, _: &Delivery<'_>, journal: Value, _: &str) -> Result<Sent, Fault> {
        match self.0.send.lock().unwrap().clone() {
            Some(fault) => Err(fault),
            None => {
                let posted = trypost::domain::post::Posted { id: "1".into(), url: None, meta: Value::Null };
                Ok(Sent { journal, posted, more: false })
            }
        }
    }

    async fn find(&self, _: &Context<'_>, _: &Delivery<'_>, _: Value, _: &str, _: Timestamp) -> Result<Finding, Fault> {
        Ok(Finding::Unknown { why: "nobody can tell".into() })
    }

    async fn delete(
        &self,
        _: &Context<'_>,
        _: &Account,
        _: Credentials<'_>,
        _: &trypost::domain::post::Posted,
    ) -> Result<(), Fault> {
        Ok(())
    }
}

/// Time that the test moves.
pub struct Hand(AtomicI64);

#[async_trait]
impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap()
    }

    async fn sleep_until(&self, _: Timestamp) {
        std::future::pending().await
    }
}

/// A surface that notes what it shows.
pub struct Fake {
    kind: SurfaceKind,
    /// Who is an admin everywhere.
    pub admins: Mutex<Vec<String>>,
    /// (chat, message) of everything sent or edited past the answer.
    pub sent: Mutex<Vec<(String, Message)>>,
    pub down: Mutex<Option<Failure>>,
}

#[async_trait]
impl Surface for Fake {
    fn kind(&self) -> SurfaceKind {
        self.kind
    }

    async fn identity(&self) -> Result<Identity, Failure> {
        match self.down.lock().unwrap().clone() {
            Some(failure) => Err(failure),
            None => Ok(Identity { id: "1".into(), handle: "trial_bot".into(), name: "Trial".into() }),
        }
    }

    async fn run(&self, _: &'static [CommandSpec], _: Arc<dyn Handler>, _: CancellationToken) -> Result<(), Failure> {
        Ok(())
    }

    async fn send(&self, chat: &str, _: Option<&str>, message: &Message) -> Result<MessageRef, Failure> {
        self.sent.lock().unwrap().push((chat.to_owned(), message.clone()));
        Ok(at(self.kind, chat))
    }

    async fn direct_chat(&self, person: &str) -> Result<String, Failure> {
        Ok(person.to_owned())
    }

    async fn edit(&self, at: &MessageRef, message: &Message) -> Result<MessageRef, Failure> {
        self.send(&at.chat, None, message).await
    }

    async fn delete(&self, _: &MessageRef) -> Result<(), Failure> {
        Ok(())
    }

    async fn download(&self, _: &FileRef, _: &std::path::Path, _: u64) -> Result<(), Failure> {
        Ok(())
    }

    async fn is_admin(&self, _: &str, person: &str) -> Result<bool, Failure> {
        Ok(self.admins.lock().unwrap().iter().any(|admin| admin == person))
    }
}

fn at(surface: SurfaceKind, chat: &str) -> MessageRef {
    MessageRef { surface, chat: chat.to_owned(), id: "1".into(), token: None, parts: vec![] }
}

/// What one update was answered with: messages and toasts, in order.
#[derive(Default)]
pub struct Said {
    messages: Mutex<Vec<Message>>,
    toasts: Mutex<Vec<String>>,
    no_private: bool,
}

#[async_trait]
impl Responder for Said {
    async fn answer(&self, message: &Message) -> Result<MessageRef, Failure> {
        if message.private && self.no_private {
            return Err(Failure::NotPrivate);
        }
        self.messages.lock().unwrap().push(message.clone());
        Ok(at(SurfaceKind::Telegram, "here"))
    }

    async fn edit(&self, message: &Message) -> Result<MessageRef, Failure> {
        self.answer(message).await
    }

    async fn toast(&self, text: &str) -> Result<(), Failure> {
        self.toasts.lock().unwrap().push(text.to_owned());
        Ok(())
    }

    async fn form(&self, _: &Form) -> Result<bool, Failure> {
        Ok(false)
    }
}

/// An answer as people see it.
pub struct Reply {
    pub messages: Vec<Message>,
    pub toasts: Vec<String>,
}

impl Reply {
    /// Everything that was said.
    pub fn text(&self) -> String {
        self.messages
            .iter()
            .map(|message| message.text.plain.as_str())
            .chain(self.toasts.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join("\n")
    }

    pub fn labels(&self) -> Vec<String> {
        self.messages.iter().flat_map(labels).collect()
    }

    /// The token of the button whose label begins so.
    pub fn token(&self, label: &str) -> String {
        self.messages
            .iter()
            .find_map(|message| token(message, label))
            .unwrap_or_else(|| panic!("no {label}: {:?}", self.labels()))
    }
}

pub fn labels(message: &Message) -> Vec<String> {
    message.rows.iter().flatten().map(|button| button.label.clone()).collect()
}

pub fn token(message: &Message, label: &str) -> Option<String> {
    message.rows.iter().flatten().find_map(|button| match &button.press {
        Press::Token(token) if button.label.starts_with(label) => Some(token.clone()),
        _ => None,
    })
}

/// Somebody in a chat.
#[derive(Clone)]
pub struct Who {
    pub surface: SurfaceKind,
    pub id: &'static str,
    pub name: &'static str,
    /// `None`: their direct chat.
    pub group: Option<&'static str>,
}

impl Who {
    pub fn telegram(id: &'static str, name: &'static str) -> Self {
        Self { surface: SurfaceKind::Telegram, id, name, group: None }
    }

    pub fn discord(id: &'static str, name: &'static str) -> Self {
        Self { surface: SurfaceKind::Discord, id, name, group: None }
    }

    pub fn within(&self, group: &'static str) -> Self {
        Self { group: Some(group), ..self.clone() }
    }
}

pub struct Room {
    pub chat: Chat,
    pub mood: Arc<Mood>,
    pub hand: Arc<Hand>,
    pub telegram: Arc<Fake>,
    pub discord: Arc<Fake>,
    next: AtomicU64,
    _dir: tempfile::TempDir,
}

impl Room {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let start: Timestamp = "2026-11-27T07:00:00Z".parse().unwrap();
        let hand = Arc::new(Hand(AtomicI64::new(start.as_millisecond())));
        let clock: Arc<dyn Clock> = hand.clone();
        let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
        let vault = Vault::new(&Vault::generate(&*entropy), &[]).unwrap();
        let path = dir.path().join("trypost.db");
        let store = Store::sqlite(&path, vault, clock.clone(), entropy.clone(), Arc::new(Unobserved)).await.unwrap();
        store.migrate().await.unwrap();
        let mood = Arc::new(Mood::default());
        let flows = Flows {
            store,
            http: Arc::new(Http::new(None, Arc::new(PublicResolver), Arc::new(Unobserved)).unwrap()),
            platforms: vec![Offered {
                platform: Arc::new(Toy(mood.clone())),
                app: App { id: "app".into(), bot_name: Some("trial_bot".into()), ..App::default() },
                redirect_uri: "https://trypost.example/accounts/toy/callback".parse().unwrap(),
                missing: vec![],
                enabled: true,
            }],
            clock,
            entropy,
            settings: Settings {
                app_url: "https://trypost.example".parse().unwrap(),
                self_hosted: true,
                media_dir: dir.path().to_owned(),
                image_bytes: 1,
                video_bytes: 1,
                lease: Duration::from_secs(15),
            },
            replica: "one".into(),
            wake: Wake::default(),
            started_at: start,
        };
        let fake =
            |kind| Arc::new(Fake { kind, admins: Mutex::default(), sent: Mutex::default(), down: Mutex::default() });
        let (telegram, discord) = (fake(SurfaceKind::Telegram), fake(SurfaceKind::Discord));
        let mut surfaces: BTreeMap<SurfaceKind, Arc<dyn Surface>> = BTreeMap::new();
        surfaces.insert(SurfaceKind::Telegram, telegram.clone());
        surfaces.insert(SurfaceKind::Discord, discord.clone());
        let chat = Chat { flows: Arc::new(flows), surfaces, scratch: dir.path().to_owned() };
        Self { chat, mood, hand, telegram, discord, next: AtomicU64::new(1), _dir: dir }
    }

    pub fn advance(&self, by: Duration) {
        self.hand.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    fn update(&self, who: &Who, kind: UpdateKind) -> Update {
        let direct = who.group.is_none();
        Update {
            id: self.next.fetch_add(1, Ordering::SeqCst).to_string(),
            chat: bots::Chat {
                surface: who.surface,
                id: who.group.unwrap_or(who.id).to_owned(),
                topic: None,
                kind: if direct { ChatKind::Direct } else { ChatKind::Group },
                title: who.group.map(str::to_owned),
                server: None,
            },
            person: Some(Person { id: who.id.into(), name: who.name.into(), handle: Some(who.name.to_lowercase()) }),
            proof: Proof::default(),
            message: None,
            kind,
        }
    }

    async fn hear(&self, who: &Who, kind: UpdateKind) -> Reply {
        let no_private = who.surface == SurfaceKind::Telegram && who.group.is_some();
        let said = Said { no_private, ..Said::default() };
        self.chat.handle(self.update(who, kind), &said).await;
        Reply { messages: said.messages.into_inner().unwrap(), toasts: said.toasts.into_inner().unwrap() }
    }

    /// Somebody types `/name words`.
    pub async fn say(&self, who: &Who, line: &str) -> Reply {
        let (name, rest) = line.trim_start_matches('/').split_once(' ').unwrap_or((line.trim_start_matches('/'), ""));
        let spec = trypost::chat::catalogue::find(name).map(|command| command.spec);
        let arguments = spec.map_or_else(Vec::new, |spec| spec.split(rest));
        self.hear(who, UpdateKind::Command { name: name.into(), arguments, incoming: Incoming::default() }).await
    }

    /// Somebody writes plain words.
    pub async fn write(&self, who: &Who, words: &str) -> Reply {
        self.hear(who, UpdateKind::Message(Incoming { text: words.into(), ..Incoming::default() })).await
    }

    pub async fn press(&self, who: &Who, token: &str) -> Reply {
        self.hear(who, UpdateKind::Press(token.into())).await
    }

    /// The owner, with their claimed workspace.
    pub async fn owner(&self) -> (Who, WorkspaceId) {
        let code = self.chat.flows.owner_code().await.unwrap().unwrap();
        let ana = Who::telegram("7", "Ana");
        self.say(&ana, &format!("/start {code}")).await;
        let identity = self.chat.flows.store.identity("telegram", "7").await.unwrap().unwrap();
        let workspace = self.chat.flows.workspace_of(&identity).await.unwrap().unwrap();
        (ana, workspace)
    }

    /// Somebody joins with a fresh invite of the owner's.
    pub async fn join(&self, ana: &Who, who: &Who, role: &str) {
        let code = code(&self.say(ana, &format!("/invite {role}")).await.text());
        let said = self.say(who, &format!("/start {code}")).await.text();
        assert!(said.contains("Welcome"), "{said}");
    }

    /// Somebody consents at the platform; again, when the names are the same.
    pub async fn consent(&self, workspace: &WorkspaceId, names: &[&str]) -> GrantId {
        let tokens = Tokens {
            access: Secret::new("canary"),
            refresh: None,
            extra: None,
            expires_at: None,
            refresh_expires_at: None,
        };
        let grant = NewGrant {
            workspace: workspace.clone(),
            platform: "toy".into(),
            app: "app".into(),
            remote_user: names.concat(),
            tokens,
        };
        self.chat.flows.store.save_grant(&grant).await.unwrap()
    }

    /// Accounts on one consent.
    pub async fn accounts(&self, workspace: &WorkspaceId, names: &[&str]) -> Vec<AccountId> {
        let store = &self.chat.flows.store;
        let grant = self.consent(workspace, names).await;
        let mut ids = Vec::new();
        for name in names {
            let new = NewAccount {
                workspace: workspace.clone(),
                platform: "toy".into(),
                remote_id: (*name).into(),
                name: (*name).into(),
                handle: None,
                url: None,
                meta: Value::Null,
                grant: Some(grant.clone()),
            };
            ids.push(store.connect_account(&new).await.unwrap().0);
            self.advance(Duration::from_millis(1));
        }
        ids
    }
}

/// The code in an invite.
pub fn code(text: &str) -> String {
    let at = text.find("tp-").unwrap_or_else(|| panic!("no code: {text}"));
    text[at..].chars().take(19).collect()
}
