//! Webhooks and their deliveries: nothing is taken twice, nothing is lost, and what is kept is bounded.

use miteos_core::ids::Source;
use miteos_store::{
    Attempt, Blame, DeliveryRow, DeliveryState, IdempotencyRow, MAX_PENDING_DELIVERIES,
    MAX_SETTLED_DELIVERIES, MAX_WEBHOOKS, OldSecret, Recorded, Settled, Store, StoreError, Taken, Tried,
    WebhookChange, WebhookRow, WebhookState,
};

use crate::harness::*;

fn webhook(n: u64, account: u64, live: bool) -> WebhookRow {
    WebhookRow {
        id: webhook_id(n),
        account: account_id(account),
        live,
        url: format!("https://example.org/{n}"),
        events: vec!["task.complete".into(), "task.failed".into()],
        description: None,
        secret: vec![1, 2, 3],
        old_secret: None,
        state: WebhookState::Enabled,
        cursor: 0,
        failing_since: None,
        created_at: at(n),
    }
}

fn pending(n: u64, webhook: u64) -> DeliveryRow {
    DeliveryRow {
        id: delivery_id(n),
        webhook: webhook_id(webhook),
        event: event_id(n),
        kind: "task.complete".into(),
        source: Some((Source::Task(task_id(1)), n)),
        event_at: at(n),
        state: DeliveryState::Pending { due_at: at(n) },
        attempts: 0,
        created_at: at(n),
        last: None,
    }
}

fn settled(n: u64, webhook: u64) -> DeliveryRow {
    let last = Attempt { at: at(n), duration_ms: 5, response: Some(500), error: Some("no".into()) };
    DeliveryRow { state: DeliveryState::Failed, attempts: 8, last: Some(last), ..pending(n, webhook) }
}

fn tried(n: u64, attempts_before: u32, settled: Settled) -> Tried {
    let error = (settled != Settled::Delivered).then(|| "the answer was 500".to_owned());
    Tried {
        delivery: delivery_id(n),
        attempts_before,
        attempt: Attempt { at: at(1_000 + n), duration_ms: 7, response: Some(500), error },
        settled,
        blame: Blame::Receiver,
        disable: None,
        failing_limit: (at(0), "nothing but failures".into()),
    }
}

async fn take(store: &Store, from: i64, to: i64, deliveries: Vec<DeliveryRow>) -> bool {
    let events = webhook(1, 1, true).events;
    store.take_events(Taken { webhook: webhook_id(1), from, events, to, deliveries }).await.unwrap()
}

pub async fn a_webhook_begins_with_the_present(backend: &impl Backend) {
    let store = backend.open().await;
    let early = store.insert_webhook(webhook(1, 1, true), None).await.unwrap();
    assert_eq!(early, webhook(1, 1, true));
    create(&store, row(1)).await;
    create(&store, row(2)).await;
    let strange = WebhookRow { cursor: 77, failing_since: Some(at(1)), ..webhook(2, 1, true) };
    let late = store.insert_webhook(strange, None).await.unwrap();
    assert_eq!(late, WebhookRow { cursor: 2, ..webhook(2, 1, true) });
    assert_eq!(store.webhook(webhook_id(2)).await.unwrap(), Some(late));
    let elsewhere = store.insert_webhook(webhook(3, 1, false), None).await.unwrap();
    assert_eq!(elsewhere.cursor, 0);
    let heads = store.account_heads_after(account_id(1), true, 1, 10).await.unwrap();
    let seen: Vec<_> = heads.iter().map(|h| (h.cursor, h.source, h.seq, h.kind.as_str(), h.at)).collect();
    assert_eq!(seen, [(2, Source::Task(task_id(2)), 1, "task.created", at(1))]);
    let twin = store.insert_webhook(webhook(1, 1, true), None).await.unwrap_err();
    assert!(matches!(twin, StoreError::Exists { .. }), "{twin}");
}

