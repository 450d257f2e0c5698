//! Public links to deliverables: made, followed, revoked. Whoever has the link has the file, so only a hash of it is kept.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::REFERRER_POLICY;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use miteos_api::{ListShares, Share, ShareDeliverable, ShareList, SharedDeliverable, Success};
use miteos_core::ids::{DeliverableId, ShareId};
use miteos_store::{DeliverableRow, ShareRow, SharedFile, StoreError};
use sha2::{Digest, Sha256};

use super::App;
use super::auth::Caller;
use super::deliverables;
use super::error::ApiError;
use super::extract::{Path, Query, from_json, page};
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
    let file = shared_file(&app, &caller, &id, &file).await?;
    // Nothing has to be said, so the body may be missing.
    let asked: ShareDeliverable =
        if body.is_empty() { ShareDeliverable::default() } else { from_json(&body)? };
    let now = app.deps.clock.now();
    let expires_at = asked.expires_in.map(|seconds| ends(now, seconds)).transpose()?;
    let token = preview::mint_label();
    let (account, live) = (caller.key.account, caller.key.live);
    let id = ShareId(app.ids.ulid(now));
    let row =
        ShareRow { id, account, live, task: file.task, deliverable: file.id, created_at: now, expires_at };
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
    caller.own(store.share(id).await?).ok_or_else(missing)?;
    if store.delete_share(id).await? { Ok(Json(Success::YES)) } else { Err(missing()) }
}

/// The links that work, of the whole account. What opens the files is kept nowhere, so no list has it.
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<ListShares>,
) -> Result<Json<ShareList>, ApiError> {
    let page = page(query.limit, query.offset)?;
    let deliverable = query.deliverable_id.map(|id| id.parse::<DeliverableId>()).transpose();
    let deliverable = deliverable.map_err(|error| ApiError::refused(format!("deliverable_id: {error}")))?;
    let (store, now) = (&app.deps.tasks.store, app.deps.clock.now());
    let found = store.shares(caller.scope(), deliverable, now, page.limit, page.offset);
    let (found, total) = found.await?;
    let (limit, offset) = page.told();
    Ok(Json(ShareList { shares: found.into_iter().map(listed).collect(), total, limit, offset }))
}

fn listed(SharedFile { share, name, size_bytes }: SharedFile) -> SharedDeliverable {
    SharedDeliverable {
        id: share.id.to_string(),
        task_id: share.task.to_string(),
        deliverable_id: share.deliverable.to_string(),
        name,
        size_bytes,
        created_at: share.created_at.to_string(),
        expires_at: share.expires_at.map(|at| at.to_string()),
    }
}

/// All links to one deliverable, also those that nobody has the id of.
pub async fn revoke_all(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((id, file)): Path<(String, String)>,
) -> Result<Json<Success>, ApiError> {
    let file = shared_file(&app, &caller, &id, &file).await?;
    app.deps.tasks.store.delete_shares_of(file.id).await?;
    Ok(Json(Success::YES))
}

/// The caller's deliverable.
async fn shared_file(app: &App, caller: &Caller, id: &str, file: &str) -> Result<DeliverableRow, ApiError> {
    let missing = || ApiError::not_found("deliverable");
    let task = app.task(caller, id).await?.task.id;
    let file: DeliverableId = file.parse().map_err(|_| missing())?;
    app.deps.tasks.store.deliverable(task, file).await?.ok_or_else(missing)
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
    fields.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    fields.insert(ROBOTS, HeaderValue::from_static("noindex, nofollow"));
    Ok(response)
}
