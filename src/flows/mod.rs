//! The use cases, and the only room that changes state: connect, keepalive, publish, team, and what follows from faults.
//! It knows no surface and no web server: it answers with typed facts, and `chat/texts.rs` finds the words.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use url::Url;

use crate::domain::fault::Fault;
use crate::domain::id::{PersonId, WorkspaceId};
use crate::domain::workspace::Role;
use crate::domain::{Clock, Entropy, Timestamp};
use crate::platforms::http::Http;
use crate::platforms::{App, Context, Descriptor, Platform};
use crate::store::{Place, Store, StoreError};

pub mod accounts;
pub mod connect;
pub mod drafts;
pub mod incidents;
pub mod keepalive;
pub mod news;
pub mod publish;
pub mod settle;
pub mod team;

/// A platform as this daemon offers it.
pub struct Offered {
    /// The connector.
    pub platform: Arc<dyn Platform>,
    /// Our app there, where it comes from settings. Instances have theirs in the store.
    pub app: App,
    /// `{APP_URL}/accounts/{platform}/callback`, or its override.
    pub redirect_uri: Url,
    /// Settings that are missing; while there are any it is not offered.
    pub missing: Vec<String>,
    /// Whether `<PLATFORM>_ENABLED` allows it.
    pub enabled: bool,
}

/// What the flows need to know of the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where people reach our pages.
    pub app_url: Url,
    /// Whether this is somebody's own daemon: no cap on accounts.
    pub self_hosted: bool,
    /// Where media lie.
    pub media_dir: PathBuf,
    /// The largest picture taken (bytes).
    pub image_bytes: u64,
    /// The largest video taken (bytes).
    pub video_bytes: u64,
    /// How long claims and leases last.
    pub lease: Duration,
}

/// Wakes the workers when there is something to do.
#[derive(Clone, Debug, Default)]
pub struct Wake {
    /// Targets are due.
    pub publish: Arc<Notify>,
    /// Messages are due.
    pub outbox: Arc<Notify>,
}

/// The use cases with all they need. Shared by web, chat and jobs.
pub struct Flows {
    /// The database.
    pub store: Store,
    /// The outbound client.
    pub http: Arc<Http>,
    /// The connectors in the order in which people see them.
    pub platforms: Vec<Offered>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Configuration.
    pub settings: Settings,
    /// This daemon's name in leases and claims.
    pub replica: String,
    /// The workers' bells.
    pub wake: Wake,
    /// When this daemon started.
    pub started_at: Timestamp,
}

/// Who acts, where, and in which workspace. The role is looked up when it matters, not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The person.
    pub person: PersonId,
    /// The workspace they act in.
    pub workspace: WorkspaceId,
    /// Where they act.
    pub place: Place,
}

/// Why a use case did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The person's role does not suffice.
    #[error("this needs the role {}", .needs.as_str())]
    NotAllowed {
        /// The lowest role that may.
        needs: Role,
    },
    /// There is no such thing (any more) in this workspace.
    #[error("there is no such {what}")]
    Gone {
        /// What was looked for.
        what: &'static str,
    },
    /// The platform is not set up on this server.
    #[error("{platform} is not set up")]
    NotSetUp {
        /// Its name.
        platform: &'static str,
        /// The settings that are missing.
        missing: Vec<String>,
    },
    /// What was typed can't be taken; the words are for the person.
    #[error("{0}")]
    BadInput(String),
    /// It is too late: used, expired, already done.
    #[error("too late")]
    TooLate,
    /// Only one account per platform and workspace here (`SELF_HOSTED=false`).
    #[error("the workspace has an account on {platform} already")]
    Full {
        /// The platform's name.
        platform: &'static str,
    },
    /// The workspace would be left without an owner.
    #[error("a workspace needs an owner")]
    LastOwner,
    /// The platform said no, or nothing.
    #[error("{fault}")]
    Platform {
        /// Its name.
        platform: &'static str,
        /// The verdict.
        fault: Fault,
    },
    /// Our own trouble.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Offered {
    /// The facts about it.
    pub fn descriptor(&self) -> &'static Descriptor {
        self.platform.descriptor()
    }
}

impl Flows {
    /// A platform by its identifier.
    pub fn offered(&self, id: &str) -> Option<&Offered> {
        self.platforms.iter().find(|offered| offered.platform.descriptor().id == id)
    }

    /// A platform that a row names. Rows are only written with known identifiers.
    pub(crate) fn platform_of(&self, id: &str) -> Result<&Offered, Refusal> {
        self.offered(id).ok_or(Refusal::Gone { what: "platform" })
    }

    /// The platforms that work here and are set up.
    pub fn available(&self) -> impl Iterator<Item = &Offered> {
        self.platforms.iter().filter(|offered| offered.enabled && offered.missing.is_empty())
    }

    pub(crate) fn context<'a>(&'a self, offered: &'a Offered, app: &'a App) -> Context<'a> {
        Context {
            http: &self.http,
            now: self.clock.now(),
            app,
            redirect_uri: &offered.redirect_uri,
            entropy: &*self.entropy,
        }
    }

    /// Checks the actor's role as it is now.
    pub async fn require(&self, actor: &Actor, needs: Role) -> Result<Role, Refusal> {
        match self.store.role(&actor.workspace, &actor.person).await? {
            Some(role) if role >= needs => Ok(role),
            _ => Err(Refusal::NotAllowed { needs }),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// An app with only its host, for where the store has none.
    pub(crate) fn app_at(host: &str, id: String, secret: crate::domain::Secret) -> App {
        App {
            id,
            secret: Some(secret),
            bot_token: None,
            bot_name: None,
            host: Some(host.to_owned()),
            settings: BTreeMap::new(),
        }
    }
}
