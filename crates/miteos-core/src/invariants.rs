//! What is true of every task at every moment. Checked by `debug_assert!` after each decision, and by tests.

use crate::agent::{CallState, Hold, Phase};
use crate::task::{Stage, SubtaskStatus, Task};

/// The first broken invariant, in words; `None` when all hold.
pub fn broken(task: &Task) -> Option<String> {
    terminal_is_quiet(task)
        .or_else(|| agents_match_subtasks(task))
        .or_else(|| agents_are_sound(task))
        .or_else(|| nobody_is_stuck(task))
}

fn terminal_is_quiet(task: &Task) -> Option<String> {
    if task.is_finished() {
        if let Some(agent) = task.agents.iter().find(|a| !a.is_finished()) {
            return Some(format!("the task has ended but agent {} has not", agent.id));
        }
        if task.completed_at.is_none() {
            return Some("the task has ended at no time".to_owned());
        }
        if !task.pending().is_empty() {
            return Some("an ended task is owed something".to_owned());
        }
    }
    None
}

fn agents_match_subtasks(task: &Task) -> Option<String> {
    for subtask in &task.subtasks {
        let Some(agent) = task.agent(subtask.agent) else {
            return Some(format!("subtask {} has no agent", subtask.id));
        };
        let expected = match &agent.phase {
            Phase::Idle => SubtaskStatus::Pending,
            Phase::Thinking { .. } | Phase::Acting { .. } => SubtaskStatus::Running,
            Phase::Complete { .. } => SubtaskStatus::Complete,
            Phase::Error { .. } => SubtaskStatus::Failed,
            Phase::Cancelled { skipped: true, .. } => SubtaskStatus::Skipped,
            Phase::Cancelled { skipped: false, .. } => SubtaskStatus::Cancelled,
        };
        if subtask.status != expected {
            return Some(format!(
                "subtask {} is {:?} but its agent says {expected:?}",
                subtask.id, subtask.status
            ));
        }
    }
    None
}

fn agents_are_sound(task: &Task) -> Option<String> {
    if task.working() > task.config.max_agents as usize {
        return Some(format!("{} agents work, {} may", task.working(), task.config.max_agents));
    }
    for agent in &task.agents {
        if agent.model_calls > task.settings.max_model_calls {
            return Some(format!("agent {} made {} model calls", agent.id, agent.model_calls));
        }
        let calls = agent.calls();
        if !calls.is_empty() && calls.iter().all(|c| matches!(c.state, CallState::Done { .. })) {
            return Some(format!("agent {} acts with nothing left to do", agent.id));
        }
        let running = calls
            .iter()
            .filter(|c| matches!(c.state, CallState::Ready | CallState::Started | CallState::Waiting { .. }))
            .count();
        if running > 1 && !calls.iter().all(|c| c.facts.read_only) {
            return Some(format!("agent {} runs {running} calls at once, not all read only", agent.id));
        }
    }
    None
}

/// Whoever is not finished is owed something, waits for a person who can answer, or for somebody who is.
fn nobody_is_stuck(task: &Task) -> Option<String> {
    match &task.stage {
        Stage::Queued | Stage::Complete { .. } | Stage::Failed { .. } | Stage::Cancelled => return None,
        Stage::Planning { .. }
        | Stage::Concluding { .. }
        | Stage::Publishing { .. }
        | Stage::Stopping { .. }
        | Stage::Working { .. } => {}
    }
    let unfinished = || task.agents.iter().filter(|a| !a.is_finished());
    if let Stage::Working { .. } = task.stage {
        let open = |c: &crate::agent::Call| {
            matches!(c.state, CallState::Ready | CallState::Started | CallState::Waiting { .. })
        };
        let idle = |a: &&crate::agent::Agent| {
            matches!(a.phase, Phase::Acting { .. })
                && a.hold == Hold::None
                && !a.stopping
                && !a.calls().iter().any(open)
        };
        if let Some(agent) = unfinished().find(idle) {
            return Some(format!("agent {} acts, but none of its calls can go on", agent.id));
        }
    }
    let resumable = task.hold != Hold::None || unfinished().any(|a| a.hold == Hold::Holding);
    if task.pending().is_empty() && !resumable {
        return Some("nothing is owed and nobody is asked: the task is stuck".to_owned());
    }
    None
}
