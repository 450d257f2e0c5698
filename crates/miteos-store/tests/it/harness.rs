//! A store to test, and short ways to write rows.

use miteos_core::ids::{
    AccountId, AgentId, ApprovalId, DeliverableId, DeliveryId, DeploymentId, EventId, KeyId, ShareId, TaskId,
    WebhookId, WorkspaceId,
};
use miteos_core::money::MicroUsd;
use miteos_core::time::Timestamp;
use miteos_store::{Append, NewRecord, Store, StoreConfig, TaskRow, WorkspaceRow};
use tempfile::TempDir;
use ulid::Ulid;

/// A place for a store that outlives it, so that it can be opened again.
pub trait Backend {
    fn new() -> Self;
    fn open(&self) -> impl Future<Output = Store> + Send;
}

pub struct Sqlite {
    pub folder: TempDir,
}

impl Sqlite {
    pub fn config(&self) -> StoreConfig {
        StoreConfig::in_folder(self.folder.path())
    }
}

impl Backend for Sqlite {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    async fn open(&self) -> Store {
        Store::open(self.config()).await.unwrap()
    }
}

/// The n-th id; ids of greater numbers sort later.
fn ulid(n: u64) -> Ulid {
    Ulid::from_parts(1_700_000_000_000 + n, 7)
}

pub fn task_id(n: u64) -> TaskId {
    TaskId(ulid(n))
}
pub fn agent_id(n: u64) -> AgentId {
    AgentId(ulid(n))
}
pub fn account_id(n: u64) -> AccountId {
    AccountId(ulid(n))
}
pub fn workspace_id(n: u64) -> WorkspaceId {
    WorkspaceId(ulid(n))
}
pub fn key_id(n: u64) -> KeyId {
    KeyId(ulid(n))
}
pub fn approval_id(n: u64) -> ApprovalId {
    ApprovalId(ulid(n))
}
pub fn deliverable_id(n: u64) -> DeliverableId {
    DeliverableId(ulid(n))
}
pub fn webhook_id(n: u64) -> WebhookId {
    WebhookId(ulid(n))
}
pub fn delivery_id(n: u64) -> DeliveryId {
    DeliveryId(ulid(n))
}
pub fn deployment_id(n: u64) -> DeploymentId {
    DeploymentId(ulid(n))
}
pub fn share_id(n: u64) -> ShareId {
    ShareId(ulid(n))
}
pub fn event_id(n: u64) -> EventId {
    EventId(ulid(n))
}
pub fn at(n: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + n)
}

pub fn workspace(n: u64, account: u64, live: bool) -> WorkspaceRow {
    WorkspaceRow {
        id: workspace_id(n),
        account: account_id(account),
        live,
        name: format!("workspace {n}"),
        description: None,
        created_at: at(n),
    }
}

/// A pending task of account 1, live, with a workspace of the same number.
pub fn row(n: u64) -> TaskRow {
    TaskRow {
        id: task_id(n),
        account: account_id(1),
        live: true,
        tier: "pro".into(),
        status: "pending".into(),
        prompt: format!("prompt {n}"),
        workspace: workspace_id(n),
        config: "{}".into(),
        detail: "{}".into(),
        version: 0,
        seq: 0,
        wake_at: None,
        cost: MicroUsd(0),
        created_at: at(n),
        started_at: None,
        completed_at: None,
    }
}

pub fn public(seq: u64) -> NewRecord {
    NewRecord {
        seq: Some(seq),
        kind: "task.created",
        agent: None,
        at: at(seq),
        body: format!("{{\"seq\":{seq}}}"),
    }
}

pub fn private() -> NewRecord {
    NewRecord { seq: None, kind: "model.called", agent: Some(agent_id(1)), at: at(0), body: "{}".into() }
}

/// The append that makes a task and its workspace, with one public record.
pub fn creation(mut row: TaskRow) -> Append {
    row.version = 1;
    row.seq = 1;
    let made = WorkspaceRow {
        id: row.workspace,
        account: row.account,
        live: row.live,
        name: format!("of {}", row.id),
        description: None,
        created_at: row.created_at,
    };
    let mut append = Append::new(0, row, vec![public(1)]);
    append.workspace = Some(made);
    append
}

/// Makes a task; returns its row.
pub async fn create(store: &Store, row: TaskRow) -> TaskRow {
    let append = creation(row);
    let row = append.row.clone();
    store.create_task(append).await.unwrap();
    row
}

/// An append of one public record after this row.
pub fn next(row: &TaskRow) -> Append {
    let mut after = row.clone();
    after.version += 1;
    after.seq += 1;
    Append::new(row.version, after, vec![public(row.seq + 1)])
}
