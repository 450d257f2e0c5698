//! What stands before every operation: whose key it is, whether its minute has room, and whether it has the scope.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::App;
use super::auth::{Caller, unauthorised};
use super::error::ApiError;
use super::operations::Access;
use crate::limits::{Verdict, WINDOW_S};
use crate::tier;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Finds the key that a request came with and counts it. Requests without a key that opens anything are not counted
/// and get no limit headers: what they may see is open to everybody, or they are told 401.
pub async fn meter(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let caller = match Caller::of_headers(&app, request.headers()).await {
        Ok(Some(caller)) => caller,
        Ok(None) => return next.run(request).await,
        Err(error) => return error.into_response(),
    };
    let key = &caller.key;
    let limit = key.requests_per_minute.unwrap_or_else(|| tier::requests_per_minute(&key.tier));
    let verdict = app.limits.take(key.id, limit, app.deps.clock.now());
    let mut response = if verdict.allowed {
        request.extensions_mut().insert(caller);
        next.run(request).await
    } else {
        refuse(&verdict)
    };
    tell(response.headers_mut(), &verdict);
    response
}

fn refuse(verdict: &Verdict) -> Response {
    let detail = format!(
        "this key may make {} requests a minute and has made them; try again in {} s",
        verdict.limit, verdict.reset_s
    );
    let mut response = ApiError::new(StatusCode::TOO_MANY_REQUESTS, detail).into_response();
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(verdict.reset_s));
    response
}

/// The limit in the words of everyday practice, and in those of the IETF's draft.
fn tell(headers: &mut HeaderMap, verdict: &Verdict) {
    let Verdict { limit, remaining, reset_s, reset_at_s, .. } = *verdict;
    headers.insert(LIMIT, HeaderValue::from(limit));
    headers.insert(REMAINING, HeaderValue::from(remaining));
    headers.insert(RESET, HeaderValue::from(reset_at_s));
    let texts = [
        (RATE_LIMIT, format!("\"minute\";r={remaining};t={reset_s}")),
        (RATE_LIMIT_POLICY, format!("\"minute\";q={limit};w={WINDOW_S}")),
    ];
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}

/// Lets a request through to its operation if its key has the scope.
pub async fn authorise(State(access): State<Access>, request: Request, next: Next) -> Response {
    let refused = match access {
        Access::Public | Access::Proof(_) | Access::Operator => None,
        Access::Scope(scope) => match request.extensions().get::<Caller>() {
            None => Some(unauthorised(request.headers())),
            Some(caller) => caller.may(scope).err(),
        },
    };
    match refused {
        Some(error) => error.into_response(),
        None => next.run(request).await,
    }
}
