//! The journal: fences, order, snapshots, feeds.

use miteos_core::ids::Source;
use miteos_core::money::MicroUsd;
use miteos_store::{
    Append, AppendError, ApprovalRow, IdempotencyRow, MAX_RECORD_BYTES, NewRecord, Snapshot, Store,
    StoreError,
};

use crate::harness::*;

pub async fn an_append_is_read_back(backend: &impl Backend) {
    let store = backend.open().await;
    let made = store.create_task(creation(row(1))).await.unwrap();
    assert_eq!((made.version, made.account_cursor), (1, Some(1)));

    let mut after = creation(row(1)).row;
    (after.version, after.seq) = (4, 3);
    after.status = "running".into();
    after.cost = MicroUsd(42);
    after.wake_at = Some(at(5));
    after.started_at = Some(at(3));
    after.detail = "{\"tokens\":3}".into();
    let records = vec![public(2), private(), public(3)];
    let done = store.append(Append::new(1, after.clone(), records)).await.unwrap();
    assert_eq!((done.version, done.account_cursor), (4, Some(3)));

    let loaded = store.load(task_id(1)).await.unwrap().unwrap();
    assert_eq!(loaded.row, after);
    assert_eq!(store.task_row(task_id(1)).await.unwrap().unwrap(), after);
    assert_eq!(loaded.snapshot, None);
    let seen: Vec<_> = loaded.tail.iter().map(|r| (r.version, r.seq, r.kind.as_str(), r.agent)).collect();
    let expected = [
        (1, Some(1), "task.created", None),
        (2, Some(2), "task.created", None),
        (3, None, "model.called", Some(agent_id(1))),
        (4, Some(3), "task.created", None),
    ];
    assert_eq!(seen, expected);
    assert_eq!(loaded.tail[1].body, "{\"seq\":2}");
    assert_eq!(loaded.tail[1].at, at(2));
    assert_eq!(store.records_after(task_id(1), 2, 1).await.unwrap(), loaded.tail[2..3]);
    assert!(store.load(task_id(2)).await.unwrap().is_none());
    assert!(store.task_row(task_id(2)).await.unwrap().is_none());

    // A step of private records alone takes no cursor, and one without records only renews the row.
    let mut quiet = after.clone();
    quiet.version = 5;
    let done = store.append(Append::new(4, quiet.clone(), vec![private()])).await.unwrap();
    assert_eq!((done.version, done.account_cursor), (5, None));
    quiet.wake_at = None;
    let done = store.append(Append::new(5, quiet.clone(), vec![])).await.unwrap();
    assert_eq!(done.version, 5);
    assert_eq!(store.task_row(task_id(1)).await.unwrap().unwrap(), quiet);
}

pub async fn a_task_is_made_once(backend: &impl Backend) {
    let store = backend.open().await;
    let first = create(&store, row(1)).await;
    store.append(next(&first)).await.unwrap();
    let mut again = creation(row(1));
    again.workspace = None;
    again.row.prompt = "another".into();
    let refused = store.create_task(again).await.unwrap_err();
    assert!(matches!(refused, AppendError::Conflict { actual_version: 2 }), "{refused}");
    assert_eq!(store.task_row(task_id(1)).await.unwrap().unwrap().prompt, "prompt 1");
    let unknown = store.append(next(&first_of(2))).await.unwrap_err();
    assert!(matches!(unknown, AppendError::Store(StoreError::Missing { what: "the task", .. })), "{unknown}");
}

fn first_of(n: u64) -> miteos_store::TaskRow {
    creation(row(n)).row
}

pub async fn a_stale_append_is_refused_and_writes_nothing(backend: &impl Backend) {
    let store = backend.open().await;
    let first = create(&store, row(1)).await;
    let mut stale = next(&first);
    stale.agents = vec![agent_id(9)];
    let second = next(&first);
    let after = second.row.clone();
    store.append(second).await.unwrap();
    let refused = store.append(stale).await.unwrap_err();
    assert!(matches!(refused, AppendError::Conflict { actual_version: 2 }), "{refused}");
    let mut early = next(&after);
    early.expected_version = 7;
    early.row.version = 8;
    let refused = store.append(early).await.unwrap_err();
    assert!(matches!(refused, AppendError::Conflict { actual_version: 2 }), "{refused}");
    assert_eq!(store.task_of_agent(agent_id(9)).await.unwrap(), None);
    assert_eq!(store.load(task_id(1)).await.unwrap().unwrap().tail.len(), 2);
    assert_eq!(store.account_cursor(account_id(1), true).await.unwrap(), 2);
}

