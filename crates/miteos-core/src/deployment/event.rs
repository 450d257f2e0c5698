//! What has happened to a deployment: the records of its journal. A public one carries all that clients are shown.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Environment, MAX_MESSAGE_BYTES, Target, Visibility, words};
use crate::content::{Sha256, floor_boundary};
use crate::ids::{AccountId, AgentId, CallId, DeliverableId, DeployConfigId, TaskId, WorkspaceId};
use crate::time::Timestamp;

/// What never changes in a deployment's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    pub workspace: WorkspaceId,
    pub target: Target,
    /// `None`: the target needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<DeployConfigId>,
    pub environment: Environment,
    /// The task that made it, with the agent and the call where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// What is published instead of the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliverable: Option<DeliverableId>,
    pub created_at: Timestamp,
}

/// What the user says about the build; each takes the place of what would be found out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildWishes {
    /// A line for a shell; empty: nothing is installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install: Option<String>,
    /// A line for a shell; empty: nothing is built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// The folder that is published, below the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

/// The first record of every journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    pub account: AccountId,
    /// `false`: made with a test key; nothing is pushed.
    pub live: bool,
    pub about: About,
    #[serde(default)]
    pub wishes: BuildWishes,
}

/// What is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// Of all paths and contents: after a restart the same files must be there.
    pub digest: String,
    /// Where the files are, as the server wrote it down for itself.
    pub folder: String,
    pub files: u64,
    pub bytes: u64,
    /// The list of the files, where this server keeps all of them already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Sha256>,
}

/// Where it is live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    pub url: String,
    pub visibility: Visibility,
    /// The provider's ids, by which it can be made the live one again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// The page of the provider that shows it to its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inspect_url: Option<String>,
    /// On the preview host: the list of its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Sha256>,
}

words!(/// What went wrong, in one word for all providers.
FailureCode {
    ConfigInvalid = "config_invalid",
    Auth = "auth",
    Permission = "permission",
    Quota = "quota",
    NameTaken = "name_taken",
    /// There is nothing to publish.
    NoOutput = "no_output",
    /// What would be published must not be: secrets, links that lead out, names that no host takes.
    OutputRefused = "output_refused",
    OutputTooLarge = "output_too_large",
    FileTooLarge = "file_too_large",
    InstallFailed = "install_failed",
    BuildFailed = "build_failed",
    UploadFailed = "upload_failed",
    /// The provider refused it.
    ProviderRejected = "provider_rejected",
    /// The provider failed, or could not be reached.
    ProviderError = "provider_error",
    Timeout = "timeout",
    Canceled = "canceled",
    /// Something was lost on the way that cannot be made again here.
    Interrupted = "interrupted",
});

words!(/// In which part of it.
FailureStep {
    Prepare = "prepare",
    Install = "install",
    Build = "build",
    Upload = "upload",
    Publish = "publish",
});

/// Why it is not live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub code: FailureCode,
    /// For people: what failed and what would be right. It holds no credential.
    pub message: String,
    pub step: FailureStep,
}

impl Failure {
    pub fn new(code: FailureCode, step: FailureStep, message: impl Into<String>) -> Self {
        Self { code, message: cut(message.into()), step }
    }
}

/// A text for people, no longer than one may be.
pub(super) fn cut(mut message: String) -> String {
    if message.len() > MAX_MESSAGE_BYTES {
        message.truncate(floor_boundary(&message, MAX_MESSAGE_BYTES));
    }
    message
}

/// One record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Created(Created),
    Building {
        about: About,
    },
    Built(Built),
    Deploying {
        about: About,
    },
    Progressed {
        state: Value,
    },
    CancelRequested {
        failure: Failure,
    },
    GivenUp {
        failure: Failure,
    },
    Live {
        about: About,
        release: Release,
    },
    Failed {
        about: About,
        failure: Failure,
    },
    RollbackRequested,
    /// It is the live one again. When it first was, it keeps.
    RolledBack {
        about: About,
        release: Release,
        completed_at: Timestamp,
    },
    /// The provider was not to be moved; what was live before is live.
    NotRolledBack {
        why: String,
    },
}

impl Event {
    /// The name in the journal's `kind` column, and the public type where there is one.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Created(_) => "deployment.started",
            Self::Building { .. } => "deployment.building",
            Self::Deploying { .. } => "deployment.deploying",
            // Clients are told the same thing: this is live now.
            Self::Live { .. } | Self::RolledBack { .. } => "deployment.live",
            Self::Failed { .. } => "deployment.failed",
            Self::Built(_) => "internal.deployment_built",
            Self::Progressed { .. } => "internal.deployment_progressed",
            Self::CancelRequested { .. } => "internal.deployment_cancel_requested",
            Self::GivenUp { .. } => "internal.deployment_given_up",
            Self::RollbackRequested => "internal.deployment_rollback_requested",
            Self::NotRolledBack { .. } => "internal.deployment_not_rolled_back",
        }
    }

    /// Whether it is of a way back to a deployment that was over.
    pub fn follows_the_end(&self) -> bool {
        matches!(self, Self::RollbackRequested | Self::RolledBack { .. } | Self::NotRolledBack { .. })
    }

    /// Whether clients see it.
    pub fn is_public(&self) -> bool {
        match self {
            Self::Created(_)
            | Self::Building { .. }
            | Self::Deploying { .. }
            | Self::Live { .. }
            | Self::RolledBack { .. }
            | Self::Failed { .. } => true,
            Self::Built(_)
            | Self::Progressed { .. }
            | Self::CancelRequested { .. }
            | Self::GivenUp { .. }
            | Self::RollbackRequested
            | Self::NotRolledBack { .. } => false,
        }
    }
}
