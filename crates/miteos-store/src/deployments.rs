//! Deployments: one row each, kept in step with the journal by the append that changes it. Their records lie in the
//! same journal and the same feeds as those of tasks. What a state means is the caller's.

use std::path::Path;

use miteos_core::ids::{AccountId, DeliverableId, DeployConfigId, DeploymentId, Source, WorkspaceId};
use miteos_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::columns::{count, id, int, opt_id, opt_time, page, rows, time, time_or_null};
use crate::error::{AppendError, StoreError};
use crate::idempotency::{self, IdempotencyRow};
use crate::journal::{self, Committed, NewRecord, Place, Record, feed_of, record, records, write_records};
use crate::store::Store;
use crate::tasks::Scope;
use crate::{deploy_configs, migrations, sqlite, workspaces};

/// A deployment as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentRow {
    pub id: DeploymentId,
    pub account: AccountId,
    pub live: bool,
    pub workspace: WorkspaceId,
    /// What is published instead of the workspace. The workspace may be gone then.
    pub deliverable: Option<DeliverableId>,
    pub target: String,
    pub config: Option<DeployConfigId>,
    /// `pending building deploying live failed`. One that is live and holds the place of its files and its target again is
    /// `deploying`, whatever clients see.
    pub status: String,
    /// JSON: the folded state at this version.
    pub state: String,
    /// How many records the journal holds.
    pub version: u64,
    /// How many of them are public.
    pub seq: u64,
    pub created_at: Timestamp,
    pub completed_at: Option<Timestamp>,
}

/// One step of one deployment, committed whole or not at all.
#[derive(Debug, Clone)]
pub struct DeploymentAppend {
    /// The fence: the version that the decision was made on; 0 for a new one.
    pub expected_version: u64,
    pub records: Vec<NewRecord>,
    /// Once it exists, only `status`, `state`, `version`, `seq` and `completed_at` are written again.
    pub row: DeploymentRow,
    /// The answer to store with it; fails with [`StoreError::Repeated`] if there is one already.
    pub idempotency: Option<IdempotencyRow>,
}

/// What making a deployment came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MadeDeployment {
    Made(Committed),
    /// One of this id is there; nothing was written.
    Known,
    /// Another one of the same files to the same target is not over; nothing was written.
    Active(DeploymentId),
}

/// What taking the place of its files and its target again came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reopened {
    Reopened(Committed),
    /// Somebody else appended first: load again and decide again.
    Conflict,
    /// Another one of the same files to the same target is not over; nothing was written.
    Active(DeploymentId),
}

macro_rules! deployment_rows {
    ($rest:literal) => {
        concat!(
            "SELECT id, account, live, workspace, source, target, config, status, state, version, seq, created_at, ",
            "completed_at FROM deployments ",
            $rest
        )
    };
}

const GET: &str = deployment_rows!("WHERE id = $1");
const ALL: &str = deployment_rows!("ORDER BY id");
const LIST: &str = deployment_rows!("WHERE account = $1 AND live = $2 ORDER BY id DESC LIMIT $3 OFFSET $4");
const LIST_WORKSPACE: &str = deployment_rows!(
    "WHERE account = $1 AND live = $2 AND workspace = $3 ORDER BY id DESC LIMIT $4 OFFSET $5"
);
// The words stand here and in the indexes, so that the indexes answer.
const ACTIVE: &str = "SELECT id FROM deployments WHERE status IN ('pending', 'building', 'deploying')
    AND id > $1 ORDER BY id LIMIT $2";
const ACTIVE_OF: &str = "SELECT id FROM deployments WHERE source = $1 AND target = $2
    AND status IN ('pending', 'building', 'deploying')";
const ACTIVE_IN: &str = "SELECT id FROM deployments WHERE account = $1 AND live = $2 AND workspace = $3
    AND source = $3 AND status IN ('pending', 'building', 'deploying') LIMIT 1";
const ACTIVE_WITH: &str = "SELECT id FROM deployments WHERE config = $1
    AND status IN ('pending', 'building', 'deploying') LIMIT 1";
const INSERT: &str = "INSERT INTO deployments (id, account, live, workspace, source, target, config, status,
    state, feed, version, seq, created_at, completed_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING no";
