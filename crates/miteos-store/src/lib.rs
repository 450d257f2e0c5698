//! Where Miteos keeps things: the journal and its read models in a database, big values as blobs.
//!
//! The only crate that knows SQL. It knows nothing of HTTP, of models or of what a record means: bodies are
//! opaque JSON, statuses are words it filters by.

#![forbid(unsafe_code)]

mod accounts;
mod approvals;
mod backup;
mod blob_names;
mod blobs;
mod collection;
mod columns;
mod deliverables;
mod deliveries;
mod deploy_configs;
mod deployment_logs;
mod deployments;
mod error;
mod gauges;
mod heads;
mod idempotency;
mod journal;
mod keys;
mod lock;
mod memory;
mod migrations;
#[cfg(test)]
mod plans;
mod preview_links;
mod previews;
mod readers;
mod shares;
mod sqlite;
mod store;
mod tasks;
mod usage;
mod webhooks;
mod workspaces;
mod writer;

pub use accounts::AccountRow;
pub use approvals::ApprovalRow;
pub use backup::{BlobFile, DatabaseCopy, blob_files, copy_database, is_in_use, look_through};
pub use blobs::{BlobRef, BlobStream, Blobs, Hold, MAX_BLOB_BYTES, MAX_GET_BYTES};
pub use collection::{BLOB_GRACE_MS, Collector, Turn};
pub use deliverables::DeliverableRow;
pub use deliveries::{
    Attempt, Blame, DeliveryRow, DeliveryState, MAX_PENDING_DELIVERIES, MAX_SETTLED_DELIVERIES, Recorded,
    Settled, Taken, Tried,
};
pub use deploy_configs::{ConfigChanged, DeployConfigRow, MAX_DEPLOY_CONFIGS};
pub use deployment_logs::{LogLine, LogSize};
pub use deployments::{DeploymentAppend, DeploymentRow, MadeDeployment, Reopened, look_at_deployments};
pub use error::{AppendError, StoreError};
pub use gauges::Gauges;
pub use heads::EventHead;
pub use idempotency::{ANSWERS_KEPT_MS, IdempotencyRow};
pub use journal::{
    AccountRecord, Append, Committed, Loaded, MAX_RECORD_BYTES, MAX_RECORDS_PER_READ, MAX_SNAPSHOT_BYTES,
    NewRecord, Record, Snapshot,
};
pub use keys::{KeyMark, KeyRow, RevokedKey};
pub use memory::{MAX_NOTE_BYTES, MAX_NOTE_KEY_BYTES, MAX_NOTES_PER_WORKSPACE, NoteRow};
pub use preview_links::{MAX_PREVIEW_LINKS, PreviewLinkRow};
pub use previews::{PreviewChange, PreviewRow, PreviewSite, ShownPreview, Visibility};
pub use shares::{MAX_SHARES, ShareRow, SharedFile};
pub use store::{CommitHook, CommitSeen, CrashHook, Fault, FaultHook, Store, StoreConfig};
pub use tasks::{Scope, TaskHead, TaskRow};
pub use usage::{Kept, UsageRange, UsageRow, UsageSum};
pub use webhooks::{MAX_WEBHOOKS, OldSecret, WebhookChange, WebhookRow, WebhookState};
pub use workspaces::{DeletedWorkspace, WorkspaceRow};

/// The most rows one list call returns, whatever limit it was given.
pub const MAX_LIST_ROWS: usize = 10_000;
