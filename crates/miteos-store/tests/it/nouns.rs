//! Accounts, workspaces, notes, keys, approvals, deliverables, stored answers.

use miteos_core::content::Sha256;
use miteos_core::money::MicroUsd;
use miteos_store::{
    ANSWERS_KEPT_MS, AccountRow, AppendError, ApprovalRow, DeletedWorkspace, DeliverableRow, IdempotencyRow,
    KeyMark, KeyRow, MAX_NOTE_BYTES, MAX_NOTE_KEY_BYTES, MAX_NOTES_PER_WORKSPACE, RevokedKey, Scope,
    StoreError, UsageRange, UsageRow, UsageSum, WorkspaceRow,
};

use crate::harness::*;

pub async fn accounts_are_unique(backend: &impl Backend) {
    let store = backend.open().await;
    let account = |n: u64| AccountRow { id: account_id(n), name: format!("account {n}"), created_at: at(n) };
    for n in 1..=3 {
        store.insert_account(account(n)).await.unwrap();
    }
    let twin = store.insert_account(AccountRow { name: "other".into(), ..account(1) }).await.unwrap_err();
    assert!(matches!(twin, StoreError::Exists { .. }), "{twin}");
    assert_eq!(store.account(account_id(1)).await.unwrap(), Some(account(1)));
    assert_eq!(store.account(account_id(4)).await.unwrap(), None);
    assert_eq!(store.accounts(None, 2).await.unwrap(), [account(1), account(2)]);
    assert_eq!(store.accounts(Some(account_id(2)), 2).await.unwrap(), [account(3)]);
}

pub async fn workspace_names_are_unique_per_account_and_world(backend: &impl Backend) {
    let store = backend.open().await;
    store.insert_workspace(workspace(1, 1, true), None).await.unwrap();
    let twin = WorkspaceRow { id: workspace_id(2), ..workspace(1, 1, true) };
    let refused = store.insert_workspace(twin.clone(), None).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Exists { what: "the workspace", name } if name == "workspace 1"));
    let elsewhere = WorkspaceRow { live: false, description: Some("a test".into()), ..twin.clone() };
    store.insert_workspace(elsewhere.clone(), None).await.unwrap();
    let stranger = WorkspaceRow { id: workspace_id(3), account: account_id(2), ..twin };
    store.insert_workspace(stranger, None).await.unwrap();
    store.insert_workspace(workspace(4, 1, true), None).await.unwrap();
    assert_eq!(
        store.workspaces(account_id(1), true).await.unwrap(),
        [workspace(4, 1, true), workspace(1, 1, true)]
    );
    assert_eq!(store.workspaces(account_id(1), false).await.unwrap(), std::slice::from_ref(&elsewhere));
    assert_eq!(store.workspace(workspace_id(2)).await.unwrap(), Some(elsewhere));
    assert_eq!(store.workspace(workspace_id(9)).await.unwrap(), None);
}

pub async fn a_busy_workspace_is_not_deleted(backend: &impl Backend) {
    let store = backend.open().await;
    assert_eq!(store.delete_workspace(workspace_id(1)).await.unwrap(), DeletedWorkspace::Missing);
    let first = create(&store, row(1)).await;
    store.remember(workspace_id(1), "k".into(), "v".into(), at(1)).await.unwrap();
    assert_eq!(store.delete_workspace(workspace_id(1)).await.unwrap(), DeletedWorkspace::Busy);
    assert!(store.workspace(workspace_id(1)).await.unwrap().is_some());
    let mut end = next(&first);
    end.row.status = "complete".into();
    store.append(end).await.unwrap();
    assert_eq!(store.delete_workspace(workspace_id(1)).await.unwrap(), DeletedWorkspace::Deleted);
    assert_eq!(store.workspace(workspace_id(1)).await.unwrap(), None);
    assert_eq!(store.recall(workspace_id(1), "", 10).await.unwrap(), []);
    assert!(store.task_row(task_id(1)).await.unwrap().is_some());
}

pub async fn a_task_needs_a_workspace_of_its_account(backend: &impl Backend) {
    let store = backend.open().await;
    store.insert_workspace(workspace(1, 2, true), None).await.unwrap();
    store.insert_workspace(workspace(2, 1, false), None).await.unwrap();
    store.insert_workspace(workspace(3, 1, true), None).await.unwrap();
    for n in [1, 2, 9] {
        let mut append = creation(row(n));
        append.workspace = None;
        let refused = store.create_task(append).await.unwrap_err();
        assert!(
            matches!(refused, AppendError::Store(StoreError::Missing { what: "the workspace", .. })),
            "{refused}"
        );
        assert!(store.task_row(task_id(n)).await.unwrap().is_none());
    }
    let mut append = creation(row(3));
    append.workspace = None;
    store.create_task(append).await.unwrap();
}

