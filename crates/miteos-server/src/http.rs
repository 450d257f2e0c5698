//! The HTTP contract. Handlers extract, authorise, make one call and shape the answer; they know no SQL and no model.

mod agents;
mod api_keys;
mod approvals;
mod auth;
mod counts;
mod deliverables;
mod deploy_configs;
mod deployments;
mod error;
mod events;
mod extract;
mod files;
mod guard;
mod health;
mod layers;
mod metrics;
mod models;
pub mod openapi;
pub mod operations;
mod page;
mod previews;
pub mod ranges;
mod repeat;
mod router;
mod shares;
mod steer;
mod tasks;
mod uploads;
mod usage;
mod webhooks;
mod workspaces;
mod ws;

use std::sync::Arc;

use miteos_core::ids::TaskId;
use tokio_util::task::TaskTracker;

use crate::clock::Ids;
use crate::config::StreamTimes;
use crate::connections::Connections;
use crate::deployments::Deployments;
use crate::engine::Engine;
use crate::keys::Keyring;
use crate::limits::Limiter;
use crate::preview::Previews;
use crate::runner::Deps;
use crate::sandbox::LateSandbox;
use crate::secrets::MasterKey;
use crate::sign_in::SignIn;
use crate::tasks::Live;
use crate::webhooks::Webhooks;

pub use counts::FileCounts;
pub use health::Readiness;
pub use metrics::{Reading, own_router};
pub use page::Page;
pub use router::router;
pub use usage::Measured;

use auth::Caller;
use error::ApiError;
use repeat::InFlight;

/// What handlers work with.
pub struct App {
    pub deps: Arc<Deps>,
    pub engine: Engine,
    pub webhooks: Webhooks,
    pub deployments: Deployments,
    pub previews: Previews,
    pub sandbox: Arc<LateSandbox>,
    pub master: MasterKey,
    /// The address that links begin with, without a slash at its end.
    pub public_url: String,
    pub ids: Arc<Ids>,
    pub max_model_calls: u32,
    pub approval_expires_ms: u64,
    pub keys: Arc<Keyring>,
    pub limits: Arc<Limiter>,
    pub in_flight: Arc<InFlight>,
    pub measured: Measured,
    pub readiness: Readiness,
    pub file_counts: FileCounts,
    pub streams: StreamTimes,
    pub reading: Reading,
    /// What people see at `/`.
    pub page: Page,
    pub sign_in: SignIn,
    pub connections: Arc<Connections>,
    /// Open WebSockets, which the HTTP server does not know of any more.
    pub sockets: TaskTracker,
}

impl App {
    /// The caller's task. Another's is not found, like one that does not exist.
    async fn task(&self, caller: &Caller, id: &str) -> Result<Live, ApiError> {
        let id: TaskId = id.parse().map_err(|_| ApiError::not_found("task"))?;
        let live = self.deps.tasks.load(id).await?;
        caller.own(live).ok_or_else(|| ApiError::not_found("task"))
    }
}
