//! The worker of one webhook: takes its events from the journal and sends what is due. It exists only while there is
//! something to do, and several attempts of it may be in the air; one that fails holds up none behind it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use miteos_core::ids::{DeliveryId, WebhookId};
use miteos_core::time::Timestamp;
use miteos_store::{
    DeliveryRow, DeliveryState, EventHead, MAX_PENDING_DELIVERIES, Recorded, Settled, StoreError, Taken,
    WebhookRow, WebhookState,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Parts, attempt, message};
use crate::errors::chain;
use crate::runner::Slot;

/// Attempts of one webhook in the air at once, as long as they succeed.
const MAX_AT_ONCE: usize = 4;
/// Of one whose last attempt failed, or which has not yet shown that it answers: it may be dead, and then each attempt
/// costs a whole time-out.
const MAX_AT_ONCE_UNSURE: usize = 1;
/// Attempts of all webhooks in the air at once. Those that fail or are slow have places of their own, so that dead
/// receivers take none from the others.
const MAX_QUICK: usize = 128;
const MAX_SLOW: usize = 128;
/// An attempt that takes longer goes to the places of the slow ones, if there is room.
const QUICK: Duration = Duration::from_secs(2);
/// Events looked at in one read, and taken in one write.
const PAGE: usize = 500;
/// A cursor is written although nothing matched once it has come this far: what a start reads again at most.
pub const KEEP_EVERY: i64 = 1_000;
/// It is written whenever it has moved.
pub const KEEP_ALL: i64 = 1;

/// What the workers share.
pub struct Shared {
    pub parts: Parts,
    quick: Semaphore,
    slow: Semaphore,
    /// Nothing new is begun any more.
    pub shutdown: CancellationToken,
    /// What is in the air is dropped.
    pub abort: CancellationToken,
}

impl Shared {
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            quick: Semaphore::new(MAX_QUICK),
            slow: Semaphore::new(MAX_SLOW),
            shutdown: CancellationToken::new(),
            abort: CancellationToken::new(),
        }
    }
}

/// How a worker left its webhook.
pub enum Left {
    /// Nothing is due before `next`; the cursor is as it was written last.
    Parked {
        next: Option<Timestamp>,
        cursor: i64,
        /// As many deliveries wait as may: news is of no use before one of them is settled.
        full: bool,
    },
    /// It was disabled or deleted.
    Gone,
    Shutdown,
}

/// Works until nothing is due any more.
pub async fn run(shared: Arc<Shared>, id: WebhookId, slot: Arc<Slot>) -> Result<Left, StoreError> {
    let store = &shared.parts.store;
    let mut flights = Flights::default();
    let mut answers = false;
    loop {
        slot.take_dirty();
        if shared.shutdown.is_cancelled() {
            flights.land().await?;
            return Ok(Left::Shutdown);
        }
        let Some(CaughtUp { row, full }) = take(&shared.parts, id, KEEP_EVERY).await? else {
            flights.land().await?;
            return Ok(Left::Gone);
        };
        let most = if answers && row.failing_since.is_none() { MAX_AT_ONCE } else { MAX_AT_ONCE_UNSURE };
        let room = most.saturating_sub(flights.len());
        let now = shared.parts.clock.now();
        if room > 0 {
            let due = store.due_deliveries(id, now, flights.len() + room).await?;
            let fresh = due.into_iter().filter(|delivery| !flights.holds(delivery.id)).take(room);
            for delivery in fresh.collect::<Vec<_>>() {
                let failing = row.failing_since.is_some();
                flights.start(delivery.id, fly(Arc::clone(&shared), delivery, failing));
            }
        }
        if flights.is_empty() {
            // What has become due meanwhile counts, too.
            let next = store.next_delivery(id, Timestamp::default()).await?;
            return Ok(Left::Parked { next, cursor: row.cursor, full });
        }
        let next = if flights.len() >= most { None } else { store.next_delivery(id, now).await? };
        tokio::select! {
            landed = flights.next() => answers = landed?,
            () = slot.woken() => {}
            () = until(&shared.parts, next) => {}
            () = shared.shutdown.cancelled() => {}
        }
    }
}

/// A webhook that has taken what it may.
pub struct CaughtUp {
    pub row: WebhookRow,
    /// There is no room for more.
    pub full: bool,
}

