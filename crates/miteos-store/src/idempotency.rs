//! Stored answers: the same request sent twice gets the first answer, committed with the first effect.

use miteos_core::ids::KeyId;
use miteos_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::columns::{id, int, time};
use crate::error::StoreError;
use crate::store::Store;

/// How long an answer is kept (ms): a day. An older one counts as none.
pub const ANSWERS_KEPT_MS: u64 = 24 * 3600 * 1000;

/// One answer. (`key`, `method`, `path`, `name`) is what it is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRow {
    /// The API key of the caller.
    pub key: KeyId,
    pub method: String,
    pub path: String,
    /// The value of the `Idempotency-Key` header.
    pub name: String,
    /// Of the request's body.
    pub fingerprint: Vec<u8>,
    pub status: u16,
    pub body: Vec<u8>,
    pub at: Timestamp,
}

const GET: &str = "SELECT api_key, method, path, name, fingerprint, status, body, at FROM idempotency
    WHERE api_key = $1 AND method = $2 AND path = $3 AND name = $4";
const INSERT: &str = "INSERT INTO idempotency (api_key, method, path, name, fingerprint, status, body, at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (api_key, method, path, name) DO UPDATE SET
    fingerprint = excluded.fingerprint, status = excluded.status, body = excluded.body, at = excluded.at
    WHERE idempotency.at <= $9";
const PURGE: &str = "DELETE FROM idempotency WHERE at < $1";

impl Store {
    /// The answer stored for this request in the day before `now`, if any.
    pub async fn answer(
        &self,
        key: KeyId,
        method: String,
        path: String,
        name: String,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRow>, StoreError> {
        let found = self.read("find a stored answer", move |db| get(db, key, &method, &path, &name)).await?;
        Ok(found.filter(|row| now.since(row.at) < ANSWERS_KEPT_MS))
    }

    /// Stores an answer on its own, for requests whose effect is in no table of this store. Fails with
    /// [`StoreError::Repeated`] if there is one already.
    pub async fn insert_answer(&self, row: IdempotencyRow) -> Result<(), StoreError> {
        self.write("store an answer", move |db| insert(db, &row)).await
    }

    /// Forgets answers older than `before`; says how many.
    pub async fn purge_answers(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.write("forget old answers", move |db| {
            Ok(db.prepare_cached(PURGE)?.execute([int(before.millis())])? as u64)
        })
        .await
    }
}

fn get(
    db: &Connection,
    key: KeyId,
    method: &str,
    path: &str,
    name: &str,
) -> Result<Option<IdempotencyRow>, StoreError> {
    let asked = params![key.to_string(), method, path, name];
    Ok(db.prepare_cached(GET)?.query_row(asked, from_row).optional()?)
}

/// Part of the transaction of the effect; fails with [`StoreError::Repeated`] if the key was used before.
pub(crate) fn insert(db: &Connection, row: &IdempotencyRow) -> Result<(), StoreError> {
    let inserted = db.prepare_cached(INSERT)?.execute(params![
        row.key.to_string(),
        row.method,
        row.path,
        row.name,
        row.fingerprint,
        row.status,
        row.body,
        int(row.at.millis()),
        // An answer past its day gives way to the new one, purged or not.
        int(row.at.millis()) - int(ANSWERS_KEPT_MS),
    ])?;
    if inserted == 1 {
        return Ok(());
    }
    match get(db, row.key, &row.method, &row.path, &row.name)? {
        Some(first) => Err(StoreError::Repeated(Box::new(first))),
        None => Err(StoreError::Missing { what: "the stored answer", name: row.name.clone() }),
    }
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<IdempotencyRow> {
    Ok(IdempotencyRow {
        key: id(row, 0)?,
        method: row.get(1)?,
        path: row.get(2)?,
        name: row.get(3)?,
        fingerprint: row.get(4)?,
        status: row.get(5)?,
        body: row.get(6)?,
        at: time(row, 7)?,
    })
}
