//! The store on both engines: every function runs on each, and what two tasks at once must not break stays whole.

mod content;
mod people;
mod publishing;
mod races;
mod system;
mod talk;
mod vault;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};
use trypost::domain::account::Tokens;
use trypost::domain::id::{AccountId, GrantId, PersonId, PostId, WorkspaceId};
use trypost::domain::post::{Options, RichText};
use trypost::domain::workspace::Workspace;
use trypost::domain::{Clock, Secret, Timestamp, Unobserved};
use trypost::store::{Draft, NewAccount, NewAttempt, NewGrant, Place, Store, Vault};

use crate::support::clock::{Seeded, TestClock};
use crate::support::postgres::TestDatabase;

/// A migrated store on a database of its own.
pub struct Bed {
    pub store: Store,
    pub clock: Arc<TestClock>,
    dir: tempfile::TempDir,
    database: Option<TestDatabase>,
}

/// Names one test per engine for each function.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&crate::store::Bed::sqlite().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(bed) = crate::store::Bed::postgres().await {
                    super::$name(&bed).await;
                }
            })*
        }
    };
}
pub(crate) use on_both;

/// A key by its number.
pub fn key(number: u8) -> Secret {
    Vault::generate(&Seeded::new(format!("key {number}")))
}

impl Bed {
    pub async fn sqlite() -> Self {
        Self::open(None).await
    }

    pub async fn postgres() -> Option<Self> {
        Some(Self::open(Some(crate::support::postgres::fresh().await?)).await)
    }

    async fn open(database: Option<TestDatabase>) -> Self {
        let clock = Arc::new(TestClock::at("2026-03-01T12:00:00Z"));
        let dir = tempfile::tempdir().expect("a folder");
        let store = connect(database.as_ref(), dir.path().join("trypost.db"), &clock, 1, &[], "one").await;
        store.migrate().await.expect("migrated");
        Self { store, clock, dir, database }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("trypost.db")
    }

    /// The same database through another store: another replica, or the next start, with these keys.
    pub async fn again(&self, sealing: u8, previous: &[u8]) -> Store {
        connect(self.database.as_ref(), self.file(), &self.clock, sealing, previous, "two").await
    }

    /// Runs a statement of the test's own.
    pub async fn raw(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.database {
            Some(database) => {
                let options = sqlx::postgres::PgConnectOptions::from_url(&database.url()).expect("an address");
                let mut one = sqlx::PgConnection::connect_with(&options).await.expect("connected");
                sqlx::query(sql).execute(&mut one).await.expect("done");
            }
            None => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.file());
                let mut one = sqlx::SqliteConnection::connect_with(&options).await.expect("connected");
                sqlx::query(sql).execute(&mut one).await.expect("done");
            }
        }
    }

    /// The texts of a query's only column.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.database {
            Some(database) => {
                let options = sqlx::postgres::PgConnectOptions::from_url(&database.url()).expect("an address");
                let mut one = sqlx::PgConnection::connect_with(&options).await.expect("connected");
                let rows = sqlx::query(sql).fetch_all(&mut one).await.expect("read");
                rows.iter().map(|row| row.get(0)).collect()
            }
            None => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.file());
                let mut one = sqlx::SqliteConnection::connect_with(&options).await.expect("connected");
                let rows = sqlx::query(sql).fetch_all(&mut one).await.expect("read");
                rows.iter().map(|row| row.get(0)).collect()
            }
        }
    }

    /// So many seconds from now (or before).
    pub fn at(&self, seconds: i64) -> Timestamp {
        self.clock.now() + jiff::SignedDuration::from_secs(seconds)
    }

    pub fn pass(&self, seconds: u64) {
        self.clock.pass(Duration::from_secs(seconds));
    }

    pub async fn person(&self, name: &str) -> PersonId {
        self.store.add_identity(None, "telegram", name, name, Some(name)).await.expect("a person")
    }

    pub async fn workspace(&self) -> (Workspace, PersonId) {
        let owner = self.person("olga").await;
        (self.store.create_workspace("Bakery", &owner).await.expect("a workspace"), owner)
    }

    pub async fn grant(&self, workspace: &WorkspaceId) -> GrantId {
        let tokens = tokens("access-1", Some("refresh-1"), Some(self.at(3600)));
        self.store.save_grant(&new_grant(workspace, tokens)).await.expect("a grant")
    }

    pub async fn account(&self, workspace: &WorkspaceId, remote_id: &str, grant: Option<&GrantId>) -> AccountId {
        self.store.connect_account(&new_account(workspace, remote_id, grant)).await.expect("an account").0
    }

    pub async fn draft(&self, workspace: &WorkspaceId, author: &PersonId, accounts: &[AccountId]) -> PostId {
        self.store.add_draft(&new_draft(workspace, author, None), accounts).await.expect("a draft").0
    }
}

