//! `code_exec`: runs a program in the sandbox. A program can do anything once, so its start and its end are noted
//! outside the workspace and it is never run twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use miteos_core::content::{ceil_boundary, floor_boundary};
use miteos_core::time::Timestamp;
use miteos_core::tool::{RetryClass, Risk};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{CODERS, Declared, Work, arguments, declare};
use crate::calls::{Noted, Notes};
use crate::services::{CodeEnd, CodeError, CodeJob, CodeLimits, CodeOutcome};
use crate::tool::{Needs, Settled, Tool, ToolContext, ToolError, ToolOutput};
use crate::workspace::{Entry, FileKind, Go, Name, Workspace};

/// The folder of `.miteos/` that has shell scripts while they run.
const SCRIPTS: &str = "run";
/// Longer programs are refused (characters).
const MAX_CODE_CHARS: usize = 200_000;
const MAX_TIMEOUT_S: u64 = 600;
/// Time for a snippet and for a shell script that name none (seconds).
const DEFAULT_SNIPPET_S: u64 = 30;
const DEFAULT_SHELL_S: u64 = 120;
/// Of each of the two outputs this much is given to the model, half from either end (bytes).
const MAX_STREAM_BYTES: usize = 96 * 1024;
/// Changes are looked for among this many files at most.
const MAX_COMPARED: usize = 20_000;
/// At most this many changed files are named.
const MAX_NAMED: usize = 50;
/// What a silent program wrote is shown if it is no more than this many files, and bytes in all of them.
const MAX_SHOWN_FILES: usize = 3;
const MAX_SHOWN_BYTES: usize = 2 * 1024;

const INTERRUPTED: &str = "the program was started, and the server stopped before it ended. All its processes are \
    dead. It may have done a part of its work: look at the files before you run it again";

/// What Python and Node say of a library that is not there.
const MISSING_MODULE: [&str; 2] = ["ModuleNotFoundError: ", "Cannot find module "];
const NO_MODULES: &str = "note: that library is not here and cannot be installed; write the program with the standard \
    library alone (in Python csv, json, math, statistics, datetime, re and the like)\n";

#[derive(Deserialize)]
struct Input {
    language: Language,
    code: String,
    timeout_s: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Language {
    Python,
    Javascript,
    Bash,
}

struct CodeExec;

pub(super) fn tool() -> Arc<dyn Tool> {
    let schema = json!({
        "type": "object",
        "properties": {
            "language": {"type": "string", "enum": ["python", "javascript", "bash"]},
            "code": {"type": "string", "minLength": 1, "maxLength": MAX_CODE_CHARS, "description": "The whole program. Print what you want to see."},
            "timeout_s": {"type": "integer", "minimum": 1, "maximum": MAX_TIMEOUT_S, "description": "Seconds until it is stopped. Default 30, bash 120."},
        },
        "required": ["language", "code"],
        "additionalProperties": false,
    });
    declare(
        Declared {
            name: "code_exec",
            description: "Run a program in a sandbox: no network, standard library only, nothing can be installed. It starts in the workspace's folder and can read and write files there. Gives exit code and output.",
            schema,
            agents: &CODERS,
            risk: Risk::Medium,
            read_only: false,
            retry: RetryClass::Once,
        },
        CodeExec,
    )
}

#[async_trait]
impl Work for CodeExec {
    fn needs(&self) -> Needs {
        Needs::Code
    }

    async fn run(&self, ctx: &ToolContext, input: Value) -> Result<ToolOutput, ToolError> {
        let Input { language, code, timeout_s } = arguments(input)?;
        if let Some(why) = ctx.services.code.unavailable() {
            return Err(ToolError::Failed(format!("code_exec is off: {why}")));
        }
        if let Some(earlier) = start(ctx).await? {
            return earlier;
        }
        let before = snapshot(ctx).await?;
        let job = prepare(ctx, language, code, timeout_s).await?;
        let (code, cancel) = (Arc::clone(&ctx.services.code), ctx.cancel.clone());
        // In the background: when this call is dropped, its processes are waited for all the same.
        let running = ctx.background.spawn(async move { code.run(job, cancel).await });
        let ran = running.await.map_err(ToolError::internal("ran a program"))?;
        remove_script(ctx, language).await?;
        let outcome = match ran {
            Ok(outcome) => outcome,
            Err(error) => return Err(not_run(ctx, language, error).await?),
        };
        let after = snapshot(ctx).await?;
        let (written, deleted) = changes(&before, &after);
        let mut text = report(&outcome, &written, &deleted);
        if outcome.stdout.trim().is_empty() {
            text.push_str(&contents(ctx, &written, &after).await?);
        }
        let output = ToolOutput::text(text);
        let (notes, noted) = (Notes::of(ctx), output.clone());
        // Even when the call has been cancelled meanwhile: what ran has run.
        tokio::task::spawn_blocking(move || notes.end(&noted))
            .await
            .map_err(ToolError::internal("noted a program's end"))?
            .map_err(ToolError::internal("noted a program's end"))?;
        Ok(output)
    }

