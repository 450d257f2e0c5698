//! When a delivery is tried again, and when no more. Pure.

use miteos_core::ids::DeliveryId;
use miteos_core::time::Timestamp;
use sha2::{Digest, Sha256};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// How long is waited after each failed attempt (ms); after one more failure a delivery is given up.
pub const DELAYS_MS: [u64; 7] =
    [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR];
/// A wait becomes longer by up to this part of it, so that what failed together does not come back together.
const JITTER_PERCENT: u64 = 20;
/// The longest wait that a receiver can ask for (ms).
const MAX_RETRY_AFTER_MS: u64 = 24 * HOUR;
/// A webhook with nothing but failures for so long is disabled (ms).
pub const FAILING_LIMIT_MS: u64 = 5 * 24 * HOUR;

/// When a delivery that has failed this often is tried again; `None`: no more. `asked` is how long the receiver wants
/// to be left alone (ms).
pub fn next(delivery: DeliveryId, failed: u32, now: Timestamp, asked: Option<u64>) -> Option<Timestamp> {
    let index = usize::try_from(failed).ok()?.checked_sub(1)?;
    let delay = DELAYS_MS.get(index)?;
    let delay = delay + jitter(delivery, failed, delay * JITTER_PERCENT / 100);
    Some(now.plus_ms(delay.max(asked.unwrap_or(0).min(MAX_RETRY_AFTER_MS))))
}

/// From 0 to `most`: the same each time for the same attempt, spread evenly over attempts.
fn jitter(delivery: DeliveryId, failed: u32, most: u64) -> u64 {
    let mut hasher = Sha256::new();
    hasher.update(delivery.0.to_bytes());
    hasher.update(failed.to_be_bytes());
    let hash = hasher.finalize();
    let number = hash.iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    number % (most + 1)
}

/// Reads `Retry-After`: seconds, or a date. In milliseconds from now.
pub fn retry_after(text: &str, now: Timestamp) -> Option<u64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds.saturating_mul(SECOND));
    }
    let at = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(u64::try_from(at.as_millis()).ok()?.saturating_sub(now.millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> DeliveryId {
        DeliveryId(ulid::Ulid::from_parts(1, n))
    }

    const NOW: u64 = 1_700_000_000_000;

    fn wait(n: u128, failed: u32, asked: Option<u64>) -> Option<u64> {
        let now = Timestamp::from_millis(NOW);
        next(id(n), failed, now, asked).map(|at| at.since(now))
    }

    #[test]
    fn waits_follow_the_schedule_and_end() {
        let hours: u64 = DELAYS_MS.iter().sum::<u64>() / HOUR;
        assert_eq!(hours, 27);
        for n in 0..200 {
            for (failed, delay) in (1..).zip(DELAYS_MS) {
                let wait = wait(n, failed, None).unwrap();
                assert!((delay..=delay * 120 / 100).contains(&wait), "attempt {failed}: {wait}");
            }
            assert_eq!(wait(n, 8, None), None);
            assert_eq!(wait(n, 0, None), None);
            assert_eq!(wait(n, u32::MAX, Some(5)), None);
        }
    }

    #[test]
    fn jitter_is_spread_and_the_same_each_time() {
        assert_eq!(wait(7, 3, None), wait(7, 3, None));
        let waits: std::collections::BTreeSet<_> = (0..100).map(|n| wait(n, 4, None)).collect();
        assert!(waits.len() > 90, "{}", waits.len());
        let (least, most) = (waits.first().unwrap().unwrap(), waits.last().unwrap().unwrap());
        assert!(most - least > 2 * HOUR * 15 / 100, "{least} to {most}");
    }

    #[test]
    fn the_receiver_can_ask_for_more_time_within_bounds() {
        assert_eq!(wait(1, 1, Some(90 * SECOND)), Some(90 * SECOND));
        assert_eq!(wait(1, 1, Some(0)), wait(1, 1, None));
        assert_eq!(wait(1, 1, Some(u64::MAX)), Some(24 * HOUR));
        assert_eq!(wait(1, 7, Some(60 * SECOND)), wait(1, 7, None));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp::from_millis(NOW);
        assert_eq!(retry_after(" 120 ", now), Some(120_000));
        assert_eq!(retry_after("Tue, 14 Nov 2023 22:14:20 GMT", now), Some(60_000));
        assert_eq!(retry_after("Mon, 13 Nov 2023 22:14:20 GMT", now), Some(0));
        assert_eq!(retry_after("99999999999999999999", now), None);
        for nonsense in ["", "soon", "-5", "1.5"] {
            assert_eq!(retry_after(nonsense, now), None, "{nonsense}");
        }
    }
}