pub async fn webhooks_are_listed_by_world_and_counted(backend: &impl Backend) {
    let store = backend.open().await;
    for n in 1..=MAX_WEBHOOKS {
        store.insert_webhook(webhook(n, 1, true), None).await.unwrap();
    }
    let one_more = store.insert_webhook(webhook(99, 1, true), None).await.unwrap_err();
    assert!(matches!(one_more, StoreError::TooLarge { limit: MAX_WEBHOOKS, .. }), "{one_more}");
    store.insert_webhook(webhook(100, 1, false), None).await.unwrap();
    store.insert_webhook(webhook(101, 2, true), None).await.unwrap();
    let live = store.webhooks(account_id(1), true).await.unwrap();
    assert_eq!((live.len(), live[0].id), (50, webhook_id(50)));
    assert_eq!(store.webhooks(account_id(1), false).await.unwrap().len(), 1);
    let (first, rest) = (
        store.enabled_webhooks(None, 51).await.unwrap(),
        store.enabled_webhooks(Some(webhook_id(100)), 51).await.unwrap(),
    );
    assert_eq!((first.len(), rest.len(), rest[0].id), (51, 1, webhook_id(101)));
    assert!(store.delete_webhook(webhook_id(1)).await.unwrap());
    assert!(!store.delete_webhook(webhook_id(1)).await.unwrap());
    store.insert_webhook(webhook(99, 1, true), None).await.unwrap();
}

pub async fn a_webhook_changes_where_it_is_told_to(backend: &impl Backend) {
    let store = backend.open().await;
    let made = store.insert_webhook(webhook(1, 1, true), None).await.unwrap();
    let change = async |change| store.change_webhook(webhook_id(1), change).await.unwrap().unwrap();
    assert_eq!(change(WebhookChange::default()).await, made);
    let described = WebhookChange { description: Some(Some("mine".into())), ..WebhookChange::default() };
    assert_eq!(change(described).await.description.as_deref(), Some("mine"));
    assert!(take(&store, 0, 1, vec![pending(1, 1)]).await);
    store.record_attempt(tried(1, 0, Settled::Failed)).await.unwrap();
    assert_eq!(store.webhook(webhook_id(1)).await.unwrap().unwrap().failing_since, Some(at(1_001)));
    let same = WebhookChange { url: Some(made.url.clone()), ..WebhookChange::default() };
    assert_eq!(change(same).await.failing_since, Some(at(1_001)));
    let off = WebhookState::Disabled { reason: "for now".into() };
    let all = WebhookChange {
        url: Some("https://example.org/new".into()),
        events: Some(vec!["*".into()]),
        description: Some(None),
        state: Some(off.clone()),
    };
    let changed = change(all).await;
    assert_eq!(
        (changed.url.as_str(), changed.events.as_slice()),
        ("https://example.org/new", &["*".to_owned()][..])
    );
    assert_eq!(
        (changed.description.clone(), changed.failing_since, changed.state.clone()),
        (None, None, off)
    );
    assert_eq!(store.webhook(webhook_id(1)).await.unwrap(), Some(changed));
    assert_eq!(store.enabled_webhooks(None, 10).await.unwrap(), []);
    assert_eq!(store.change_webhook(webhook_id(9), WebhookChange::default()).await.unwrap(), None);
}

pub async fn a_rotation_keeps_the_secret_before(backend: &impl Backend) {
    let store = backend.open().await;
    store.insert_webhook(webhook(1, 1, true), None).await.unwrap();
    let rotate = async |n: u8, until| {
        let row = store.rotate_webhook_secret(webhook_id(1), vec![n], until, None).await.unwrap().unwrap();
        (row.secret, row.old_secret)
    };
    assert_eq!(rotate(4, at(50)).await, (vec![4], Some(OldSecret { sealed: vec![1, 2, 3], until: at(50) })));
    assert_eq!(rotate(5, at(60)).await, (vec![5], Some(OldSecret { sealed: vec![4], until: at(60) })));
    assert_eq!(store.rotate_webhook_secret(webhook_id(9), vec![1], at(1), None).await.unwrap(), None);
}

