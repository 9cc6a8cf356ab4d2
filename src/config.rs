//! The settings: the only place that reads the environment (and `.env`). A wrong setting is told by its name with its
//! cure, all of them at once; one in a vendor's settings stops that vendor alone. It decides nothing about what runs:
//! that is `app.rs`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;
use zeroize::Zeroizing;

use crate::domain::Secret;
use crate::platforms::{App, AppSource, Descriptor};

mod checks;
mod export;
pub mod settings;
mod sources;

pub use export::export_config;
use settings::{CORE, SETTINGS, TELEGRAM};

/// What was set, checked.
pub struct Config {
    /// Where people and vendors reach us; no slash at the end of its path unless it is the root.
    pub app_url: Url,
    /// Whether `APP_URL` was set; the default leads to this machine only.
    pub app_url_given: bool,
    /// Seals secrets; `None` when the key file in the data directory does.
    pub app_key: Option<AppKey>,
    /// Still open what they sealed.
    pub previous_keys: Vec<AppKey>,
    /// Where the state is kept.
    pub database: Database,
    /// The folder of the database file, media and the key file; absolute.
    pub data_dir: PathBuf,
    /// Where the web part listens.
    pub listen: SocketAddr,
    /// Where every vendor request goes instead; loopback only.
    pub vendor_gateway: Option<Url>,
    /// How long a lease lasts.
    pub lease: Duration,
    /// The largest picture, in bytes.
    pub image_max_bytes: u64,
    /// The largest video, in bytes.
    pub video_max_bytes: u64,
    /// A filter in `tracing_subscriber::EnvFilter`'s syntax.
    pub log: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// What is wrong or looks wrong, though the daemon can run: for `doctor`, the log and `/setup`.
    pub problems: Vec<ConfigProblem>,
    values: BTreeMap<String, Secret>,
}

/// Where the state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL URL, password included.
    Postgres(Secret),
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// 32 bytes that seal secrets. Wiped when dropped, and shown as dots.
#[derive(Clone, PartialEq, Eq)]
pub struct AppKey(Zeroizing<[u8; 32]>);

impl AppKey {
    /// Reads the form that `trypost keys generate` prints: `base64:` and 44 characters; the prefix may be missing.
    pub fn parse(text: &str) -> Option<Self> {
        checks::key_bytes(text).map(Self)
    }

    /// The bytes, for the vault.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

/// One setting that is wrong or looks wrong. Never holds the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {what} {cure}")]
pub struct ConfigProblem {
    /// Which part it concerns: a constant of [`settings`] or a platform's environment prefix.
    pub part: String,
    /// The setting.
    pub name: String,
    /// What is wrong, as a sentence.
    pub what: String,
    /// How to cure it, as a sentence.
    pub cure: String,
}

impl ConfigProblem {
    fn new(part: &str, name: &str, what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { part: part.to_owned(), name: name.to_owned(), what: what.into(), cure: cure.into() }
    }
}

/// Whether a platform can run with these settings.
#[derive(Debug)]
pub enum Readiness {
    /// It can, with this app.
    Ready(App),
    /// Switched off by the operator with `<PLATFORM>_ENABLED=false`.
    Off,
    /// These settings are missing.
    Missing(Vec<&'static str>),
    /// These settings are wrong.
    Wrong(Vec<ConfigProblem>),
}

/// How Telegram delivers updates, when not by being asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelegramWebhook {
    /// The address, with its path.
    pub url: Url,
    /// Comes back in every delivery's header.
    pub secret: Secret,
}

impl Config {
    /// Reads the environment of this process and, for what is not set there, a `.env` in the working directory.
    ///
    /// # Errors
    /// Every problem, when there is one that nothing can run with.
    pub fn from_environment() -> Result<Self, Vec<ConfigProblem>> {
        Self::from_variables(std::env::vars_os().filter_map(sources::readable), Path::new(".env"))
    }

    /// Like [`Config::from_environment`], with these variables and this file, which may be missing.
    ///
    /// # Errors
    /// Every problem, when there is one that nothing can run with.
    pub fn from_variables(
        variables: impl IntoIterator<Item = (String, String)>,
        file: &Path,
    ) -> Result<Self, Vec<ConfigProblem>> {
        let mut unreadable = Vec::new();
        let Some(mut all) = sources::read_file(file, &mut unreadable) else { return Err(unreadable) };
        all.extend(variables.into_iter().filter(|(_, value)| !value.is_empty()));
        let mut config = Self::load(&|name| all.get(name).cloned())?;
        config.problems.extend(unreadable);
        config.problems.extend(sources::unknown(all.keys().map(String::as_str)));
        Ok(config)
    }

