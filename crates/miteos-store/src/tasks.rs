//! The read model of tasks: one row each, kept in step with the journal by the append that changes it, and
//! the queries that lists, admission, timers and recovery ask of it.
//!
//! Prompts can be a hundred times longer than the rest and never change, so they lie in a table of their own
//! and an append does not rewrite them.

use miteos_core::ids::{AccountId, AgentId, TaskId, WorkspaceId};
use miteos_core::money::MicroUsd;
use miteos_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use crate::columns::{count, id, int, opt_time, page, rows, time, time_or_null};
use crate::error::StoreError;
use crate::store::Store;

/// Whose data, and which of the two worlds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope {
    pub account: AccountId,
    pub live: bool,
}

/// A task as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRow {
    pub id: TaskId,
    pub account: AccountId,
    pub live: bool,
    pub tier: String,
    /// `pending planning running paused complete failed cancelled`.
    pub status: String,
    pub prompt: String,
    pub workspace: WorkspaceId,
    /// JSON.
    pub config: String,
    /// JSON; what list rows show beyond the other columns.
    pub detail: String,
    /// How many records the journal holds.
    pub version: u64,
    /// How many of them are public.
    pub seq: u64,
    /// When somebody must look at the task again.
    pub wake_at: Option<Timestamp>,
    pub cost: MicroUsd,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
}

/// What an engine needs to know of a task to queue it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskHead {
    pub id: TaskId,
    pub account: AccountId,
    pub live: bool,
    pub tier: String,
    pub status: String,
    pub version: u64,
    pub wake_at: Option<Timestamp>,
}

macro_rules! task_rows {
    ($rest:literal) => {
        concat!(
            "SELECT t.id, t.account, t.live, t.tier, t.status, p.prompt, t.workspace, t.config, t.detail, ",
            "t.version, t.seq, t.wake_at, t.cost, t.created_at, t.started_at, t.completed_at ",
            "FROM tasks t JOIN prompts p ON p.task = t.id ",
            $rest
        )
    };
}

macro_rules! task_heads {
    ($rest:literal) => {
        concat!("SELECT id, account, live, tier, status, version, wake_at FROM tasks ", $rest)
    };
}

const GET: &str = task_rows!("WHERE t.id = $1");
// Rows are picked by index first, so that the skipped ones are never read.
const LIST: &str = task_rows!(
    "WHERE t.id IN (SELECT id FROM tasks WHERE account = $1 AND live = $2
     ORDER BY id DESC LIMIT $3 OFFSET $4) ORDER BY t.id DESC"
);
const LIST_STATUS: &str = task_rows!(
    "WHERE t.id IN (SELECT id FROM tasks WHERE account = $1 AND live = $2 AND status = $3
     ORDER BY id DESC LIMIT $4 OFFSET $5) ORDER BY t.id DESC"
);
const LIST_WORKSPACE: &str = task_rows!(
    "WHERE t.id IN (SELECT id FROM tasks WHERE account = $1 AND live = $2 AND workspace = $3
     ORDER BY id DESC LIMIT $4 OFFSET $5) ORDER BY t.id DESC"
);
const LIST_WORKSPACE_STATUS: &str = task_rows!(
    "WHERE t.id IN (SELECT id FROM tasks WHERE account = $1 AND live = $2 AND workspace = $3 AND status = $4
     ORDER BY id DESC LIMIT $5 OFFSET $6) ORDER BY t.id DESC"
);
const TOTAL: &str = "SELECT COUNT(*) FROM tasks WHERE account = $1 AND live = $2";
const TOTAL_STATUS: &str = "SELECT COUNT(*) FROM tasks WHERE account = $1 AND live = $2 AND status = $3";
const TOTAL_WORKSPACE: &str =
    "SELECT COUNT(*) FROM tasks WHERE account = $1 AND live = $2 AND workspace = $3";
const TOTAL_WORKSPACE_STATUS: &str =
    "SELECT COUNT(*) FROM tasks WHERE account = $1 AND live = $2 AND workspace = $3 AND status = $4";
