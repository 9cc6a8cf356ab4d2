//! Time and randomness as arguments, so that tests own both. Nothing else in the house asks the system for either.

use std::time::Duration;

use async_trait::async_trait;
pub use jiff::Timestamp;
use rand::TryRngCore;

/// Where "now" comes from.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// Returns once `now()` has reached `until`; at once when it is past. Cancel-safe.
    async fn sleep_until(&self, until: Timestamp);
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep_until(&self, until: Timestamp) {
        // Short naps, because the wall clock may be set while we sleep.
        loop {
            let left = until.duration_since(self.now());
            if !left.is_positive() {
                return;
            }
            let left = Duration::try_from(left).unwrap_or_default();
            tokio::time::sleep(left.min(Duration::from_secs(30))).await;
        }
    }
}

/// Where random bytes come from.
pub trait Entropy: Send + Sync {
    /// Fills the buffer with unpredictable bytes (predictable ones in tests).
    fn fill(&self, buffer: &mut [u8]);
}

/// The operating system's random source.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        // Without randomness there is no safe way on: not a token, not a nonce.
        #[expect(clippy::expect_used, reason = "getrandom fails only on a broken system, where nothing may be sealed")]
        rand::rngs::OsRng.try_fill_bytes(buffer).expect("the system gives random bytes");
    }
}

/// `N` random bytes.
pub fn random<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}

/// An unguessable token of 160 bits in 32 lower-case base32 characters, fit for links, buttons and OAuth's `state`.
pub fn token(entropy: &dyn Entropy) -> String {
    data_encoding::BASE32_NOPAD.encode(&random::<20>(entropy)).to_lowercase()
}

/// SHA-256 in hex: how single-use tokens are stored, so that a copy of the database opens nothing.
pub fn fingerprint(token: &str) -> String {
    use sha2::Digest;
    data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(token.as_bytes()))
}
