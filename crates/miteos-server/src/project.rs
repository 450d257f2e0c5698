//! The public face of records: what clients see of each, made from the record alone. Pure.

use miteos_api::events::data;
use miteos_core::approval::{Approval, Asked};
use miteos_core::content::{Content, MAX_INLINE_BYTES, floor_boundary};
use miteos_core::event::{CallName, Event, PlannedSubtask, Recipient, Spent, Totals};
use miteos_core::ids::{AgentId, Source, TaskId, event_id};
use miteos_core::time::Timestamp;
use miteos_core::tool::{AgentType, Risk};
use miteos_store::Record;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::{deployments, summary, views};

/// A record that cannot be read back.
#[derive(Debug, thiserror::Error)]
#[error("record {version} of {of} cannot be read")]
pub struct Unreadable {
    pub of: Source,
    pub version: u64,
    #[source]
    pub source: serde_json::Error,
}

pub fn read(task: TaskId, record: &Record) -> Result<Event, Unreadable> {
    serde_json::from_str(&record.body).map_err(unreadable(Source::Task(task), record))
}

fn unreadable(of: Source, record: &Record) -> impl FnOnce(serde_json::Error) -> Unreadable {
    let version = record.version;
    move |source| Unreadable { of, version, source }
}

/// The public event of a record of whatever log; `None` if it is the server's own.
pub fn event_of(of: Source, record: &Record) -> Result<Option<miteos_api::Event>, Unreadable> {
    match of {
        Source::Task(task) => event(task, record),
        Source::Deployment(id) => {
            let Some(seq) = record.seq else { return Ok(None) };
            let event = serde_json::from_str(&record.body).map_err(unreadable(of, record))?;
            let shown = deployments::public(id, seq, record.at, &event);
            shown.map(Some).map_err(unreadable(of, record))
        }
    }
}

/// The public event of a task's record; `None` if it is the server's own.
pub fn event(task: TaskId, record: &Record) -> Result<Option<miteos_api::Event>, Unreadable> {
    let Some(seq) = record.seq else { return Ok(None) };
    let event = read(task, record)?;
    let shown = public(task, seq, record.at, &record.kind, record.agent, &event);
    shown.map(Some).map_err(unreadable(Source::Task(task), record))
}

/// The public event with this number. `kind` and `agent` are those of its record.
pub fn public(
    task: TaskId,
    seq: u64,
    at: Timestamp,
    kind: &str,
    agent: Option<AgentId>,
    event: &Event,
) -> serde_json::Result<miteos_api::Event> {
    Ok(miteos_api::Event {
        id: event_id(task, seq, at).to_string(),
        seq,
        kind: kind.into(),
        task_id: Some(task.to_string()),
        deployment_id: None,
        agent_id: agent.map(|id| id.to_string()),
        created_at: at.to_string(),
        data: payload(event, at)?,
    })
}

fn raw(value: &impl Serialize) -> serde_json::Result<Box<RawValue>> {
    to_raw_value(value)
}

fn payload(event: &Event, at: Timestamp) -> serde_json::Result<Box<RawValue>> {
    use miteos_api::TaskStatus as Status;
    match event {
        Event::TaskCreated(created) => raw(&data::TaskData {
            prompt: Some(whole(&created.prompt)),
            workspace_id: Some(created.workspace.to_string()),
            config: Some(views::config(&created.config)),
            ..task(Status::Pending)
        }),
        Event::TaskPlanning => raw(&task(Status::Planning)),
        Event::TaskPlanned { subtasks, replaces, .. } => raw(&data::TaskData {
            subtasks: Some(subtasks.iter().map(planned).collect()),
            replaces: Some(replaces.iter().map(ToString::to_string).collect()),
            ..task(Status::Running)
        }),
        Event::TaskResumed { planning: true } => raw(&task(Status::Planning)),
        Event::TaskRunning | Event::TaskResumed { planning: false } => raw(&task(Status::Running)),
        Event::CreditLow { budget_cents, left } => {
            raw(&data::CreditLow { budget_cents: *budget_cents, left: left.dollars() })
        }
        Event::TaskPaused => raw(&task(Status::Paused)),
        Event::TaskComplete { result, totals } => raw(&data::TaskData {
            result: Some(text(result)),
            totals: Some(sums(totals)),
            ..task(Status::Complete)
        }),
        Event::TaskFailed { error, totals } => raw(&data::TaskData {
            error: Some(error.clone()),
            totals: Some(sums(totals)),
            ..task(Status::Failed)
        }),
        Event::TaskCancelled { totals, took_effect, interrupted } => raw(&data::TaskData {
            took_effect: Some(names(took_effect)),
            interrupted: Some(names(interrupted)),
            totals: Some(sums(totals)),
            ..task(Status::Cancelled)
        }),
        Event::DeliverableCreated { deliverable, .. } => raw(&miteos_api::Deliverable {
            id: deliverable.id.to_string(),
            name: deliverable.name.clone(),
            media_type: deliverable.media_type.clone(),
            size_bytes: deliverable.bytes,
            sha256: Some(deliverable.sha256.to_string()),
            download_url: None,
            created_at: at.to_string(),
        }),
        Event::ApprovalRequired { approval: asked } | Event::ApprovalResolved { approval: asked } => {
            raw(&approval(asked))
        }
        other => agent_payload(other),
    }
}

