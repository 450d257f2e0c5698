//! Whether the process is up, and whether it can take work.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use miteos_api::{Check, Health, Readiness};

use super::App;
use crate::errors::chain;

pub async fn healthz() -> Json<Health> {
    Json(Health { status: "ok".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() })
}

pub async fn readyz(State(app): State<Arc<App>>) -> (StatusCode, Json<Readiness>) {
    let stored = app.deps.tasks.store.check().await;
    let storage = Check {
        name: "storage".to_owned(),
        ok: stored.is_ok(),
        detail: stored.err().map(|error| {
            tracing::error!(error = %chain(&error), "storage does not take writes");
            "it does not take writes; the log has the reason".to_owned()
        }),
    };
    let turning = app.engine.is_turning();
    let engine = Check {
        name: "engine".to_owned(),
        ok: turning,
        detail: (!turning).then(|| "it is starting or stopping".to_owned()),
    };
    let ready = storage.ok && engine.ok;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = if ready { "ready" } else { "unavailable" };
    (status, Json(Readiness { status: word.to_owned(), checks: vec![storage, engine] }))
}
