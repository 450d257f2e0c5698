//! The preview of a deployment: who may look at it, until when, links to it, its end.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use miteos_api::{CreatePreviewLink, Preview, PreviewLink, PreviewVisibility, Success, UpdatePreview};
use miteos_core::ids::DeploymentId;
use miteos_core::time::Timestamp;
use miteos_store::{PreviewChange, PreviewRow, StoreError, Visibility};

use super::App;
use super::auth::Caller;
use super::error::ApiError;
use super::extract::{Body, Path, from_json, in_range};
use super::repeat::{Begun, again_sealed, begin, json_answer, to_json};
use crate::preview::DEFAULT_LINK_LIVES_MS;

/// The longest time that a link or a preview can be given (s): ten years.
pub const MAX_LIVES_S: i64 = 10 * 366 * 24 * 3600;

fn missing() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "there is no such deployment, or no preview of it")
}

/// The caller's preview. Another's is not found, nor one that was taken away. One whose end is past can be prolonged for
/// about a day.
async fn find(app: &App, caller: &Caller, id: &str) -> Result<PreviewRow, ApiError> {
    let id: DeploymentId = id.parse().map_err(|_| missing())?;
    let row = app.deps.tasks.store.preview(id).await?.ok_or_else(missing)?;
    let owned = row.account == caller.key.account && row.live == caller.key.live;
    if owned && row.deleted_at.is_none() { Ok(row) } else { Err(missing()) }
}

fn shown(app: &App, row: &PreviewRow) -> Preview {
    Preview {
        deployment_id: row.deployment.to_string(),
        url: app.previews.url(row),
        visibility: match row.visibility {
            Visibility::Public => PreviewVisibility::Public,
            Visibility::Link => PreviewVisibility::Link,
        },
        single_page: row.single_page,
        files: row.site.as_ref().map_or(0, |site| site.files),
        size_bytes: row.site.as_ref().map_or(0, |site| site.bytes),
        created_at: row.created_at.to_string(),
        expires_at: row.expires_at.map(|at| at.to_string()),
    }
}

/// When something that lives for so many seconds from now on ends.
pub fn ends(now: Timestamp, seconds: i64) -> Result<Timestamp, ApiError> {
    let seconds = in_range("expires_in", seconds, 1, MAX_LIVES_S)?;
    // It is positive, and small.
    Ok(now.plus_ms(u64::try_from(seconds).unwrap_or(0) * 1000))
}

pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Preview>, ApiError> {
    let row = find(&app, &caller, &id).await?;
    Ok(Json(shown(&app, &row)))
}

pub async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(asked): Body<UpdatePreview>,
) -> Result<Json<Preview>, ApiError> {
    let row = find(&app, &caller, &id).await?;
    let visibility = asked.visibility.map(|word| word.parse::<PreviewVisibility>()).transpose();
    let visibility = visibility.map_err(|error| ApiError::refused(format!("visibility: {error}")))?;
    let now = app.deps.clock.now();
    let expires_at = asked.expires_in.map(|seconds| seconds.map(|seconds| ends(now, seconds)).transpose());
    let change = PreviewChange {
        visibility: visibility.map(|word| match word {
            PreviewVisibility::Public => Visibility::Public,
            PreviewVisibility::Link => Visibility::Link,
        }),
        single_page: asked.single_page,
        expires_at: expires_at.transpose()?,
        revoke_links: false,
    };
    let changed = app.deps.tasks.store.change_preview(row.deployment, change).await?;
    Ok(Json(shown(&app, &changed.ok_or_else(missing)?)))
}

pub async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Success>, ApiError> {
    let row = find(&app, &caller, &id).await?;
    let deleted = app.deps.tasks.store.delete_preview(row.deployment, app.deps.clock.now()).await?;
    if deleted { Ok(Json(Success::YES)) } else { Err(missing()) }
}

pub async fn link(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (repeat, body) = match begin(&app, request).await? {
        Begun::New(repeat, body) => (repeat, body),
        Begun::Again(row) => return again_sealed(&app, *row),
    };
    let row = find(&app, &caller, &id).await?;
    // Nothing has to be said, so the body may be missing.
    let asked: CreatePreviewLink =
        if body.is_empty() { CreatePreviewLink::default() } else { from_json(&body)? };
    let now = app.deps.clock.now();
    let end = match asked.expires_in {
        Some(seconds) => ends(now, seconds)?,
        None => now.plus_ms(DEFAULT_LINK_LIVES_MS),
    };
    let link = app.previews.link(&row, end);
    let made = PreviewLink { url: link.url, expires_at: link.expires_at.to_string() };
    let answer = to_json(&made);
    if let Some(kept) = repeat.sealed_row(&app, StatusCode::CREATED, &answer, now)? {
        match app.deps.tasks.store.insert_answer(kept).await {
            Ok(()) => {}
            Err(StoreError::Repeated(first)) => return again_sealed(&app, *repeat.same(first)?),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(json_answer(StatusCode::CREATED, answer))
}

pub async fn revoke_links(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Success>, ApiError> {
    let row = find(&app, &caller, &id).await?;
    let change = PreviewChange { revoke_links: true, ..PreviewChange::default() };
    let changed = app.deps.tasks.store.change_preview(row.deployment, change).await?;
    changed.map(|_| Json(Success::YES)).ok_or_else(missing)
}
