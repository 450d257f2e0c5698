//! What the store keeps beside the journal, made from the task and its new records. Pure.

use miteos_core::event::Event;
use miteos_core::ids::AgentId;
use miteos_core::pending::Effect;
use miteos_core::task::{Stage, Task};
use miteos_core::time::Timestamp;
use miteos_store::{Append, ApprovalRow, DeliverableRow, NewRecord, TaskRow, UsageRow};
use serde::{Deserialize, Serialize};

use crate::project;
use crate::tier;

/// What list rows show beyond the columns that the store filters and sorts by.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Detail {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<miteos_core::content::Content>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    pub tokens: u64,
    #[serde(default)]
    pub uncertain: miteos_core::money::MicroUsd,
    pub deliverables: u32,
    pub actions: u64,
    pub tools: Vec<String>,
}

impl Detail {
    fn of(task: &Task) -> Self {
        let (result, error) = match &task.stage {
            Stage::Complete { result } => (Some(result.clone()), None),
            Stage::Failed { error } => (None, Some(error.clone())),
            Stage::Cancelled
            | Stage::Queued
            | Stage::Planning { .. }
            | Stage::Working { .. }
            | Stage::Concluding { .. }
            | Stage::Publishing { .. }
            | Stage::Stopping { .. } => (None, None),
        };
        Self {
            result,
            error,
            tokens: task.tokens(),
            uncertain: task.uncertain,
            deliverables: task.deliverables,
            actions: task.actions,
            tools: task.tools.clone(),
        }
    }
}

/// When the engine has to look at the task by itself. What is owed now is due since the task was made: a time that
/// stays the same from append to append leaves the store's index alone. A task that only people can move, or that
/// waits for a place, has no such time.
pub fn wake_at(task: &Task, now: Timestamp) -> Option<Timestamp> {
    if task.stage == Stage::Queued {
        return tier::concurrent_tasks(&task.tier).is_none().then_some(task.created_at);
    }
    let due = |effect: &Effect| effect.not_before().filter(|at| *at > now).unwrap_or(task.created_at);
    task.pending().iter().map(due).min()
}

fn task_row(task: &Task, prompt: String, now: Timestamp) -> serde_json::Result<TaskRow> {
    Ok(TaskRow {
        id: task.id,
        account: task.account,
        live: task.live,
        tier: task.tier.clone(),
        status: task.status().as_str().to_owned(),
        prompt,
        workspace: task.workspace,
        config: serde_json::to_string(&task.config)?,
        detail: serde_json::to_string(&Detail::of(task))?,
        version: task.version,
        seq: task.seq,
        wake_at: wake_at(task, now),
        cost: task.cost(),
        created_at: task.created_at,
        started_at: task.started_at,
        completed_at: task.completed_at,
    })
}

/// The append that makes these events of `task` (which has moved past them) durable.
pub fn append(task: &Task, events: &[(Event, Timestamp)], now: Timestamp) -> serde_json::Result<Append> {
    let version = task.version - events.len() as u64;
    let public = events.iter().filter(|(event, _)| event.public_type().is_some()).count() as u64;
    let mut seq = task.seq - public;
    let mut records = Vec::with_capacity(events.len());
    for (event, at) in events {
        let number = event.public_type().map(|_| {
            seq += 1;
            seq
        });
        let body = serde_json::to_string(event)?;
        records.push(NewRecord { seq: number, kind: event.kind(), agent: event.agent(), at: *at, body });
    }
    // The prompt is written once, with the task, and can be long.
    let prompt = if version == 0 { project::whole(&task.prompt) } else { String::new() };
    let mut append = Append::new(version, task_row(task, prompt, now)?, records);
    for (event, at) in events {
        attach(&mut append, task, event, *at)?;
    }
    Ok(append)
}

fn attach(append: &mut Append, task: &Task, event: &Event, at: Timestamp) -> serde_json::Result<()> {
    if let Some(call) = event.model_call() {
        append.usage.push(UsageRow {
            day: at.day(),
            model: call.model.clone(),
            input: call.usage.input,
            output: call.usage.output,
            cost: call.cost,
        });
    }
    match event {
        Event::TaskPlanned { subtasks, .. } => append.agents.extend(subtasks.iter().map(|s| s.agent)),
        Event::DeliverableCreated { agent, deliverable } => append.deliverables.push(DeliverableRow {
            id: deliverable.id,
            task: task.id,
            agent: agent.as_ref().copied().map(|id: AgentId| id),
            account: task.account,
            live: task.live,
            workspace: task.workspace,
            name: deliverable.name.clone(),
            media_type: deliverable.media_type.clone(),
            size_bytes: deliverable.bytes,
            sha256: deliverable.sha256.clone(),
            created_at: at,
        }),
        Event::ApprovalRequired { approval } | Event::ApprovalResolved { approval } => {
            append.approvals.retain(|row| row.id != approval.id);
            append.approvals.push(ApprovalRow {
                id: approval.id,
                task: task.id,
                agent: approval.agent,
                account: task.account,
                live: task.live,
                status: approval.status.as_str().to_owned(),
                body: serde_json::to_string(&project::approval(approval))?,
                created_at: approval.created_at,
                expires_at: Some(approval.expires_at),
                decided_at: approval.decided_at,
            });
        }
        _ => {}
    }
    Ok(())
}
