//! A map that keeps what was used lately, up to a size: what was used longest ago goes first.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Values with the sizes that they were put in with.
pub struct Recent<K, V> {
    kept: Mutex<Kept<K, V>>,
    max_size: usize,
}

struct Kept<K, V> {
    by_key: HashMap<K, One<V>>,
    size: usize,
    /// Counts uses, so that the one that was used longest ago is known.
    uses: u64,
}

struct One<V> {
    value: V,
    size: usize,
    used: u64,
}

impl<K: Eq + Hash + Clone, V: Clone> Recent<K, V> {
    pub fn new(max_size: usize) -> Self {
        let kept = Kept { by_key: HashMap::new(), size: 0, uses: 0 };
        Self { kept: Mutex::new(kept), max_size }
    }

    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let mut kept = self.lock();
        kept.uses += 1;
        let now = kept.uses;
        let one = kept.by_key.get_mut(key)?;
        one.used = now;
        Some(one.value.clone())
    }

    /// The newest stays, however big it is.
    pub fn put(&self, key: K, value: V, size: usize) {
        let mut kept = self.lock();
        kept.uses += 1;
        kept.size += size;
        let one = One { value, size, used: kept.uses };
        if let Some(twin) = kept.by_key.insert(key, one) {
            kept.size -= twin.size;
        }
        while kept.size > self.max_size && kept.by_key.len() > 1 {
            let oldest = kept.by_key.iter().min_by_key(|(_, one)| one.used).map(|(key, _)| key.clone());
            let Some(gone) = oldest.and_then(|key| kept.by_key.remove(&key)) else { return };
            kept.size -= gone.size;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept<K, V>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let recent = Recent::new(10);
        for n in 0..5 {
            recent.put(n, n, 2);
        }
        assert_eq!(recent.get(&0), Some(0));
        recent.put(5, 5, 3);
        let left: Vec<i32> = (0..6).filter(|n| recent.lock().by_key.contains_key(n)).collect();
        assert_eq!((left, recent.lock().size), (vec![0, 3, 4, 5], 9));
        recent.put(5, 6, 1);
        assert_eq!((recent.get(&5), recent.lock().size), (Some(6), 7));
        recent.put(7, 7, 100);
        assert_eq!((recent.get(&7), recent.get(&5), recent.lock().size), (Some(7), None, 100));
    }
}
