//! Every operation there is: method, path, who may call it, what it takes. The router is made from this table alone,
//! and tests walk it.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, patch, post, put};

use super::guard;
use super::{
    App, agents, api_keys, approvals, deliverables, deploy_configs, deployments, events, health, metrics,
    models, openapi, previews, shares, tasks, uploads, usage, webhooks, workspaces, ws,
};

/// Who may call an operation. It is checked before the operation sees the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody. It tells nothing of any account.
    Public,
    /// A key with this scope.
    Scope(&'static str),
    /// A key with this scope, or a proof that the operation checks by itself: a signed link, a first message.
    Proof(&'static str),
    /// The token of the server's owner, which the operation checks by itself. No key opens it: it tells of all accounts
    /// together.
    Operator,
}

/// What an operation reads of a request beside its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    Nothing,
    Query,
    Json,
    /// `multipart/form-data`, streamed.
    Files,
}

/// One operation of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    pub method: &'static str,
    /// Below `/v1`. `{name}` is one part of the address, `{*name}` is the rest of it.
    pub path: &'static str,
    pub access: Access,
    pub takes: Takes,
}

/// An operation and the code behind it.
pub struct Row {
    pub operation: Operation,
    pub handler: MethodRouter<Arc<App>, Infallible>,
}

const PUBLIC: Access = Access::Public;
const TASKS_READ: Access = Access::Scope("tasks.read");
const TASKS_WRITE: Access = Access::Scope("tasks.write");
const AGENTS_READ: Access = Access::Scope("agents.read");
const AGENTS_WRITE: Access = Access::Scope("agents.write");
const WORKSPACES_READ: Access = Access::Scope("workspaces.read");
const WORKSPACES_WRITE: Access = Access::Scope("workspaces.write");
const DEPLOYMENTS_READ: Access = Access::Scope("deployments.read");
const DEPLOYMENTS_WRITE: Access = Access::Scope("deployments.write");
const KEYS_READ: Access = Access::Scope("keys.read");
const KEYS_WRITE: Access = Access::Scope("keys.write");
const USAGE_READ: Access = Access::Scope("usage.read");

const WEBHOOKS_READ: Access = Access::Scope("webhooks.read");
const WEBHOOKS_WRITE: Access = Access::Scope("webhooks.write");

const NOTHING: Takes = Takes::Nothing;
const QUERY: Takes = Takes::Query;
const JSON: Takes = Takes::Json;
const FILES: Takes = Takes::Files;

pub fn table() -> Vec<Row> {
    let mut rows = work();
    rows.extend(deploying());
    rows
}

