//! Who calls, and what they may.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use miteos_store::KeyRow;

use super::App;
use super::error::ApiError;
use crate::keys;

/// The key that a request came with, valid now.
pub struct Caller {
    pub key: KeyRow,
}

impl Caller {
    /// 403 unless the key has the scope.
    pub fn may(&self, scope: &str) -> Result<(), ApiError> {
        if self.key.scopes.iter().any(|held| held == scope || held == "*") {
            return Ok(());
        }
        Err(ApiError::new(StatusCode::FORBIDDEN, format!("this key lacks the scope {scope}")))
    }
}

/// The bearer token of a request, if there is one.
pub fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let unauthorized = |detail: &str| ApiError::new(StatusCode::UNAUTHORIZED, detail);
        if !parts.headers.contains_key(AUTHORIZATION) {
            return Err(unauthorized(
                "no API key: send the header Authorization: Bearer mt_live_… or mt_test_…",
            ));
        }
        let wrong = "the API key is not valid: it is unknown, expired or revoked, or the header is not Authorization: Bearer <key>";
        let token = bearer(parts).ok_or_else(|| unauthorized(wrong))?;
        let now = app.deps.clock.now();
        match keys::find(&app.deps.tasks.store, token, now).await? {
            Some(key) => Ok(Self { key }),
            None => Err(unauthorized(wrong)),
        }
    }
}
