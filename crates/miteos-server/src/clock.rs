//! The time and the random ids, which the rest of the server is given and never takes itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use miteos_core::time::Timestamp;
use ulid::Ulid;

#[async_trait]
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;

    /// Returns when `now()` has reached this time. May return early; callers look at the clock again.
    async fn sleep_until(&self, at: Timestamp);
}

/// The machine's own clock.
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the injected clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    async fn sleep_until(&self, at: Timestamp) {
        tokio::time::sleep(Duration::from_millis(at.since(self.now()))).await;
    }
}

/// Where new ids come from.
pub enum Ids {
    /// The operating system's randomness.
    Random,
    /// Counted, so that a test sees the same ids each time.
    Counted(AtomicU64),
}

impl Ids {
    pub fn ulid(&self, at: Timestamp) -> Ulid {
        let mut bytes = [0_u8; 16];
        match self {
            Self::Random => random(&mut bytes[..10]),
            Self::Counted(next) => {
                bytes[..8].copy_from_slice(&next.fetch_add(1, Ordering::Relaxed).to_le_bytes())
            }
        }
        Ulid::from_parts(at.millis(), u128::from_le_bytes(bytes))
    }
}

/// Fills with randomness that nobody can guess.
pub fn random(bytes: &mut [u8]) {
    if let Err(error) = getrandom::fill(bytes) {
        // Without randomness keys and ids could be guessed: better no server than such a one.
        tracing::error!(%error, "the operating system gives no randomness");
        std::process::abort();
    }
}
