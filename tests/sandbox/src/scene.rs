//! The emulated world before the daemon starts: places, people, and the settings that lead the daemon there. It knows the
//! daemon only by its settings and by how a person links a second chat account.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use emulators::bluesky::Bluesky;
use emulators::discord::{self, Discord};
use emulators::mastodon::{self, Mastodon};
use emulators::telegram::{self, Standing, Telegram};
use emulators::{Gateway, bluesky};
use trypost::app::App;
use trypost::domain::Clock;
use trypost::flows::Actor;
use trypost::flows::team::Introduced;
use trypost::store::Place;

/// The Mastodon server.
pub const INSTANCE: &str = "mastodon.example";
/// Alice's name there.
pub const ALICE: &str = "alice";
/// Alice's name on Bluesky.
pub const HANDLE: &str = "alice.bsky.social";
/// What her app password is called in her settings.
const PASSWORD_NAME: &str = "trypost";
/// The Telegram bot's name.
pub const BOT: &str = "acme_social_bot";
const BOT_TOKEN: &str = "700000001:AAExampleExampleExampleExampleExample";
const ALICE_ON_TELEGRAM: i64 = 5_550_001;
const APPLICATION: u64 = 700_000_000_000_000_001;
const CLIENT_SECRET: &str = "a-discord-client-secret";
const DISCORD_TOKEN: &str = "NzAwMDAwMDAwMDAwMDAwMDAx.Gexample.a-discord-bot-token-for-the-sandbox";

/// Everything outside of the daemon.
pub struct Scene {
    /// The listener that all of them share.
    pub gateway: Arc<Gateway>,
    /// The server [`INSTANCE`].
    pub mastodon: Mastodon,
    /// Bluesky.
    pub bluesky: Bluesky,
    /// Telegram with the bot [`BOT`].
    pub telegram: Telegram,
    /// Discord with our application.
    pub discord: Discord,
    /// Alice on Telegram.
    pub alice: telegram::User,
    /// The channel "Acme News".
    pub channel: i64,
    /// The server "Acme".
    pub guild: u64,
    /// Its channel `general`.
    pub general: u64,
    app_password: Mutex<String>,
    listen: String,
}

impl Scene {
    /// Builds it. The emulators see the daemon's time.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(clock: &Arc<dyn Clock>) -> Result<Self, String> {
        let no_port = |error: std::io::Error| format!("No port of 127.0.0.1 can be had: {error}");
        // Discord compares redirect addresses exactly, so the daemon's port must be known before it starts.
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(no_port)?;
        let listen = listener.local_addr().map_err(no_port)?.to_string();
        drop(listener);
        let clock = clock.clone();
        let gateway = Gateway::start(Arc::new(move || clock.now().as_millisecond())).await.map_err(no_port)?;