#[rustfmt::skip]
fn work() -> Vec<Row> {
    vec![
        on_get("/healthz", PUBLIC, NOTHING, health::healthz),
        on_get("/readyz", PUBLIC, NOTHING, health::readyz),
        on_get("/metrics", Access::Operator, NOTHING, metrics::scrape),
        on_get("/openapi.json", PUBLIC, NOTHING, openapi::json),
        on_post("/tasks", TASKS_WRITE, JSON, tasks::create),
        on_get("/tasks", TASKS_READ, QUERY, tasks::list),
        on_get("/tasks/completed", TASKS_READ, QUERY, tasks::completed),
        on_get("/tasks/{id}", TASKS_READ, NOTHING, tasks::get),
        on_patch("/tasks/{id}", TASKS_WRITE, JSON, tasks::update),
        on_post("/tasks/{id}/cancel", TASKS_WRITE, NOTHING, tasks::cancel),
        on_post("/tasks/{id}/pause", TASKS_WRITE, NOTHING, tasks::pause),
        on_post("/tasks/{id}/resume", TASKS_WRITE, NOTHING, tasks::resume),
        on_post("/tasks/{id}/guide", TASKS_WRITE, JSON, tasks::guide),
        on_get("/tasks/{id}/events", AGENTS_READ, QUERY, events::of_task),
        on_get("/tasks/{id}/deliverables", TASKS_READ, NOTHING, deliverables::list),
        on_get("/tasks/{id}/deliverables/{file}/download", Access::Proof("tasks.read"), NOTHING, deliverables::download),
        on_post("/tasks/{id}/deliverables/{file}/share", TASKS_WRITE, NOTHING, shares::create),
        on_post("/tasks/{id}/deliverables/{file}/stage", DEPLOYMENTS_WRITE, NOTHING, deployments::stage),
        on_delete("/tasks/{id}/deliverables/{file}/share", TASKS_WRITE, NOTHING, shares::revoke_all),
        on_get("/shares", TASKS_READ, QUERY, shares::list),
        on_delete("/shares/{id}", TASKS_WRITE, NOTHING, shares::revoke),
        on_get("/events", AGENTS_READ, QUERY, events::of_account),
        on_get("/ws", Access::Proof("agents.read"), NOTHING, ws::open),
        on_get("/agents", AGENTS_READ, QUERY, agents::list),
        on_get("/agents/{id}", AGENTS_READ, NOTHING, agents::get),
        on_post("/agents/{id}/pause", AGENTS_WRITE, NOTHING, agents::pause),
        on_post("/agents/{id}/resume", AGENTS_WRITE, NOTHING, agents::resume),
        on_post("/agents/{id}/cancel", AGENTS_WRITE, NOTHING, agents::cancel),
        on_post("/agents/{id}/guide", AGENTS_WRITE, JSON, agents::guide),
        on_post("/agents/{id}/approve/{approval}", AGENTS_WRITE, JSON, agents::approve),
        on_get("/approvals", AGENTS_READ, QUERY, approvals::list),
        on_get("/approval-policy", AGENTS_READ, NOTHING, approvals::policy),
        on_put("/approval-policy", AGENTS_WRITE, JSON, approvals::set_policy),
        on_post("/workspaces", WORKSPACES_WRITE, JSON, workspaces::create),
        on_get("/workspaces", WORKSPACES_READ, NOTHING, workspaces::list),
        on_get("/workspaces/{id}", WORKSPACES_READ, NOTHING, workspaces::get),
        on_delete("/workspaces/{id}", WORKSPACES_WRITE, NOTHING, workspaces::remove),
        on_get("/workspaces/{id}/deliverables", WORKSPACES_READ, NOTHING, workspaces::deliverables),
        on_get("/workspaces/{id}/files", WORKSPACES_READ, QUERY, workspaces::files),
        on_post("/workspaces/{id}/files", WORKSPACES_WRITE, FILES, uploads::upload),
        on_get("/workspaces/{id}/files/{*path}", WORKSPACES_READ, NOTHING, workspaces::download),
        on_delete("/workspaces/{id}/files/{*path}", WORKSPACES_WRITE, NOTHING, workspaces::remove_file),
        on_post("/api-keys", KEYS_WRITE, JSON, api_keys::create),
        on_get("/api-keys", KEYS_READ, NOTHING, api_keys::list),
        on_delete("/api-keys/{id}", KEYS_WRITE, NOTHING, api_keys::revoke),
        on_get("/usage", USAGE_READ, QUERY, usage::usage),
        on_get("/models", TASKS_READ, NOTHING, models::list),
        on_post("/webhooks", WEBHOOKS_WRITE, JSON, webhooks::create),
        on_get("/webhooks", WEBHOOKS_READ, NOTHING, webhooks::list),
        on_get("/webhooks/{id}", WEBHOOKS_READ, NOTHING, webhooks::get),
        on_patch("/webhooks/{id}", WEBHOOKS_WRITE, JSON, webhooks::update),
        on_delete("/webhooks/{id}", WEBHOOKS_WRITE, NOTHING, webhooks::remove),
        on_post("/webhooks/{id}/test", WEBHOOKS_WRITE, NOTHING, webhooks::test),
        on_get("/webhooks/{id}/deliveries", WEBHOOKS_READ, QUERY, webhooks::deliveries),
        on_post("/webhooks/{id}/deliveries/{delivery}/redeliver", WEBHOOKS_WRITE, NOTHING, webhooks::redeliver),
        on_post("/webhooks/{id}/rotate-secret", WEBHOOKS_WRITE, NOTHING, webhooks::rotate_secret),
    ]
}

