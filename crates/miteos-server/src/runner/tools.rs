//! Tool calls: run, or settled first when a crash left their outcome open.

use std::sync::Arc;

use miteos_core::command::{CallEffect, Command};
use miteos_core::content::Content;
use miteos_core::event::Deliverable;
use miteos_core::ids::{AgentId, CallId, TaskId, WorkspaceId};
use miteos_core::task::Task;
use miteos_tools::{Settled, ToolContext, ToolEffect, ToolError, ToolOutput, Workspace};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Deps;
use super::watch::ToolWatch;

/// A call, taken out of the task.
pub struct Run {
    task: TaskId,
    live: bool,
    workspace: WorkspaceId,
    agent: AgentId,
    call: CallId,
    tool: String,
    input: Content,
    /// Recorded starts, this one included.
    attempt: u32,
}

impl Run {
    pub fn of(task: &Task, agent: AgentId, call: CallId) -> Option<Self> {
        let found = task.agent(agent)?.call(call)?;
        let facts = &found.facts;
        Some(Self {
            attempt: found.attempts.max(1),
            task: task.id,
            live: task.live,
            workspace: task.workspace,
            agent,
            call,
            tool: facts.tool.clone(),
            input: facts.input.clone(),
        })
    }

    fn ended(&self, ok: bool, output: Content, effects: Vec<CallEffect>, duration_ms: u64) -> Command {
        Command::CallEnded { agent: self.agent, call: self.call, ok, output, effects, duration_ms }
    }

    fn failed(&self, text: impl Into<String>) -> Command {
        self.ended(false, Content::from(text.into()), Vec::new(), 0)
    }

    /// The call cannot even be begun. One that a process which is gone had begun may have happened all the same.
    fn unprepared(&self, settle: bool, text: String) -> Command {
        if settle { self.unsettled() } else { self.failed(text) }
    }

    fn unsettled(&self) -> Command {
        Command::CallUnsettled { agent: self.agent, call: self.call }
    }
}

/// `settle`: the call was started by a process that is gone.
pub async fn run(
    deps: Arc<Deps>,
    run: Run,
    settle: bool,
    cancel: CancellationToken,
    background: TaskTracker,
) -> Option<Command> {
    let Some(tool) = deps.registry.get(&run.tool).cloned() else {
        return Some(run.unprepared(settle, format!("the tool {} is not there any more", run.tool)));
    };
    let begun = deps.clock.now();
    let (ctx, input) = match prepare(&deps, &run, cancel.clone(), background).await {
        Ok(ready) => ready,
        Err(text) => return Some(run.unprepared(settle, text)),
    };
    let watch = ToolWatch::begin(&deps, &run.tool, run.call, || input.to_string());
    let outcome = if settle {
        let settled = watch.span.around(tool.settle(&ctx, input)).await;
        if !matches!(settled, Err(ToolError::Cancelled)) {
            watch.settled();
        }
        match settled {
            Ok(Settled::NotStarted) => {
                return Some(Command::CallNotStarted { agent: run.agent, call: run.call });
            }
            Ok(Settled::Unknown) => return Some(run.unsettled()),
            Ok(Settled::Done(output)) => Ok(output),
            Ok(Settled::Interrupted(text)) => Err(ToolError::Failed(text)),
            Err(ToolError::Cancelled) => return None,
            // The other side could not be asked, so nothing is known.
            Err(error) => {
                tracing::warn!(tool = %run.tool, call = %run.call, error = %crate::errors::chain(&error), "a call from before a restart cannot be settled");
                return Some(run.unsettled());
            }
        }
    } else {
        let outcome = watch.span.around(tool.run(&ctx, input)).await;
        watch.ended(&outcome);
        outcome
    };
    let duration_ms = deps.clock.now().since(begun);
    match outcome {
        Ok(output) => Some(finish(&deps, &run, &ctx.workspace, output, duration_ms).await),
        Err(ToolError::Cancelled) if cancel.is_cancelled() => None,
        Err(error) => {
            if let ToolError::Internal { .. } = &error {
                tracing::error!(tool = %run.tool, call = %run.call, error = %crate::errors::chain(&error), "a tool failed inside");
            }
            let output = stored(&deps, &run, &ctx.workspace, error.for_model()).await;
            Some(run.ended(false, output, Vec::new(), duration_ms))
        }
    }
}

async fn prepare(
    deps: &Arc<Deps>,
    run: &Run,
    cancel: CancellationToken,
    background: TaskTracker,
) -> Result<(ToolContext, Value), String> {
    let broken = |what: &str, error: &dyn std::error::Error| {
        tracing::error!(call = %run.call, error = %crate::errors::chain(error), "{what}");
        format!("{what}; the server's log has the reason")
    };
    let text = deps.text(&run.input).await.map_err(|e| broken("the arguments cannot be read", &e))?;
    let input = serde_json::from_str(&text).map_err(|e| broken("the arguments cannot be read", &e))?;
    let ctx = ToolContext {
        call_id: run.call,
        task: run.task,
        agent: run.agent,
        attempt: run.attempt,
        workspace: deps.workspace(run.workspace),
        cancel,
        background,
        services: Arc::clone(&deps.services),
        progress: None,
        live: run.live,
    };
    Ok((ctx, input))
}

