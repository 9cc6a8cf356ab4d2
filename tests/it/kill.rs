//! The real binary, killed with SIGKILL before and after every vendor call of connecting and of publishing, and started
//! again on the same files, by the machine's clock: nothing may be lost, nothing may be twice, or a person was asked. Every
//! third case is run; `TRYPOST_KILL_ALL=1` runs them all.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use emulators::gateway::{Phase, Watcher};
use emulators::{Call, Fault, FaultKind};
use tokio::sync::{Notify, mpsc};

mod people;

use people::Town;

/// What a killed daemon held is free again after this (s): the shortest that the setting takes.
const LEASE: &str = "5";
/// Starting a debug build on a busy machine.
const START: Duration = Duration::from_secs(60);

/// The daemon as a process of its own. Dropping it kills it.
struct Daemon {
    child: Arc<Mutex<Child>>,
    lines: mpsc::UnboundedReceiver<String>,
}

fn kill(child: &Mutex<Child>) {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    // SIGKILL, and gone before this returns.
    child.kill().unwrap();
    child.wait().unwrap();
}

impl Drop for Daemon {
    fn drop(&mut self) {
        kill(&self.child);
    }
}

impl Daemon {
    /// Starts it on this folder and waits until it is up.
    async fn start(town: &Town, folder: &Path) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_trypost"))
            .arg("serve")
            .env_clear()
            .envs(town.settings(folder))
            .env("LEASE_SECONDS", LEASE)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let (send, lines) = mpsc::unbounded_channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).all(|line| send.send(line).is_ok()));
        let mut daemon = Self { child: Arc::new(Mutex::new(child)), lines };
        daemon.says(" is up: ").await;
        daemon
    }

    /// The next line with these words.
    async fn says(&mut self, words: &str) -> String {
        let line = async {
            loop {
                let line = self.lines.recv().await.expect("the daemon ended by itself");
                if line.contains(words) {
                    return line;
                }
            }
        };
        tokio::time::timeout(START, line).await.unwrap_or_else(|_| panic!("the daemon never said {words:?}"))
    }
}

/// The moment of a kill: before or after the `nth` counted call to `host`.
#[derive(Clone, Debug)]
struct Moment {
    host: String,
    nth: usize,
    phase: Phase,
    call: String,
}

impl Moment {
    /// A word for the case, to be found in what it publishes.
    fn word(&self) -> String {
        format!("{:?} {} {}", self.phase, self.host, self.nth)
    }
}

#[derive(Default)]
struct Watch {
    counts: BTreeMap<String, usize>,
    numbers: BTreeMap<usize, usize>,
    calls: Vec<Moment>,
    is_over: bool,
}

/// Counts the calls and kills `child` at the moment; `killed` is told.
fn watcher(
    town: &Town,
    moment: Option<Moment>,
    child: Arc<Mutex<Child>>,
    killed: Arc<Notify>,
) -> (Watcher, Arc<Mutex<Watch>>) {
    let watch = Arc::new(Mutex::new(Watch::default()));
    let (seen, gateway, counted) = (watch.clone(), Arc::downgrade(&town.gateway), town.counted());
    let watcher = move |call: &Call, phase: Phase| {
        let mut watch = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if watch.is_over || !counted(call) {
            return;
        }
        if phase == Phase::Before {
            let nth = watch.counts.entry(call.host.clone()).and_modify(|count| *count += 1).or_insert(1);
            let nth = *nth;
            watch.numbers.insert(call.number, nth);
            for phase in [Phase::Before, Phase::After] {
                let what = format!("{} {}{}", call.method, call.host, masked(&call.path));
                watch.calls.push(Moment { host: call.host.clone(), nth, phase, call: what });
            }
        }
        let nth = watch.numbers.get(&call.number).copied();
        let is_now = moment
            .as_ref()
            .is_some_and(|moment| moment.host == call.host && Some(moment.nth) == nth && moment.phase == phase);
        if is_now {
            watch.is_over = true;
            kill(&child);
            if phase == Phase::Before
                && let Some(gateway) = gateway.upgrade()
            {
                // The vendor never gets it.
                gateway.inject(Fault::new(&call.host, &call.path, 1, FaultKind::DropBefore));
            }
            killed.notify_one();
        }
    };
    (Arc::new(watcher), watch)
}

/// The path without the bot's token.
fn masked(path: &str) -> String {
    path.split('/').map(|part| if part.starts_with("bot") { "bot" } else { part }).collect::<Vec<_>>().join("/")
}

/// What came of the cases.
#[derive(Default)]
struct Table {
    cases: usize,
    lost: usize,
    twice: usize,
    asked: usize,
    repeated: usize,
    missed: Vec<String>,
    notes: Vec<String>,
}

impl Table {
    fn print(&self, what: &str, calls: usize) {
        let Self { cases, lost, twice, asked, repeated, missed, .. } = self;
        let line = format!(
            "\nKILL {what}: {calls} vendor calls, {cases} kills: lost {lost}, twice {twice}, asked {asked}, repeated by \
             the person {repeated}, calls that did not come {}\n{}",
            missed.len(),
            self.notes.iter().map(|note| format!("  {note}\n")).collect::<String>()
        );
        // Past the capture of passing tests' output: these numbers are what the test is for.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
    }
}