pub async fn notes_are_recalled_by_words(backend: &impl Backend) {
    let store = backend.open().await;
    let here = workspace_id(1);
    let notes = [
        ("brand colour", "The brand colour is Teal, #008080"),
        ("customer", "The customer is a bakery in Ghent"),
        ("opening hours", "The bakery opens at 7; closed on Sundays"),
        ("deadline", "Launch before Easter"),
    ];
    for (n, (key, value)) in (1..).zip(notes) {
        store.remember(here, key.into(), value.into(), at(n)).await.unwrap();
    }
    store.remember(workspace_id(2), "bakery".into(), "another workspace".into(), at(9)).await.unwrap();
    let found = async |query: &str, limit| {
        let notes = store.recall(here, query, limit).await.unwrap();
        notes.into_iter().map(|note| note.key).collect::<Vec<_>>()
    };
    assert_eq!(found("BAKERY", 10).await, ["opening hours", "customer"]);
    assert_eq!(found("brand teal", 10).await, ["brand colour"]);
    assert_eq!(found("opening hours of the customer", 1).await, ["opening hours"]);
    assert_eq!(found("customer", 10).await[0], "customer");
    assert_eq!(found("", 2).await, ["deadline", "opening hours"]);
    assert_eq!(found("submarine", 10).await, Vec::<String>::new());
    // 100 % is text, no pattern.
    assert_eq!(found("%", 10).await.len(), 4);

    store.remember(here, "deadline".into(), "Launch in May".into(), at(20)).await.unwrap();
    let notes = store.recall(here, "deadline", 10).await.unwrap();
    assert_eq!((notes.len(), notes[0].value.as_str(), notes[0].at), (1, "Launch in May", at(20)));
    assert!(store.forget(here, "deadline".into()).await.unwrap());
    assert!(!store.forget(here, "deadline".into()).await.unwrap());
    assert_eq!(found("deadline", 10).await, Vec::<String>::new());
}

pub async fn notes_have_limits(backend: &impl Backend) {
    let store = backend.open().await;
    let here = workspace_id(1);
    let long_key =
        store.remember(here, "k".repeat(MAX_NOTE_KEY_BYTES + 1), "v".into(), at(1)).await.unwrap_err();
    let long = store.remember(here, "k".into(), "v".repeat(MAX_NOTE_BYTES + 1), at(1)).await.unwrap_err();
    for refused in [long_key, long] {
        assert!(matches!(refused, StoreError::TooLarge { .. }), "{refused}");
    }
    let writes =
        (0..MAX_NOTES_PER_WORKSPACE).map(|n| store.remember(here, format!("k{n}"), "v".into(), at(n)));
    for written in futures::future::join_all(writes).await {
        written.unwrap();
    }
    let one_more = store.remember(here, "one more".into(), "v".into(), at(1)).await.unwrap_err();
    assert!(matches!(one_more, StoreError::TooLarge { .. }), "{one_more}");
    store.remember(here, "k5".into(), "new".into(), at(9_999)).await.unwrap();
    assert_eq!(store.recall(here, "", 1).await.unwrap()[0].value, "new");
}

