//! How far a deployment has come: small, serialisable, and the only memory that a target has between two steps.

use serde::{Deserialize, Serialize};

use crate::error::DeployError;
use crate::target::{Advance, Next, TargetKind};

/// What is done next. Each target uses the ones that it needs, always in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Check the access, and find or make the site, project or app.
    Locate,
    /// Upload by content, ahead of any deployment.
    Stage,
    /// Look for the deployment by its mark; make it only if it is not there.
    Create,
    /// Upload what the deployment asks for.
    Upload,
    /// Say that everything is there, or switch it on.
    Publish,
    /// Ask until the provider is done.
    Wait,
    /// It is live. Nothing more is done.
    Live,
}

/// Handed out by every step. What is known of the provider's ids is in it from the moment it is known.
///
/// It holds no credential and no content, and stays below a few kilobytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub target: TargetKind,
    pub step: Step,
    /// The provider's id of the site, project or app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// The provider's id of the deployment, version or build upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<String>,
    /// A part that the provider gave an id of its own: App Store Connect's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_id: Option<String>,
    /// Where it is, or will be once live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The page of the provider that shows this deployment to its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inspect_url: Option<String>,
    /// Since when the provider is asked whether it is done (milliseconds since 1970).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_since_ms: Option<u64>,
    /// Who can open the address; known once it is live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// How often the provider has asked for more files.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rounds: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl State {
    /// Nothing done yet.
    pub fn new(target: TargetKind) -> Self {
        Self {
            target,
            step: Step::Locate,
            project_id: None,
            deployment_id: None,
            part_id: None,
            url: None,
            inspect_url: None,
            waiting_since_ms: None,
            visibility: None,
            rounds: 0,
        }
    }

    pub(crate) fn at(mut self, step: Step) -> Self {
        self.step = step;
        self
    }

    /// The same, waiting from now on.
    pub(crate) fn waiting(mut self, now_ms: u64) -> Self {
        self.step = Step::Wait;
        self.waiting_since_ms.get_or_insert(now_ms);
        self
    }

    /// The end: live, with all that the release says kept in the state.
    pub(crate) fn live(mut self, visibility: Visibility) -> Result<Advance, DeployError> {
        self.step = Step::Live;
        self.visibility = Some(visibility);
        self.released()
    }

    /// What was released, told from the state alone: who asks again after the end asks nobody.
    pub(crate) fn released(self) -> Result<Advance, DeployError> {
        let release = Release {
            project_id: self.project_id.clone().unwrap_or_default(),
            deployment_id: self.deployment()?.to_owned(),
            url: self.url.clone().ok_or_else(|| DeployError::lost("address"))?,
            visibility: self.visibility.ok_or_else(|| DeployError::lost("visibility"))?,
        };
        Ok(Advance { state: self, next: Next::Done(release) })
    }

    pub(crate) fn project(&self) -> Result<&str, DeployError> {
        self.project_id.as_deref().ok_or_else(|| DeployError::lost("project"))
    }

    pub(crate) fn deployment(&self) -> Result<&str, DeployError> {
        self.deployment_id.as_deref().ok_or_else(|| DeployError::lost("deployment"))
    }
}

/// Who can open the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Everybody.
    Public,
    /// The provider may ask for a sign-in first, by a setting of the project.
    Perhaps,
    /// Members of the provider's account.
    Account,
}

/// A deployment that is live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    pub project_id: String,
    pub deployment_id: String,
    pub url: String,
    pub visibility: Visibility,
}
