//! All tools by name: which agent is offered which, and whether arguments fit. Knows no tool's inside.

mod words;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jsonschema::Validator;
use miteos_core::tool::{AgentType, ToolSpec};
use serde_json::Value;

use crate::builtin;
use crate::tool::{Circumstances, Tool};

/// Arguments bigger than this are refused unread (bytes of JSON).
pub const MAX_INPUT_BYTES: usize = 4 * 1024 * 1024;
/// At most this many things that are wrong are named at once.
const MAX_NAMED_FAULTS: usize = 5;

/// What a small model does without: it takes these in place of the tool that it needs.
const TOO_MUCH_FOR_SMALL_MODELS: [&str; 6] =
    ["search_files", "edit_file", "delete_file", "message_agent", "remember", "recall"];

/// The tools of a process. Made once; never changes.
pub struct Registry {
    tools: BTreeMap<String, Registered>,
    offered: HashMap<(AgentType, Circumstances), Arc<[ToolSpec]>>,
}

struct Registered {
    tool: Arc<dyn Tool>,
    validator: Validator,
}

/// A tool that cannot be registered.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("two tools are called {0}; give one another name")]
    Twice(String),
    #[error("\"{0}\" cannot be a tool's name; use 1 to 64 of a-z A-Z 0-9 _ -")]
    Name(String),
    #[error("the argument schema of {tool} is not a valid JSON Schema: {reason}")]
    Schema { tool: String, reason: String },
}

impl Registry {
    /// The tools that need nothing but what every server has.
    pub fn builtin() -> Self {
        // The schemas are this crate's own, and a test builds this very list.
        Self::new(builtin::all()).unwrap_or_else(|error| {
            tracing::error!(%error, "the built-in tools do not register; none is offered");
            Self { tools: BTreeMap::new(), offered: HashMap::new() }
        })
    }

    /// The built-in tools and more behind them.
    pub fn with(more: Vec<Arc<dyn Tool>>) -> Result<Self, RegistryError> {
        Self::new(builtin::all().into_iter().chain(more).collect())
    }

    /// A registry of these tools, offered in this order.
    pub fn new(list: Vec<Arc<dyn Tool>>) -> Result<Self, RegistryError> {
        let offered = AgentType::ALL
            .into_iter()
            .flat_map(|agent| Circumstances::all().map(move |here| (agent, here)))
            .map(|(agent, here)| {
                let of_use = |tool: &&Arc<dyn Tool>| {
                    let name = tool.spec().name.as_str();
                    tool.agents().contains(&agent)
                        && here.meet(tool.needs())
                        && !(here.small && TOO_MUCH_FOR_SMALL_MODELS.contains(&name))
                };
                let theirs = list.iter().filter(of_use);
                ((agent, here), theirs.map(|tool| tool.spec().clone()).collect())
            })
            .collect();
        let mut tools = BTreeMap::new();
        for tool in list {
            let spec = tool.spec();
            let name = spec.name.clone();
            if !is_tool_name(&name) {
                return Err(RegistryError::Name(name));
            }
            let validator = jsonschema::options()
                .build(&spec.schema)
                .map_err(|error| RegistryError::Schema { tool: name.clone(), reason: error.to_string() })?;
            if tools.insert(name.clone(), Registered { tool, validator }).is_some() {
                return Err(RegistryError::Twice(name));
            }
        }
        Ok(Self { tools, offered })
    }

    pub fn get(&self, name: &str) -> Option<&Arc<dyn Tool>> {
        self.tools.get(name).map(|registered| &registered.tool)
    }

    /// What this kind of agent may use where it works: the same list, in the same order, at every call.
    pub fn offered(&self, agent: AgentType, here: Circumstances) -> Arc<[ToolSpec]> {
        self.offered.get(&(agent, here)).map_or_else(|| Arc::from([]), Arc::clone)
    }

    /// Whether the arguments fit the tool's schema; if not, in words that a model can act on.
    pub fn check(&self, name: &str, input: &Value) -> Result<(), String> {
        let Some(registered) = self.tools.get(name) else {
            let known: Vec<&str> = self.tools.keys().map(String::as_str).collect();
            return Err(format!("there is no tool \"{name}\"; there are: {}", known.join(", ")));
        };
        if let Some(bytes) = too_big(input) {
            return Err(format!("the arguments have {bytes} bytes; at most {MAX_INPUT_BYTES} are taken"));
        }
        let faults: Vec<String> = registered
            .validator
            .iter_errors(input)
            .take(MAX_NAMED_FAULTS)
            .map(|e| words::fault(&e))
            .collect();
        if faults.is_empty() {
            return Ok(());
        }
        let usage = words::usage(&registered.tool.spec().schema);
        Err(format!("wrong arguments for {name}: {}. {usage}", faults.join("; ")))
    }
}

fn is_tool_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn too_big(input: &Value) -> Option<usize> {
    let bytes = text_bytes(input);
    (bytes > MAX_INPUT_BYTES).then_some(bytes)
}

/// About as many bytes as the JSON has, without writing it.
fn text_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| text_bytes(item) + 1).sum::<usize>() + 2,
        Value::Object(fields) => {
            fields.iter().map(|(key, item)| key.len() + 4 + text_bytes(item)).sum::<usize>() + 2
        }
    }
}

#[cfg(test)]
mod tests;