pub async fn events_are_taken_once(backend: &impl Backend) {
    let store = backend.open().await;
    store.insert_webhook(webhook(1, 1, true), None).await.unwrap();
    assert!(take(&store, 0, 5, vec![pending(1, 1), pending(2, 1)]).await);
    assert!(!take(&store, 0, 5, vec![pending(3, 1)]).await, "somebody was faster");
    assert!(take(&store, 5, 9, vec![]).await);
    assert_eq!(store.webhook(webhook_id(1)).await.unwrap().unwrap().cursor, 9);
    assert_eq!(store.pending_deliveries(webhook_id(1)).await.unwrap(), 2);
    let due = store.due_deliveries(webhook_id(1), at(1), 10).await.unwrap();
    assert_eq!(due, [pending(1, 1)]);
    let next = async |webhook, after| store.next_delivery(webhook_id(webhook), after).await.unwrap();
    assert_eq!(next(1, Default::default()).await, Some(at(1)));
    assert_eq!((next(1, at(1)).await, next(1, at(2)).await), (Some(at(2)), None));
    assert_eq!(next(2, Default::default()).await, None);
    let (page, total) = store.deliveries(webhook_id(1), 1, 0).await.unwrap();
    assert_eq!((page, total), (vec![pending(2, 1)], 2));
    assert_eq!(store.deliveries(webhook_id(1), 10, 1).await.unwrap().0, [pending(1, 1)]);
    assert_eq!(store.delivery(delivery_id(2)).await.unwrap(), Some(pending(2, 1)));
    store.delete_webhook(webhook_id(1)).await.unwrap();
    assert_eq!(store.delivery(delivery_id(2)).await.unwrap(), None);
}

pub async fn a_disabled_webhook_takes_nothing(backend: &impl Backend) {
    let store = backend.open().await;
    store.insert_webhook(webhook(1, 1, true), None).await.unwrap();
    let state = Some(WebhookState::Disabled { reason: "x".into() });
    let off = WebhookChange { state, ..WebhookChange::default() };
    store.change_webhook(webhook_id(1), off).await.unwrap();
    assert!(!take(&store, 0, 5, vec![pending(1, 1)]).await);
    assert_eq!(store.pending_deliveries(webhook_id(1)).await.unwrap(), 0);
    let on = WebhookChange { state: Some(WebhookState::Enabled), ..WebhookChange::default() };
    assert_eq!(store.change_webhook(webhook_id(1), on).await.unwrap().unwrap().cursor, 0);
    assert!(take(&store, 0, 5, vec![pending(1, 1)]).await);
}

pub async fn attempts_are_recorded_once_and_move_the_webhook(backend: &impl Backend) {
    let store = backend.open().await;
    store.insert_webhook(webhook(1, 1, true), None).await.unwrap();
    take(&store, 0, 2, vec![pending(1, 1), pending(2, 1)]).await;
    let record = async |tried| store.record_attempt(tried).await.unwrap();
    let failing = async || store.webhook(webhook_id(1)).await.unwrap().unwrap().failing_since;
    let again = Settled::Again { due_at: at(500) };
    assert_eq!(record(tried(1, 0, again)).await, Recorded::Done { disabled: false });
    assert_eq!(record(tried(1, 0, Settled::Delivered)).await, Recorded::Late, "the attempt was recorded");
    let row = store.delivery(delivery_id(1)).await.unwrap().unwrap();
    assert_eq!((row.attempts, row.state), (1, DeliveryState::Pending { due_at: at(500) }));
    assert_eq!(row.last, Some(tried(1, 0, again).attempt));
    assert_eq!(failing().await, Some(at(1_001)));
    record(tried(2, 0, again)).await;
    assert_eq!(failing().await, Some(at(1_001)), "the first failure counts");
    record(tried(2, 1, Settled::Delivered)).await;
    assert_eq!(failing().await, None);
    assert_eq!(record(tried(2, 2, Settled::Failed)).await, Recorded::Late, "it is settled");
    assert_eq!(store.delivery(delivery_id(2)).await.unwrap().unwrap().state, DeliveryState::Delivered);
    assert_eq!(record(tried(3, 0, Settled::Delivered)).await, Recorded::Late, "there is none");
    // A test that works ends the time of failures as well.
    record(tried(1, 1, Settled::Failed)).await;
    assert!(failing().await.is_some());
    let works = DeliveryRow { state: DeliveryState::Delivered, source: None, ..settled(9, 1) };
    store.insert_delivery(works.clone(), None).await.unwrap();
    assert_eq!(failing().await, None);
    assert_eq!(store.delivery(delivery_id(9)).await.unwrap(), Some(works));
}

