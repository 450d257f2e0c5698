//! The link that signs a browser of this machine in: a code that works once, for a short time. It knows neither HTTP nor
//! what is given for the code.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
pub struct SignIn(Arc<Mutex<Option<Open>>>);

struct Open {
    /// The code itself is told once and kept nowhere.
    hash: [u8; 32],
    until: Timestamp,
    wrong: u32,
    /// Somebody has shown it, and what is given for it is being made.
    is_taken: bool,
}

/// A code that was shown. Nobody else can use it meanwhile; dropped without being used up, it can be shown again.
pub struct Claim {
    open: Arc<Mutex<Option<Open>>>,
    hash: [u8; 32],
}

impl SignIn {
    /// A new code. One before it works no more.
    pub fn open(&self, now: Timestamp) -> String {
        let mut bytes = [0_u8; CODE_BYTES];
        random(&mut bytes);
        let code = hex::encode(bytes);
        let hash = keys::hash(&code);
        *lock(&self.0) = Some(Open { hash, until: now.plus_ms(LIFE_MS), wrong: 0, is_taken: false });
        code
    }

    /// The code, if it is this one and nobody else has just shown it. Hashes are compared, so the time it takes tells
    /// nothing of the code.
    pub fn claim(&self, code: &str, now: Timestamp) -> Option<Claim> {
        let mut open = lock(&self.0);
        let known = open.as_mut()?;
        if now >= known.until {
            *open = None;
            return None;
        }
        let hash = keys::hash(code);
        if known.hash == hash {
            let is_free = !known.is_taken;
            known.is_taken = true;
            return is_free.then(|| Claim { open: Arc::clone(&self.0), hash });
        }
        known.wrong += 1;
        if known.wrong >= MAX_WRONG {
            *open = None;
        }
        None
    }
}

impl Claim {
    /// What was to be given for it was given: it works no more.
    pub fn use_up(self) {
        let mut open = lock(&self.open);
        if open.as_ref().is_some_and(|known| known.hash == self.hash) {
            *open = None;
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(known) = lock(&self.open).as_mut().filter(|known| known.hash == self.hash) {
            known.is_taken = false;
        }
    }
}

fn lock(open: &Mutex<Option<Open>>) -> MutexGuard<'_, Option<Open>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
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
        sign_in.claim(&code, at(1)).unwrap().use_up();
        assert!(sign_in.claim(&code, at(2)).is_none());
    }

    #[test]
    fn a_code_that_nothing_was_given_for_works_again_and_never_for_two() {
        let sign_in = SignIn::default();
        let code = sign_in.open(at(0));
        let first = sign_in.claim(&code, at(1)).unwrap();
        assert!(sign_in.claim(&code, at(1)).is_none());
        drop(first);
        let again = sign_in.claim(&code, at(2)).unwrap();
        // A code that came meanwhile is another one.
        let newer = sign_in.open(at(3));
        again.use_up();
        sign_in.claim(&newer, at(4)).unwrap().use_up();
        assert!(sign_in.claim(&code, at(5)).is_none() && sign_in.claim(&newer, at(5)).is_none());
    }

    #[test]
    fn a_code_works_for_a_short_time() {
        let sign_in = SignIn::default();
        let code = sign_in.open(at(0));
        assert!(sign_in.claim(&code, at(LIFE_MS)).is_none());
        assert!(sign_in.claim(&code, at(1)).is_none());
    }

    #[test]
    fn a_new_code_replaces_the_one_before() {
        let sign_in = SignIn::default();
        let first = sign_in.open(at(0));
        let second = sign_in.open(at(1));
        assert_ne!(first, second);
        assert!(sign_in.claim(&first, at(2)).is_none());
        assert!(sign_in.claim(&second, at(2)).is_some());
    }

    #[test]
    fn guessing_ends_it() {
        let sign_in = SignIn::default();
        let code = sign_in.open(at(0));
        for _ in 0..MAX_WRONG {
            assert!(sign_in.claim("0123456789abcdef0123456789abcdef", at(1)).is_none());
        }
        assert!(sign_in.claim(&code, at(1)).is_none());
    }
}
