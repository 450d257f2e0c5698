//! Deliveries: events on their way to webhooks. A row is made in the transaction that moves the webhook's cursor
//! past the event, so that an event is either still ahead of the cursor or has its row.

use miteos_core::ids::{DeliveryId, EventId, Source, WebhookId};
use miteos_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::columns::{count, id, int, opt_count, opt_id, page, rows, time, time_or_null};
use crate::error::StoreError;
use crate::idempotency::{self, IdempotencyRow};
use crate::store::Store;
use crate::webhooks::{self, WebhookState};

/// The most unsettled deliveries of one webhook. A webhook that has so many leaves further events in the journal,
/// where they cost nothing.
pub const MAX_PENDING_DELIVERIES: u64 = 1_000;
/// How many settled deliveries of one webhook are remembered.
pub const MAX_SETTLED_DELIVERIES: u64 = 1_000;
/// Rows that one sweep of old deliveries removes at the most, so that it does not hold up other writes.
const MAX_PURGED: u64 = 5_000;

/// Where a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    Pending {
        due_at: Timestamp,
    },
    Delivered,
    /// Given up.
    Failed,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub at: Timestamp,
    pub duration_ms: u64,
    /// The status of the answer, if there was one.
    pub response: Option<u16>,
    /// Why the delivery did not succeed.
    pub error: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    pub id: DeliveryId,
    pub webhook: WebhookId,
    /// Every attempt carries it, and so does a redelivery.
    pub event: EventId,
    pub kind: String,
    /// Where the event stands in the journal; a test event stands nowhere.
    pub source: Option<(Source, u64)>,
    pub event_at: Timestamp,
    pub state: DeliveryState,
    pub attempts: u32,
    pub created_at: Timestamp,
    pub last: Option<Attempt>,
}

/// Events taken from the feed for one webhook.
#[derive(Debug, Clone)]
pub struct Taken {
    pub webhook: WebhookId,
    /// The fence: the cursor that the events were read after.
    pub from: i64,
    /// Fences, too: the kinds of events that were looked for.
    pub events: Vec<String>,
    /// The cursor of the last event that was looked at.
    pub to: i64,
    /// Those that matched.
    pub deliveries: Vec<DeliveryRow>,
}

/// How an attempt leaves its delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    Delivered,
    Again { due_at: Timestamp },
    Failed,
}

/// Whose failure it is that an attempt does not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    Receiver,
    /// Nothing was sent: it says nothing about the receiver.
    Us,
}

/// An attempt to be recorded.
#[derive(Debug, Clone)]
pub struct Tried {
    pub delivery: DeliveryId,
    /// The fence: how many attempts there were before.
    pub attempts_before: u32,
    pub attempt: Attempt,
    pub settled: Settled,
    pub blame: Blame,
    /// Why the webhook is to be disabled at once.
    pub disable: Option<String>,
    /// A webhook that has had nothing but failures since this time or longer is disabled too, with that reason.
    pub failing_limit: (Timestamp, String),
}

/// What recording an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// Somebody else has recorded it, or the delivery is gone: nothing was written.
    Late,
    Done {
        /// The webhook was disabled by this.
        disabled: bool,
    },
}

macro_rules! delivery_rows {
    ($rest:literal) => {
        concat!(
            "SELECT id, webhook, event, kind, task, seq, event_at, status, due_at, attempts, created_at, ",
            "tried_at, duration_ms, response, error FROM webhook_deliveries ",
            $rest
        )
    };
}

const GET: &str = delivery_rows!("WHERE id = $1");
const LIST: &str = delivery_rows!("WHERE webhook = $1 ORDER BY id DESC LIMIT $2 OFFSET $3");
const DUE: &str =
    delivery_rows!("WHERE webhook = $1 AND status = 'pending' AND due_at <= $2 ORDER BY due_at, id LIMIT $3");