    /// Reads settings from anywhere. Empty counts as unset. Touches no file.
    ///
    /// # Errors
    /// Every problem, when there is one that nothing can run with.
    pub fn load(source: &dyn Fn(&str) -> Option<String>) -> Result<Self, Vec<ConfigProblem>> {
        let mut values = BTreeMap::new();
        let mut problems = Vec::new();
        let read = |name: &str| source(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        for setting in SETTINGS {
            let Some(value) = read(setting.name) else { continue };
            match (setting.check)(&value) {
                Ok(()) => drop(values.insert(setting.name.to_owned(), Secret::new(value))),
                Err(cure) => problems.push(ConfigProblem::new(setting.part, setting.name, "It can't be used.", cure)),
            }
        }
        for (_, name) in settings::switches() {
            match read(&name).map(|value| (checks::truth(&value), value)) {
                None => {}
                Some((Some(_), value)) => drop(values.insert(name, Secret::new(value))),
                Some((None, _)) => problems.push(ConfigProblem::new(
                    name.trim_end_matches("_ENABLED"),
                    &name,
                    "It can't be used.",
                    "Write true or false.",
                )),
            }
        }
        let data_dir =
            values.get("DATA_DIR").map(|dir| PathBuf::from(dir.expose())).or_else(|| sources::default_data_dir(&read));
        let data_dir = data_dir.and_then(|dir| std::path::absolute(dir).ok()).unwrap_or_else(|| {
            let cure = "Set it to a folder that only trypost's user can read, like /var/lib/trypost.";
            problems.push(ConfigProblem::new(CORE, "DATA_DIR", "There is no home folder to put it in.", cure));
            PathBuf::new()
        });
        let database = sources::database(values.get("DATABASE_URL"), &data_dir);
        if matches!(database, Database::Postgres(_)) && !values.contains_key("APP_KEY") && read("APP_KEY").is_none() {
            let cure = "Make one with `trypost keys generate` and give every replica the same.";
            problems.push(ConfigProblem::new(CORE, "APP_KEY", "It is required with PostgreSQL.", cure));
        }
        if problems.iter().any(|problem| problem.part == CORE && problem.name != "SELF_HOSTED") {
            return Err(problems);
        }
        let keys = |name: &str| -> Vec<AppKey> {
            let text = values.get(name).map_or("", Secret::expose);
            text.split(',').filter_map(|one| AppKey::parse(one.trim())).collect()
        };
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        let listen = values.get("LISTEN_ADDR").and_then(|text| text.expose().parse().ok()).unwrap_or(local);
        let given = values.get("APP_URL").and_then(|text| Url::parse(text.expose().trim_end_matches('/')).ok());
        let app_url_given = given.is_some();
        let number = |name: &str| {
            let text = values.get(name).map(Secret::expose).or_else(|| settings::find(name)?.default);
            text.and_then(|text| text.parse::<u64>().ok()).unwrap_or_default()
        };
        let text = |name: &str| {
            let text = values.get(name).map(Secret::expose).or_else(|| settings::find(name)?.default);
            text.unwrap_or_default().to_owned()
        };
        let mut config = Self {
            app_url: given.unwrap_or_else(|| local_url(listen.port())),
            app_url_given,
            app_key: keys("APP_KEY").pop(),
            previous_keys: keys("APP_PREVIOUS_KEYS"),
            database,
            data_dir,
            listen,
            vendor_gateway: values.get("VENDOR_GATEWAY").and_then(|text| Url::parse(text.expose()).ok()),
            lease: Duration::from_secs(number("LEASE_SECONDS")),
            image_max_bytes: number("MEDIA_IMAGE_MAX_SIZE_MB") * 1024 * 1024,
            video_max_bytes: number("MEDIA_VIDEO_MAX_SIZE_MB") * 1024 * 1024,
            log: text("LOG"),
            log_format: if text("LOG_FORMAT") == "json" { LogFormat::Json } else { LogFormat::Text },
            problems,
            values,
        };
        config.check_webhook();
        Ok(config)
    }

    /// A setting that was set and is good; not for secrets.
    pub fn setting(&self, name: &str) -> Option<&str> {
        let shown = settings::find(name).is_none_or(|setting| !setting.secret);
        self.values.get(name).filter(|_| shown).map(Secret::expose).or_else(|| settings::find(name)?.default)
    }

    /// A secret setting that was set and is good.
    pub fn secret(&self, name: &str) -> Option<Secret> {
        self.values.get(name).cloned()
    }

    /// Our app at a platform, from the settings that its descriptor names and those that share their prefix.
    pub fn readiness(&self, descriptor: &Descriptor) -> Readiness {
        let switched = self.values.get(&settings::switch(descriptor)).and_then(|value| checks::truth(value.expose()));
        if switched == Some(false) {
            return Readiness::Off;
        }
        let AppSource::Settings(needed) = descriptor.app else { return Readiness::Ready(App::default()) };
        let prefix = needed.first().and_then(|name| settings::find(name)).map_or("", |setting| setting.part);
        let wrong: Vec<_> =
            self.problems.iter().filter(|problem| needed.contains(&problem.name.as_str())).cloned().collect();
        if !wrong.is_empty() {
            return Readiness::Wrong(wrong);
        }
        let missing: Vec<_> = needed.iter().copied().filter(|name| !self.values.contains_key(*name)).collect();
        if !missing.is_empty() {
            return Readiness::Missing(missing);
        }
        let mut app = App::default();
        for setting in SETTINGS.iter().filter(|setting| setting.part == prefix) {
            let secret = self.secret(setting.name);
            match setting.name.strip_prefix(prefix).unwrap_or(setting.name) {
                "_CLIENT_ID" => app.id = self.setting(setting.name).unwrap_or_default().to_owned(),
                "_CLIENT_SECRET" => app.secret = secret,
                "_BOT_TOKEN" => app.bot_token = secret,
                "_BOT_USERNAME" => {
                    app.bot_name = self.setting(setting.name).map(|name| name.trim_start_matches('@').to_owned());
                }
                _ if setting.secret => {}
                _ => {
                    let value = self.setting(setting.name).map(|value| (setting.name.to_owned(), value.to_owned()));
                    app.settings.extend(value);
                }
            }
        }
        Readiness::Ready(app)
    }

    /// The redirect URI of a platform: `{APP_URL}/accounts/{platform}/callback`, or what `…_CLIENT_REDIRECT` says.
    pub fn redirect_uri(&self, descriptor: &Descriptor) -> Url {
        let AppSource::Settings(needed) = descriptor.app else { return self.below(&callback(descriptor)) };
        let prefix = needed.first().and_then(|name| settings::find(name)).map_or("", |setting| setting.part);
        let given = self.values.get(&format!("{prefix}_CLIENT_REDIRECT")).and_then(|url| Url::parse(url.expose()).ok());
        given.unwrap_or_else(|| self.below(&callback(descriptor)))
    }

    /// How Telegram delivers updates; `None` when it is asked for them.
    pub fn telegram_webhook(&self) -> Option<TelegramWebhook> {
        let secret = self.secret("TELEGRAM_WEBHOOK_SECRET")?;
        let base = self.setting("WEBHOOK_URL").or_else(|| self.setting("APP_URL"))?;
        checks::webhook(base).ok()?;
        let url = Url::parse(&format!("{}/telegram/webhook", base.trim_end_matches('/'))).ok()?;
        Some(TelegramWebhook { url, secret })
    }

    /// Makes the data directory, for this user alone, and proves that it can be written to.
    ///
    /// # Errors
    /// When it can't be used, with the cure.
    pub fn prepare_data_dir(&self) -> Result<(), ConfigProblem> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        let probe = self.data_dir.join(format!(".probe-{}", std::process::id()));
        let tried = builder.create(&self.data_dir).and_then(|()| std::fs::write(&probe, b"probe"));
        let tried = tried.and_then(|()| std::fs::remove_file(&probe));
        tried.map_err(|error| {
            let what = format!("{} can't be written to ({error}).", self.data_dir.display());
            ConfigProblem::new(CORE, "DATA_DIR", what, "Give trypost's user a folder that it owns.")
        })
    }

