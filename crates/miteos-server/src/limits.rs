//! How many requests a key has made in its last minute. Knows nothing of HTTP, and of keys only their ids.
//!
//! A minute is the second in which a request comes and the 59 before it. Each key has a counter for each of them, so a
//! decision is exact and takes the same room and time whatever the limit is.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use miteos_core::ids::KeyId;
use miteos_core::time::Timestamp;
use miteos_store::{KeyMark, Store, StoreError};

/// Length of a minute (s).
pub const WINDOW_S: u64 = 60;
const SECONDS: usize = 60;

/// What a request is told about its key's minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub allowed: bool,
    pub limit: u64,
    /// Requests that would be allowed right after this one.
    pub remaining: u64,
    /// When the oldest counted request leaves the minute, so that there is room for more: seconds from now.
    pub reset_s: u64,
    /// The same as a point in time (seconds since 1970).
    pub reset_at_s: u64,
}

#[derive(Debug, Clone)]
struct Minute {
    /// Requests of a second, at the second modulo 60.
    counts: [u32; SECONDS],
    total: u64,
    newest: u64,
    last_used: Timestamp,
    /// Not written down since it changed.
    changed: bool,
}

impl Minute {
    fn new(second: u64) -> Self {
        let none = Timestamp::from_millis(0);
        Self { counts: [0; SECONDS], total: 0, newest: second, last_used: none, changed: false }
    }

    fn slot(second: u64) -> usize {
        // Less than 60.
        usize::try_from(second % WINDOW_S).unwrap_or(0)
    }

    /// Forgets what has left the minute that ends with `second`, and gives that second. A clock that was set back a
    /// little counts on where it was; one that was set back far counts anew, with nothing forgiven.
    fn advance(&mut self, second: u64) -> u64 {
        if self.newest > second.saturating_add(WINDOW_S) {
            self.counts = [0; SECONDS];
            self.counts[Self::slot(second)] = u32::try_from(self.total).unwrap_or(u32::MAX);
            self.newest = second;
            return second;
        }
        let second = second.max(self.newest);
        for passed in (self.newest + 1..=second).take(SECONDS) {
            self.total -= u64::from(std::mem::take(&mut self.counts[Self::slot(passed)]));
        }
        self.newest = second;
        second
    }

    fn take(&mut self, limit: u64, now: Timestamp) -> Verdict {
        let second = self.advance(now.millis() / 1000);
        let count = &mut self.counts[Self::slot(second)];
        let allowed = self.total < limit && *count < u32::MAX;
        if allowed {
            *count += 1;
            self.total += 1;
            self.last_used = now;
            self.changed = true;
        }
        let reset_s = self.next_leaves(second);
        let remaining = limit.saturating_sub(self.total);
        Verdict { allowed, limit, remaining, reset_s, reset_at_s: second + reset_s }
    }

    /// Seconds until the oldest counted request leaves.
    fn next_leaves(&self, second: u64) -> u64 {
        let counted = |age: &u64| second >= *age && self.counts[Self::slot(second - age)] > 0;
        (0..WINDOW_S).rev().find(counted).map_or(0, |age| WINDOW_S - age)
    }
}

/// Whether what comes after the writing can still be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// More may be counted and lost with the process: the busiest guess is written, a second like the last one.
    GoingOn,
    /// The last time: what is written is exact.
    Last,
}

/// The minutes of all keys that are in use.
#[derive(Default)]
pub struct Limiter {
    keys: Mutex<HashMap<KeyId, Minute>>,
}

impl Limiter {
    /// Goes on from what was written down. What was counted then counts as if it had come in the last of its seconds.
    pub async fn load(store: &Store, now: Timestamp) -> Result<Self, StoreError> {
        let since = Timestamp::from_millis(now.millis().saturating_sub(WINDOW_S * 1000));
        let mut keys = HashMap::new();
        for mark in store.key_marks(since).await? {
            let second = mark.at.millis() / 1000;
            let mut minute = Minute::new(second);
            minute.total = mark.requests.min(u64::from(u32::MAX));
            minute.counts[Minute::slot(second)] = u32::try_from(minute.total).unwrap_or(u32::MAX);
            minute.last_used = mark.last_used_at;
            keys.insert(mark.key, minute);
        }
        Ok(Self { keys: Mutex::new(keys) })
    }

    /// Counts a request of a key, if there is room for it.
    pub fn take(&self, key: KeyId, limit: u64, now: Timestamp) -> Verdict {
        let mut keys = self.keys();
        keys.entry(key).or_insert_with(|| Minute::new(now.millis() / 1000)).take(limit, now)
    }

    /// When a key was last used, as far as this process knows.
    pub fn last_used(&self, key: KeyId) -> Option<Timestamp> {
        self.keys().get(&key).map(|minute| minute.last_used).filter(|at| at.millis() > 0)
    }

    /// Writes down what has changed, and forgets keys whose minute is empty.
    pub async fn write_down(
        &self,
        store: &Store,
        now: Timestamp,
        writing: Writing,
    ) -> Result<(), StoreError> {
        let marks = self.marks(now, writing);
        if marks.is_empty() {
            return Ok(());
        }
        let keys: Vec<KeyId> = marks.iter().map(|mark| mark.key).collect();
        let written = store.mark_keys(marks).await;
        if written.is_err() {
            let mut minutes = self.keys();
            for key in keys {
                if let Some(minute) = minutes.get_mut(&key) {
                    minute.changed = true;
                }
            }
        }
        written
    }