const TOTAL: &str = "SELECT COUNT(*) FROM webhook_deliveries WHERE webhook = $1";
const PENDING: &str = "SELECT COUNT(*) FROM webhook_deliveries WHERE webhook = $1 AND status = 'pending'";
const NEXT_DUE: &str = "SELECT MIN(due_at) FROM webhook_deliveries WHERE webhook = $1 AND status = 'pending'
    AND due_at > $2";
// With another list of events those that were passed over may be wanted.
const MOVE_CURSOR: &str = "UPDATE webhooks SET cursor = $1 WHERE id = $2 AND cursor = $3 AND events = $4
    AND status = 'enabled'";
const INSERT: &str =
    "INSERT INTO webhook_deliveries (id, webhook, event, kind, task, seq, event_at, status, due_at,
    attempts, created_at, tried_at, duration_ms, response, error)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
const RECORD: &str = "UPDATE webhook_deliveries SET status = $1, due_at = $2, attempts = attempts + 1,
    tried_at = $3, duration_ms = $4, response = $5, error = $6
    WHERE id = $7 AND status = 'pending' AND attempts = $8 RETURNING webhook";
const HURRY: &str = "UPDATE webhook_deliveries SET due_at = $1 WHERE id = $2 AND status = 'pending'";
const OLDEST_KEPT: &str = "SELECT id FROM webhook_deliveries WHERE webhook = $1 AND status <> 'pending'
    ORDER BY id DESC LIMIT 1 OFFSET $2";
const FORGET: &str = "DELETE FROM webhook_deliveries WHERE webhook = $1 AND status <> 'pending' AND id <= $2";
const PURGE: &str = "DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM webhook_deliveries
    WHERE id < $1 AND status <> 'pending' ORDER BY id LIMIT $2)";
const WORKS: &str = "UPDATE webhooks SET failing_since = NULL WHERE id = $1 AND failing_since IS NOT NULL";
const DELETE_ALL: &str = "DELETE FROM webhook_deliveries WHERE webhook = $1";

impl Store {
    /// Makes deliveries and moves the cursor past their events. False, with nothing written, if the cursor or the
    /// list of events is another one by now or the webhook is disabled or gone.
    pub async fn take_events(&self, taken: Taken) -> Result<bool, StoreError> {
        self.write_append("take events for a webhook", move |db| {
            let key = taken.webhook.to_string();
            let events = webhooks::list(&taken.events);
            if db.prepare_cached(MOVE_CURSOR)?.execute(params![taken.to, key, taken.from, events])? == 0 {
                return Ok(false);
            }
            for row in &taken.deliveries {
                insert(db, row)?;
            }
            if !taken.deliveries.is_empty() {
                forget_old(db, &key)?;
            }
            Ok(true)
        })
        .await
    }

    /// Inserts a delivery by itself: a test that was made, or an event that is to be sent again. Fails with
    /// [`StoreError::TooLarge`] if the webhook has [`MAX_PENDING_DELIVERIES`] already, and with
    /// [`StoreError::Repeated`] if the answer to store is there already.
    pub async fn insert_delivery(
        &self,
        row: DeliveryRow,
        answer: Option<IdempotencyRow>,
    ) -> Result<(), StoreError> {
        self.write_append("insert a delivery", move |db| {
            if let Some(answer) = &answer {
                idempotency::insert(db, answer)?;
            }
            let key = row.webhook.to_string();
            let pending = db.prepare_cached(PENDING)?.query_row([&key], |row| count(row, 0))?;
            if matches!(row.state, DeliveryState::Pending { .. }) && pending >= MAX_PENDING_DELIVERIES {
                let (what, limit) = ("the number of deliveries that wait", MAX_PENDING_DELIVERIES);
                return Err(StoreError::TooLarge { what, actual: pending + 1, limit });
            }
            if row.state == DeliveryState::Delivered {
                db.prepare_cached(WORKS)?.execute([&key])?;
            }
            insert(db, &row)?;
            forget_old(db, &key)
        })
        .await
    }

    pub async fn delivery(&self, delivery: DeliveryId) -> Result<Option<DeliveryRow>, StoreError> {
        self.read("read a delivery", move |db| {
            Ok(db.prepare_cached(GET)?.query_row([delivery.to_string()], from_row).optional()?)
        })
        .await
    }

