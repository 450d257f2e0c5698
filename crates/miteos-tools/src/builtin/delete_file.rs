//! `delete_file`: removes a file, a link or a folder. Repeatable after a crash by a receipt, written before anything is
//! removed: the same call that finds nothing, and its receipt, has done its work.

use std::sync::Arc;

use async_trait::async_trait;
use miteos_core::tool::{RetryClass, Risk};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::edit_file::RECEIPTS;
use super::{Declared, EVERYBODY, Work, arguments, declare};
use crate::tool::{Tool, ToolContext, ToolError, ToolOutput};
use crate::workspace::{FileKind, Name, Workspace, WorkspaceError};

#[derive(Deserialize)]
struct Input {
    path: String,
    #[serde(default)]
    recursive: bool,
}

/// What a receipt holds: the name that the call was about to remove.
#[derive(Serialize, Deserialize)]
struct Receipt {
    deletes: String,
}

struct DeleteFile;

pub(super) fn tool() -> Arc<dyn Tool> {
    let schema = json!({
        "type": "object",
        "properties": {
            "path": {"type": "string", "minLength": 1, "maxLength": 4096, "description": "File or empty folder of the workspace."},
            "recursive": {"type": "boolean", "description": "Delete a folder with everything in it. Default false."},
        },
        "required": ["path"],
        "additionalProperties": false,
    });
    declare(
        Declared {
            name: "delete_file",
            description: "Delete a file or a folder of the workspace.",
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
        let Input { path, recursive } = arguments(input)?;
        let (workspace, call) = (ctx.workspace.clone(), ctx.call_id.to_string());
        ctx.blocking("deleted a file", move || {
            let name = Name::parse(&path)?;
            let _turn = workspace.take_turn();
            match delete(&workspace, &call, &name, recursive) {
                Err(ToolError::Failed(_)) if done_before(&workspace, &call, &name) => {}
                other => other?,
            }
            Ok(format!("deleted {name}").into())
        })
        .await
    }
}

fn delete(workspace: &Workspace, call: &str, name: &Name, recursive: bool) -> Result<(), ToolError> {
    workspace.may_write(name)?;
    // Looked at first, so that a receipt is only written for something that was there.
    let kind = workspace.kind(name)?;
    let receipt = serde_json::to_vec(&Receipt { deletes: name.as_str().to_owned() })
        .map_err(ToolError::internal("wrote the receipt of a deletion"))?;
    workspace.write_private(RECEIPTS, call, &receipt)?;
    let deleted = match kind {
        FileKind::Folder if recursive => workspace.delete_tree(name),
        FileKind::Folder | FileKind::File | FileKind::Link | FileKind::Special => workspace.delete(name),
    };
    match deleted {
        Err(WorkspaceError::NotEmpty { .. }) if !recursive => Err(ToolError::Failed(format!(
            "the folder \"{name}\" is not empty; set recursive to true to delete it with everything in it"
        ))),
        other => Ok(other?),
    }
}

/// Whether an earlier attempt of this call has removed it and could not say so.
fn done_before(workspace: &Workspace, call: &str, name: &Name) -> bool {
    matches!(workspace.kind(name), Err(WorkspaceError::NotFound { .. }))
        && workspace
            .read_private(RECEIPTS, call)
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .is_some_and(|receipt: Receipt| receipt.deletes == name.as_str())
}
