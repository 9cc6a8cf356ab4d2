//! The composition root: from a configuration to a running daemon. Tests build it the same way, with their own clock,
//! randomness, observer and console. A broken surface or platform never stops the others.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use base64::Engine;
use bots::{Message, Surface, SurfaceKind};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

use crate::chat::{Chat, catalogue};
use crate::config::{Config, ConfigProblem, Database, Readiness};
use crate::domain::clock::token;
use crate::domain::id::PersonId;
use crate::domain::{Clock, Entropy, Observer, OsEntropy, Secret, SystemClock, Unobserved};
use crate::flows::{Flows, Offered, Refusal, Settings, Wake};
use crate::jobs::surfaces::Bringers;
use crate::jobs::{self, deliver};
use crate::lifecycle::Lifecycle;
use crate::platforms::http::{GatewayError, Http, PublicResolver, Resolver, SystemResolver};
use crate::platforms::{App as PlatformApp, Budget, registry, telegram::TelegramBudget};
use crate::store::{Store, StoreError, Vault, VaultError};
use crate::web::{self, Web};

mod chats;

pub use chats::surfaces;
use chats::{back_link, webhook};

/// What a test or the sandbox replaces.
pub struct Parts {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Told of every vendor call and commit.
    pub observer: Arc<dyn Observer>,
    /// Names to addresses; the system's, or behind a gateway none.
    pub resolver: Option<Arc<dyn Resolver>>,
    /// The console, where there is one.
    pub console: Option<Arc<dyn Surface>>,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            observer: Arc::new(Unobserved),
            resolver: None,
            console: None,
        }
    }
}

/// Why the daemon can't start. Each names the setting or file, and the cure.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting.
    #[error(transparent)]
    Config(#[from] ConfigProblem),
    /// A file in the data directory.
    #[error("{path} can't be used: {error}. Set DATA_DIR to a folder that trypost's user may write to.")]
    File {
        /// Which.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// Two daemons on one file.
    #[error(
        "another trypost runs on {0}. Stop it first; several daemons share work only on PostgreSQL (DATABASE_URL)."
    )]
    Locked(String),
    /// The database.
    #[error("{0} DATABASE_URL says where it is.")]
    Store(#[from] StoreError),
    /// The keys.
    #[error("APP_KEY: {0}")]
    Key(#[from] VaultError),
    /// The stored secrets were sealed with other keys.
    #[error(
        "APP_KEY is not the key this database was sealed with (key {0}). Set the old one again, or add it to APP_PREVIOUS_KEYS and run `trypost keys rotate`."
    )]
    OtherKey(String),
    /// The gateway.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The web address.
    #[error("LISTEN_ADDR {address} can't be listened on: {error}. Another program may use the port; choose another.")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
}

/// A running daemon.
pub struct App {
    /// The use cases.
    pub flows: Arc<Flows>,
    /// The chat room.
    pub chat: Arc<Chat>,
    /// Its tasks.
    pub lifecycle: Lifecycle,
    /// Where the web part listens.
    pub address: SocketAddr,
    /// The owner's one-time code, while nobody owns the daemon.
    pub owner_code: Option<String>,
    /// What was made at this start and must be backed up.
    pub notes: Vec<String>,
    /// Held while this daemon runs on a SQLite file.
    _lock: Option<File>,
}

/// Opens the database that the configuration names, sealed with its keys, and brings it up to date. Gives the store and
/// what the person should know.
///
/// # Errors
/// [`StartError`], with the setting's name and the cure.
pub async fn open_store(config: &Config, parts: &Parts) -> Result<(Store, Vec<String>), StartError> {
    config.prepare_data_dir()?;
    let mut notes = Vec::new();
    let encode = |key: &[u8; 32]| Secret::new(base64::engine::general_purpose::STANDARD.encode(key));
    let current = match &config.app_key {
        Some(key) => encode(key.expose()),
        None => key_file(&config.data_dir.join("app.key"), &*parts.entropy, &mut notes)?,
    };
    let previous: Vec<Secret> = config.previous_keys.iter().map(|key| encode(key.expose())).collect();
    let vault = Vault::new(&current, &previous)?;
    let ring = vault.key_ids();
    let (clock, entropy, observer) = (parts.clock.clone(), parts.entropy.clone(), parts.observer.clone());
    let store = match &config.database {
        Database::Sqlite(path) => Store::sqlite(path, vault, clock, entropy, observer).await?,
        Database::Postgres(url) => Store::postgres(url, vault, clock, entropy, observer).await?,
    };
    store.migrate().await?;
    let sealed_with = store.settle_setting("key_id", &ring[0]).await?;
    if !ring.contains(&sealed_with) {
        return Err(StartError::OtherKey(sealed_with));
    }
    Ok((store, notes))
}

