//! State that tests can wait on: a value behind a lock, with a signal at each change. It knows nothing of what the
//! value means.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::watch;

use crate::gateway::lock;

/// How long a test waits for something to happen (real time) before it fails.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A value with a signal at each change.
pub(crate) struct Watched<S> {
    value: Mutex<S>,
    changes: watch::Sender<u64>,
}

impl<S> Watched<S> {
    /// Holds `value`.
    pub(crate) fn new(value: S) -> Self {
        Self { value: Mutex::new(value), changes: watch::Sender::new(0) }
    }

    /// Looks at the value.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&S) -> T) -> T {
        look(&lock(&self.value))
    }

    /// Changes the value and wakes everyone who waits.
    pub(crate) fn write<T>(&self, change: impl FnOnce(&mut S) -> T) -> T {
        let result = change(&mut lock(&self.value));
        self.changes.send_modify(|count| *count += 1);
        result
    }

    /// Wakes at each change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits until `find` finds something, at most `limit` of real time; `None` when it did not.
    pub(crate) async fn find<T>(&self, limit: Duration, find: impl Fn(&S) -> Option<T>) -> Option<T> {
        let mut changes = self.changes();
        let search = async {
            loop {
                if let Some(found) = self.read(&find) {
                    return Some(found);
                }
                // The sender lives in `self`, so this can't fail while we are here.
                changes.changed().await.ok()?;
            }
        };
        tokio::time::timeout(limit, search).await.ok().flatten()
    }
}