async fn until(parts: &Parts, next: Option<Timestamp>) {
    match next {
        Some(at) => parts.clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Takes the events behind the cursor, as many as may wait. Gives the webhook as it is then; `None` if there is none
/// that events are sent to. A cursor that has moved by less than `keep` over events that do not match is not written.
pub async fn take(parts: &Parts, id: WebhookId, keep: i64) -> Result<Option<CaughtUp>, StoreError> {
    loop {
        let row = match parts.store.webhook(id).await? {
            Some(row) if row.state == WebhookState::Enabled => row,
            Some(_) | None => return Ok(None),
        };
        let pending = parts.store.pending_deliveries(id).await?;
        let room = usize::try_from(MAX_PENDING_DELIVERIES.saturating_sub(pending)).unwrap_or(0).min(PAGE);
        if room == 0 {
            return Ok(Some(CaughtUp { row, full: true }));
        }
        let (to, found, more) = ahead(parts, &row, room).await?;
        if found.is_empty() && to - row.cursor < keep {
            return Ok(Some(CaughtUp { row, full: false }));
        }
        let deliveries = found.iter().map(|head| fresh(parts, &row, head)).collect();
        // If somebody else has moved the cursor, the next round reads behind it.
        let events = row.events.clone();
        let taken = Taken { webhook: id, from: row.cursor, events, to, deliveries };
        if parts.store.take_events(taken).await? && !more {
            return Ok(Some(CaughtUp { row: WebhookRow { cursor: to, ..row }, full: false }));
        }
    }
}

/// Looks ahead for up to `most` events that the webhook wants: how far was looked, what was found, and whether there
/// may be more.
async fn ahead(
    parts: &Parts,
    row: &WebhookRow,
    most: usize,
) -> Result<(i64, Vec<EventHead>, bool), StoreError> {
    let (mut to, mut found) = (row.cursor, Vec::new());
    loop {
        let heads = parts.store.account_heads_after(row.account, row.live, to, PAGE).await?;
        let last = heads.len() < PAGE;
        for head in heads {
            if found.len() == most {
                return Ok((to, found, true));
            }
            to = head.cursor;
            if message::wants(&row.events, &head.kind) {
                found.push(head);
            }
        }
        if last || to - row.cursor >= KEEP_EVERY {
            return Ok((to, found, !last));
        }
    }
}

fn fresh(parts: &Parts, row: &WebhookRow, head: &EventHead) -> DeliveryRow {
    let now = parts.clock.now();
    DeliveryRow {
        id: parts.delivery_id(),
        webhook: row.id,
        event: head.source.event_id(head.seq, head.at),
        kind: head.kind.clone(),
        source: Some((head.source, head.seq)),
        event_at: head.at,
        state: DeliveryState::Pending { due_at: now },
        attempts: 0,
        created_at: now,
        last: None,
    }
}

/// One attempt from its place in the air to its record. Whether the receiver took it.
async fn fly(shared: Arc<Shared>, delivery: DeliveryRow, failing: bool) -> Result<bool, StoreError> {
    let places = if failing { &shared.slow } else { &shared.quick };
    let Ok(mut place) = places.acquire().await else { return Ok(false) };
    // While it waited, the address, the secret or everything may have changed.
    let parts = &shared.parts;
    let row = match parts.store.webhook(delivery.webhook).await? {
        Some(row) if row.state == WebhookState::Enabled => row,
        Some(_) | None => return Ok(false),
    };
    if shared.shutdown.is_cancelled() {
        return Ok(false);
    }
    let mut made = std::pin::pin!(attempt::make(parts, &row, &delivery, &shared.abort));
    let early = tokio::time::timeout(QUICK, &mut made).await;
    let outcome = match early {
        Ok(outcome) => outcome,
        Err(_) => {
            if !failing && let Ok(other) = shared.slow.try_acquire() {
                place = other;
            }
            made.await
        }
    };
    drop(place);
    let Some(outcome) = outcome? else { return Ok(false) };
    let tried = outcome.tried(&delivery);
    let taken = tried.settled == Settled::Delivered;
    let why = tried.attempt.error.clone().unwrap_or_default();
    if let Recorded::Done { disabled: true } = parts.store.record_attempt(tried).await? {
        tracing::warn!(webhook = %row.id, why, "a webhook was disabled");
    }
    Ok(taken)
}

/// Attempts in the air.
#[derive(Default)]
struct Flights {
    tasks: JoinSet<(DeliveryId, Result<bool, StoreError>)>,
    ids: HashSet<DeliveryId>,
}

impl Flights {
    fn len(&self) -> usize {
        self.ids.len()
    }

    fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    fn holds(&self, id: DeliveryId) -> bool {
        self.ids.contains(&id)
    }

    fn start(
        &mut self,
        id: DeliveryId,
        flight: impl Future<Output = Result<bool, StoreError>> + Send + 'static,
    ) {
        self.ids.insert(id);
        self.tasks.spawn(async move { (id, flight.await) });
    }

    /// Until one has landed, and whether the receiver took it; for ever if none is in the air.
    async fn next(&mut self) -> Result<bool, StoreError> {
        match self.tasks.join_next().await {
            Some(Ok((id, landed))) => {
                self.ids.remove(&id);
                landed
            }
            Some(Err(panic)) => {
                // Whose it was is not known, so the worker ends with all that are in the air: they are sent again.
                tracing::error!(error = %chain(&panic), "an attempt to deliver panicked");
                Err(StoreError::Panicked { doing: "deliver to a webhook" })
            }
            None => std::future::pending().await,
        }
    }

    /// Waits for all that are in the air.
    async fn land(&mut self) -> Result<(), StoreError> {
        while !self.is_empty() {
            self.next().await?;
        }
        Ok(())
    }
}
