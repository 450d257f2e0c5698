//! Public links to deliverables: found by a hash of what stands in the link, which itself is kept nowhere.

use miteos_core::ids::{AccountId, DeliverableId, ShareId, TaskId};
use miteos_core::time::Timestamp;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row, params};

use crate::Scope;
use crate::columns::{count, id, int, opt_time, page, rows, time, time_or_null};
use crate::deliverables::{self, DeliverableRow};
use crate::error::StoreError;
use crate::idempotency::{self, IdempotencyRow};
use crate::store::Store;

/// The most links of one account in one world that work at the same time.
pub const MAX_SHARES: u64 = 1_000;

/// One link; never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareRow {
    pub id: ShareId,
    pub account: AccountId,
    pub live: bool,
    pub task: TaskId,
    pub deliverable: DeliverableId,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
}

/// A link as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFile {
    pub share: ShareRow,
    /// Of the deliverable.
    pub name: String,
    pub size_bytes: u64,
}

macro_rules! share_rows {
    ($columns:literal, $rest:literal) => {
        concat!(
            "SELECT s.id, s.account, s.live, s.task, s.deliverable, s.created_at, s.expires_at",
            $columns,
            " FROM shares s ",
            $rest
        )
    };
}

const GET: &str = share_rows!("", "WHERE s.id = $1");
const OF_HASH: &str = share_rows!("", "WHERE s.hash = $1");
const LIST: &str = share_rows!(
    ", d.name, d.size_bytes",
    "JOIN deliverables d ON d.id = s.deliverable AND d.task = s.task WHERE s.account = $1 AND s.live = $2
    AND (s.expires_at IS NULL OR s.expires_at > $3) ORDER BY s.id DESC LIMIT $4 OFFSET $5"
);
const LIST_OF: &str = share_rows!(
    ", d.name, d.size_bytes",
    "JOIN deliverables d ON d.id = s.deliverable AND d.task = s.task WHERE s.account = $1 AND s.live = $2
    AND (s.expires_at IS NULL OR s.expires_at > $3) AND s.deliverable = $4
    ORDER BY s.id DESC LIMIT $5 OFFSET $6"
);
const COUNT_ALL: &str = "SELECT COUNT(*) FROM shares WHERE account = $1 AND live = $2
    AND (expires_at IS NULL OR expires_at > $3)";
const COUNT_OF: &str = "SELECT COUNT(*) FROM shares WHERE account = $1 AND live = $2
    AND (expires_at IS NULL OR expires_at > $3) AND deliverable = $4";
const DELETE_OF: &str = "DELETE FROM shares WHERE deliverable = $1";
const COUNT: &str = "SELECT COUNT(*) FROM shares WHERE account = $1 AND live = $2";
const INSERT: &str = "INSERT INTO shares (id, hash, account, live, task, deliverable, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
const DELETE: &str = "DELETE FROM shares WHERE id = $1";
const FORGET: &str = "DELETE FROM shares WHERE account = $1 AND live = $2 AND expires_at <= $3";

impl Store {
    /// Inserts a link, and forgets those of the account that have expired.
    ///
    /// Fails with [`StoreError::TooLarge`] over [`MAX_SHARES`], and with [`StoreError::Repeated`] if the answer to store
    /// is there already.
    pub async fn insert_share(
        &self,
        row: ShareRow,
        hash: Vec<u8>,
        answer: Option<IdempotencyRow>,
    ) -> Result<(), StoreError> {
        self.write("insert a share", move |db| {
            if let Some(answer) = &answer {
                idempotency::insert(db, answer)?;
            }
            insert(db, &row, &hash)
        })
        .await
    }

    pub async fn share(&self, share: ShareId) -> Result<Option<ShareRow>, StoreError> {
        self.read("read a share", move |db| {
            Ok(db.prepare_cached(GET)?.query_row([share.to_string()], from_row).optional()?)
        })
        .await
    }

    /// What the link with this hash leads to; `None` if there is no such or none any more.
    pub async fn shared(&self, hash: Vec<u8>, now: Timestamp) -> Result<Option<DeliverableRow>, StoreError> {
        self.read("follow a share", move |db| {
            let found = db.prepare_cached(OF_HASH)?.query_row([hash], from_row).optional()?;
            match found.filter(|row| row.expires_at.is_none_or(|at| now < at)) {
                Some(row) => deliverables::get(db, row.task, row.deliverable),
                None => Ok(None),
            }
        })
        .await
    }

