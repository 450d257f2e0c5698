//! Approvals: questions to a person, as lists show them. What is asked lies in an opaque body, and so does what an
//! account set about asking.

use miteos_core::ids::{AccountId, AgentId, ApprovalId, TaskId};
use miteos_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::columns::{count, id, int, opt_time, page, rows, time, time_or_null};
use crate::error::StoreError;
use crate::store::Store;

/// One approval; written only by appends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRow {
    pub id: ApprovalId,
    pub task: TaskId,
    pub agent: AgentId,
    pub account: AccountId,
    pub live: bool,
    /// `pending approved rejected expired cancelled`.
    pub status: String,
    /// JSON: the approval object.
    pub body: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub decided_at: Option<Timestamp>,
}

macro_rules! approval_rows {
    ($rest:literal) => {
        concat!(
            "SELECT id, task, agent, account, live, status, body, created_at, expires_at, decided_at ",
            "FROM approvals ",
            $rest
        )
    };
}

const GET: &str = approval_rows!("WHERE id = $1");
const LIST: &str = approval_rows!("WHERE account = $1 AND live = $2 ORDER BY id DESC LIMIT $3 OFFSET $4");
const LIST_STATUS: &str =
    approval_rows!("WHERE account = $1 AND live = $2 AND status = $3 ORDER BY id DESC LIMIT $4 OFFSET $5");
const TOTAL: &str = "SELECT COUNT(*) FROM approvals WHERE account = $1 AND live = $2";
const TOTAL_STATUS: &str = "SELECT COUNT(*) FROM approvals WHERE account = $1 AND live = $2 AND status = $3";
// The condition keeps one task from deciding what another asked.
const PUT: &str =
    "INSERT INTO approvals (id, task, agent, account, live, status, body, created_at, expires_at,
    decided_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (id) DO UPDATE SET status = excluded.status, body = excluded.body,
    expires_at = excluded.expires_at, decided_at = excluded.decided_at WHERE approvals.task = excluded.task";

const GET_POLICY: &str = "SELECT body FROM approval_policies WHERE account = $1 AND live = $2";
const PUT_POLICY: &str = "INSERT INTO approval_policies (account, live, body, at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (account, live) DO UPDATE SET body = excluded.body, at = excluded.at";

/// The largest policy of an account (bytes).
pub const MAX_POLICY_BYTES: usize = 64 * 1024;

impl Store {
    /// What the account set about asking; `None`: nothing.
    pub async fn approval_policy(
        &self,
        account: AccountId,
        live: bool,
    ) -> Result<Option<String>, StoreError> {
        self.read("read an approval policy", move |db| {
            let asked = params![account.to_string(), live];
            Ok(db.prepare_cached(GET_POLICY)?.query_row(asked, |row| row.get(0)).optional()?)
        })
        .await
    }

    /// Puts the account's policy in place of an older one.
    pub async fn set_approval_policy(
        &self,
        account: AccountId,
        live: bool,
        body: String,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        if body.len() > MAX_POLICY_BYTES {
            let (actual, limit) = (body.len() as u64, MAX_POLICY_BYTES as u64);
            return Err(StoreError::TooLarge { what: "the approval policy", actual, limit });
        }
        self.write("write an approval policy", move |db| {
            let row = params![account.to_string(), live, body, int(at.millis())];
            db.prepare_cached(PUT_POLICY)?.execute(row)?;
            Ok(())
        })
        .await
    }

    pub async fn approval(&self, approval: ApprovalId) -> Result<Option<ApprovalRow>, StoreError> {
        self.read("read an approval", move |db| {
            Ok(db.prepare_cached(GET)?.query_row([approval.to_string()], from_row).optional()?)
        })
        .await
    }

    /// Newest first, with the number of all that match.
    pub async fn approvals(
        &self,
        account: AccountId,
        live: bool,
        status: Option<String>,
        limit: usize,
        offset: usize,
    ) -> Result<(Vec<ApprovalRow>, u64), StoreError> {
        self.read("list approvals", move |db| {
            let account = account.to_string();
            let (limit, offset) = (page(limit), int(offset as u64));
            let (found, total) = match status {
                None => (
                    rows(db, LIST, params![account, live, limit, offset], from_row)?,
                    db.prepare_cached(TOTAL)?.query_row(params![account, live], |row| count(row, 0))?,
                ),
                Some(status) => (
                    rows(db, LIST_STATUS, params![account, live, status, limit, offset], from_row)?,
                    db.prepare_cached(TOTAL_STATUS)?
                        .query_row(params![account, live, status], |row| count(row, 0))?,
                ),
            };
            Ok((found, total))
        })
        .await
    }
}

pub(crate) fn put(db: &Connection, row: &ApprovalRow) -> Result<(), StoreError> {
    let written = db.prepare_cached(PUT)?.execute(params![
        row.id.to_string(),
        row.task.to_string(),
        row.agent.to_string(),
        row.account.to_string(),
        row.live,
        row.status,
        row.body,
        int(row.created_at.millis()),
        opt_time(row.expires_at),
        opt_time(row.decided_at),
    ])?;
    if written == 0 {
        return Err(StoreError::Exists { what: "the approval", name: row.id.to_string() });
    }
    Ok(())
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<ApprovalRow> {
    Ok(ApprovalRow {
        id: id(row, 0)?,
        task: id(row, 1)?,
        agent: id(row, 2)?,
        account: id(row, 3)?,
        live: row.get(4)?,
        status: row.get(5)?,
        body: row.get(6)?,
        created_at: time(row, 7)?,
        expires_at: time_or_null(row, 8)?,
        decided_at: time_or_null(row, 9)?,
    })
}
