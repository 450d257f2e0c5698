//! The model of test mode: no network, no cost, always the same answer to the same request.
//!
//! What it does is read from the conversation alone. The task's prompt stands in the first user message and may hold
//! directives such as `[test:agents=5]`; the plan that it submits puts marks of its own into the nodes' prompts
//! (`[test:node=2/5]`, `[test:replacement]`), by which an agent knows which one it is. The only thing that it does
//! with time is to wait where `[test:slow=30s]` asks for it.

mod directives;
mod plan;
mod sample;
mod work;

use std::time::Duration;

use async_trait::async_trait;
use miteos_core::chat::guess_tokens;
use miteos_core::money::Usage;
use serde_json::Value;

use self::directives::Directives;
use crate::call::{Answer, Delta, Finish, Message, Request, RequestedCall, ToolChoice};
use crate::cloud::request_bytes;
use crate::error::{ErrorKind, ModelError};
use crate::name::ModelName;
use crate::provider::{Offered, Provider};

/// The provider's name.
pub const PROVIDER: &str = "test";
/// The model that costs nothing.
pub const MODEL: &str = "scripted";
/// The same with a price, so that a budget can run out: for prompts with `[test:budget]`.
pub const PRICED_MODEL: &str = "scripted-priced";
/// The most nodes that `[test:agents=N]` makes; no plan has more.
pub const MAX_AGENTS: usize = miteos_core::plan::MAX_NODES;
/// The longest that `[test:slow=…]` waits.
pub const MAX_SLOW: Duration = Duration::from_secs(600);
/// The largest file that `[test:deliverable=…]` writes.
pub const MAX_DELIVERABLE_BYTES: usize = 3 << 20;
/// What a call is said to have taken under `[test:budget]`: a thousand dollars at the price of the priced model.
pub const BUDGET_TOKENS: u64 = 1_000_000_000;

const WINDOW_TOKENS: u32 = 200_000;
const MAX_OUTPUT_TOKENS: u32 = 2_000_000;
/// Answers are streamed in pieces of this many characters.
const PIECE_CHARS: usize = 24;

/// The model that a test task with this prompt runs on.
pub fn model_for(prompt: &str) -> Result<ModelName, crate::name::InvalidModelName> {
    let model = if Directives::read(prompt).budget { PRICED_MODEL } else { MODEL };
    ModelName::new(PROVIDER, model)
}

/// Whether a call stands for one that leaves the workspace: what `[test:approval]` asks for, done with the tool that is
/// there. Then it counts as that risky, so that a person is asked at the usual dial.
pub fn stands_for_outbound(model: &str, tool: &str) -> bool {
    let is_ours = model.split_once('/').is_some_and(|(provider, _)| provider == PROVIDER);
    is_ours && tool == work::STAND_IN
}

/// The provider of test mode.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scripted;

#[async_trait]
impl Provider for Scripted {
    async fn call(
        &self,
        request: &Request,
        on_delta: &mut (dyn FnMut(Delta) + Send),
    ) -> Result<Answer, ModelError> {
        let script = Script::read(request)?;
        if let Some(wait) = script.wait() {
            tokio::time::sleep(wait).await;
        }
        let answer = script.answer()?;
        stream(&answer, on_delta);
        Ok(answer)
    }

    fn offered(&self) -> Vec<Offered> {
        let offered = |model: &str| Offered {
            model: model.to_owned(),
            window_tokens: WINDOW_TOKENS,
            max_output_tokens: MAX_OUTPUT_TOKENS,
            price: None,
            local: true,
            here: true,
            small: false,
        };
        vec![offered(MODEL), offered(PRICED_MODEL)]
    }
}

fn stream(answer: &Answer, on_delta: &mut (dyn FnMut(Delta) + Send)) {
    let letters: Vec<char> = answer.text.chars().collect();
    for piece in letters.chunks(PIECE_CHARS) {
        on_delta(Delta::Text(piece.iter().collect()));
    }
    for call in &answer.calls {
        on_delta(Delta::ToolName(call.tool.clone()));
    }
}

/// What an answer consists of before it is counted.
#[derive(Debug, Default)]
struct Draft {
    text: String,
    calls: Vec<(String, Value)>,
}

/// A request as the script understands it.
struct Script<'a> {
    request: &'a Request,
    /// The first user message, where the task's prompt stands.
    prompt: &'a str,
    directives: Directives,
}

