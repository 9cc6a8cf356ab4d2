//! The sandbox: the emulated platforms, the emulated chat networks and the real daemon in one process, on loopback and in
//! a folder that is removed at the end. `--tour` runs a script in it, checks every step, and prints what an operator would
//! have seen. It only puts the parts together; what they do is theirs.

mod clock;
mod elsewhere;
mod person;
mod scene;
mod telegram_web;
mod tour;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use bots::{Console, ConsoleConfig};
use tokio_util::sync::CancellationToken;
use trypost::app::{App, Parts};
use trypost::config::Config;

use elsewhere::Elsewhere;
use scene::Scene;

const HELP: &str = "\
cargo run -p sandbox               Everything emulated; `open N` in the console acts as Alice on the page
cargo run -p sandbox -- --browser  The same, and `open N` opens your browser: you act yourself
cargo run -p sandbox -- --tour     Run a scripted tour and print it";

/// What was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// A person types; Alice opens the pages.
    Alice,
    /// A person types and opens the pages.
    Browser,
    /// A script types.
    Tour,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mode = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => Mode::Alice,
        ["--browser"] => Mode::Browser,
        ["--tour"] => Mode::Tour,
        _ => {
            eprintln!("{HELP}");
            return ExitCode::FAILURE;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("The system gives no threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(mode));
    // A terminal's thread may still wait for a key; nothing waits for it.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("{trouble}");
            ExitCode::FAILURE
        }
    }
}

async fn run(mode: Mode) -> Result<(), String> {
    let folder = tempfile::Builder::new()
        .prefix("trypost-sandbox-")
        .tempdir()
        .map_err(|error| format!("There is no place for temporary files: {error}"))?;
    let log = folder.path().join("trypost.log");
    write_log_to(&log)?;
    let result = match mode {
        Mode::Tour => tour::run(folder.path()).await,
        Mode::Alice | Mode::Browser => interactive(folder.path(), mode).await,
    };
    if result.is_err() {
        let lines = std::fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = lines.lines().collect();
        let last = lines.len().saturating_sub(40);
        eprintln!("\nThe end of the daemon's log:\n{}", lines[last..].join("\n"));
    }
    result
}

/// The daemon's log, as it would write it beside a console.
fn write_log_to(path: &Path) -> Result<(), String> {
    let file = std::fs::File::create(path).map_err(|error| format!("{} can't be written: {error}", path.display()))?;
    tracing_subscriber::fmt()
        .with_env_filter("info,serenity=warn")
        .with_ansi(false)
        .with_writer(std::sync::Mutex::new(file))
        .init();
    Ok(())
}

/// Starts the daemon in this scene, with this console, and makes Alice's Telegram account the operator's own.
async fn start(scene: &Arc<Scene>, folder: &Path, console: Elsewhere, parts: Parts) -> Result<App, String> {
    let settings = scene.settings(folder);
    let config =
        Config::load(&|name| settings.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()))
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let parts = Parts { console: Some(Arc::new(console)), ..parts };
    let app = App::start(&config, parts).await.map_err(|error| error.to_string())?;
    scene.link_alice(&app).await?;
    Ok(app)
}

/// Until the person leaves: `quit`, Ctrl-D, Ctrl-C, or a signal.
async fn interactive(folder: &Path, mode: Mode) -> Result<(), String> {
    let parts = Parts::default();
    let scene = Arc::new(Scene::start(&parts.clock).await?);
    let opener = match mode {
        Mode::Browser => bots::console::system_browser(),
        Mode::Alice | Mode::Tour => person::opener(scene.clone())?,
    };
    let console = Console::new(ConsoleConfig {
        prompt: "you   ".to_owned(),
        history_file: Some(folder.join("history")),
        home: trypost::config::home(),
        opener,
    });
    println!("{}", scene.introduction(mode == Mode::Browser, folder)?);
    let left = CancellationToken::new();
    let app = start(&scene, folder, Elsewhere::new(console, scene.clone(), left.clone()), parts).await?;
    app.lifecycle.listen_for_signals().map_err(|error| format!("Signals can't be listened for: {error}"))?;
    let lifecycle = app.lifecycle.clone();
    tokio::spawn(async move {
        left.cancelled().await;
        lifecycle.stop();
    });
    app.ended().await;
    scene.gateway.stop();
    println!("Everything is gone again.");
    Ok(())
}
