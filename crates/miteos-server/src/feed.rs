//! Who waits for news of which task. Holds numbers, never events: a reader that is told "up to 17 now" reads the
//! journal, so a slow one costs no memory and misses nothing.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use miteos_core::ids::TaskId;
use miteos_store::Scope;
use tokio::sync::watch;

use crate::followed::Followed;

#[derive(Default)]
pub struct Feed {
    tasks: Topic<TaskId>,
    accounts: Topic<Scope>,
    followed: Followed,
}

impl Feed {
    /// Tells the watchers of a task that its log now reaches to `seq`. Only after the commit.
    pub fn publish(&self, task: TaskId, scope: Scope, seq: u64) {
        self.tasks.publish(task, seq);
        self.accounts.bump(scope);
        self.followed.mark(scope);
    }

    /// The accounts that are followed all at once.
    pub fn followed(&self) -> &Followed {
        &self.followed
    }

    /// The value is the last known `seq`; it only tells that there may be more, the journal says what.
    pub fn watch(self: &Arc<Self>, task: TaskId) -> watch::Receiver<u64> {
        self.tasks.watch(task)
    }

    pub fn watch_account(self: &Arc<Self>, scope: Scope) -> watch::Receiver<u64> {
        self.accounts.watch(scope)
    }
}

/// One level to wait on for each key that somebody waits for.
struct Topic<K>(Mutex<HashMap<K, watch::Sender<u64>>>);

impl<K> Default for Topic<K> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

/// A topic with more entries than this looks for ones that nobody waits for, each time it doubled.
const SWEEP_FROM: usize = 1024;

impl<K: Hash + Eq + Copy> Topic<K> {
    fn publish(&self, key: K, level: u64) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = map.get(&key) else { return };
        if sender.is_closed() {
            map.remove(&key);
        } else {
            sender.send_if_modified(|old| {
                let news = level > *old;
                *old = level.max(*old);
                news
            });
        }
    }

    fn bump(&self, key: K) {
        let level = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .map(|sender| *sender.borrow() + 1);
        if let Some(level) = level {
            self.publish(key, level);
        }
    }

    fn watch(&self, key: K) -> watch::Receiver<u64> {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= SWEEP_FROM && map.len().is_power_of_two() {
            map.retain(|_, sender| !sender.is_closed());
        }
        map.entry(key).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use miteos_core::ids::AccountId;

    #[tokio::test]
    async fn a_late_watcher_is_told_the_next_level_and_the_map_does_not_grow() {
        let feed = Arc::new(Feed::default());
        let task = TaskId(ulid::Ulid::from_parts(1, 1));
        let scope = Scope { account: AccountId(ulid::Ulid::from_parts(1, 2)), live: true };
        feed.publish(task, scope, 3);
        let mut one = feed.watch(task);
        let mut all = feed.watch_account(scope);
        feed.publish(task, scope, 4);
        feed.publish(task, scope, 2);
        one.changed().await.unwrap();
        assert_eq!(*one.borrow_and_update(), 4);
        all.changed().await.unwrap();
        drop(one);
        feed.publish(task, scope, 5);
        assert!(feed.tasks.0.lock().unwrap().is_empty());
    }
}
