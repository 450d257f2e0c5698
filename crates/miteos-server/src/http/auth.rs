//! Who calls, and what they may.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use miteos_store::KeyRow;

use super::App;
use super::error::ApiError;

/// The key that a request came with, valid when it came.
#[derive(Clone)]
pub struct Caller {
    pub key: Arc<KeyRow>,
}

impl Caller {
    /// 403 unless the key has the scope.
    pub fn may(&self, scope: &str) -> Result<(), ApiError> {
        if self.has(scope) {
            return Ok(());
        }
        Err(ApiError::new(StatusCode::FORBIDDEN, format!("this key lacks the scope {scope}")))
    }

    pub fn has(&self, scope: &str) -> bool {
        self.key.scopes.iter().any(|held| held == scope || held == "*")
    }

    /// The caller with this secret; `None` if it opens nothing.
    pub async fn of_secret(app: &App, secret: &str) -> Result<Option<Self>, ApiError> {
        let found = app.keys.find(secret, app.deps.clock.now()).await?;
        Ok(found.map(|key| Self { key }))
    }

    /// The caller of a request, if its header names a key that opens anything.
    pub async fn of_headers(app: &App, headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        match bearer(headers) {
            Some(secret) => Self::of_secret(app, secret).await,
            None => Ok(None),
        }
    }
}

/// The bearer token of a request, if there is one.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// 401, with what would be right. The same for keys that are unknown, expired and revoked.
pub fn unauthorised(headers: &HeaderMap) -> ApiError {
    let detail = if headers.contains_key(AUTHORIZATION) {
        "the API key is not valid: it is unknown, expired or revoked, or the header is not Authorization: Bearer <key>"
    } else {
        "no API key: send the header Authorization: Bearer mt_live_… or mt_test_…"
    };
    ApiError::new(StatusCode::UNAUTHORIZED, detail)
}

/// The caller that the guard has found.
impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| unauthorised(&parts.headers))
    }
}
