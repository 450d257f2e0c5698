//! Deployments in the store: one journal and one feed with the tasks, fences, one at a time, configurations, logs.

use miteos_core::ids::{DeployConfigId, DeploymentId, Source};
use miteos_store::{
    AppendError, ConfigChanged, DeletedWorkspace, DeployConfigRow, DeploymentAppend, DeploymentRow,
    IdempotencyRow, LogLine, LogSize, MAX_DEPLOY_CONFIGS, MadeDeployment, NewRecord, Reopened, Scope, Store,
    StoreError,
};

use crate::harness::*;

fn dep(n: u64) -> DeploymentId {
    DeploymentId(task_id(n).0)
}

fn cfg(n: u64) -> DeployConfigId {
    DeployConfigId(task_id(n).0)
}

/// A pending deployment of the workspace with this number.
fn deployment(n: u64, workspace: u64) -> DeploymentRow {
    DeploymentRow {
        id: dep(n),
        account: account_id(1),
        live: true,
        workspace: workspace_id(workspace),
        deliverable: None,
        target: "netlify".into(),
        config: None,
        status: "pending".into(),
        state: "{}".into(),
        version: 1,
        seq: 1,
        created_at: at(n),
        completed_at: None,
    }
}

fn record(seq: Option<u64>, kind: &'static str) -> NewRecord {
    NewRecord { seq, kind, agent: None, at: at(5), body: "{}".into() }
}

fn first(row: DeploymentRow) -> DeploymentAppend {
    let records = vec![record(Some(1), "deployment.started")];
    DeploymentAppend { expected_version: 0, records, row, idempotency: None }
}

/// One private and one public record more, and this status.
fn more(row: &DeploymentRow, status: &str) -> DeploymentAppend {
    let after = DeploymentRow {
        status: status.into(),
        version: row.version + 2,
        seq: row.seq + 1,
        completed_at: matches!(status, "live" | "failed").then(|| at(9)),
        ..row.clone()
    };
    let records = vec![record(None, "internal.x"), record(Some(row.seq + 1), "deployment.building")];
    DeploymentAppend { expected_version: row.version, records, row: after, idempotency: None }
}

async fn with_workspaces(store: &Store, numbers: impl IntoIterator<Item = u64>) {
    for n in numbers {
        store.insert_workspace(workspace(n, 1, true), None).await.unwrap();
    }
}

fn answer(name: &str) -> IdempotencyRow {
    IdempotencyRow {
        key: key_id(1),
        method: "POST".into(),
        path: "/x".into(),
        name: name.into(),
        fingerprint: vec![1],
        status: 201,
        body: vec![2],
        at: at(1),
    }
}

const SCOPE_LIVE: bool = true;

pub async fn records_of_deployments_stand_in_the_feed_of_the_account(backend: &impl Backend) {
    let store = backend.open().await;
    let task = create(&store, row(1)).await;
    let one = deployment(2, 1);
    let made = store.create_deployment(first(one.clone())).await.unwrap();
    let MadeDeployment::Made(committed) = made else { panic!("{made:?}") };
    assert_eq!((committed.version, committed.account_cursor), (1, Some(2)));
    assert_eq!(store.create_deployment(first(one.clone())).await.unwrap(), MadeDeployment::Known);
    let task = store.append(next(&task)).await.unwrap();
    assert_eq!(task.account_cursor, Some(3), "one cursor for both");
    let append = more(&one, "building");
    let after = append.row.clone();
    let committed = store.append_deployment(append.clone()).await.unwrap();
    assert_eq!((committed.version, committed.account_cursor), (3, Some(4)));
    let late = store.append_deployment(append).await.unwrap_err();
    assert!(matches!(late, AppendError::Conflict { actual_version: 3 }), "{late}");
    assert_eq!(store.deployment(dep(2)).await.unwrap(), Some(after));

    let feed = store.account_events_after(account_id(1), SCOPE_LIVE, 0, 10).await.unwrap();
    let sources: Vec<_> = feed.iter().map(|event| (event.cursor, event.source, event.record.seq)).collect();
    let (task, deployment) = (Source::Task(task_id(1)), Source::Deployment(dep(2)));
    let expected =
        [(1, task, Some(1)), (2, deployment, Some(1)), (3, task, Some(2)), (4, deployment, Some(2))];
    assert_eq!(sources, expected);
    let heads = store.account_heads_after(account_id(1), SCOPE_LIVE, 1, 10).await.unwrap();
    let heads: Vec<_> = heads.iter().map(|head| (head.cursor, head.source, head.kind.as_str())).collect();
    let kinds = ["deployment.started", "task.created", "deployment.building"];
    assert_eq!(heads, [(2, deployment, kinds[0]), (3, task, kinds[1]), (4, deployment, kinds[2])]);
    let own = store.events_of(deployment, 1, 10).await.unwrap();
    assert_eq!(own.iter().map(|r| (r.version, r.seq)).collect::<Vec<_>>(), [(3, Some(2))]);
    let all = store.deployment_records_after(dep(2), 1, 10).await.unwrap();
    assert_eq!(all.iter().map(|r| r.version).collect::<Vec<_>>(), [2, 3]);
    // What a task shows is not changed by it.
    assert_eq!(store.events_after(task_id(1), 0, 10).await.unwrap().len(), 2);
    store.close().await;
    let store = backend.open().await;
    assert_eq!(store.account_events_after(account_id(1), SCOPE_LIVE, 0, 10).await.unwrap(), feed);
}