fn agent_payload(event: &Event) -> serde_json::Result<Box<RawValue>> {
    match event {
        Event::AgentStarted { subtask, agent_type: kind, title, .. } => raw(&data::AgentStarted {
            subtask_id: subtask.to_string(),
            kind: agent_type(*kind),
            title: Some(title.clone()),
        }),
        Event::AgentThought { text: said, model_call, progress, .. } => raw(&data::Thinking {
            text: text(said),
            usage: used(model_call.usage),
            model: Some(model_call.model.clone()),
            cost: model_call.cost.map(miteos_core::money::MicroUsd::dollars),
            progress: Some(*progress),
        }),
        Event::CallAuthorised { call, tool, input: arguments, risk: level, .. } => raw(&data::Action {
            call_id: call.to_string(),
            tool: tool.clone(),
            input: input(arguments),
            risk: risk(*level),
        }),
        Event::CallFinished { call, tool, ok, output, hint, duration_ms, attempts, .. } => {
            let path = match output {
                Content::Stored { path, .. } => path.clone(),
                Content::Inline(_) => None,
            };
            let output = match hint {
                Some(hint) => format!("{}\n[{hint}]", text(output)),
                None => text(output),
            };
            raw(&data::ActionResult {
                call_id: call.to_string(),
                tool: tool.clone(),
                ok: *ok,
                output,
                output_path: path,
                duration_ms: *duration_ms,
                attempts: (*attempts > 0).then_some(*attempts),
            })
        }
        Event::MessageSent { to, text, .. } => {
            let to = match to {
                Recipient::Agent(id) => id.to_string(),
                Recipient::All => "all".to_owned(),
            };
            raw(&data::Message { to, text: text.clone() })
        }
        Event::AgentGuided { message, .. } => raw(&data::Guided { message: message.clone() }),
        Event::AgentComplete { result, spent, .. } => {
            raw(&data::AgentEnded { result: Some(text(result)), ..ended(spent) })
        }
        Event::AgentFailed { error, spent, .. } => {
            raw(&data::AgentEnded { error: Some(error.clone()), ..ended(spent) })
        }
        Event::AgentCancelled { reason, spent, took_effect, interrupted, .. } => raw(&data::AgentEnded {
            took_effect: Some(names(took_effect)),
            interrupted: Some(names(interrupted)),
            ..reasoned(spent, reason, false)
        }),
        Event::AgentSkipped { reason, spent, .. } => raw(&reasoned(spent, reason, true)),
        // Pauses say all by their type; the rest is not public.
        _ => raw(&json!({})),
    }
}

fn used(usage: miteos_core::money::Usage) -> data::Usage {
    data::Usage {
        input: usage.input,
        output: usage.output,
        cache_read: usage.cache_read,
        cache_write: usage.cache_write,
        reasoning: usage.reasoning,
    }
}

fn reasoned(spent: &Spent, reason: &str, skipped: bool) -> data::AgentEnded {
    data::AgentEnded { reason: Some(reason.to_owned()), skipped: Some(skipped), ..ended(spent) }
}

fn names(calls: &[CallName]) -> Vec<data::CallName> {
    calls.iter().map(|c| data::CallName { call_id: c.call.to_string(), tool: c.tool.clone() }).collect()
}

fn ended(spent: &Spent) -> data::AgentEnded {
    data::AgentEnded {
        subtask_id: Some(spent.subtask.to_string()),
        tokens_used: spent.tokens,
        cost: spent.cost.dollars(),
        ..data::AgentEnded::default()
    }
}

