//! What is not to be collected although nothing names it yet: blobs that are being put, and those that were put or found
//! lately, since whoever did so is about to name them. It knows no files and no clock; the collection says when time has
//! passed.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use miteos_core::content::Sha256;
use tokio::sync::RwLock;

/// Stretches of time that are remembered besides the present one.
const REMEMBERED: u64 = 1;

#[derive(Default)]
pub(super) struct Shared {
    /// Blobs being put right now. One of these may be found before it is durable.
    in_flight: Mutex<HashMap<Sha256, usize>>,
    wanted: Mutex<Wanted>,
    numbers: AtomicU64,
    /// Read by who looks whether a blob is there, written by who takes one away.
    pub(super) gate: RwLock<()>,
}

/// What was put or found, by the stretch of time in which that was.
struct Wanted {
    /// The present one is the last.
    stretches: VecDeque<HashSet<Sha256>>,
    /// The number of the first.
    first: u64,
    /// The stretches in which what is held was begun, and how many each.
    holds: BTreeMap<u64, usize>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { stretches: VecDeque::from([HashSet::new()]), first: 0, holds: BTreeMap::new() }
    }
}

impl Wanted {
    fn present(&self) -> u64 {
        self.first + (self.stretches.len() as u64).saturating_sub(1)
    }
}

impl Shared {
    /// Differs from all others of this process.
    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn take_off(self: &Arc<Self>, sha256: &Sha256) -> Flight {
        *self.in_flight().entry(sha256.clone()).or_insert(0) += 1;
        Flight { shared: Arc::clone(self), sha256: sha256.clone() }
    }

    pub(super) fn is_in_flight(&self, sha256: &Sha256) -> bool {
        self.in_flight().contains_key(sha256)
    }

    pub(super) fn want(&self, sha256: &Sha256) {
        if let Some(present) = self.wanted().stretches.back_mut() {
            present.insert(sha256.clone());
        }
    }

    pub(super) fn is_wanted(&self, sha256: &Sha256) -> bool {
        self.is_in_flight(sha256) || self.wanted().stretches.iter().any(|stretch| stretch.contains(sha256))
    }

    pub(super) fn age(&self) {
        let mut wanted = self.wanted();
        wanted.stretches.push_back(HashSet::new());
        let usual = wanted.present().saturating_sub(REMEMBERED);
        let needed = wanted.holds.keys().next().map_or(usual, |held| usual.min(*held));
        while wanted.first < needed {
            wanted.stretches.pop_front();
            wanted.first += 1;
        }
    }

    pub(super) fn hold(self: &Arc<Self>) -> Hold {
        let mut wanted = self.wanted();
        let since = wanted.present();
        *wanted.holds.entry(since).or_insert(0) += 1;
        Hold { shared: Arc::clone(self), since }
    }

    fn in_flight(&self) -> MutexGuard<'_, HashMap<Sha256, usize>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One put under way.
pub(super) struct Flight {
    shared: Arc<Shared>,
    pub(super) sha256: Sha256,
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut in_flight = self.shared.in_flight();
        if let Some(count) = in_flight.get_mut(&self.sha256) {
            *count -= 1;
            if *count == 0 {
                in_flight.remove(&self.sha256);
            }
        }
    }
}

/// Keeps what is put or found while it lives.
pub struct Hold {
    shared: Arc<Shared>,
    since: u64,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut wanted = self.shared.wanted();
        if let Some(count) = wanted.holds.get_mut(&self.since) {
            *count -= 1;
            if *count == 0 {
                wanted.holds.remove(&self.since);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_wanted_is_kept_for_a_while_and_as_long_as_it_is_held() {
        let shared = Arc::new(Shared::default());
        let [a, b, c] = [b"a", b"b", b"c"].map(|name| Sha256::of(name));
        shared.want(&a);
        shared.age();
        assert!(shared.is_wanted(&a) && !shared.is_wanted(&b));
        let hold = shared.hold();
        shared.want(&b);
        shared.age();
        assert!(!shared.is_wanted(&a) && shared.is_wanted(&b));
        let second = shared.hold();
        for _ in 0..5 {
            shared.age();
        }
        shared.want(&c);
        assert!(shared.is_wanted(&b), "it is held");
        drop(hold);
        shared.age();
        assert!(!shared.is_wanted(&b) && shared.is_wanted(&c));
        shared.age();
        shared.age();
        assert!(shared.is_wanted(&c), "the second hold began before it");
        drop(second);
        shared.age();
        assert!(!shared.is_wanted(&c));
        assert_eq!(shared.wanted().stretches.len(), 2);
        let flight = shared.take_off(&a);
        assert!(shared.is_wanted(&a));
        drop(flight);
        assert!(!shared.is_wanted(&a));
    }
}
