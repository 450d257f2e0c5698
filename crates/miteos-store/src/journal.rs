//! The journal: append at an expected version, together with every read model that the records change.

use miteos_core::ids::{AccountId, AgentId, Source, TaskId};
use miteos_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::approvals::{self, ApprovalRow};
use crate::blob_names;
use crate::columns::{count, id, int, opt_count, opt_id, rows, rows_within, time};
use crate::deliverables::{self, DeliverableRow};
use crate::error::{AppendError, StoreError};
use crate::idempotency::{self, IdempotencyRow};
use crate::store::Store;
use crate::tasks::{self, TaskRow};
use crate::usage::{self, UsageRow};
use crate::workspaces::{self, WorkspaceRow};

/// The longest body of one record (bytes). Anything big belongs into a blob; a prompt of 100,000 characters
/// that all need escaping fits.
pub const MAX_RECORD_BYTES: usize = 4 * 1024 * 1024;
/// The longest snapshot (bytes).
pub const MAX_SNAPSHOT_BYTES: usize = 64 * 1024 * 1024;
/// The most records one read returns, whatever limit it was given.
pub const MAX_RECORDS_PER_READ: usize = 10_000;

/// One step of one task, committed whole or not at all.
#[derive(Debug, Clone)]
pub struct Append {
    pub task: TaskId,
    /// The fence: the version that the decision was made on; 0 for a new task.
    pub expected_version: u64,
    pub records: Vec<NewRecord>,
    /// The read model after these records. Once the task exists, `account`, `live`, `tier`, `prompt`,
    /// `workspace` and `created_at` are not written again.
    pub row: TaskRow,
    /// A workspace made for the task, inserted with it. Without one the task's workspace must exist.
    pub workspace: Option<WorkspaceRow>,
    pub deliverables: Vec<DeliverableRow>,
    /// Agents of this task, so that they can be found by their id; known ones are left alone.
    pub agents: Vec<AgentId>,
    /// Inserted or updated.
    pub approvals: Vec<ApprovalRow>,
    /// The model calls that the records tell of.
    pub usage: Vec<UsageRow>,
    /// Takes the place of an older one.
    pub snapshot: Option<Snapshot>,
    /// The answer to store with the effect; fails with `StoreError::Repeated` if there is one already.
    pub idempotency: Option<IdempotencyRow>,
}

impl Append {
    /// An append of these records and this row, and nothing else.
    pub fn new(expected_version: u64, row: TaskRow, records: Vec<NewRecord>) -> Self {
        Self {
            task: row.id,
            expected_version,
            records,
            row,
            workspace: None,
            deliverables: Vec::new(),
            agents: Vec::new(),
            approvals: Vec::new(),
            usage: Vec::new(),
            snapshot: None,
            idempotency: None,
        }
    }
}

/// A record to append.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// Set when the record is public; counts from 1 without a gap.
    pub seq: Option<u64>,
    pub kind: &'static str,
    pub agent: Option<AgentId>,
    pub at: Timestamp,
    /// JSON.
    pub body: String,
}

/// A record as it lies in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The record's place in its task, from 1.
    pub version: u64,
    pub seq: Option<u64>,
    pub kind: String,
    pub agent: Option<AgentId>,
    pub at: Timestamp,
    pub body: String,
}

/// A public record as the feed of an account and world shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRecord {
    /// Counts the public records of one account and world in commit order, from 1 without a gap.
    pub cursor: i64,
    pub source: Source,
    pub record: Record,
}

/// A folded state up to a version; the body is the caller's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub version: u64,
    pub body: Vec<u8>,
}

/// A task as it can be folded: the newest snapshot and every record after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    pub row: TaskRow,
    pub snapshot: Option<Snapshot>,
    pub tail: Vec<Record>,
}

/// What an append came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The task's version after the append.
    pub version: u64,
    /// The account-wide cursor of the last public record of the append; the ones before it count down by
    /// one each. `None` if no record was public.
    pub account_cursor: Option<i64>,
}

const LAST_SNAPSHOT: &str = "SELECT version, body FROM snapshots WHERE task = $1";
const PUT_SNAPSHOT: &str = "INSERT INTO snapshots (task, version, body) VALUES ($1, $2, $3)
    ON CONFLICT (task) DO UPDATE SET version = excluded.version, body = excluded.body
    WHERE snapshots.version <= excluded.version";
const TAIL: &str = "SELECT version, seq, kind, agent, at, body FROM journal
    WHERE task = (SELECT no FROM tasks WHERE id = $1) AND version > $2 ORDER BY version";
const AFTER_VERSION: &str = "SELECT version, seq, kind, agent, at, body FROM journal
    WHERE task = (SELECT no FROM tasks WHERE id = $1) AND version > $2 ORDER BY version LIMIT $3";
