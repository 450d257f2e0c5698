//! How many requests a preview may be asked a second: enough for any page, too few to wear the server out. And how often
//! it is looked whether there is a preview at all. Knows labels and seconds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use miteos_core::time::Timestamp;

use super::recent::Recent;

/// Requests of one second that are answered.
pub const MAX_PER_SECOND: u32 = 1_000;
/// Previews that are counted at the same time; one more, and those of earlier seconds are forgotten.
const MAX_COUNTED: usize = 4_096;
/// Looks of one second for previews that nobody has found lately: all of them together.
pub const MAX_LOOKS_PER_SECOND: u32 = 200;
/// Previews that are remembered to be there; one more, and the one that nobody asked for longest is looked up anew.
const MAX_FOUND: usize = 16_384;

pub struct Pace {
    counted: Mutex<HashMap<String, Second>>,
    found: Recent<String, ()>,
    looks: Mutex<Second>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { counted: Mutex::default(), found: Recent::new(MAX_FOUND), looks: Mutex::default() }
    }
}

#[derive(Default)]
struct Second {
    at: u64,
    requests: u32,
}

impl Pace {
    /// Whether it may be looked now if there is a preview of this name. Who guesses names gets no further than this.
    pub fn may_look(&self, label: &str, now: Timestamp) -> bool {
        if self.found.get(label).is_some() {
            return true;
        }
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        looks.count(now, MAX_LOOKS_PER_SECOND)
    }

    /// There is one: somebody has found it, or its address was just told.
    pub fn found(&self, label: &str) {
        if self.found.get(label).is_none() {
            self.found.put(label.to_owned(), (), 1);
        }
    }

    /// Counts a request, if there is room for it.
    pub fn take(&self, label: &str, now: Timestamp) -> bool {
        let at = now.millis() / 1000;
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= MAX_COUNTED && !counted.contains_key(label) {
            counted.retain(|_, second| second.at == at);
        }
        counted.entry(label.to_owned()).or_default().count(now, MAX_PER_SECOND)
    }
}

impl Second {
    fn count(&mut self, now: Timestamp, most: u32) -> bool {
        let at = now.millis() / 1000;
        if self.at != at {
            *self = Self { at, requests: 0 };
        }
        if self.requests >= most {
            return false;
        }
        self.requests += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_guesses_names_shares_a_second_with_all_others_who_do() {
        let (pace, at) = (Pace::default(), Timestamp::from_millis);
        pace.found("known");
        let looked = (0..1_000).filter(|n| pace.may_look(&n.to_string(), at(1_500))).count();
        assert_eq!(looked, 200);
        assert!(!pace.may_look("new", at(1_999)) && pace.may_look("known", at(1_999)));
        assert!(pace.may_look("new", at(2_000)));
        assert_eq!((0..1_000).filter(|n| pace.may_look(&n.to_string(), at(3_500))).count(), 200);
        for n in 0..MAX_FOUND - 1 {
            pace.found(&n.to_string());
        }
        // One more than is remembered: what was asked for longest ago is forgotten, and nothing else.
        assert!(pace.may_look("known", at(3_500)));
        pace.found("last");
        assert!(!pace.may_look("0", at(3_500)));
        assert!(pace.may_look("known", at(3_500)) && pace.may_look("1", at(3_500)));
    }

    #[test]
    fn each_preview_has_its_own_second() {
        let pace = Pace::default();
        let at = Timestamp::from_millis;
        let taken = (0..MAX_PER_SECOND + 5).filter(|_| pace.take("a", at(1_999))).count();
        assert_eq!(taken, 1_000);
        assert!(!pace.take("a", at(1_000)) && pace.take("b", at(1_000)) && pace.take("a", at(2_000)));
        for n in 0..MAX_COUNTED {
            pace.take(&n.to_string(), at(3_000));
        }
        assert!(pace.take("late", at(4_000)));
        assert_eq!(pace.counted.lock().unwrap().len(), 1);
    }
}
