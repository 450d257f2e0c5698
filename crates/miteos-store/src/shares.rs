//! Public links to deliverables: found by a hash of what stands in the link, which itself is kept nowhere.

use miteos_core::ids::{AccountId, DeliverableId, ShareId, TaskId};
use miteos_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::columns::{count, id, int, opt_time, time, time_or_null};
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

macro_rules! share_rows {
    ($rest:literal) => {
        concat!("SELECT id, account, live, task, deliverable, created_at, expires_at FROM shares ", $rest)
    };
}

const GET: &str = share_rows!("WHERE id = $1");
const OF_HASH: &str = share_rows!("WHERE hash = $1");
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
