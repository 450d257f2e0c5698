//! Which webhook has something to do: there is news for it, or the time of a delivery has come. An idle webhook costs
//! a few words of memory here, and neither a task nor a timer. It does not know what is done with it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use miteos_core::ids::{DeliveryId, EventId, WebhookId};
use miteos_core::time::Timestamp;
use miteos_store::{DeliveryRow, DeliveryState, EventHead, Scope, StoreError, WebhookRow, WebhookState};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::worker::{self, KEEP_ALL, KEEP_EVERY, Left, Shared};
use super::{PING, Parts, attempt, message};
use crate::errors::chain;
use crate::runner::Slot;

/// How often all accounts with webhooks are looked at although no news came (ms): what a lost wake-up costs at most.
const SWEEP_MS: u64 = 60_000;
/// Settled deliveries are forgotten after so long (ms).
const KEEP_DELIVERIES_MS: u64 = 30 * 24 * 3_600_000;
/// How often old ones are looked for (ms).
const PURGE_EVERY_MS: u64 = 24 * 3_600_000;
/// Events looked at in one read.
const PAGE: usize = 500;
/// Webhooks read at once at the start.
const LOAD_PAGE: usize = 500;
/// How long a webhook rests after its worker failed, for the first time (ms); it doubles up to the longest.
const FAILED_FIRST_MS: u64 = 500;
const FAILED_MAX_MS: u64 = 60_000;

#[derive(Clone)]
pub struct Webhooks {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    state: Mutex<State>,
    /// The first due time is another one now.
    changed: Notify,
    tracker: TaskTracker,
}

#[derive(Default)]
struct State {
    endpoints: HashMap<WebhookId, Endpoint>,
    scopes: HashMap<Scope, Vec<WebhookId>>,
    due: BTreeSet<(Timestamp, WebhookId)>,
}

/// An enabled webhook, as far as waking it needs.
struct Endpoint {
    scope: Scope,
    events: Vec<String>,
    /// Up to here the feed was looked at for it.
    seen: i64,
    /// Up to here it was written that it was.
    kept: i64,
    /// As many deliveries wait as may: it takes more events when one of them is settled, and not on news.
    full: bool,
    due: Option<Timestamp>,
    worker: Option<Arc<Slot>>,
    /// Disabled or deleted; its worker will see.
    gone: bool,
}

impl Webhooks {
    /// Starts with what the last process left.
    pub fn start(parts: Parts) -> Self {
        let inner = Arc::new(Inner {
            shared: Arc::new(Shared::new(parts)),
            state: Mutex::default(),
            changed: Notify::new(),
            tracker: TaskTracker::new(),
        });
        let webhooks = Self { inner };
        webhooks.inner.tracker.spawn(webhooks.clone().keep_time());
        webhooks
    }

    /// A webhook was made or changed.
    pub fn put(&self, row: &WebhookRow) {
        match row.state {
            WebhookState::Enabled => {
                self.admit(row, None);
                self.wake(row.id);
            }
            WebhookState::Disabled { .. } => self.remove(row.id),
        }
    }

    /// A webhook was disabled or deleted.
    pub fn remove(&self, id: WebhookId) {
        let mut state = self.state();
        let Some(endpoint) = state.endpoints.get_mut(&id) else { return };
        if let Some(slot) = &endpoint.worker {
            endpoint.gone = true;
            slot.wake();
        } else {
            self.forget(&mut state, id);
        }
    }

    /// Takes what the webhook's list wants up to now, before another list holds.
    pub async fn catch_up(&self, id: WebhookId) -> Result<(), StoreError> {
        worker::take(&self.inner.shared.parts, id, KEEP_ALL).await.map(|_| ())
    }

    /// The id of a delivery that is made now.
    pub fn delivery_id(&self) -> DeliveryId {
        self.inner.shared.parts.delivery_id()
    }

    /// Something is due now.
    pub fn wake(&self, id: WebhookId) {
        if self.inner.shared.shutdown.is_cancelled() {
            return;
        }
        let mut state = self.state();
        state.not_due(id);
        let Some(endpoint) = state.endpoints.get_mut(&id) else { return };
        if let Some(slot) = &endpoint.worker {
            slot.wake();
            return;
        }
        let slot = Arc::new(Slot::default());
        endpoint.worker = Some(Arc::clone(&slot));
        drop(state);
        let webhooks = self.clone();
        self.inner.tracker.spawn(async move { webhooks.drive(id, slot).await });
    }

