//! The read model of tasks: lists, timers, admission.

use miteos_core::ids::TaskId;
use miteos_core::time::Timestamp;
use miteos_store::{Scope, Store, TaskHead};

use crate::harness::*;

const STATUSES: [&str; 7] = ["pending", "planning", "running", "paused", "complete", "failed", "cancelled"];

/// Task n has status n modulo 7.
async fn fill(store: &Store, numbers: std::ops::RangeInclusive<u64>, account: u64, live: bool) {
    for n in numbers {
        let mut task = row(n);
        task.account = account_id(account);
        task.live = live;
        task.status = STATUSES[usize::try_from(n).unwrap() % STATUSES.len()].into();
        task.workspace = workspace_id(n - n % 2);
        let mut append = creation(task);
        if n % 2 == 1 {
            append.workspace = None;
        }
        store.create_task(append).await.unwrap();
    }
}

fn numbers(heads: &[TaskHead], up_to: u64) -> Vec<u64> {
    heads.iter().map(|head| (0..=up_to).find(|n| task_id(*n) == head.id).unwrap()).collect()
}

pub async fn lists_page_and_count(backend: &impl Backend) {
    let store = backend.open().await;
    let account = account_id(1);
    let (rows, total) = store.list_tasks(account, true, None, None, 20, 0).await.unwrap();
    assert_eq!((rows.len(), total), (0, 0));
    fill(&store, 2..=43, 1, true).await;

    let (rows, total) = store.list_tasks(account, true, None, None, 10, 0).await.unwrap();
    assert_eq!(total, 42);
    let expected: Vec<_> = (34..=43).rev().map(task_id).collect();
    assert_eq!(rows.iter().map(|r| r.id).collect::<Vec<_>>(), expected);
    assert_eq!(rows[0].prompt, "prompt 43");
    let (rows, total) = store.list_tasks(account, true, None, None, 10, 40).await.unwrap();
    assert_eq!((rows.len(), total), (2, 42));
    assert_eq!(rows[1].id, task_id(2));
    let (rows, total) = store.list_tasks(account, true, None, None, 10, 1_000).await.unwrap();
    assert_eq!((rows.len(), total), (0, 42));

    let complete = Some("complete".to_owned());
    let (rows, total) = store.list_tasks(account, true, complete.clone(), None, 2, 1).await.unwrap();
    assert_eq!(total, 6);
    assert_eq!(rows.iter().map(|r| r.id).collect::<Vec<_>>(), [task_id(32), task_id(25)]);
    let (rows, total) = store.list_tasks(account, true, None, Some(workspace_id(8)), 10, 0).await.unwrap();
    assert_eq!((rows.len(), total), (2, 2));
    assert_eq!(rows[0].id, task_id(9));
    let both =
        store.list_tasks(account, true, Some("planning".into()), Some(workspace_id(8)), 10, 0).await.unwrap();
    assert_eq!((both.0[0].id, both.0.len(), both.1), (task_id(8), 1, 1));
    let none = store.list_tasks(account, true, complete, Some(workspace_id(8)), 10, 0).await.unwrap();
    assert_eq!((none.0.len(), none.1), (0, 0));
}

pub async fn lists_are_of_one_account_and_world(backend: &impl Backend) {
    let store = backend.open().await;
    fill(&store, 2..=5, 1, true).await;
    fill(&store, 10..=11, 1, false).await;
    fill(&store, 20..=22, 2, true).await;
    for (account, live, expected) in [(1, true, 4), (1, false, 2), (2, true, 3), (2, false, 0), (3, true, 0)]
    {
        let (rows, total) = store.list_tasks(account_id(account), live, None, None, 100, 0).await.unwrap();
        assert_eq!((rows.len() as u64, total), (expected, expected));
        assert!(rows.iter().all(|r| r.account == account_id(account) && r.live == live));
    }
    // Another account's workspace shows nothing.
    let (rows, total) =
        store.list_tasks(account_id(2), true, None, Some(workspace_id(2)), 100, 0).await.unwrap();
    assert_eq!((rows.len(), total), (0, 0));
}

pub async fn unfinished_tasks_are_walked_by_id(backend: &impl Backend) {
    let store = backend.open().await;
    fill(&store, 2..=21, 1, true).await;
    fill(&store, 22..=30, 2, false).await;
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = store.unfinished(after, 4).await.unwrap();
        assert!(page.len() <= 4);
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(numbers(&page, 30));
    }
    assert_eq!(seen, (2..=30).filter(|n| n % 7 < 4).collect::<Vec<_>>());
    // One that ends is not found any more.
    let mut end = next(&store.task_row(task_id(2)).await.unwrap().unwrap());
    end.row.status = "failed".into();
    end.row.completed_at = Some(at(99));
    store.append(end).await.unwrap();
    assert_eq!(numbers(&store.unfinished(None, 1).await.unwrap(), 30), [3]);
}

