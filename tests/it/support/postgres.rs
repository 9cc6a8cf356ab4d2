//! A private PostgreSQL for the tests: started once per test process on a free loopback port, ended with the process
//! however that ends, a fresh database per test. `TEST_POSTGRES_URL` names a server to use instead.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use url::Url;

/// `nobody` and `nogroup`: PostgreSQL refuses to run as root, and wants a user that has a name.
const NOBODY: u32 = 65534;

/// One test's own database, dropped with this value.
pub struct TestDatabase {
    server: Url,
    name: String,
}

impl TestDatabase {
    /// Its address, fit for `DATABASE_URL`.
    pub fn url(&self) -> Url {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        url
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let statement = format!("drop database if exists \"{}\" with (force)", self.name);
        let server = self.server.clone();
        // A thread of its own: the test's runtime may be the current one, or gone.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(run(&server, statement));
        });
        dropped.join().ok();
    }
}

/// An empty database; `None` (told in one line) where there is no PostgreSQL, which in CI is a failure.
pub async fn fresh() -> Option<TestDatabase> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = SERVER.get_or_init(Server::find).as_ref()?;
    let name = format!("trypost_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    run(&server.url, format!("create database \"{name}\"")).await;
    Some(TestDatabase { server: server.url.clone(), name })
}

async fn run(server: &Url, statement: String) {
    let options = sqlx::postgres::PgConnectOptions::from_url(server).expect("a PostgreSQL address");
    let mut connection = sqlx::PgConnection::connect_with(&options).await.expect("PostgreSQL answers");
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.expect("PostgreSQL does it");
    connection.close().await.expect("closed");
}

struct Server {
    url: Url,
    _guard: Option<Guard>,
}

/// A shell that ends the server and removes its folder when its standard input closes, which the system does when this
/// process ends.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().ok();
    }
}

impl Server {
    fn find() -> Option<Self> {
        if let Ok(url) = std::env::var("TEST_POSTGRES_URL") {
            let url = Url::parse(&url).expect("TEST_POSTGRES_URL is an address");
            return Some(Self { url, _guard: None });
        }
        let Some(programs) = programs() else {
            super::missing("PostgreSQL", "apt-get install postgresql, or set TEST_POSTGRES_URL");
            return None;
        };
        // Another process may take the port between looking and starting.
        let started = (0..5).find_map(|_| Self::start(&programs).map_err(|error| eprintln!("{error}")).ok());
        Some(started.expect("PostgreSQL starts"))
    }

    fn start(programs: &Path) -> Result<Self, String> {
        let dir = tempfile::Builder::new().prefix("trypost-pg-").tempdir().expect("a folder").keep();
        let root = std::fs::metadata("/proc/self").expect("Linux").uid() == 0;
        if root {
            chown(&dir, Some(NOBODY), Some(NOBODY)).expect("root may");
        }
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).expect("ours");
        // Before the server, so that nothing can be left behind.
        let mut guard = Command::new("/bin/sh");
        guard.arg("-c").arg(r#"echo; exec >/dev/null; cat; "$0" -D "$1/data" -m immediate stop; cd /; rm -rf "$1""#);
        guard.arg(programs.join("pg_ctl")).arg(&dir);
        if root {
            guard.uid(NOBODY).gid(NOBODY);
        }
        // A group of its own: what ends the tests from the keyboard must not end it before its work is done.
        guard.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut guard = Guard(guard.spawn().expect("a shell"));
        let output = guard.0.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut String::new()).expect("the shell runs");
        let command = |name: &str| {
            let mut command = Command::new(programs.join(name));
            command.current_dir(&dir).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
            if root {
                command.uid(NOBODY).gid(NOBODY);
            }
            command
        };
        let data = dir.join("data");
        let mut init = command("initdb");
        init.arg("-D").arg(&data).args(["-A", "trust", "-U", "app", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"]);
        succeed(&mut init)?;
        let port = TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr()).expect("a free port").port();
        let settings = format!(
            "-c listen_addresses=127.0.0.1 -p {port} -k {} -c fsync=off -c synchronous_commit=off \
             -c full_page_writes=off -c max_connections=400",
            dir.display()
        );
        let mut start = command("pg_ctl");
        start.arg("-D").arg(&data).arg("-o").arg(settings).arg("-l").arg(dir.join("log")).args(["-w", "start"]);
        if let Err(error) = succeed(&mut start) {
            let log = std::fs::read_to_string(dir.join("log")).unwrap_or_default();
            return Err(format!("{error}\n{log}"));
        }
        let url = Url::parse(&format!("postgres://app@127.0.0.1:{port}/postgres")).expect("an address");
        Ok(Self { url, _guard: Some(guard) })
    }
}

fn succeed(command: &mut Command) -> Result<(), String> {
    // A file, not a pipe: the server that pg_ctl leaves behind would hold a pipe open.
    let mut said = tempfile::tempfile().expect("a file");
    command.stdout(said.try_clone().expect("ours")).stderr(said.try_clone().expect("ours"));
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    let mut text = String::new();
    std::io::Seek::rewind(&mut said).and_then(|()| std::io::Read::read_to_string(&mut said, &mut text)).ok();
    status.success().then_some(()).ok_or(format!("{command:?}: {status}\n{text}"))
}

/// The folder of `initdb` and `pg_ctl`: on `PATH`, or where Debian puts them (the newest version).
fn programs() -> Option<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
    debian.retain(|bin| bin.join("initdb").is_file());
    debian.sort();
    debian.pop().or_else(|| Some(super::program(&["initdb"])?.parent()?.to_owned()))
}

#[tokio::test]
async fn every_test_gets_its_own_database() {
    let (Some(one), Some(two)) = (fresh().await, fresh().await) else { return };
    run(&one.url(), "create table only_here (id text primary key)".to_owned()).await;
    let options = sqlx::postgres::PgConnectOptions::from_url(&two.url()).expect("an address");
    let mut connection = sqlx::PgConnection::connect_with(&options).await.expect("PostgreSQL answers");
    let tables: i64 =
        sqlx::query_scalar("select count(*) from information_schema.tables where table_name = 'only_here'")
            .fetch_one(&mut connection)
            .await
            .expect("counted");
    assert_eq!(tables, 0);
}
