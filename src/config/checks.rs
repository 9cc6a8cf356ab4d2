//! Whether a value is good, and the cure when it is not: one small pure function per shape. A cure never repeats the
//! value, which may be a secret.

use std::net::SocketAddr;

use data_encoding::BASE64;
use url::Url;
use zeroize::Zeroizing;

/// The 32 bytes of a key: base64, with or without the `base64:` in front that TryPost's keys have.
pub fn key_bytes(value: &str) -> Option<Zeroizing<[u8; 32]>> {
    let text = value.strip_prefix("base64:").unwrap_or(value);
    let decoded = Zeroizing::new(BASE64.decode(text.as_bytes()).ok()?);
    let mut bytes = Zeroizing::new([0; 32]);
    (decoded.len() == bytes.len()).then(|| bytes.copy_from_slice(&decoded)).map(|()| bytes)
}

/// A yes or no, as people write it.
pub fn truth(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// The path of `sqlite://PATH`, when it is one.
pub fn sqlite_path(value: &str) -> Option<&str> {
    let path = value.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    (!path.is_empty() && !path.contains([':', '?', '#'])).then_some(path)
}

fn require(good: bool, cure: &'static str) -> Result<(), &'static str> {
    good.then_some(()).ok_or(cure)
}

/// Anything goes.
pub fn any(_: &str) -> Result<(), &'static str> {
    Ok(())
}

/// Text without white space.
pub fn word(value: &str) -> Result<(), &'static str> {
    require(!value.contains(char::is_whitespace), "It holds white space: copy it again.")
}

/// A number of the vendor's.
pub fn digits(value: &str) -> Result<(), &'static str> {
    require(value.parse::<u64>().is_ok(), "It is a number: copy it from the Developer Portal again.")
}

/// A database's address.
pub fn database(value: &str) -> Result<(), &'static str> {
    let postgres = || Url::parse(value).is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql"));
    require(
        sqlite_path(value).is_some() || postgres(),
        "Write sqlite:///var/lib/trypost/trypost.db (a file, no options) or postgres://USER:PASSWORD@HOST/NAME; \
         percent-encode special characters in the password.",
    )
}

/// One key.
pub fn key(value: &str) -> Result<(), &'static str> {
    require(key_bytes(value).is_some(), "It must be base64 of 32 bytes: make one with `trypost keys generate`.")
}

/// Keys, separated by commas.
pub fn keys(value: &str) -> Result<(), &'static str> {
    let good = value.split(',').all(|one| key_bytes(one.trim()).is_some());
    require(good, "Each must be base64 of 32 bytes, separated by commas: copy the earlier APP_KEY as it was.")
}

/// An address to listen on.
pub fn listen(value: &str) -> Result<(), &'static str> {
    require(value.parse::<SocketAddr>().is_ok(), "Write an IP address and a port, like 127.0.0.1:8080.")
}

/// A loopback address.
pub fn gateway(value: &str) -> Result<(), &'static str> {
    let loopback = |url: &Url| match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        _ => false,
    };
    let good = Url::parse(value).is_ok_and(|url| url.scheme() == "http" && loopback(&url) && url.path() == "/");
    require(good, "It sees every secret, so it must be http://127.0.0.1:PORT. Remove it to speak to the real vendors.")
}

/// Only yes.
pub fn self_hosted(value: &str) -> Result<(), &'static str> {
    require(truth(value) == Some(true), "trypost has no hosted mode: remove it, or write true.")
}

/// Whether it can stand before a path.
fn base(value: &str) -> Option<Url> {
    let url = Url::parse(value).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())?;
    let plain =
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    plain.then_some(url)
}

/// Our own address.
pub fn address(value: &str) -> Result<(), &'static str> {
    require(base(value).is_some(), "Write an address like https://social.example.com, with nothing after a ? or #.")
}

/// An address that Telegram delivers to.
pub fn webhook(value: &str) -> Result<(), &'static str> {
    // https://core.telegram.org/bots/webhooks: https on 443, 80, 88 or 8443.
    let port = |url: &Url| matches!(url.port_or_known_default(), Some(443 | 80 | 88 | 8443));
    let good = base(value).is_some_and(|url| url.scheme() == "https" && port(&url));
    require(good, "Telegram delivers by https to port 443, 80, 88 or 8443 only: like https://hooks.example.com.")
}

/// A redirect URI.
pub fn redirect(value: &str) -> Result<(), &'static str> {
    require(base(value).is_some(), "Write the whole address that stands in the developer app, with https://.")
}

/// A Telegram bot's token.
pub fn telegram_token(value: &str) -> Result<(), &'static str> {
    let good = value
        .split_once(':')
        .is_some_and(|(bot, rest)| bot.parse::<u64>().is_ok() && !rest.is_empty() && rest.chars().all(is_url_safe));
    require(good, "It looks like 123456789:AA...: copy it from @BotFather again.")
}

/// A Telegram username.
pub fn telegram_name(value: &str) -> Result<(), &'static str> {
    // https://core.telegram.org/method/account.checkUsername: 5 to 32 of letters, digits and underscores; shorter
    // ones are sold on Fragment.
    let name = value.strip_prefix('@').unwrap_or(value);
    let good = (4..=32).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    require(good, "It is the bot's username, like acme_social_bot: not its title, not a link.")
}

/// A Telegram webhook secret.
pub fn telegram_secret(value: &str) -> Result<(), &'static str> {
    // https://core.telegram.org/bots/api#setwebhook, secret_token.
    let good = (1..=256).contains(&value.len()) && value.chars().all(is_url_safe);
    require(good, "Use 1 to 256 of A-Z a-z 0-9 _ and - only.")
}

fn is_url_safe(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// A Discord bot's token.
pub fn discord_token(value: &str) -> Result<(), &'static str> {
    require(!value.contains(char::is_whitespace), "Only the token itself, without the word Bot in front.")
}

/// OAuth scopes that add a bot.
pub fn scopes(value: &str) -> Result<(), &'static str> {
    let good = value.split([',', ' ']).any(|scope| scope == "bot");
    require(good, "It must name bot: without it no bot joins the server. The default is bot,identify,guilds.")
}

/// A size.
pub fn megabytes(value: &str) -> Result<(), &'static str> {
    let good = value.parse::<u64>().is_ok_and(|megabytes| (1..=1_048_576).contains(&megabytes));
    require(good, "Write a whole number of MiB, 1 or more.")
}

/// The seconds of a lease.
pub fn lease(value: &str) -> Result<(), &'static str> {
    require(value.parse::<u64>().is_ok_and(|seconds| (5..=300).contains(&seconds)), "Write whole seconds, 5 to 300.")
}

/// A log filter.
pub fn filter(value: &str) -> Result<(), &'static str> {
    let good = tracing_subscriber::EnvFilter::try_new(value).is_ok();
    require(good, "Write error, warn, info, debug or trace, or a filter like info,trypost=debug.")
}

/// A log format.
pub fn format(value: &str) -> Result<(), &'static str> {
    require(matches!(value, "text" | "json"), "Write text or json.")
}
