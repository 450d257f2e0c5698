//! An agent's model calls: the request is made of its turns, the answer is judged by the registry.

use std::sync::Arc;

use miteos_core::agent::Agent;
use miteos_core::chat::{ModelCall, Turn};
use miteos_core::command::{Command, FailureKind, ModelFailure, ProposedCall};
use miteos_core::content::Content;
use miteos_core::event::{Billed, Retry};
use miteos_core::ids::{AgentId, TaskId};
use miteos_core::money::MicroUsd;
use miteos_core::pending::Effect;
use miteos_core::task::Task;
use miteos_core::tool::{AgentType, RetryClass, Risk, ToolSpec};
use miteos_models::{
    Answer, ErrorKind, Finish, Message, Messages, ModelError, ModelInfo, ModelName, Models, Request,
    RequestedCall, ToolChoice, scripted,
};
use miteos_tools::Circumstances;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::budget::{Leave, Purse};
use super::conversation::{self, Conversations, Draft};
use super::watch::ModelWatch;
use super::{Deps, closing, effects};
use crate::prompts;

/// The most tokens of one answer, if the model allows as many.
pub const MAX_OUTPUT_TOKENS: u32 = 16_384;
/// The most tokens of a summary of earlier turns.
const MAX_SUMMARY_TOKENS: u32 = 2_048;
/// How much of arguments that are no JSON is given back to the model (characters).
const MAX_RAW_CHARS: usize = 500;
/// Turns of the scheduler that a dropped call's connection gets to close in.
const CLOSING_TURNS: usize = 4;

/// The next call of an agent, taken out of the task.
pub struct Call {
    agent: AgentId,
    kind: AgentType,
    /// Whether it has company. The plan says so, and never changes while the agent works.
    team: bool,
    may_deploy: bool,
    task: TaskId,
    /// What the task says of its deployment at the end.
    closing: Option<Value>,
    step: u32,
    heard: usize,
    last: bool,
    model: String,
    draft: Draft,
    inbox: Vec<Content>,
    /// What the prompt weighs as far as the provider has counted it, and a guess of what came since.
    weighs: u64,
    purse: Purse,
}

impl Call {
    /// `of` names the effect: which step, on which model, after hearing what.
    pub fn of(task: &Task, conversations: &mut Conversations, of: &Effect, purse: Purse) -> Option<Self> {
        let Effect::CallModel { agent, step, retry, heard, last } = *of else { return None };
        let agent = task.agent(agent)?;
        Some(Self {
            agent: agent.id,
            kind: agent.kind,
            team: task.subtasks.len() > 1,
            may_deploy: task.settings.may_deploy,
            task: task.id,
            closing: closing::wanted(task),
            step,
            heard,
            last,
            model: model_at(&task.settings.models, retry)?,
            draft: conversations.of(agent),
            inbox: agent.inbox.iter().take(heard).cloned().collect(),
            weighs: agent.context_tokens,
            purse,
        })
    }
}

pub fn model_at(models: &[String], retry: Retry) -> Option<String> {
    models.get(retry.model).or(models.last()).cloned()
}

/// A request, and what is known about its model, which is looked up once for a call.
pub struct Prepared {
    pub request: Request,
    info: ModelInfo,
    /// Tokens that the prompt is known to have at least.
    weighs: u64,
}

impl Prepared {
    /// The most that the call can cost. What the provider itself has counted before is not undercut by a guess.
    fn worst(&self, models: &Models) -> Option<MicroUsd> {
        let input = models.prompt_tokens(&self.request).max(self.weighs);
        self.info.price.map(|price| price.worst_case(input, u64::from(self.request.max_output_tokens)))
    }
}

/// Makes a request on a model named by the task.
pub fn request(
    deps: &Deps,
    model: &str,
    system: &str,
    messages: impl Into<Messages>,
    key: String,
) -> Result<Prepared, ModelFailure> {
    let name: ModelName = model
        .parse()
        .map_err(|error| ModelFailure { kind: FailureKind::Unusable, message: format!("{error}") })?;
    let info = deps.models.info(&name);
    let request = Request {
        max_output_tokens: info
            .max_output_tokens
            .min(MAX_OUTPUT_TOKENS)
            .min((info.window_tokens / 2).max(256)),
        model: name,
        system: system.into(),
        tools: Arc::from([]),
        messages: messages.into(),
        choice: ToolChoice::Auto,
        call_id: key,
        temperature: None,
    };
    Ok(Prepared { request, info, weighs: 0 })
}

