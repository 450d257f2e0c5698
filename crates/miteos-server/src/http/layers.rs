//! What every request passes: it gets an id, and whatever happens it gets an answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tracing::Instrument;

use super::App;
use super::error::ApiError;

/// Names the request in the answer and in the log, and turns a panic into a 500.
pub async fn identify(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let begun = app.deps.clock.now();
    let id = format!("req_{}", app.ids.ulid(begun).to_string().to_ascii_lowercase());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let span = tracing::info_span!("request", id = %id);
    let answered = AssertUnwindSafe(next.run(request).instrument(span.clone())).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|_| {
        tracing::error!(parent: &span, "a handler panicked");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed inside; its log has the reason")
            .into_response()
    });
    let ms = app.deps.clock.now().since(begun);
    tracing::debug!(parent: &span, %method, path, status = response.status().as_u16(), ms, "answered");
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("request-id", value);
    }
    response
}

pub async fn no_such_path() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "there is nothing at this path; the API is under /v1")
}

pub async fn no_such_method() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method")
}
