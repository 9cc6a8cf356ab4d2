//! All SQL, on SQLite and PostgreSQL alike, one file per aggregate. It knows no platform and makes no network call;
//! what is secret is sealed here on the way in and opened on the way out.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use crate::domain::{Clock, Entropy, Observer, Point, Secret, Timestamp};

mod accounts;
mod attempts;
mod chats;
mod grants;
mod incidents;
mod people;
mod posts;
mod system;
mod talk;
mod targets;
pub mod vault;

pub use accounts::NewAccount;
pub use attempts::{Attempt, NewAttempt, Stage};
pub use chats::{ChatRow, Place};
pub use grants::{Horizon, NewGrant};
pub use incidents::{Incident, NewIncident};
pub use people::{IdentityRow, Invite};
pub use posts::Draft;
pub use system::Pause;
pub use talk::{Card, Delivery, Pressed};
pub use targets::Claimed;
pub use vault::{Vault, VaultError};

/// The migrations, the same on both engines.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database did not do it.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The tables could not be made.
    #[error("the database could not be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A sealed value can't be opened: an operator fault, never "not connected".
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A row holds what no version of this program writes.
    #[error("the row {row} of {table} makes no sense: {what}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// Its key.
        row: String,
        /// What is wrong.
        what: String,
    },
}

/// Shorthand.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The two engines' pools.
#[derive(Clone, Debug)]
pub(crate) enum Db {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// An open transaction. No network call while one is open.
pub(crate) enum Tx {
    Sqlite(sqlx::Transaction<'static, sqlx::Sqlite>),
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
}

/// Runs the same expression over the pool of either engine.
macro_rules! on_db {
    ($store:expr, $c:ident => $e:expr) => {
        match &$store.db {
            $crate::store::Db::Sqlite($c) => $e,
            $crate::store::Db::Postgres($c) => $e,
        }
    };
}

/// Runs the same expression inside a transaction of either engine.
macro_rules! on_tx {
    ($tx:expr, $c:ident => $e:expr) => {
        match $tx {
            $crate::store::Tx::Sqlite(tx) => {
                let $c = &mut **tx;
                $e
            }
            $crate::store::Tx::Postgres(tx) => {
                let $c = &mut **tx;
                $e
            }
        }
    };
}

/// `exec!(db store; SQL, binds…)` or `exec!(tx tx; SQL, binds…)`: rows affected.
macro_rules! exec {
    (db $store:expr; $sql:expr $(, $bind:expr)* $(,)?) => {
        on_db!($store, c => sqlx::query($sql)$(.bind($bind))*.execute(c).await.map(|done| done.rows_affected()))
    };
    (tx $tx:expr; $sql:expr $(, $bind:expr)* $(,)?) => {
        on_tx!($tx, c => sqlx::query($sql)$(.bind($bind))*.execute(c).await.map(|done| done.rows_affected()))
    };
}

/// `one!(db store; Row; SQL, binds…)`: the row, if there is one.
macro_rules! one {
    (db $store:expr; $row:ty; $sql:expr $(, $bind:expr)* $(,)?) => {
        on_db!($store, c => sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_optional(c).await)
    };
    (tx $tx:expr; $row:ty; $sql:expr $(, $bind:expr)* $(,)?) => {
        on_tx!($tx, c => sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_optional(c).await)
    };
}

/// `all!(db store; Row; SQL, binds…)`: every row.
macro_rules! all {
    (db $store:expr; $row:ty; $sql:expr $(, $bind:expr)* $(,)?) => {
        on_db!($store, c => sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_all(c).await)
    };
    (tx $tx:expr; $row:ty; $sql:expr $(, $bind:expr)* $(,)?) => {
        on_tx!($tx, c => sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_all(c).await)
    };
}

pub(crate) use {all, exec, on_db, on_tx, one};

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) db: Db,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    observer: Arc<dyn Observer>,
}

impl Store {
    /// Opens a SQLite file, making it where it is missing.
    ///
    /// # Errors
    /// When the file can't be opened.
    pub async fn sqlite(
        path: &Path,
        vault: Vault,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
        Ok(Self { db: Db::Sqlite(pool), vault: Arc::new(vault), clock, entropy, observer })
    }

    /// Connects to PostgreSQL.
    ///
    /// # Errors
    /// When the server can't be reached.
    pub async fn postgres(
        url: &Secret,
        vault: Vault,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self> {
        let options = PgConnectOptions::from_str(url.expose())?;
        let pool = PgPoolOptions::new()
            .max_connections(8)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options)
            .await?;
        Ok(Self { db: Db::Postgres(pool), vault: Arc::new(vault), clock, entropy, observer })
    }

    /// Brings the tables up to date.
    ///
    /// # Errors
    /// When a migration fails, or the database was made by a newer version.
    pub async fn migrate(&self) -> Result<()> {
        on_db!(self, c => MIGRATIONS.run(c).await)?;
        Ok(())
    }

    /// The engine's name, for people.
    pub fn engine(&self) -> &'static str {
        match self.db {
            Db::Sqlite(_) => "SQLite",
            Db::Postgres(_) => "PostgreSQL",
        }
    }

    /// Closes all connections.
    pub async fn close(&self) {
        on_db!(self, c => c.close().await);
    }

    /// Begins a write transaction. IMMEDIATE on SQLite: a deferred one that reads and then writes fails under load.
    pub(crate) async fn begin(&self) -> Result<Tx> {
        Ok(match &self.db {
            Db::Sqlite(pool) => Tx::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            Db::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Commits, and tells the observer.
    pub(crate) async fn commit(&self, tx: Tx, what: &'static str) -> Result<()> {
        match tx {
            Tx::Sqlite(tx) => tx.commit().await?,
            Tx::Postgres(tx) => tx.commit().await?,
        }
        self.committed(what).await;
        Ok(())
    }

    /// Tells the observer of a statement that committed by itself.
    pub(crate) async fn committed(&self, what: &'static str) {
        self.observer.reached(Point::Committed { what }).await;
    }

    /// The suffix for claims: without it one PostgreSQL task takes all and the others believe there is no work.
    pub(crate) fn skip_locked(&self) -> &'static str {
        match self.db {
            Db::Sqlite(_) => "",
            Db::Postgres(_) => " for update skip locked",
        }
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now().as_millisecond()
    }
}

/// Reads a time from its column.
pub(crate) fn time(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Writes a time to its column.
pub(crate) fn millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}

/// Reads JSON from its column.
pub(crate) fn json<T: serde::de::DeserializeOwned>(table: &'static str, row: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| StoreError::Inconsistent {
        table,
        row: row.to_owned(),
        what: error.to_string(),
    })
}

/// Writes JSON to its column.
pub(crate) fn text<T: serde::Serialize>(value: &T) -> String {
    // The types that come here have string keys and no floats, so they always serialize.
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// Reads one of a column's words.
pub(crate) fn word<T>(table: &'static str, row: &str, found: Option<T>, word: &str) -> Result<T> {
    found.ok_or_else(|| StoreError::Inconsistent { table, row: row.to_owned(), what: format!("\"{word}\"") })
}
