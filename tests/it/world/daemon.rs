//! The daemon under test in a runtime of its own, so that it can die at any moment; its log; and the observer that counts
//! what it does and stops it where a test says. It knows nothing of the vendors.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tracing_subscriber::fmt::MakeWriter;
use trypost::app::{App, Parts};
use trypost::chat::Chat;
use trypost::config::Config;
use trypost::domain::{Observer, Point};
use trypost::flows::Flows;

use crate::support::clock::{Seeded, TestClock};

/// How long the daemon may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Counts every point; from the chosen one on none ever returns.
pub struct Watch {
    points: Mutex<Vec<Point>>,
    stop_at: AtomicUsize,
    changes: watch::Sender<usize>,
}

impl Default for Watch {
    fn default() -> Self {
        Self { points: Mutex::default(), stop_at: AtomicUsize::new(usize::MAX), changes: watch::Sender::new(0) }
    }
}

impl Watch {
    /// What was reached so far.
    pub fn points(&self) -> Vec<Point> {
        self.points.lock().unwrap().clone()
    }

    /// The `count`th point from now (the next one is 1) never returns, nor does any after it.
    pub fn stop_after(&self, count: usize) {
        let points = self.points.lock().unwrap();
        self.stop_at.store(points.len() + count, Ordering::SeqCst);
    }

    /// Wakes at each point.
    pub fn changes(&self) -> watch::Receiver<usize> {
        self.changes.subscribe()
    }

    /// Returns when the point was reached where nothing goes on.
    pub async fn stopped(&self) {
        let mut changes = self.changes();
        while self.points.lock().unwrap().len() < self.stop_at.load(Ordering::SeqCst) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

#[async_trait]
impl Observer for Watch {
    async fn reached(&self, point: Point) {
        let number = {
            let mut points = self.points.lock().unwrap();
            points.push(point);
            points.len()
        };
        self.changes.send_replace(number);
        if number >= self.stop_at.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }
}

/// What the daemon logged.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A running daemon.
pub struct Daemon {
    pub flows: Arc<Flows>,
    pub chat: Arc<Chat>,
    pub watch: Arc<Watch>,
    pub address: SocketAddr,
    pub owner_code: Option<String>,
    app: App,
    runtime: Runtime,
}

impl Daemon {
    pub async fn start(
        settings: Vec<(&'static str, String)>,
        clock: Arc<TestClock>,
        watch: Arc<Watch>,
        console: Option<Arc<dyn bots::Surface>>,
        log: &Log,
    ) -> Self {
        let source = |name: &str| settings.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        let config = Config::load(&source).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert!(config.problems.is_empty(), "{:?}", config.problems);
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter("info,trypost=debug,bots=debug,serenity=warn")
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        let dispatch = tracing::Dispatch::new(subscriber);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            // Each world has a log of its own, though all tests share a process.
            .on_thread_start(move || std::mem::forget(tracing::dispatcher::set_default(&dispatch)))
            .build()
            .expect("threads");
        // Every start has randomness of its own, as it would in earnest.
        static STARTS: AtomicUsize = AtomicUsize::new(0);
        let entropy = Arc::new(Seeded::new(format!("start {}", STARTS.fetch_add(1, Ordering::Relaxed))));
        let parts = Parts { clock, entropy, observer: watch.clone(), resolver: None, console };
        let app = runtime.spawn(async move { App::start(&config, parts).await });
        let app = app.await.expect("no panic").unwrap_or_else(|error| panic!("{error}"));
        let (flows, chat) = (app.flows.clone(), app.chat.clone());
        let (address, owner_code) = (app.address, app.owner_code.clone());
        Self { flows, chat, watch, address, owner_code, app, runtime }
    }

    /// Ends as on SIGTERM.
    pub async fn stop(self) {
        let Self { app, runtime, flows, chat, .. } = self;
        drop((flows, chat));
        app.lifecycle.stop();
        let ended = runtime.spawn(app.ended());
        tokio::time::timeout(PATIENCE, ended).await.expect("it drains").expect("no panic");
        shut(runtime).await;
    }

    /// Ends some time, when nobody waits for it.
    pub fn abandon(self) {
        self.runtime.shutdown_background();
    }

    /// Ends as on SIGKILL.
    pub async fn kill(self) {
        let Self { app, runtime, flows, chat, .. } = self;
        shut(runtime).await;
        drop((app, flows, chat));
    }
}

/// Drops everything that runs there, and waits until it is gone.
async fn shut(runtime: Runtime) {
    tokio::task::spawn_blocking(move || runtime.shutdown_timeout(PATIENCE)).await.expect("no panic");
}