    fn marks(&self, now: Timestamp, writing: Writing) -> Vec<KeyMark> {
        let mut keys = self.keys();
        let second = now.millis() / 1000;
        keys.retain(|_, minute| minute.changed || minute.newest + WINDOW_S > second);
        // At the end everything is written, in place of guesses that were written before.
        let wanted = |minute: &Minute| minute.changed || writing == Writing::Last;
        keys.iter_mut()
            .filter(|(_, minute)| wanted(minute))
            .map(|(key, minute)| {
                minute.changed = false;
                let lost = match writing {
                    Writing::GoingOn => u64::from(minute.counts[Minute::slot(minute.newest)]),
                    Writing::Last => 0,
                };
                KeyMark {
                    key: *key,
                    requests: minute.total + lost,
                    at: Timestamp::from_millis(minute.newest * 1000),
                    last_used_at: minute.last_used,
                }
            })
            .collect()
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<KeyId, Minute>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + ms)
    }

    fn key() -> KeyId {
        KeyId(ulid::Ulid::from_parts(1, 1))
    }

    #[test]
    fn exactly_the_limit_fits_into_any_sixty_seconds_of_the_clock() {
        let limiter = Limiter::default();
        let mut allowed = Vec::new();
        for tenth in 0..3_000 {
            let now = tenth * 100;
            if limiter.take(key(), 60, at(now)).allowed {
                allowed.push(now / 1000);
            }
        }
        for second in 59..300 {
            let inside = allowed.iter().filter(|s| (second - 59..=second).contains(*s)).count();
            assert!(inside <= 60, "{inside} up to {second}");
        }
        assert_eq!(allowed.len(), 300, "and no fewer: 60 for each of the five minutes");
    }

    #[test]
    fn the_headers_say_what_then_happens() {
        let limiter = Limiter::default();
        let take = |ms| limiter.take(key(), 2, at(ms));
        let first = take(500);
        assert_eq!((first.allowed, first.remaining, first.reset_s), (true, 1, 60));
        assert_eq!(first.reset_at_s, 1_700_000_060);
        let second = take(10_000);
        assert_eq!((second.allowed, second.remaining, second.reset_s), (true, 0, 50));
        let refused = take(20_999);
        assert_eq!((refused.allowed, refused.remaining, refused.reset_s), (false, 0, 40));
        assert!(!take(20_999 + 39_000).allowed, "a second too early");
        let third = take(20_999 + 40_000);
        assert_eq!((third.allowed, third.remaining, third.reset_s), (true, 0, 10));
    }

    #[test]
    fn a_clock_that_goes_back_forgives_nothing_and_locks_nobody_out() {
        let limiter = Limiter::default();
        let take = |ms| limiter.take(key(), 2, at(ms)).allowed;
        assert!(take(100_000) && take(99_000));
        assert!(!take(98_000));
        let hour = 3_600_000;
        assert!(limiter.take(key(), 3, at(hour)).allowed);
        assert!(!limiter.take(key(), 1, at(0)).allowed);
        assert!(limiter.take(key(), 1, at(60_000)).allowed, "not an hour later");
    }

    #[tokio::test]
    async fn what_was_written_down_counts_after_a_start() {
        let folder = tempfile::tempdir().unwrap();
        let config = miteos_store::StoreConfig::in_folder(folder.path());
        let store = Store::open(config).await.unwrap();
        let limiter = Limiter::default();
        for _ in 0..3 {
            limiter.take(key(), 10, at(1_000));
        }
        limiter.take(key(), 10, at(2_000));
        limiter.write_down(&store, at(2_000), Writing::Last).await.unwrap();
        let again = Limiter::load(&store, at(5_000)).await.unwrap();
        assert_eq!(again.take(key(), 10, at(5_000)).remaining, 5);
        assert_eq!(again.last_used(key()), Some(at(5_000)));
        // After a kill a second like the last is taken to be lost.
        again.take(key(), 10, at(5_000));
        again.write_down(&store, at(5_500), Writing::GoingOn).await.unwrap();
        let killed = Limiter::load(&store, at(5_900)).await.unwrap();
        assert_eq!(killed.take(key(), 10, at(5_900)).remaining, 10 - (4 + 2 + 2) - 1);
        killed.write_down(&store, at(5_900), Writing::GoingOn).await.unwrap();
        killed.write_down(&store, at(5_900), Writing::Last).await.unwrap();
        let stopped = Limiter::load(&store, at(5_900)).await.unwrap();
        assert_eq!(stopped.take(key(), 10, at(5_900)).remaining, 10 - 9 - 1, "exact, where it was a guess");
        let later = Limiter::load(&store, at(70_000)).await.unwrap();
        assert_eq!(later.take(key(), 10, at(70_000)).remaining, 9);
        // Nothing is kept of a key that has been quiet for a minute.
        killed.write_down(&store, at(5_900), Writing::GoingOn).await.unwrap();
        killed.write_down(&store, at(66_000), Writing::GoingOn).await.unwrap();
        assert_eq!(killed.keys().len(), 0);
    }
}
