//! What tools need of the server: blobs, memory, and the sandbox, which is probed while the server starts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use miteos_core::content::Sha256;
use miteos_core::ids::{TaskId, WorkspaceId};
use miteos_store::{Store, StoreError};
use miteos_tools::services::{Memo, MemoryError};
use miteos_tools::{Blobs, Memory};
use tokio::io::AsyncRead;

use crate::clock::Clock;

pub struct StoreBlobs(pub Store);

#[async_trait]
impl Blobs for StoreBlobs {
    async fn put(&self, reader: Box<dyn AsyncRead + Send + Unpin>) -> std::io::Result<(Sha256, u64)> {
        let put = self.0.blobs().put_reader(reader).await.map_err(std::io::Error::other)?;
        Ok((put.sha256, put.bytes))
    }
}

/// Tasks whose workspace is remembered; one more and all are looked up again.
const MAX_KNOWN_TASKS: usize = 4_096;

pub struct StoreMemory {
    store: Store,
    clock: Arc<dyn Clock>,
    /// A task stays in its workspace, so that it need not be looked up at each call.
    workspaces: Mutex<HashMap<TaskId, WorkspaceId>>,
}

impl StoreMemory {
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, workspaces: Mutex::default() }
    }

    async fn workspace(&self, task: TaskId) -> Result<WorkspaceId, MemoryError> {
        if let Some(known) = self.known().get(&task) {
            return Ok(*known);
        }
        let row = self.store.task_row(task).await.map_err(|e| MemoryError::Storage(e.into()))?;
        let row = row.ok_or_else(|| MemoryError::Refused("the task is gone".to_owned()))?;
        let mut known = self.known();
        if known.len() >= MAX_KNOWN_TASKS {
            known.clear();
        }
        known.insert(task, row.workspace);
        Ok(row.workspace)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<TaskId, WorkspaceId>> {
        self.workspaces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Memory for StoreMemory {
    async fn remember(&self, task: TaskId, key: &str, value: &str) -> Result<(), MemoryError> {
        let workspace = self.workspace(task).await?;
        let kept = self.store.remember(workspace, key.to_owned(), value.to_owned(), self.clock.now()).await;
        kept.map_err(|error| match error {
            StoreError::TooLarge { .. } => MemoryError::Refused(error.to_string()),
            other => MemoryError::Storage(other.into()),
        })
    }

    async fn recall(&self, task: TaskId, query: &str, limit: usize) -> Result<Vec<Memo>, MemoryError> {
        let workspace = self.workspace(task).await?;
        let notes =
            self.store.recall(workspace, query, limit).await.map_err(|e| MemoryError::Storage(e.into()))?;
        Ok(notes.into_iter().map(|note| Memo { key: note.key, value: note.value }).collect())
    }
}