// The words stand here and in the index, so that the index answers.
const UNFINISHED: &str = task_heads!(
    "WHERE status IN ('pending', 'planning', 'running', 'paused') AND id > $1 ORDER BY id LIMIT $2"
);
const DUE: &str = task_heads!(
    "WHERE wake_at IS NOT NULL AND (wake_at, id) > ($1, $2) AND wake_at <= $3 ORDER BY wake_at, id LIMIT $4"
);
const NEXT_WAKE: &str = "SELECT MIN(wake_at) FROM tasks WHERE wake_at > $1";
const COUNT_ACTIVE: &str = "SELECT COUNT(*) FROM tasks
    WHERE account = $1 AND live = $2 AND status IN ('planning', 'running', 'paused')";
const OLDEST_PENDING: &str =
    task_heads!("WHERE account = $1 AND live = $2 AND status = 'pending' ORDER BY id LIMIT $3");
const WITH_PENDING: &str = "SELECT DISTINCT account, live FROM tasks WHERE status = 'pending'";
const TASK_OF_AGENT: &str = "SELECT task FROM agents WHERE id = $1";

const INSERT: &str = "INSERT INTO tasks (id, account, live, tier, status, workspace, config, detail, version,
    seq, wake_at, cost, created_at, started_at, completed_at, feed)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
    ON CONFLICT (id) DO NOTHING RETURNING no";
const INSERT_PROMPT: &str = "INSERT INTO prompts (task, prompt) VALUES ($1, $2)";
const STORED: &str = "SELECT version, seq, account, live, status, wake_at, no, feed FROM tasks WHERE id = $1";
const UPDATE: &str = "UPDATE tasks SET config = $1, detail = $2, version = $3, seq = $4, cost = $5,
    started_at = $6, completed_at = $7, status = $8, wake_at = $9 WHERE no = $10 AND version = $11";
// Most appends change neither status nor wake-up, and then four indexes need no care.
const UPDATE_QUIETLY: &str = "UPDATE tasks SET config = $1, detail = $2, version = $3, seq = $4, cost = $5,
    started_at = $6, completed_at = $7 WHERE no = $8 AND version = $9";

impl Store {
    pub async fn task_row(&self, task: TaskId) -> Result<Option<TaskRow>, StoreError> {
        self.read("read a task", move |db| get(db, task)).await
    }

    /// Newest first, with the number of all that match.
    pub async fn list_tasks(
        &self,
        account: AccountId,
        live: bool,
        status: Option<String>,
        workspace: Option<WorkspaceId>,
        limit: usize,
        offset: usize,
    ) -> Result<(Vec<TaskRow>, u64), StoreError> {
        self.read("list tasks", move |db| {
            let account = account.to_string();
            let (limit, offset) = (page(limit), int(offset as u64));
            let total = |sql: &str, params: &[&dyn ToSql]| {
                Ok::<_, StoreError>(db.prepare_cached(sql)?.query_row(params, |row| count(row, 0))?)
            };
            match (status, workspace.map(|id| id.to_string())) {
                (None, None) => Ok((
                    rows(db, LIST, params![account, live, limit, offset], from_row)?,
                    total(TOTAL, params![account, live])?,
                )),
                (Some(status), None) => Ok((
                    rows(db, LIST_STATUS, params![account, live, status, limit, offset], from_row)?,
                    total(TOTAL_STATUS, params![account, live, status])?,
                )),
                (None, Some(workspace)) => Ok((
                    rows(db, LIST_WORKSPACE, params![account, live, workspace, limit, offset], from_row)?,
                    total(TOTAL_WORKSPACE, params![account, live, workspace])?,
                )),
                (Some(status), Some(workspace)) => {
                    let asked = params![account, live, workspace, status, limit, offset];
                    let found = rows(db, LIST_WORKSPACE_STATUS, asked, from_row)?;
                    Ok((found, total(TOTAL_WORKSPACE_STATUS, params![account, live, workspace, status])?))
                }
            }
        })
        .await
    }

    /// Tasks that are not over, by id, after the given one: for recovery at boot and by sweep.
    pub async fn unfinished(&self, after: Option<TaskId>, limit: usize) -> Result<Vec<TaskHead>, StoreError> {
        self.read("list unfinished tasks", move |db| {
            let after = after.map(|id| id.to_string()).unwrap_or_default();
            rows(db, UNFINISHED, params![after, page(limit)], head_from_row)
        })
        .await
    }

