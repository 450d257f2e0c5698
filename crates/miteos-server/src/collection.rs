//! Takes away blobs that nothing names any more, a part of them at a time, for as long as the server runs. What may go,
//! and when, is the store's matter.

use std::sync::Arc;
use std::time::Duration;

use miteos_store::{Collector, Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::errors::chain;
use crate::metrics::Metrics;

/// Between two turns, unless configured otherwise. There are at most 256 in a pass, so all blobs are looked at within the
/// hour, and a turn looks at a part of them that holds nobody up.
pub const TURN_EVERY: Duration = Duration::from_secs(10);
/// After a turn that failed.
const AFTER_A_FAILURE: Duration = Duration::from_secs(60);

/// What it works with.
pub struct Collection {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub every: Duration,
}

impl Collection {
    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut collector = Collector::new(self.store);
        let mut rest = self.every;
        loop {
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = stop.cancelled() => return,
            }
            rest = self.every;
            // A turn that is left in the middle leaves blobs that are judged anew.
            let turn = tokio::select! {
                turn = collector.turn(self.clock.now()) => turn,
                () = stop.cancelled() => return,
            };
            match turn {
                Ok(turn) => {
                    self.metrics.collected(turn.removed, turn.removed_bytes);
                    if turn.removed > 0 {
                        tracing::info!(
                            blobs = turn.removed,
                            bytes = turn.removed_bytes,
                            "blobs that nothing named any more were taken away"
                        );
                    }
                }
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "blobs could not be collected; nothing is taken away meanwhile");
                    rest = rest.max(AFTER_A_FAILURE);
                }
            }
        }
    }
}