fn key_file(path: &Path, entropy: &dyn Entropy, notes: &mut Vec<String>) -> Result<Secret, StartError> {
    let failed = |error| StartError::File { path: path.display().to_string(), error };
    match std::fs::read_to_string(path) {
        Ok(key) => Ok(Secret::new(key.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = Vault::generate(entropy);
            let mut file =
                std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
            file.write_all(key.expose().as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
            notes.push(format!(
                "I made a key in {} that opens all stored tokens. Keep a copy of it away from this machine.",
                path.display()
            ));
            Ok(key)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Only one daemon may serve a SQLite file.
fn lock(config: &Config) -> Result<Option<File>, StartError> {
    let Database::Sqlite(path) = &config.database else { return Ok(None) };
    let lock = path.with_extension("lock");
    let file = File::create(&lock).map_err(|error| StartError::File { path: lock.display().to_string(), error })?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(_) => Err(StartError::Locked(path.display().to_string())),
    }
}

/// The platforms as this configuration offers them.
pub fn platforms(config: &Config, budget: Arc<dyn Budget>) -> Vec<Offered> {
    registry::all(budget)
        .into_iter()
        .map(|platform| {
            let descriptor = platform.descriptor();
            let (app, missing, enabled) = match config.readiness(descriptor) {
                Readiness::Ready(app) => (app, Vec::new(), true),
                Readiness::Off => (PlatformApp::default(), Vec::new(), false),
                Readiness::Missing(names) => {
                    (PlatformApp::default(), names.into_iter().map(str::to_owned).collect(), true)
                }
                Readiness::Wrong(problems) => {
                    (PlatformApp::default(), problems.into_iter().map(|problem| problem.name).collect(), true)
                }
            };
            Offered { redirect_uri: config.redirect_uri(descriptor), platform, app, missing, enabled }
        })
        .collect()
}

impl App {
    /// Starts the daemon.
    ///
    /// # Errors
    /// [`StartError`]: only for what nothing can run without.
    pub async fn start(config: &Config, parts: Parts) -> Result<Self, StartError> {
        let lock = lock_after_dir(config)?;
        let (store, notes) = open_store(config, &parts).await?;
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| StartError::Listen { address: config.listen, error })?;
        let address = listener.local_addr().unwrap_or(config.listen);
        let resolver = parts.resolver.clone().unwrap_or_else(|| match &config.vendor_gateway {
            Some(_) => Arc::new(PublicResolver),
            None => Arc::new(SystemResolver),
        });
        let http = Arc::new(Http::new(config.vendor_gateway.clone(), resolver, parts.observer.clone())?);
        let budget: Arc<dyn Budget> = Arc::new(TelegramBudget::new());
        let media_dir = config.data_dir.join("media");
        let scratch = config.data_dir.join("scratch");
        for dir in [&media_dir, &scratch] {
            std::fs::create_dir_all(dir)
                .map_err(|error| StartError::File { path: dir.display().to_string(), error })?;
        }
        let mut app_url = config.app_url.clone();
        if !config.app_url_given {
            // A port of 0 is chosen by the system, and only known now.
            let _ = app_url.set_port(Some(address.port()));
        }
        let flows = Arc::new(Flows {
            store,
            http,
            platforms: platforms(config, budget.clone()),
            clock: parts.clock.clone(),
            entropy: parts.entropy.clone(),
            settings: Settings {
                app_url,
                self_hosted: config.setting("SELF_HOSTED") != Some("false"),
                media_dir,
                image_bytes: config.image_max_bytes,
                video_bytes: config.video_max_bytes,
                lease: config.lease,
            },
            replica: token(&*parts.entropy),
            wake: Wake::default(),
            started_at: parts.clock.now(),
        });
        let (mut surfaces, telegram) = surfaces(config, budget);
        if let Some(console) = parts.console {
            surfaces.insert(SurfaceKind::Console, console);
        }
        let chat = Arc::new(Chat { flows: flows.clone(), surfaces: surfaces.clone(), scratch });
        let lifecycle = Lifecycle::default();
        let owner_code = flows.owner_code().await?;
        let web = Web {
            flows: flows.clone(),
            telegram: telegram.clone().filter(|_| config.telegram_webhook().is_some()).map(webhook),
            back: back_link(&flows),
            metrics: metrics(),
        };
        if lock.is_some() {
            flows.store.take_over().await?;
        }
        web::serve(web, listener, &lifecycle);
        jobs::start_publisher(flows.clone(), &lifecycle);
        jobs::tidy::start(flows.clone(), lock.is_some(), &lifecycle);
        for (kind, surface) in surfaces {
            let draw = Arc::new(ChatDraws(chat.clone()));
            deliver::start(flows.clone(), draw, surface.clone(), &lifecycle);
            let bringers = match kind {
                SurfaceKind::Telegram if config.telegram_webhook().is_none() => Bringers::One,
                SurfaceKind::Discord => Bringers::One,
                SurfaceKind::Telegram | SurfaceKind::Console => Bringers::Any,
            };
            jobs::surfaces::start(flows.clone(), surface, catalogue::SPECS, chat.clone(), bringers, &lifecycle);
        }
        lifecycle.ready();
        Ok(Self { flows, chat, lifecycle, address, owner_code, notes, _lock: lock })
    }

    /// Waits for the end, then closes the database.
    pub async fn ended(self) {
        self.lifecycle.ended().await;
        self.flows.store.close().await;
    }
}

fn lock_after_dir(config: &Config) -> Result<Option<File>, StartError> {
    config.prepare_data_dir()?;
    lock(config)
}

/// The chat room draws what the outbox delivers.
struct ChatDraws(Arc<Chat>);

#[async_trait::async_trait]
impl deliver::Draw for ChatDraws {
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

/// The process's one metrics recorder; a second daemon in the same process (tests) shares it.
fn metrics() -> PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new().build_recorder();
            let handle = recorder.handle();
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("another metrics recorder is installed; /metrics stays empty");
            }
            handle
        })
        .clone()
}
