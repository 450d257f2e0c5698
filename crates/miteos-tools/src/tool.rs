//! What a tool is, what it is given and what it gives back. Knows no single tool and no runner.

use std::sync::Arc;

use async_trait::async_trait;
use miteos_core::content::Sha256;
use miteos_core::event::Recipient;
use miteos_core::ids::{AgentId, CallId, DeliverableId, TaskId};
use miteos_core::tool::{AgentType, RetryClass, Risk, ToolSpec};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::services::Services;
use crate::workspace::Workspace;

/// Something an agent can do.
#[async_trait]
pub trait Tool: Send + Sync {
    /// Name, description and argument schema, as the model sees them. Never changes while the process runs.
    fn spec(&self) -> &ToolSpec;

    /// Who may use it.
    fn agents(&self) -> &[AgentType];

    /// What must be there for it to be of use. Where it is not, the tool is not offered.
    fn needs(&self) -> Needs {
        Needs::Nothing
    }

    /// How much harm this call can do. The arguments need not have been checked.
    fn risk(&self, input: &Value) -> Risk;

    /// Whether a call changes nothing anywhere, so that several may run at once.
    fn read_only(&self) -> bool;

    /// Whether a call whose outcome was lost may simply be made again, with the same call id.
    fn retry(&self) -> RetryClass;

    /// Whether a call writes down what it did, in case of a crash: then the notes are removed once its outcome is
    /// recorded. A `Once` tool does unless it says otherwise.
    fn leaves_notes(&self) -> bool {
        self.retry() == RetryClass::Once
    }

    /// The arguments with all that is decided by the time the call is proposed, of a task: whoever is asked sees what will be
    /// done, and that is done. They have passed [`crate::Registry::check`], and what is given back has to as well. An error is
    /// told to the model in place of the call.
    async fn bind(&self, _task: TaskId, input: Value) -> Result<Value, ToolError> {
        Ok(input)
    }

    /// Carries the call out. The arguments have passed [`crate::Registry::check`].
    async fn run(&self, ctx: &ToolContext, input: Value) -> Result<ToolOutput, ToolError>;

    /// After a crash: what became of a `Once` call that has a start and no outcome.
    async fn settle(&self, _ctx: &ToolContext, _input: Value) -> Result<Settled, ToolError> {
        Ok(Settled::Unknown)
    }
}

/// What a tool needs to be of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    /// Other agents in the task.
    Team,
    /// A machine on which programs can be run.
    Code,
    /// Leave to publish.
    Deploy,
}

/// Where an agent works. Stays the same as long as the agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Circumstances {
    /// The task has more than one agent.
    pub team: bool,
    /// Programs can be run.
    pub code: bool,
    /// What is made may be published: whoever gave the task might do so themselves.
    pub deploy: bool,
    /// The model is a small one: it gets the few tools that most work needs, as more confuse it.
    pub small: bool,
}

impl Circumstances {
    /// Each combination there is.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..16).map(|bits| Self {
            team: bits & 1 != 0,
            code: bits & 2 != 0,
            deploy: bits & 4 != 0,
            small: bits & 8 != 0,
        })
    }

    pub(crate) fn meet(self, needs: Needs) -> bool {
        match needs {
            Needs::Nothing => true,
            Needs::Team => self.team,
            Needs::Code => self.code,
            // A small model is given its site's address without a tool: by auto_deploy.
            Needs::Deploy => self.deploy && !self.small,
        }
    }
}

/// What became of a call whose outcome was lost.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// It never began: run it now.
    NotStarted,
    /// It ended, and this is what came of it.
    Done(ToolOutput),
    /// It began and did not end. The text is for the model: what may be half done.
    Interrupted(String),
    /// It may have happened: a person is asked whether to repeat it.
    Unknown,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolOutput {
    /// For the model.
    pub text: String,
    /// What the task owes the world because of it, recorded together with the outcome.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<ToolEffect>,
}

impl ToolOutput {
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), effects: Vec::new() }
    }
}

impl From<String> for ToolOutput {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

/// A consequence that is the task's to carry out, not the tool's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolEffect {
    Publish(Published),
    Message { to: Recipient, text: String },
}

/// A file that has been copied into the blob store to be handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Made from the call's id: the same call publishes the same deliverable.
    pub id: DeliverableId,
    /// A file name without folders.
    pub name: String,
    pub media_type: String,
    pub sha256: Sha256,
    pub bytes: u64,
}

/// Why a call came to nothing, by who has to react.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// Told to the model: what was wrong and what would be right.
    #[error("{0}")]
    Failed(String),
    #[error("the call was cancelled")]
    Cancelled,
    /// Told to the operator through the log; the model gets [`ToolError::for_model`].
    #[error("the tool failed inside the server while it {doing}")]
    Internal {
        /// Ends the sentence "the tool failed while it …".
        doing: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ToolError {
    pub fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    pub fn internal<E>(doing: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |source| Self::Internal { doing, source: source.into() }
    }

    /// The words the model gets: nothing of the server's inside.
    pub fn for_model(&self) -> String {
        match self {
            Self::Failed(text) => text.clone(),
            Self::Cancelled => "the call was cancelled".to_owned(),
            Self::Internal { .. } => {
                "the tool failed for a reason inside the server, which has been logged; try another way"
                    .to_owned()
            }
        }
    }
}

/// What a call is carried out with.
#[derive(Clone)]
pub struct ToolContext {
    /// The same for every attempt at the same call.
    pub call_id: CallId,
    pub task: TaskId,
    pub agent: AgentId,
    /// 1 for the first attempt.
    pub attempt: u32,
    pub workspace: Workspace,
    pub cancel: CancellationToken,
    /// Whatever the call begins and could leave behind when it is dropped (a program, a browser, blocking work) is
    /// spawned here. The call is over when all of it is, so that nothing of a cancelled call is alive any more.
    pub background: TaskTracker,
    pub services: Arc<Services>,
    /// Live lines for whoever watches; lost when nobody keeps up.
    pub progress: Option<mpsc::Sender<String>>,
    /// `false` in the test world: tools that reach outside record what they would have sent.
    pub live: bool,
}

impl ToolContext {
    /// Shows a line to whoever watches; never waits for them.
    pub fn show(&self, line: impl Into<String>) {
        if let Some(progress) = &self.progress {
            let _ = progress.try_send(line.into());
        }
    }

    /// Runs file work off the async threads, with its panics turned into errors.
    pub(crate) async fn blocking<T, F>(&self, doing: &'static str, work: F) -> Result<T, ToolError>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, ToolError> + Send + 'static,
    {
        if self.cancel.is_cancelled() {
            return Err(ToolError::Cancelled);
        }
        match self.background.spawn_blocking(work).await {
            Ok(done) => done,
            // The process is going down and took the work back: nothing came of it, and nothing is told of it.
            Err(gone) if gone.is_cancelled() => std::future::pending().await,
            Err(panic) => Err(ToolError::internal(doing)(panic)),
        }
    }
}
