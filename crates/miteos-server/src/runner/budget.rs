//! What a task's budget still allows. Each model call reserves its worst case before it begins; the reservation stands
//! until what the call really cost is in the journal, so that calls side by side cannot pass the budget together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use miteos_core::money::MicroUsd;
use miteos_core::pending::EffectKey;
use miteos_core::task::Task;

/// The reservations of one task's calls.
#[derive(Clone, Default)]
pub struct Reservations(Arc<Mutex<HashMap<EffectKey, MicroUsd>>>);

impl Reservations {
    /// For a call that is about to begin.
    pub fn purse(&self, task: &Task, key: EffectKey) -> Purse {
        let left = task.budget().map(|budget| budget.saturating_sub(task.cost()));
        Purse { left, key, reservations: self.clone() }
    }

    /// The call's cost is recorded, or it cost nothing.
    pub fn release(&self, key: EffectKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }
}

/// What one call may spend.
pub struct Purse {
    left: Option<MicroUsd>,
    key: EffectKey,
    reservations: Reservations,
}

impl Purse {
    pub fn is_limited(&self) -> bool {
        self.left.is_some()
    }

    /// Whether the worst case fits beside what others have reserved; if so, it is reserved.
    pub fn reserve(&self, worst: MicroUsd) -> bool {
        let Some(left) = self.left else { return true };
        let mut all = self.reservations.0.lock().unwrap_or_else(PoisonError::into_inner);
        let others: MicroUsd =
            all.iter().filter(|(key, _)| **key != self.key).map(|(_, amount)| *amount).sum();
        if others + worst > left {
            return false;
        }
        all.insert(self.key, worst);
        true
    }
}
