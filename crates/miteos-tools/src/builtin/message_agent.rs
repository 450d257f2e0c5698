//! `message_agent`: a word to another agent of the same task. The task delivers it; here it is only checked.

use std::sync::Arc;

use async_trait::async_trait;
use miteos_core::event::Recipient;
use miteos_core::ids::AgentId;
use miteos_core::tool::{RetryClass, Risk};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Declared, EVERYBODY, Work, arguments, declare};
use crate::tool::{Needs, Tool, ToolContext, ToolEffect, ToolError, ToolOutput};

const MAX_TEXT_CHARS: usize = 4000;

#[derive(Deserialize)]
struct Input {
    agent_id: String,
    text: String,
}

struct MessageAgent;

pub(super) fn tool() -> Arc<dyn Tool> {
    let schema = json!({
        "type": "object",
        "properties": {
            "agent_id": {"type": "string", "minLength": 1, "maxLength": 64, "description": "The agent's id, such as agnt_01…, or all."},
            "text": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT_CHARS},
        },
        "required": ["agent_id", "text"],
        "additionalProperties": false,
    });
    declare(
        Declared {
            name: "message_agent",
            description: "Tell another agent of this task, or all of them, something they need to know. Gives no answer.",
            schema,
            agents: &EVERYBODY,
            risk: Risk::Low,
            read_only: false,
            retry: RetryClass::Repeatable,
        },
        MessageAgent,
    )
}

#[async_trait]
impl Work for MessageAgent {
    fn needs(&self) -> Needs {
        Needs::Team
    }

    async fn run(&self, ctx: &ToolContext, input: Value) -> Result<ToolOutput, ToolError> {
        let Input { agent_id, text } = arguments(input)?;
        let to = if agent_id == "all" {
            Recipient::All
        } else {
            let agent: AgentId =
                agent_id.parse().map_err(|error| ToolError::Failed(format!("{error}; or write all")))?;
            if agent == ctx.agent {
                return Err(ToolError::failed("agent_id is your own; name another agent or write all"));
            }
            Recipient::Agent(agent)
        };
        let said = match to {
            Recipient::All => "sent to all other agents".to_owned(),
            Recipient::Agent(agent) => format!("sent to {agent}"),
        };
        Ok(ToolOutput { text: said, effects: vec![ToolEffect::Message { to, text }] })
    }
}