    /// Newest first, with the number of all.
    pub async fn deliveries(
        &self,
        webhook: WebhookId,
        limit: usize,
        offset: usize,
    ) -> Result<(Vec<DeliveryRow>, u64), StoreError> {
        self.read("list deliveries", move |db| {
            let key = webhook.to_string();
            let found = rows(db, LIST, params![key, page(limit), int(offset as u64)], from_row)?;
            let total = db.prepare_cached(TOTAL)?.query_row([key], |row| count(row, 0))?;
            Ok((found, total))
        })
        .await
    }

    /// How many deliveries of a webhook are not settled.
    pub async fn pending_deliveries(&self, webhook: WebhookId) -> Result<u64, StoreError> {
        self.read("count waiting deliveries", move |db| {
            Ok(db.prepare_cached(PENDING)?.query_row([webhook.to_string()], |row| count(row, 0))?)
        })
        .await
    }

    /// Deliveries of a webhook that are due, the longest due first.
    pub async fn due_deliveries(
        &self,
        webhook: WebhookId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        self.read("find due deliveries", move |db| {
            rows(db, DUE, params![webhook.to_string(), int(now.millis()), page(limit)], from_row)
        })
        .await
    }

    /// When the first delivery of a webhook is due that is due after the given time.
    pub async fn next_delivery(
        &self,
        webhook: WebhookId,
        after: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        self.read("find the next delivery", move |db| {
            let asked = params![webhook.to_string(), int(after.millis())];
            Ok(db.prepare_cached(NEXT_DUE)?.query_row(asked, |row| time_or_null(row, 0))?)
        })
        .await
    }

    /// Records an attempt, and what it means for its webhook.
    pub async fn record_attempt(&self, tried: Tried) -> Result<Recorded, StoreError> {
        self.write_append("record an attempt to deliver", move |db| record(db, &tried)).await
    }

    /// Makes a waiting delivery due now, and stores the answer that says so. False, with nothing written, if it is
    /// settled or gone. Fails with [`StoreError::Repeated`] if the answer is there already.
    pub async fn hurry_delivery(
        &self,
        delivery: DeliveryId,
        now: Timestamp,
        answer: Option<IdempotencyRow>,
    ) -> Result<bool, StoreError> {
        self.write("make a delivery due", move |db| {
            let hurried = params![int(now.millis()), delivery.to_string()];
            if db.prepare_cached(HURRY)?.execute(hurried)? == 0 {
                return Ok(false);
            }
            if let Some(answer) = &answer {
                idempotency::insert(db, answer)?;
            }
            Ok(true)
        })
        .await
    }

    /// Forgets settled deliveries made before the given time, a bounded number at once; says how many.
    pub async fn purge_deliveries(&self, before: Timestamp) -> Result<u64, StoreError> {
        // Ids sort by creation, so the least id of that time is the limit.
        let before = least_id(before).to_string();
        self.write("forget old deliveries", move |db| {
            Ok(db.prepare_cached(PURGE)?.execute(params![before, int(MAX_PURGED)])? as u64)
        })
        .await
    }
}

fn least_id(at: Timestamp) -> DeliveryId {
    let mut id = DeliveryId(Default::default());
    // The upper 48 bits of an id are its milliseconds.
    id.0.0 = u128::from(at.millis()) << 80;
    id
}

pub(crate) fn delete_all(db: &Connection, webhook: &str) -> Result<(), StoreError> {
    db.prepare_cached(DELETE_ALL)?.execute([webhook])?;
    Ok(())
}

fn forget_old(db: &Connection, webhook: &str) -> Result<(), StoreError> {
    let asked = params![webhook, int(MAX_SETTLED_DELIVERIES)];
    let oldest: Option<String> =
        db.prepare_cached(OLDEST_KEPT)?.query_row(asked, |row| row.get(0)).optional()?;
    if let Some(oldest) = oldest {
        db.prepare_cached(FORGET)?.execute(params![webhook, oldest])?;
    }
    Ok(())
}

