//! From the table of operations to a service that answers requests.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;

use super::extract::MAX_BODY_BYTES;
use super::{App, guard, layers, openapi, operations, page, shares};

/// What a request passes, from the outside: it gets an id, its key is counted, a panic becomes an answer; then its
/// operation's scope is checked.
pub fn router(app: Arc<App>) -> Router {
    let v1 = operations::table()
        .into_iter()
        .fold(Router::new(), |v1, row| v1.route(row.operation.path, row.handler));
    Router::new()
        .nest("/v1", v1)
        .route("/docs", get(openapi::page))
        .route(shares::PATH, get(shares::follow))
        .merge(page::routes())
        .fallback(layers::no_such_path)
        .method_not_allowed_fallback(layers::no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(layers::survive))
        .layer(from_fn_with_state(Arc::clone(&app), guard::meter))
        .layer(from_fn_with_state(Arc::clone(&app), layers::keep_apart))
        .layer(from_fn_with_state(Arc::clone(&app), layers::identify))
        .with_state(app)
}
