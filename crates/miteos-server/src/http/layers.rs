//! What every request passes: it gets an id, and whatever happens it gets an answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tracing::Instrument;

use super::App;
use super::error::ApiError;

/// Names the request in the answer and in the log.
pub async fn identify(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let begun = app.deps.clock.now();
    let id = format!("req_{}", app.ids.ulid(begun).to_string().to_ascii_lowercase());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let span = tracing::info_span!("request", id = %id);
    let mut response = next.run(request).instrument(span.clone()).await;
    let ms = app.deps.clock.now().since(begun);
    tracing::debug!(parent: &span, %method, path, status = response.status().as_u16(), ms, "answered");
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("request-id", value);
    }
    response
}

/// Turns a panic into a 500.
pub async fn survive(request: Request, next: Next) -> Response {
    AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!("a handler panicked");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed inside; its log has the reason")
            .into_response()
    })
}

pub async fn no_such_path() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "there is nothing at this path; the API is under /v1")
}

/// The router adds `Allow`, which is all that `OPTIONS` asks for.
pub async fn no_such_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let detail = format!("this path does not take {method}; the header Allow names what it takes");
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, detail).into_response()
}
