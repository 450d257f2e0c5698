//! Who may work: a few deployments at once, and of one account only some of these, so that none waits for another's
//! alone. One that merely asks its provider whether it is done holds no place, nor one that its provider has told to wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use miteos_core::ids::AccountId;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Deployments that are built or uploaded at the same time; more wait.
pub const MAX_AT_ONCE: usize = 8;
/// Of these, at most so many of one account.
pub const MAX_OF_ACCOUNT: usize = 4;

pub struct Turns {
    all: Arc<Semaphore>,
    /// Of the accounts that have a deployment which works or waits for a place.
    accounts: Mutex<HashMap<AccountId, Weak<Semaphore>>>,
}

/// Held while a deployment works.
pub struct Turn {
    _one: OwnedSemaphorePermit,
    _of_account: OwnedSemaphorePermit,
}

/// The place of one deployment, as whoever works for it sees it.
#[async_trait]
pub trait Seat: Sync {
    /// Gives it back.
    fn leave(&self);

    /// Waits for one, unless there is one.
    async fn take(&self);
}

impl Default for Turns {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(MAX_AT_ONCE)), accounts: Mutex::default() }
    }
}

impl Turns {
    /// Waits for a place, first come first served: among the account's own first, so that those behind its last place
    /// stand in nobody's way.
    pub async fn take(&self, account: AccountId) -> Result<Turn, AcquireError> {
        let of_account = self.of(account).acquire_owned().await?;
        let one = Arc::clone(&self.all).acquire_owned().await?;
        Ok(Turn { _one: one, _of_account: of_account })
    }

    fn of(&self, account: AccountId) -> Arc<Semaphore> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = accounts.get(&account).and_then(Weak::upgrade) {
            return known;
        }
        accounts.retain(|_, semaphore| semaphore.strong_count() > 0);
        let fresh = Arc::new(Semaphore::new(MAX_OF_ACCOUNT));
        accounts.insert(account, Arc::downgrade(&fresh));
        fresh
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use ulid::Ulid;

    use super::*;

    fn account(number: u128) -> AccountId {
        AccountId(Ulid::from_parts(1, number))
    }

    #[tokio::test]
    async fn an_account_that_waits_for_itself_holds_up_no_other() {
        let turns = Turns::default();
        let mut held = Vec::new();
        for _ in 0..MAX_OF_ACCOUNT {
            held.push(turns.take(account(1)).await.unwrap());
        }
        let mut more: Vec<_> = (0..10).map(|_| Box::pin(turns.take(account(1)))).collect();
        assert!(more.iter_mut().all(|waiting| waiting.now_or_never().is_none()), "the account has its share");
        let others: Vec<_> = (0..MAX_AT_ONCE - MAX_OF_ACCOUNT)
            .map(|number| turns.take(account(2 + number as u128)).now_or_never())
            .collect();
        assert!(others.iter().all(|place| matches!(place, Some(Ok(_)))), "the rest is for others");
        let mut late = Box::pin(turns.take(account(99)));
        assert!(late.as_mut().now_or_never().is_none(), "all are taken");
        held.pop();
        let late = late.now_or_never();
        assert!(matches!(late, Some(Ok(_))), "it was first to wait for any of them");
        assert!(more[0].as_mut().now_or_never().is_none(), "and who waited for its own comes behind it");
        drop(late);
        assert!(more[0].as_mut().now_or_never().is_some_and(|turn| turn.is_ok()));
    }

    #[tokio::test]
    async fn accounts_that_have_none_are_forgotten() {
        let turns = Turns::default();
        for number in 0..100 {
            drop(turns.take(account(number)).await.unwrap());
        }
        assert!(turns.accounts.lock().unwrap().len() <= 2);
    }
}
