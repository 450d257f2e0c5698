//! What a server does with a data folder that came out of a backup, once, before anything else.
//!
//! The backup knows nothing of what the server that it was taken of did afterwards. So unless the owner said that the
//! folder takes that server's place, nothing in it acts by itself: unfinished tasks are paused and webhooks are
//! disabled, until a person lets them go on, and deployments under way are given up without a word to their provider. And where the journal says that a call which must not happen twice had
//! begun, its notes may have been gone before they were copied: then their absence does not prove that it never ran.

use std::io;
use std::path::Path;

use miteos_core::agent::CallState;
use miteos_core::command::{Command, Rejected};
use miteos_core::deployment::{Failure, FailureCode, FailureStep};
use miteos_core::ids::{DeploymentId, TaskId, WebhookId};
use miteos_store::{WebhookChange, WebhookState};
use serde::{Deserialize, Serialize};

use crate::deployments;
use crate::secrets::write_private;
use crate::tasks::{CommandError, TaskError, Tasks};

/// The marker's name in the data folder. It is taken away when the server has acted on it.
const MARKER: &str = "restored.json";
/// Tasks and webhooks that are looked at together.
const AT_ONCE: usize = 500;

/// What becomes of tasks that were not over when the backup was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfinished {
    /// They are paused, and webhooks are disabled.
    Held,
    /// They go on by themselves, as after a crash, and webhooks are sent what they missed.
    GoOn,
}

/// What `restore` leaves for the first start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    pub taken_at: String,
    pub restored_at: String,
    pub unfinished_tasks: Unfinished,
}

/// What went wrong with a folder out of a backup.
#[derive(Debug, thiserror::Error)]
pub enum RestoredError {
    #[error("cannot read or remove {MARKER}, the word of the last restore")]
    Marker(#[source] io::Error),
    #[error("a task out of the backup cannot be taken up")]
    Task(#[from] CommandError),
    #[error("a deployment out of the backup cannot be given up")]
    Deployment(#[from] deployments::CommandError),
    #[error("cannot note a call out of the backup")]
    Notes(#[source] io::Error),
}

pub fn mark(folder: &Path, marker: &Marker) -> io::Result<()> {
    write_private(&folder.join(MARKER), &serde_json::to_vec_pretty(marker)?)
}

/// Acts on the marker, if there is one, and takes it away. Done again from the start if the process dies in between.
pub async fn settle(folder: &Path, tasks: &Tasks, parts: &deployments::Parts) -> Result<(), RestoredError> {
    let path = folder.join(MARKER);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(RestoredError::Marker(error)),
    };
    let marker: Marker = serde_json::from_slice(&text).map_err(|e| RestoredError::Marker(e.into()))?;
    let found = take_up(folder, tasks, marker.unfinished_tasks).await?;
    if marker.unfinished_tasks == Unfinished::Held {
        disable_webhooks(tasks, &marker).await?;
        tasks.store.close_doors().await.map_err(stored)?;
        give_up_deployments(parts, &marker).await?;
    }
    tracing::info!(
        taken_at = marker.taken_at,
        unfinished = found,
        held = marker.unfinished_tasks == Unfinished::Held,
        "the data folder came out of a backup"
    );
    std::fs::remove_file(&path).map_err(RestoredError::Marker)
}

async fn take_up(folder: &Path, tasks: &Tasks, unfinished: Unfinished) -> Result<usize, RestoredError> {
    let (mut after, mut found): (Option<TaskId>, usize) = (None, 0);
    loop {
        let heads = tasks.store.unfinished(after, AT_ONCE).await.map_err(stored)?;
        for head in &heads {
            presume(folder, tasks, head.id).await?;
            if unfinished == Unfinished::Held {
                match tasks.command(head.id, Command::PauseTask).await {
                    // It was being stopped: that goes on, and begins nothing.
                    Ok(_) | Err(CommandError::Rejected(Rejected::WrongState(_) | Rejected::Stale)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        found += heads.len();
        after = heads.last().map(|head| head.id);
        if heads.len() < AT_ONCE {
            return Ok(found);
        }
    }
}

/// Notes a start for every call that the journal says has begun and not ended.
async fn presume(folder: &Path, tasks: &Tasks, id: TaskId) -> Result<(), RestoredError> {
    let Some(live) = tasks.load(id).await.map_err(CommandError::from)? else { return Ok(()) };
    let calls_dir = folder.join("calls");
    let open = live.task.agents.iter().flat_map(|agent| agent.calls());
    for call in open.filter(|call| matches!(call.state, CallState::Started)) {
        miteos_tools::presume_started(&calls_dir, call.facts.call).map_err(RestoredError::Notes)?;
    }
    Ok(())
}

async fn give_up_deployments(parts: &deployments::Parts, marker: &Marker) -> Result<(), RestoredError> {
    let message = format!(
        "the server was restored from a backup of {}, and what became of it since is not known here; look at the \
         provider, and deploy again",
        marker.taken_at
    );
    let failure = Failure::new(FailureCode::Interrupted, FailureStep::Publish, message);
    let mut after: Option<DeploymentId> = None;
    loop {
        let active = parts.store.active_deployments(after, AT_ONCE).await.map_err(stored)?;
        for id in &active {
            parts.abandon(*id, failure.clone()).await?;
        }
        after = active.last().copied();
        if active.len() < AT_ONCE {
            return Ok(());
        }
    }
}

async fn disable_webhooks(tasks: &Tasks, marker: &Marker) -> Result<(), RestoredError> {
    let reason = format!(
        "restored from a backup of {}; enable it to have it sent what came since then",
        marker.taken_at
    );
    let mut after: Option<WebhookId> = None;
    loop {
        let enabled = tasks.store.enabled_webhooks(after, AT_ONCE).await.map_err(stored)?;
        for webhook in &enabled {
            let state = Some(WebhookState::Disabled { reason: reason.clone() });
            let change = WebhookChange { state, ..WebhookChange::default() };
            tasks.store.change_webhook(webhook.id, change).await.map_err(stored)?;
        }
        after = enabled.last().map(|webhook| webhook.id);
        if enabled.len() < AT_ONCE {
            return Ok(());
        }
    }
}

fn stored(error: miteos_store::StoreError) -> CommandError {
    CommandError::Task(TaskError::Store(error))
}
