//! A world: the real daemon in this process on a database of its own, every vendor on loopback, a clock that stands until
//! it is moved, and people who type and press. It knows what must be true at the end of every story, and no story. Long because
//! starting, crashing and ending a world belong together.

mod daemon;
mod person;
mod secrets;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use emulators::bluesky::Bluesky;
use emulators::browser::{Browser, Page, Person as Mind};
use emulators::discord::{self, Discord};
use emulators::mastodon::{self, Mastodon};
use emulators::telegram::{self, Standing, Telegram};
use emulators::{Gateway, PATIENCE};
use trypost::domain::{Clock, Timestamp};
use trypost::flows::{Actor, Flows};
use trypost::store::{Place, Store};

pub use daemon::Watch;
pub use person::Person;

use crate::support::clock::{TestClock, jiff_span};
use crate::support::postgres::{self, TestDatabase};
use daemon::Daemon;

/// The Mastodon server.
pub const INSTANCE: &str = "mastodon.example";
/// Alice's name on Bluesky.
pub const HANDLE: &str = "alice.bsky.social";
/// What the bot needs in a server: see channels, send, embed links, attach files, read history, mention everyone.
const PERMISSIONS: u64 = 248_832;
/// Where people reach the daemon's pages.
const PUBLIC: &str = "https://trypost.example";
const BOT: &str = "acme_social_bot";
const BOT_TOKEN: &str = "700000001:AACanaryOfTheTelegramBot";
const APPLICATION: u64 = 700_000_000_000_000_001;
const CLIENT_SECRET: &str = "canary-of-the-discord-client";
const DISCORD_TOKEN: &str = "NzAwMDAwMDAwMDAwMDAwMDAx.Gcanary.canary-of-the-discord-bot";
/// Opens the stored secrets of every world.
const APP_KEY: &str = "base64:Y2FuYXJ5LWtleS1jYW5hcnkta2V5LWNhbmFyeS1rZXk=";
/// A lease in seconds: the shortest that the settings allow, since replicas look again every third of it.
const LEASE: u64 = 5;
/// What the outbox delivers to.
const SURFACES: [&str; 3] = ["telegram", "discord", "console"];

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file.
    Sqlite,
    /// A server.
    Postgres,
}

/// Where the owner sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// In a private chat with the Telegram bot.
    Telegram,
    /// In a direct channel with the Discord bot.
    Discord,
    /// At the daemon's own terminal.
    Console,
}

/// Everything, inside of the daemon and out.
pub struct World {
    /// Time, for the daemon and the vendors.
    pub clock: Arc<TestClock>,
    /// The listener that all vendors share.
    pub gateway: Arc<Gateway>,
    /// The server [`INSTANCE`], where `alice` is.
    pub mastodon: Mastodon,
    /// Bluesky, where [`HANDLE`] is.
    pub bluesky: Bluesky,
    /// Telegram with the bot.
    pub telegram: Telegram,
    /// Discord with the application.
    pub discord: Discord,
    /// Alice on Telegram; she owns the channel.
    pub alice: telegram::User,
    /// Alice on Discord; she owns the server.
    pub ally: discord::User,
    /// The Telegram channel "Acme News"; the bot is not in it.
    pub channel: i64,
    /// Its channel `general`.
    pub general: u64,
    /// The app password that works.
    pub app_password: String,
    browser: Browser,
    surface: Surface,
    daemon: Option<Daemon>,
    person: Option<Person>,
    dir: tempfile::TempDir,
    database: Option<TestDatabase>,
    pages: std::sync::Mutex<Vec<String>>,
    log: daemon::Log,
}

impl World {
    /// A world with its owner; `None` where there is no PostgreSQL.
    pub async fn start(engine: Engine, surface: Surface) -> Option<Self> {
        let mut world = Self::build(engine, surface).await?;
        world.run(Watch::default()).await;
        world.claim().await;
        Some(world)
    }

