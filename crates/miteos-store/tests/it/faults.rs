//! Writes that fail, commits that fail, a process that dies: nothing is half-written, nobody is told a lie.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use futures::FutureExt;
use futures::future::join_all;
use miteos_store::{AppendError, Fault, Store, StoreError};

use crate::harness::*;

/// Fails the writes with these numbers.
fn failing(numbers: &'static [u64], with: Fault) -> miteos_store::FaultHook {
    Arc::new(move |n| numbers.contains(&n).then_some(with))
}

#[tokio::test]
async fn a_write_that_fails_is_not_half_written() {
    let backend = Sqlite::new();
    let mut config = backend.config();
    config.fault = Some(failing(&[2], Fault::Write));
    let store = Store::open(config).await.unwrap();
    let first = create(&store, row(1)).await;
    let failed = store.append(next(&first)).await.unwrap_err();
    assert!(matches!(failed, AppendError::Store(StoreError::Database { .. })), "{failed}");
    assert_eq!(failed.to_string(), "the database failed to append to the journal");
    let loaded = store.load(task_id(1)).await.unwrap().unwrap();
    assert_eq!((loaded.row, loaded.tail.len()), (first.clone(), 1));
    assert_eq!(store.account_cursor(account_id(1), true).await.unwrap(), 1);
    assert_eq!(store.append(next(&first)).await.unwrap().account_cursor, Some(2));
}

#[tokio::test]
async fn a_commit_that_fails_fails_every_write_in_it() {
    let backend = Sqlite::new();
    let mut config = backend.config();
    config.fault = Some(failing(&[12], Fault::Commit));
    let (held, release) = hold_first_commit();
    config.crash = Some(held);
    let store = Store::open(config).await.unwrap();
    // Write 1 holds the writer until writes 2 to 21 wait; they share a commit, which write 12 spoils.
    let results = write_behind_first(&store, release).await;
    for result in results {
        assert!(matches!(result, Err(AppendError::Store(StoreError::Database { .. }))), "{result:?}");
    }
    for n in 2..=21 {
        assert!(store.task_row(task_id(n)).await.unwrap().is_none());
    }
    create(&store, row(2)).await;
    assert_eq!(store.account_cursor(account_id(1), true).await.unwrap(), 2);
}

#[tokio::test]
async fn a_failing_write_fails_alone_in_its_commit() {
    let backend = Sqlite::new();
    let mut config = backend.config();
    config.fault = Some(failing(&[5, 9], Fault::Write));
    let commits = Arc::new(AtomicU64::new(0));
    let (held, release) = hold_first_commit();
    let seen = Arc::clone(&commits);
    config.crash = Some(Arc::new(move |n| {
        seen.store(n, Ordering::SeqCst);
        held(n);
    }));
    let store = Store::open(config).await.unwrap();
    let results = write_behind_first(&store, release).await;
    assert_eq!(commits.load(Ordering::SeqCst), 2, "one commit for the first, one for all others");
    for (n, result) in (2..).zip(results) {
        let fails = n == 5 || n == 9;
        assert_eq!(result.is_err(), fails, "write {n}: {result:?}");
        assert_eq!(store.task_row(task_id(n)).await.unwrap().is_none(), fails, "write {n}");
    }
    // The cursors of those that failed were not used up.
    let feed = store.account_events_after(account_id(1), true, 0, 100).await.unwrap();
    assert!(feed.iter().map(|event| event.cursor).eq(1..=19));
}

/// A crash hook that keeps the writer inside the first commit until it is released.
fn hold_first_commit() -> (miteos_store::CrashHook, mpsc::Sender<()>) {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let hook = move |n| {
        if n == 1 {
            held.lock().unwrap().recv().unwrap();
        }
    };
    (Arc::new(hook), release)
}

/// Makes task 1, and behind it tasks 2 to 21, which wait together while the writer is held.
async fn write_behind_first(
    store: &Store,
    release: mpsc::Sender<()>,
) -> Vec<Result<miteos_store::Committed, AppendError>> {
    let mut first = Box::pin(store.create_task(creation(row(1))));
    assert!(first.as_mut().now_or_never().is_none());
    wait_until(|| async { store.task_row(task_id(1)).await.unwrap().is_some() }).await;
    let mut waiting: Vec<_> = (2..=21).map(|n| Box::pin(store.create_task(creation(row(n))))).collect();
    for write in &mut waiting {
        // Polled once, it is in the queue.
        assert!(write.as_mut().now_or_never().is_none());
    }
    release.send(()).unwrap();
    first.await.unwrap();
    join_all(waiting).await
}

async fn wait_until<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    let reached = async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), reached).await.unwrap();
}

#[tokio::test]
async fn after_a_crash_behind_the_commit_everything_is_there_and_nobody_was_told() {
    let backend = Sqlite::new();
    let mut config = backend.config();
    config.crash = Some(Arc::new(|n| assert!(n < 2, "a crash, on purpose")));
    let store = Store::open(config).await.unwrap();
    let first = create(&store, row(1)).await;
    let lost = store.append(next(&first)).await.unwrap_err();
    assert!(matches!(lost, AppendError::Store(StoreError::Closed)), "{lost}");
    assert!(matches!(store.check().await, Err(StoreError::Closed)));
    store.close().await;
    let store = backend.open().await;
    let loaded = store.load(task_id(1)).await.unwrap().unwrap();
    assert_eq!((loaded.row.version, loaded.tail.len()), (2, 2));
}

#[tokio::test]
async fn only_commits_with_appends_count_for_the_crash_hook() {
    let backend = Sqlite::new();
    let mut config = backend.config();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let hook = Arc::clone(&seen);
    config.crash = Some(Arc::new(move |n| hook.lock().unwrap().push(n)));
    let store = Store::open(config).await.unwrap();
    store.check().await.unwrap();
    let first = create(&store, row(1)).await;
    store.insert_workspace(workspace(5, 1, true), None).await.unwrap();
    store.append(next(&first)).await.unwrap();
    assert!(store.append(next(&first)).await.is_err());
    assert_eq!(*seen.lock().unwrap(), [1, 2]);
}
