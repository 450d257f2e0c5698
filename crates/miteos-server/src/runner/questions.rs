//! The orchestrator's questions to the planner's model, and the first words to an agent.

use std::sync::Arc;

use miteos_core::command::{Command, ModelFailure};
use miteos_core::event::{Question, Retry};
use miteos_core::ids::{AgentId, SubtaskId, TaskId};
use miteos_core::plan;
use miteos_core::task::Task;
use miteos_core::tool::ToolSpec;
use miteos_models::{Answer, Message, ToolChoice};
use miteos_store::StoreError;
use tokio_util::sync::CancellationToken;

use super::Deps;
use super::budget::Purse;
use super::model::{self, Called, Prepared};
use crate::prompts;

/// Room for the list of workspace files in a prompt (bytes).
const MAX_FILE_LIST_BYTES: usize = 4 * 1024;

/// A question, taken out of the task.
pub struct Asked {
    task: Box<Task>,
    question: Question,
    round: u32,
    refused: Vec<Vec<String>>,
    model: Option<String>,
    purse: Purse,
}

impl Asked {
    pub fn of(task: &Task, question: Question, round: u32, retry: Retry, purse: Purse) -> Self {
        Self {
            question,
            round,
            refused: task.asking(question).map(|asking| asking.refused.clone()).unwrap_or_default(),
            model: model::model_at(&task.settings.planner_models, retry),
            purse,
            task: Box::new(task.without_turns()),
        }
    }
}

fn function(question: Question, plans_up_to: usize) -> ToolSpec {
    let (name, description, schema) = match question {
        Question::Plan | Question::Replan => {
            ("submit_plan", "Submit the plan.", plan::submit_plan_schema(plans_up_to))
        }
        Question::Conclude => {
            ("submit_result", "Submit the result of the task.", plan::submit_result_schema())
        }
    };
    ToolSpec { name: name.to_owned(), description: description.to_owned(), schema }
}

pub async fn ask(deps: Arc<Deps>, asked: Asked, cancel: CancellationToken) -> Vec<Command> {
    let (question, round) = (asked.question, asked.round);
    let erred = |failure: ModelFailure| Some(Command::QuestionErred { question, round, failure });
    let prepared = match prepare(&deps, &asked).await {
        Ok(prepared) => prepared,
        Err(failure) => return Vec::from_iter(erred(failure)),
    };
    let name = prepared.request.tools.first().map(|tool| tool.name.clone()).unwrap_or_default();
    match model::call(&deps, prepared, &asked.purse, &cancel).await {
        Called::Dropped(billed) => model::unanswered(&asked.purse, billed, None),
        Called::Failed(failure, billed) => model::unanswered(&asked.purse, billed, erred(failure)),
        Called::Answered(answer, model_call) => {
            let arguments = arguments(&name, *answer);
            vec![Command::QuestionAnswered { question, round, arguments, model_call }]
        }
    }
}

async fn prepare(deps: &Deps, asked: &Asked) -> Result<Prepared, ModelFailure> {
    let unusable =
        |message: String| ModelFailure { kind: miteos_core::command::FailureKind::Unusable, message };
    let (task, question) = (&asked.task, asked.question);
    let files = file_list(deps, task).await;
    let model = asked.model.as_deref().ok_or_else(|| unusable("no model is set for planning".to_owned()))?;
    // A small model splits every task, however simple, and then cannot bring the parts together.
    let small = model.parse().is_ok_and(|name| deps.models.info(&name).small);
    let (system, words) = match question {
        Question::Plan => (prompts::planner(small), prompts::plan(task, &files)),
        Question::Replan => (prompts::planner(small), prompts::replan(task, &files)),
        Question::Conclude => {
            let published = published(deps, task.id).await.map_err(|e| model::storage_failure(&e))?;
            (prompts::CONCLUDER, prompts::conclude(task, &files, &published))
        }
    };
    let function = function(question, if small { 1 } else { plan::MAX_NODES });
    let mut messages = vec![Message::User { text: words.into() }];
    messages.extend(
        asked
            .refused
            .iter()
            .map(|problems| Message::User { text: prompts::refused(&function.name, problems).into() }),
    );
    let key = format!("{}.{question:?}.{}", task.id, asked.refused.len());
    let mut prepared = model::request(deps, model, system, messages, key)?;
    prepared.request.choice = ToolChoice::Force(function.name.clone());
    prepared.request.tools = Arc::from([function]);
    Ok(prepared)
}

/// The arguments of the forced call. A model that wrote them as text is understood, too.
fn arguments(function: &str, answer: Answer) -> Result<serde_json::Value, String> {
    if let Some(call) = answer.calls.into_iter().find(|call| call.tool == function) {
        return call.arguments.map_err(|raw| {
            let shown: String = raw.chars().take(300).collect();
            format!("the arguments of {function} are no JSON object; they began: {shown}")
        });
    }
    let text = answer.text.as_str();
    let inner = match (text.find('{'), text.rfind('}')) {
        (Some(from), Some(to)) if from < to => &text[from..=to],
        _ => text,
    };
    match serde_json::from_str::<serde_json::Value>(inner) {
        Ok(mut value) if value.is_object() => {
            Ok(value.get_mut("arguments").map(serde_json::Value::take).unwrap_or(value))
        }
        Ok(_) | Err(_) => Err(format!("the answer has no call of {function}; answer with exactly one")),
    }
}

async fn file_list(deps: &Deps, task: &Task) -> String {
    let workspace = deps.workspace(task.workspace);
    match tokio::task::spawn_blocking(move || workspace.file_list(MAX_FILE_LIST_BYTES)).await {
        Ok(Ok(list)) => list,
        Ok(Err(error)) => {
            tracing::warn!(task = %task.id, error = %crate::errors::chain(&error), "the workspace cannot be listed");
            String::new()
        }
        Err(_) => String::new(),
    }
}

async fn published(deps: &Deps, task: TaskId) -> Result<String, miteos_store::StoreError> {
    let rows = deps.tasks.store.deliverables(task).await?;
    Ok(rows.iter().map(|row| format!("- {} ({} bytes)\n", row.name, row.size_bytes)).collect())
}

/// What an agent's first message is made of.
pub struct Brief {
    task: Box<Task>,
    subtask: SubtaskId,
}

impl Brief {
    pub fn of(task: &Task, agent: AgentId) -> Option<Self> {
        let subtask = task.agent(agent)?.subtask;
        Some(Self { task: Box::new(task.without_turns()), subtask })
    }
}

/// `None`: the agent is not in the task. It has no way to say that storage failed, so that is the caller's to bear.
pub async fn brief(deps: Arc<Deps>, agent: AgentId, brief: Brief) -> Result<Option<Command>, StoreError> {
    let task = &brief.task;
    let files = file_list(&deps, task).await;
    let row = deps.tasks.store.workspace(task.workspace).await?;
    let description = row.and_then(|row| row.description);
    let Some(subtask) = task.subtask(brief.subtask) else { return Ok(None) };
    let text = prompts::brief(task, subtask, description.as_deref(), &files);
    let brief = deps.content(text, None).await?;
    Ok(Some(Command::AgentReady { agent, brief }))
}