/// How a model call went.
pub enum Called {
    Answered(Box<Answer>, ModelCall),
    Failed(ModelFailure, Billed),
    /// It is not wanted any more; it may have been made all the same.
    Dropped(Billed),
}

/// One attempt, accounted for. Cancelling drops the connection.
pub async fn call(deps: &Deps, prepared: Prepared, purse: &Purse, cancel: &CancellationToken) -> Called {
    let worst = prepared.worst(&deps.models);
    let Prepared { request, info, .. } = prepared;
    if let Some(instead) = not_paid_for(&request.model, worst, purse, cancel).await {
        return instead;
    }
    let begun = deps.clock.now();
    let watch = ModelWatch::begin(deps, &request);
    let mut ignore = |_| {};
    let outcome = tokio::select! {
        outcome = watch.span.around(deps.models.call(&request, &mut ignore)) => Some(outcome),
        () = cancel.cancelled() => None,
    };
    let at_most = || if worst == Some(MicroUsd::ZERO) { Billed::Nothing } else { Billed::AtMost(worst) };
    let Some(outcome) = outcome else {
        watch.dropped();
        // The call is dropped. Its connection is closed by a task of its own: that goes first.
        for _ in 0..CLOSING_TURNS {
            tokio::task::yield_now().await;
        }
        return Called::Dropped(at_most());
    };
    let duration_ms = deps.clock.now().since(begun);
    match outcome {
        Ok(answer) => {
            let refused = answer.finish == Finish::Refused && answer.calls.is_empty();
            let as_asked = answer.model.parse().is_ok_and(|name: ModelName| name == request.model);
            let price =
                if as_asked { info.price } else { deps.models.price_of(&request.model, &answer.model) };
            let cost = price.map(|price| price.cost(&answer.usage));
            watch.answered(&answer, cost, refused);
            let model_call =
                ModelCall { model: answer.model.clone(), usage: answer.usage, cost, duration_ms };
            if refused {
                let said = shown(&answer.text);
                let message = format!("{}: the provider refused to answer: {said}", request.model);
                let failure = ModelFailure { kind: FailureKind::Refused, message };
                return Called::Failed(failure, Billed::Reported(model_call));
            }
            Called::Answered(Box::new(answer), model_call)
        }
        Err(error) => {
            // Not its message: that holds what the provider said, and some repeat the request.
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::warn!(model = %request.model, kind = ?error.kind, cause, "a model call failed");
            watch.failed(error.kind);
            let billed = match error.usage.filter(|_| !error.usage_is_guess) {
                Some(usage) => {
                    let cost = info.price.map(|price| price.cost(&usage));
                    watch.used(&usage, cost);
                    Billed::Reported(ModelCall { model: request.model.to_string(), usage, cost, duration_ms })
                }
                None if error.may_be_billed => at_most(),
                None => Billed::Nothing,
            };
            Called::Failed(failure(&request.model, error), billed)
        }
    }
}

/// Waits until the call's worst case is reserved; or gives what comes instead of the call.
async fn not_paid_for(
    model: &ModelName,
    worst: Option<MicroUsd>,
    purse: &Purse,
    cancel: &CancellationToken,
) -> Option<Called> {
    let leave = tokio::select! {
        biased;
        () = cancel.cancelled() => Leave::Refused,
        leave = purse.reserve(worst) => leave,
    };
    match leave {
        Leave::Granted => None,
        Leave::Refused => Some(Called::Dropped(Billed::Nothing)),
        Leave::NoPrice => {
            let failure = ModelFailure {
                kind: FailureKind::Unusable,
                message: format!(
                    "{model}: it has no known price, and the task has a budget; state one with MITEOS_PRICES"
                ),
            };
            Some(Called::Failed(failure, Billed::Nothing))
        }
    }
}

/// What a call without an answer leads to: its bill, and what the task makes of it.
pub fn unanswered(purse: &Purse, billed: Billed, then: Option<Command>) -> Vec<Command> {
    let bill = Command::ModelUnanswered { agent: purse.agent(), billed };
    std::iter::once(bill).chain(then).collect()
}

/// The beginning of what a provider said.
fn shown(text: &str) -> String {
    text.trim().chars().take(MAX_RAW_CHARS).collect()
}

fn failure(model: &ModelName, error: ModelError) -> ModelFailure {
    let kind = match error.kind {
        ErrorKind::RateLimited { retry_after_ms } | ErrorKind::Transient { retry_after_ms } => {
            FailureKind::Trouble { retry_after_ms }
        }
        ErrorKind::TooLong => FailureKind::TooLong,
        ErrorKind::Refused => FailureKind::Refused,
        ErrorKind::Auth | ErrorKind::Fatal => FailureKind::Unusable,
    };
    let name = model.to_string();
    let message =
        if error.message.contains(&name) { error.message } else { format!("{name}: {}", error.message) };
    ModelFailure { kind, message }
}