const STORED: &str = "SELECT no, feed, version, seq FROM deployments WHERE id = $1";
const UPDATE: &str = "UPDATE deployments SET status = $1, state = $2, version = $3, seq = $4,
    completed_at = $5 WHERE no = $6 AND version = $7";
// The records of deployment n stand under the number -n. A version is never less than its seq.
const EVENTS_AFTER: &str = "SELECT version, seq, kind, agent, at, body FROM journal
    WHERE task = (SELECT -no FROM deployments WHERE id = $1) AND version > $2 AND seq > $2
    ORDER BY version LIMIT $3";
const RECORDS_AFTER: &str = "SELECT version, seq, kind, agent, at, body FROM journal
    WHERE task = (SELECT -no FROM deployments WHERE id = $1) AND version > $2 ORDER BY version LIMIT $3";

impl Store {
    /// Writes a deployment's first record. Fails with [`StoreError::Missing`] if its workspace (where that is what is
    /// published) or its configuration is not there, and with [`StoreError::Repeated`] if the answer to store is.
    pub async fn create_deployment(&self, append: DeploymentAppend) -> Result<MadeDeployment, StoreError> {
        check(&append)?;
        self.write_append("create a deployment", move |db| create(db, &append)).await
    }

    /// Appends, if the deployment is still at the expected version. As [`Store::append`] otherwise.
    pub async fn append_deployment(&self, append: DeploymentAppend) -> Result<Committed, AppendError> {
        check(&append)?;
        self.write_append("append to the journal", move |db| extend(db, &append)).await
    }

    /// As [`Self::append_deployment`], for one that is over and comes to be under way again: only if no other one is.
    pub async fn reopen_deployment(&self, append: DeploymentAppend) -> Result<Reopened, StoreError> {
        check(&append)?;
        self.write_append("append to the journal", move |db| reopen(db, &append)).await
    }

    pub async fn deployment(&self, id: DeploymentId) -> Result<Option<DeploymentRow>, StoreError> {
        self.read("read a deployment", move |db| {
            Ok(db.prepare_cached(GET)?.query_row([id.to_string()], from_row).optional()?)
        })
        .await
    }

    /// Newest first, of one workspace or of all.
    pub async fn deployments(
        &self,
        scope: Scope,
        workspace: Option<WorkspaceId>,
        limit: usize,
        offset: usize,
    ) -> Result<Vec<DeploymentRow>, StoreError> {
        self.read("list deployments", move |db| {
            let (account, limit, offset) = (scope.account.to_string(), page(limit), int(offset as u64));
            match workspace {
                None => rows(db, LIST, params![account, scope.live, limit, offset], from_row),
                Some(workspace) => {
                    let asked = params![account, scope.live, workspace.to_string(), limit, offset];
                    rows(db, LIST_WORKSPACE, asked, from_row)
                }
            }
        })
        .await
    }

    /// Deployments of all accounts that are not over, by id, after the given one.
    pub async fn active_deployments(
        &self,
        after: Option<DeploymentId>,
        limit: usize,
    ) -> Result<Vec<DeploymentId>, StoreError> {
        self.read("list active deployments", move |db| {
            let after = after.map(|id| id.to_string()).unwrap_or_default();
            rows(db, ACTIVE, params![after, page(limit)], |row| id(row, 0))
        })
        .await
    }

    /// Public records of a task or a deployment after a `seq`, at most [`crate::MAX_RECORDS_PER_READ`].
    pub async fn events_of(&self, source: Source, seq: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        match source {
            Source::Task(task) => self.events_after(task, seq, limit).await,
            Source::Deployment(id) => self.deployment_log(EVENTS_AFTER, id, seq, limit).await,
        }
    }

    /// Records of a deployment after a version, private ones included, at most [`crate::MAX_RECORDS_PER_READ`].
    pub async fn deployment_records_after(
        &self,
        deployment: DeploymentId,
        version: u64,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.deployment_log(RECORDS_AFTER, deployment, version, limit).await
    }

    async fn deployment_log(
        &self,
        sql: &'static str,
        id: DeploymentId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.read("read the journal of a deployment", move |db| {
            rows(db, sql, params![id.to_string(), int(after), records(limit)], record)
        })
        .await
    }
}

