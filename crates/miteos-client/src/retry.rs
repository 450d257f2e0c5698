//! How often and how long to wait between attempts. Knows nothing of what is attempted.

use std::time::Duration;

/// A server that asks for a longer pause than this is not waited for; the caller is told instead.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Exponential backoff with jitter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts of one call in all, the first included.
    pub attempts: u32,
    /// Attempts in a row to reopen an event stream without a single new event.
    pub stream_attempts: u32,
    /// The first pause; each later one is twice as long.
    pub base: Duration,
    /// The longest pause.
    pub cap: Duration,
}

impl Default for RetryPolicy {
    /// A call gives up after about 3 seconds, a stream after about 3 minutes: long enough for a server to be
    /// restarted under it.
    fn default() -> Self {
        Self {
            attempts: 5,
            stream_attempts: 40,
            base: Duration::from_millis(200),
            cap: Duration::from_secs(5),
        }
    }
}

impl RetryPolicy {
    /// One attempt, no pause.
    pub fn never() -> Self {
        Self { attempts: 1, stream_attempts: 1, base: Duration::ZERO, cap: Duration::ZERO }
    }

    /// The pause before attempt `failed + 1`: between half and the whole of the backoff, but at least what
    /// the server asked for. `None`: it asked for too much.
    pub(crate) fn pause(&self, failed: u32, asked: Option<Duration>) -> Option<Duration> {
        let full = self.base.saturating_mul(1_u32 << failed.saturating_sub(1).min(16)).min(self.cap);
        let jittered = full.mul_f64(0.5 + 0.5 * fraction());
        match asked {
            Some(asked) if asked > MAX_RETRY_AFTER => None,
            Some(asked) => Some(asked.max(jittered)),
            None => Some(jittered),
        }
    }
}

/// A number from 0 to 1 that differs from client to client; 1 where the system has no randomness to give.
fn fraction() -> f64 {
    getrandom::u32().map_or(1.0, |n| f64::from(n) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_cap_and_honour_the_server() {
        let policy = RetryPolicy::default();
        let mut last_ceiling = Duration::ZERO;
        for failed in 1..40 {
            let pause = policy.pause(failed, None).unwrap();
            let ceiling = policy.base.saturating_mul(1 << (failed - 1).min(16)).min(policy.cap);
            assert!(pause <= ceiling && pause >= ceiling / 2, "{failed}: {pause:?}");
            assert!(ceiling >= last_ceiling);
            last_ceiling = ceiling;
        }
        assert_eq!(last_ceiling, policy.cap);
        let asked = Duration::from_secs(30);
        assert_eq!(policy.pause(1, Some(asked)), Some(asked));
        assert_eq!(policy.pause(1, Some(Duration::from_secs(3600))), None);
    }
}