pub async fn days_of_failures_disable_a_webhook(backend: &impl Backend) {
    let store = backend.open().await;
    store.insert_webhook(webhook(1, 1, true), None).await.unwrap();
    take(&store, 0, 3, vec![pending(1, 1), pending(2, 1), pending(3, 1)]).await;
    let state = async || store.webhook(webhook_id(1)).await.unwrap().unwrap().state;
    let late =
        |n, settled, limit| Tried { failing_limit: (limit, "five days".into()), ..tried(n, 0, settled) };
    store.record_attempt(late(1, Settled::Failed, at(1_000))).await.unwrap();
    assert_eq!(state().await, WebhookState::Enabled);
    let recorded = store.record_attempt(late(2, Settled::Failed, at(1_001))).await.unwrap();
    assert_eq!(recorded, Recorded::Done { disabled: true });
    assert_eq!(state().await, WebhookState::Disabled { reason: "five days".into() });
    let on = WebhookChange { state: Some(WebhookState::Enabled), ..WebhookChange::default() };
    assert_eq!(store.change_webhook(webhook_id(1), on).await.unwrap().unwrap().failing_since, None);
    let gone = Tried { disable: Some("410".into()), ..tried(3, 0, Settled::Failed) };
    assert_eq!(store.record_attempt(gone).await.unwrap(), Recorded::Done { disabled: true });
    assert_eq!(state().await, WebhookState::Disabled { reason: "410".into() });
}

pub async fn settled_deliveries_are_forgotten_and_waiting_ones_kept(backend: &impl Backend) {
    let store = backend.open().await;
    store.insert_webhook(webhook(1, 1, true), None).await.unwrap();
    store.insert_webhook(webhook(2, 1, true), None).await.unwrap();
    let many = MAX_SETTLED_DELIVERIES;
    let old: Vec<_> = (1..=many).map(|n| settled(n, 1)).chain([pending(0, 1)]).collect();
    assert!(take(&store, 0, 1, old).await);
    store.insert_delivery(settled(many + 1, 2), None).await.unwrap();
    assert!(store.delivery(delivery_id(1)).await.unwrap().is_some());
    assert!(take(&store, 1, 2, vec![settled(many + 2, 1), settled(many + 3, 1)]).await);
    assert_eq!(store.delivery(delivery_id(1)).await.unwrap(), None);
    assert_eq!(store.delivery(delivery_id(2)).await.unwrap(), None);
    assert!(store.delivery(delivery_id(3)).await.unwrap().is_some());
    assert_eq!(store.deliveries(webhook_id(1), 0, 0).await.unwrap().1, many + 1);
    assert_eq!(store.purge_deliveries(at(10)).await.unwrap(), 7, "3 to 9, and not the one that waits");
    assert_eq!(store.purge_deliveries(at(10)).await.unwrap(), 0);
    assert!(store.delivery(delivery_id(0)).await.unwrap().is_some());
    let full: Vec<_> = (2..=MAX_PENDING_DELIVERIES).map(|n| pending(10_000 + n, 1)).collect();
    assert!(take(&store, 2, 3, full).await);
    let one_more = store.insert_delivery(pending(20_000, 1), None).await.unwrap_err();
    assert!(matches!(one_more, StoreError::TooLarge { .. }), "{one_more}");
    store.insert_delivery(settled(20_001, 1), None).await.unwrap();
}

