//! From an owed effect to the work that performs it. What the work needs of the task is taken out here, so that the
//! task can move on meanwhile.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use miteos_core::command::{Command, FailureKind, ModelFailure};
use miteos_core::content::{Content, Sha256};
use miteos_core::pending::{Effect, EffectKey};
use miteos_core::task::Task;
use tokio_util::sync::CancellationToken;

use super::budget::Purse;
use super::conversation::Conversations;
use super::{Deps, model, questions, tools};

pub type Work = Pin<Box<dyn Future<Output = Option<Command>> + Send>>;

/// The work of an effect. `None` as its outcome: it was cancelled, and is owed again if it still matters.
/// `here`: this process has recorded the call's start.
pub fn perform(
    deps: Arc<Deps>,
    task: &Task,
    conversations: &mut Conversations,
    purse: Purse,
    effect: Effect,
    here: bool,
    cancel: CancellationToken,
) -> Work {
    match effect {
        Effect::Ask { question, retry, .. } => Box::pin(questions::ask(
            deps,
            question,
            questions::Asked::of(task, question, retry, purse),
            cancel,
        )),
        Effect::StartAgent { agent } => match questions::Brief::of(task, agent) {
            Some(brief) => Box::pin(questions::brief(deps, agent, brief)),
            None => nothing(),
        },
        Effect::CallModel { .. } => match model::Call::of(task, conversations, &effect, purse) {
            Some(call) => Box::pin(model::next(deps, call, cancel)),
            None => nothing(),
        },
        Effect::Summarise { agent, step, retry, turns } => {
            match model::Summary::of(task, agent, step, retry, turns, purse) {
                Some(summary) => Box::pin(model::summarise(deps, summary, cancel)),
                None => nothing(),
            }
        }
        Effect::RunCall { agent, call, started } => match tools::Run::of(task, agent, call) {
            Some(run) => Box::pin(tools::run(deps, run, started && !here, cancel)),
            None => nothing(),
        },
        Effect::PublishFiles { paths } => {
            Box::pin(tools::publish(deps, task.id, task.workspace, paths, cancel))
        }
        // These are a matter of record alone; `Flight::begin` answers them itself.
        Effect::StartCall { .. }
        | Effect::Hold { .. }
        | Effect::StopAgent { .. }
        | Effect::StopAll
        | Effect::Expire { .. } => nothing(),
    }
}

fn nothing() -> Work {
    Box::pin(std::future::ready(None))
}

/// The outcome of an effect whose work panicked: an error that the task can live with.
pub fn after_panic(key: EffectKey) -> Option<Command> {
    let failure = || ModelFailure {
        kind: FailureKind::Trouble { retry_after_ms: None },
        message: "the server failed inside while it called the model".to_owned(),
    };
    match key {
        EffectKey::Ask { question, .. } => Some(Command::QuestionErred { question, failure: failure() }),
        EffectKey::CallModel { agent, step, .. } => {
            Some(Command::ModelErred { agent, step, failure: failure() })
        }
        EffectKey::Call { agent, call } => Some(Command::CallEnded {
            agent,
            call,
            ok: false,
            output: Content::from("the tool failed inside the server; try another way"),
            effects: Vec::new(),
            duration_ms: 0,
        }),
        EffectKey::PublishFiles => Some(Command::Published { deliverables: Vec::new() }),
        EffectKey::StartAgent { .. }
        | EffectKey::Hold { .. }
        | EffectKey::StopAgent { .. }
        | EffectKey::StopAll
        | EffectKey::Expire { .. } => None,
    }
}

/// The hash that an approval of these arguments binds.
pub fn input_hash(text: &str) -> Sha256 {
    Sha256::of(text.as_bytes())
}