pub async fn keys_are_found_by_hash_and_revoked_once(backend: &impl Backend) {
    let store = backend.open().await;
    let key = |n: u64, live| KeyRow {
        id: key_id(n),
        account: account_id(1),
        live,
        name: format!("key {n}"),
        hash: vec![u8::try_from(n).unwrap(); 32],
        prefix: "mt_live_ab".into(),
        scopes: vec!["tasks.read".into(), "a \"strange\" one".into()],
        tier: "pro".into(),
        created_at: at(n),
        expires_at: Some(at(1_000)),
        revoked_at: None,
        requests_per_minute: None,
    };
    store.insert_key(key(1, true), None).await.unwrap();
    store.insert_key(key(2, true), None).await.unwrap();
    store.insert_key(key(3, false), None).await.unwrap();
    let twin = KeyRow { id: key_id(4), ..key(1, true) };
    assert!(matches!(store.insert_key(twin, None).await, Err(StoreError::Exists { .. })));
    let short = KeyRow { hash: vec![1], ..key(5, true) };
    assert!(matches!(store.insert_key(short, None).await, Err(StoreError::Invalid { .. })));
    assert_eq!(store.key_by_hash(&[1; 32]).await.unwrap(), Some(key(1, true)));
    assert_eq!(store.key_by_hash(&[9; 32]).await.unwrap(), None);
    assert_eq!(store.key_by_hash(&[]).await.unwrap(), None);
    assert_eq!(store.keys(account_id(1), true).await.unwrap(), [key(2, true), key(1, true)]);
    assert_eq!(store.keys(account_id(2), true).await.unwrap(), []);
    assert_eq!(store.revoke_key(key_id(1), at(50)).await.unwrap(), RevokedKey::Revoked);
    assert_eq!(store.revoke_key(key_id(1), at(60)).await.unwrap(), RevokedKey::Missing);
    assert_eq!(store.revoke_key(key_id(9), at(60)).await.unwrap(), RevokedKey::Missing);
    assert_eq!(store.key_by_hash(&[1; 32]).await.unwrap().unwrap().revoked_at, Some(at(50)));
    assert_eq!(store.key(key_id(2)).await.unwrap().unwrap().revoked_at, None);
    let limited = KeyRow { requests_per_minute: Some(7), ..key(6, true) };
    assert!(matches!(store.add_key(limited.clone(), 1, None).await, Err(StoreError::TooLarge { .. })));
    store.add_key(limited.clone(), 2, None).await.unwrap();
    assert_eq!(store.key(key_id(6)).await.unwrap(), Some(limited));
    store.add_key(key(7, false), 2, None).await.unwrap();
}

pub async fn the_last_key_that_makes_keys_stays(backend: &impl Backend) {
    let store = backend.open().await;
    let key = |n: u64, live, scope: &str, expires_at| KeyRow {
        id: key_id(n),
        account: account_id(1),
        live,
        name: format!("key {n}"),
        hash: vec![u8::try_from(n).unwrap(); 32],
        prefix: "mt_live_ab".into(),
        scopes: vec!["tasks.read".into(), scope.into()],
        tier: "pro".into(),
        created_at: at(n),
        expires_at,
        revoked_at: None,
        requests_per_minute: None,
    };
    for row in [
        key(1, true, "*", None),
        key(2, true, "keys.write", Some(at(100))),
        key(3, false, "*", None),
        key(4, true, "keys.read", None),
        key(5, true, "keys.write", None),
        key(6, true, "*", Some(at(200))),
    ] {
        store.insert_key(row, None).await.unwrap();
    }
    assert_eq!(
        store.revoke_key(key_id(1), at(50)).await.unwrap(),
        RevokedKey::Last,
        "5 can less, 6 for less long"
    );
    store.insert_key(key(7, true, "*", None), None).await.unwrap();
    assert_eq!(store.revoke_key(key_id(3), at(50)).await.unwrap(), RevokedKey::Revoked);
    assert_eq!(store.revoke_key(key_id(4), at(50)).await.unwrap(), RevokedKey::Revoked);
    assert_eq!(store.revoke_key(key_id(1), at(99)).await.unwrap(), RevokedKey::Revoked);
    assert_eq!(store.revoke_key(key_id(7), at(99)).await.unwrap(), RevokedKey::Last, "7 is now the last one");
    assert_eq!(store.revoke_key(key_id(6), at(99)).await.unwrap(), RevokedKey::Revoked, "7 lasts longer");
    assert_eq!(store.purge_keys(at(51)).await.unwrap(), 2);
    assert_eq!(store.key(key_id(3)).await.unwrap(), None);
    assert!(store.key(key_id(1)).await.unwrap().is_some());
}

pub async fn marks_of_keys_are_replaced_and_go_with_them(backend: &impl Backend) {
    let store = backend.open().await;
    let mark = |n: u64, requests, when: u64| KeyMark {
        key: key_id(n),
        requests,
        at: at(when),
        last_used_at: at(when),
    };
    store.mark_keys(vec![mark(1, 5, 10), mark(2, 6, 20)]).await.unwrap();
    store.mark_keys(vec![mark(1, 9, 30)]).await.unwrap();
    let mut found = store.key_marks(at(0)).await.unwrap();
    found.sort_by_key(|mark| mark.key);
    assert_eq!(found, [mark(1, 9, 30), mark(2, 6, 20)]);
    assert_eq!(store.key_marks(at(21)).await.unwrap(), [mark(1, 9, 30)]);
    assert_eq!(store.key_marks_of(account_id(1)).await.unwrap(), [], "neither is a key of the account");
}