async fn finish(
    deps: &Arc<Deps>,
    run: &Run,
    workspace: &Workspace,
    output: ToolOutput,
    duration_ms: u64,
) -> Command {
    let effects = output.effects.into_iter().map(effect).collect();
    let output = stored(deps, run, workspace, output.text).await;
    run.ended(true, output, effects, duration_ms)
}

fn effect(effect: ToolEffect) -> CallEffect {
    match effect {
        ToolEffect::Publish(published) => CallEffect::Publish(Deliverable {
            id: published.id,
            name: published.name,
            media_type: published.media_type,
            sha256: published.sha256,
            bytes: published.bytes,
        }),
        ToolEffect::Message { to, text } => CallEffect::Message { to, text },
    }
}

/// Big outputs are kept in the workspace, where the agent can read them, and in the blob store.
async fn stored(deps: &Arc<Deps>, run: &Run, workspace: &Workspace, text: String) -> Content {
    if !Content::must_store(&text) {
        return Content::Inline(text);
    }
    let (door, file, copy) = (workspace.clone(), format!("{}.txt", run.call), text.clone());
    let path = match tokio::task::spawn_blocking(move || door.write_output(&file, &copy)).await {
        Ok(Ok(path)) => Some(path),
        Ok(Err(error)) => {
            tracing::warn!(call = %run.call, error = %crate::errors::chain(&error), "a big output cannot be kept in the workspace");
            None
        }
        Err(_) => None,
    };
    match deps.content(text.clone(), path.clone()).await {
        Ok(content) => content,
        Err(error) => {
            tracing::warn!(call = %run.call, error = %crate::errors::chain(&error), "a big output cannot be stored");
            Content::Inline(Content::stored(&text, path).abridged())
        }
    }
}

/// Publishes the files that the conclusion names and nobody has published. What cannot be published is left out, with
/// a word in the log: the summary is the result all the same.
pub async fn publish(
    deps: Arc<Deps>,
    task: TaskId,
    workspace: WorkspaceId,
    paths: Vec<String>,
    cancel: CancellationToken,
    background: TaskTracker,
) -> Option<Command> {
    let published = match deps.tasks.store.deliverables(task).await {
        Ok(rows) => rows,
        Err(error) => {
            tracing::error!(%task, error = %crate::errors::chain(&error), "the deliverables cannot be read");
            Vec::new()
        }
    };
    let mut deliverables: Vec<Deliverable> = Vec::new();
    for path in paths {
        if cancel.is_cancelled() {
            return None;
        }
        match publish_one(&deps, task, workspace, &path, &cancel, &background).await {
            Ok(made) => {
                let known = published.iter().any(|row| row.name == made.name && row.sha256 == made.sha256);
                let twice =
                    deliverables.iter().any(|other| other.name == made.name && other.sha256 == made.sha256);
                if !known && !twice {
                    deliverables.push(made);
                }
            }
            // The path and the reason are the model's words.
            Err(_) => tracing::warn!(%task, "a file that the conclusion names is not published"),
        }
    }
    Some(Command::Published { deliverables })
}

/// By the same tool that agents use, under a call id made from the path: the same path of the same task is the same
/// deliverable, however often it is tried.
async fn publish_one(
    deps: &Arc<Deps>,
    task: TaskId,
    workspace: WorkspaceId,
    path: &str,
    cancel: &CancellationToken,
    background: &TaskTracker,
) -> Result<Deliverable, String> {
    let tool = deps.registry.get("publish").ok_or("there is no publish tool")?;
    let ctx = ToolContext {
        call_id: CallId(ulid_of(task, path)),
        task,
        agent: AgentId(task.0),
        attempt: 1,
        workspace: deps.workspace(workspace),
        cancel: cancel.clone(),
        background: background.clone(),
        services: Arc::clone(&deps.services),
        progress: None,
        live: true,
    };
    let output = tool.run(&ctx, serde_json::json!({ "path": path })).await.map_err(|e| e.for_model())?;
    let made = output.effects.into_iter().find_map(|made| match effect(made) {
        CallEffect::Publish(deliverable) => Some(deliverable),
        CallEffect::Message { .. } => None,
    });
    made.ok_or_else(|| "nothing was published".to_owned())
}

fn ulid_of(task: TaskId, path: &str) -> ulid::Ulid {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(format!("{task}\0{path}").as_bytes());
    let mut low = [0_u8; 16];
    low[..10].copy_from_slice(&digest[..10]);
    ulid::Ulid::from_parts(task.0.timestamp_ms(), u128::from_le_bytes(low))
}
