//! Public links to deliverables: made, followed, revoked. Whoever has the link has the file, so only a hash of it is kept.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use miteos_api::{Share, ShareDeliverable, Success};
use miteos_core::ids::{DeliverableId, ShareId};
use miteos_store::{ShareRow, StoreError};
use sha2::{Digest, Sha256};

use super::App;
use super::auth::Caller;
use super::deliverables;
use super::error::ApiError;
use super::extract::{Path, from_json};
use super::previews::ends;
use super::repeat::{Begun, again_sealed, begin, json_answer, to_json};
use crate::preview;

/// Where links lead, behind the server's address.
pub const PATH: &str = "/s/{token}";

const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((id, file)): Path<(String, String)>,
    request: Request,
) -> Result<Response, ApiError> {
    let (repeat, body) = match begin(&app, request).await? {
        Begun::New(repeat, body) => (repeat, body),
        Begun::Again(row) => return again_sealed(&app, *row),
    };
    let missing = || ApiError::not_found("deliverable");
    let task = app.task(&caller, &id).await?.task.id;
    let file: DeliverableId = file.parse().map_err(|_| missing())?;
    let file = app.deps.tasks.store.deliverable(task, file).await?.ok_or_else(missing)?;
    // Nothing has to be said, so the body may be missing.
    let asked: ShareDeliverable =
        if body.is_empty() { ShareDeliverable::default() } else { from_json(&body)? };
    let now = app.deps.clock.now();
    let expires_at = asked.expires_in.map(|seconds| ends(now, seconds)).transpose()?;
    let token = preview::mint_label();
    let (account, live) = (caller.key.account, caller.key.live);
    let id = ShareId(app.ids.ulid(now));
    let row = ShareRow { id, account, live, task, deliverable: file.id, created_at: now, expires_at };
    let share = Share {
        id: id.to_string(),
        url: format!("{}/s/{token}", app.public_url),
        expires_at: expires_at.map(|at| at.to_string()),
    };
    let answer = to_json(&share);
    let kept = repeat.sealed_row(&app, StatusCode::CREATED, &answer, now)?;
    match app.deps.tasks.store.insert_share(row, hash(&token), kept).await {
        Ok(()) => Ok(json_answer(StatusCode::CREATED, answer)),
        Err(StoreError::Repeated(first)) => again_sealed(&app, *repeat.same(first)?),
        Err(error) => Err(error.into()),
    }
}

/// What a link is found by.
fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

pub async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Success>, ApiError> {
    let missing = || ApiError::not_found("share");
    let id: ShareId = id.parse().map_err(|_| missing())?;
    let store = &app.deps.tasks.store;
    let row = store.share(id).await?.ok_or_else(missing)?;
    if row.account != caller.key.account || row.live != caller.key.live {
        return Err(missing());
    }
    if store.delete_share(id).await? { Ok(Json(Success::YES)) } else { Err(missing()) }
}

/// What a link leads to, for anybody.
pub async fn follow(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let found = app.deps.tasks.store.shared(hash(&token), app.deps.clock.now()).await?;
    let row = found.ok_or_else(|| {
        let detail = "this link leads nowhere: it is not whole, has expired or was revoked";
        ApiError::new(StatusCode::NOT_FOUND, detail)
    })?;
    let mut response = deliverables::answer(&app, &row, &headers).await?;
    let fields = response.headers_mut();
    // It is saved and not shown. Were it shown, it would be of no origin and could do nothing.
    fields.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    fields.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    fields.insert(ROBOTS, HeaderValue::from_static("noindex, nofollow"));
    Ok(response)
}