    /// An address of ours.
    fn below(&self, path: &str) -> Url {
        let mut url = self.app_url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{path}"));
        url
    }

    fn check_webhook(&mut self) {
        if self.values.contains_key("TELEGRAM_WEBHOOK_SECRET") && self.telegram_webhook().is_none() {
            let what =
                "It turns webhooks on, but there is no address that Telegram can deliver to, so it is asked instead.";
            let cure = "Set APP_URL or WEBHOOK_URL to an https address, or remove it.";
            self.problems.push(ConfigProblem::new(TELEGRAM, "TELEGRAM_WEBHOOK_SECRET", what, cure));
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, value) in &self.values {
            match self.setting(name) {
                Some(shown) => map.entry(name, &shown),
                None => map.entry(name, value),
            };
        }
        map.entry(&"data_dir", &self.data_dir).entry(&"problems", &self.problems).finish()
    }
}

fn callback(descriptor: &Descriptor) -> String {
    format!("/accounts/{}/callback", descriptor.id)
}

#[expect(clippy::expect_used, reason = "the only part that varies is a port number")]
fn local_url(port: u16) -> Url {
    Url::parse(&format!("http://127.0.0.1:{port}")).expect("a constant address")
}

#[cfg(test)]
mod tests;

/// The person's home folder, for `~/` in what they type.
pub fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from)
}
