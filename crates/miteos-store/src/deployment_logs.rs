//! What a deployment said while it ran: numbered lines, bounded by whoever writes them. They are for people and no part
//! of the journal.

use miteos_core::ids::DeploymentId;
use miteos_core::time::Timestamp;
use rusqlite::params;

use crate::columns::{count, int, page, rows, time};
use crate::deployments::number;
use crate::error::StoreError;
use crate::store::Store;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Counts from 1. A line that is added after the end leaves one number out: readers were told the end under that.
    pub no: u64,
    pub at: Timestamp,
    pub text: String,
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogSize {
    pub lines: u64,
    /// The number of the last one.
    pub last: u64,
    pub bytes: u64,
}

// A line that was written before a crash, and whose writer did not hear of it, stays as it is.
const INSERT: &str = "INSERT INTO deployment_logs (deployment, no, at, text) VALUES ($1, $2, $3, $4)
    ON CONFLICT (deployment, no) DO NOTHING";
const AFTER: &str = "SELECT no, at, text FROM deployment_logs
    WHERE deployment = (SELECT no FROM deployments WHERE id = $1) AND no > $2 ORDER BY no LIMIT $3";
const SIZE: &str =
    "SELECT COUNT(*), COALESCE(MAX(no), 0), CAST(COALESCE(SUM(OCTET_LENGTH(text)), 0) AS BIGINT) FROM deployment_logs
    WHERE deployment = (SELECT no FROM deployments WHERE id = $1)";

impl Store {
    /// Adds lines behind those that are there. Nothing is added to a deployment that does not exist.
    pub async fn log_deployment(&self, id: DeploymentId, lines: Vec<LogLine>) -> Result<(), StoreError> {
        self.write("write the log of a deployment", move |db| {
            let Some(no) = number(db, &id.to_string())? else { return Ok(()) };
            let mut insert = db.prepare_cached(INSERT)?;
            for line in &lines {
                insert.execute(params![no, int(line.no), int(line.at.millis()), line.text])?;
            }
            Ok(())
        })
        .await
    }

    /// Lines behind a number, at most [`crate::MAX_LIST_ROWS`].
    pub async fn deployment_log_after(
        &self,
        id: DeploymentId,
        no: u64,
        limit: usize,
    ) -> Result<Vec<LogLine>, StoreError> {
        self.read("read the log of a deployment", move |db| {
            rows(db, AFTER, params![id.to_string(), int(no), page(limit)], |row| {
                Ok(LogLine { no: count(row, 0)?, at: time(row, 1)?, text: row.get(2)? })
            })
        })
        .await
    }

    pub async fn deployment_log_size(&self, id: DeploymentId) -> Result<LogSize, StoreError> {
        self.read("measure the log of a deployment", move |db| {
            let read = |row: &rusqlite::Row<'_>| {
                Ok(LogSize { lines: count(row, 0)?, last: count(row, 1)?, bytes: count(row, 2)? })
            };
            Ok(db.prepare_cached(SIZE)?.query_row([id.to_string()], read)?)
        })
        .await
    }
}