    /// The world without its daemon.
    pub async fn build(engine: Engine, surface: Surface) -> Option<Self> {
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(postgres::fresh().await?),
        };
        let clock = Arc::new(TestClock::at("2026-03-02T09:00:00Z"));
        let time = clock.clone();
        let gateway = Gateway::start(Arc::new(move || time.now().as_millisecond())).await.expect("a port");
        let mastodon = Mastodon::new(&gateway, INSTANCE, mastodon::Options::default());
        mastodon.add_user("alice");
        let bluesky = Bluesky::new(&gateway);
        bluesky.add_account(HANDLE);
        let app_password = bluesky.add_app_password(HANDLE, "trypost").expect("Alice");
        let telegram = Telegram::new(&gateway, BOT_TOKEN, BOT);
        let alice = telegram.add_user(5_550_001, "Alice", Some("alice"));
        let channel = telegram.add_channel("Acme News", Some("acme_news"));
        telegram.join(channel, &alice, Standing::Creator);
        let application = discord::Options {
            application_id: APPLICATION,
            client_secret: CLIENT_SECRET.to_owned(),
            bot_token: DISCORD_TOKEN.to_owned(),
            name: "Acme social".to_owned(),
            redirect_uris: vec![format!("{PUBLIC}/accounts/discord/callback")],
        };
        let discord = Discord::new(&gateway, application);
        let ally = discord.add_user("Alice");
        let guild = discord.add_guild("Acme", &ally);
        let general = discord.general(guild);
        if surface == Surface::Discord {
            // Bots and people who share no server can't write to each other.
            discord.add_bot(guild, PERMISSIONS);
        }
        let browser = Browser::new(&gateway.url()).expect("a browser");
        Some(Self {
            clock,
            gateway,
            mastodon,
            bluesky,
            telegram,
            discord,
            alice,
            ally,
            channel,
            general,
            app_password,
            browser,
            surface,
            daemon: None,
            person: None,
            dir: tempfile::tempdir().expect("a folder"),
            database,
            pages: std::sync::Mutex::default(),
            log: daemon::Log::default(),
        })
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![
            ("VENDOR_GATEWAY", self.gateway.url()),
            ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
            ("APP_URL", PUBLIC.to_owned()),
            ("APP_KEY", APP_KEY.to_owned()),
            ("DATA_DIR", self.data().display().to_string()),
            ("LEASE_SECONDS", LEASE.to_string()),
            ("TELEGRAM_BOT_TOKEN", BOT_TOKEN.to_owned()),
            ("TELEGRAM_BOT_USERNAME", BOT.to_owned()),
            ("DISCORD_CLIENT_ID", APPLICATION.to_string()),
            ("DISCORD_CLIENT_SECRET", CLIENT_SECRET.to_owned()),
            ("DISCORD_BOT_TOKEN", DISCORD_TOKEN.to_owned()),
        ];
        settings.extend(self.database.as_ref().map(|database| ("DATABASE_URL", database.url().to_string())));
        settings
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Starts the daemon, for the first time or again on the same data.
    pub async fn run(&mut self, watch: Watch) {
        let (console, person) = match self.surface {
            Surface::Console => {
                let (console, terminal) = person::Terminal::open(self.dir.path());
                (Some(console), Person::Console(terminal))
            }
            Surface::Discord => (None, Person::on_discord(&self.discord, &self.ally)),
            Surface::Telegram => (None, Person::on_telegram(&self.telegram, &self.alice)),
        };
        let daemon = Daemon::start(self.settings(), self.clock.clone(), Arc::new(watch), console, &self.log).await;
        // Another port at each start; what was signed in with is forgotten too.
        self.browser = Browser::new(&self.gateway.url()).expect("a browser");
        self.browser.route(PUBLIC, &format!("http://{}", daemon.address));
        self.daemon = Some(daemon);
        self.person = Some(person);
        // Recovery is over when housekeeping sleeps until its second round.
        let second = self.clock.now() + jiff_span(Duration::from_secs(120));
        self.until("recovery", || async { self.clock.is_awaited(second).then_some(()) }).await;
    }

