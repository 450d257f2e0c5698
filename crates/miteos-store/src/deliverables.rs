//! Deliverables: immutable files that tasks hand over. The bytes are blobs.

use miteos_core::content::Sha256;
use miteos_core::ids::{AccountId, AgentId, DeliverableId, TaskId, WorkspaceId};
use miteos_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::MAX_LIST_ROWS;
use crate::columns::{count, id, int, opt_id, page, rows, sha256, time};
use crate::error::StoreError;
use crate::store::Store;

/// One deliverable; written once, by the append that publishes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverableRow {
    pub id: DeliverableId,
    pub task: TaskId,
    pub agent: Option<AgentId>,
    pub account: AccountId,
    pub live: bool,
    pub workspace: WorkspaceId,
    pub name: String,
    pub media_type: String,
    pub size_bytes: u64,
    pub sha256: Sha256,
    pub created_at: Timestamp,
}

macro_rules! deliverable_rows {
    ($rest:literal) => {
        concat!(
            "SELECT id, task, agent, account, live, workspace, name, media_type, size_bytes, sha256, ",
            "created_at FROM deliverables ",
            $rest
        )
    };
}

const GET: &str = deliverable_rows!("WHERE id = $1 AND task = $2");
const OF_TASK: &str = deliverable_rows!("WHERE task = $1 ORDER BY id LIMIT $2");
const OF_WORKSPACE: &str = deliverable_rows!("WHERE workspace = $1 ORDER BY id LIMIT $2");
const INSERT: &str = "INSERT INTO deliverables (id, task, agent, account, live, workspace, name, media_type,
    size_bytes, sha256, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (id) DO NOTHING";

impl Store {
    /// Oldest first.
    pub async fn deliverables(&self, task: TaskId) -> Result<Vec<DeliverableRow>, StoreError> {
        self.read("list the deliverables of a task", move |db| {
            rows(db, OF_TASK, params![task.to_string(), page(MAX_LIST_ROWS)], from_row)
        })
        .await
    }

    /// `None` also if it belongs to another task.
    pub async fn deliverable(
        &self,
        task: TaskId,
        deliverable: DeliverableId,
    ) -> Result<Option<DeliverableRow>, StoreError> {
        self.read("read a deliverable", move |db| get(db, task, deliverable)).await
    }

    /// Oldest first. They outlive their workspace.
    pub async fn deliverables_of_workspace(
        &self,
        workspace: WorkspaceId,
    ) -> Result<Vec<DeliverableRow>, StoreError> {
        self.read("list the deliverables of a workspace", move |db| {
            rows(db, OF_WORKSPACE, params![workspace.to_string(), page(MAX_LIST_ROWS)], from_row)
        })
        .await
    }
}

pub(crate) fn get(
    db: &Connection,
    task: TaskId,
    deliverable: DeliverableId,
) -> Result<Option<DeliverableRow>, StoreError> {
    let asked = params![deliverable.to_string(), task.to_string()];
    Ok(db.prepare_cached(GET)?.query_row(asked, from_row).optional()?)
}

pub(crate) fn insert(db: &Connection, row: &DeliverableRow) -> Result<(), StoreError> {
    let inserted = db.prepare_cached(INSERT)?.execute(params![
        row.id.to_string(),
        row.task.to_string(),
        row.agent.map(|id| id.to_string()),
        row.account.to_string(),
        row.live,
        row.workspace.to_string(),
        row.name,
        row.media_type,
        int(row.size_bytes),
        row.sha256.as_str(),
        int(row.created_at.millis()),
    ])?;
    if inserted == 0 {
        return Err(StoreError::Exists { what: "the deliverable", name: row.id.to_string() });
    }
    Ok(())
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<DeliverableRow> {
    Ok(DeliverableRow {
        id: id(row, 0)?,
        task: id(row, 1)?,
        agent: opt_id(row, 2)?,
        account: id(row, 3)?,
        live: row.get(4)?,
        workspace: id(row, 5)?,
        name: row.get(6)?,
        media_type: row.get(7)?,
        size_bytes: count(row, 8)?,
        sha256: sha256(row, 9)?,
        created_at: time(row, 10)?,
    })
}