/// Runs a person's work on a copy of `base`, with a daemon that is killed at the moment and started again, as systemd
/// would. Gives what the person saw, and whether the moment came.
async fn played<T>(
    town: &Town,
    base: &Path,
    moment: Option<Moment>,
    before: impl AsyncFnOnce(),
    person: impl Future<Output = T>,
) -> (T, bool, Vec<Moment>) {
    let folder = tempfile::tempdir().unwrap();
    copied(base, folder.path());
    let daemon = Daemon::start(town, folder.path()).await;
    before().await;
    let killed = Arc::new(Notify::new());
    let (watcher, watch) = watcher(town, moment, daemon.child.clone(), killed.clone());
    town.gateway.watch(Some(watcher));
    let again = async {
        killed.notified().await;
        let _next = Daemon::start(town, folder.path()).await;
        std::future::pending::<()>().await;
    };
    let seen = tokio::select! {
        seen = person => seen,
        () = again => unreachable!("it waits forever"),
    };
    town.gateway.watch(None);
    town.gateway.heal();
    let watch = std::mem::take(&mut *watch.lock().unwrap_or_else(PoisonError::into_inner));
    (seen, watch.is_over, watch.calls)
}

fn copied(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copied(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn is_all() -> bool {
    std::env::var("TRYPOST_KILL_ALL").is_ok_and(|value| value == "1")
}

/// The cases to run: all, or every third.
fn chosen(calls: Vec<Moment>) -> impl Iterator<Item = Moment> {
    let step = if is_all() { 1 } else { 3 };
    calls.into_iter().step_by(step)
}

/// A folder with an owned daemon; then what `more` does there. The daemon is ended as systemd ends it.
async fn base(town: &Town, more: impl AsyncFnOnce()) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(town, folder.path()).await;
    let line = daemon.says("/start ").await;
    let code = line.rsplit(' ').next().unwrap().to_owned();
    town.claims(&code).await;
    more().await;
    let id = daemon.child.lock().unwrap().id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let child = daemon.child.clone();
    tokio::task::spawn_blocking(move || child.lock().unwrap().wait()).await.unwrap().unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connecting_survives_every_kill() {
    let town = Town::new().await;
    let base = base(&town, async || {}).await;
    let mut table = Table::default();
    let mut all = 0;
    for platform in ["mastodon", "bluesky", "telegram"] {
        let (first, _, calls) = played(&town, base.path(), None, async || {}, town.connects(platform)).await;
        assert_eq!((first.accounts, first.repeats), (1, 0), "{platform}: {}", town.telegram.transcript());
        assert!(calls.len() >= 4, "{platform}: {calls:?}");
        all += calls.len() / 2;
        for moment in chosen(calls) {
            let (seen, came, _) =
                played(&town, base.path(), Some(moment.clone()), async || {}, town.connects(platform)).await;
            table.cases += 1;
            if !came {
                table.missed.push(moment.word());
            }
            table.lost += usize::from(seen.accounts == 0);
            table.twice += usize::from(seen.accounts > 1);
            table.repeated += usize::from(seen.repeats > 0);
            if seen.accounts != 1 || seen.repeats > 0 || !came {
                table.notes.push(format!("{platform} {:?} {}: {seen:?} {came}", moment.phase, moment.call));
            }
        }
    }
    table.print("connect", all);
    assert_eq!((table.lost, table.twice, table.missed.len()), (0, 0, 0), "{:#?}", table.notes);
    assert_eq!(town.gateway.take_violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_survives_every_kill() {
    let town = Town::new().await;
    let base = base(&town, async || {
        for platform in ["mastodon", "bluesky", "telegram"] {
            assert_eq!(town.connects(platform).await.repeats, 0, "{}", town.telegram.transcript());
        }
    })
    .await;
    let first = "The first run";
    let (seen, _, calls) =
        played(&town, base.path(), None, async || town.drafts(first).await, town.publishes(first)).await;
    assert!(!seen.asked && seen.is_published, "{}", town.telegram.transcript());
    assert_eq!(town.posts(first), [1, 1, 1]);
    assert!(calls.len() >= 10, "{calls:?}");
    let mut table = Table::default();
    let all = calls.len() / 2;
    for moment in chosen(calls) {
        let word = moment.word();
        let (seen, came, _) =
            played(&town, base.path(), Some(moment.clone()), async || town.drafts(&word).await, town.publishes(&word))
                .await;
        table.cases += 1;
        let posts = town.posts(&word);
        if !came {
            table.missed.push(word);
        }
        table.lost += usize::from(posts.contains(&0) || !seen.is_published);
        table.twice += usize::from(posts.iter().any(|count| *count > 1));
        table.asked += usize::from(seen.asked);
        table.repeated += usize::from(seen.repeats > 0);
        if seen.asked || posts != [1, 1, 1] || !seen.is_published || !came || seen.repeats > 0 {
            table.notes.push(format!("{:?} {}: {posts:?} {seen:?} {came}", moment.phase, moment.call));
        }
    }
    table.print("publish", all);
    assert_eq!((table.lost, table.twice, table.missed.len()), (0, 0, 0), "{:#?}", table.notes);
    assert_eq!(town.gateway.take_violations(), Vec::<String>::new());
}