    async fn settle(&self, ctx: &ToolContext) -> Result<Settled, ToolError> {
        let notes = Notes::of(ctx);
        let noted = tokio::task::spawn_blocking(move || notes.read())
            .await
            .map_err(ToolError::internal("read a program's notes"))?
            .map_err(ToolError::internal("read a program's notes"))?;
        Ok(match noted {
            Noted::Nothing => Settled::NotStarted,
            Noted::Started => Settled::Interrupted(INTERRUPTED.to_owned()),
            Noted::Ended(output) => Settled::Done(output),
        })
    }
}

/// Notes the start; if this call has been started before, what to answer instead of running it.
async fn start(ctx: &ToolContext) -> Result<Option<Result<ToolOutput, ToolError>>, ToolError> {
    let notes = Notes::of(ctx);
    ctx.blocking("noted a program's start", move || {
        let internal = || ToolError::internal("noted a program's start");
        Ok(match notes.read().map_err(internal())? {
            Noted::Ended(output) => Some(Ok(output)),
            Noted::Started => Some(Err(ToolError::failed(INTERRUPTED))),
            Noted::Nothing if notes.start().map_err(internal())? => None,
            Noted::Nothing => Some(Err(ToolError::failed(INTERRUPTED))),
        })
    })
    .await
}

/// Python and JavaScript take their program from stdin, so that they find modules in the workspace; a shell would
/// share its stdin with the programs it starts, so it gets a file.
async fn prepare(
    ctx: &ToolContext,
    language: Language,
    code: String,
    timeout_s: Option<u64>,
) -> Result<CodeJob, ToolError> {
    let (limits, default_s) = match language {
        Language::Python | Language::Javascript => (CodeLimits::Snippet, DEFAULT_SNIPPET_S),
        Language::Bash => (CodeLimits::Shell, DEFAULT_SHELL_S),
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let (command, stdin) = match language {
        Language::Python => (words(&["python3", "-u", "-"]), code.into_bytes()),
        Language::Javascript if is_module(&code) => {
            (words(&["node", "--input-type=module", "-"]), code.into_bytes())
        }
        Language::Javascript => (words(&["node", "-"]), code.into_bytes()),
        Language::Bash => {
            let (workspace, file) = (ctx.workspace.clone(), script(ctx));
            let path = format!(".miteos/{SCRIPTS}/{file}");
            ctx.blocking("wrote a script", move || {
                Ok(workspace.write_private(SCRIPTS, &file, code.as_bytes())?)
            })
            .await?;
            (words(&["bash", &path]), Vec::new())
        }
    };
    Ok(CodeJob {
        workspace: ctx.workspace.root().to_owned(),
        command,
        stdin,
        limits,
        timeout: Duration::from_secs(timeout_s.unwrap_or(default_s).min(MAX_TIMEOUT_S)),
        progress: ctx.progress.clone(),
    })
}

fn script(ctx: &ToolContext) -> String {
    format!("{}.sh", ctx.call_id)
}

async fn remove_script(ctx: &ToolContext, language: Language) -> Result<(), ToolError> {
    if language != Language::Bash {
        return Ok(());
    }
    let (workspace, file) = (ctx.workspace.clone(), script(ctx));
    tokio::task::spawn_blocking(move || workspace.remove_private(SCRIPTS, &file))
        .await
        .map_err(ToolError::internal("removed a script"))
}

/// Whether a program is written as a module: a line begins with `import` or `export`, or with a bare `await`.
fn is_module(code: &str) -> bool {
    code.lines().any(|line| {
        let starts = |word: &str| {
            line.strip_prefix(word).is_some_and(|rest| rest.starts_with([' ', '{', '"', '\'', '*']))
        };
        starts("import") || starts("export") || starts("await")
    })
}

/// The error of a program that never ran; its start is taken back, so that it may be tried again.
async fn not_run(ctx: &ToolContext, language: Language, error: CodeError) -> Result<ToolError, ToolError> {
    let told = match error {
        // It may have begun: the note stays.
        CodeError::Cancelled => return Ok(ToolError::Cancelled),
        CodeError::Internal(source) => return Ok(ToolError::Internal { doing: "ran a program", source }),
        CodeError::Unavailable(why) => format!("code_exec is off: {why}"),
        CodeError::NotRun(why) => why,
        CodeError::NoInterpreter { program, cause } => {
            let name = match language {
                Language::Python => "python",
                Language::Javascript => "javascript",
                Language::Bash => "bash",
            };
            format!(
                "{name} programs cannot be run: {program} could not be started: {cause}; shorten the program or use \
                 another language"
            )
        }
    };
    let notes = Notes::of(ctx);
    tokio::task::spawn_blocking(move || notes.unstart())
        .await
        .map_err(ToolError::internal("took a program's start back"))?
        .map_err(ToolError::internal("took a program's start back"))?;
    Ok(ToolError::Failed(told))
}

type Snapshot = BTreeMap<String, (u64, Timestamp)>;

async fn snapshot(ctx: &ToolContext) -> Result<Snapshot, ToolError> {
    let workspace = ctx.workspace.clone();
    tokio::task::spawn_blocking(move || files(&workspace))
        .await
        .map_err(ToolError::internal("looked at the workspace"))?
}

fn files(workspace: &Workspace) -> Result<Snapshot, ToolError> {
    let mut found = Snapshot::new();
    workspace.walk(&Name::folder("")?, true, &mut |Entry { name, kind, bytes, modified }| {
        if kind == FileKind::File && !name.starts_with(".miteos/") {
            found.insert(name, (bytes, modified));
        }
        if found.len() < MAX_COMPARED { Go::On } else { Go::Stop }
    })?;
    Ok(found)
}

/// The names of the files that were written, and of those that are gone.
fn changes(before: &Snapshot, after: &Snapshot) -> (Vec<String>, Vec<String>) {
    let written = after.iter().filter(|(name, what)| before.get(*name) != Some(*what));
    let deleted = before.keys().filter(|name| !after.contains_key(*name) && after.len() < MAX_COMPARED);
    (written.map(|(name, _)| name.clone()).collect(), deleted.cloned().collect())
}

/// What a program wrote that printed nothing, if that is little text: a model that has not seen what is in a file is
/// tempted to write it once more, from memory.
async fn contents(ctx: &ToolContext, written: &[String], after: &Snapshot) -> Result<String, ToolError> {
    let bytes: u64 = written.iter().filter_map(|name| after.get(name)).map(|(bytes, _)| *bytes).sum();
    if written.len() > MAX_SHOWN_FILES || bytes > MAX_SHOWN_BYTES as u64 {
        return Ok(String::new());
    }
    let (workspace, written) = (ctx.workspace.clone(), written.to_vec());
    let read = move || {
        let texts = written.iter().filter_map(|name| {
            // Gone meanwhile, or no text: it is named all the same.
            let text = workspace.read_text(&Name::parse(name).ok()?, MAX_SHOWN_BYTES as u64).ok()?;
            let shown = text.trim_end();
            (!shown.is_empty()).then(|| format!("--- {name}\n{shown}\n"))
        });
        texts.collect()
    };
    tokio::task::spawn_blocking(read).await.map_err(ToolError::internal("read what a program wrote"))
}

fn report(outcome: &CodeOutcome, written: &[String], deleted: &[String]) -> String {
    let seconds = outcome.duration.as_secs_f64();
    let mut text = match &outcome.end {
        // No time here: the same run has to read the same, so that going in circles is noticed.
        CodeEnd::Exited(code) => format!("exit code {code}\n"),
        CodeEnd::Signal(signal) => format!("ended by signal {signal}\n"),
        CodeEnd::TimedOut => {
            format!("stopped: it ran longer than its {seconds:.0} s; set timeout_s or do less at once\n")
        }
        CodeEnd::Limit(what) => format!("stopped after {seconds:.1} s: {what}\n"),
    };
    for note in &outcome.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    if MISSING_MODULE.iter().any(|words| outcome.stderr.contains(words)) {
        text.push_str(NO_MODULES);
    }
    for (title, stream) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)] {
        if !stream.trim().is_empty() {
            text.push_str(&format!("--- {title}\n{}\n", ends(stream).trim_end()));
        }
    }
    if outcome.stdout.trim().is_empty() && outcome.stderr.trim().is_empty() {
        text.push_str("(no output)\n");
    }
    let changed = written.len() + deleted.len();
    if changed > 0 {
        let deleted = deleted.iter().map(|name| format!("{name} (deleted)"));
        let names = written.iter().cloned().chain(deleted).take(MAX_NAMED);
        let named = names.collect::<Vec<_>>().join(", ");
        let more = changed.saturating_sub(MAX_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        text.push_str(&format!("--- files changed\n{named}{more}\n"));
    }
    text
}

/// Head and tail of a long output.
fn ends(text: &str) -> String {
    if text.len() <= MAX_STREAM_BYTES {
        return text.to_owned();
    }
    let head = floor_boundary(text, MAX_STREAM_BYTES / 2);
    let tail = ceil_boundary(text, text.len() - MAX_STREAM_BYTES / 2);
    format!("{}\n[… {} bytes left out …]\n{}", &text[..head], tail - head, &text[tail..])
}
