//! What the daemon costs at rest: its size, how long it takes to be ready, its memory. The daemon is a process of its own,
//! so that the emulators' memory is not counted.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::bots::Bots;
use crate::table::Line;

/// Starts after the first, whose middle one counts.
const STARTS: usize = 5;
/// The longest that a start is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two questions at `/readyz`.
const TICK: Duration = Duration::from_millis(2);
/// How long it rests before its memory is read.
const REST: Duration = Duration::from_secs(5);
const MIB: f64 = 1024.0 * 1024.0;

/// Measures this binary.
///
/// # Errors
/// When it can't be started, or is not ready in time.
pub async fn measure(daemon: PathBuf) -> Result<Vec<Line>, String> {
    let missing = |error| format!("{}: {error}. Build it first: cargo build --release", daemon.display());
    // It is started in a folder of its own, where a `.env` of ours does not reach it.
    let path = daemon.canonicalize().map_err(missing)?;
    let size = std::fs::metadata(&path).map_err(missing)?.len();
    // Plain HTTP only, but the client wants to know how it would speak TLS.
    drop(rustls::crypto::ring::default_provider().install_default());
    let bots = Bots::start().await?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    // The first start makes the database and the key.
    let first = start(&path, &bots, folder.path()).await?;
    let fresh = first.ready;
    end(first.child).await?;
    let mut times = Vec::new();
    for _ in 1..STARTS {
        let next = start(&path, &bots, folder.path()).await?;
        times.push((next.ready, next.line));
        end(next.child).await?;
    }
    let last = start(&path, &bots, folder.path()).await?;
    times.push((last.ready, last.line));
    bots.discord.wait_connected().await;
    tokio::time::sleep(REST).await;
    let (rest, peak) = memory(&last.child)?;
    end(last.child).await?;
    times.sort_unstable();
    let (ready, line) = times[times.len() / 2];
    let aimed = |what: &str, value: f64, aim: f64, unit| Line { what: what.to_owned(), value, aim: Some(aim), unit };
    let told = |what: &str, value: f64, unit| Line { what: what.to_owned(), value, aim: None, unit };
    Ok(vec![
        aimed("binary", bytes(size) / MIB, 35.0, "MiB"),
        aimed("start to /readyz, on a known database", millis(ready), 500.0, "ms"),
        told("start to its line \"trypost … is up\", on a known database", millis(line), "ms"),
        aimed("start to /readyz, the very first time", millis(fresh), 500.0, "ms"),
        aimed("memory at rest (RSS), both bots up", rest, 30.0, "MiB"),
        told("memory at most so far", peak, "MiB"),
    ])
}

/// A daemon that is ready.
struct Started {
    child: Child,
    ready: Duration,
    line: Duration,
}

async fn start(daemon: &Path, bots: &Bots, folder: &Path) -> Result<Started, String> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    let listen = listener.local_addr().map_err(|error| error.to_string())?.to_string();
    drop(listener);
    let client = reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
    let began = Instant::now();
    let mut child = Command::new(daemon)
        .arg("serve")
        .env_clear()
        .envs(bots.settings(folder, &listen))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{} can't be started: {error}", daemon.display()))?;
    let stdout = child.stdout.take().ok_or("The daemon has no output.")?;
    let line = async {
        let mut lines = BufReader::new(stdout).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if line.contains(" is up: ") {
                return Ok(began.elapsed());
            }
        }
        Err("The daemon ended before it was up.".to_owned())
    };
    let url = format!("http://{listen}/readyz");
    let ready = async {
        while !client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            tokio::time::sleep(TICK).await;
        }
        Ok(began.elapsed())
    };
    let both = tokio::time::timeout(PATIENCE, async { tokio::try_join!(line, ready) }).await;
    let (line, ready) = both.map_err(|_| format!("The daemon was not ready within {} s.", PATIENCE.as_secs()))??;
    Ok(Started { child, ready, line })
}

/// Ends it as systemd would, so that its leases are given back.
async fn end(mut child: Child) -> Result<(), String> {
    let id = child.id().ok_or("The daemon has ended by itself.")?.to_string();
    let told = Command::new("kill").args(["-TERM", &id]).status().await.map_err(|error| error.to_string())?;
    if !told.success() {
        return Err("The daemon could not be told to stop.".to_owned());
    }
    let ended =
        tokio::time::timeout(PATIENCE, child.wait()).await.map_err(|_| "The daemon did not stop.".to_owned())?;
    ended.map(drop).map_err(|error| error.to_string())
}

/// Memory now and at most, in MiB.
fn memory(child: &Child) -> Result<(f64, f64), String> {
    let id = child.id().ok_or("The daemon has ended by itself.")?;
    let path = format!("/proc/{id}/status");
    let status = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().find_map(|word| word.parse::<f64>().ok()).map(|kib| kib / 1024.0)
    };
    let missing = || format!("{path} has no memory in it");
    Ok((value("VmRSS:").ok_or_else(missing)?, value("VmHWM:").ok_or_else(missing)?))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// A size as a float; exact far beyond any binary's.
fn bytes(size: u64) -> f64 {
    f64::from(u32::try_from(size).unwrap_or(u32::MAX))
}
