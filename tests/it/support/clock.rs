//! The tests' time and chance: a clock that stands still until it is told to move, and random bytes that come out the
//! same for the same seed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use trypost::domain::{Clock, Entropy, Timestamp};

/// Time that a test moves.
#[derive(Debug)]
pub struct TestClock {
    state: Mutex<State>,
    moved: Notify,
}

#[derive(Debug)]
struct State {
    now: Timestamp,
    next: u64,
    sleepers: BTreeMap<u64, Timestamp>,
}

impl TestClock {
    /// A clock that stands at this instant.
    pub fn at(now: &str) -> Self {
        let now = now.parse().expect("an instant");
        Self { state: Mutex::new(State { now, next: 0, sleepers: BTreeMap::new() }), moved: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves on by this much, past everything that is due meanwhile.
    pub fn pass(&self, time: Duration) {
        let then = self.now() + jiff_span(time);
        self.set(then);
    }

    /// Moves on to this instant; never back.
    pub fn set(&self, then: Timestamp) {
        {
            let mut state = self.state();
            state.now = state.now.max(then);
        }
        self.moved.notify_waiters();
    }

    /// Whether somebody sleeps for exactly this instant.
    pub fn is_awaited(&self, until: Timestamp) -> bool {
        self.state().sleepers.values().any(|one| *one == until)
    }

    /// The next instant that somebody sleeps for, if it is not past already.
    pub fn next_due(&self) -> Option<Timestamp> {
        let state = self.state();
        state.sleepers.values().copied().filter(|until| *until > state.now).min()
    }
}

/// A span of the clock's arithmetic.
pub fn jiff_span(time: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(time).expect("a short time")
}

/// Forgets a sleeper however its sleep ends.
struct Sleeper<'a>(&'a TestClock, u64);

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.0.state().sleepers.remove(&self.1);
    }
}

#[async_trait::async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    async fn sleep_until(&self, until: Timestamp) {
        let sleeper = {
            let mut state = self.state();
            state.next += 1;
            let id = state.next;
            state.sleepers.insert(id, until);
            Sleeper(self, id)
        };
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if self.now() >= until {
                drop(sleeper);
                return;
            }
            moved.await;
        }
    }
}

/// Bytes that follow from a seed.
#[derive(Debug)]
pub struct Seeded {
    seed: String,
    count: AtomicU64,
}

impl Seeded {
    /// The bytes of this seed, from their beginning.
    pub fn new(seed: impl Into<String>) -> Self {
        Self { seed: seed.into(), count: AtomicU64::new(0) }
    }
}

impl Entropy for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            let count = self.count.fetch_add(1, Ordering::Relaxed);
            let block = Sha256::digest(format!("{}/{count}", self.seed));
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}