/// Storage failed under a model call: it is tried again like a provider's trouble.
pub fn storage_failure(error: &miteos_store::StoreError) -> ModelFailure {
    tracing::error!(error = %crate::errors::chain(error), "storage failed around a model call");
    ModelFailure {
        kind: FailureKind::Trouble { retry_after_ms: None },
        message: "the server's storage failed".to_owned(),
    }
}

/// The agent's next answer.
pub async fn next(deps: Arc<Deps>, mut owed: Call, cancel: CancellationToken) -> Vec<Command> {
    let (agent, step, heard) = (owed.agent, owed.step, owed.heard);
    let erred = |failure| Some(Command::ModelErred { agent, step, failure });
    let here = Circumstances {
        team: owed.team,
        code: deps.services.code.unavailable().is_none(),
        deploy: owed.may_deploy,
        small: owed.model.parse().is_ok_and(|name| deps.models.info(&name).small),
    };
    let offered = deps.registry.offered(owed.kind, here);
    let prepared = match prepare(&deps, &mut owed, here.small, Arc::clone(&offered)).await {
        Ok(prepared) => prepared,
        Err(failure) => return Vec::from_iter(erred(failure)),
    };
    match call(&deps, prepared, &owed.purse, &cancel).await {
        Called::Dropped(billed) => unanswered(&owed.purse, billed, None),
        Called::Failed(failure, billed) => unanswered(&owed.purse, billed, erred(failure)),
        Called::Answered(answer, model_call) => {
            let cut = answer.finish == Finish::Length;
            match take(&deps, &offered, *answer, &owed).await {
                Ok(Taken { text, calls, opaque, closing }) => {
                    vec![Command::ModelAnswered {
                        agent,
                        step,
                        heard,
                        text,
                        calls,
                        opaque,
                        cut,
                        closing,
                        model_call,
                    }]
                }
                Err(error) => {
                    let then = erred(storage_failure(&error));
                    unanswered(&owed.purse, Billed::Reported(model_call), then)
                }
            }
        }
    }
}

async fn prepare(
    deps: &Deps,
    owed: &mut Call,
    small: bool,
    offered: Arc<[ToolSpec]>,
) -> Result<Prepared, ModelFailure> {
    // Taken, not shared: once the request is gone the next turn is added without a copy.
    let draft = std::mem::take(&mut owed.draft);
    let mut messages = draft.load(deps).await.map_err(|e| storage_failure(&e))?;
    for words in &owed.inbox {
        let text = deps.text(words).await.map_err(|e| storage_failure(&e))?;
        messages.push(Message::User { text });
    }
    let key = format!("{}.{}", owed.agent, owed.step);
    let mut prepared = request(deps, &owed.model, &prompts::system(owed.kind, small), messages, key)?;
    prepared.request.tools = offered;
    prepared.weighs = owed.weighs;
    if owed.last {
        prepared.request.choice = ToolChoice::None;
    }
    Ok(prepared)
}

struct Taken {
    text: Content,
    calls: Vec<ProposedCall>,
    opaque: Option<Value>,
    closing: Option<Box<ProposedCall>>,
}

async fn take(
    deps: &Deps,
    offered: &[ToolSpec],
    answer: Answer,
    owed: &Call,
) -> Result<Taken, miteos_store::StoreError> {
    let text = deps.content(answer.text, None).await?;
    let mut calls = Vec::with_capacity(answer.calls.len());
    for call in answer.calls {
        let mut call = judge(deps, offered, call, owed.task).await?;
        if scripted::stands_for_outbound(&owed.model, &call.tool) {
            call.risk = call.risk.max(Risk::High);
        }
        calls.push(call);
    }
    let closing = match owed.closing.clone().filter(|_| calls.is_empty()) {
        Some(input) => closing::call(deps, owed.task, input).await?,
        None => None,
    };
    Ok(Taken { text, calls, opaque: answer.opaque, closing })
}