pub async fn usage_is_added_up_in_the_append(backend: &impl Backend) {
    let store = backend.open().await;
    let first = create(&store, row(1)).await;
    let second = create(&store, row(2)).await;
    let call = |day: u64, model: &str, cost: Option<u64>| UsageRow {
        day,
        model: model.into(),
        input: 10,
        output: 3,
        cost: cost.map(MicroUsd),
    };
    let mut append = next(&first);
    append.usage = vec![call(5, "a/1", Some(100)), call(5, "a/1", Some(11)), call(6, "b/2", None)];
    store.append(append).await.unwrap();
    let mut stale = next(&first);
    stale.usage = vec![call(5, "a/1", Some(1_000_000))];
    assert!(store.append(stale).await.is_err(), "a refused append counts nothing");
    let mut append = next(&second);
    append.usage = vec![call(6, "a/1", Some(7))];
    store.append(append).await.unwrap();
    let range = |from_day, to_day| UsageRange {
        scope: Scope { account: account_id(1), live: true },
        from_day,
        to_day,
    };
    let sum = |calls: u64, cost: u64, unpriced, tasks| UsageSum {
        input: 10 * calls,
        output: 3 * calls,
        cost: MicroUsd(cost),
        calls,
        unpriced,
        tasks,
    };
    assert_eq!(store.usage_total(range(0, 9)).await.unwrap(), sum(4, 118, 1, 2));
    assert_eq!(store.usage_total(range(7, 9)).await.unwrap(), UsageSum::default());
    let days = store.usage_by_day(range(5, 6)).await.unwrap();
    assert_eq!(days, [(5, sum(2, 111, 0, 1)), (6, sum(2, 7, 1, 2))]);
    let models = store.usage_by_model(range(6, 6)).await.unwrap();
    assert_eq!(models, [("a/1".to_owned(), sum(1, 7, 0, 1)), ("b/2".to_owned(), sum(1, 0, 1, 1))]);
    let tasks = store.usage_by_task(range(0, 9), 10, 0).await.unwrap();
    assert_eq!(tasks, [(task_id(2), sum(1, 7, 0, 1)), (task_id(1), sum(3, 111, 1, 1))]);
    assert_eq!(store.usage_by_task(range(0, 9), 10, 1).await.unwrap().len(), 1);
    let other = UsageRange { scope: Scope { account: account_id(1), live: false }, ..range(0, 9) };
    assert_eq!(store.usage_total(other).await.unwrap(), UsageSum::default());
}

pub async fn approvals_are_listed_by_status(backend: &impl Backend) {
    let store = backend.open().await;
    let first = create(&store, row(1)).await;
    let asked = |n: u64| ApprovalRow {
        id: approval_id(n),
        task: task_id(1),
        agent: agent_id(1),
        account: account_id(1),
        live: true,
        status: "pending".into(),
        body: format!("{{\"n\":{n}}}"),
        created_at: at(n),
        expires_at: Some(at(700)),
        decided_at: None,
    };
    let mut append = next(&first);
    append.approvals = (1..=5).map(asked).collect();
    let second = append.row.clone();
    store.append(append).await.unwrap();
    let decided = ApprovalRow { status: "approved".into(), decided_at: Some(at(9)), ..asked(2) };
    let mut append = next(&second);
    append.approvals = vec![decided.clone()];
    store.append(append).await.unwrap();

    assert_eq!(store.approval(approval_id(2)).await.unwrap(), Some(decided.clone()));
    assert_eq!(store.approval(approval_id(9)).await.unwrap(), None);
    let account = account_id(1);
    let pending = Some("pending".to_owned());
    let (rows, total) = store.approvals(account, true, pending.clone(), 2, 1).await.unwrap();
    assert_eq!((rows, total), (vec![asked(4), asked(3)], 4));
    let (rows, total) = store.approvals(account, true, None, 10, 0).await.unwrap();
    assert_eq!((rows.len(), total), (5, 5));
    for (account, live) in [(account, false), (account_id(2), true)] {
        assert_eq!(store.approvals(account, live, pending.clone(), 10, 0).await.unwrap(), (vec![], 0));
    }
}