impl<'a> Script<'a> {
    fn read(request: &'a Request) -> Result<Self, ModelError> {
        check_conversation(request)?;
        let first = request.messages.iter().find_map(|message| match message {
            Message::User { text } => Some(&**text),
            Message::Assistant { .. } | Message::ToolResult { .. } => None,
        });
        let Some(prompt) = first else { return Err(broken("it has no user message")) };
        Ok(Self { request, prompt, directives: Directives::read(prompt) })
    }

    /// Only an agent's first step is slow, so that a task takes about as long as was asked for.
    fn wait(&self) -> Option<Duration> {
        let is_agent = !matches!(self.request.choice, ToolChoice::Force(_));
        let is_first = self.request.messages.iter().all(|message| matches!(message, Message::User { .. }));
        self.directives.slow.filter(|_| is_agent && is_first)
    }

    fn answer(&self) -> Result<Answer, ModelError> {
        let draft = match &self.request.choice {
            ToolChoice::Force(function) => self.forced(function)?,
            ToolChoice::Auto | ToolChoice::None => {
                self.fail_if_told_to()?;
                work::step(self)
            }
        };
        Ok(self.finished(draft))
    }

    fn forced(&self, function: &str) -> Result<Draft, ModelError> {
        let Some(tool) = self.request.tools.iter().find(|tool| tool.name == function) else {
            return Err(broken(&format!("it forces the function {function}, which is not among its tools")));
        };
        let arguments = match function {
            plan::SUBMIT_PLAN => plan::submit_plan(self),
            plan::SUBMIT_RESULT => plan::submit_result(self),
            _ => sample::value(&tool.schema, function, "sample"),
        };
        Ok(Draft { text: String::new(), calls: vec![(function.to_owned(), arguments)] })
    }

    fn fail_if_told_to(&self) -> Result<(), ModelError> {
        let node = &self.directives;
        let why = if node.fail {
            "the prompt says [test:fail]"
        } else if node.agent_error && node.node.is_none_or(|(nth, _)| nth == 1) && !node.replacement {
            "the prompt says [test:agent_error]"
        } else {
            return Ok(());
        };
        Err(ModelError::new(ErrorKind::Fatal, format!("the scripted model fails, because {why}")))
    }

    fn finished(&self, draft: Draft) -> Answer {
        let calls: Vec<_> = draft.calls;
        let written =
            draft.text.len() + calls.iter().map(|(_, arguments)| arguments.to_string().len()).sum::<usize>();
        let usage = if self.directives.budget {
            Usage { input: BUDGET_TOKENS / 2, output: BUDGET_TOKENS / 2, ..Usage::default() }
        } else {
            let input = guess_tokens(request_bytes(self.request));
            Usage { input, output: guess_tokens(written as u64), ..Usage::default() }
        };
        Answer {
            finish: if calls.is_empty() { Finish::Stop } else { Finish::ToolCalls },
            calls: calls
                .into_iter()
                .map(|(tool, value)| RequestedCall { tool, arguments: Ok(value) })
                .collect(),
            text: draft.text,
            opaque: None,
            usage,
            model: self.request.model.to_string(),
        }
    }

    /// How many tool calls the conversation holds.
    fn calls_made(&self) -> impl Iterator<Item = &str> {
        self.request
            .messages
            .iter()
            .flat_map(|message| match message {
                Message::Assistant { calls, .. } => calls.as_slice(),
                Message::User { .. } | Message::ToolResult { .. } => &[],
            })
            .map(|call| call.tool.as_str())
    }

    fn offers(&self, tool: &str) -> bool {
        self.request.tools.iter().any(|offered| offered.name == tool)
    }
}

/// Every result answers a call before it, every call is answered before the next turn: what a real provider would
/// refuse, test mode refuses too.
fn check_conversation(request: &Request) -> Result<(), ModelError> {
    let mut open: Vec<&str> = Vec::new();
    for message in &request.messages {
        match message {
            Message::ToolResult { call_id, tool, .. } => match open.iter().position(|id| id == call_id) {
                Some(at) => drop(open.remove(at)),
                None => return Err(broken(&format!("a result of {tool} answers no open call"))),
            },
            Message::User { .. } | Message::Assistant { .. } if !open.is_empty() => {
                return Err(broken(&format!("{} calls of a turn have no result", open.len())));
            }
            Message::Assistant { calls, .. } => open = calls.iter().map(|call| call.id.as_str()).collect(),
            Message::User { .. } => {}
        }
    }
    if open.is_empty() { Ok(()) } else { Err(broken("the last turn's calls have no results")) }
}

fn broken(why: &str) -> ModelError {
    ModelError::new(ErrorKind::Fatal, format!("the conversation cannot be continued: {why}"))
}

#[cfg(test)]
mod tests;