fn task(status: miteos_api::TaskStatus) -> data::TaskData {
    data::TaskData {
        status,
        prompt: None,
        workspace_id: None,
        config: None,
        subtasks: None,
        replaces: None,
        skill_id: None,
        result: None,
        error: None,
        took_effect: None,
        interrupted: None,
        totals: None,
    }
}

fn sums(totals: &Totals) -> data::Totals {
    data::Totals {
        cost: totals.cost.dollars(),
        total_cost_cents: totals.cost.cents_up(),
        total_tokens_used: totals.tokens,
        deliverables_count: u64::from(totals.deliverables),
    }
}

fn planned(node: &PlannedSubtask) -> miteos_api::Subtask {
    miteos_api::Subtask {
        id: node.id.to_string(),
        agent_type: agent_type(node.agent_type),
        title: Some(node.title.clone()),
        prompt: node.prompt.clone(),
        status: miteos_api::SubtaskStatus::Pending,
        depends_on: node.depends_on.iter().map(ToString::to_string).collect(),
        acceptance: node.acceptance.clone(),
        agent_id: Some(node.agent.to_string()),
        tokens_used: 0,
        model_used: None,
    }
}

/// A text for a client: whole when it is small, else both ends with a note of what is left out.
pub fn text(content: &Content) -> String {
    match content {
        Content::Inline(text) if text.len() > 4 * MAX_INLINE_BYTES => {
            format!("{}…", &text[..floor_boundary(text, 4 * MAX_INLINE_BYTES)])
        }
        Content::Inline(_) | Content::Stored { .. } => content.abridged(),
    }
}

/// A text that is kept inline whatever its length, such as a task's prompt.
pub fn whole(content: &Content) -> String {
    match content {
        Content::Inline(text) => text.clone(),
        Content::Stored { .. } => content.abridged(),
    }
}

/// Arguments for a client: the JSON itself, or a reference with its beginning.
pub fn input(content: &Content) -> Value {
    match content {
        Content::Inline(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())),
        Content::Stored { sha256, bytes, head, .. } => {
            json!({"truncated": true, "bytes": bytes, "sha256": sha256, "head": head})
        }
    }
}

pub fn approval(approval: &Approval) -> miteos_api::Approval {
    miteos_api::Approval {
        id: approval.id.to_string(),
        task_id: approval.task.to_string(),
        agent_id: approval.agent.to_string(),
        call_id: Some(approval.call.to_string()),
        asked: Some(match approval.asked {
            Asked::Policy => miteos_api::Asked::Policy,
            Asked::MayHaveHappened => miteos_api::Asked::MayHaveHappened,
        }),
        attempts: (approval.attempts > 0).then_some(approval.attempts),
        tool: approval.tool.clone(),
        input: input(&approval.input),
        risk: risk(approval.risk),
        summary: summary::summary(approval),
        status: status(approval.status),
        reason: approval.reason.clone(),
        created_at: approval.created_at.to_string(),
        expires_at: Some(approval.expires_at.to_string()),
        decided_at: approval.decided_at.map(|at: Timestamp| at.to_string()),
    }
}

pub fn status(status: miteos_core::approval::ApprovalStatus) -> miteos_api::ApprovalStatus {
    use miteos_core::approval::ApprovalStatus as Core;
    match status {
        Core::Pending => miteos_api::ApprovalStatus::Pending,
        Core::Approved => miteos_api::ApprovalStatus::Approved,
        Core::Rejected => miteos_api::ApprovalStatus::Rejected,
        Core::Expired => miteos_api::ApprovalStatus::Expired,
        Core::Cancelled => miteos_api::ApprovalStatus::Cancelled,
    }
}

pub fn risk(risk: Risk) -> miteos_api::Risk {
    match risk {
        Risk::Low => miteos_api::Risk::Low,
        Risk::Medium => miteos_api::Risk::Medium,
        Risk::High => miteos_api::Risk::High,
        Risk::Critical => miteos_api::Risk::Critical,
    }
}

pub fn agent_type(kind: AgentType) -> miteos_api::AgentType {
    match kind {
        AgentType::Researcher => miteos_api::AgentType::Researcher,
        AgentType::Builder => miteos_api::AgentType::Builder,
        AgentType::Analyst => miteos_api::AgentType::Analyst,
        AgentType::Trader => miteos_api::AgentType::Trader,
        AgentType::Email => miteos_api::AgentType::Email,
        AgentType::Social => miteos_api::AgentType::Social,
    }
}
