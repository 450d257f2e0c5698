//! API keys: a hash of each secret and what it may do. The secret itself never comes here.

use miteos_core::ids::{AccountId, KeyId};
use miteos_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::MAX_LIST_ROWS;
use crate::columns::{count, damaged, id, int, opt_count, opt_time, page, rows, time, time_or_null};
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
    /// What it may ask a minute; `None`: what its tier allows.
    pub requests_per_minute: Option<u64>,
}

/// How far a key has used up its minute, written down so that a restart is no way around the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyMark {
    pub key: KeyId,
    /// Requests of the minute that ends with `at`.
    pub requests: u64,
    pub at: Timestamp,
    pub last_used_at: Timestamp,
}

/// What a revocation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokedKey {
    Revoked,
    /// There is no such key, or it was revoked before; the first time stands.
    Missing,
    /// No other open live key of the account could make such keys afterwards; nothing was changed.
    Last,
}

impl KeyRow {
    /// Whether the key is neither revoked nor expired.
    pub fn opens_at(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| at > now)
    }

    /// Whether this maker of keys can make what the other one can, for as long.
    fn stands_in_for(&self, other: &Self) -> bool {
        let has = |scope: &String| self.scopes.iter().any(|held| held == scope || held == "*");
        let lasts = match (self.expires_at, other.expires_at) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(other)) => own >= other,
        };
        lasts && other.scopes.iter().all(has)
    }
}

macro_rules! key_rows {
    ($rest:literal) => {
        concat!(
            "SELECT id, account, live, name, hash, prefix, scopes, tier, created_at, expires_at, revoked_at, ",
            "requests_per_minute FROM api_keys ",
            $rest
        )
    };
}

const GET: &str = key_rows!("WHERE id = $1");
const BY_HASH: &str = key_rows!("WHERE hash = $1");
const LIST: &str = key_rows!("WHERE account = $1 AND live = $2 ORDER BY id DESC LIMIT $3");
const INSERT: &str = "INSERT INTO api_keys (id, account, live, name, hash, prefix, scopes, tier, created_at,
    expires_at, revoked_at, requests_per_minute) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    ON CONFLICT DO NOTHING";
const REVOKE: &str = "UPDATE api_keys SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL";
const OPEN: &str = "SELECT COUNT(*) FROM api_keys WHERE account = $1 AND live = $2 AND revoked_at IS NULL
    AND (expires_at IS NULL OR expires_at > $3)";
// Scopes are a JSON array of words without quotation marks in them.
const MAKERS: &str = key_rows!(
    "WHERE account = $1 AND live = $2 AND id <> $3
    AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $4)
    AND (scopes LIKE '%\"*\"%' OR scopes LIKE '%\"keys.write\"%')"
);
const PURGE: &str = "DELETE FROM api_keys WHERE revoked_at < $1 OR expires_at < $1";
const PURGE_MARKS: &str = "DELETE FROM key_marks WHERE api_key NOT IN (SELECT id FROM api_keys)";
const MARK: &str = "INSERT INTO key_marks (api_key, requests, at, last_used_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (api_key) DO UPDATE SET requests = excluded.requests, at = excluded.at,
    last_used_at = excluded.last_used_at";
