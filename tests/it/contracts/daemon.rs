//! The whole daemon against all emulated vendors, driven by Alice on Telegram and on Discord, so that every kind of
//! request is recorded once. It says what people do and checks only that it worked.

use std::sync::Arc;
use std::time::Duration;

use emulators::Gateway;
use emulators::bluesky::Bluesky;
use emulators::browser::{Browser, Person};
use emulators::discord::{self, Discord};
use emulators::mastodon::{self, Mastodon};
use emulators::telegram::{self, ButtonKind, Draft, Message, Standing, Telegram};
use trypost::app::{App, Parts};
use trypost::config::Config;
use trypost::domain::{Clock, Timestamp};

pub const INSTANCE: &str = "mastodon.example";
const HANDLE: &str = "alice.bsky.social";
const PUBLIC: &str = "https://trypost.example";
const BOT_TOKEN: &str = "700000001:AAExampleExampleExampleExampleExample";
const DISCORD_TOKEN: &str = "NzAw.Gexample.a-discord-bot-token";

/// Time that runs fast: nobody waits here for a video to be processed.
struct Fast(tokio::time::Instant, Timestamp);

const SPEED: u32 = 30;

#[async_trait::async_trait]
impl Clock for Fast {
    fn now(&self) -> Timestamp {
        self.1 + self.0.elapsed() * SPEED
    }

    async fn sleep_until(&self, until: Timestamp) {
        let left = Duration::try_from(until.duration_since(self.now())).unwrap_or_default();
        tokio::time::sleep(left / SPEED).await;
    }
}

/// Everything that is there, with the daemon's owner Alice.
pub struct Daemon {
    pub gateway: Arc<Gateway>,
    pub mastodon: Mastodon,
    pub bluesky: Bluesky,
    pub telegram: Telegram,
    pub discord: Discord,
    /// On Telegram.
    pub alice: telegram::User,
    /// On Discord.
    pub ana: discord::User,
    pub guild: u64,
    pub channel: i64,
    browser: Browser,
    app: App,
    _folder: tempfile::TempDir,
}

impl Daemon {
    /// Starts all of it; Alice owns the daemon and has said so on Telegram.
    pub async fn start() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(Fast(tokio::time::Instant::now(), Timestamp::now()));
        let shared = clock.clone();
        let gateway = Gateway::start(Arc::new(move || shared.now().as_millisecond())).await.unwrap();
        let mastodon = Mastodon::new(&gateway, INSTANCE, mastodon::Options::default());
        mastodon.add_user("alice");
        let bluesky = Bluesky::new(&gateway);
        bluesky.add_account(HANDLE);
        bluesky.add_account("bob.bsky.social");
        let telegram = Telegram::new(&gateway, BOT_TOKEN, "acme_bot");
        let alice = telegram.add_user(7, "Alice", Some("alice"));
        let channel = telegram.add_channel("Acme News", Some("acme_news"));
        telegram.join(channel, &alice, Standing::Creator);
        let application = discord::Options {
            application_id: 900,
            client_secret: "a-client-secret".to_owned(),
            bot_token: DISCORD_TOKEN.to_owned(),
            name: "Acme social".to_owned(),
            redirect_uris: vec![format!("{PUBLIC}/accounts/discord/callback")],
        };
        let discord = Discord::new(&gateway, application);
        let ana = discord.add_user("ana");
        let guild = discord.add_guild("Acme", &ana);

