//! Whether the process is up, and whether it can take work.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use miteos_api::{Check, Health};
use miteos_store::Store;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::App;
use crate::errors::chain;

/// How long an answer about the storage holds.
const FRESH: Duration = Duration::from_secs(1);

pub async fn healthz() -> Json<Health> {
    Json(Health { status: "ok".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() })
}

/// What was last found out about the storage. To find it out is a durable write, and anybody may ask.
#[derive(Default)]
pub struct Readiness(Mutex<Option<(Instant, bool)>>);

impl Readiness {
    /// Whether the storage takes writes, or did within [`FRESH`]. Those who ask meanwhile wait for the one write.
    async fn storage(&self, store: &Store) -> bool {
        let mut known = self.0.lock().await;
        if let Some((at, ok)) = *known
            && at.elapsed() < FRESH
        {
            return ok;
        }
        let checked = store.check().await;
        if let Err(error) = &checked {
            tracing::error!(error = %chain(error), "storage does not take writes");
        }
        *known = Some((Instant::now(), checked.is_ok()));
        checked.is_ok()
    }
}

pub async fn readyz(State(app): State<Arc<App>>) -> (StatusCode, Json<miteos_api::Readiness>) {
    let stored = app.readiness.storage(&app.deps.tasks.store).await;
    let storage = Check {
        name: "storage".to_owned(),
        ok: stored,
        detail: (!stored).then(|| "it does not take writes; the log has the reason".to_owned()),
    };
    let turning = app.engine.is_turning() && app.deployments.is_turning();
    let engine = Check {
        name: "engine".to_owned(),
        ok: turning,
        detail: (!turning).then(|| "it is starting or stopping".to_owned()),
    };
    let ready = storage.ok && engine.ok;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = if ready { "ready" } else { "unavailable" };
    (status, Json(miteos_api::Readiness { status: word.to_owned(), checks: vec![storage, engine] }))
}
