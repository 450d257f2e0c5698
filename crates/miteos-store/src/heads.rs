//! The public records of an account without their bodies: enough to know who wants to be told.

use miteos_core::ids::{AccountId, Source};
use miteos_core::time::Timestamp;
use rusqlite::params;

use crate::columns::{count, id, rows, time};
use crate::error::StoreError;
use crate::journal::records;
use crate::store::Store;

/// What a public record is, without what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventHead {
    /// See [`crate::AccountRecord`].
    pub cursor: i64,
    pub source: Source,
    pub seq: u64,
    pub kind: String,
    pub at: Timestamp,
}

const HEADS_AFTER_CURSOR: &str = "SELECT j.cursor,
    COALESCE(t.id, (SELECT d.id FROM deployments d WHERE d.no = -j.task)), j.seq, j.kind, j.at
    FROM journal j LEFT JOIN tasks t ON t.no = j.task
    WHERE j.feed = (SELECT no FROM feeds WHERE account = $1 AND live = $2)
    AND j.cursor IS NOT NULL AND j.cursor > $3 ORDER BY j.cursor LIMIT $4";

impl Store {
    /// As [`Store::account_events_after`], without the bodies.
    pub async fn account_heads_after(
        &self,
        account: AccountId,
        live: bool,
        cursor: i64,
        limit: usize,
    ) -> Result<Vec<EventHead>, StoreError> {
        self.read("read the events of an account", move |db| {
            let asked = params![account.to_string(), live, cursor, records(limit)];
            rows(db, HEADS_AFTER_CURSOR, asked, |row| {
                Ok(EventHead {
                    cursor: row.get(0)?,
                    source: id(row, 1)?,
                    seq: count(row, 2)?,
                    kind: row.get(3)?,
                    at: time(row, 4)?,
                })
            })
        })
        .await
    }
}
