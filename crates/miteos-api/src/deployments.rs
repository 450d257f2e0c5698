//! Deployments: a workspace's output on its way to a host, and the configurations that say to which account.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::text;
use crate::words::{DeployEnvironment, DeployTarget, DeployVisibility, DeploymentStatus};

/// `POST /deployments`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreateDeployment {
    /// Whose output is published.
    #[schemars(with = "text::WorkspaceId")]
    pub workspace_id: String,
    #[schemars(with = "DeployTarget")]
    pub target: String,
    /// Absent: the only one for the target. `preview` needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::DeployConfigId>")]
    pub config_id: Option<String>,
    /// For this deployment in place of the configuration's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<BuildSettings>,
}

/// How the workspace becomes a folder of files. What is absent is found out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BuildSettings {
    /// A line for a shell. Empty: nothing is installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub install: Option<String>,
    /// A line for a shell. Empty: nothing is built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub build: Option<String>,
    /// The folder that is published, below the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub output: Option<String>,
}

/// A deployment. Also the `data` of `deployment.*` events, as it was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deployment {
    /// `dep_…`
    #[schemars(with = "text::DeploymentId")]
    pub id: String,
    #[schemars(with = "text::WorkspaceId")]
    pub workspace_id: String,
    pub target: DeployTarget,
    pub status: DeploymentStatus,
    /// Once it is live.
    #[serde(default)]
    pub url: Option<String>,
    #[schemars(with = "text::Time")]
    pub created_at: String,
    /// When it went live or failed.
    #[serde(default)]
    #[schemars(with = "Option<text::Time>")]
    pub completed_at: Option<String>,
    #[serde(default)]
    #[schemars(with = "Option<text::DeployConfigId>")]
    pub config_id: Option<String>,
    pub environment: DeployEnvironment,
    /// The task that made it, if one did.
    #[serde(default)]
    #[schemars(with = "Option<text::TaskId>")]
    pub task_id: Option<String>,
    /// What is published in place of the workspace.
    #[serde(default)]
    #[schemars(with = "Option<text::DeliverableId>")]
    pub deliverable_id: Option<String>,
    /// Who can open `url`.
    #[serde(default)]
    pub visibility: Option<DeployVisibility>,
    /// The provider's own page about it, for the owner of the account there.
    #[serde(default)]
    pub inspect_url: Option<String>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<DeploymentError>,
    /// Where its log is read, on this server.
    pub log_url: String,
}

/// Why a deployment failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentError {
    #[schemars(with = "text::DeploymentErrorCode")]
    pub code: String,
    /// What failed and what would be right.
    pub message: String,
    /// `prepare`, `install`, `build`, `upload` or `publish`.
    pub step: String,
}

/// The query of `GET /deployments`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListDeployments {
    /// 1 to 100, default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100), extend("default" = 20))]
    pub limit: Option<i64>,
    /// Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4_294_967_295_i64), extend("default" = 0))]
    pub offset: Option<i64>,
    /// Only those of this workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::WorkspaceId>")]
    pub workspace_id: Option<String>,
}

/// `GET /deployments`, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentList {
    pub data: Vec<Deployment>,
    pub has_more: bool,
}

/// The query of `GET /deployments/{id}/logs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReadDeploymentLog {
    /// Only lines with a greater number. Default 0: from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0), extend("default" = 0))]
    pub after: Option<i64>,
}

/// One line of a deployment's log, as a stream carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentLogLine {
    #[schemars(with = "text::Time")]
    pub at: String,
    pub text: String,
}

/// `POST /deploy-configs`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreateDeployConfig {
    /// 1 to 200 characters, and no other configuration has it.
    #[schemars(length(min = 1, max = 200), extend("pattern" = text::NAME))]
    pub name: String,
    #[schemars(with = "text::ProviderTarget")]
    pub target: String,
    /// `{"token": "…"}`; for `appstore` `issuer_id`, `key_id` and `private_key`. Encrypted, and never shown again.
    pub credentials: Map<String, Value>,
    /// Depends on the target: the project or site, `environment`, and how to build (`install`, `build`, `output`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Map<String, Value>>,
}

impl fmt::Debug for CreateDeployConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateDeployConfig")
            .field("name", &self.name)
            .field("target", &self.target)
            .field("credentials", &"***")
            .field("settings", &self.settings)
            .finish()
    }
}

/// `PATCH /deploy-configs/{id}`: what is absent stays as it is.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpdateDeployConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), extend("pattern" = text::NAME))]
    pub name: Option<String>,
    /// All of them, in place of those before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Map<String, Value>>,
    /// All of them, in place of those before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Map<String, Value>>,
}

impl fmt::Debug for UpdateDeployConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpdateDeployConfig")
            .field("name", &self.name)
            .field("credentials", &self.credentials.as_ref().map(|_| "***"))
            .field("settings", &self.settings)
            .finish()
    }
}

/// A deploy configuration without its credentials. `GET /deploy-configs` is a bare array of these, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeployConfig {
    /// `cfg_…`
    #[schemars(with = "text::DeployConfigId")]
    pub id: String,
    pub name: String,
    #[schemars(with = "text::ProviderTarget")]
    pub target: DeployTarget,
    pub settings: Map<String, Value>,
    /// Whose account it is, as the provider said.
    #[serde(default)]
    pub provider_account: Option<String>,
    /// The project that the settings name, as the provider said.
    #[serde(default)]
    pub provider_project: Option<String>,
    /// When the provider took the credentials. In the test world nobody is asked.
    #[serde(default)]
    #[schemars(with = "Option<text::Time>")]
    pub verified_at: Option<String>,
    #[schemars(with = "text::Time")]
    pub created_at: String,
    #[schemars(with = "text::Time")]
    pub updated_at: String,
}
