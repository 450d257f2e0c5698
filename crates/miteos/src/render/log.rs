//! Events as plain lines, for a pipe, a file or a terminal that cannot be redrawn.

use miteos_client::api::events::data::{ActionResult, AgentEnded, CreditLow, Message, TaskData, Thinking};
use miteos_client::api::{Approval, ApprovalStatus, Deliverable, Event, EventType};

use super::paint::{Theme, Tone};
use super::{text, units};
use crate::view::{self, RunView};

/// Columns of the middle part, `2 researcher`.
const WHO: usize = 13;

/// What an event says, in one line; nothing if it says nothing to a person. `view` has it folded in already.
pub fn line(view: &RunView, event: &Event, theme: Theme) -> Option<String> {
    let (tone, what) = what(view, event)?;
    let began = view.began_at.as_deref().unwrap_or(&event.created_at);
    let time = units::between(began, &event.created_at).unwrap_or_default();
    let time = text::pad_left(&units::clock(time), 5);
    let who = text::pad(&who(view, event), WHO);
    let head = format!("{} {}", theme.dim(&time), theme.cyan(&who));
    let room = theme.columns.saturating_sub(5 + 1 + WHO + 1).max(20);
    Some(format!("{head} {}", theme.tone(tone, &text::fit(&what, room))))
}

fn who(view: &RunView, event: &Event) -> String {
    let Some(agent) = &event.agent_id else {
        return event.kind.as_str().split('.').next().map_or_else(String::new, text::line);
    };
    match view.node_of(agent) {
        Some(place) => format!("{} {}", place + 1, view.nodes[place].kind),
        None => "agent".to_owned(),
    }
}

fn what(view: &RunView, event: &Event) -> Option<(Tone, String)> {
    let said = match &event.kind {
        EventType::TaskCreated => {
            (Tone::Plain, format!("created {}", text::line(event.task_id.as_deref().unwrap_or_default())))
        }
        EventType::TaskPlanning => (Tone::Plain, "planning".to_owned()),
        EventType::TaskPlanned => (Tone::Plain, planned(view)),
        EventType::TaskRunning => return None,
        EventType::TaskPaused => (Tone::Attention, "paused".to_owned()),
        EventType::TaskResumed => (Tone::Plain, "resumed".to_owned()),
        EventType::TaskComplete => (Tone::Good, "complete".to_owned()),
        EventType::TaskFailed => (Tone::Bad, with("failed", event.data_as::<TaskData>().ok()?.error)),
        EventType::TaskCancelled => (Tone::Attention, "cancelled".to_owned()),
        EventType::AgentStarted => {
            let place = view.node_of(event.agent_id.as_deref()?)?;
            (Tone::Plain, with("starts", Some(view.nodes[place].title.clone())))
        }
        EventType::AgentThinking => return thought(event),
        EventType::AgentAction => {
            let doing = event.data_as::<miteos_client::api::events::data::Action>().ok()?;
            (Tone::Plain, format!("{}  {}", text::line(&doing.tool), text::line(&view::gist(&doing.input))))
        }
        EventType::AgentResult => return result(event),
        EventType::AgentMessage => {
            let message = event.data_as::<Message>().ok()?;
            (Tone::Plain, format!("to {}: {}", text::line(&message.to), text::line(&message.text)))
        }
        EventType::AgentPaused => (Tone::Attention, "paused".to_owned()),
        EventType::AgentResumed => (Tone::Plain, "resumed".to_owned()),
        EventType::AgentGuided => (Tone::Plain, with("guided", view::guidance(event))),
        EventType::AgentComplete => (Tone::Good, "complete".to_owned()),
        EventType::AgentError => (Tone::Bad, with("error", event.data_as::<AgentEnded>().ok()?.error)),
        EventType::AgentCancelled => (Tone::Attention, "cancelled".to_owned()),
        EventType::ApprovalRequired | EventType::ApprovalResolved => return approval(event),
        EventType::DeliverableCreated => {
            let file = event.data_as::<Deliverable>().ok()?;
            (Tone::Good, format!("delivers {} ({})", text::line(&file.name), units::bytes(file.size_bytes)))
        }
        EventType::BillingCreditLow => {
            let low = event.data_as::<CreditLow>().ok()?;
            (
                Tone::Attention,
                format!("less than a tenth of the budget is left: {}", units::dollars(low.left)),
            )
        }
        EventType::DeploymentFailed | EventType::TradingKillTriggered => (Tone::Bad, raw(event)),
        EventType::DeploymentStarted
        | EventType::DeploymentBuilding
        | EventType::DeploymentDeploying
        | EventType::DeploymentLive
        | EventType::TradingOrderPlaced
        | EventType::Other(_) => (Tone::Plain, raw(event)),
    };
    Some(said)
}

fn with(word: &str, more: Option<String>) -> String {
    match more.map(|more| text::line(&more)).filter(|more| !more.is_empty()) {
        Some(more) => format!("{word}: {more}"),
        None => word.to_owned(),
    }
}

fn raw(event: &Event) -> String {
    let name = event.kind.as_str().rsplit('.').next().unwrap_or_default().replace('_', " ");
    format!("{} {}", text::line(&name), text::line(event.data.get()))
}

fn planned(view: &RunView) -> String {
    match view.nodes.len() {
        0 => "planned".to_owned(),
        1 => "a plan of 1 step".to_owned(),
        n => format!("a plan of {n} steps"),
    }
}

fn thought(event: &Event) -> Option<(Tone, String)> {
    let text = text::line(&event.data_as::<Thinking>().ok()?.text);
    (!text.is_empty()).then_some((Tone::Quiet, text))
}

fn result(event: &Event) -> Option<(Tone, String)> {
    let result = event.data_as::<ActionResult>().ok()?;
    let time = units::duration(std::time::Duration::from_millis(result.duration_ms));
    let tool = text::line(&result.tool);
    Some(if result.ok {
        (Tone::Quiet, format!("{tool}  done in {time}"))
    } else {
        (Tone::Attention, with(&format!("{tool}  failed after {time}"), Some(result.output)))
    })
}

fn approval(event: &Event) -> Option<(Tone, String)> {
    let approval = event.data_as::<Approval>().ok()?;
    let id = text::line(&approval.id);
    let said = match approval.status {
        ApprovalStatus::Pending => {
            let summary = text::line(&approval.summary);
            (Tone::Attention, format!("{} risk, approval {id}: {summary}", approval.risk))
        }
        ApprovalStatus::Approved => (Tone::Good, format!("{id} approved")),
        ApprovalStatus::Rejected => (Tone::Attention, with(&format!("{id} rejected"), approval.reason)),
        ApprovalStatus::Expired => (Tone::Attention, format!("{id} expired: nobody answered")),
        ApprovalStatus::Cancelled => (Tone::Quiet, format!("{id} cancelled")),
    };
    Some(said)
}