pub async fn one_at_a_time_for_files_and_target(backend: &impl Backend) {
    let store = backend.open().await;
    with_workspaces(&store, 1..=2).await;
    let one = deployment(1, 1);
    store.create_deployment(first(one.clone())).await.unwrap();
    let mut second = first(deployment(2, 1));
    second.idempotency = Some(answer("second"));
    assert_eq!(store.create_deployment(second.clone()).await.unwrap(), MadeDeployment::Active(dep(1)));
    let (key, path) = (key_id(1), "/x".to_owned());
    let stored = store.answer(key, "POST".into(), path, "second".into(), at(1)).await.unwrap();
    assert_eq!(stored, None, "nothing was written");
    let elsewhere = DeploymentRow { target: "vercel".into(), ..deployment(3, 1) };
    assert!(matches!(store.create_deployment(first(elsewhere)).await.unwrap(), MadeDeployment::Made(_)));
    assert!(matches!(
        store.create_deployment(first(deployment(4, 2))).await.unwrap(),
        MadeDeployment::Made(_)
    ));
    let staged = DeploymentRow { deliverable: Some(deliverable_id(1)), ..deployment(5, 1) };
    assert!(matches!(store.create_deployment(first(staged.clone())).await.unwrap(), MadeDeployment::Made(_)));
    assert_eq!(store.deployment(dep(5)).await.unwrap(), Some(staged));
    assert_eq!(store.active_deployments(None, 10).await.unwrap(), [dep(1), dep(3), dep(4), dep(5)]);
    assert_eq!(store.active_deployments(Some(dep(3)), 1).await.unwrap(), [dep(4)]);
    store.append_deployment(more(&one, "live")).await.unwrap();
    assert!(matches!(store.create_deployment(second.clone()).await.unwrap(), MadeDeployment::Made(_)));
    let twin =
        DeploymentAppend { row: DeploymentRow { target: "expo".into(), ..deployment(6, 1) }, ..second };
    let repeated = store.create_deployment(twin).await.unwrap_err();
    assert!(matches!(repeated, StoreError::Repeated(_)), "{repeated}");
    assert_eq!(store.active_deployments(None, 10).await.unwrap(), [dep(2), dep(3), dep(4), dep(5)]);

    let scope = Scope { account: account_id(1), live: true };
    let ids = |rows: Vec<DeploymentRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(ids(store.deployments(scope, None, 2, 1).await.unwrap()), [dep(4), dep(3)]);
    let of_two = store.deployments(scope, Some(workspace_id(2)), 10, 0).await.unwrap();
    assert_eq!(ids(of_two), [dep(4)]);
    let other = Scope { live: false, ..scope };
    assert_eq!(store.deployments(other, None, 10, 0).await.unwrap(), []);
}

