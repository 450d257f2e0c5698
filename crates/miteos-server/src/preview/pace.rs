//! How many requests a preview may be asked a second: enough for any page, too few to wear the server out. Knows labels
//! and seconds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use miteos_core::time::Timestamp;

/// Requests of one second that are answered.
pub const MAX_PER_SECOND: u32 = 1_000;
/// Previews that are counted at the same time; one more, and those of earlier seconds are forgotten.
const MAX_COUNTED: usize = 4_096;

#[derive(Default)]
pub struct Pace {
    counted: Mutex<HashMap<String, Second>>,
}

struct Second {
    at: u64,
    requests: u32,
}

impl Pace {
    /// Counts a request, if there is room for it.
    pub fn take(&self, label: &str, now: Timestamp) -> bool {
        let at = now.millis() / 1000;
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= MAX_COUNTED && !counted.contains_key(label) {
            counted.retain(|_, second| second.at == at);
        }
        let second = counted.entry(label.to_owned()).or_insert(Second { at, requests: 0 });
        if second.at != at {
            *second = Second { at, requests: 0 };
        }
        if second.requests >= MAX_PER_SECOND {
            return false;
        }
        second.requests += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
