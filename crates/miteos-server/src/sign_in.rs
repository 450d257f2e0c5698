//! The link that signs a browser of this machine in: a code that works once, for a short time. It knows neither HTTP nor
//! what is given for the code.

use std::sync::{Mutex, MutexGuard, PoisonError};

use miteos_core::time::Timestamp;

use crate::clock::random;
use crate::keys;

/// How long a code can be used (ms).
const LIFE_MS: u64 = 10 * 60 * 1000;
/// Wrong guesses after which there is no code any more.
const MAX_WRONG: u32 = 5;
/// Random bytes of a code.
const CODE_BYTES: usize = 16;

/// The one code that can be used at a time, if there is one.
#[derive(Default)]
pub struct SignIn(Mutex<Option<Open>>);

struct Open {
    /// The code itself is told once and kept nowhere.
    hash: [u8; 32],
    until: Timestamp,
    wrong: u32,
}

impl SignIn {
    /// A new code. One before it works no more.
    pub fn open(&self, now: Timestamp) -> String {
        let mut bytes = [0_u8; CODE_BYTES];
        random(&mut bytes);
        let code = hex::encode(bytes);
        *self.lock() = Some(Open { hash: keys::hash(&code), until: now.plus_ms(LIFE_MS), wrong: 0 });
        code
    }

    /// Whether this is the code; then it is used up. Hashes are compared, so the time it takes tells nothing of the code.
    pub fn take(&self, code: &str, now: Timestamp) -> bool {
        let mut open = self.lock();
        let Some(known) = open.as_mut() else { return false };
        if now >= known.until {
            *open = None;
            return false;
        }
        if known.hash == keys::hash(code) {
            *open = None;
            return true;
        }
        known.wrong += 1;
        if known.wrong >= MAX_WRONG {
            *open = None;
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(NOW + ms)
    }

    #[test]
    fn a_code_works_once() {
        let sign_in = SignIn::default();
        let code = sign_in.open(at(0));
        assert!(sign_in.take(&code, at(1)));
        assert!(!sign_in.take(&code, at(2)));
    }

    #[test]
    fn a_code_works_for_a_short_time() {
        let sign_in = SignIn::default();
        let code = sign_in.open(at(0));
        assert!(!sign_in.take(&code, at(LIFE_MS)));
        assert!(!sign_in.take(&code, at(1)));
    }

    #[test]
    fn a_new_code_replaces_the_one_before() {
        let sign_in = SignIn::default();
        let first = sign_in.open(at(0));
        let second = sign_in.open(at(1));
        assert_ne!(first, second);
        assert!(!sign_in.take(&first, at(2)));
        assert!(sign_in.take(&second, at(2)));
    }

    #[test]
    fn guessing_ends_it() {
        let sign_in = SignIn::default();
        let code = sign_in.open(at(0));
        for _ in 0..MAX_WRONG {
            assert!(!sign_in.take("0123456789abcdef0123456789abcdef", at(1)));
        }
        assert!(!sign_in.take(&code, at(1)));
    }
}