/// Before all timers.
fn first() -> (Timestamp, Option<TaskId>) {
    (Timestamp::default(), None)
}

pub async fn timers_are_found_by_time(backend: &impl Backend) {
    let store = backend.open().await;
    assert_eq!(store.next_wake_after(at(0)).await.unwrap(), None);
    for (n, wake) in [(1, Some(500)), (2, None), (3, Some(100)), (4, Some(300))] {
        let mut task = row(n);
        task.wake_at = wake.map(at);
        create(&store, task).await;
    }
    assert_eq!(store.next_wake_after(at(0)).await.unwrap(), Some(at(100)));
    assert_eq!(store.due(first(), at(99), 10).await.unwrap(), []);
    let due = store.due(first(), at(300), 10).await.unwrap();
    assert_eq!(numbers(&due, 9), [3, 4]);
    assert_eq!((due[0].wake_at, due[0].version), (Some(at(100)), 1));
    assert_eq!(numbers(&store.due(first(), at(900), 1).await.unwrap(), 9), [3]);
    // A timer is set and cleared by the append that says so.
    let mut done = next(&store.task_row(task_id(3)).await.unwrap().unwrap());
    done.row.wake_at = None;
    store.append(done).await.unwrap();
    let mut set = next(&store.task_row(task_id(2)).await.unwrap().unwrap());
    set.row.wake_at = Some(at(200));
    store.append(set).await.unwrap();
    assert_eq!(store.next_wake_after(at(0)).await.unwrap(), Some(at(200)));
    assert_eq!(numbers(&store.due(first(), at(900), 10).await.unwrap(), 9), [2, 4, 1]);
}

pub async fn due_tasks_are_read_in_pages(backend: &impl Backend) {
    let store = backend.open().await;
    for (n, wake) in [(1, 100), (2, 100), (3, 100), (4, 200), (5, 300)] {
        let mut task = row(n);
        task.wake_at = Some(at(wake));
        create(&store, task).await;
    }
    let (mut behind, mut found) = (first(), Vec::new());
    loop {
        let page = store.due(behind, at(200), 2).await.unwrap();
        let Some(last) = page.last() else { break };
        behind = (last.wake_at.unwrap(), Some(last.id));
        found.extend(numbers(&page, 9));
    }
    assert_eq!(found, [1, 2, 3, 4], "ties are in one order, and none is read twice");
    let since = store.due((at(200), None), at(300), 9).await.unwrap();
    assert_eq!(numbers(&since, 9), [4, 5], "from a time on, with that time");
}

pub async fn places_and_queues_are_counted(backend: &impl Backend) {
    let store = backend.open().await;
    assert_eq!(store.accounts_with_pending().await.unwrap(), []);
    fill(&store, 14..=27, 1, true).await;
    fill(&store, 28..=28, 2, true).await;
    fill(&store, 42..=42, 2, false).await;
    let (one, two) = (account_id(1), account_id(2));
    assert_eq!(store.count_active(one, true).await.unwrap(), 6);
    assert_eq!(store.count_active(one, false).await.unwrap(), 0);
    assert_eq!(store.count_active(two, true).await.unwrap(), 0);
    assert_eq!(numbers(&store.oldest_pending(one, true, 10).await.unwrap(), 50), [14, 21]);
    assert_eq!(numbers(&store.oldest_pending(one, true, 1).await.unwrap(), 50), [14]);
    let mut waiting = store.accounts_with_pending().await.unwrap();
    waiting.sort_by_key(|scope| (scope.account, scope.live));
    let scope = |account, live| Scope { account, live };
    assert_eq!(waiting, [scope(one, true), scope(two, false), scope(two, true)]);
    // A task that is let in leaves the queue and takes a place.
    let mut start = next(&store.task_row(task_id(14)).await.unwrap().unwrap());
    start.row.status = "planning".into();
    store.append(start).await.unwrap();
    assert_eq!(store.count_active(one, true).await.unwrap(), 7);
    assert_eq!(numbers(&store.oldest_pending(one, true, 10).await.unwrap(), 50), [21]);
}

pub async fn agents_lead_to_their_task(backend: &impl Backend) {
    let store = backend.open().await;
    let first = create(&store, row(1)).await;
    let mut append = next(&first);
    append.agents = vec![agent_id(1), agent_id(2)];
    let second = append.row.clone();
    store.append(append).await.unwrap();
    let mut append = next(&second);
    append.agents = vec![agent_id(2), agent_id(3)];
    store.append(append).await.unwrap();
    for n in 1..=3 {
        assert_eq!(store.task_of_agent(agent_id(n)).await.unwrap(), Some(task_id(1)));
    }
    assert_eq!(store.task_of_agent(agent_id(4)).await.unwrap(), None);
}
