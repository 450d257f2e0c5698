//! An agent's turns as messages for a model. Built on as the conversation grows, never from the start again, so that
//! a step costs the same however long the conversation is.

use std::collections::HashMap;
use std::sync::Arc;

use miteos_core::agent::Agent;
use miteos_core::chat::{ResultRecord, Turn};
use miteos_core::content::Content;
use miteos_core::ids::AgentId;
use miteos_models::{CallRef, Message};
use miteos_store::StoreError;

use super::Deps;

/// Messages made so far, by agent.
#[derive(Default)]
pub struct Conversations(HashMap<AgentId, Known>);

struct Known {
    epoch: u32,
    turns: usize,
    messages: Arc<Vec<Draft>>,
}

/// A message whose long texts may still lie in the blob store.
#[derive(Clone)]
pub enum Draft {
    User(Text),
    Assistant { text: Text, calls: Vec<(String, String, Text)>, opaque: Option<serde_json::Value> },
    Result { call: String, tool: String, text: Arc<str>, is_error: bool },
}

#[derive(Clone)]
pub enum Text {
    Here(Arc<str>),
    Stored(Content),
}

impl Text {
    fn of(content: &Content) -> Self {
        match content {
            Content::Inline(text) => Self::Here(text.as_str().into()),
            Content::Stored { .. } => Self::Stored(content.clone()),
        }
    }

    async fn load(&self, deps: &Deps) -> Result<Arc<str>, StoreError> {
        match self {
            Self::Here(text) => Ok(Arc::clone(text)),
            Self::Stored(content) => deps.text(content).await,
        }
    }
}

impl Conversations {
    pub fn forget(&mut self, agent: AgentId) {
        self.0.remove(&agent);
    }

    /// The agent's turns as messages, without its inbox.
    pub fn of(&mut self, agent: &Agent) -> Arc<Vec<Draft>> {
        let known = self.0.entry(agent.id).or_insert_with(|| Known {
            epoch: agent.history_epoch,
            turns: 0,
            messages: Arc::default(),
        });
        if known.epoch != agent.history_epoch || known.turns > agent.turns.len() {
            *known = Known { epoch: agent.history_epoch, turns: 0, messages: Arc::default() };
        }
        let messages = Arc::make_mut(&mut known.messages);
        for turn in agent.turns.iter().skip(known.turns) {
            push(turn, messages);
        }
        known.turns = agent.turns.len();
        Arc::clone(&known.messages)
    }
}

fn push(turn: &Turn, messages: &mut Vec<Draft>) {
    match turn {
        Turn::User { text } => messages.push(Draft::User(Text::of(text))),
        Turn::Assistant { text, calls, opaque } => messages.push(Draft::Assistant {
            text: Text::of(text),
            calls: calls.iter().map(|c| (c.call.to_string(), c.tool.clone(), Text::of(&c.input))).collect(),
            opaque: opaque.clone(),
        }),
        Turn::Results { results } => messages.extend(results.iter().map(result)),
    }
}

fn result(record: &ResultRecord) -> Draft {
    let mut text = record.output.abridged();
    if let Some(hint) = &record.hint {
        text.push_str("\n\n[");
        text.push_str(hint);
        text.push(']');
    }
    Draft::Result {
        call: record.call.to_string(),
        tool: record.tool.clone(),
        text: text.into(),
        is_error: !record.ok,
    }
}

/// The messages with all texts in them.
pub async fn load(deps: &Deps, drafts: &[Draft]) -> Result<Vec<Message>, StoreError> {
    let mut messages = Vec::with_capacity(drafts.len());
    for draft in drafts {
        messages.push(match draft {
            Draft::User(text) => Message::User { text: text.load(deps).await? },
            Draft::Assistant { text, calls, opaque } => {
                let mut refs = Vec::with_capacity(calls.len());
                for (id, tool, arguments) in calls {
                    refs.push(CallRef {
                        id: id.clone(),
                        tool: tool.clone(),
                        arguments: arguments.load(deps).await?,
                    });
                }
                Message::Assistant { text: text.load(deps).await?, calls: refs, opaque: opaque.clone() }
            }
            Draft::Result { call, tool, text, is_error } => Message::ToolResult {
                call_id: call.clone(),
                tool: tool.clone(),
                text: Arc::clone(text),
                is_error: *is_error,
            },
        });
    }
    Ok(messages)
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