        let mastodon = Mastodon::new(&gateway, INSTANCE, mastodon::Options::default());
        mastodon.add_user(ALICE);
        mastodon.post_as(ALICE, "I have been here before you.");
        let bluesky = Bluesky::new(&gateway);
        bluesky.add_account(HANDLE);
        let app_password = bluesky.add_app_password(HANDLE, PASSWORD_NAME).unwrap_or_default();
        let telegram = Telegram::new(&gateway, BOT_TOKEN, BOT);
        let alice = telegram.add_user(ALICE_ON_TELEGRAM, "Alice", Some(ALICE));
        let channel = telegram.add_channel("Acme News", Some("acme_news"));
        telegram.join(channel, &alice, Standing::Creator);
        telegram.set_crowd(channel, 1_203);
        let group = telegram.add_supergroup("Acme team", None, &[]);
        telegram.join(group, &alice, Standing::Creator);
        let discord = Discord::new(
            &gateway,
            discord::Options {
                application_id: APPLICATION,
                client_secret: CLIENT_SECRET.to_owned(),
                bot_token: DISCORD_TOKEN.to_owned(),
                name: "Acme social".to_owned(),
                redirect_uris: vec![format!("http://{listen}/accounts/discord/callback")],
            },
        );
        let owner = discord.add_user(ALICE);
        let guild = discord.add_guild("Acme", &owner);
        let general = discord.general(guild);
        crate::telegram_web::mount(&gateway, &telegram, &alice, &[("Acme News", channel), ("Acme team", group)]);
        let app_password = Mutex::new(app_password);
        Ok(Self { gateway, mastodon, bluesky, telegram, discord, alice, channel, guild, general, app_password, listen })
    }

    /// The daemon's settings.
    pub fn settings(&self, folder: &Path) -> Vec<(&'static str, String)> {
        vec![
            ("VENDOR_GATEWAY", self.gateway.url()),
            ("LISTEN_ADDR", self.listen.clone()),
            ("DATA_DIR", folder.join("data").display().to_string()),
            ("TELEGRAM_BOT_TOKEN", BOT_TOKEN.to_owned()),
            ("TELEGRAM_BOT_USERNAME", BOT.to_owned()),
            ("DISCORD_CLIENT_ID", APPLICATION.to_string()),
            ("DISCORD_CLIENT_SECRET", CLIENT_SECRET.to_owned()),
            ("DISCORD_BOT_TOKEN", DISCORD_TOKEN.to_owned()),
        ]
    }

    /// The app password that works now.
    pub fn app_password(&self) -> String {
        self.app_password.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Alice deletes her app password in Bluesky's settings. What was signed in with it ends at its next use.
    pub fn delete_app_password(&self) {
        self.bluesky.revoke_app_password(HANDLE, PASSWORD_NAME);
        self.bluesky.expire_access(HANDLE);
    }

    /// Alice makes a new app password.
    pub fn new_app_password(&self) -> String {
        let new = self.bluesky.add_app_password(HANDLE, PASSWORD_NAME).unwrap_or_default();
        new.clone_into(&mut self.app_password.lock().unwrap_or_else(PoisonError::into_inner));
        new
    }

    /// What `/invite me` is for: Alice on Telegram and the operator at the console are one person, so that the bot offers
    /// her what she adds it to.
    ///
    /// # Errors
    /// When the bot does not answer.
    pub async fn link_alice(&self, app: &App) -> Result<(), String> {
        let failed = |error: &dyn std::fmt::Display| format!("Alice's Telegram account could not be linked: {error}");
        let flows = &app.flows;
        let operator = Introduced { surface: "console", user: "operator", name: "Operator", handle: None };
        let person = flows.operator_at_console(operator).await.map_err(|error| failed(&error))?;
        let workspaces = flows.store.workspaces_of(&person).await.map_err(|error| failed(&error))?;
        let (workspace, _) = workspaces.into_iter().next().ok_or("The operator has no workspace.")?;
        let place = Place { surface: "console".to_owned(), chat: "console".to_owned(), topic: String::new() };
        let actor = Actor { person, workspace: workspace.id, place };
        let code = flows.invite_self(&actor).await.map_err(|error| failed(&error))?;
        self.alice.opens(&code);
        let (telegram, id) = (self.telegram.clone(), self.alice.id());
        // The emulator's wait panics after its patience; here that is a sentence.
        let answered = tokio::spawn(async move { telegram.wait_message(id, |_| true).await });
        answered.await.map(drop).map_err(|_| failed(&"the bot did not answer"))
    }

    /// What to try first.
    ///
    /// # Errors
    /// Never in practice: only when the gateway's address is no URL.
    pub fn introduction(&self, browser: bool, folder: &Path) -> Result<String, String> {
        let gateway = self.gateway.url();
        let opens = if browser { "opens the page in your browser" } else { "lets Alice open the page and agree" };
        Ok(format!(
            "\
trypost in a sandbox: nothing here leaves this machine, and everything is gone when you leave (quit or Ctrl-C).
You are the operator at the daemon's own console. Alice owns the accounts; `open N` {opens}.

  /connect mastodon {INSTANCE}   then: open 1, then the number of [Connect]
  /connect bluesky                       the form wants {HANDLE} and {password}
  /connect telegram                      open 1 makes the bot an admin of the channel Acme News
  /connect discord                       open 1 brings the bot into the server Acme
  /post Hello, everybody!                or: attach PICTURE.jpg, then any text
  /accounts   /health   /help
  /sandbox                               what happens elsewhere: look at what is published, take access away, break things

Pages for your browser: {gateway}/{INSTANCE}/public  {gateway}/{web}/profile/{HANDLE}  {gateway}/t.me/acme_news
The daemon's log: {log}
",
            password = self.app_password(),
            web = bluesky::WEB,
            log = folder.join("trypost.log").display(),
        ))
    }

    /// What stands at each place, newest last, in lines for people.
    pub fn published(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for status in self.mastodon.statuses() {
            let alts = status.media.iter().map(|media| media.description.clone().unwrap_or_default()).collect();
            all.push((INSTANCE.to_owned(), told(&status.text, alts)));
        }
        for post in self.bluesky.posts(HANDLE) {
            let images = post.value["embed"]["images"].as_array().cloned().unwrap_or_default();
            let alts = images.iter().map(|image| image["alt"].as_str().unwrap_or_default().to_owned()).collect();
            all.push(("Bluesky".to_owned(), told(post.value["text"].as_str().unwrap_or_default(), alts)));
        }
        // An album is several messages, the text under its first.
        let mut album: Option<String> = None;
        let mut said: Vec<(String, usize)> = Vec::new();
        for message in self.telegram.messages(self.channel) {
            let pictures = usize::from(message.media.is_some());
            match (&message.album, said.last_mut()) {
                (Some(this), Some((_, count))) if album.as_ref() == Some(this) => *count += pictures,
                _ => said.push((message.text.clone(), pictures)),
            }
            album = message.album;
        }
        all.extend(
            said.into_iter().map(|(text, count)| ("Acme News".to_owned(), told(&text, vec![String::new(); count]))),
        );
        for message in self.discord.messages(self.general) {
            let files = message.body.attachments.iter();
            let alts = files.map(|file| file.description.clone().unwrap_or_default()).collect();
            all.push(("Acme #general".to_owned(), told(&message.body.content, alts)));
        }
        all
    }
}

/// A post on one line: its text, its pictures, what they show.
fn told(text: &str, alts: Vec<String>) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let pictures = match alts.len() {
        0 => String::new(),
        1 => " + 1 picture".to_owned(),
        count => format!(" + {count} pictures"),
    };
    let alts: Vec<String> = alts.into_iter().filter(|alt| !alt.is_empty()).collect();
    let alts = if alts.is_empty() { String::new() } else { format!(" ({})", alts.join("; ")) };
    format!("{text}{pictures}{alts}")
}