    /// Sends a test event now and once, and gives what is to be recorded of it. `None` if the server stops first.
    pub async fn test(&self, row: &WebhookRow) -> Result<Option<DeliveryRow>, StoreError> {
        let Shared { parts, abort, .. } = &*self.inner.shared;
        let now = parts.clock.now();
        let ping = DeliveryRow {
            id: parts.delivery_id(),
            webhook: row.id,
            event: EventId(parts.ids.ulid(now)),
            kind: PING.to_owned(),
            source: None,
            event_at: now,
            state: DeliveryState::Failed,
            attempts: 1,
            created_at: now,
            last: None,
        };
        let Some(outcome) = attempt::make(parts, row, &ping, abort).await? else { return Ok(None) };
        let state = if outcome.taken { DeliveryState::Delivered } else { DeliveryState::Failed };
        Ok(Some(DeliveryRow { state, last: Some(outcome.attempt), ..ping }))
    }

    /// Lets what is in the air land until the patience ends, then drops it: it is sent again at the next start.
    pub async fn stop(&self, patience: Duration) {
        self.inner.shared.shutdown.cancel();
        self.inner.tracker.close();
        if tokio::time::timeout(patience, self.inner.tracker.wait()).await.is_err() {
            self.inner.shared.abort.cancel();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn feed(&self) -> &crate::followed::Followed {
        self.inner.shared.parts.feed.followed()
    }

    fn admit(&self, row: &WebhookRow, due: Option<Timestamp>) {
        let scope = Scope { account: row.account, live: row.live };
        let mut state = self.state();
        let known = state.endpoints.get_mut(&row.id);
        if let Some(endpoint) = known {
            endpoint.change(row);
        } else {
            let events = row.events.clone();
            let (seen, kept) = (row.cursor, row.cursor);
            let (full, due, worker, gone) = (false, None, None, false);
            let endpoint = Endpoint { scope, events, seen, kept, full, due, worker, gone };
            state.endpoints.insert(row.id, endpoint);
            state.scopes.entry(scope).or_default().push(row.id);
        }
        state.set_due(row.id, due);
        // Under the lock, as leaving is: what is in the map is followed.
        self.feed().follow(scope);
    }

    fn forget(&self, state: &mut State, id: WebhookId) {
        if let Some(scope) = state.forget(id) {
            self.feed().leave(scope);
        }
    }

    async fn keep_time(self) {
        let Shared { parts, shutdown, .. } = &*self.inner.shared;
        while let Err(error) = self.load().await {
            tracing::error!(error = %chain(&error), "could not read the webhooks");
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(FAILED_FIRST_MS)) => {}
                () = shutdown.cancelled() => return,
            }
        }
        let (mut swept, mut purged) = (parts.clock.now(), None::<Timestamp>);
        while !shutdown.is_cancelled() {
            self.look_at_news().await;
            let now = parts.clock.now();
            if now.since(swept) >= SWEEP_MS {
                swept = now;
                self.feed().mark_all();
            }
            if purged.is_none_or(|at| now.since(at) >= PURGE_EVERY_MS) {
                purged = Some(now);
                self.purge(now).await;
            }
            let due = self.state().take_due(now);
            for id in due {
                self.wake(id);
            }
            let (first, busy) = self.first_due();
            let next = first.unwrap_or(now.plus_ms(PURGE_EVERY_MS));
            let next = if busy { next.min(swept.plus_ms(SWEEP_MS)) } else { next };
            tokio::select! {
                () = parts.clock.sleep_until(next) => {}
                () = self.inner.changed.notified() => {}
                () = self.feed().news() => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// The next due time, and whether there are webhooks at all.
    fn first_due(&self) -> (Option<Timestamp>, bool) {
        let state = self.state();
        (state.due.first().map(|(at, _)| *at), !state.endpoints.is_empty())
    }

    /// Takes up every enabled webhook, with what is due of it.
    async fn load(&self) -> Result<(), StoreError> {
        let store = &self.inner.shared.parts.store;
        let mut after = None;
        loop {
            let rows = store.enabled_webhooks(after, LOAD_PAGE).await?;
            for row in &rows {
                let due = store.next_delivery(row.id, Timestamp::default()).await?;
                self.admit(row, due);
            }
            match rows.last() {
                Some(row) if rows.len() == LOAD_PAGE => after = Some(row.id),
                Some(_) | None => return Ok(()),
            }
        }
    }

    async fn purge(&self, now: Timestamp) {
        let before = Timestamp::from_millis(now.millis().saturating_sub(KEEP_DELIVERIES_MS));
        loop {
            match self.inner.shared.parts.store.purge_deliveries(before).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(error = %chain(&error), "could not forget old deliveries");
                    return;
                }
            }
        }
    }

    /// Looks at what was committed in the accounts that have news, and wakes the webhooks that want some of it.
    async fn look_at_news(&self) {
        for scope in self.feed().take() {
            if let Err(error) = self.look_at(scope).await {
                // The sweep looks again.
                tracing::error!(error = %chain(&error), "could not read the events of an account for its webhooks");
            }
        }
    }

    async fn look_at(&self, scope: Scope) -> Result<(), StoreError> {
        loop {
            let Some(from) = self.state().least_seen(scope) else { return Ok(()) };
            let store = &self.inner.shared.parts.store;
            let heads = store.account_heads_after(scope.account, scope.live, from, PAGE).await?;
            let Some(last) = heads.last().map(|head| head.cursor) else { return Ok(()) };
            let mut wanted = Vec::new();
            let mut state = self.state();
            for id in state.scopes.get(&scope).cloned().unwrap_or_default() {
                let Some(endpoint) = state.endpoints.get_mut(&id) else { continue };
                if endpoint.look(&heads, last) {
                    wanted.push(id);
                }
            }
            drop(state);
            for id in wanted {
                self.wake(id);
            }
            if heads.len() < PAGE {
                return Ok(());
            }
        }
    }

    async fn drive(self, id: WebhookId, slot: Arc<Slot>) {
        let mut failures: u32 = 0;
        loop {
            let work = worker::run(Arc::clone(&self.inner.shared), id, Arc::clone(&slot));
            // A task of its own, so that a panic ends it alone and is seen.
            let left = match tokio::spawn(work).await {
                Ok(Ok(left)) => left,
                Ok(Err(StoreError::Closed)) => Left::Shutdown,
                Ok(Err(error)) => {
                    tracing::error!(webhook = %id, error = %chain(&error), "the worker of a webhook failed");
                    failures += 1;
                    self.rest(failures).await;
                    continue;
                }
                Err(panic) => {
                    tracing::error!(webhook = %id, %panic, "the worker of a webhook panicked");
                    failures += 1;
                    self.rest(failures).await;
                    continue;
                }
            };
            failures = 0;
            if !self.park(id, &slot, &left) {
                return;
            }
        }
    }

    /// Lets the worker go; true if somebody woke it meanwhile and it has to go on.
    fn park(&self, id: WebhookId, slot: &Slot, left: &Left) -> bool {
        let mut state = self.state();
        let Some(endpoint) = state.endpoints.get_mut(&id) else { return false };
        let stopped = matches!(left, Left::Shutdown);
        if slot.take_dirty() && !stopped && !endpoint.gone {
            return true;
        }
        endpoint.worker = None;
        match left {
            Left::Parked { next, cursor, full } if !endpoint.gone => {
                (endpoint.kept, endpoint.full) = (*cursor, *full);
                state.set_due(id, *next);
                drop(state);
                self.inner.changed.notify_one();
            }
            Left::Parked { .. } | Left::Gone => {
                self.forget(&mut state, id);
            }
            Left::Shutdown => {}
        }
        false
    }

    async fn rest(&self, failures: u32) {
        let ms = (FAILED_FIRST_MS << failures.saturating_sub(1).min(16)).min(FAILED_MAX_MS);
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(ms)) => {}
            () = self.inner.shared.shutdown.cancelled() => {}
        }
    }
}

