//! Both emulated chat networks with one bot each, and the settings that lead a daemon there.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use emulators::Gateway;
use emulators::discord::{Discord, Options};
use emulators::telegram::{Telegram, User};

const TELEGRAM_TOKEN: &str = "700000001:AAExampleExampleExampleExampleExample";
const BOT: &str = "load_bot";
const ALICE: i64 = 5_550_001;
const APPLICATION: u64 = 700_000_000_000_000_001;
const CLIENT_SECRET: &str = "a-discord-client-secret";
const DISCORD_TOKEN: &str = "NzAwMDAwMDAwMDAwMDAwMDAx.Gexample.a-discord-bot-token-for-the-benchmark";

/// The networks.
pub struct Bots {
    /// Their listener.
    pub gateway: Arc<Gateway>,
    /// Telegram.
    pub telegram: Telegram,
    /// Discord.
    pub discord: Discord,
    /// A person on Telegram.
    pub alice: User,
}

impl Bots {
    /// Starts them on loopback, on the machine's time.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> Result<Self, String> {
        let clock = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        };
        let gateway = Gateway::start(Arc::new(clock))
            .await
            .map_err(|error| format!("No port of 127.0.0.1 can be had: {error}"))?;
        let telegram = Telegram::new(&gateway, TELEGRAM_TOKEN, BOT);
        let alice = telegram.add_user(ALICE, "Alice", Some("alice"));
        let discord = Discord::new(
            &gateway,
            Options {
                application_id: APPLICATION,
                client_secret: CLIENT_SECRET.to_owned(),
                bot_token: DISCORD_TOKEN.to_owned(),
                name: "Load".to_owned(),
                redirect_uris: Vec::new(),
            },
        );
        Ok(Self { gateway, telegram, discord, alice })
    }

    /// The daemon's settings, with its data in this folder and its web part at this address.
    pub fn settings(&self, folder: &Path, listen: &str) -> Vec<(&'static str, String)> {
        vec![
            ("VENDOR_GATEWAY", self.gateway.url()),
            ("LISTEN_ADDR", listen.to_owned()),
            ("DATA_DIR", folder.display().to_string()),
            ("TELEGRAM_BOT_TOKEN", TELEGRAM_TOKEN.to_owned()),
            ("TELEGRAM_BOT_USERNAME", BOT.to_owned()),
            ("DISCORD_CLIENT_ID", APPLICATION.to_string()),
            ("DISCORD_CLIENT_SECRET", CLIENT_SECRET.to_owned()),
            ("DISCORD_BOT_TOKEN", DISCORD_TOKEN.to_owned()),
        ]
    }
}
