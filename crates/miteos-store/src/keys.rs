//! API keys: a hash of each secret and what it may do. The secret itself never comes here.

use miteos_core::ids::{AccountId, KeyId};
use miteos_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::MAX_LIST_ROWS;
use crate::columns::{damaged, id, int, opt_time, page, rows, time, time_or_null};
use crate::error::StoreError;
use crate::idempotency::{self, IdempotencyRow};
use crate::store::Store;

/// Of a SHA-256.
const HASH_BYTES: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    pub id: KeyId,
    pub account: AccountId,
    pub live: bool,
    pub name: String,
    /// SHA-256 of the secret.
    pub hash: Vec<u8>,
    /// The first characters of the secret, for people to tell keys apart.
    pub prefix: String,
    pub scopes: Vec<String>,
    pub tier: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

impl KeyRow {
    /// Whether the key is neither revoked nor expired.
    pub fn opens_at(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| at > now)
    }
}

macro_rules! key_rows {
    ($rest:literal) => {
        concat!(
            "SELECT id, account, live, name, hash, prefix, scopes, tier, created_at, expires_at, revoked_at ",
            "FROM api_keys ",
            $rest
        )
    };
}

const GET: &str = key_rows!("WHERE id = $1");
const BY_HASH: &str = key_rows!("WHERE hash = $1");
const LIST: &str = key_rows!("WHERE account = $1 AND live = $2 ORDER BY id DESC LIMIT $3");
const INSERT: &str = "INSERT INTO api_keys (id, account, live, name, hash, prefix, scopes, tier, created_at,
    expires_at, revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING";
const REVOKE: &str = "UPDATE api_keys SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL";

impl Store {
    /// Fails with [`StoreError::Exists`] if the id or the secret is taken, and with
    /// [`StoreError::Repeated`] if the answer to store is there already.
    pub async fn insert_key(&self, row: KeyRow, answer: Option<IdempotencyRow>) -> Result<(), StoreError> {
        if row.hash.len() != HASH_BYTES {
            let why = format!("its hash has {} bytes; a SHA-256 has {HASH_BYTES}", row.hash.len());
            return Err(StoreError::Invalid { doing: "insert a key", why });
        }
        self.write("insert a key", move |db| {
            if let Some(answer) = &answer {
                idempotency::insert(db, answer)?;
            }
            insert(db, &row)
        })
        .await
    }

    /// The key of this secret, revoked and expired ones included: the caller decides and says why.
    pub async fn key_by_hash(&self, hash: &[u8]) -> Result<Option<KeyRow>, StoreError> {
        let hash = hash.to_vec();
        self.read("find a key", move |db| {
            Ok(db.prepare_cached(BY_HASH)?.query_row([hash], from_row).optional()?)
        })
        .await
    }

    pub async fn key(&self, key: KeyId) -> Result<Option<KeyRow>, StoreError> {
        self.read("read a key", move |db| {
            Ok(db.prepare_cached(GET)?.query_row([key.to_string()], from_row).optional()?)
        })
        .await
    }

    /// Newest first, revoked ones included, at most [`crate::MAX_LIST_ROWS`].
    pub async fn keys(&self, account: AccountId, live: bool) -> Result<Vec<KeyRow>, StoreError> {
        self.read("list keys", move |db| {
            rows(db, LIST, params![account.to_string(), live, page(MAX_LIST_ROWS)], from_row)
        })
        .await
    }

    /// False if there is no such key or it was revoked before; the first time stands.
    pub async fn revoke_key(&self, key: KeyId, at: Timestamp) -> Result<bool, StoreError> {
        self.write("revoke a key", move |db| {
            let revoked = db.prepare_cached(REVOKE)?.execute(params![int(at.millis()), key.to_string()])?;
            Ok(revoked == 1)
        })
        .await
    }
}

fn insert(db: &Connection, row: &KeyRow) -> Result<(), StoreError> {
    let inserted = db.prepare_cached(INSERT)?.execute(params![
        row.id.to_string(),
        row.account.to_string(),
        row.live,
        row.name,
        row.hash,
        row.prefix,
        serde_json::Value::from(row.scopes.clone()).to_string(),
        row.tier,
        int(row.created_at.millis()),
        opt_time(row.expires_at),
        opt_time(row.revoked_at),
    ])?;
    if inserted == 0 {
        return Err(StoreError::Exists { what: "the key", name: row.id.to_string() });
    }
    Ok(())
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<KeyRow> {
    let scopes = serde_json::from_str(row.get_ref(6)?.as_str()?)
        .map_err(|source| damaged(6, rusqlite::types::Type::Text, source))?;
    Ok(KeyRow {
        id: id(row, 0)?,
        account: id(row, 1)?,
        live: row.get(2)?,
        name: row.get(3)?,
        hash: row.get(4)?,
        prefix: row.get(5)?,
        scopes,
        tier: row.get(7)?,
        created_at: time(row, 8)?,
        expires_at: time_or_null(row, 9)?,
        revoked_at: time_or_null(row, 10)?,
    })
}