// A record's version is never less than its seq, and both grow together.
const AFTER_SEQ: &str = "SELECT version, seq, kind, agent, at, body FROM journal
    WHERE task = (SELECT no FROM tasks WHERE id = $1) AND version > $2 AND seq > $2 ORDER BY version LIMIT $3";
// The records of deployment n stand under the number -n.
const AFTER_CURSOR: &str = "SELECT j.version, j.seq, j.kind, j.agent, j.at, j.body, j.cursor,
    COALESCE(t.id, (SELECT d.id FROM deployments d WHERE d.no = -j.task))
    FROM journal j LEFT JOIN tasks t ON t.no = j.task
    WHERE j.feed = (SELECT no FROM feeds WHERE account = $1 AND live = $2)
    AND j.cursor IS NOT NULL AND j.cursor > $3 ORDER BY j.cursor LIMIT $4";
const LAST_CURSOR: &str = "SELECT cursor FROM feeds WHERE account = $1 AND live = $2";
const INSERT_FEED: &str = "INSERT INTO feeds (account, live, cursor) VALUES ($1, $2, 0)
    ON CONFLICT (account, live) DO NOTHING";
const FEED: &str = "SELECT no FROM feeds WHERE account = $1 AND live = $2";
// The row is locked until the commit, so cursors are given out in commit order.
const TAKE_CURSORS: &str = "UPDATE feeds SET cursor = cursor + $1 WHERE no = $2 RETURNING cursor";
const INSERT: &str = "INSERT INTO journal (task, version, seq, feed, cursor, kind, agent, at, body)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const INSERT_AGENT: &str = "INSERT INTO agents (id, task) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";

const APPENDING: &str = "append to the journal";

impl Store {
    /// Writes a task's first records. Fails with [`AppendError::Conflict`] if the task exists.
    pub async fn create_task(&self, append: Append) -> Result<Committed, AppendError> {
        check(&append)?;
        if append.expected_version != 0 {
            let why = format!("a new task is at version 0, not {}", append.expected_version);
            return Err(invalid(why).into());
        }
        self.write_append("create a task", move |db| create(db, &append)).await
    }

    /// Appends, if the task is still at the expected version.
    ///
    /// After [`StoreError::Database`] the outcome is unknown, as it is when the caller stops waiting: load
    /// the task before deciding again. After every other error nothing was written.
    pub async fn append(&self, append: Append) -> Result<Committed, AppendError> {
        check(&append)?;
        self.write_append(APPENDING, move |db| extend(db, &append)).await
    }

    /// What a task's state is folded from; the work does not grow with the journal before the snapshot.
    pub async fn load(&self, task: TaskId) -> Result<Option<Loaded>, StoreError> {
        self.read("load a task", move |db| {
            let Some(row) = tasks::get(db, task)? else { return Ok(None) };
            let key = task.to_string();
            let snapshot = db
                .prepare_cached(LAST_SNAPSHOT)?
                .query_row([&key], |row| Ok(Snapshot { version: count(row, 0)?, body: row.get(1)? }))
                .optional()?;
            let from = snapshot.as_ref().map_or(0, |snapshot| snapshot.version);
            let tail = rows(db, TAIL, params![key, int(from)], record)?;
            Ok(Some(Loaded { row, snapshot, tail }))
        })
        .await
    }

    /// Records after a version, private ones included, at most [`MAX_RECORDS_PER_READ`].
    pub async fn records_after(
        &self,
        task: TaskId,
        version: u64,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.read("read the journal", move |db| {
            rows(db, AFTER_VERSION, params![task.to_string(), int(version), records(limit)], record)
        })
        .await
    }

    /// Public records after a `seq`, at most [`MAX_RECORDS_PER_READ`].
    pub async fn events_after(
        &self,
        task: TaskId,
        seq: u64,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.events_within(task, seq, limit, usize::MAX).await
    }

    /// As [`Self::events_after`], and no further than the record with which the bodies pass `max_bytes`: fewer
    /// than `limit` need not be the end.
    pub async fn events_within(
        &self,
        task: TaskId,
        seq: u64,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.read("read the events of a task", move |db| {
            let params = params![task.to_string(), int(seq), records(limit)];
            rows_within(db, AFTER_SEQ, params, max_bytes, record, |record| record.body.len())
        })
        .await
    }

    /// Public records of all tasks and deployments of an account in one world, in commit order.
    pub async fn account_events_after(
        &self,
        account: AccountId,
        live: bool,
        cursor: i64,
        limit: usize,
    ) -> Result<Vec<AccountRecord>, StoreError> {
        self.account_events_within(account, live, cursor, limit, usize::MAX).await
    }

