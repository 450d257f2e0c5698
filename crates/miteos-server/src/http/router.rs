//! Every path there is.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post};

use super::extract::MAX_BODY_BYTES;
use super::{App, agents, approvals, deliverables, events, health, layers, tasks, webhooks, workspaces};

pub fn router(app: Arc<App>) -> Router {
    let v1 = Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/tasks", post(tasks::create).get(tasks::list))
        .route("/tasks/completed", get(tasks::completed))
        .route("/tasks/{id}", get(tasks::get).patch(tasks::update))
        .route("/tasks/{id}/cancel", post(tasks::cancel))
        .route("/tasks/{id}/pause", post(tasks::pause))
        .route("/tasks/{id}/resume", post(tasks::resume))
        .route("/tasks/{id}/guide", post(tasks::guide))
        .route("/tasks/{id}/events", get(events::of_task))
        .route("/tasks/{id}/deliverables", get(deliverables::list))
        .route("/tasks/{id}/deliverables/{file}/download", get(deliverables::download))
        .route("/events", get(events::of_account))
        .route("/agents", get(agents::list))
        .route("/agents/{id}", get(agents::get))
        .route("/agents/{id}/pause", post(agents::pause))
        .route("/agents/{id}/resume", post(agents::resume))
        .route("/agents/{id}/cancel", post(agents::cancel))
        .route("/agents/{id}/guide", post(agents::guide))
        .route("/agents/{id}/approve/{approval}", post(agents::approve))
        .route("/approvals", get(approvals::list))
        .route("/webhooks", post(webhooks::create).get(webhooks::list))
        .route("/webhooks/{id}", get(webhooks::get).patch(webhooks::update).delete(webhooks::remove))
        .route("/webhooks/{id}/test", post(webhooks::test))
        .route("/webhooks/{id}/rotate-secret", post(webhooks::rotate_secret))
        .route("/webhooks/{id}/deliveries", get(webhooks::deliveries))
        .route("/webhooks/{id}/deliveries/{delivery}/redeliver", post(webhooks::redeliver))
        .route("/workspaces", post(workspaces::create).get(workspaces::list))
        .route("/workspaces/{id}", get(workspaces::get).delete(workspaces::remove))
        .route("/workspaces/{id}/deliverables", get(workspaces::deliverables))
        .route(
            "/workspaces/{id}/files",
            get(workspaces::files).post(workspaces::upload).layer(DefaultBodyLimit::disable()),
        )
        .route("/workspaces/{id}/files/{*path}", delete(workspaces::remove_file).get(workspaces::download));
    Router::new()
        .nest("/v1", v1)
        .fallback(layers::no_such_path)
        .method_not_allowed_fallback(layers::no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(Arc::clone(&app), layers::identify))
        .with_state(app)
}
