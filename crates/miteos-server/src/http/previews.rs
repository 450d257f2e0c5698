//! The preview of a deployment: who may look at it, until when, links to it, its end.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use miteos_api::{
    CreatePreviewLink, ListPreviews, ListedPreviewLink, Preview, PreviewLink, PreviewLinkList, PreviewList,
    PreviewVisibility, Success, UpdatePreview,
};
use miteos_core::ids::{DeploymentId, ShareId};
use miteos_core::time::Timestamp;
use miteos_store::{PreviewChange, PreviewLinkRow, PreviewRow, ShownPreview, StoreError, Visibility};

use super::App;
use super::auth::Caller;
use super::error::ApiError;
use super::extract::{Body, Path, Query, from_json, in_range, page};
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
    let found = caller.own(app.deps.tasks.store.preview(id).await?);
    found.filter(|row| row.deleted_at.is_none()).ok_or_else(missing)
}

/// With the links to it that work.
async fn with_links(app: &App, row: PreviewRow) -> Result<Json<Preview>, ApiError> {
    let links = app.deps.tasks.store.count_preview_links(row.deployment, app.deps.clock.now()).await?;
    Ok(Json(shown(app, &ShownPreview { row, links })))
}

fn shown(app: &App, ShownPreview { row, links }: &ShownPreview) -> Preview {
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
        links: *links,
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
    with_links(&app, row).await
}

/// Everything that is shown now.
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<ListPreviews>,
) -> Result<Json<PreviewList>, ApiError> {
    let page = page(query.limit, query.offset)?;
    let (store, now) = (&app.deps.tasks.store, app.deps.clock.now());
    let (found, total) = store.previews(caller.scope(), now, page.limit, page.offset).await?;
    let previews = found.iter().map(|one| shown(&app, one)).collect();
    let (limit, offset) = page.told();
    Ok(Json(PreviewList { previews, total, limit, offset }))
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
    with_links(&app, changed.ok_or_else(missing)?).await
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
    if !row.is_there(now) {
        return Err(ApiError::refused(
            "the preview has ended, so a link would open nothing; prolong it first",
        ));
    }
    let end = match asked.expires_in {
        Some(seconds) => ends(now, seconds)?,
        None => now.plus_ms(DEFAULT_LINK_LIVES_MS),
    };
    let id = ShareId(app.ids.ulid(now));
    let link = app.previews.link(&row, id, end);
    let made = PreviewLink { id: id.to_string(), url: link.url, expires_at: link.expires_at.to_string() };
    let answer = to_json(&made);
    let kept = repeat.sealed_row(&app, StatusCode::CREATED, &answer, now)?;
    let (account, live, deployment) = (row.account, row.live, row.deployment);
    let inserted =
        PreviewLinkRow { id, deployment, account, live, created_at: now, expires_at: link.expires_at };
    match app.deps.tasks.store.insert_preview_link(inserted, row.link_version, kept).await {
        Ok(()) => Ok(json_answer(StatusCode::CREATED, answer)),
        Err(StoreError::Repeated(first)) => again_sealed(&app, *repeat.same(first)?),
        Err(StoreError::Missing { .. }) => Err(ApiError::refused(
            "the preview was deleted or all its links were revoked in this moment; if it is still there, ask again",
        )),
        Err(error) => Err(error.into()),
    }
}

/// The links that work; what opens the preview stands in none of them.
pub async fn links(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<ListPreviews>,
) -> Result<Json<PreviewLinkList>, ApiError> {
    let page = page(query.limit, query.offset)?;
    let row = find(&app, &caller, &id).await?;
    let (store, now) = (&app.deps.tasks.store, app.deps.clock.now());
    let (limit, offset) = page.told();
    if !row.is_there(now) {
        return Ok(Json(PreviewLinkList { links: Vec::new(), total: 0, limit, offset }));
    }
    let (found, total) = store.preview_links(row.deployment, now, page.limit, page.offset).await?;
    // None works longer than its preview, whenever that was decided.
    let end = |link: &PreviewLinkRow| row.expires_at.map_or(link.expires_at, |end| end.min(link.expires_at));
    let listed = |link: PreviewLinkRow| ListedPreviewLink {
        id: link.id.to_string(),
        deployment_id: link.deployment.to_string(),
        created_at: link.created_at.to_string(),
        expires_at: end(&link).to_string(),
    };
    Ok(Json(PreviewLinkList { links: found.into_iter().map(listed).collect(), total, limit, offset }))
}

/// One of them, and whatever cookie it was exchanged for.
pub async fn revoke_link(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((id, link)): Path<(String, String)>,
) -> Result<Json<Success>, ApiError> {
    let missing = || ApiError::not_found("link to this preview");
    let row = find(&app, &caller, &id).await?;
    let link: ShareId = link.parse().map_err(|_| missing())?;
    let deleted = app.deps.tasks.store.delete_preview_link(row.deployment, link).await?;
    if deleted { Ok(Json(Success::YES)) } else { Err(missing()) }
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
