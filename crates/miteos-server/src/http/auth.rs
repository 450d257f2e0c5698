//! Who calls, and what they may.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use miteos_core::deployment::Deployment;
use miteos_store::{DeployConfigRow, KeyRow, PreviewRow, Scope, ShareRow, WebhookRow, WorkspaceRow};

use super::App;
use super::error::ApiError;
use crate::tasks::Live;

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

    /// What the caller asked for, if it is there and the caller's own: of the same account and the same world. So what is
    /// another's is found as little as what does not exist.
    pub fn own<T: Owned>(&self, found: Option<T>) -> Option<T> {
        found.filter(|found| found.scope() == self.scope())
    }

    /// Whose things the caller sees.
    pub fn scope(&self) -> Scope {
        Scope { account: self.key.account, live: self.key.live }
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

/// What belongs to one account in one world.
pub trait Owned {
    fn scope(&self) -> Scope;
}

macro_rules! owned {
    ($($kind:ty),+) => {
        $(impl Owned for $kind {
            fn scope(&self) -> Scope {
                Scope { account: self.account, live: self.live }
            }
        })+
    };
}

owned!(Deployment, WorkspaceRow, WebhookRow, DeployConfigRow, PreviewRow, ShareRow);

impl Owned for Live {
    fn scope(&self) -> Scope {
        Scope { account: self.task.account, live: self.task.live }
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
