//! Workspaces: the names of the folders that tasks work in. It does not know their files.

use miteos_core::ids::{AccountId, WorkspaceId};
use miteos_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::columns::{id, int, page, rows, time};
use crate::error::StoreError;
use crate::idempotency::{self, IdempotencyRow};
use crate::store::Store;
use crate::{MAX_LIST_ROWS, deployments, memory};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceRow {
    pub id: WorkspaceId,
    pub account: AccountId,
    pub live: bool,
    /// Unique in its account and world.
    pub name: String,
    pub description: Option<String>,
    pub created_at: Timestamp,
}

/// What a deletion came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletedWorkspace {
    Deleted,
    Missing,
    /// An unfinished task works there; nothing was deleted.
    Busy,
    /// Its files are being deployed; nothing was deleted.
    Deploying,
}

macro_rules! workspace_rows {
    ($rest:literal) => {
        concat!("SELECT id, account, live, name, description, created_at FROM workspaces ", $rest)
    };
}

const GET: &str = workspace_rows!("WHERE id = $1");
const LIST: &str = workspace_rows!("WHERE account = $1 AND live = $2 ORDER BY id DESC LIMIT $3");
const INSERT: &str = "INSERT INTO workspaces (id, account, live, name, description, created_at)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
const OWNED: &str = "SELECT id FROM workspaces WHERE id = $1 AND account = $2 AND live = $3";
const AT_WORK: &str = "SELECT id FROM tasks WHERE account = $1 AND live = $2 AND workspace = $3
    AND status IN ('pending', 'planning', 'running', 'paused') LIMIT 1";
const DELETE: &str = "DELETE FROM workspaces WHERE id = $1";

impl Store {
    /// Fails with [`StoreError::Exists`] if the account has one of that name in that world, and with
    /// [`StoreError::Repeated`] if the answer to store is there already.
    pub async fn insert_workspace(
        &self,
        row: WorkspaceRow,
        answer: Option<IdempotencyRow>,
    ) -> Result<(), StoreError> {
        self.write("insert a workspace", move |db| {
            if let Some(answer) = &answer {
                idempotency::insert(db, answer)?;
            }
            insert(db, &row)
        })
        .await
    }

    pub async fn workspace(&self, workspace: WorkspaceId) -> Result<Option<WorkspaceRow>, StoreError> {
        self.read("read a workspace", move |db| {
            Ok(db.prepare_cached(GET)?.query_row([workspace.to_string()], from_row).optional()?)
        })
        .await
    }

    /// Newest first, at most [`crate::MAX_LIST_ROWS`].
    pub async fn workspaces(&self, account: AccountId, live: bool) -> Result<Vec<WorkspaceRow>, StoreError> {
        self.read("list workspaces", move |db| {
            rows(db, LIST, params![account.to_string(), live, page(MAX_LIST_ROWS)], from_row)
        })
        .await
    }

    /// Deletes the workspace and its notes, unless an unfinished task works there. Deliverables stay.
    pub async fn delete_workspace(&self, workspace: WorkspaceId) -> Result<DeletedWorkspace, StoreError> {
        self.write("delete a workspace", move |db| {
            let key = workspace.to_string();
            let Some(row) = db.prepare_cached(GET)?.query_row([&key], from_row).optional()? else {
                return Ok(DeletedWorkspace::Missing);
            };
            let asked = params![row.account.to_string(), row.live, key];
            if db.prepare_cached(AT_WORK)?.exists(asked)? {
                return Ok(DeletedWorkspace::Busy);
            }
            if deployments::is_active_in(db, row.account, row.live, &key)? {
                return Ok(DeletedWorkspace::Deploying);
            }
            db.prepare_cached(DELETE)?.execute([&key])?;
            memory::delete_all(db, &key)?;
            Ok(DeletedWorkspace::Deleted)
        })
        .await
    }
}

pub(crate) fn insert(db: &Connection, row: &WorkspaceRow) -> Result<(), StoreError> {
    let inserted = db.prepare_cached(INSERT)?.execute(params![
        row.id.to_string(),
        row.account.to_string(),
        row.live,
        row.name,
        row.description,
        int(row.created_at.millis()),
    ])?;
    if inserted == 0 {
        return Err(StoreError::Exists { what: "the workspace", name: row.name.clone() });
    }
    Ok(())
}

/// Fails with [`StoreError::Missing`] unless the workspace is the account's own, in that world.
pub(crate) fn require(
    db: &Connection,
    workspace: WorkspaceId,
    account: AccountId,
    live: bool,
) -> Result<(), StoreError> {
    let name = workspace.to_string();
    if db.prepare_cached(OWNED)?.exists(params![name, account.to_string(), live])? {
        Ok(())
    } else {
        Err(StoreError::Missing { what: "the workspace", name })
    }
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<WorkspaceRow> {
    Ok(WorkspaceRow {
        id: id(row, 0)?,
        account: id(row, 1)?,
        live: row.get(2)?,
        name: row.get(3)?,
        description: row.get(4)?,
        created_at: time(row, 5)?,
    })
}
