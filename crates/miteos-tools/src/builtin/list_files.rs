//! `list_files`: what lies in the workspace.

use std::sync::Arc;

use async_trait::async_trait;
use miteos_core::tool::{RetryClass, Risk};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Declared, EVERYBODY, MAX_FILE_RESULT_BYTES, Work, arguments, declare};
use crate::tool::{Tool, ToolContext, ToolError, ToolOutput};
use crate::workspace::{Entry, FileKind, Name, WalkLimits};

const DEFAULT_LIMIT: usize = 200;
const MAX_LIMIT: usize = 1000;
/// Room for the closing line (bytes).
const NOTE_BYTES: usize = 128;

#[derive(Deserialize)]
struct Input {
    path: Option<String>,
    limit: Option<usize>,
}

struct ListFiles;

pub(super) fn tool() -> Arc<dyn Tool> {
    let schema = json!({
        "type": "object",
        "properties": {
            "path": {"type": "string", "maxLength": 4096, "description": "Folder to list. Default: the whole workspace."},
            "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "description": "Most names to show. Default 200."},
        },
        "additionalProperties": false,
    });
    declare(
        Declared {
            name: "list_files",
            description: "List the files of the workspace with their sizes, folders included, sorted by name.",
            schema,
            agents: &EVERYBODY,
            risk: Risk::Low,
            read_only: true,
            retry: RetryClass::Repeatable,
        },
        ListFiles,
    )
}

#[async_trait]
impl Work for ListFiles {
    async fn run(&self, ctx: &ToolContext, input: Value) -> Result<ToolOutput, ToolError> {
        let Input { path, limit } = arguments(input)?;
        let workspace = ctx.workspace.clone();
        ctx.blocking("listed files", move || {
            let folder = Name::folder(path.as_deref().unwrap_or_default())?;
            let limits =
                WalkLimits { max_entries: limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT), skip_heavy: true };
            let listing = workspace.list(&folder, limits)?;
            let mut text = String::new();
            let mut shown = 0;
            for entry in &listing.entries {
                let line = line(entry);
                if text.len() + line.len() > MAX_FILE_RESULT_BYTES - NOTE_BYTES {
                    break;
                }
                text.push_str(&line);
                shown += 1;
            }
            if shown < listing.entries.len() || listing.truncated {
                text.push_str("[there is more; give the path of a folder to see what is in it]\n");
            }
            if text.is_empty() {
                text.push_str("(no files)\n");
            }
            Ok(text.into())
        })
        .await
    }
}

fn line(entry: &Entry) -> String {
    let name = &entry.name;
    match entry.kind {
        FileKind::File => format!("{name} ({} bytes)\n", entry.bytes),
        FileKind::Folder => format!("{name}/\n"),
        FileKind::Link => format!("{name} (link)\n"),
        FileKind::Special => format!("{name} (special, cannot be read)\n"),
    }
}
