//! What is done now and then while the server runs: limits are written down, and what is past its time is forgotten.

use std::sync::Arc;
use std::time::Duration;

use miteos_core::time::Timestamp;
use miteos_store::{ANSWERS_KEPT_MS, Store};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::errors::chain;
use crate::limits::{Limiter, Writing};

/// How often the limits are written down: what a killed server forgets of them at most.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// Old answers and keys are looked for once in so many writings: about every ten minutes.
const PURGE_EVERY: u64 = 600;
/// How long a revoked or expired key is kept (ms): thirty days.
const OLD_KEYS_KEPT_MS: u64 = 30 * 24 * 3600 * 1000;

/// What it works with.
#[derive(Clone)]
pub struct Housekeeping {
    pub store: Store,
    pub limits: Arc<Limiter>,
    pub clock: Arc<dyn Clock>,
}

impl Housekeeping {
    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut turn: u64 = 0;
        loop {
            if turn.is_multiple_of(PURGE_EVERY) {
                purge(&self.store, self.clock.now()).await;
            }
            turn += 1;
            tokio::select! {
                () = tokio::time::sleep(WRITE_EVERY) => self.write_down(Writing::GoingOn).await,
                () = stop.cancelled() => return,
            }
        }
    }

    /// Once, when the last request has been answered.
    pub async fn finish(&self) {
        self.write_down(Writing::Last).await;
    }

    async fn write_down(&self, writing: Writing) {
        if let Err(error) = self.limits.write_down(&self.store, self.clock.now(), writing).await {
            tracing::warn!(error = %chain(&error), "the use of keys could not be written down");
        }
    }
}

/// Forgets answers to repeated requests after a day, and keys that open nothing after a month.
async fn purge(store: &Store, now: Timestamp) {
    let before = |ms| Timestamp::from_millis(now.millis().saturating_sub(ms));
    let done = async {
        store.purge_answers(before(ANSWERS_KEPT_MS)).await?;
        store.purge_keys(before(OLD_KEYS_KEPT_MS)).await
    };
    if let Err(error) = done.await {
        tracing::warn!(error = %chain(&error), "old answers and keys could not be removed");
    }
}