/// Looks at every deployment of a folder that a server may be using. Blocks.
///
/// # Errors
/// [`StoreError::NewerSchema`] if the database is newer than this program.
pub fn look_at_deployments(folder: &Path, mut look: impl FnMut(DeploymentRow)) -> Result<(), StoreError> {
    /// The first schema with deployments.
    const DEPLOYMENTS: i64 = 5;
    let db = sqlite::open_copied(&folder.join("miteos.db"))?;
    if migrations::version(&db)? < DEPLOYMENTS {
        return Ok(());
    }
    let mut query = db.prepare(ALL)?;
    let mut found = query.query([])?;
    while let Some(row) = found.next()? {
        look(from_row(row)?);
    }
    Ok(())
}

/// Whether one of this workspace's own files is not over.
pub(crate) fn is_active_in(
    db: &Connection,
    account: AccountId,
    live: bool,
    workspace: &str,
) -> Result<bool, StoreError> {
    Ok(db.prepare_cached(ACTIVE_IN)?.exists(params![account.to_string(), live, workspace])?)
}

/// The deployment with this configuration that is not over, if there is one.
pub(crate) fn active_with(db: &Connection, config: &str) -> Result<Option<DeploymentId>, StoreError> {
    Ok(db.prepare_cached(ACTIVE_WITH)?.query_row([config], |row| id(row, 0)).optional()?)
}

/// Its number; `None` if there is no such.
pub(crate) fn number(db: &Connection, deployment: &str) -> Result<Option<i64>, StoreError> {
    Ok(db.prepare_cached(STORED)?.query_row([deployment], |row| row.get(0)).optional()?)
}

fn check(append: &DeploymentAppend) -> Result<(), StoreError> {
    let DeploymentAppend { expected_version, records, row, .. } = append;
    let invalid = |why| Err(StoreError::Invalid { doing: "append to the journal of a deployment", why });
    let version = expected_version.saturating_add(records.len() as u64);
    if row.version != version {
        return invalid(format!("{} is at version {}, not at {version}", row.id, row.version));
    }
    let public: Vec<u64> = records.iter().filter_map(|record| record.seq).collect();
    let first = row.seq.saturating_add(1).saturating_sub(public.len() as u64).max(1);
    if !public.is_empty() && !public.iter().copied().eq(first..=row.seq) {
        return invalid(format!("the public records {public:?} do not lead to seq {}", row.seq));
    }
    let bodies = records.iter().map(|record| record.body.len()).chain([row.state.len()]);
    if let Some(actual) = bodies.max().filter(|bytes| *bytes > journal::MAX_RECORD_BYTES) {
        let (actual, limit) = (actual as u64, journal::MAX_RECORD_BYTES as u64);
        return Err(StoreError::TooLarge { what: "the record", actual, limit });
    }
    Ok(())
}

fn create(db: &Connection, append: &DeploymentAppend) -> Result<MadeDeployment, StoreError> {
    let row = &append.row;
    let (key, workspace) = (row.id.to_string(), row.workspace.to_string());
    if number(db, &key)?.is_some() {
        return Ok(MadeDeployment::Known);
    }
    let source = source(row);
    if let Some(active) = active_of(db, &source, &row.target)? {
        return Ok(MadeDeployment::Active(active));
    }
    if let Some(answer) = &append.idempotency {
        idempotency::insert(db, answer)?;
    }
    if row.deliverable.is_none() {
        workspaces::require(db, row.workspace, row.account, row.live)?;
    }
    if let Some(config) = row.config {
        deploy_configs::require(db, config, row.account, row.live)?;
    }
    let feed = feed_of(db, row.account, row.live)?;
    let values = params![
        key,
        row.account.to_string(),
        row.live,
        workspace,
        source,
        row.target,
        row.config.map(|id| id.to_string()),
        row.status,
        row.state,
        feed,
        int(row.version),
        int(row.seq),
        int(row.created_at.millis()),
        opt_time(row.completed_at),
    ];
    let no: i64 = db.prepare_cached(INSERT)?.query_row(values, |row| row.get(0))?;
    let account_cursor = write_records(db, 0, &append.records, Place { log: -no, feed })?;
    Ok(MadeDeployment::Made(Committed { version: row.version, account_cursor }))
}

