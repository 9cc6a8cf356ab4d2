//! Every setting as data: one row each, from which come reading, checking, hiding, the example configuration and the
//! "did you mean". It knows no platform's facts beyond the names and shapes of its settings.

use super::checks::{
    address, any, database, digits, discord_token, filter, format, gateway, key, keys, lease, listen, megabytes,
    redirect, scopes, self_hosted, telegram_name, telegram_secret, telegram_token, webhook, word,
};
use crate::platforms::{Descriptor, registry};

/// One setting of the environment.
#[derive(Debug)]
pub struct Setting {
    /// The environment variable.
    pub name: &'static str,
    /// Which part needs it. For a vendor's settings this is also the prefix of their names.
    pub part: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// The value when it is unset, as it would be written; `None` when there is none or it is found at run time.
    pub default: Option<&'static str>,
    /// An example, or the words for the default that is found at run time.
    pub example: &'static str,
    /// Whether its value must not be seen.
    pub secret: bool,
    /// What is wrong with a value and how to cure it; `Ok` for a good one. Never repeats the value.
    pub check: fn(&str) -> Result<(), &'static str>,
}

/// The part that everything leans on: a wrong setting of it stops the daemon.
pub const CORE: &str = "CORE";
/// Web addresses.
pub const WEB: &str = "WEB";
/// The limits of media files.
pub const MEDIA: &str = "MEDIA";
/// The log.
pub const LOG: &str = "LOG";
/// Sharing work between replicas.
pub const REPLICAS: &str = "REPLICAS";
/// The bot on Telegram, for chatting and for publishing.
pub const TELEGRAM: &str = "TELEGRAM";
/// The bot and the application on Discord, for chatting and for publishing.
pub const DISCORD: &str = "DISCORD";

/// The parts in the order in which people see them, each with its headline.
pub const PARTS: &[(&str, &str)] = &[
    (CORE, "The daemon"),
    (WEB, "Web addresses"),
    (TELEGRAM, "Telegram: the bot to chat with, which also publishes to channels"),
    (DISCORD, "Discord: the bot to chat with, which also publishes to servers"),
    (MEDIA, "Media"),
    (REPLICAS, "Replicas"),
    (LOG, "Log"),
];

