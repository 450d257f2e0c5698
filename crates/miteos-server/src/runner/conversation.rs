//! An agent's turns as messages for a model. Built on as the conversation grows, never from the start again, so that
//! a step costs the same however long the conversation is.

use std::collections::HashMap;
use std::sync::Arc;

use miteos_core::agent::Agent;
use miteos_core::chat::{ResultRecord, Turn};
use miteos_core::content::Content;
use miteos_core::ids::AgentId;
use miteos_models::{CallRef, Message, Messages};
use miteos_store::StoreError;

use super::Deps;

/// Messages made so far, by agent.
#[derive(Default)]
pub struct Conversations(HashMap<AgentId, Known>);

struct Known {
    epoch: u32,
    turns: usize,
    draft: Draft,
}

/// Messages without the long texts that lie in the blob store. A clone costs nothing.
#[derive(Clone, Default)]
pub struct Draft {
    messages: Messages,
    missing: Arc<Vec<Missing>>,
}

/// A text that is read from the blob store for each call, and not kept in memory in between.
#[derive(Clone)]
struct Missing {
    message: usize,
    part: Part,
    content: Content,
}

#[derive(Clone, Copy)]
enum Part {
    Text,
    /// The arguments of this call.
    Arguments(usize),
}

impl Conversations {
    pub fn forget(&mut self, agent: AgentId) {
        self.0.remove(&agent);
    }

    /// The agent's turns as messages, without its inbox.
    pub fn of(&mut self, agent: &Agent) -> Draft {
        let afresh = || Known { epoch: agent.history_epoch, turns: 0, draft: Draft::default() };
        let known = self.0.entry(agent.id).or_insert_with(afresh);
        if known.epoch != agent.history_epoch || known.turns > agent.turns.len() {
            *known = afresh();
        }
        for turn in agent.turns.iter().skip(known.turns) {
            known.draft.push(turn);
        }
        known.turns = agent.turns.len();
        known.draft.clone()
    }
}

impl Draft {
    fn push(&mut self, turn: &Turn) {
        match turn {
            Turn::User { text } => {
                let text = self.text(text, Part::Text);
                self.messages.push(Message::User { text });
            }
            Turn::Assistant { text, calls, opaque } => {
                let text = self.text(text, Part::Text);
                let made = calls.iter().enumerate().map(|(nth, call)| CallRef {
                    id: call.call.to_string(),
                    tool: call.tool.clone(),
                    arguments: self.text(&call.input, Part::Arguments(nth)),
                });
                let calls = made.collect();
                self.messages.push(Message::Assistant { text, calls, opaque: opaque.clone() });
            }
            Turn::Results { results } => self.messages.extend(results.iter().map(result)),
        }
    }

    /// A text of the next message; an empty one if it is to be read later.
    fn text(&mut self, content: &Content, part: Part) -> Arc<str> {
        match content {
            Content::Inline(text) => text.as_str().into(),
            Content::Stored { .. } => {
                let (message, content) = (self.messages.len(), content.clone());
                Arc::make_mut(&mut self.missing).push(Missing { message, part, content });
                Arc::from("")
            }
        }
    }

    /// The messages with all texts in them.
    pub async fn load(self, deps: &Deps) -> Result<Messages, StoreError> {
        let mut messages = self.messages;
        for missing in self.missing.iter() {
            let whole = deps.text(&missing.content).await?;
            match (messages.get_mut(missing.message), missing.part) {
                (Some(Message::User { text } | Message::Assistant { text, .. }), Part::Text) => *text = whole,
                (Some(Message::Assistant { calls, .. }), Part::Arguments(nth)) => {
                    if let Some(call) = calls.get_mut(nth) {
                        call.arguments = whole;
                    }
                }
                // Results are shown by their ends and have no text elsewhere.
                (Some(Message::User { .. } | Message::ToolResult { .. }) | None, _) => {}
            }
        }
        Ok(messages)
    }
}

fn result(record: &ResultRecord) -> Message {
    let mut text = record.output.abridged();
    if let Some(hint) = &record.hint {
        text.push_str("\n\n[");
        text.push_str(hint);
        text.push(']');
    }
    Message::ToolResult {
        call_id: record.call.to_string(),
        tool: record.tool.clone(),
        text: text.into(),
        is_error: !record.ok,
    }
}

/// Turns as plain text, for the model that summarises them.
pub fn as_text(turns: &[Turn]) -> String {
    let mut text = String::new();
    for turn in turns {
        match turn {
            Turn::User { text: said } => text.push_str(&format!("[to the agent]\n{}\n\n", said.abridged())),
            Turn::Assistant { text: said, calls, .. } => {
                text.push_str(&format!("[the agent]\n{}\n", said.abridged()));
                for call in calls {
                    text.push_str(&format!("calls {} with {}\n", call.tool, call.input.abridged()));
                }
                text.push('\n');
            }
            Turn::Results { results } => {
                for result in results {
                    text.push_str(&format!("[result of {}]\n{}\n\n", result.tool, result.output.abridged()));
                }
            }
        }
    }
    text
}
