//! Webhooks: where events of an account are sent, and how far each has come in the account's feed. The secrets
//! come here sealed; which event matches which list is the caller's.

use miteos_core::ids::{AccountId, WebhookId};
use miteos_core::time::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::columns::{count, damaged, id, int, opt_time, page, rows, time, time_or_null};
use crate::error::StoreError;
use crate::idempotency::{self, IdempotencyRow};
use crate::journal;
use crate::store::Store;
use crate::{MAX_LIST_ROWS, deliveries};

/// The most webhooks of one account in one world.
pub const MAX_WEBHOOKS: u64 = 50;

/// Whether events are sent to a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookState {
    Enabled,
    /// Nothing is sent, nothing is lost: it goes on where it stopped once it is enabled again.
    Disabled {
        reason: String,
    },
}

/// The secret before the last rotation, which still signs for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldSecret {
    /// Sealed by the caller.
    pub sealed: Vec<u8>,
    pub until: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookRow {
    pub id: WebhookId,
    pub account: AccountId,
    pub live: bool,
    pub url: String,
    /// Names of events, or `*` alone.
    pub events: Vec<String>,
    pub description: Option<String>,
    /// Sealed by the caller.
    pub secret: Vec<u8>,
    pub old_secret: Option<OldSecret>,
    pub state: WebhookState,
    /// Events of the account's feed up to here have become deliveries, or did not match.
    pub cursor: i64,
    /// When the first attempt failed after which none succeeded.
    pub failing_since: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// What shall be different; `None` leaves it alone.
#[derive(Debug, Clone, Default)]
pub struct WebhookChange {
    pub url: Option<String>,
    pub events: Option<Vec<String>>,
    /// `Some(None)` takes it away.
    pub description: Option<Option<String>>,
    pub state: Option<WebhookState>,
}

macro_rules! webhook_rows {
    ($rest:literal) => {
        concat!(
            "SELECT id, account, live, url, events, description, secret, old_secret, old_secret_until, status, ",
            "reason, cursor, failing_since, created_at FROM webhooks ",
            $rest
        )
    };
}

const GET: &str = webhook_rows!("WHERE id = $1");
const LIST: &str = webhook_rows!("WHERE account = $1 AND live = $2 ORDER BY id DESC LIMIT $3");
const ENABLED: &str = webhook_rows!("WHERE id > $1 AND status = 'enabled' ORDER BY id LIMIT $2");
const COUNT: &str = "SELECT COUNT(*) FROM webhooks WHERE account = $1 AND live = $2";
const INSERT: &str =
    "INSERT INTO webhooks (id, account, live, url, events, description, secret, status, cursor,
    created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 'enabled', $8, $9) ON CONFLICT DO NOTHING";
const UPDATE: &str = "UPDATE webhooks SET url = $1, events = $2, description = $3, status = $4, reason = $5,
    failing_since = $6 WHERE id = $7";
const ROTATE: &str =
    "UPDATE webhooks SET old_secret = secret, old_secret_until = $1, secret = $2 WHERE id = $3";
const DELETE: &str = "DELETE FROM webhooks WHERE id = $1";

impl Store {
    /// Inserts an enabled webhook whose feed begins now: `state`, `cursor`, `old_secret` and `failing_since` are
    /// not taken from the row. Gives it as it was inserted.
    ///
    /// Fails with [`StoreError::TooLarge`] over [`MAX_WEBHOOKS`], and with [`StoreError::Repeated`] if the answer
    /// to store is there already.
    pub async fn insert_webhook(
        &self,
        row: WebhookRow,
        answer: Option<IdempotencyRow>,
    ) -> Result<WebhookRow, StoreError> {
        self.write("insert a webhook", move |db| {
            if let Some(answer) = &answer {
                idempotency::insert(db, answer)?;
            }
            insert(db, &row)
        })
        .await
    }

    pub async fn webhook(&self, webhook: WebhookId) -> Result<Option<WebhookRow>, StoreError> {
        self.read("read a webhook", move |db| get(db, webhook)).await
    }

    /// Newest first, at most [`MAX_WEBHOOKS`].
    pub async fn webhooks(&self, account: AccountId, live: bool) -> Result<Vec<WebhookRow>, StoreError> {
        self.read("list webhooks", move |db| {
            rows(db, LIST, params![account.to_string(), live, page(MAX_LIST_ROWS)], from_row)
        })
        .await
    }

    /// Enabled webhooks of all accounts by id, after the given one.
    pub async fn enabled_webhooks(
        &self,
        after: Option<WebhookId>,
        limit: usize,
    ) -> Result<Vec<WebhookRow>, StoreError> {
        self.read("list enabled webhooks", move |db| {
            let after = after.map(|id| id.to_string()).unwrap_or_default();
            rows(db, ENABLED, params![after, page(limit)], from_row)
        })
        .await
    }