#[rustfmt::skip]
fn deploying() -> Vec<Row> {
    vec![
        on_post("/deployments", DEPLOYMENTS_WRITE, JSON, deployments::create),
        on_get("/deployments", DEPLOYMENTS_READ, QUERY, deployments::list),
        on_get("/deployments/{id}", DEPLOYMENTS_READ, NOTHING, deployments::get),
        on_get("/deployments/{id}/logs", DEPLOYMENTS_READ, QUERY, deployments::logs),
        on_post("/deployments/{id}/cancel", DEPLOYMENTS_WRITE, NOTHING, deployments::cancel),
        on_post("/deployments/{id}/rollback", DEPLOYMENTS_WRITE, NOTHING, deployments::roll_back),
        on_get("/deployments/{id}/preview", DEPLOYMENTS_READ, NOTHING, previews::get),
        on_patch("/deployments/{id}/preview", DEPLOYMENTS_WRITE, JSON, previews::update),
        on_delete("/deployments/{id}/preview", DEPLOYMENTS_WRITE, NOTHING, previews::remove),
        on_get("/previews", DEPLOYMENTS_READ, QUERY, previews::list),
        on_get("/deployments/{id}/preview/links", DEPLOYMENTS_READ, QUERY, previews::links),
        on_delete("/deployments/{id}/preview/links/{link}", DEPLOYMENTS_WRITE, NOTHING, previews::revoke_link),
        on_post("/deployments/{id}/preview/links", DEPLOYMENTS_WRITE, NOTHING, previews::link),
        on_delete("/deployments/{id}/preview/links", DEPLOYMENTS_WRITE, NOTHING, previews::revoke_links),
        on_post("/deploy-configs", DEPLOYMENTS_WRITE, JSON, deploy_configs::create),
        on_get("/deploy-configs", DEPLOYMENTS_READ, NOTHING, deploy_configs::list),
        on_get("/deploy-configs/{id}", DEPLOYMENTS_READ, NOTHING, deploy_configs::get),
        on_patch("/deploy-configs/{id}", DEPLOYMENTS_WRITE, JSON, deploy_configs::update),
        on_delete("/deploy-configs/{id}", DEPLOYMENTS_WRITE, NOTHING, deploy_configs::remove),
    ]
}

/// Every operation, without the code behind it.
pub fn operations() -> Vec<Operation> {
    table().into_iter().map(|row| row.operation).collect()
}

/// What `handler` needs to be one.
trait Serves<T>: Handler<T, Arc<App>> {}
impl<T, H: Handler<T, Arc<App>>> Serves<T> for H {}

fn on_get<T: 'static>(path: &'static str, access: Access, takes: Takes, handler: impl Serves<T>) -> Row {
    row("GET", path, access, takes, get(handler))
}

fn on_post<T: 'static>(path: &'static str, access: Access, takes: Takes, handler: impl Serves<T>) -> Row {
    row("POST", path, access, takes, post(handler))
}

fn on_put<T: 'static>(path: &'static str, access: Access, takes: Takes, handler: impl Serves<T>) -> Row {
    row("PUT", path, access, takes, put(handler))
}

fn on_patch<T: 'static>(path: &'static str, access: Access, takes: Takes, handler: impl Serves<T>) -> Row {
    row("PATCH", path, access, takes, patch(handler))
}

fn on_delete<T: 'static>(path: &'static str, access: Access, takes: Takes, handler: impl Serves<T>) -> Row {
    row("DELETE", path, access, takes, delete(handler))
}

fn row(
    method: &'static str,
    path: &'static str,
    access: Access,
    takes: Takes,
    handler: MethodRouter<Arc<App>, Infallible>,
) -> Row {
    let handler = handler.route_layer(from_fn_with_state(access, guard::authorise));
    let handler = match takes {
        Takes::Files => handler.layer(DefaultBodyLimit::disable()),
        Takes::Nothing | Takes::Query | Takes::Json => handler,
    };
    Row { operation: Operation { method, path, access, takes }, handler }
}
