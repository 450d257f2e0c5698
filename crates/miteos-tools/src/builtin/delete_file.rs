//! `delete_file`: removes a file, a link or an empty folder. A second attempt that finds nothing has done its work.

use std::sync::Arc;

use async_trait::async_trait;
use miteos_core::tool::{RetryClass, Risk};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Declared, EVERYBODY, Work, arguments, declare};
use crate::tool::{Tool, ToolContext, ToolError, ToolOutput};
use crate::workspace::{Name, WorkspaceError};

#[derive(Deserialize)]
struct Input {
    path: String,
}

struct DeleteFile;

pub(super) fn tool() -> Arc<dyn Tool> {
    let schema = json!({
        "type": "object",
        "properties": {
            "path": {"type": "string", "minLength": 1, "maxLength": 4096, "description": "File or empty folder of the workspace."},
        },
        "required": ["path"],
        "additionalProperties": false,
    });
    declare(
        Declared {
            name: "delete_file",
            description: "Delete a file or an empty folder of the workspace.",
            schema,
            agents: &EVERYBODY,
            risk: Risk::Medium,
            read_only: false,
            retry: RetryClass::Repeatable,
        },
        DeleteFile,
    )
}

#[async_trait]
impl Work for DeleteFile {
    async fn run(&self, ctx: &ToolContext, input: Value) -> Result<ToolOutput, ToolError> {
        let Input { path } = arguments(input)?;
        let (workspace, attempt) = (ctx.workspace.clone(), ctx.attempt);
        ctx.blocking("deleted a file", move || {
            let name = Name::parse(&path)?;
            let _turn = workspace.take_turn();
            match workspace.delete(&name) {
                // The first attempt deleted it and could not say so.
                Err(WorkspaceError::NotFound { .. }) if attempt > 1 => {}
                other => other?,
            }
            Ok(format!("deleted {name}").into())
        })
        .await
    }
}