    /// Whoever sits there becomes the owner.
    pub async fn claim(&self) {
        let owner = self.owner();
        owner.ready().await;
        match (self.surface, &self.daemon().owner_code) {
            (Surface::Console, _) => owner.command("start", &[]).await,
            (_, Some(code)) => owner.command("start", &[code]).await,
            (_, None) => panic!("somebody owns it already"),
        }
        owner.wait("My team").await;
    }

    /// The daemon dies at once: nothing more is written or said.
    pub async fn crash(&mut self) {
        self.person = None;
        if let Some(daemon) = self.daemon.take() {
            daemon.kill().await;
        }
    }

    fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("it runs")
    }

    /// What the daemon's observer has seen.
    pub fn watch(&self) -> &Arc<Watch> {
        &self.daemon().watch
    }

    /// The use cases of the running daemon.
    pub fn flows(&self) -> &Arc<Flows> {
        &self.daemon().flows
    }

    /// The store of the running daemon.
    pub fn store(&self) -> &Store {
        &self.flows().store
    }

    /// The subjects of cards that do not show what is true now, out of those of posts and attempts that something happened
    /// to.
    pub async fn stale_cards(&self) -> Vec<String> {
        let cards = self
            .raw(
                "select c.id from cards c left join attempts a on a.id = c.subject left join posts p on p.id = c.subject
                 where coalesce(a.stage, 'open') <> 'open' or coalesce(p.status, 'draft') <> 'draft'",
            )
            .await;
        let mut stale = Vec::new();
        for card in cards {
            let card = self.store().card(&card.into()).await.unwrap().unwrap();
            let surface = bots::SurfaceKind::parse(&card.place.surface).unwrap();
            let drawn = self.daemon().chat.draw(&card.subject, surface, card.person.as_ref(), false).await.unwrap();
            if drawn.is_some_and(|drawn| card.shown != Some(looks(drawn))) {
                stale.push(card.subject);
            }
        }
        stale
    }

    /// The owner as the use cases know them.
    pub async fn actor(&self) -> Actor {
        let person = self.raw("select id from people").await.remove(0).into();
        let workspace = self.raw("select id from workspaces").await.remove(0).into();
        let place = Place { surface: "console".to_owned(), chat: "console".to_owned(), topic: String::new() };
        Actor { person, workspace, place }
    }

    /// The owner, wherever they sit.
    pub fn owner(&self) -> &Person {
        self.person.as_ref().expect("it runs")
    }

    /// Where they sit.
    pub fn surface(&self) -> Surface {
        self.surface
    }

    /// A folder on the owner's machine.
    pub fn folder(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// Alice opens an address.
    pub async fn open(&self, link: &str) -> Page {
        let page = self.browser.open(link).await;
        self.keep(page.unwrap_or_else(|error| panic!("{link}: {error}")))
    }

    /// Alice opens an address and agrees, with these choices.
    pub async fn agree(&self, link: &str, mind: Mind) -> Page {
        let page = self.browser.consent_as(link, "approve", &mind).await;
        self.keep(page.unwrap_or_else(|error| panic!("{link}: {error}\n{}", self.told())))
    }

    /// Alice fills in the form on a page.
    pub async fn fill(&self, page: &Page, button: &str, values: &[(&str, &str)]) -> Page {
        let page = self.browser.submit(page, button, values).await;
        self.keep(page.unwrap_or_else(|error| panic!("{button}: {error}")))
    }

    fn keep(&self, page: Page) -> Page {
        self.pages.lock().unwrap().push(format!("{:?}\n{}", page.headers, page.html));
        page
    }

    /// Waits until nothing is due: no delivery, no message, no update.
    pub async fn settle(&self) {
        self.until("rest", || async { self.busy().await.is_none().then_some(()) }).await;
    }

    /// What is due now and not done.
    async fn busy(&self) -> Option<String> {
        let store = self.store();
        let queue = store.queue_length().await.expect("read");
        let said = store.next_outbox_due(&SURFACES).await.expect("read");
        let updates = self.telegram.pending_updates();
        let idle = queue == 0 && updates == 0 && said.is_none_or(|due| due > self.clock.now());
        (!idle).then(|| format!("{queue} deliveries, {said:?} to say, {updates} updates"))
    }

    /// Moves time on, and lets everything that is due on the way happen at its time.
    pub async fn advance(&self, time: Duration) {
        let end = self.clock.now() + jiff_span(time);
        loop {
            self.settle().await;
            match self.next_due().await.filter(|due| *due <= end) {
                Some(due) => self.clock.set(due),
                None => break,
            }
        }
        self.clock.set(end);
        self.settle().await;
    }

    async fn next_due(&self) -> Option<Timestamp> {
        let now = self.clock.now();
        let target = self.store().next_target_due().await.expect("read");
        let said = self.store().next_outbox_due(&SURFACES).await.expect("read");
        [target, said, self.clock.next_due()].into_iter().flatten().filter(|due| *due > now).min()
    }

    /// Waits until `look` finds something; looks again after every commit and vendor call.
    pub async fn until<T, F: Future<Output = Option<T>>>(&self, what: &str, look: impl Fn() -> F) -> T {
        let mut changes = self.watch().changes();
        let search = async {
            loop {
                changes.mark_unchanged();
                if let Some(found) = look().await {
                    return found;
                }
                // Not every end of a piece of work is something that the observer hears of.
                let _ = tokio::time::timeout(Duration::from_millis(50), changes.changed()).await;
            }
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(found) => found,
            Err(_) => panic!("waited for {what}; busy with {:?}\n{}", self.busy().await, self.told()),
        }
    }

    /// All chats and the end of the log, for whoever reads why a test failed.
    pub fn told(&self) -> String {
        let person = self.person.as_ref().map(Person::transcript).unwrap_or_default();
        let log = self.log.text();
        let lines: Vec<&str> = log.lines().collect();
        format!("{person}\n-- log --\n{}", lines[lines.len().saturating_sub(60)..].join("\n"))
    }

    /// The end of the story: all is said and done and well, nobody saw a secret, no vendor was asked nonsense.
    pub async fn finish(mut self) {
        // A press may be answered while what follows from it is still being written.
        self.until("nothing to do or to say", || async {
            let (said, next) = (self.store().outbox_length().await, self.store().next_target_due().await);
            (said.unwrap() == 0 && next.unwrap().is_none() && self.busy().await.is_none()).then_some(())
        })
        .await;
        let open =
            self.raw("select kind || ' ' || subject || ' ' || what from incidents where closed_at is null").await;
        assert_eq!(open, Vec::<String>::new());
        let transcript = self.owner().transcript();
        self.person = None;
        if let Some(daemon) = self.daemon.take() {
            daemon.stop().await;
        }
        let violations = self.gateway.take_violations();
        assert!(violations.is_empty(), "{violations:#?}");
        self.find_secrets(&transcript).await;
        self.gateway.stop();
    }
}

/// The fingerprint of what people see of a message: everything but tokens.
fn looks(mut message: bots::Message) -> String {
    for button in message.rows.iter_mut().flatten() {
        if let bots::Press::Token(token) = &mut button.press {
            token.clear();
        }
    }
    if let Some(select) = &mut message.select {
        select.token.clear();
    }
    trypost::domain::clock::fingerprint(&serde_json::to_string(&message).unwrap())
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.told());
        }
        if let Some(daemon) = self.daemon.take() {
            daemon.abandon();
        }
    }
}
