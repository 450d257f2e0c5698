//! From an owed effect to the work that performs it. What the work needs of the task is taken out here, so that the
//! task can move on meanwhile.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use miteos_core::command::{Command, FailureKind, ModelFailure};
use miteos_core::content::{Content, Sha256};
use miteos_core::pending::{Effect, EffectKey};
use miteos_core::task::Task;
use miteos_store::StoreError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::budget::Purse;
use super::conversation::Conversations;
use super::{Deps, model, questions, tools};

/// What came of an effect: nothing when it was cancelled, and then it is owed again if it still matters. An error if
/// storage failed under one whose outcome cannot say so.
pub type Landed = Result<Vec<Command>, StoreError>;
pub type Work = Pin<Box<dyn Future<Output = Landed> + Send>>;

/// What an effect is performed with.
pub struct Means {
    pub purse: Purse,
    /// This process has recorded the call's start.
    pub here: bool,
    pub cancel: CancellationToken,
    /// What the work begins and does not wait for itself; the effect is over when that is.
    pub background: TaskTracker,
}

/// The work of an effect.
pub fn perform(
    deps: Arc<Deps>,
    task: &Task,
    conversations: &mut Conversations,
    effect: Effect,
    means: Means,
) -> Work {
    let Means { purse, here, cancel, background } = means;
    match effect {
        Effect::Ask { question, round, retry } => {
            let asked = questions::Asked::of(task, question, round, retry, purse);
            all(questions::ask(deps, asked, cancel))
        }
        Effect::StartAgent { agent } => match questions::Brief::of(task, agent) {
            Some(brief) => Box::pin(async move {
                let ready = questions::brief(deps, agent, brief).await?;
                Ok(ready.into_iter().collect())
            }),
            None => nothing(),
        },
        Effect::CallModel { .. } => match model::Call::of(task, conversations, &effect, purse) {
            Some(call) => all(model::next(deps, call, cancel)),
            None => nothing(),
        },
        Effect::Summarise { agent, step, retry, turns } => {
            match model::Summary::of(task, agent, step, retry, turns, purse) {
                Some(summary) => all(model::summarise(deps, summary, cancel)),
                None => nothing(),
            }
        }
        Effect::RunCall { agent, call, started } => match tools::Run::of(task, agent, call) {
            Some(run) => one(tools::run(deps, run, started && !here, cancel, background)),
            None => nothing(),
        },
        Effect::PublishFiles { paths } => {
            one(tools::publish(deps, task.id, task.workspace, paths, cancel, background))
        }
        // These are a matter of record alone; `Flight::begin` answers them itself.
        Effect::StartCall { .. }
        | Effect::Hold { .. }
        | Effect::HoldTask
        | Effect::StopAgent { .. }
        | Effect::StopAll
        | Effect::Expire { .. } => nothing(),
    }
}

fn one(work: impl Future<Output = Option<Command>> + Send + 'static) -> Work {
    Box::pin(async { Ok(work.await.into_iter().collect()) })
}

fn all(work: impl Future<Output = Vec<Command>> + Send + 'static) -> Work {
    Box::pin(async { Ok(work.await) })
}

fn nothing() -> Work {
    Box::pin(std::future::ready(Ok(Vec::new())))
}

/// The outcome of an effect whose work panicked: an error that the task can live with.
pub fn after_panic(key: EffectKey) -> Option<Command> {
    let failure = || ModelFailure {
        kind: FailureKind::Trouble { retry_after_ms: None },
        message: "the server failed inside while it called the model".to_owned(),
    };
    match key {
        EffectKey::Ask { question, round } => {
            Some(Command::QuestionErred { question, round, failure: failure() })
        }
        EffectKey::CallModel { agent, step, .. } => {
            Some(Command::ModelErred { agent, step, failure: failure() })
        }
        EffectKey::Call { agent, call } => Some(Command::CallEnded {
            agent,
            call,
            ok: false,
            output: Content::from(
                "the tool failed inside the server; it may have done a part of its work: look before you try another way",
            ),
            effects: Vec::new(),
            duration_ms: 0,
        }),
        EffectKey::PublishFiles => Some(Command::Published { deliverables: Vec::new() }),
        EffectKey::StartAgent { .. }
        | EffectKey::Hold { .. }
        | EffectKey::HoldTask
        | EffectKey::StopAgent { .. }
        | EffectKey::StopAll
        | EffectKey::Expire { .. } => None,
    }
}

/// The hash that an approval of these arguments binds.
pub fn input_hash(text: &str) -> Sha256 {
    Sha256::of(text.as_bytes())
}
