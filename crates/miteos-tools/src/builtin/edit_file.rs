//! `edit_file`: replaces a text in a file. Repeatable after a crash by a receipt, written before the file is, that
//! says what the file was and became: the same call finds it and knows whether it has been applied.

use std::sync::Arc;

use async_trait::async_trait;
use miteos_core::content::Sha256;
use miteos_core::tool::{RetryClass, Risk};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Declared, EVERYBODY, Work, arguments, declare};
use crate::tool::{Tool, ToolContext, ToolError, ToolOutput};
use crate::workspace::{Name, Workspace};

/// The folder of `.miteos/` that has the receipts, one a call.
pub(super) const RECEIPTS: &str = "receipts";
/// Bigger files are not edited (bytes).
const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;
/// Longer texts are refused (characters).
const MAX_TEXT_CHARS: usize = 200_000;

#[derive(Deserialize)]
struct Input {
    path: String,
    old: String,
    new: String,
    #[serde(default)]
    all: bool,
}

#[derive(Serialize, Deserialize)]
struct Receipt {
    path: String,
    before: Sha256,
    after: Sha256,
    replaced: usize,
}

struct EditFile;

pub(super) fn tool() -> Arc<dyn Tool> {
    let schema = json!({
        "type": "object",
        "properties": {
            "path": {"type": "string", "minLength": 1, "maxLength": 4096, "description": "Text file of the workspace."},
            "old": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT_CHARS, "description": "Text to replace, exactly as in the file, with its spaces and line ends."},
            "new": {"type": "string", "maxLength": MAX_TEXT_CHARS, "description": "Text to put there. May be empty."},
            "all": {"type": "boolean", "description": "Replace every occurrence. Default false: old must occur once."},
        },
        "required": ["path", "old", "new"],
        "additionalProperties": false,
    });
    declare(
        Declared {
            name: "edit_file",
            description: "Replace a text in a file of the workspace. Read the file first.",
            schema,
            agents: &EVERYBODY,
            risk: Risk::Medium,
            read_only: false,
            retry: RetryClass::Repeatable,
        },
        EditFile,
    )
}

#[async_trait]
impl Work for EditFile {
    async fn run(&self, ctx: &ToolContext, input: Value) -> Result<ToolOutput, ToolError> {
        let input: Input = arguments(input)?;
        let (workspace, call) = (ctx.workspace.clone(), ctx.call_id.to_string());
        ctx.blocking("edited a file", move || {
            let named = Name::parse(&input.path)?;
            let _turn = workspace.take_turn();
            // A link stays one, and the file that it stands for is edited.
            let name = workspace.real_name(&named)?;
            let replaced = edit(&workspace, &call, &name, &input)?;
            let times = if replaced == 1 { "once".to_owned() } else { format!("{replaced} times") };
            Ok(format!("edited {name}: replaced {times}").into())
        })
        .await
    }

    fn leaves_receipts(&self) -> bool {
        true
    }
}

fn edit(workspace: &Workspace, call: &str, name: &Name, input: &Input) -> Result<usize, ToolError> {
    if input.old == input.new {
        return Err(ToolError::failed("old and new are the same; nothing would change"));
    }
    // Before the file is looked at, so that a call which may not write does not learn what is there.
    workspace.may_write(name)?;
    let text = workspace.read_text(name, MAX_FILE_BYTES)?;
    let before = Sha256::of(text.as_bytes());
    let receipt: Option<Receipt> = workspace
        .read_private(RECEIPTS, call)
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .filter(|receipt: &Receipt| receipt.path == name.as_str());
    if let Some(receipt) = receipt {
        if receipt.after == before {
            return Ok(receipt.replaced);
        }
        if receipt.before != before {
            return Err(ToolError::Failed(format!(
                "{name} was changed by somebody else while this edit was made; read it and edit again if need be"
            )));
        }
    }
    let replaced = occurrences(name, &text, input)?;
    let bytes = size_after(&text, input, replaced);
    if bytes > MAX_FILE_BYTES {
        return Err(ToolError::Failed(format!(
            "{name} would have {bytes} bytes after this edit; at most {MAX_FILE_BYTES} are written; replace less"
        )));
    }
    let after = if input.all {
        text.replace(&input.old, &input.new)
    } else {
        text.replacen(&input.old, &input.new, 1)
    };
    let receipt =
        Receipt { path: name.as_str().to_owned(), before, after: Sha256::of(after.as_bytes()), replaced };
    let noted = serde_json::to_vec(&receipt).map_err(ToolError::internal("wrote the receipt of an edit"))?;
    workspace.write_private(RECEIPTS, call, &noted)?;
    workspace.write(name, after.as_bytes())?;
    Ok(replaced)
}

/// How big the file becomes (bytes), known before anything is built: a short text can occur a million times.
fn size_after(text: &str, input: &Input, replaced: usize) -> u64 {
    let times = replaced as u64;
    let kept = (text.len() as u64).saturating_sub(times.saturating_mul(input.old.len() as u64));
    kept.saturating_add(times.saturating_mul(input.new.len() as u64))
}

fn occurrences(name: &Name, text: &str, input: &Input) -> Result<usize, ToolError> {
    match text.matches(&input.old).count() {
        0 if text.contains("\r\n") && text.replace("\r\n", "\n").contains(&input.old) => {
            Err(ToolError::Failed(format!("{name} ends its lines with \\r\\n; write old with \\r\\n too")))
        }
        0 => Err(ToolError::Failed(format!(
            "old does not occur in {name}; read the file and copy the text exactly, with its spaces and line ends"
        ))),
        1 => Ok(1),
        several if input.all => Ok(several),
        several => Err(ToolError::Failed(format!(
            "old occurs {several} times in {name}; add lines around it to name one place, or set all to true"
        ))),
    }
}