    /// As [`Self::account_events_after`], and no further than the record with which the bodies pass `max_bytes`.
    pub async fn account_events_within(
        &self,
        account: AccountId,
        live: bool,
        cursor: i64,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<AccountRecord>, StoreError> {
        let read = |row: &Row<'_>| {
            Ok(AccountRecord { cursor: row.get(6)?, source: id(row, 7)?, record: record(row)? })
        };
        self.read("read the events of an account", move |db| {
            let params = params![account.to_string(), live, cursor, records(limit)];
            rows_within(db, AFTER_CURSOR, params, max_bytes, read, |found| found.record.body.len())
        })
        .await
    }

    /// The cursor of the newest public record of an account in one world; 0 if there is none.
    pub async fn account_cursor(&self, account: AccountId, live: bool) -> Result<i64, StoreError> {
        self.read("read the cursor of an account", move |db| last_cursor(db, account, live)).await
    }
}

pub(crate) fn last_cursor(db: &Connection, account: AccountId, live: bool) -> Result<i64, StoreError> {
    let asked = params![account.to_string(), live];
    let found = db.prepare_cached(LAST_CURSOR)?.query_row(asked, |row| row.get(0)).optional()?;
    Ok(found.unwrap_or(0))
}

/// Refuses an append whose parts contradict each other, before it costs the writer anything.
fn check(append: &Append) -> Result<(), StoreError> {
    let Append { task, expected_version, records, row, deliverables, approvals, snapshot, .. } = append;
    let version = expected_version.saturating_add(records.len() as u64);
    if row.id != *task || row.version != version {
        let why = format!("the row is {} at version {}, not {task} at {version}", row.id, row.version);
        return Err(invalid(why));
    }
    let public: Vec<u64> = records.iter().filter_map(|record| record.seq).collect();
    let first = row.seq.saturating_add(1).saturating_sub(public.len() as u64).max(1);
    if !public.is_empty() && !public.iter().copied().eq(first..=row.seq) {
        return Err(invalid(format!("the public records {public:?} do not lead to seq {}", row.seq)));
    }
    if let Some(record) = records.iter().find(|record| record.body.len() > MAX_RECORD_BYTES) {
        let (actual, limit) = (record.body.len() as u64, MAX_RECORD_BYTES as u64);
        return Err(StoreError::TooLarge { what: "the record", actual, limit });
    }
    if let Some(snapshot) = snapshot {
        if snapshot.version > version {
            return Err(invalid(format!("the snapshot is of version {}, after {version}", snapshot.version)));
        }
        if snapshot.body.len() > MAX_SNAPSHOT_BYTES {
            let (actual, limit) = (snapshot.body.len() as u64, MAX_SNAPSHOT_BYTES as u64);
            return Err(StoreError::TooLarge { what: "the snapshot", actual, limit });
        }
    }
    let strange = deliverables.iter().any(|d| (d.task, d.account, d.live) != (*task, row.account, row.live))
        || approvals.iter().any(|a| (a.task, a.account, a.live) != (*task, row.account, row.live));
    if strange {
        return Err(invalid(format!("a deliverable or an approval is not of {task} and its account")));
    }
    Ok(())
}

fn create(db: &Connection, append: &Append) -> Result<Committed, AppendError> {
    if let Some(answer) = &append.idempotency {
        idempotency::insert(db, answer)?;
    }
    let row = &append.row;
    if let Some(workspace) = &append.workspace {
        workspaces::insert(db, workspace)?;
    }
    workspaces::require(db, row.workspace, row.account, row.live)?;
    if row.seq != append.records.iter().filter(|record| record.seq.is_some()).count() as u64 {
        return Err(
            invalid(format!("a new task's events count from 1, so the last is not {}", row.seq)).into()
        );
    }
    let feed = feed_of(db, row.account, row.live)?;
    let Some(no) = tasks::insert(db, row, feed)? else {
        let stored = tasks::stored(db, &append.task.to_string())?;
        return Err(AppendError::Conflict { actual_version: stored.map_or(0, |stored| stored.version) });
    };
    write_rest(db, append, Place { log: no, feed }).map_err(AppendError::from)
}

/// The number of an account's feed in one world, which is made when it is first asked for.
pub(crate) fn feed_of(db: &Connection, account: AccountId, live: bool) -> Result<i64, StoreError> {
    let account = account.to_string();
    let mut find = db.prepare_cached(FEED)?;
    if let Some(feed) = find.query_row(params![account, live], |row| row.get(0)).optional()? {
        return Ok(feed);
    }
    db.prepare_cached(INSERT_FEED)?.execute(params![account, live])?;
    Ok(find.query_row(params![account, live], |row| row.get(0))?)
}