/// One that is live takes the place of its files and its target again, if it is free; and then nobody else gets it.
pub async fn one_that_is_over_takes_its_place_again(backend: &impl Backend) {
    let store = backend.open().await;
    with_workspaces(&store, [1]).await;
    let (one, other) = (deployment(1, 1), deployment(2, 1));
    store.create_deployment(first(one.clone())).await.unwrap();
    let live = more(&one, "live");
    store.append_deployment(live.clone()).await.unwrap();
    store.create_deployment(first(other.clone())).await.unwrap();
    let mut again = more(&live.row, "deploying");
    again.idempotency = Some(answer("again"));
    let refused = store.reopen_deployment(again.clone()).await.unwrap();
    assert_eq!(refused, Reopened::Active(dep(2)));
    assert_eq!(store.deployment(dep(1)).await.unwrap(), Some(live.row.clone()), "nothing was written");
    store.append_deployment(more(&other, "failed")).await.unwrap();
    let done = store.reopen_deployment(again.clone()).await.unwrap();
    assert!(matches!(done, Reopened::Reopened(committed) if committed.version == again.row.version));
    again.idempotency = None;
    assert_eq!(store.reopen_deployment(again.clone()).await.unwrap(), Reopened::Conflict);
    assert_eq!(store.active_deployments(None, 10).await.unwrap(), [dep(1)]);
    let third = store.create_deployment(first(deployment(3, 1))).await.unwrap();
    assert_eq!(third, MadeDeployment::Active(dep(1)));
    assert_eq!(store.delete_workspace(workspace_id(1)).await.unwrap(), DeletedWorkspace::Deploying);
    store.append_deployment(more(&again.row, "live")).await.unwrap();
    assert_eq!(store.active_deployments(None, 10).await.unwrap(), []);
}

pub async fn a_deployment_needs_its_workspace_and_its_configuration(backend: &impl Backend) {
    let store = backend.open().await;
    let missing = store.create_deployment(first(deployment(1, 9))).await.unwrap_err();
    assert!(matches!(missing, StoreError::Missing { what: "the workspace", .. }), "{missing}");
    // A deliverable outlives its workspace.
    let staged = DeploymentRow { deliverable: Some(deliverable_id(1)), ..deployment(1, 9) };
    assert!(matches!(store.create_deployment(first(staged)).await.unwrap(), MadeDeployment::Made(_)));
    with_workspaces(&store, [1]).await;
    let row = DeploymentRow { config: Some(cfg(1)), ..deployment(2, 1) };
    let missing = store.create_deployment(first(row.clone())).await.unwrap_err();
    assert!(matches!(missing, StoreError::Missing { what: "the deploy configuration", .. }), "{missing}");
    store.insert_deploy_config(config(1, "one"), None).await.unwrap();
    store.create_deployment(first(row.clone())).await.unwrap();
    assert_eq!(store.delete_workspace(workspace_id(1)).await.unwrap(), DeletedWorkspace::Deploying);
    assert_eq!(store.delete_deploy_config(cfg(1)).await.unwrap(), ConfigChanged::InUse(dep(2)));
    store.append_deployment(more(&row, "failed")).await.unwrap();
    assert_eq!(store.delete_workspace(workspace_id(1)).await.unwrap(), DeletedWorkspace::Deleted);
    assert_eq!(store.delete_deploy_config(cfg(1)).await.unwrap(), ConfigChanged::Done);
    assert_eq!(store.delete_deploy_config(cfg(1)).await.unwrap(), ConfigChanged::Missing);
}

fn config(n: u64, name: &str) -> DeployConfigRow {
    DeployConfigRow {
        id: cfg(n),
        account: account_id(1),
        live: true,
        name: name.into(),
        target: "netlify".into(),
        settings: "{}".into(),
        credentials: vec![1, 2, 3],
        provider_account: Some("Ada".into()),
        provider_project: None,
        verified_at: Some(at(1)),
        created_at: at(n),
        updated_at: at(n),
    }
}

