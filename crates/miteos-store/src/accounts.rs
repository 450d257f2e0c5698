//! Accounts: whoever owns keys, tasks and workspaces.

use miteos_core::ids::AccountId;
use miteos_core::time::Timestamp;
use rusqlite::{OptionalExtension, params};

use crate::columns::{id, int, page, rows, time};
use crate::error::StoreError;
use crate::keys::{self, KeyRow};
use crate::store::Store;

const INSERT: &str = "INSERT INTO accounts (id, name, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const GET: &str = "SELECT id, name, created_at FROM accounts WHERE id = $1";
const LIST: &str = "SELECT id, name, created_at FROM accounts WHERE id > $1 ORDER BY id LIMIT $2";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    pub id: AccountId,
    pub name: String,
    pub created_at: Timestamp,
}

impl Store {
    /// Fails with [`StoreError::Exists`] if the id is taken.
    pub async fn insert_account(&self, row: AccountRow) -> Result<(), StoreError> {
        self.insert_account_with(row, Vec::new()).await
    }

    /// An account and its first keys, all or nothing.
    pub async fn insert_account_with(&self, row: AccountRow, keys: Vec<KeyRow>) -> Result<(), StoreError> {
        self.write("insert an account", move |db| {
            let key = row.id.to_string();
            let inserted =
                db.prepare_cached(INSERT)?.execute(params![key, row.name, int(row.created_at.millis())])?;
            if inserted == 0 {
                return Err(StoreError::Exists { what: "the account", name: key });
            }
            keys.iter().try_for_each(|key| keys::insert(db, key))
        })
        .await
    }

    pub async fn account(&self, account: AccountId) -> Result<Option<AccountRow>, StoreError> {
        self.read("read an account", move |db| {
            Ok(db.prepare_cached(GET)?.query_row([account.to_string()], from_row).optional()?)
        })
        .await
    }

    /// Accounts by id, after the given one.
    pub async fn accounts(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<Vec<AccountRow>, StoreError> {
        self.read("list accounts", move |db| {
            let after = after.map(|id| id.to_string()).unwrap_or_default();
            rows(db, LIST, params![after, page(limit)], from_row)
        })
        .await
    }
}

fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<AccountRow> {
    Ok(AccountRow { id: id(row, 0)?, name: row.get(1)?, created_at: time(row, 2)? })
}