    /// The links of an account in one world that work, newest first, of one deliverable or of all, and how many there
    /// are in all.
    pub async fn shares(
        &self,
        scope: Scope,
        deliverable: Option<DeliverableId>,
        now: Timestamp,
        limit: usize,
        offset: usize,
    ) -> Result<(Vec<SharedFile>, u64), StoreError> {
        self.read("list shares", move |db| {
            let (account, live, now) = (scope.account.to_string(), scope.live, int(now.millis()));
            let (limit, offset) = (page(limit), int(offset as u64));
            let Some(deliverable) = deliverable.map(|id| id.to_string()) else {
                let found = rows(db, LIST, params![account, live, now, limit, offset], shared)?;
                let total = db.prepare_cached(COUNT_ALL)?;
                return Ok((found, total_of(total, params![account, live, now])?));
            };
            let found = rows(db, LIST_OF, params![account, live, now, deliverable, limit, offset], shared)?;
            let total = db.prepare_cached(COUNT_OF)?;
            Ok((found, total_of(total, params![account, live, now, deliverable])?))
        })
        .await
    }

    /// Revokes every link to a deliverable; gives how many there were.
    pub async fn delete_shares_of(&self, deliverable: DeliverableId) -> Result<u64, StoreError> {
        self.write("delete the shares of a deliverable", move |db| {
            Ok(db.prepare_cached(DELETE_OF)?.execute([deliverable.to_string()])? as u64)
        })
        .await
    }

    /// False if there was no such link.
    pub async fn delete_share(&self, share: ShareId) -> Result<bool, StoreError> {
        self.write("delete a share", move |db| {
            Ok(db.prepare_cached(DELETE)?.execute([share.to_string()])? == 1)
        })
        .await
    }
}

fn insert(db: &Connection, row: &ShareRow, hash: &[u8]) -> Result<(), StoreError> {
    let account = row.account.to_string();
    db.prepare_cached(FORGET)?.execute(params![account, row.live, int(row.created_at.millis())])?;
    let others = db.prepare_cached(COUNT)?.query_row(params![account, row.live], |row| count(row, 0))?;
    if others >= MAX_SHARES {
        let (what, limit) = ("the account's number of shares", MAX_SHARES);
        return Err(StoreError::TooLarge { what, actual: others + 1, limit });
    }
    let inserted = db.prepare_cached(INSERT)?.execute(params![
        row.id.to_string(),
        hash,
        account,
        row.live,
        row.task.to_string(),
        row.deliverable.to_string(),
        int(row.created_at.millis()),
        opt_time(row.expires_at),
    ])?;
    if inserted == 0 {
        return Err(StoreError::Exists { what: "the share", name: row.id.to_string() });
    }
    Ok(())
}

fn total_of(mut query: CachedStatement<'_>, params: impl Params) -> Result<u64, StoreError> {
    Ok(query.query_row(params, |row| count(row, 0))?)
}

fn shared(row: &Row<'_>) -> rusqlite::Result<SharedFile> {
    Ok(SharedFile { share: from_row(row)?, name: row.get(7)?, size_bytes: count(row, 8)? })
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<ShareRow> {
    Ok(ShareRow {
        id: id(row, 0)?,
        account: id(row, 1)?,
        live: row.get(2)?,
        task: id(row, 3)?,
        deliverable: id(row, 4)?,
        created_at: time(row, 5)?,
        expires_at: time_or_null(row, 6)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plans::assert_planned;

    #[test]
    fn an_index_answers_each() {
        let queries = [
            (OF_HASH, 1, "USING INDEX shares_hash"),
            (LIST, 5, "SEARCH s USING INDEX shares_scope (account=? AND live=?)"),
            (LIST_OF, 6, "SEARCH s USING INDEX shares_"),
            (COUNT_ALL, 3, "USING INDEX shares_scope (account=? AND live=?)"),
            (COUNT_OF, 4, "USING INDEX shares_"),
            (DELETE_OF, 1, "INDEX shares_deliverable"),
        ];
        assert_planned(&queries, &["TEMP B-TREE"]);
    }
}
