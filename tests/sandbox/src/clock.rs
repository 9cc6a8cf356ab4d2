//! Time and randomness for the tour: a clock that starts on the same day each time and then runs as fast as any, and
//! bytes that come in the same order, so that two transcripts can be compared by eye.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use tokio::time::Instant;
use trypost::domain::{Clock, Entropy, Timestamp};

/// Friday, 27 November 2026, 10:30 UTC, in Unix seconds.
const BEGIN: i64 = 1_795_775_400;

/// A clock that starts at [`BEGIN`].
pub struct TourClock(Instant);

impl TourClock {
    /// Starts it.
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

#[async_trait]
impl Clock for TourClock {
    fn now(&self) -> Timestamp {
        let begin = Timestamp::from_second(BEGIN).unwrap_or_default();
        begin.checked_add(self.0.elapsed()).unwrap_or(begin)
    }

    async fn sleep_until(&self, until: Timestamp) {
        let left = Duration::try_from(until.duration_since(self.now())).unwrap_or_default();
        tokio::time::sleep(left).await;
    }
}

/// The same bytes in each run.
pub struct TourEntropy(Mutex<StdRng>);

impl Default for TourEntropy {
    fn default() -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(2026)))
    }
}

impl Entropy for TourEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(buffer);
    }
}
