//! Files that are put into a workspace: streamed from the connection into the folder, never held.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use futures::{StreamExt, TryStreamExt};
use miteos_api::{FileKind, WorkspaceFile};
use miteos_sandbox::Limits;
use miteos_tools::Workspace;
use miteos_tools::workspace::Name;
use sha2::{Digest, Sha256};
use tokio_util::io::StreamReader;

use super::App;
use super::auth::Caller;
use super::error::ApiError;
use super::extract::Path;
use super::repeat::{Repeatable, again, json_answer, to_json};
use super::workspaces::{blocking, find};

/// Largest file that is taken in (bytes).
const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024 * 1024;
/// Files of one upload.
const MAX_FILES: usize = 10_000;
/// What a workspace holds at most: as much as programs may leave in it.
const MAX_WORKSPACE_BYTES: u64 = Limits::shell().workspace_total_bytes;
const MAX_WORKSPACE_FILES: u64 = Limits::shell().workspace_files;
/// Bytes of an upload that belong to no file, between two of them: boundaries and headers. They are kept until they are
/// whole, so there must be an end.
const MAX_BETWEEN_BYTES: u64 = 1024 * 1024;

/// Each file replaces one of its name, whole or not at all. Files before one that is refused stay: the same upload
/// sent again has the same end.
pub async fn upload(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let row = find(&app, &caller, &id).await?;
    let mut repeat = Repeatable::enter(&app, &request)?;
    let known = repeat.known(&app).await?;
    let between = Between::default();
    let multipart = Multipart::from_request(between.watch(request), &())
        .await
        .map_err(|error| ApiError::malformed(format!("an upload is multipart/form-data: {error}")))?;
    let mut upload = Upload { multipart, between, digest: repeat.is_named().then(Sha256::new) };
    if let Some(stored) = known {
        upload.pass_over().await?;
        repeat.set_fingerprint(upload.fingerprint());
        return repeat.same(stored).map(|row| again(&row));
    }
    let door = app.deps.workspace(row.id);
    let written = upload.take_in(&door).await;
    if app.deps.tasks.store.workspace(row.id).await?.is_none() {
        // Deleted meanwhile: what came after it made a folder that nobody would ever find.
        let root = door.root().to_owned();
        blocking(move || Workspace::remove(&root)).await?;
        return Err(ApiError::not_found("workspace"));
    }
    let written = written?;
    repeat.set_fingerprint(upload.fingerprint());
    let body = to_json(&written);
    // The files are in no table, so the answer is stored behind them. Who asks again after a crash in between puts the
    // same files there once more.
    if let Some(answer) = repeat.row(StatusCode::CREATED, &body, app.deps.clock.now()) {
        app.deps.tasks.store.insert_answer(answer).await?;
    }
    Ok(json_answer(StatusCode::CREATED, body))
}

/// An upload as it comes in.
struct Upload {
    multipart: Multipart,
    between: Between,
    /// Of names and contents, whatever the boundary between them is; `None` where nobody will compare it.
    digest: Option<Sha256>,
}

impl Upload {
    async fn take_in(&mut self, door: &Workspace) -> Result<Vec<WorkspaceFile>, ApiError> {
        let mut written: Vec<WorkspaceFile> = Vec::new();
        let folder = door.clone();
        let (mut files, mut bytes) = blocking(move || folder.size()).await?;
        while let Some(field) = next_field(&mut self.multipart, &self.between).await? {
            if files >= MAX_WORKSPACE_FILES || bytes >= MAX_WORKSPACE_BYTES {
                return Err(ApiError::refused(format!(
                    "the workspace is full: it may hold {MAX_WORKSPACE_FILES} files and {MAX_WORKSPACE_BYTES} bytes; delete what is not needed"
                )));
            }
            if written.len() == MAX_FILES {
                let detail = format!("the upload has more than {MAX_FILES} files; send it in several parts");
                return Err(ApiError::refused(detail));
            }
            let most = MAX_FILE_BYTES.min(MAX_WORKSPACE_BYTES - bytes);
            let file = one(field, &mut self.digest, door, most).await?;
            // One that takes the place of another is counted as one more: the next upload counts anew.
            files += 1;
            bytes += file.size_bytes;
            written.push(file);
        }
        if written.is_empty() {
            return Err(ApiError::malformed("the upload holds no file"));
        }
        Ok(written)
    }