fn record(db: &Connection, tried: &Tried) -> Result<Recorded, StoreError> {
    let attempt = &tried.attempt;
    let (status, due_at) = match tried.settled {
        Settled::Delivered => ("delivered", None),
        Settled::Again { due_at } => ("pending", Some(due_at)),
        Settled::Failed => ("failed", None),
    };
    let written = params![
        status,
        due_at.map(|at| int(at.millis())),
        int(attempt.at.millis()),
        int(attempt.duration_ms),
        attempt.response,
        attempt.error,
        tried.delivery.to_string(),
        tried.attempts_before,
    ];
    let webhook: Option<WebhookId> =
        db.prepare_cached(RECORD)?.query_row(written, |row| id(row, 0)).optional()?;
    let Some(webhook) = webhook else { return Ok(Recorded::Late) };
    let Some(mut row) = webhooks::get(db, webhook)? else { return Ok(Recorded::Done { disabled: false }) };
    let before = (row.failing_since, row.state.clone());
    let (limit, why) = &tried.failing_limit;
    row.failing_since = match tried.settled {
        Settled::Delivered => None,
        Settled::Again { .. } | Settled::Failed => match tried.blame {
            Blame::Receiver => Some(row.failing_since.unwrap_or(attempt.at)),
            Blame::Us => row.failing_since,
        },
    };
    let too_long = row.failing_since.is_some_and(|since| since <= *limit).then_some(why);
    let mut disabled = false;
    if let Some(reason) = tried.disable.as_ref().or(too_long)
        && row.state == WebhookState::Enabled
    {
        row.state = WebhookState::Disabled { reason: reason.clone() };
        disabled = true;
    }
    if before != (row.failing_since, row.state.clone()) {
        webhooks::write(db, &row)?;
    }
    Ok(Recorded::Done { disabled })
}

fn insert(db: &Connection, row: &DeliveryRow) -> Result<(), StoreError> {
    let (status, due_at) = match row.state {
        DeliveryState::Pending { due_at } => ("pending", Some(int(due_at.millis()))),
        DeliveryState::Delivered => ("delivered", None),
        DeliveryState::Failed => ("failed", None),
    };
    let last = row.last.as_ref();
    db.prepare_cached(INSERT)?.execute(params![
        row.id.to_string(),
        row.webhook.to_string(),
        row.event.to_string(),
        row.kind,
        row.source.map(|(source, _)| source.to_string()),
        row.source.map(|(_, seq)| int(seq)),
        int(row.event_at.millis()),
        status,
        due_at,
        row.attempts,
        int(row.created_at.millis()),
        last.map(|attempt| int(attempt.at.millis())),
        last.map(|attempt| int(attempt.duration_ms)),
        last.and_then(|attempt| attempt.response),
        last.and_then(|attempt| attempt.error.as_ref()),
    ])?;
    Ok(())
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<DeliveryRow> {
    let state = match row.get_ref(7)?.as_str()? {
        "pending" => DeliveryState::Pending { due_at: time(row, 8)? },
        "delivered" => DeliveryState::Delivered,
        _ => DeliveryState::Failed,
    };
    let last = match time_or_null(row, 11)? {
        Some(at) => {
            let duration_ms = opt_count(row, 12)?.unwrap_or(0);
            Some(Attempt { at, duration_ms, response: row.get(13)?, error: row.get(14)? })
        }
        None => None,
    };
    let source = match (opt_id(row, 4)?, opt_count(row, 5)?) {
        (Some(source), Some(seq)) => Some((source, seq)),
        _ => None,
    };
    Ok(DeliveryRow {
        id: id(row, 0)?,
        webhook: id(row, 1)?,
        event: id(row, 2)?,
        kind: row.get(3)?,
        source,
        event_at: time(row, 6)?,
        state,
        attempts: row.get(9)?,
        created_at: time(row, 10)?,
        last,
    })
}
