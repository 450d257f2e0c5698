//! Calls on workspaces and the files in them.

use std::time::Duration;

use miteos_api::{CreateWorkspace, Deliverable, ListFiles, Workspace, WorkspaceFile};
use reqwest::Method;
use tokio::io::AsyncWrite;

use crate::client::{Call, Client, invalid};
use crate::error::ClientError;
use crate::multipart::{self, Upload, UploadSource};
use crate::progress;

/// An upload of which nothing moves for this long is dead. What systems on the way hold in their buffers counts as
/// gone, so a slow line needs more patience than a silent one.
const UPLOAD_STALL: Duration = Duration::from_secs(120);

impl Client {
    /// `POST /workspaces`.
    pub async fn create_workspace(&self, workspace: &CreateWorkspace) -> Result<Workspace, ClientError> {
        self.json(&self.post(&["workspaces"], workspace)?).await
    }

    /// `GET /workspaces`.
    pub async fn list_workspaces(&self) -> Result<Vec<Workspace>, ClientError> {
        self.json(&self.get(&["workspaces"])?).await
    }

    /// `GET /workspaces/{id}`.
    pub async fn workspace(&self, id: &str) -> Result<Workspace, ClientError> {
        self.json(&self.get(&["workspaces", id])?).await
    }

    /// `DELETE /workspaces/{id}`: refused (422) while a task runs in it.
    pub async fn delete_workspace(&self, id: &str) -> Result<(), ClientError> {
        self.delete(&["workspaces", id]).await
    }

    /// `GET /workspaces/{id}/files`, all of them or those under `path`.
    pub async fn list_files(&self, id: &str, path: Option<&str>) -> Result<Vec<WorkspaceFile>, ClientError> {
        let query = ListFiles { path: path.map(str::to_owned) };
        self.json(&self.get(&["workspaces", id, "files"])?.query(&query)?).await
    }

    /// `POST /workspaces/{id}/files`: streams the files from disk and keeps their relative names. Repeated
    /// from the start after a cut; writing the same files twice is the same as once.
    pub async fn upload_files(
        &self,
        id: &str,
        uploads: &[Upload],
    ) -> Result<Vec<WorkspaceFile>, ClientError> {
        for upload in uploads {
            check_readable(upload).await?;
        }
        let call = self.call(Method::POST, &["workspaces", id, "files"])?;
        let mut failed = 0;
        loop {
            match self.upload_once(&call, uploads).await {
                Ok(files) => return Ok(files),
                Err(error) => self.pause_or_give_up(&call, &mut failed, error).await?,
            }
        }
    }

    async fn upload_once(&self, call: &Call, uploads: &[Upload]) -> Result<Vec<WorkspaceFile>, ClientError> {
        let boundary = multipart::boundary()?;
        let (progress, watchdog) = progress::watched(UPLOAD_STALL);
        let body = progress.of(multipart::body(&boundary, uploads));
        let request = self
            .upload_request(call)
            .header("content-type", format!("multipart/form-data; boundary={boundary}"))
            .body(reqwest::Body::wrap_stream(body));
        let answer = async {
            let response = self.send_request(request).await?;
            self.read_json(response).await
        };
        watchdog.over(answer).await.unwrap_or_else(|| Err(self.stalled()))
    }

    /// `GET /workspaces/{id}/files/{path}/download` into `writer`; resumed after a cut. Returns the bytes.
    pub async fn download_file<W: AsyncWrite + Unpin + Send>(
        &self,
        id: &str,
        path: &str,
        writer: &mut W,
    ) -> Result<u64, ClientError> {
        let segments = file_segments(id, path, &["download"]);
        self.download_to(self.get(&segments)?, writer).await
    }

    /// `DELETE /workspaces/{id}/files/{path}`.
    pub async fn delete_file(&self, id: &str, path: &str) -> Result<(), ClientError> {
        self.delete(&file_segments(id, path, &[])).await
    }

    /// `GET /workspaces/{id}/deliverables`: those of all its tasks.
    pub async fn workspace_deliverables(&self, id: &str) -> Result<Vec<Deliverable>, ClientError> {
        self.json(&self.get(&["workspaces", id, "deliverables"])?).await
    }
}

fn file_segments<'a>(id: &'a str, path: &'a str, tail: &[&'a str]) -> Vec<&'a str> {
    ["workspaces", id, "files"].into_iter().chain(path.split('/')).chain(tail.iter().copied()).collect()
}

/// Says which file is missing before anything is sent.
async fn check_readable(upload: &Upload) -> Result<(), ClientError> {
    let UploadSource::Path(path) = &upload.source else { return Ok(()) };
    let doing = || format!("read {}", path.display());
    let file = tokio::fs::File::open(path).await.map_err(|error| ClientError::local(doing(), error))?;
    let meta = file.metadata().await.map_err(|error| ClientError::local(doing(), error))?;
    if meta.is_dir() {
        return Err(invalid(format!("{} is a folder; name the files in it", path.display())));
    }
    Ok(())
}