    /// Tasks whose wake-up time has come, the longest overdue first. They begin at a time, behind a task of that
    /// time if one is named.
    pub async fn due(
        &self,
        behind: (Timestamp, Option<TaskId>),
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<TaskHead>, StoreError> {
        self.read("list due tasks", move |db| {
            let (from, task) =
                (int(behind.0.millis()), behind.1.map(|id| id.to_string()).unwrap_or_default());
            rows(db, DUE, params![from, task, int(now.millis()), page(limit)], head_from_row)
        })
        .await
    }

    /// The earliest wake-up time after this one.
    pub async fn next_wake_after(&self, after: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.read("read the next wake-up", move |db| {
            Ok(db.prepare_cached(NEXT_WAKE)?.query_row([int(after.millis())], |row| time_or_null(row, 0))?)
        })
        .await
    }

    /// Tasks that hold one of the account's places: planning, running or paused.
    pub async fn count_active(&self, account: AccountId, live: bool) -> Result<u64, StoreError> {
        self.read("count active tasks", move |db| {
            let asked = params![account.to_string(), live];
            Ok(db.prepare_cached(COUNT_ACTIVE)?.query_row(asked, |row| count(row, 0))?)
        })
        .await
    }

    /// Tasks that wait for a place, first come first.
    pub async fn oldest_pending(
        &self,
        account: AccountId,
        live: bool,
        limit: usize,
    ) -> Result<Vec<TaskHead>, StoreError> {
        self.read("list pending tasks", move |db| {
            rows(db, OLDEST_PENDING, params![account.to_string(), live, page(limit)], head_from_row)
        })
        .await
    }

    /// Where tasks wait for a place.
    pub async fn accounts_with_pending(&self) -> Result<Vec<Scope>, StoreError> {
        self.read("list accounts with pending tasks", |db| {
            rows(db, WITH_PENDING, [], |row| Ok(Scope { account: id(row, 0)?, live: row.get(1)? }))
        })
        .await
    }

    pub async fn task_of_agent(&self, agent: AgentId) -> Result<Option<TaskId>, StoreError> {
        self.read("find the task of an agent", move |db| {
            let found = db.prepare_cached(TASK_OF_AGENT)?.query_row([agent.to_string()], |row| id(row, 0));
            Ok(found.optional()?)
        })
        .await
    }
}

pub(crate) fn get(db: &Connection, task: TaskId) -> Result<Option<TaskRow>, StoreError> {
    Ok(db.prepare_cached(GET)?.query_row([task.to_string()], from_row).optional()?)
}

/// What an append is checked against.
pub(crate) struct Stored {
    pub(crate) version: u64,
    pub(crate) seq: u64,
    pub(crate) account: AccountId,
    pub(crate) live: bool,
    pub(crate) no: i64,
    pub(crate) feed: i64,
    status: String,
    wake_at: Option<Timestamp>,
}

pub(crate) fn stored(db: &Connection, task: &str) -> Result<Option<Stored>, StoreError> {
    let found = db.prepare_cached(STORED)?.query_row([task], |row| {
        Ok(Stored {
            version: count(row, 0)?,
            seq: count(row, 1)?,
            account: id(row, 2)?,
            live: row.get(3)?,
            status: row.get(4)?,
            wake_at: time_or_null(row, 5)?,
            no: row.get(6)?,
            feed: row.get(7)?,
        })
    });
    Ok(found.optional()?)
}

/// The task's number; `None` if the task exists.
pub(crate) fn insert(db: &Connection, row: &TaskRow, feed: i64) -> Result<Option<i64>, StoreError> {
    let key = row.id.to_string();
    let values = params![
        key,
        row.account.to_string(),
        row.live,
        row.tier,
        row.status,
        row.workspace.to_string(),
        row.config,
        row.detail,
        int(row.version),
        int(row.seq),
        opt_time(row.wake_at),
        int(row.cost.0),
        int(row.created_at.millis()),
        opt_time(row.started_at),
        opt_time(row.completed_at),
        feed,
    ];
    let no = db.prepare_cached(INSERT)?.query_row(values, |row| row.get(0)).optional()?;
    if no.is_some() {
        db.prepare_cached(INSERT_PROMPT)?.execute(params![key, row.prompt])?;
    }
    Ok(no)
}

/// The fence itself: false if the stored version is not the expected one any more.
pub(crate) fn update(
    db: &Connection,
    row: &TaskRow,
    expected_version: u64,
    stored: &Stored,
) -> Result<bool, StoreError> {
    let (version, seq, cost) = (int(row.version), int(row.seq), int(row.cost.0));
    let (started_at, completed_at) = (opt_time(row.started_at), opt_time(row.completed_at));
    let quiet = stored.status == row.status && stored.wake_at == row.wake_at;
    let updated = if quiet {
        db.prepare_cached(UPDATE_QUIETLY)?.execute(params![
            row.config,
            row.detail,
            version,
            seq,
            cost,
            started_at,
            completed_at,
            stored.no,
            int(expected_version),
        ])?
    } else {
        db.prepare_cached(UPDATE)?.execute(params![
            row.config,
            row.detail,
            version,
            seq,
            cost,
            started_at,
            completed_at,
            row.status,
            opt_time(row.wake_at),
            stored.no,
            int(expected_version),
        ])?
    };
    Ok(updated == 1)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<TaskRow> {
    Ok(TaskRow {
        id: id(row, 0)?,
        account: id(row, 1)?,
        live: row.get(2)?,
        tier: row.get(3)?,
        status: row.get(4)?,
        prompt: row.get(5)?,
        workspace: id(row, 6)?,
        config: row.get(7)?,
        detail: row.get(8)?,
        version: count(row, 9)?,
        seq: count(row, 10)?,
        wake_at: time_or_null(row, 11)?,
        cost: MicroUsd(count(row, 12)?),
        created_at: time(row, 13)?,
        started_at: time_or_null(row, 14)?,
        completed_at: time_or_null(row, 15)?,
    })
}

fn head_from_row(row: &Row<'_>) -> rusqlite::Result<TaskHead> {
    Ok(TaskHead {
        id: id(row, 0)?,
        account: id(row, 1)?,
        live: row.get(2)?,
        tier: row.get(3)?,
        status: row.get(4)?,
        version: count(row, 5)?,
        wake_at: time_or_null(row, 6)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plans::assert_planned;

    #[test]
    fn every_query_is_answered_by_an_index() {
        let queries = [
            (GET, 1, "SEARCH t USING INDEX sqlite_autoindex_tasks_1"),
            (LIST, 4, "SEARCH tasks USING COVERING INDEX tasks_scope"),
            (LIST_STATUS, 5, "SEARCH tasks USING COVERING INDEX tasks_status"),
            (LIST_WORKSPACE, 5, "SEARCH tasks USING COVERING INDEX tasks_workspace"),
            (LIST_WORKSPACE_STATUS, 6, "SEARCH tasks USING INDEX tasks_"),
            (TOTAL, 2, "SEARCH tasks USING COVERING INDEX tasks_"),
            (TOTAL_STATUS, 3, "SEARCH tasks USING COVERING INDEX tasks_status"),
            (TOTAL_WORKSPACE, 3, "SEARCH tasks USING COVERING INDEX tasks_workspace"),
            (TOTAL_WORKSPACE_STATUS, 4, "SEARCH tasks USING INDEX tasks_"),
            (UNFINISHED, 2, "SEARCH tasks USING INDEX tasks_unfinished"),
            (DUE, 4, "SEARCH tasks USING INDEX tasks_wake"),
            (NEXT_WAKE, 1, "SEARCH tasks USING COVERING INDEX tasks_wake"),
            (COUNT_ACTIVE, 2, "SEARCH tasks USING COVERING INDEX tasks_status"),
            (OLDEST_PENDING, 3, "SEARCH tasks USING INDEX tasks_"),
            (WITH_PENDING, 0, "USING COVERING INDEX tasks_pending"),
        ];
        assert_planned(&queries, &["SCAN t "]);
    }
}