impl Endpoint {
    /// The webhook was changed. What the feed was looked at for stays so: whoever changes a webhook also wakes it, and
    /// its worker reads from the cursor in the store.
    fn change(&mut self, row: &WebhookRow) {
        self.events.clone_from(&row.events);
        self.seen = self.seen.max(row.cursor);
        self.kept = row.cursor;
        self.gone = false;
    }

    /// Looks at what came in, up to `last`. Whether its worker has to see it.
    fn look(&mut self, heads: &[EventHead], last: i64) -> bool {
        let mut fresh = heads.iter().filter(|head| head.cursor > self.seen);
        let wants = fresh.any(|head| message::wants(&self.events, &head.kind));
        self.seen = self.seen.max(last);
        !self.full && (wants || self.seen - self.kept >= KEEP_EVERY)
    }
}

impl State {
    /// Takes a webhook out; gives its scope if it was the last one there.
    fn forget(&mut self, id: WebhookId) -> Option<Scope> {
        self.not_due(id);
        let scope = self.endpoints.remove(&id)?.scope;
        let others = self.scopes.get_mut(&scope)?;
        others.retain(|other| *other != id);
        if !others.is_empty() {
            return None;
        }
        self.scopes.remove(&scope);
        Some(scope)
    }

    fn not_due(&mut self, id: WebhookId) {
        let at = self.endpoints.get_mut(&id).and_then(|endpoint| endpoint.due.take());
        if let Some(at) = at {
            self.due.remove(&(at, id));
        }
    }

