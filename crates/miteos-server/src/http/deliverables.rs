//! Deliverables: listed with signed links, downloaded as a stream.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    IF_RANGE, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use miteos_api::Deliverable;
use miteos_core::ids::{DeliverableId, TaskId};
use miteos_core::time::Timestamp;
use miteos_store::DeliverableRow;
use serde::Deserialize;

use super::App;
use super::auth::Caller;
use super::error::ApiError;
use super::extract::{Path, Query};
use super::ranges::{Wanted, attachment, is_known, wanted};
use crate::secrets::Purpose;
use crate::views;

/// How long a download link works (ms): an hour from the listing.
const LINK_LIVES_MS: u64 = 3_600_000;

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Vec<Deliverable>>, ApiError> {
    let task = app.task(&caller, &id).await?.task.id;
    let rows = app.deps.tasks.store.deliverables(task).await?;
    Ok(Json(rows.iter().map(|row| shown(&app, row)).collect()))
}

/// A deliverable with a fresh link.
pub fn shown(app: &App, row: &DeliverableRow) -> Deliverable {
    let expires = app.deps.clock.now().plus_ms(LINK_LIVES_MS).millis();
    let signature = app.master.sign(Purpose::Download, &message(row.task, row.id, expires));
    let path = format!("/v1/tasks/{}/deliverables/{}/download", row.task, row.id);
    views::deliverable(row, format!("{}{path}?expires={expires}&signature={signature}", app.public_url))
}

fn message(task: TaskId, file: DeliverableId, expires: u64) -> String {
    format!("{task}/{file}/{expires}")
}

#[derive(Deserialize)]
struct Link {
    expires: Option<String>,
    signature: Option<String>,
}

pub async fn download(
    State(app): State<Arc<App>>,
    Path((id, file)): Path<(String, String)>,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let Query(link) = Query::<Link>::from_request_parts(&mut parts, &app).await?;
    let missing = || ApiError::not_found("deliverable");
    let row = match (link.expires, link.signature) {
        (None, None) => {
            let caller = Caller::from_request_parts(&mut parts, &app).await?;
            caller.may("tasks.read")?;
            let task = app.task(&caller, &id).await?.task.id;
            let file: DeliverableId = file.parse().map_err(|_| missing())?;
            app.deps.tasks.store.deliverable(task, file).await?.ok_or_else(missing)?
        }
        (expires, signature) => {
            let (task, file) = signed(&app, &id, &file, expires.as_deref(), signature.as_deref())?;
            app.deps.tasks.store.deliverable(task, file).await?.ok_or_else(missing)?
        }
    };
    answer(&app, &row, &parts.headers).await
}

/// What a link names, if it is ours, unaltered and not too old.
fn signed(
    app: &App,
    task: &str,
    file: &str,
    expires: Option<&str>,
    signature: Option<&str>,
) -> Result<(TaskId, DeliverableId), ApiError> {
    let bad = || {
        ApiError::new(
            StatusCode::FORBIDDEN,
            "the link is not valid: it was altered; list the deliverables for a new one",
        )
    };
    let task: TaskId = task.parse().map_err(|_| bad())?;
    let file: DeliverableId = file.parse().map_err(|_| bad())?;
    let expires: u64 = expires.and_then(|text| text.parse().ok()).ok_or_else(bad)?;
    if !app.master.verify(Purpose::Download, &message(task, file, expires), signature.unwrap_or_default()) {
        return Err(bad());
    }
    if app.deps.clock.now() > Timestamp::from_millis(expires) {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "the link has expired; list the deliverables for a new one",
        ));
    }
    Ok((task, file))
}

/// The bytes of a deliverable, for whoever may have them. A browser saves them and shows nothing of them.
pub async fn answer(app: &App, row: &DeliverableRow, headers: &HeaderMap) -> Result<Response, ApiError> {
    let tag = format!("\"{}\"", row.sha256);
    let header = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    if is_known(headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response());
    }
    // A range of another version of the file would not fit: then the whole is sent.
    let fits = header(IF_RANGE).is_none_or(|known| known == tag);
    let range = match wanted(header(RANGE).filter(|_| fits), row.size_bytes) {
        Wanted::Whole => None,
        Wanted::Part(range) => Some(range),
        Wanted::Nothing => {
            let size = format!("bytes */{}", row.size_bytes);
            let why = format!("the file has {} bytes, and none of them is in this range", row.size_bytes);
            let refused = ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, why);
            return Ok(([(CONTENT_RANGE, size)], refused).into_response());
        }
    };
    let gone = || {
        ApiError::internal(&std::io::Error::other(format!(
            "the blob {} of {} is missing",
            row.sha256, row.id
        )))
    };
    let stream = app.deps.tasks.store.blobs().stream(&row.sha256, range.clone()).await?.ok_or_else(gone)?;
    let length = range.as_ref().map_or(row.size_bytes, |range| range.end - range.start);
    let mut response = Response::builder()
        .header(CONTENT_TYPE, row.media_type.as_str())
        .header(CONTENT_DISPOSITION, attachment(&row.name))
        .header(CONTENT_LENGTH, length)
        .header(ETAG, tag)
        .header(ACCEPT_RANGES, "bytes")
        .header(CACHE_CONTROL, "private, no-cache")
        .header(X_CONTENT_TYPE_OPTIONS, "nosniff");
    if let Some(range) = &range {
        let shown = format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), row.size_bytes);
        response = response.status(StatusCode::PARTIAL_CONTENT).header(CONTENT_RANGE, shown);
    }
    response.body(Body::from_stream(stream.chunks)).map_err(|error| ApiError::internal(&error))
}