    /// Changes a webhook; `None` if there is no such. Another address, or being enabled again, ends its time of
    /// failures.
    pub async fn change_webhook(
        &self,
        webhook: WebhookId,
        change: WebhookChange,
    ) -> Result<Option<WebhookRow>, StoreError> {
        self.write("change a webhook", move |db| {
            let Some(mut row) = get(db, webhook)? else { return Ok(None) };
            apply(&mut row, &change);
            write(db, &row)?;
            Ok(Some(row))
        })
        .await
    }

    /// Gives a webhook a new secret; the one it had lives on until the given time. `None` if there is no such.
    pub async fn rotate_webhook_secret(
        &self,
        webhook: WebhookId,
        sealed: Vec<u8>,
        old_until: Timestamp,
        answer: Option<IdempotencyRow>,
    ) -> Result<Option<WebhookRow>, StoreError> {
        self.write("rotate the secret of a webhook", move |db| {
            if let Some(answer) = &answer {
                idempotency::insert(db, answer)?;
            }
            let changed = params![int(old_until.millis()), sealed, webhook.to_string()];
            db.prepare_cached(ROTATE)?.execute(changed)?;
            get(db, webhook)
        })
        .await
    }

    /// Deletes a webhook and what is known of its deliveries. False if there was no such.
    pub async fn delete_webhook(&self, webhook: WebhookId) -> Result<bool, StoreError> {
        self.write("delete a webhook", move |db| {
            let key = webhook.to_string();
            deliveries::delete_all(db, &key)?;
            Ok(db.prepare_cached(DELETE)?.execute([key])? == 1)
        })
        .await
    }
}

fn apply(row: &mut WebhookRow, change: &WebhookChange) {
    if let Some(url) = &change.url {
        if *url != row.url {
            row.failing_since = None;
        }
        row.url.clone_from(url);
    }
    if let Some(events) = &change.events {
        row.events.clone_from(events);
    }
    if let Some(description) = &change.description {
        row.description.clone_from(description);
    }
    if let Some(state) = &change.state {
        if *state == WebhookState::Enabled && row.state != WebhookState::Enabled {
            row.failing_since = None;
        }
        row.state.clone_from(state);
    }
}

pub(crate) fn get(db: &Connection, webhook: WebhookId) -> Result<Option<WebhookRow>, StoreError> {
    Ok(db.prepare_cached(GET)?.query_row([webhook.to_string()], from_row).optional()?)
}

fn insert(db: &Connection, row: &WebhookRow) -> Result<WebhookRow, StoreError> {
    let account = row.account.to_string();
    let others = db.prepare_cached(COUNT)?.query_row(params![account, row.live], |row| count(row, 0))?;
    if others >= MAX_WEBHOOKS {
        let (what, limit) = ("the account's number of webhooks", MAX_WEBHOOKS);
        return Err(StoreError::TooLarge { what, actual: others + 1, limit });
    }
    let cursor = journal::last_cursor(db, row.account, row.live)?;
    let inserted = db.prepare_cached(INSERT)?.execute(params![
        row.id.to_string(),
        account,
        row.live,
        row.url,
        list(&row.events),
        row.description,
        row.secret,
        cursor,
        int(row.created_at.millis()),
    ])?;
    if inserted == 0 {
        return Err(StoreError::Exists { what: "the webhook", name: row.id.to_string() });
    }
    let fresh = WebhookRow { state: WebhookState::Enabled, cursor, ..row.clone() };
    Ok(WebhookRow { old_secret: None, failing_since: None, ..fresh })
}

/// Writes what changes after the insertion, but for secrets and cursor.
pub(crate) fn write(db: &Connection, row: &WebhookRow) -> Result<(), StoreError> {
    let (status, reason) = match &row.state {
        WebhookState::Enabled => ("enabled", None),
        WebhookState::Disabled { reason } => ("disabled", Some(reason)),
    };
    db.prepare_cached(UPDATE)?.execute(params![
        row.url,
        list(&row.events),
        row.description,
        status,
        reason,
        opt_time(row.failing_since),
        row.id.to_string(),
    ])?;
    Ok(())
}

/// A list of events as it is stored.
pub(crate) fn list(events: &[String]) -> String {
    serde_json::Value::from(events).to_string()
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<WebhookRow> {
    let events =
        serde_json::from_str(row.get_ref(4)?.as_str()?).map_err(|source| damaged(4, Type::Text, source))?;
    let old_secret = match (row.get(7)?, time_or_null(row, 8)?) {
        (Some(sealed), Some(until)) => Some(OldSecret { sealed, until }),
        _ => None,
    };
    let state = match row.get_ref(9)?.as_str()? {
        "enabled" => WebhookState::Enabled,
        _ => WebhookState::Disabled { reason: row.get::<_, Option<String>>(10)?.unwrap_or_default() },
    };
    Ok(WebhookRow {
        id: id(row, 0)?,
        account: id(row, 1)?,
        live: row.get(2)?,
        url: row.get(3)?,
        events,
        description: row.get(5)?,
        secret: row.get(6)?,
        old_secret,
        state,
        cursor: row.get(11)?,
        failing_since: time_or_null(row, 12)?,
        created_at: time(row, 13)?,
    })
}