    fn set_due(&mut self, id: WebhookId, due: Option<Timestamp>) {
        self.not_due(id);
        let (Some(at), Some(endpoint)) = (due, self.endpoints.get_mut(&id)) else { return };
        endpoint.due = Some(at);
        self.due.insert((at, id));
    }

    /// Those whose time has come.
    fn take_due(&mut self, now: Timestamp) -> Vec<WebhookId> {
        let mut found = Vec::new();
        while let Some((at, id)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, id));
            if let Some(endpoint) = self.endpoints.get_mut(&id) {
                endpoint.due = None;
            }
            found.push(id);
        }
        found
    }

    /// How far the one that is furthest behind has looked.
    fn least_seen(&self, scope: Scope) -> Option<i64> {
        let ids = self.scopes.get(&scope)?;
        ids.iter().filter_map(|id| self.endpoints.get(id)).map(|endpoint| endpoint.seen).min()
    }
}

#[cfg(test)]
mod tests {
    use miteos_core::ids::{AccountId, Source, TaskId};
    use ulid::Ulid;

    use super::*;

    fn head(cursor: i64) -> EventHead {
        let (source, at) = (Source::Task(TaskId(Ulid::from_parts(1, 1))), Timestamp::default());
        EventHead { cursor, source, seq: cursor.unsigned_abs(), kind: "task.complete".into(), at }
    }

    fn row(cursor: i64) -> WebhookRow {
        WebhookRow {
            id: WebhookId(Ulid::from_parts(1, 2)),
            account: AccountId(Ulid::from_parts(1, 3)),
            live: true,
            url: "https://example.org/".into(),
            events: vec!["*".into()],
            description: None,
            secret: Vec::new(),
            old_secret: None,
            state: WebhookState::Enabled,
            cursor,
            failing_since: None,
            created_at: Timestamp::default(),
        }
    }

    fn endpoint() -> Endpoint {
        let scope = Scope { account: row(0).account, live: true };
        let (events, due, worker) = (vec!["*".into()], None, None);
        Endpoint { scope, events, seen: 0, kept: 0, full: false, due, worker, gone: false }
    }

    #[test]
    fn one_with_a_backlog_is_not_woken_by_news() {
        let mut endpoint = endpoint();
        assert!(endpoint.look(&[head(1)], 1));
        endpoint.full = true;
        assert!(!endpoint.look(&[head(2)], 2));
        assert!(!endpoint.look(&[head(5_000)], 5_000), "however far it is behind");
        assert_eq!(endpoint.seen, 5_000, "and none of it is read again for it");
        endpoint.full = false;
        assert!(endpoint.look(&[head(5_001)], 5_001));
    }

    #[test]
    fn a_change_does_not_have_the_feed_read_again() {
        let mut endpoint = endpoint();
        endpoint.look(&[head(900)], 900);
        endpoint.change(&row(3));
        assert_eq!((endpoint.seen, endpoint.kept), (900, 3));
        endpoint.change(&row(1_000));
        assert_eq!(endpoint.seen, 1_000, "it was off meanwhile");
    }
}
