//! The wire types of the HTTP contract: what goes over the connection, field by field.
//!
//! Nothing here knows the domain, HTTP or storage. Ids and times are strings as they stand on the wire
//! (`task_01…`, RFC 3339 UTC with `Z`); whoever receives them parses them. Requests are lenient on purpose:
//! numbers are `i64` and choices are `String`, so that the server can tell a malformed body (400) from a
//! refused one (422). Unknown fields are ignored everywhere.

#![forbid(unsafe_code)]

pub mod agents;
pub mod approvals;
pub mod deliverables;
pub mod deployments;
pub mod errors;
pub mod events;
pub mod health;
pub mod keys;
pub mod models;
pub mod numbers;
pub mod previews;
pub mod subtasks;
pub mod tasks;
pub mod text;
pub mod usage;
pub mod webhooks;
pub mod words;
pub mod workspaces;
pub mod ws;

pub use agents::{Agent, Guide, ListAgents};
pub use approvals::{
    Approval, ApprovalList, ApprovalPolicy, Asked, DecideApproval, ListApprovals, SetApprovalPolicy, ToolRule,
};
pub use deliverables::{Deliverable, ListShares, Share, ShareDeliverable, ShareList, SharedDeliverable};
pub use deployments::{
    BuildSettings, CreateDeployConfig, CreateDeployment, DeployConfig, Deployment, DeploymentError,
    DeploymentList, DeploymentLogLine, ListDeployments, ReadDeploymentLog, UpdateDeployConfig,
};
pub use errors::{ErrorBody, Success};
pub use events::{Event, EventPage, EventType, ListEvents};
pub use health::{Check, Health, Readiness};
pub use keys::{ApiKey, CreateApiKey, CreatedApiKey, SCOPES};
pub use models::{Model, ModelList};
pub use previews::{
    CreatePreviewLink, ListPreviews, ListedPreviewLink, Preview, PreviewLink, PreviewLinkList, PreviewList,
    UpdatePreview,
};
pub use subtasks::Subtask;
pub use tasks::{
    CompletedTask, CompletedTaskList, CreateTask, CreateTaskConfig, ListTasks, Task, TaskConfig, TaskList,
    UpdateTask, UpdateTaskConfig,
};
pub use usage::{ListUsage, Storage, Usage, UsageRow, UsageTotals};
pub use webhooks::{
    CreateWebhook, CreatedWebhook, Delivery, DeliveryList, ListDeliveries, RotateSecret, RotatedSecret,
    UpdateWebhook, Webhook, WebhookTest,
};
pub use words::{
    AgentStatus, AgentType, ApprovalStatus, DeliveryStatus, DeployEnvironment, DeployTarget,
    DeployVisibility, DeploymentStatus, Environment, FileKind, GroupBy, PreviewVisibility, Risk,
    SubtaskStatus, TaskStatus, Tier, UnknownWord, WebhookStatus, WorkspaceStatus,
};
pub use workspaces::{CreateWorkspace, ListFiles, Workspace, WorkspaceFile};
