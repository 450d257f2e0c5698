//! Webhooks: events of an account, sent to addresses of its choice. Each webhook follows the account's journal with a
//! cursor, so nothing is enqueued and nothing can be lost. Knows nothing of HTTP requests to this server.

mod attempt;
mod dispatch;
mod message;
mod schedule;
mod secret;
mod worker;

pub use dispatch::Webhooks;
pub use message::{PING, checked};
pub use secret::Secret;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use miteos_core::ids::DeliveryId;
use miteos_store::Store;
use miteos_tools::http::Guarded;
use ulid::Ulid;

use crate::clock::{Clock, Ids};
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::secrets::MasterKey;
use crate::traces::Traces;

/// How long a receiver has for its whole answer, unless configured otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

/// What webhooks need of the house.
pub struct Parts {
    pub store: Store,
    pub feed: Arc<Feed>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<Ids>,
    pub http: Guarded,
    pub master: MasterKey,
    pub timeout: Duration,
    pub metrics: Arc<Metrics>,
    pub traces: Traces,
    /// The last id that a delivery was given.
    pub last: Mutex<Ulid>,
}

impl Parts {
    /// An id behind all that were given before, so that a list of deliveries has the order of their events even
    /// within a millisecond.
    fn delivery_id(&self) -> DeliveryId {
        let fresh = self.ids.ulid(self.clock.now());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let next = if fresh.timestamp_ms() > last.timestamp_ms() { Ok(fresh) } else { last.increment() };
        *last = next.unwrap_or(fresh);
        DeliveryId(*last)
    }
}
