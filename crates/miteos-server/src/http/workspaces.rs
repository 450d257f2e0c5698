//! Workspaces and the files in them. Every name goes through the one door that keeps it inside.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use miteos_api::{
    CreateWorkspace, Deliverable, FileKind, ListFiles, Success, WorkspaceFile, WorkspaceStatus,
};
use miteos_core::ids::WorkspaceId;
use miteos_store::{DeletedWorkspace, WorkspaceRow};
use miteos_tools::Workspace;
use miteos_tools::workspace::{Entry, Name, WalkLimits};
use tokio_util::io::ReaderStream;

use super::App;
use super::auth::Caller;
use super::deliverables as handed_over;
use super::error::ApiError;
use super::extract::{Path, Query, named};
use super::files as outward;
use super::repeat::{Once, json_answer, to_json};
use crate::clock::{Clock, SystemClock};

/// Longest name and description of a workspace (characters).
const MAX_NAME_CHARS: usize = 200;
const MAX_DESCRIPTION_CHARS: usize = 10_000;
/// How much of a file one turn of a blocking thread reads: more of them cost more than the reading.
const DOWNLOAD_CHUNK_BYTES: usize = 256 * 1024;
/// Files listed at once; a workspace with more says so in the log.
const MAX_LISTED: usize = 10_000;

pub async fn find(app: &App, caller: &Caller, id: &str) -> Result<WorkspaceRow, ApiError> {
    let missing = || ApiError::not_found("workspace");
    let id: WorkspaceId = id.parse().map_err(|_| missing())?;
    caller.own(app.deps.tasks.store.workspace(id).await?).ok_or_else(missing)
}

/// File work, off the async threads.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, miteos_tools::WorkspaceError> + Send + 'static,
) -> Result<T, ApiError> {
    // Its lines of the log are the request's.
    let span = tracing::Span::current();
    match tokio::task::spawn_blocking(move || span.in_scope(work)).await {
        Ok(done) => Ok(done?),
        Err(panic) => Err(ApiError::internal(&panic)),
    }
}

async fn shown(app: &App, row: WorkspaceRow) -> Result<miteos_api::Workspace, ApiError> {
    let mut shown = all_shown(app, vec![row]).await?;
    shown.pop().ok_or_else(|| ApiError::not_found("workspace"))
}

/// Workspaces with the number of their files, counted in one go off the async threads.
async fn all_shown(app: &App, rows: Vec<WorkspaceRow>) -> Result<Vec<miteos_api::Workspace>, ApiError> {
    let (counts, folder) = (app.file_counts.clone(), app.deps.workspaces.clone());
    // The machine's own time, whatever the server's clock says: it is compared with that of the file system.
    let now = SystemClock.now();
    let one = move |row: WorkspaceRow| {
        Ok(miteos_api::Workspace {
            id: row.id.to_string(),
            file_count: counts.of(row.id, folder.join(row.id.to_string()), now)?,
            name: row.name,
            description: row.description,
            status: WorkspaceStatus::Active,
            created_at: row.created_at.to_string(),
        })
    };
    blocking(move || rows.into_iter().map(one).collect()).await
}

pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Once { repeat, body: asked }: Once<CreateWorkspace>,
) -> Result<Response, ApiError> {
    let name = named(&asked.name, MAX_NAME_CHARS)?;
    if asked.description.as_ref().is_some_and(|text| text.chars().count() > MAX_DESCRIPTION_CHARS) {
        return Err(ApiError::refused(format!(
            "description has more than {MAX_DESCRIPTION_CHARS} characters"
        )));
    }
    let now = app.deps.clock.now();
    let row = WorkspaceRow {
        id: WorkspaceId(app.ids.ulid(now)),
        account: caller.key.account,
        live: caller.key.live,
        name: name.to_owned(),
        description: asked.description,
        created_at: now,
    };
    let body = to_json(&shown(&app, row.clone()).await?);
    app.deps.tasks.store.insert_workspace(row, repeat.row(StatusCode::CREATED, &body, now)).await?;
    Ok(json_answer(StatusCode::CREATED, body))
}

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<Vec<miteos_api::Workspace>>, ApiError> {
    let rows = app.deps.tasks.store.workspaces(caller.key.account, caller.key.live).await?;
    Ok(Json(all_shown(&app, rows).await?))
}

pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<miteos_api::Workspace>, ApiError> {
    let row = find(&app, &caller, &id).await?;
    Ok(Json(shown(&app, row).await?))
}

pub async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Success>, ApiError> {
    let row = find(&app, &caller, &id).await?;
    match app.deps.tasks.store.delete_workspace(row.id).await? {
        DeletedWorkspace::Deleted => {}
        DeletedWorkspace::Missing => return Err(ApiError::not_found("workspace")),
        DeletedWorkspace::Busy => {
            return Err(ApiError::refused(
                "the workspace has a task that is not finished; cancel it or wait for its end",
            ));
        }
        DeletedWorkspace::Deploying => {
            return Err(ApiError::refused(
                "the workspace is being deployed; wait for the end of that or cancel it",
            ));
        }
    }
    app.file_counts.forget(row.id);
    // The row is gone, so nobody can use the folder any more; what cannot be removed now is only room on the disk.
    let root = app.deps.workspaces.join(row.id.to_string());
    if let Err(error) = blocking(move || Workspace::remove(&root)).await {
        tracing::warn!(workspace = %row.id, ?error, "the folder of a deleted workspace could not be removed");
    }
    Ok(Json(Success::YES))
}

pub async fn deliverables(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Vec<Deliverable>>, ApiError> {
    let row = find(&app, &caller, &id).await?;
    let rows = app.deps.tasks.store.deliverables_of_workspace(row.id).await?;
    Ok(Json(rows.iter().map(|row| handed_over::shown(&app, row)).collect()))
}

fn file(entry: Entry) -> Option<WorkspaceFile> {
    let kind = match entry.kind {
        miteos_tools::workspace::FileKind::File => FileKind::File,
        miteos_tools::workspace::FileKind::Folder => FileKind::Directory,
        miteos_tools::workspace::FileKind::Link | miteos_tools::workspace::FileKind::Special => return None,
    };
    Some(WorkspaceFile {
        path: entry.name,
        kind,
        size_bytes: entry.bytes,
        modified_at: entry.modified.to_string(),
    })
}

pub async fn files(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<ListFiles>,
) -> Result<Json<Vec<WorkspaceFile>>, ApiError> {
    let row = find(&app, &caller, &id).await?;
    let folder = Name::folder(query.path.as_deref().unwrap_or("."))?;
    let door = app.deps.workspace(row.id);
    let limits = WalkLimits { max_entries: MAX_LISTED, skip_heavy: false };
    let listing = blocking(move || door.list(&folder, limits)).await?;
    if listing.truncated {
        tracing::warn!(workspace = %row.id, "a workspace has more files than a list shows");
    }
    Ok(Json(listing.entries.into_iter().filter_map(file).collect()))
}

pub async fn download(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((id, path)): Path<(String, String)>,
    asked: HeaderMap,
) -> Result<Response, ApiError> {
    let row = find(&app, &caller, &id).await?;
    outward::no_part_of_a_page(&asked)?;
    let Some(path) = path.strip_suffix("/download") else {
        return Err(ApiError::new(StatusCode::NOT_FOUND, "a file is read at …/files/{path}/download"));
    };
    let name = Name::parse(path)?;
    let door = app.deps.workspace(row.id);
    let wanted = name.clone();
    let (file, info) = blocking(move || door.open_file(&wanted)).await?;
    let media_type = mime_guess::from_path(name.as_str()).first_raw().unwrap_or("application/octet-stream");
    let file = tokio::io::AsyncReadExt::take(tokio::fs::File::from_std(file), info.bytes);
    let stream = ReaderStream::with_capacity(file, DOWNLOAD_CHUNK_BYTES);
    let mut fields = outward::saved(name.last(), media_type);
    fields.insert(CONTENT_LENGTH, info.bytes.into());
    Ok((fields, Body::from_stream(stream)).into_response())
}

pub async fn remove_file(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((id, path)): Path<(String, String)>,
) -> Result<Json<Success>, ApiError> {
    let row = find(&app, &caller, &id).await?;
    let name = Name::parse(&path)?;
    let door = app.deps.workspace(row.id);
    blocking(move || door.delete(&name)).await?;
    Ok(Json(Success::YES))
}
