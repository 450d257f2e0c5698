//! `write_file`: a whole file, new or in place of an old one. The same again is the same.

use std::sync::Arc;

use async_trait::async_trait;
use miteos_core::tool::{RetryClass, Risk};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Declared, EVERYBODY, Work, arguments, declare};
use crate::tool::{Tool, ToolContext, ToolError, ToolOutput};
use crate::workspace::Name;

/// Longer contents are refused (characters).
const MAX_CONTENT_CHARS: usize = 3 * 1024 * 1024;

#[derive(Deserialize)]
struct Input {
    path: String,
    content: String,
}

struct WriteFile;

pub(super) fn tool() -> Arc<dyn Tool> {
    let schema = json!({
        "type": "object",
        "properties": {
            "path": {"type": "string", "minLength": 1, "maxLength": 4096, "description": "File of the workspace, such as src/main.py. Folders are made."},
            "content": {"type": "string", "maxLength": MAX_CONTENT_CHARS, "description": "The whole content."},
        },
        "required": ["path", "content"],
        "additionalProperties": false,
    });
    declare(
        Declared {
            name: "write_file",
            description: "Write a whole file in the workspace, replacing an older one. To change a part, use edit_file.",
            schema,
            agents: &EVERYBODY,
            risk: Risk::Medium,
            read_only: false,
            retry: RetryClass::Repeatable,
        },
        WriteFile,
    )
}

#[async_trait]
impl Work for WriteFile {
    async fn run(&self, ctx: &ToolContext, input: Value) -> Result<ToolOutput, ToolError> {
        let Input { path, content } = arguments(input)?;
        let workspace = ctx.workspace.clone();
        ctx.blocking("wrote a file", move || {
            let name = Name::parse(&path)?;
            let _turn = workspace.take_turn();
            workspace.write(&name, content.as_bytes())?;
            Ok(format!("wrote {name} ({} bytes)", content.len()).into())
        })
        .await
    }
}