/// What the registry says of a call: what it can do, or why it cannot be made.
async fn judge(
    deps: &Deps,
    offered: &[ToolSpec],
    call: RequestedCall,
    task: TaskId,
) -> Result<ProposedCall, miteos_store::StoreError> {
    let (mut value, mut problem) = match call.arguments {
        Ok(value) => (value, None),
        Err(raw) => {
            let shown: String = raw.chars().take(MAX_RAW_CHARS).collect();
            let problem = format!("the arguments of {} are no JSON object; they began: {shown}", call.tool);
            (json!({ "not_json": shown }), Some(problem))
        }
    };
    let tool = deps.registry.get(&call.tool).filter(|_| offered.iter().any(|spec| spec.name == call.tool));
    if problem.is_none() {
        problem = match &tool {
            Some(_) => deps.registry.check(&call.tool, &value).err(),
            None => {
                let names: Vec<&str> = offered.iter().map(|spec| spec.name.as_str()).collect();
                Some(format!("you have no tool \"{}\"; you have: {}", call.tool, names.join(", ")))
            }
        };
    }
    if let (None, Some(tool)) = (&problem, &tool) {
        match tool.bind(task, value.clone()).await {
            Ok(bound) => value = bound,
            Err(error) => problem = Some(error.for_model()),
        }
    }
    let text = value.to_string();
    Ok(ProposedCall {
        risk: tool.map_or(Risk::Low, |tool| tool.risk(&value)),
        read_only: tool.is_some_and(|tool| tool.read_only()),
        retry: tool.map_or(RetryClass::Repeatable, |tool| tool.retry()),
        tool: call.tool,
        input_sha256: effects::input_hash(&text),
        input: deps.content(text, None).await?,
        problem,
    })
}

/// A summary of an agent's earlier turns, taken out of the task.
pub struct Summary {
    agent: AgentId,
    step: u32,
    turns: usize,
    model: String,
    work: Vec<Turn>,
    purse: Purse,
}

impl Summary {
    pub fn of(
        task: &Task,
        agent: AgentId,
        step: u32,
        retry: Retry,
        turns: usize,
        purse: Purse,
    ) -> Option<Self> {
        let agent: &Agent = task.agent(agent)?;
        let work = agent.turns.get(1..turns)?.to_vec();
        Some(Self {
            agent: agent.id,
            step,
            turns,
            model: model_at(&task.settings.models, retry)?,
            work,
            purse,
        })
    }
}

pub async fn summarise(deps: Arc<Deps>, owed: Summary, cancel: CancellationToken) -> Vec<Command> {
    let Summary { agent, step, turns, .. } = owed;
    let erred = |failure| Some(Command::ModelErred { agent, step, failure });
    let messages = vec![Message::User { text: conversation::as_text(&owed.work).into() }];
    let key = format!("{agent}.{step}.summary");
    let mut prepared = match request(&deps, &owed.model, prompts::SUMMARISER, messages, key) {
        Ok(prepared) => prepared,
        Err(failure) => return Vec::from_iter(erred(failure)),
    };
    prepared.request.choice = ToolChoice::None;
    prepared.request.max_output_tokens = prepared.request.max_output_tokens.min(MAX_SUMMARY_TOKENS);
    match call(&deps, prepared, &owed.purse, &cancel).await {
        Called::Dropped(billed) => unanswered(&owed.purse, billed, None),
        Called::Failed(failure, billed) => unanswered(&owed.purse, billed, erred(failure)),
        Called::Answered(answer, model_call) => {
            let text = format!("What was done so far, in short:\n{}", answer.text.trim());
            match deps.content(text, None).await {
                Ok(summary) => {
                    vec![Command::SummaryAnswered { agent, step, turns, summary, model_call }]
                }
                Err(error) => {
                    let then = erred(storage_failure(&error));
                    unanswered(&owed.purse, Billed::Reported(model_call), then)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use miteos_core::money::Price;
    use miteos_models::ModelsConfig;

    use super::*;

    #[test]
    fn what_the_provider_has_counted_is_not_undercut() {
        let models = Models::new(ModelsConfig::default());
        let model: ModelName = "openai/gpt-5".parse().unwrap();
        let price = Price { input: 1_000_000, output: 2_000_000, cache_read: None, cache_write: None };
        let info = ModelInfo { price: Some(price), ..models.info(&model) };
        let request = Request {
            model,
            system: "be short".into(),
            tools: Arc::from([]),
            messages: vec![Message::User { text: "hello".into() }].into(),
            choice: ToolChoice::Auto,
            max_output_tokens: 10,
            call_id: "c".into(),
            temperature: None,
        };
        let worst = |weighs| {
            let request = request.clone();
            Prepared { request, info, weighs }.worst(&models)
        };
        let guess = models.prompt_tokens(&request);
        assert_eq!(worst(0), Some(price.worst_case(guess, 10)));
        assert_eq!(worst(guess - 1), worst(0));
        assert_eq!(worst(50_000), Some(price.worst_case(50_000, 10)));
    }
}