fn extend(db: &Connection, append: &Append) -> Result<Committed, AppendError> {
    if let Some(answer) = &append.idempotency {
        idempotency::insert(db, answer)?;
    }
    let (row, key) = (&append.row, append.task.to_string());
    let Some(stored) = tasks::stored(db, &key)? else {
        return Err(StoreError::Missing { what: "the task", name: key }.into());
    };
    if stored.version != append.expected_version {
        return Err(AppendError::Conflict { actual_version: stored.version });
    }
    if (stored.account, stored.live) != (row.account, row.live) {
        return Err(invalid(format!("{key} is of another account")).into());
    }
    let public = append.records.iter().filter(|record| record.seq.is_some()).count() as u64;
    if stored.seq + public != row.seq {
        let why = format!("{public} events after seq {} do not lead to seq {}", stored.seq, row.seq);
        return Err(invalid(why).into());
    }
    if let Some(workspace) = &append.workspace {
        workspaces::insert(db, workspace)?;
    }
    if !tasks::update(db, row, append.expected_version, &stored)? {
        let stored = tasks::stored(db, &key)?;
        return Err(AppendError::Conflict { actual_version: stored.map_or(0, |stored| stored.version) });
    }
    write_rest(db, append, Place { log: stored.no, feed: stored.feed }).map_err(AppendError::from)
}

/// The numbers of a log and of the feed that it is shown in.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// A task's own number, or a deployment's with a minus before it.
    pub(crate) log: i64,
    pub(crate) feed: i64,
}

/// Everything but the task's own row, which has been written and holds the fence.
fn write_rest(db: &Connection, append: &Append, place: Place) -> Result<Committed, StoreError> {
    let account_cursor = write_records(db, append.expected_version, &append.records, place)?;
    for agent in &append.agents {
        db.prepare_cached(INSERT_AGENT)?.execute(params![agent.to_string(), append.task.to_string()])?;
    }
    for deliverable in &append.deliverables {
        deliverables::insert(db, deliverable)?;
    }
    for approval in &append.approvals {
        approvals::put(db, approval)?;
    }
    for call in &append.usage {
        usage::add(db, append.row.account, append.row.live, append.task, call)?;
    }
    if let Some(Snapshot { version, body }) = &append.snapshot {
        db.prepare_cached(PUT_SNAPSHOT)?.execute(params![append.task.to_string(), int(*version), body])?;
    }
    Ok(Committed { version: append.row.version, account_cursor })
}

/// Gives the account-wide cursor of the last public one.
pub(crate) fn write_records(
    db: &Connection,
    after_version: u64,
    records: &[NewRecord],
    place: Place,
) -> Result<Option<i64>, StoreError> {
    let public = records.iter().filter(|record| record.seq.is_some()).count();
    let mut last = None;
    if public > 0 {
        let taken = params![int(public as u64), place.feed];
        last = Some(db.prepare_cached(TAKE_CURSORS)?.query_row(taken, |row| row.get::<_, i64>(0))?);
    }
    let mut cursor = last.unwrap_or(0) - int(public as u64);
    let mut insert = db.prepare_cached(INSERT)?;
    for (version, record) in (after_version + 1..).zip(records) {
        let shown = record.seq.is_some();
        if shown {
            cursor += 1;
        }
        insert.execute(params![
            place.log,
            int(version),
            record.seq.map(int),
            shown.then_some(place.feed),
            shown.then_some(cursor),
            record.kind,
            record.agent.map(|id| id.to_string()),
            int(record.at.millis()),
            record.body,
        ])?;
        blob_names::note(db, &record.body)?;
    }
    Ok(last)
}

pub(crate) fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        version: count(row, 0)?,
        seq: opt_count(row, 1)?,
        kind: row.get(2)?,
        agent: opt_id(row, 3)?,
        at: time(row, 4)?,
        body: row.get(5)?,
    })
}

pub(crate) fn records(limit: usize) -> i64 {
    int(limit.min(MAX_RECORDS_PER_READ) as u64)
}

fn invalid(why: String) -> StoreError {
    StoreError::Invalid { doing: APPENDING, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plans::assert_planned;

    #[test]
    fn every_order_of_the_journal_is_answered_by_an_index() {
        let queries = [
            (TAIL, 2, "SEARCH journal USING INDEX journal_place (task=? AND version>?)"),
            (AFTER_VERSION, 3, "SEARCH journal USING INDEX journal_place (task=? AND version>?)"),
            (AFTER_SEQ, 3, "SEARCH journal USING INDEX journal_place (task=? AND version>?)"),
            (AFTER_CURSOR, 4, "SEARCH j USING INDEX journal_feed (feed=? AND cursor>?)"),
        ];
        assert_planned(&queries, &["TEMP B-TREE"]);
    }
}
