//! Deploy configurations: an account with a provider and how to publish there. The credentials come here sealed.

use miteos_core::ids::{AccountId, DeployConfigId, DeploymentId};
use miteos_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::columns::{count, id, int, opt_time, page, rows, time, time_or_null};
use crate::deployments::active_with;
use crate::error::StoreError;
use crate::idempotency::{self, IdempotencyRow};
use crate::store::Store;
use crate::tasks::Scope;

/// The most deploy configurations of one account in one world.
pub const MAX_DEPLOY_CONFIGS: u64 = 100;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployConfigRow {
    pub id: DeployConfigId,
    pub account: AccountId,
    pub live: bool,
    /// Unique in its account and world.
    pub name: String,
    pub target: String,
    /// JSON.
    pub settings: String,
    /// Sealed by the caller.
    pub credentials: Vec<u8>,
    /// Whose account it is, as the provider said.
    pub provider_account: Option<String>,
    pub provider_project: Option<String>,
    /// When the provider took the credentials; never in the test world.
    pub verified_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What a change or a deletion came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigChanged {
    Done,
    Missing,
    /// This deployment is not over and needs it as it is; nothing was written.
    InUse(DeploymentId),
    /// Somebody else has changed it since it was read; nothing was written.
    Late,
}

macro_rules! config_rows {
    ($rest:literal) => {
        concat!(
            "SELECT id, account, live, name, target, settings, credentials, provider_account, provider_project, ",
            "verified_at, created_at, updated_at FROM deploy_configs ",
            $rest
        )
    };
}

const GET: &str = config_rows!("WHERE id = $1");
const LIST: &str = config_rows!("WHERE account = $1 AND live = $2 ORDER BY id DESC LIMIT $3");
const COUNT: &str = "SELECT COUNT(*) FROM deploy_configs WHERE account = $1 AND live = $2";
const OWNED: &str = "SELECT id FROM deploy_configs WHERE id = $1 AND account = $2 AND live = $3";
const NAMED: &str =
    "SELECT id FROM deploy_configs WHERE account = $1 AND live = $2 AND name = $3 AND id <> $4";
const INSERT: &str = "INSERT INTO deploy_configs (id, account, live, name, target, settings, credentials,
    provider_account, provider_project, verified_at, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
const UPDATE: &str = "UPDATE deploy_configs SET name = $1, settings = $2, credentials = $3,
    provider_account = $4, provider_project = $5, verified_at = $6, updated_at = $7 WHERE id = $8";
const DELETE: &str = "DELETE FROM deploy_configs WHERE id = $1";

impl Store {
    /// Fails with [`StoreError::Exists`] if the account has one of that name in that world, with
    /// [`StoreError::TooLarge`] over [`MAX_DEPLOY_CONFIGS`], and with [`StoreError::Repeated`] if the answer to store
    /// is there already.
    pub async fn insert_deploy_config(
        &self,
        row: DeployConfigRow,
        answer: Option<IdempotencyRow>,
    ) -> Result<(), StoreError> {
        self.write("insert a deploy configuration", move |db| {
            if let Some(answer) = &answer {
                idempotency::insert(db, answer)?;
            }
            insert(db, &row)
        })
        .await
    }

    pub async fn deploy_config(&self, config: DeployConfigId) -> Result<Option<DeployConfigRow>, StoreError> {
        self.read("read a deploy configuration", move |db| get(db, &config.to_string())).await
    }

    /// Newest first, at most [`MAX_DEPLOY_CONFIGS`].
    pub async fn deploy_configs(&self, scope: Scope) -> Result<Vec<DeployConfigRow>, StoreError> {
        self.read("list deploy configurations", move |db| {
            let limit = page(crate::MAX_LIST_ROWS);
            rows(db, LIST, params![scope.account.to_string(), scope.live, limit], from_row)
        })
        .await
    }

    /// Writes name, settings, credentials and what the provider said, if the configuration is still as it was when
    /// `before` was read. Other settings are refused while a deployment uses it. Fails with [`StoreError::Exists`] if
    /// another one has that name.
    pub async fn change_deploy_config(
        &self,
        before: DeployConfigRow,
        after: DeployConfigRow,
    ) -> Result<ConfigChanged, StoreError> {
        self.write("change a deploy configuration", move |db| change(db, &before, &after)).await
    }

    /// Refused while a deployment uses it.
    pub async fn delete_deploy_config(&self, config: DeployConfigId) -> Result<ConfigChanged, StoreError> {
        self.write("delete a deploy configuration", move |db| {
            let key = config.to_string();
            if let Some(user) = active_with(db, &key)? {
                return Ok(ConfigChanged::InUse(user));
            }
            let deleted = db.prepare_cached(DELETE)?.execute([key])?;
            Ok(if deleted == 1 { ConfigChanged::Done } else { ConfigChanged::Missing })
        })
        .await
    }
}

/// Fails with [`StoreError::Missing`] unless it is there and of this account and world.
pub(crate) fn require(
    db: &Connection,
    config: DeployConfigId,
    account: AccountId,
    live: bool,
) -> Result<(), StoreError> {
    let key = config.to_string();
    if db.prepare_cached(OWNED)?.exists(params![key, account.to_string(), live])? {
        return Ok(());
    }
    Err(StoreError::Missing { what: "the deploy configuration", name: key })
}

fn get(db: &Connection, config: &str) -> Result<Option<DeployConfigRow>, StoreError> {
    Ok(db.prepare_cached(GET)?.query_row([config], from_row).optional()?)
}

fn check_name(db: &Connection, row: &DeployConfigRow) -> Result<(), StoreError> {
    let asked = params![row.account.to_string(), row.live, row.name, row.id.to_string()];
    if db.prepare_cached(NAMED)?.exists(asked)? {
        return Err(StoreError::Exists { what: "the deploy configuration", name: row.name.clone() });
    }
    Ok(())
}

fn insert(db: &Connection, row: &DeployConfigRow) -> Result<(), StoreError> {
    let account = row.account.to_string();
    let others = db.prepare_cached(COUNT)?.query_row(params![account, row.live], |row| count(row, 0))?;
    if others >= MAX_DEPLOY_CONFIGS {
        let (what, limit) = ("the account's number of deploy configurations", MAX_DEPLOY_CONFIGS);
        return Err(StoreError::TooLarge { what, actual: others + 1, limit });
    }
    check_name(db, row)?;
    db.prepare_cached(INSERT)?.execute(params![
        row.id.to_string(),
        account,
        row.live,
        row.name,
        row.target,
        row.settings,
        row.credentials,
        row.provider_account,
        row.provider_project,
        opt_time(row.verified_at),
        int(row.created_at.millis()),
        int(row.updated_at.millis()),
    ])?;
    Ok(())
}

fn change(
    db: &Connection,
    before: &DeployConfigRow,
    after: &DeployConfigRow,
) -> Result<ConfigChanged, StoreError> {
    let key = before.id.to_string();
    let Some(stored) = get(db, &key)? else { return Ok(ConfigChanged::Missing) };
    if stored != *before {
        return Ok(ConfigChanged::Late);
    }
    if before.settings != after.settings
        && let Some(user) = active_with(db, &key)?
    {
        return Ok(ConfigChanged::InUse(user));
    }
    check_name(db, after)?;
    db.prepare_cached(UPDATE)?.execute(params![
        after.name,
        after.settings,
        after.credentials,
        after.provider_account,
        after.provider_project,
        opt_time(after.verified_at),
        int(after.updated_at.millis()),
        key,
    ])?;
    Ok(ConfigChanged::Done)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<DeployConfigRow> {
    Ok(DeployConfigRow {
        id: id(row, 0)?,
        account: id(row, 1)?,
        live: row.get(2)?,
        name: row.get(3)?,
        target: row.get(4)?,
        settings: row.get(5)?,
        credentials: row.get(6)?,
        provider_account: row.get(7)?,
        provider_project: row.get(8)?,
        verified_at: time_or_null(row, 9)?,
        created_at: time(row, 10)?,
        updated_at: time(row, 11)?,
    })
}
