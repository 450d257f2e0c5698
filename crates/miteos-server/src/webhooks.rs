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

use std::sync::Arc;
use std::time::Duration;

use miteos_store::Store;
use miteos_tools::http::Guarded;

use crate::clock::{Clock, Ids};
use crate::feed::Feed;
use crate::secrets::MasterKey;

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
}