async fn connect(
    database: Option<&TestDatabase>,
    file: PathBuf,
    clock: &Arc<TestClock>,
    sealing: u8,
    previous: &[u8],
    seed: &str,
) -> Store {
    let previous: Vec<Secret> = previous.iter().map(|number| key(*number)).collect();
    let vault = Vault::new(&key(sealing), &previous).expect("keys");
    let entropy = Arc::new(Seeded::new(seed));
    match database {
        Some(database) => {
            let url = Secret::new(database.url().to_string());
            Store::postgres(&url, vault, clock.clone(), entropy, Arc::new(Unobserved)).await.expect("PostgreSQL")
        }
        None => Store::sqlite(&file, vault, clock.clone(), entropy, Arc::new(Unobserved)).await.expect("SQLite"),
    }
}

pub fn place(chat: &str) -> Place {
    Place { surface: "telegram".to_owned(), chat: chat.to_owned(), topic: String::new() }
}

pub fn tokens(access: &str, refresh: Option<&str>, expires_at: Option<Timestamp>) -> Tokens {
    Tokens {
        access: Secret::new(access),
        refresh: refresh.map(Secret::new),
        extra: None,
        expires_at,
        refresh_expires_at: None,
    }
}

pub fn new_grant(workspace: &WorkspaceId, tokens: Tokens) -> NewGrant {
    NewGrant {
        workspace: workspace.clone(),
        platform: "mastodon".to_owned(),
        app: "social.example".to_owned(),
        remote_user: "7".to_owned(),
        tokens,
    }
}

pub fn new_account(workspace: &WorkspaceId, remote_id: &str, grant: Option<&GrantId>) -> NewAccount {
    NewAccount {
        workspace: workspace.clone(),
        platform: "mastodon".to_owned(),
        remote_id: remote_id.to_owned(),
        name: "Bakery".to_owned(),
        handle: Some("bakery".to_owned()),
        url: None,
        meta: json!({ "characters": 500 }),
        grant: grant.cloned(),
    }
}

pub fn new_attempt(workspace: &WorkspaceId, person: &PersonId, expires_at: Timestamp) -> NewAttempt {
    NewAttempt {
        workspace: workspace.clone(),
        person: person.clone(),
        platform: "mastodon".to_owned(),
        instance: None,
        account: None,
        place: place("1"),
        link: Secret::new("link"),
        state: Secret::new("state"),
        expires_at,
    }
}

pub fn new_draft(workspace: &WorkspaceId, author: &PersonId, album: Option<&str>) -> Draft {
    Draft {
        workspace: workspace.clone(),
        author: author.clone(),
        album: album.map(str::to_owned),
        text: RichText { plain: "Fresh bread".to_owned(), marks: Vec::new() },
        options: Options::default(),
    }
}

on_both!(migrations_run_twice_and_refuse_a_newer_database, every_function_that_writes_is_seen_by_another_store);

async fn migrations_run_twice_and_refuse_a_newer_database(bed: &Bed) {
    bed.store.migrate().await.expect("a second run changes nothing");
    bed.again(1, &[]).await.migrate().await.expect("nor does one by another replica");
    bed.raw("update _sqlx_migrations set version = 999999").await;
    let error = bed.store.migrate().await.expect_err("made by a newer version").to_string();
    assert!(error.contains("could not be brought up to date"), "{error}");
}

async fn every_function_that_writes_is_seen_by_another_store(bed: &Bed) {
    let (workspace, owner) = bed.workspace().await;
    let other = bed.again(1, &[]).await;
    assert_eq!(other.workspaces_of(&owner).await.unwrap().len(), 1);
    assert_eq!(other.workspace(&workspace.id).await.unwrap(), Some(workspace));
    assert!(["SQLite", "PostgreSQL"].contains(&other.engine()));
    other.close().await;
}
