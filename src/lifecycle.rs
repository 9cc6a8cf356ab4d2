//! Starting, draining and stopping: two tokens, the tasks that are waited for, the signals, and what systemd is told.
//! It knows nothing of what the tasks do.

use std::future::Future;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long draining may take before everything is dropped. Shorter than the unit's `TimeoutStopSec`.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(20);

/// Shared by everything that runs. Clones are the same lifecycle.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
    tasks: TaskTracker,
    drain_limit: Duration,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every task came to its own end.
    Drained,
    /// Some tasks were dropped in the middle: leases and journals say where.
    Dropped,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new(DRAIN_LIMIT)
    }
}

impl Lifecycle {
    /// A lifecycle that lets draining take this long.
    pub fn new(drain_limit: Duration) -> Self {
        Self { soft: CancellationToken::new(), hard: CancellationToken::new(), tasks: TaskTracker::new(), drain_limit }
    }

    /// Cancelled when no new work may begin; work that has begun goes on.
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Cancelled when everything is dropped where it stands.
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Runs a task that the end waits for. It ends by itself after the soft token, or is dropped at the hard one.
    pub fn spawn<F>(&self, name: &'static str, task: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let hard = self.hard.clone();
        self.tasks.spawn(async move {
            if hard.run_until_cancelled(task).await.is_none() {
                tracing::warn!(task = name, "dropped before its end");
            }
        })
    }

    /// Begins draining.
    pub fn stop(&self) {
        self.soft.cancel();
    }

    /// Drops everything.
    pub fn kill(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    /// Waits for the soft token, then for the tasks, at most as long as draining may take; what is left is dropped.
    pub async fn ended(&self) -> Ending {
        self.soft.cancelled().await;
        tell(&[NotifyState::Stopping]);
        self.tasks.close();
        tokio::select! {
            () = self.tasks.wait() => {}
            () = self.hard.cancelled() => {}
            () = tokio::time::sleep(self.drain_limit) => tracing::warn!("draining took too long"),
        }
        let all = self.tasks.is_empty() && !self.hard.is_cancelled();
        self.hard.cancel();
        self.tasks.wait().await;
        if all { Ending::Drained } else { Ending::Dropped }
    }

    /// Drains at the first SIGINT or SIGTERM and drops everything at the second. For `main`; listens until the hard
    /// token.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    pub fn listen_for_signals(&self) -> std::io::Result<()> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let lifecycle = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    () = lifecycle.hard.cancelled() => return,
                }
                if lifecycle.soft.is_cancelled() {
                    tracing::warn!("told to stop again: dropping what is left");
                    return lifecycle.kill();
                }
                tracing::info!("told to stop: finishing what has begun");
                lifecycle.stop();
            }
        });
        Ok(())
    }

    /// Tells systemd that the daemon is up, and from then on that it is alive, as often as its watchdog wants. Nothing
    /// happens where systemd doesn't listen.
    pub fn ready(&self) {
        tell(&[NotifyState::Ready]);
        let Some(limit) = sd_notify::watchdog_enabled() else { return };
        let lifecycle = self.clone();
        tokio::spawn(async move {
            // sd_watchdog_enabled(3): notify every half of the limit.
            let mut beat = tokio::time::interval(limit / 2);
            while lifecycle.hard.run_until_cancelled(beat.tick()).await.is_some() {
                tell(&[NotifyState::Watchdog]);
            }
        });
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd could not be told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn draining_lets_begun_work_end() {
        let lifecycle = Lifecycle::default();
        let (send, receive) = tokio::sync::oneshot::channel();
        let soft = lifecycle.soft().clone();
        lifecycle.spawn("work", async move {
            soft.cancelled().await;
            tokio::task::yield_now().await;
            let _ = send.send(());
        });
        lifecycle.stop();
        assert_eq!(lifecycle.ended().await, Ending::Drained);
        receive.await.expect("the work came to its end");
    }

    #[tokio::test]
    async fn draining_has_a_limit() {
        let lifecycle = Lifecycle::new(Duration::from_millis(5));
        let task = lifecycle.spawn("stuck", std::future::pending());
        lifecycle.stop();
        assert_eq!(lifecycle.ended().await, Ending::Dropped);
        task.await.expect("dropped, not aborted");
    }

    #[tokio::test]
    async fn killing_waits_for_nothing() {
        let lifecycle = Lifecycle::default();
        lifecycle.spawn("stuck", std::future::pending());
        lifecycle.kill();
        assert_eq!(lifecycle.ended().await, Ending::Dropped);
        assert!(lifecycle.hard().is_cancelled());
    }
}