pub async fn deliverables_are_listed(backend: &impl Backend) {
    let store = backend.open().await;
    let first = create(&store, row(1)).await;
    create(&store, row(2)).await;
    let file = |n: u64| DeliverableRow {
        id: deliverable_id(n),
        task: task_id(1),
        agent: (n == 1).then(|| agent_id(1)),
        account: account_id(1),
        live: true,
        workspace: workspace_id(1),
        name: format!("report {n}.pdf"),
        media_type: "application/pdf".into(),
        size_bytes: 3_000_000_000,
        sha256: Sha256::of(&[1]),
        created_at: at(n),
    };
    let mut append = next(&first);
    append.deliverables = vec![file(2), file(1)];
    store.append(append).await.unwrap();
    assert_eq!(store.deliverables(task_id(1)).await.unwrap(), [file(1), file(2)]);
    assert_eq!(store.deliverables(task_id(2)).await.unwrap(), []);
    assert_eq!(store.deliverables_of_workspace(workspace_id(1)).await.unwrap(), [file(1), file(2)]);
    assert_eq!(store.deliverables_of_workspace(workspace_id(2)).await.unwrap(), []);
    assert_eq!(store.deliverable(task_id(1), deliverable_id(2)).await.unwrap(), Some(file(2)));
    assert_eq!(store.deliverable(task_id(2), deliverable_id(2)).await.unwrap(), None);
}

pub async fn answers_are_stored_once_and_forgotten_by_age(backend: &impl Backend) {
    let store = backend.open().await;
    let answer = |name: &str, n: u64| IdempotencyRow {
        key: key_id(1),
        method: "POST".into(),
        path: "/v1/workspaces".into(),
        name: name.into(),
        fingerprint: vec![7; 32],
        status: 201,
        body: format!("{{\"n\":{n}}}").into_bytes(),
        at: at(n),
    };
    store.insert_answer(answer("a", 1)).await.unwrap();
    let repeated = store.insert_answer(answer("a", 2)).await.unwrap_err();
    assert!(matches!(repeated, StoreError::Repeated(first) if *first == answer("a", 1)));
    let made = store.insert_workspace(workspace(1, 1, true), Some(answer("a", 3))).await;
    assert!(matches!(made, Err(StoreError::Repeated(_))));
    assert_eq!(store.workspace(workspace_id(1)).await.unwrap(), None);
    store.insert_workspace(workspace(1, 1, true), Some(answer("b", 10))).await.unwrap();
    // One that fails takes its answer with it.
    let twin = WorkspaceRow { id: workspace_id(2), ..workspace(1, 1, true) };
    assert!(matches!(
        store.insert_workspace(twin, Some(answer("c", 10))).await,
        Err(StoreError::Exists { .. })
    ));
    let find = |key: u64, method: &str, path: &str, name: &str| {
        store.answer(key_id(key), method.into(), path.into(), name.into(), at(20))
    };
    assert_eq!(find(1, "POST", "/v1/workspaces", "c").await.unwrap(), None);
    assert_eq!(find(1, "POST", "/v1/workspaces", "b").await.unwrap(), Some(answer("b", 10)));
    assert_eq!(find(2, "POST", "/v1/workspaces", "b").await.unwrap(), None);
    assert_eq!(find(1, "PUT", "/v1/workspaces", "b").await.unwrap(), None);
    assert_eq!(find(1, "POST", "/v1/tasks", "b").await.unwrap(), None);
    assert_eq!(store.purge_answers(at(10)).await.unwrap(), 1);
    assert_eq!(find(1, "POST", "/v1/workspaces", "a").await.unwrap(), None);
    assert!(find(1, "POST", "/v1/workspaces", "b").await.unwrap().is_some());
    // After a day an answer counts as none, purged or not.
    let (path, late) = ("/v1/workspaces", at(10 + ANSWERS_KEPT_MS));
    let found = store.answer(key_id(1), "POST".into(), path.into(), "b".into(), late).await.unwrap();
    assert_eq!(found, None);
    let early = store.insert_answer(answer("b", 9 + ANSWERS_KEPT_MS)).await;
    assert!(matches!(early, Err(StoreError::Repeated(_))), "{early:?}");
    let again = answer("b", 10 + ANSWERS_KEPT_MS);
    store.insert_answer(again.clone()).await.unwrap();
    let found = store.answer(key_id(1), "POST".into(), path.into(), "b".into(), late).await.unwrap();
    assert_eq!(found, Some(again));
}

pub async fn a_closed_store_says_so(backend: &impl Backend) {
    let store = backend.open().await;
    let other = store.clone();
    store.close().await;
    assert!(matches!(other.check().await, Err(StoreError::Closed)));
    assert!(matches!(other.next_wake_after(at(0)).await, Err(StoreError::Closed)));
    other.close().await;
}