pub async fn a_waiting_delivery_can_be_hurried(backend: &impl Backend) {
    let store = backend.open().await;
    store.insert_webhook(webhook(1, 1, true), None).await.unwrap();
    take(&store, 0, 2, vec![pending(100, 1), settled(2, 1)]).await;
    assert_eq!(store.due_deliveries(webhook_id(1), at(50), 10).await.unwrap(), []);
    assert!(store.hurry_delivery(delivery_id(100), at(50), None).await.unwrap());
    assert_eq!(store.due_deliveries(webhook_id(1), at(50), 10).await.unwrap().len(), 1);
    assert!(!store.hurry_delivery(delivery_id(2), at(50), None).await.unwrap(), "it is settled");
    assert!(!store.hurry_delivery(delivery_id(9), at(50), None).await.unwrap(), "there is none");
}

pub async fn what_was_passed_over_with_another_list_is_not_skipped(backend: &impl Backend) {
    let store = backend.open().await;
    let old = store.insert_webhook(webhook(1, 1, true), None).await.unwrap().events;
    let change = WebhookChange { events: Some(vec!["*".into()]), ..WebhookChange::default() };
    let new = store.change_webhook(webhook_id(1), change).await.unwrap().unwrap().events;
    let taken = |events: &[String]| Taken {
        webhook: webhook_id(1),
        from: 0,
        events: events.to_vec(),
        to: 7,
        deliveries: vec![pending(1, 1)],
    };
    assert!(!store.take_events(taken(&old)).await.unwrap(), "it looked for other events");
    assert_eq!(store.delivery(delivery_id(1)).await.unwrap(), None);
    assert!(store.take_events(taken(&new)).await.unwrap());
    assert_eq!(store.webhook(webhook_id(1)).await.unwrap().unwrap().cursor, 7);
}

pub async fn what_was_not_sent_says_nothing_of_the_receiver(backend: &impl Backend) {
    let store = backend.open().await;
    store.insert_webhook(webhook(1, 1, true), None).await.unwrap();
    take(&store, 0, 2, vec![pending(1, 1)]).await;
    let limit = (at(1_000_000), "five days".to_owned());
    let again = Settled::Again { due_at: at(500) };
    let ours = Tried { blame: Blame::Us, failing_limit: limit, ..tried(1, 0, again) };
    assert_eq!(store.record_attempt(ours).await.unwrap(), Recorded::Done { disabled: false });
    assert_eq!(store.webhook(webhook_id(1)).await.unwrap().unwrap().failing_since, None);
    assert_eq!(store.delivery(delivery_id(1)).await.unwrap().unwrap().attempts, 1);
}

pub async fn a_hurry_and_its_answer_are_stored_together(backend: &impl Backend) {
    let store = backend.open().await;
    store.insert_webhook(webhook(1, 1, true), None).await.unwrap();
    take(&store, 0, 2, vec![pending(100, 1), settled(2, 1)]).await;
    let answer = |n: u64, name: &str| {
        let body = n.to_string().into_bytes();
        let (key, name) = (key_id(1), name.to_owned());
        let (method, path) = ("POST".into(), "/v1/x".into());
        IdempotencyRow { key, method, path, name, fingerprint: vec![1], status: 200, body, at: at(n) }
    };
    let found = async |name: &str| {
        let asked = store.answer(key_id(1), "POST".into(), "/v1/x".into(), name.into(), at(60));
        asked.await.unwrap().map(|row| row.body)
    };
    assert!(!store.hurry_delivery(delivery_id(2), at(50), Some(answer(50, "a"))).await.unwrap());
    assert_eq!(found("a").await, None, "nothing was hurried");
    assert!(store.hurry_delivery(delivery_id(100), at(50), Some(answer(50, "a"))).await.unwrap());
    assert_eq!(found("a").await, Some(b"50".to_vec()));
    let twice = store.hurry_delivery(delivery_id(100), at(10), Some(answer(51, "a"))).await;
    assert!(matches!(twice, Err(StoreError::Repeated(first)) if first.body == b"50"));
    assert_eq!(
        store.next_delivery(webhook_id(1), at(0)).await.unwrap(),
        Some(at(50)),
        "and it stays as it was"
    );
}