pub async fn configurations_change_as_they_were_read(backend: &impl Backend) {
    let store = backend.open().await;
    let one = config(1, "one");
    store.insert_deploy_config(one.clone(), Some(answer("one"))).await.unwrap();
    let twin = store.insert_deploy_config(config(2, "one"), None).await.unwrap_err();
    assert!(matches!(twin, StoreError::Exists { .. }), "{twin}");
    let other_world = DeployConfigRow { live: false, ..config(3, "one") };
    store.insert_deploy_config(other_world.clone(), None).await.unwrap();
    store.insert_deploy_config(config(4, "four"), None).await.unwrap();
    let scope = Scope { account: account_id(1), live: true };
    assert_eq!(store.deploy_configs(scope).await.unwrap(), [config(4, "four"), one.clone()]);
    let renamed = DeployConfigRow { name: "four".into(), ..one.clone() };
    let taken = store.change_deploy_config(one.clone(), renamed).await.unwrap_err();
    assert!(matches!(taken, StoreError::Exists { .. }), "{taken}");
    let better = DeployConfigRow { credentials: vec![9], settings: "{\"a\":1}".into(), ..one.clone() };
    let changed = store.change_deploy_config(one.clone(), better.clone()).await.unwrap();
    assert_eq!(changed, ConfigChanged::Done);
    assert_eq!(store.change_deploy_config(one, better.clone()).await.unwrap(), ConfigChanged::Late);
    // In use: other credentials, and the same settings.
    with_workspaces(&store, [1]).await;
    let row = DeploymentRow { config: Some(cfg(1)), ..deployment(5, 1) };
    store.create_deployment(first(row)).await.unwrap();
    let settings = DeployConfigRow { settings: "{}".into(), ..better.clone() };
    let refused = store.change_deploy_config(better.clone(), settings).await.unwrap();
    assert_eq!(refused, ConfigChanged::InUse(dep(5)));
    let credentials = DeployConfigRow { credentials: vec![7], ..better.clone() };
    assert_eq!(store.change_deploy_config(better, credentials.clone()).await.unwrap(), ConfigChanged::Done);
    assert_eq!(store.deploy_config(cfg(1)).await.unwrap(), Some(credentials));
    for n in 10..MAX_DEPLOY_CONFIGS + 8 {
        store.insert_deploy_config(config(n, &n.to_string()), None).await.unwrap();
    }
    let one_more = store.insert_deploy_config(config(999, "more"), None).await.unwrap_err();
    assert!(matches!(one_more, StoreError::TooLarge { limit: MAX_DEPLOY_CONFIGS, .. }), "{one_more}");
}

pub async fn logs_are_read_on_from_any_line(backend: &impl Backend) {
    let store = backend.open().await;
    with_workspaces(&store, [1]).await;
    let line = |no: u64| LogLine { no, at: at(no), text: format!("line {no}") };
    store.log_deployment(dep(1), vec![line(1)]).await.unwrap();
    assert_eq!(store.deployment_log_size(dep(1)).await.unwrap(), LogSize::default());
    store.create_deployment(first(deployment(1, 1))).await.unwrap();
    store.log_deployment(dep(1), vec![line(1), line(2)]).await.unwrap();
    // A writer that did not hear of its success writes again.
    store.log_deployment(dep(1), vec![line(2), line(3)]).await.unwrap();
    assert_eq!(store.deployment_log_size(dep(1)).await.unwrap(), LogSize { lines: 3, last: 3, bytes: 18 });
    assert_eq!(store.deployment_log_after(dep(1), 0, 2).await.unwrap(), [line(1), line(2)]);
    assert_eq!(store.deployment_log_after(dep(1), 2, 10).await.unwrap(), [line(3)]);
    assert_eq!(store.deployment_log_after(dep(2), 0, 10).await.unwrap(), []);
    // What is told after the end leaves the end's number out.
    store.log_deployment(dep(1), vec![line(5)]).await.unwrap();
    assert_eq!(store.deployment_log_size(dep(1)).await.unwrap(), LogSize { lines: 4, last: 5, bytes: 24 });
    assert_eq!(store.deployment_log_after(dep(1), 4, 10).await.unwrap(), [line(5)]);
}