/// What is published: the workspace, or a deliverable in its place.
fn source(row: &DeploymentRow) -> String {
    row.deliverable.map_or_else(|| row.workspace.to_string(), |id| id.to_string())
}

fn active_of(db: &Connection, source: &str, target: &str) -> Result<Option<DeploymentId>, StoreError> {
    Ok(db.prepare_cached(ACTIVE_OF)?.query_row([source, target], |row| id(row, 0)).optional()?)
}

fn reopen(db: &Connection, append: &DeploymentAppend) -> Result<Reopened, StoreError> {
    let row = &append.row;
    if let Some(other) = active_of(db, &source(row), &row.target)?.filter(|other| *other != row.id) {
        return Ok(Reopened::Active(other));
    }
    match extend(db, append) {
        Ok(committed) => Ok(Reopened::Reopened(committed)),
        Err(AppendError::Conflict { .. }) => Ok(Reopened::Conflict),
        Err(AppendError::Store(error)) => Err(error),
    }
}

fn extend(db: &Connection, append: &DeploymentAppend) -> Result<Committed, AppendError> {
    let (row, key) = (&append.row, append.row.id.to_string());
    let stored = db.prepare_cached(STORED)?.query_row([&key], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, count(row, 2)?, count(row, 3)?))
    });
    let Some((no, feed, version, seq)) = stored.optional()? else {
        return Err(StoreError::Missing { what: "the deployment", name: key }.into());
    };
    if version != append.expected_version {
        return Err(AppendError::Conflict { actual_version: version });
    }
    let public = append.records.iter().filter(|record| record.seq.is_some()).count() as u64;
    if seq + public != row.seq {
        let why = format!("{public} events after seq {seq} do not lead to seq {}", row.seq);
        return Err(StoreError::Invalid { doing: "append to the journal of a deployment", why }.into());
    }
    if let Some(answer) = &append.idempotency {
        idempotency::insert(db, answer)?;
    }
    let values = params![
        row.status,
        row.state,
        int(row.version),
        int(row.seq),
        opt_time(row.completed_at),
        no,
        int(append.expected_version),
    ];
    db.prepare_cached(UPDATE)?.execute(values)?;
    let place = Place { log: -no, feed };
    let account_cursor = write_records(db, append.expected_version, &append.records, place)?;
    Ok(Committed { version: row.version, account_cursor })
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<DeploymentRow> {
    let workspace: WorkspaceId = id(row, 3)?;
    let is_its_own = row.get_ref(4)?.as_str()? == row.get_ref(3)?.as_str()?;
    Ok(DeploymentRow {
        id: id(row, 0)?,
        account: id(row, 1)?,
        live: row.get(2)?,
        workspace,
        deliverable: if is_its_own { None } else { Some(id(row, 4)?) },
        target: row.get(5)?,
        config: opt_id(row, 6)?,
        status: row.get(7)?,
        state: row.get(8)?,
        version: count(row, 9)?,
        seq: count(row, 10)?,
        created_at: time(row, 11)?,
        completed_at: time_or_null(row, 12)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plans::assert_planned;

    #[test]
    fn every_query_is_answered_by_an_index() {
        let queries = [
            (GET, 1, "SEARCH deployments USING INDEX sqlite_autoindex_deployments_1"),
            (LIST, 4, "SEARCH deployments USING INDEX deployments_scope"),
            (LIST_WORKSPACE, 5, "SEARCH deployments USING INDEX deployments_workspace"),
            (ACTIVE, 2, "SEARCH deployments USING INDEX deployments_active"),
            (ACTIVE_OF, 2, "SEARCH deployments USING INDEX deployments_one"),
            (ACTIVE_IN, 3, "SEARCH deployments USING INDEX deployments_"),
            (ACTIVE_WITH, 1, "SEARCH deployments USING INDEX deployments_config"),
            (EVENTS_AFTER, 3, "SEARCH journal USING INDEX journal_place (task=? AND version>?)"),
            (RECORDS_AFTER, 3, "SEARCH journal USING INDEX journal_place (task=? AND version>?)"),
        ];
        assert_planned(&queries, &["TEMP B-TREE"]);
    }
}