    /// Reads to the end and keeps nothing.
    async fn pass_over(&mut self) -> Result<(), ApiError> {
        while let Some(mut field) = next_field(&mut self.multipart, &self.between).await? {
            let mut content = Content::begin(&mut self.digest, name_of(&field));
            while let Some(chunk) = field.chunk().await.map_err(|error| broken(&error))? {
                content.add(&chunk);
            }
            content.end();
        }
        Ok(())
    }

    fn fingerprint(&mut self) -> Vec<u8> {
        self.digest.take().map(|digest| digest.finalize().to_vec()).unwrap_or_default()
    }
}

/// How much of an upload came since the last file ended, while no file is open.
#[derive(Clone, Default)]
struct Between(Arc<AtomicU64>);

/// Stands for an open file: its content is bounded elsewhere.
const IN_A_FILE: u64 = u64::MAX;

impl Between {
    /// Counts what comes in with the request, and breaks it off where too much of it belongs to no file.
    fn watch(&self, request: Request) -> Request {
        let between = self.clone();
        let count = move |chunk: Result<Bytes, axum::Error>| {
            let chunk = chunk.map_err(io::Error::other)?;
            let before = between.0.load(Ordering::Relaxed);
            if before != IN_A_FILE {
                let now = before.saturating_add(chunk.len() as u64);
                if now > MAX_BETWEEN_BYTES {
                    return Err(io::Error::other("the part before a file is too long"));
                }
                between.0.store(now, Ordering::Relaxed);
            }
            Ok(chunk)
        };
        request.map(|body| Body::from_stream(body.into_data_stream().map(count)))
    }
}

async fn next_field<'m>(
    multipart: &'m mut Multipart,
    between: &Between,
) -> Result<Option<Field<'m>>, ApiError> {
    between.0.store(0, Ordering::Relaxed);
    let field = multipart.next_field().await.map_err(|error| broken(&error))?;
    between.0.store(IN_A_FILE, Ordering::Relaxed);
    Ok(field)
}

fn name_of<'a>(field: &'a Field<'_>) -> &'a str {
    field.file_name().or(field.name()).unwrap_or_default()
}

async fn one(
    field: Field<'_>,
    digest: &mut Option<Sha256>,
    door: &Workspace,
    most: u64,
) -> Result<WorkspaceFile, ApiError> {
    let text = name_of(&field).to_owned();
    let name = Name::parse(&text)?;
    let mut content = Content::begin(digest, &text);
    // Whose fault a failure is: the connection's or the folder's.
    let cut: Mutex<Option<ApiError>> = Mutex::new(None);
    let chunks = field
        .map_err(|error| {
            *cut.lock().unwrap_or_else(PoisonError::into_inner) = Some(broken(&error));
            io::Error::other(error)
        })
        .inspect_ok(|chunk| content.add(chunk));
    let copied = door.copy_in(&name, StreamReader::new(chunks), most).await;
    content.end();
    if let Err(error) = copied {
        let cut = cut.into_inner().unwrap_or_else(PoisonError::into_inner);
        return Err(cut.unwrap_or_else(|| error.into()));
    }
    let (door, wanted) = (door.clone(), name.clone());
    let info = blocking(move || door.stat(&wanted)).await?;
    Ok(WorkspaceFile {
        path: name.as_str().to_owned(),
        kind: FileKind::File,
        size_bytes: info.bytes,
        modified_at: info.modified.to_string(),
    })
}

/// One file in the digest of an upload: its name, its content, their lengths.
struct Content<'a> {
    digest: Option<&'a mut Sha256>,
    bytes: u64,
}

impl<'a> Content<'a> {
    fn begin(digest: &'a mut Option<Sha256>, name: &str) -> Self {
        let mut digest = digest.as_mut();
        if let Some(digest) = &mut digest {
            digest.update((name.len() as u64).to_be_bytes());
            digest.update(name);
        }
        Self { digest, bytes: 0 }
    }

    fn add(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        if let Some(digest) = &mut self.digest {
            digest.update(chunk);
        }
    }

    fn end(self) {
        if let Some(digest) = self.digest {
            digest.update(self.bytes.to_be_bytes());
        }
    }
}

fn broken(error: &MultipartError) -> ApiError {
    ApiError::malformed(format!("the upload cannot be read: {}", error.body_text()))
}