pub async fn of_fifty_appenders_one_wins_each_version(backend: &impl Backend) {
    const APPENDERS: u64 = 50;
    const WINS_EACH: u64 = 4;
    let store = backend.open().await;
    let first = create(&store, row(1)).await;

    // All at the same version: exactly one wins.
    let tries: Vec<_> = (0..APPENDERS)
        .map(|_| {
            let (store, append) = (store.clone(), next(&first));
            tokio::spawn(async move { store.append(append).await })
        })
        .collect();
    let mut won = 0;
    for attempt in tries {
        match attempt.await.unwrap() {
            Ok(done) => {
                assert_eq!(done.version, 2);
                won += 1;
            }
            Err(AppendError::Conflict { actual_version }) => assert_eq!(actual_version, 2),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(won, 1);

    // Each loads and tries again until it has won its share: nothing is lost, nothing is doubled.
    let workers: Vec<_> = (0..APPENDERS).map(|n| tokio::spawn(win(store.clone(), n, WINS_EACH))).collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let expected = 2 + APPENDERS * WINS_EACH;
    let loaded = store.load(task_id(1)).await.unwrap().unwrap();
    assert_eq!((loaded.row.version, loaded.row.seq), (expected, expected));
    assert!(loaded.tail.iter().map(|r| r.version).eq(1..=expected));
    for n in 0..APPENDERS {
        let body = format!("{{\"by\":{n}}}");
        assert_eq!(loaded.tail.iter().filter(|r| r.body == body).count() as u64, WINS_EACH);
    }
}

async fn win(store: Store, n: u64, wins: u64) {
    for _ in 0..wins {
        loop {
            let row = store.task_row(task_id(1)).await.unwrap().unwrap();
            let mut append = next(&row);
            append.records[0].body = format!("{{\"by\":{n}}}");
            match store.append(append).await {
                Ok(_) => break,
                Err(AppendError::Conflict { actual_version }) => assert!(actual_version > row.version),
                Err(other) => panic!("{other}"),
            }
        }
    }
}

pub async fn public_records_count_without_gap(backend: &impl Backend) {
    let store = backend.open().await;
    let mut row = create(&store, row(1)).await;
    for n in 0..30 {
        let mut append = next(&row);
        if n % 3 == 0 {
            append.records.insert(0, private());
            append.row.version += 1;
        }
        row = append.row.clone();
        store.append(append).await.unwrap();
    }
    let all = store.events_after(task_id(1), 0, 1000).await.unwrap();
    assert!(all.iter().map(|r| r.seq.unwrap()).eq(1..=31));
    assert!(all.windows(2).all(|pair| pair[0].version < pair[1].version));
    let page = store.events_after(task_id(1), 10, 5).await.unwrap();
    assert!(page.iter().map(|r| r.seq.unwrap()).eq(11..=15));
    assert!(store.events_after(task_id(1), 31, 5).await.unwrap().is_empty());
    assert!(store.events_after(task_id(2), 0, 5).await.unwrap().is_empty());
    assert!(store.events_after(task_id(1), 0, 0).await.unwrap().is_empty());
    assert_eq!(store.records_after(task_id(1), 0, 1000).await.unwrap().len(), 41);
}

pub async fn contradictions_are_refused(backend: &impl Backend) {
    let store = backend.open().await;
    let first = create(&store, row(1)).await;
    type Spoil = fn(&mut Append);
    let spoiled: [(&str, Spoil); 8] = [
        ("version of the row", |a| a.row.version += 1),
        ("another task's row", |a| a.row.id = task_id(2)),
        ("a gap in seq", |a| a.records[0].seq = Some(3)),
        ("seq of the row", |a| a.row.seq += 1),
        ("a gap to the stored seq", |a| {
            a.row.seq = 9;
            a.records[0].seq = Some(9);
        }),
        ("another account", |a| a.row.account = account_id(2)),
        ("the other world", |a| a.row.live = false),
        ("a snapshot of the future", |a| a.snapshot = Some(Snapshot { version: 3, body: vec![] })),
    ];
    for (what, spoil) in spoiled {
        let mut append = next(&first);
        spoil(&mut append);
        let refused = store.append(append).await.unwrap_err();
        assert!(matches!(refused, AppendError::Store(StoreError::Invalid { .. })), "{what}: {refused}");
    }
    let mut long = next(&first);
    long.records[0].body = "x".repeat(MAX_RECORD_BYTES + 1);
    let refused = store.append(long).await.unwrap_err();
    assert!(matches!(refused, AppendError::Store(StoreError::TooLarge { .. })), "{refused}");
    let mut not_new = creation(row(2));
    not_new.row.seq = 2;
    not_new.records[0].seq = Some(2);
    let refused = store.create_task(not_new).await.unwrap_err();
    assert!(matches!(refused, AppendError::Store(StoreError::Invalid { .. })), "{refused}");
    assert_eq!(store.task_row(task_id(1)).await.unwrap().unwrap(), first);
    assert!(store.task_row(task_id(2)).await.unwrap().is_none());
}

pub async fn a_load_reads_only_what_follows_the_snapshot(backend: &impl Backend) {
    const BATCH: u64 = 500;
    let store = backend.open().await;
    let mut row = create(&store, row(1)).await;
    while row.version < 10_001 {
        let from = row.clone();
        row.version += BATCH;
        row.seq += BATCH;
        let records: Vec<NewRecord> = (from.seq + 1..=row.seq).map(public).collect();
        let mut append = Append::new(from.version, row.clone(), records);
        append.snapshot = Some(Snapshot { version: row.version, body: row.version.to_be_bytes().to_vec() });
        store.append(append).await.unwrap();
    }
    store.append(next(&row)).await.unwrap();
    let loaded = store.load(task_id(1)).await.unwrap().unwrap();
    assert_eq!(loaded.row.version, 10_002);
    assert_eq!(
        loaded.snapshot.unwrap(),
        Snapshot { version: 10_001, body: 10_001_u64.to_be_bytes().to_vec() }
    );
    assert_eq!(loaded.tail.iter().map(|r| r.version).collect::<Vec<_>>(), [10_002]);
    // What is before the snapshot stays readable, a page at a time.
    assert_eq!(store.records_after(task_id(1), 0, usize::MAX).await.unwrap().len(), 10_000);
    assert_eq!(store.records_after(task_id(1), 10_000, usize::MAX).await.unwrap().len(), 2);
}

pub async fn an_older_snapshot_does_not_replace_a_newer_one(backend: &impl Backend) {
    let store = backend.open().await;
    let first = create(&store, row(1)).await;
    let mut append = next(&first);
    append.snapshot = Some(Snapshot { version: 2, body: vec![2] });
    let row = append.row.clone();
    store.append(append).await.unwrap();
    let mut append = next(&row);
    append.snapshot = Some(Snapshot { version: 1, body: vec![1] });
    store.append(append).await.unwrap();
    let loaded = store.load(task_id(1)).await.unwrap().unwrap();
    assert_eq!(loaded.snapshot, Some(Snapshot { version: 2, body: vec![2] }));
    assert_eq!(loaded.tail.len(), 1);
}

pub async fn the_feed_of_an_account_is_in_commit_order(backend: &impl Backend) {
    const TASKS: u64 = 20;
    const EVENTS: u64 = 10;
    let store = backend.open().await;
    let (account, other) = (account_id(1), account_id(2));
    let mut stranger = row(1_000);
    stranger.account = other;
    create(&store, stranger).await;
    let mut test = row(1_001);
    test.live = false;
    create(&store, test).await;
    let workers: Vec<_> = (1..=TASKS)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut row = create(&store, row(n)).await;
                let mut cursor = 0;
                while row.version < EVENTS {
                    let append = next(&row);
                    row = append.row.clone();
                    let given = store.append(append).await.unwrap().account_cursor.unwrap();
                    assert!(given > cursor);
                    cursor = given;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let total = i64::try_from(TASKS * EVENTS).unwrap();
    assert_eq!(store.account_cursor(account, true).await.unwrap(), total);
    let mut seen = Vec::new();
    loop {
        let after = seen.last().map_or(0, |event: &miteos_store::AccountRecord| event.cursor);
        let page = store.account_events_after(account, true, after, 7).await.unwrap();
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert!(seen.iter().map(|event| event.cursor).eq(1..=total));
    for n in 1..=TASKS {
        let of_task = seen.iter().filter(|event| event.source == Source::Task(task_id(n)));
        assert!(of_task.map(|event| event.record.version).eq(1..=EVENTS));
    }
    // Another account and the other world have feeds of their own, which count on their own.
    for (account, live, task) in [(other, true, task_id(1_000)), (account, false, task_id(1_001))] {
        let events = store.account_events_after(account, live, 0, 10).await.unwrap();
        assert_eq!(
            events.iter().map(|e| (e.cursor, e.source)).collect::<Vec<_>>(),
            [(1, Source::Task(task))]
        );
    }
    assert_eq!(store.account_cursor(other, false).await.unwrap(), 0);
}

pub async fn an_answer_is_stored_with_its_effect(backend: &impl Backend) {
    let store = backend.open().await;
    let answer = IdempotencyRow {
        key: key_id(1),
        method: "POST".into(),
        path: "/v1/tasks".into(),
        name: "once".into(),
        fingerprint: vec![1, 2],
        status: 201,
        body: b"{}".to_vec(),
        at: at(1),
    };
    let mut first = creation(row(1));
    first.idempotency = Some(answer.clone());
    store.create_task(first).await.unwrap();
    let mut second = creation(row(2));
    second.idempotency = Some(IdempotencyRow { status: 500, ..answer.clone() });
    let AppendError::Store(StoreError::Repeated(stored)) = store.create_task(second).await.unwrap_err()
    else {
        panic!("the second is refused with the first answer");
    };
    assert_eq!(*stored, answer);
    assert!(store.task_row(task_id(2)).await.unwrap().is_none());

    // An append that fails takes its answer with it.
    let mut stale = next(&first_of(1));
    stale.expected_version = 5;
    stale.row.version = 6;
    stale.idempotency = Some(IdempotencyRow { name: "stale".into(), ..answer.clone() });
    assert!(matches!(store.append(stale).await, Err(AppendError::Conflict { actual_version: 1 })));
    let found =
        store.answer(key_id(1), "POST".into(), "/v1/tasks".into(), "stale".into(), at(1)).await.unwrap();
    assert_eq!(found, None);
}

pub async fn a_failed_append_leaves_no_trace(backend: &impl Backend) {
    let store = backend.open().await;
    let one = create(&store, row(1)).await;
    let two = create(&store, row(2)).await;
    let asked = |task, n| ApprovalRow {
        id: approval_id(n),
        task: task_id(task),
        agent: agent_id(1),
        account: account_id(1),
        live: true,
        status: "pending".into(),
        body: "{}".into(),
        created_at: at(1),
        expires_at: None,
        decided_at: None,
    };
    let mut append = next(&one);
    append.approvals = vec![asked(1, 1)];
    store.append(append).await.unwrap();
    // Task 2 writes its row, its record and an approval of its own before it fails at one of task 1.
    let mut append = next(&two);
    append.agents = vec![agent_id(5)];
    append.approvals = vec![asked(2, 2), asked(2, 1)];
    let refused = store.append(append).await.unwrap_err();
    assert!(matches!(refused, AppendError::Store(StoreError::Exists { .. })), "{refused}");
    let loaded = store.load(task_id(2)).await.unwrap().unwrap();
    assert_eq!((loaded.row.version, loaded.tail.len()), (1, 1));
    assert_eq!(store.approval(approval_id(2)).await.unwrap(), None);
    assert_eq!(store.approval(approval_id(1)).await.unwrap().unwrap().task, task_id(1));
    assert_eq!(store.task_of_agent(agent_id(5)).await.unwrap(), None);
    // The cursor it took was given back.
    assert_eq!(store.account_cursor(account_id(1), true).await.unwrap(), 3);
}

pub async fn everything_is_there_after_closing_and_opening(backend: &impl Backend) {
    let store = backend.open().await;
    let first = create(&store, row(1)).await;
    store.check().await.unwrap();
    store.close().await;
    let store = backend.open().await;
    assert_eq!(store.load(task_id(1)).await.unwrap().unwrap().row, first);
    store.append(next(&first)).await.unwrap();
    // Dropping the last handle lets the folder go as well.
    drop(store);
    let store = backend.open().await;
    assert_eq!(store.load(task_id(1)).await.unwrap().unwrap().row.version, 2);
}