const MARKS: &str = "SELECT api_key, requests, at, last_used_at FROM key_marks WHERE at >= $1";
const MARKS_OF: &str = "SELECT m.api_key, m.requests, m.at, m.last_used_at FROM key_marks m
    JOIN api_keys k ON k.id = m.api_key WHERE k.account = $1";

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

    /// As [`Self::insert_key`], unless the account has `limit` open keys in that world already: then
    /// [`StoreError::TooLarge`].
    pub async fn add_key(
        &self,
        row: KeyRow,
        limit: u64,
        answer: Option<IdempotencyRow>,
    ) -> Result<(), StoreError> {
        self.write("add a key", move |db| {
            check_room(db, &row, limit)?;
            if let Some(answer) = &answer {
                idempotency::insert(db, answer)?;
            }
            insert(db, &row)
        })
        .await
    }

    /// As [`Self::add_key`], of several: all of them or none.
    pub async fn add_keys(&self, all: Vec<KeyRow>, limit: u64) -> Result<(), StoreError> {
        self.write("add keys", move |db| {
            all.iter().try_for_each(|row| {
                check_room(db, row, limit)?;
                insert(db, row)
            })
        })
        .await
    }

    /// Revokes a key, unless nobody could make keys of its scopes, for as long as it can, for the account's live world
    /// after it.
    pub async fn revoke_key(&self, key: KeyId, at: Timestamp) -> Result<RevokedKey, StoreError> {
        self.write("revoke a key", move |db| {
            let name = key.to_string();
            let found = db.prepare_cached(GET)?.query_row([&name], from_row).optional()?;
            let Some(row) = found.filter(|row| row.revoked_at.is_none()) else {
                return Ok(RevokedKey::Missing);
            };
            let makes_keys = row.scopes.iter().any(|scope| scope == "*" || scope == "keys.write");
            if row.live && makes_keys {
                let asked = params![row.account.to_string(), true, name, int(at.millis())];
                let others = rows(db, MAKERS, asked, from_row)?;
                if !others.iter().any(|other| other.stands_in_for(&row)) {
                    return Ok(RevokedKey::Last);
                }
            }
            db.prepare_cached(REVOKE)?.execute(params![int(at.millis()), name])?;
            Ok(RevokedKey::Revoked)
        })
        .await
    }

    /// Forgets keys that were revoked or expired before `before`, and what was written down about them.
    pub async fn purge_keys(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.write("forget old keys", move |db| {
            let gone = db.prepare_cached(PURGE)?.execute([int(before.millis())])? as u64;
            if gone > 0 {
                db.prepare_cached(PURGE_MARKS)?.execute([])?;
            }
            Ok(gone)
        })
        .await
    }

    /// Writes down how far keys are, all in one commit.
    pub async fn mark_keys(&self, marks: Vec<KeyMark>) -> Result<(), StoreError> {
        self.write("write down the use of keys", move |db| {
            let mut put = db.prepare_cached(MARK)?;
            for mark in &marks {
                put.execute(params![
                    mark.key.to_string(),
                    int(mark.requests),
                    int(mark.at.millis()),
                    int(mark.last_used_at.millis()),
                ])?;
            }
            Ok(())
        })
        .await
    }

    /// What was written down at or after a time.
    pub async fn key_marks(&self, since: Timestamp) -> Result<Vec<KeyMark>, StoreError> {
        self.read("read the use of keys", move |db| rows(db, MARKS, [int(since.millis())], mark)).await
    }

    /// What was written down of an account's keys, whenever that was.
    pub async fn key_marks_of(&self, account: AccountId) -> Result<Vec<KeyMark>, StoreError> {
        self.read("read the use of an account's keys", move |db| {
            rows(db, MARKS_OF, [account.to_string()], mark)
        })
        .await
    }
}

fn mark(row: &Row<'_>) -> rusqlite::Result<KeyMark> {
    Ok(KeyMark { key: id(row, 0)?, requests: count(row, 1)?, at: time(row, 2)?, last_used_at: time(row, 3)? })
}

/// Within a transaction of the caller.
fn check_room(db: &Connection, row: &KeyRow, limit: u64) -> Result<(), StoreError> {
    let asked = params![row.account.to_string(), row.live, int(row.created_at.millis())];
    let open = db.prepare_cached(OPEN)?.query_row(asked, |row| count(row, 0))?;
    if open >= limit {
        let what = "the account's number of keys";
        return Err(StoreError::TooLarge { what, actual: open + 1, limit });
    }
    Ok(())
}

pub(crate) fn insert(db: &Connection, row: &KeyRow) -> Result<(), StoreError> {
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
        row.requests_per_minute.map(int),
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
        requests_per_minute: opt_count(row, 11)?,
    })
}
