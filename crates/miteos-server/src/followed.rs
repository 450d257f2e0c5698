//! Accounts that one reader follows all at once, and which of them have news. Holds names, never events: as with the
//! feed, the journal says what the news is.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use miteos_store::Scope;
use tokio::sync::Notify;

#[derive(Default)]
pub struct Followed {
    marks: Mutex<Marks>,
    news: Notify,
}

#[derive(Default)]
struct Marks {
    known: HashSet<Scope>,
    fresh: HashSet<Scope>,
}

impl Followed {
    /// From now on; what came before counts as news, too.
    pub fn follow(&self, scope: Scope) {
        let mut marks = self.marks();
        marks.known.insert(scope);
        marks.fresh.insert(scope);
        drop(marks);
        self.news.notify_one();
    }

    pub fn leave(&self, scope: Scope) {
        let mut marks = self.marks();
        marks.known.remove(&scope);
        marks.fresh.remove(&scope);
    }

    /// Something was committed there. Costs a look-up where nobody follows.
    pub fn mark(&self, scope: Scope) {
        let mut marks = self.marks();
        if marks.known.contains(&scope) && marks.fresh.insert(scope) {
            drop(marks);
            self.news.notify_one();
        }
    }

    /// Counts all as having news: what a lost mark costs is the time until this.
    pub fn mark_all(&self) {
        let mut marks = self.marks();
        let Marks { known, fresh } = &mut *marks;
        fresh.extend(known.iter().copied());
        drop(marks);
        self.news.notify_one();
    }

    /// Those that have news, each once.
    pub fn take(&self) -> Vec<Scope> {
        self.marks().fresh.drain().collect()
    }

    /// Until somebody has news that was not taken.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use miteos_core::ids::AccountId;

    #[tokio::test]
    async fn news_is_of_those_that_are_followed_and_comes_once() {
        let scope = |n| Scope { account: AccountId(ulid::Ulid::from_parts(1, n)), live: true };
        let followed = Followed::default();
        followed.mark(scope(1));
        assert!(followed.take().is_empty());
        followed.follow(scope(1));
        followed.follow(scope(2));
        followed.news().await;
        assert_eq!(followed.take().len(), 2);
        followed.mark(scope(2));
        followed.mark(scope(2));
        followed.mark(scope(3));
        followed.news().await;
        assert_eq!(followed.take(), [scope(2)]);
        followed.leave(scope(2));
        followed.mark(scope(2));
        followed.mark_all();
        assert_eq!(followed.take(), [scope(1)]);
    }
}
