//! What every request passes: it gets an id, and whatever happens it gets an answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::HOST;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tracing::Instrument;

use super::error::ApiError;
use super::{App, shares};

/// Longest id of a client's own that is noted (bytes).
const MAX_CLIENT_ID_BYTES: usize = 128;

/// Names the request in the answer, in the log, in the figures and in its span. The id is always the server's own: a
/// client that could choose it could pass its request off as another.
pub async fn identify(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let begun = app.deps.clock.now();
    let id = format!("req_{}", app.ids.ulid(begun).to_string().to_ascii_lowercase());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let path = loggable(route.as_ref().map(MatchedPath::as_str), request.uri().path());
    let route = route.as_ref().map(MatchedPath::as_str);
    let counted = app.deps.tasks.metrics.http.begin(&method, route);
    let open = app.deps.traces.request(request.headers(), &method, route, &id);
    // At the level of errors, so that the id stands on every line, however little is logged.
    let span = tracing::error_span!("request", request_id = %id, client_request_id = tracing::field::Empty);
    if let Some(theirs) = client_id(request.headers()) {
        span.record("client_request_id", theirs);
        open.called_by_client(theirs);
    }
    let mut response = open.around(next.run(request).instrument(span.clone())).await;
    let status = response.status();
    counted.answered(status);
    open.responded(status);
    let ms = app.deps.clock.now().since(begun);
    tracing::debug!(parent: &span, %method, path, status = status.as_u16(), ms, "answered");
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("request-id", value);
    }
    response
}

/// The path as the log may have it: what stands in a public link opens it.
fn loggable(route: Option<&str>, path: &str) -> String {
    if route == Some(shares::PATH) { shares::PATH } else { path }.to_owned()
}

/// The API is not seen under the host name of a preview, whose pages would be of its origin.
pub async fn keep_apart(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    if host.is_some_and(|host| app.previews.is_preview_host(host)) {
        let detail = "this host name is that of a preview, and the API is not there";
        return ApiError::new(StatusCode::MISDIRECTED_REQUEST, detail).into_response();
    }
    next.run(request).await
}

/// What the client or a proxy calls the request: noted beside the server's own id, if it is a plain short word.
fn client_id(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get("x-request-id").or_else(|| headers.get("request-id"))?.to_str().ok()?;
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/' | b'=' | b'+')
    };
    let fits = !given.is_empty() && given.len() <= MAX_CLIENT_ID_BYTES && given.bytes().all(plain);
    fits.then_some(given)
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