        let folder = tempfile::tempdir().unwrap();
        let settings = [
            ("VENDOR_GATEWAY", gateway.url()),
            ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
            ("APP_URL", PUBLIC.to_owned()),
            ("DATA_DIR", folder.path().join("data").display().to_string()),
            ("TELEGRAM_BOT_TOKEN", BOT_TOKEN.to_owned()),
            ("TELEGRAM_BOT_USERNAME", "acme_bot".to_owned()),
            ("DISCORD_CLIENT_ID", "900".to_owned()),
            ("DISCORD_CLIENT_SECRET", "a-client-secret".to_owned()),
            ("DISCORD_BOT_TOKEN", DISCORD_TOKEN.to_owned()),
        ];
        let find = |name: &str| settings.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        let config = Config::load(&find).expect("the settings");
        let app = App::start(&config, Parts { clock, ..Parts::default() }).await.expect("the daemon");
        let browser = Browser::new(&gateway.url()).unwrap();
        browser.route(PUBLIC, &format!("http://{}", app.address));
        let code = app.owner_code.clone().expect("a code");
        let daemon = Self {
            gateway,
            mastodon,
            bluesky,
            telegram,
            discord,
            alice,
            ana,
            guild,
            channel,
            browser,
            app,
            _folder: folder,
        };
        daemon.alice.opens(&code);
        daemon.telegram.wait_message(7, |message| message.by_bot).await;
        daemon
    }

    /// Ends the daemon and holds everything it asked for against the vendors' descriptions; gives how much that was.
    pub async fn end(self) -> usize {
        self.app.lifecycle.stop();
        self.app.ended().await;
        assert_eq!(self.gateway.take_violations(), Vec::<String>::new());
        super::Book::open().map_or(0, |book| book.hold(&self.gateway.calls()))
    }

    /// What the bot says to Alice with these words, now or soon.
    pub async fn told(&self, words: &str) -> Message {
        self.telegram.wait_message(7, |message| message.by_bot && message.text.contains(words)).await
    }

    /// Alice types to the bot, and it answers with these words.
    pub async fn says(&self, text: &str, words: &str) -> Message {
        let before = self.alice.says(7, text);
        let fits = |message: &Message| message.by_bot && message.id > before && message.text.contains(words);
        self.telegram.wait_message(7, fits).await
    }

    /// Alice presses the newest button that begins so.
    pub async fn presses(&self, label: &str) {
        let has = |message: &Message| message.buttons.iter().flatten().any(|button| button.label.starts_with(label));
        let message = self.telegram.wait_message(7, has).await;
        let full = message.buttons.iter().flatten().find(|button| button.label.starts_with(label)).unwrap();
        let press = self.alice.press(7, message.id, &full.label);
        self.telegram.wait_toast(&press).await;
    }

    fn link(message: &Message) -> String {
        let mut links = message.buttons.iter().flatten().filter_map(|button| match &button.kind {
            ButtonKind::Url(url) => Some(url.clone()),
            _ => None,
        });
        links.next_back().expect("a link")
    }

    /// Connects one account on each platform, through Alice's chat and browser.
    pub async fn connect_all(&self) {
        let link = Self::link(&self.says(&format!("/connect mastodon {INSTANCE}"), "agree").await);
        self.browser.consent_as(&link, "approve", &Person::named("alice")).await.unwrap();
        self.told("Connect Alice").await;
        self.presses("Connect").await;
        self.told("is connected to").await;

        let link = Self::link(&self.says("/connect bluesky", "form").await);
        let page = self.browser.open(&link).await.unwrap();
        let password = self.bluesky.add_app_password(HANDLE, "trypost").unwrap();
        let fields = [("handle", HANDLE), ("password", password.as_str())];
        self.browser.submit(&page, "Continue", &fields).await.unwrap();
        self.told("on Bluesky to").await;
        self.presses("Connect").await;
        self.told("(Bluesky) is connected").await;

        self.says("/connect telegram", "channel").await;
        self.telegram.promote_bot(self.channel, &self.alice, &["can_post_messages", "can_delete_messages"]);
        self.told("Connect Acme News").await;
        self.presses("Connect").await;
        self.told("Acme News (Telegram) is connected").await;

        let link = Self::link(&self.says("/connect discord", "agree").await);
        let person = Person::named("ana").picking("guild", "Acme");
        self.browser.consent_as(&link, "approve", &person).await.unwrap();
        self.told("Connect Acme").await;
        self.presses("Connect").await;
        self.told("(Discord) is connected").await;
    }

    /// Discord wants to know where.
    pub async fn chooses_place(&self) {
        self.presses("Where in Acme?").await;
        self.presses("#general").await;
    }

    /// Alice sends this, and what became of it stands everywhere.
    pub async fn publishes(&self, draft: Draft, number: u32) {
        self.alice.sends(7, draft);
        self.told(&format!("Draft {number}")).await;
        self.chooses_place().await;
        self.presses("Post now").await;
        self.told(&format!("Post {number}: published on 4 accounts")).await;
    }
}