/// Every setting, in the order in which people see them. `<PLATFORM>_ENABLED` comes from the registry: see [`switches`].
pub static SETTINGS: &[Setting] = &[
    Setting {
        name: "DATABASE_URL",
        part: CORE,
        help: "Where everything is kept: sqlite://PATH, or postgres://USER:PASSWORD@HOST/NAME for several replicas. \
               Unset: trypost.db in DATA_DIR.",
        default: None,
        example: "postgres://trypost:PASSWORD@127.0.0.1/trypost",
        secret: true,
        check: database,
    },
    Setting {
        name: "DATA_DIR",
        part: CORE,
        help: "Folder for the database file, media and the key file. Unset: systemd's STATE_DIRECTORY, else \
               $XDG_DATA_HOME/trypost, else ~/.local/share/trypost. All replicas must share it.",
        default: None,
        example: "/var/lib/trypost",
        secret: false,
        check: any,
    },
    Setting {
        name: "APP_KEY",
        part: CORE,
        help: "Seals every stored secret: 32 random bytes in base64 (`trypost keys generate`). Unset with SQLite: a key \
               file is written in DATA_DIR. Required with PostgreSQL.",
        default: None,
        example: "base64:MAKE-YOUR-OWN",
        secret: true,
        check: key,
    },
    Setting {
        name: "APP_PREVIOUS_KEYS",
        part: CORE,
        help: "Earlier values of APP_KEY, separated by commas: they still open what they sealed.",
        default: None,
        example: "base64:MAKE-YOUR-OWN",
        secret: true,
        check: keys,
    },
    Setting {
        name: "LISTEN_ADDR",
        part: CORE,
        help: "Where the web part listens. Keep it on loopback behind a reverse proxy that speaks https.",
        default: Some("127.0.0.1:8080"),
        example: "0.0.0.0:8080",
        secret: false,
        check: listen,
    },
    Setting {
        name: "VENDOR_GATEWAY",
        part: CORE,
        help: "For trying things out: every request to a vendor goes to this loopback address instead.",
        default: None,
        example: "http://127.0.0.1:9000",
        secret: false,
        check: gateway,
    },
    Setting {
        name: "SELF_HOSTED",
        part: CORE,
        help: "Accepted so that an existing file moves over: trypost is always self-hosted.",
        default: Some("true"),
        example: "true",
        secret: false,
        check: self_hosted,
    },
    Setting {
        name: "APP_URL",
        part: WEB,
        help: "The address under which people and vendors reach trypost; redirect URIs begin with it. \
               Unset: http://127.0.0.1 with LISTEN_ADDR's port.",
        default: None,
        example: "https://social.example.com",
        secret: false,
        check: address,
    },
    Setting {
        name: "WEBHOOK_URL",
        part: WEB,
        help: "The address to which vendors deliver events, if it is not APP_URL. With TELEGRAM_WEBHOOK_SECRET, Telegram \
               delivers there instead of being asked.",
        default: None,
        example: "https://hooks.example.com",
        secret: false,
        check: webhook,
    },
    Setting {
        name: "TELEGRAM_BOT_TOKEN",
        part: TELEGRAM,
        help: "From @BotFather, /newbot.",
        default: None,
        example: "123456789:AAExampleExampleExampleExampleExample",
        secret: true,
        check: telegram_token,
    },
    Setting {
        name: "TELEGRAM_BOT_USERNAME",
        part: TELEGRAM,
        help: "The bot's username, with or without the at sign.",
        default: None,
        example: "acme_social_bot",
        secret: false,
        check: telegram_name,
    },
    Setting {
        name: "TELEGRAM_WEBHOOK_SECRET",
        part: TELEGRAM,
        help: "Proves that a delivery is Telegram's: 1 to 256 of A-Z a-z 0-9 _ and -. Setting it turns webhooks on.",
        default: None,
        example: "a-long-random-word",
        secret: true,
        check: telegram_secret,
    },
    Setting {
        name: "DISCORD_CLIENT_ID",
        part: DISCORD,
        help: "Application ID, from the Developer Portal.",
        default: None,
        example: "123456789012345678",
        secret: false,
        check: digits,
    },
    Setting {
        name: "DISCORD_CLIENT_SECRET",
        part: DISCORD,
        help: "Client secret, from the portal's OAuth2 page.",
        default: None,
        example: "a-secret-from-the-portal",
        secret: true,
        check: word,
    },
    Setting {
        name: "DISCORD_BOT_TOKEN",
        part: DISCORD,
        help: "Bot token, from the portal's Bot page.",
        default: None,
        example: "a-token-from-the-portal",
        secret: true,
        check: discord_token,
    },
    Setting {
        name: "DISCORD_PERMISSIONS",
        part: DISCORD,
        help: "What the bot asks for in a server, as Discord's number. The default: see channels, send messages, embed \
               links, attach files, read history, mention everyone.",
        default: Some("248832"),
        example: "248832",
        secret: false,
        check: digits,
    },
    Setting {
        name: "DISCORD_SCOPES",
        part: DISCORD,
        help: "What the invite link asks for, separated by commas.",
        default: Some("bot,identify,guilds"),
        example: "bot,identify,guilds",
        secret: false,
        check: scopes,
    },
    Setting {
        name: "DISCORD_CLIENT_REDIRECT",
        part: DISCORD,
        help: "The redirect URI that the application has on file, if it is not the one trypost shows in /setup.",
        default: None,
        example: "https://social.example.com/accounts/discord/callback",
        secret: false,
        check: redirect,
    },
    Setting {
        name: "MEDIA_IMAGE_MAX_SIZE_MB",
        part: MEDIA,
        help: "The largest picture that is taken, in MiB.",
        default: Some("10"),
        example: "10",
        secret: false,
        check: megabytes,
    },
    Setting {
        name: "MEDIA_VIDEO_MAX_SIZE_MB",
        part: MEDIA,
        help: "The largest video that is taken, in MiB.",
        default: Some("1024"),
        example: "1024",
        secret: false,
        check: megabytes,
    },
    Setting {
        name: "LEASE_SECONDS",
        part: REPLICAS,
        help: "How long a replica's claim on shared work lasts when it stops answering: 5 to 300.",
        default: Some("15"),
        example: "15",
        secret: false,
        check: lease,
    },
    Setting {
        name: "LOG",
        part: LOG,
        help: "What is logged: error, warn, info, debug, trace, or a filter per module.",
        default: Some("info"),
        example: "info,trypost=debug",
        secret: false,
        check: filter,
    },
    Setting {
        name: "LOG_FORMAT",
        part: LOG,
        help: "text for people, json for machines.",
        default: Some("text"),
        example: "json",
        secret: false,
        check: format,
    },
];

/// Prefixes that are ours alone: an unknown name that begins so is told even when it resembles nothing.
pub const OWN_PREFIXES: &[&str] = &["TELEGRAM_", "DISCORD_"];

/// The setting of that name.
pub fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// `<PLATFORM>_ENABLED` of every connector, in the registry's order.
pub fn switches() -> Vec<(&'static Descriptor, String)> {
    let descriptors = registry::descriptors().into_iter();
    descriptors.map(|descriptor| (descriptor, switch(descriptor))).collect()
}

/// `<PLATFORM>_ENABLED`: the identifier in capitals, hyphens as underscores.
pub fn switch(descriptor: &Descriptor) -> String {
    format!("{}_ENABLED", descriptor.id.to_uppercase().replace('-', "_"))
}
