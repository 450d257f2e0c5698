//! Deliverables: listed with signed links, downloaded as a stream.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, ETAG};
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
use super::files;
use super::ranges::{Wanted, is_known};
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
pub async fn answer(app: &App, row: &DeliverableRow, asked: &HeaderMap) -> Result<Response, ApiError> {
    files::no_part_of_a_page(asked)?;
    let tag = format!("\"{}\"", row.sha256);
    if is_known(asked, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response());
    }
    let wanted = Wanted::of(asked, &tag, row.size_bytes);
    let mut fields = files::saved(&row.name, &row.media_type);
    let status = wanted.say(&mut fields, row.size_bytes);
    if wanted == Wanted::Nothing {
        let why = format!("the file has {} bytes, and none of them is in this range", row.size_bytes);
        let range = fields.remove(CONTENT_RANGE).map(|range| [(CONTENT_RANGE, range)]);
        return Ok((range, ApiError::new(status, why)).into_response());
    }
    let gone = || {
        ApiError::internal(&std::io::Error::other(format!(
            "the blob {} of {} is missing",
            row.sha256, row.id
        )))
    };
    let stream = app.deps.tasks.store.blobs().stream(&row.sha256, wanted.part()).await?.ok_or_else(gone)?;
    let kept = [(ETAG, tag.as_str()), (ACCEPT_RANGES, "bytes"), (CACHE_CONTROL, "private, no-cache")];
    Ok((status, kept, fields, Body::from_stream(stream.chunks)).into_response())
}
