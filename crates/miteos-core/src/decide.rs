//! What a command leads to. Commands may be refused; a refused command has changed nothing.
//!
//! The state is moved on as the events are decided (only through `apply`), so that no copy of it is needed.
//! Whoever fails to store the events has to load the task afresh.

mod agents;
mod budget;
mod calls;
mod closing;
mod control;
mod planning;

use crate::command::{Command, Rejected};
use crate::content::Content;
use crate::event::{Created, Ending, Event, Spent};
use crate::ids::{Mint, TaskId};
use crate::task::{Replan, Stage, SubtaskStatus, Task};
use crate::time::Timestamp;

type Outcome = Result<(), Rejected>;

/// A decision in the making: the task, moved along by every event it emits.
pub(crate) struct Decision<'a> {
    task: &'a mut Task,
    now: Timestamp,
    mint: Mint,
    events: Vec<Event>,
}

impl Task {
    /// A new task and its first record.
    pub fn create(id: TaskId, created: Created, now: Timestamp) -> (Self, Event) {
        let event = Event::TaskCreated(Box::new(created));
        match Self::born(id, &event, now) {
            Some(task) => (task, event),
            None => unreachable!("a task is born from its creation"),
        }
    }

    /// Carries out a command.
    ///
    /// # Errors
    /// [`Rejected`]; the task is as it was.
    pub fn handle(&mut self, command: Command, now: Timestamp) -> Result<Vec<Event>, Rejected> {
        let mint = Mint::new(self.id, self.version, now);
        let mut decision = Decision { task: self, now, mint, events: Vec::new() };
        let outcome = decision.dispatch(command);
        debug_assert!(outcome.is_ok() || decision.events.is_empty(), "a refused command changes nothing");
        outcome?;
        if !decision.events.is_empty() {
            decision.settle();
        }
        let events = decision.events;
        debug_assert_eq!(crate::invariants::broken(self), None);
        Ok(events)
    }
}

impl Decision<'_> {
    fn emit(&mut self, event: Event) {
        self.task.apply(&event, self.now);
        self.events.push(event);
    }

    /// What the agent has used so far, for its last record.
    fn spent(&self, id: crate::ids::AgentId) -> Spent {
        let nobody =
            Spent { subtask: crate::ids::SubtaskId(id.0), tokens: 0, cost: crate::money::MicroUsd::ZERO };
        self.task.agent(id).map_or(nobody, |a| Spent {
            subtask: a.subtask,
            tokens: a.usage.total(),
            cost: a.cost,
        })
    }

    fn fail_agent(&mut self, agent: crate::ids::AgentId, error: String) {
        let spent = self.spent(agent);
        self.emit(Event::AgentFailed { agent, error, spent });
    }

    fn dispatch(&mut self, command: Command) -> Outcome {
        match command {
            Command::Admit => self.admit(),
            Command::QuestionAnswered { question, round, arguments, model_call } => {
                self.answered(question, round, arguments, model_call)
            }
            Command::QuestionErred { question, round, failure } => {
                self.question_erred(question, round, &failure)
            }
            Command::Published { deliverables } => self.published(deliverables),
            Command::AgentReady { agent, brief } => self.agent_ready(agent, brief),
            Command::ModelAnswered { agent, step, heard, text, calls, opaque, cut, closing, model_call } => {
                let answer = agents::Answer { text, calls, opaque, cut, closing, model_call };
                self.model_answered(agent, step, heard, answer)
            }
            Command::SummaryAnswered { agent, step, turns, summary, model_call } => {
                self.summary_answered(agent, step, turns, summary, model_call)
            }
            Command::ModelErred { agent, step, failure } => self.model_erred(agent, step, &failure),
            Command::CallStarting { agent, call } => self.call_starting(agent, call),
            Command::CallNotStarted { agent, call } => self.call_not_started(agent, call),
            Command::CallUnsettled { agent, call } => self.call_unsettled(agent, call),
            Command::CallEnded { agent, call, ok, output, effects, duration_ms } => {
                self.call_ended(agent, call, calls::Ended { ok, output, effects, duration_ms })
            }
            Command::Held { agent } => self.held(agent),
            Command::Stopped { agent } => self.stopped(agent),
            Command::AllStopped => self.all_stopped(),
            Command::TaskHeld => self.task_held(),
            Command::ModelReserving { agent, worst } => self.model_reserving(agent, worst),
            Command::ModelUnanswered { agent, billed } => self.model_unanswered(agent, billed),
            Command::Expire { approval } => self.expire(approval),
            Command::BudgetExhausted => self.budget_exhausted(),
            Command::PauseAgent { agent } => self.pause_agent(agent),
            Command::ResumeAgent { agent } => self.resume_agent(agent),
            Command::CancelAgent { agent } => self.cancel_agent(agent),
            Command::GuideAgent { agent, message } => self.guide_agent(agent, message),
            Command::Decide { agent, approval, decision } => self.decide(agent, approval, decision),
            Command::PauseTask => self.pause_task(),
            Command::ResumeTask => self.resume_task(),
            Command::CancelTask => self.cancel_task(),
            Command::GuideTask { message } => self.guide_task(&message),
            Command::SetAutonomy { autonomy_level } => self.set_autonomy(autonomy_level),
            Command::SetBudget { budget_cents } => self.set_budget(budget_cents),
        }
    }

    /// What follows from the state by itself: failed parts, the end of the work, the pause of the whole.
    fn settle(&mut self) {
        self.settle_credit();
        if let Stage::Working { .. } = self.task.stage {
            self.settle_failures();
        }
        if let Stage::Working { .. } = self.task.stage {
            self.settle_end();
        }
        match self.task.stage {
            Stage::Planning { .. }
            | Stage::Working { .. }
            | Stage::Concluding { .. }
            | Stage::Publishing { .. } => self.settle_pause(),
            Stage::Queued
            | Stage::Stopping { .. }
            | Stage::Complete { .. }
            | Stage::Failed { .. }
            | Stage::Cancelled => {}
        }
    }

    fn settle_pause(&mut self) {
        let held = self.task.is_held();
        if held && !self.task.paused {
            self.emit(Event::TaskPaused);
        } else if !held && self.task.paused {
            let planning = matches!(self.task.stage, Stage::Planning { .. });
            self.emit(Event::TaskResumed { planning });
        }
    }

    /// Failed nodes take their dependants along and are replaced once; cancelled ones take theirs along.
    fn settle_failures(&mut self) {
        self.skip_dependants();
        let failed: Vec<_> = self
            .task
            .subtasks
            .iter()
            .filter(|s| s.status == SubtaskStatus::Failed && !s.replaced)
            .map(|s| s.id)
            .collect();
        if failed.is_empty() {
            return;
        }
        let ask_again = match &self.task.stage {
            Stage::Working { replan: Replan::Unused } => true,
            Stage::Working { replan: Replan::Asking { failed: known, .. } } => known.len() < failed.len(),
            Stage::Working { replan: Replan::Used } => {
                let error = self.failure_text(&failed);
                self.emit(Event::StopAsked { ending: Ending::Failed { error } });
                false
            }
            _ => false,
        };
        if ask_again {
            self.emit(Event::ReplanAsked { failed });
        }
    }

    fn skip_dependants(&mut self) {
        loop {
            let lost = |s: &crate::task::Subtask| match s.status {
                SubtaskStatus::Failed | SubtaskStatus::Cancelled | SubtaskStatus::Skipped => true,
                SubtaskStatus::Pending | SubtaskStatus::Running | SubtaskStatus::Complete => false,
            };
            let next = self.task.subtasks.iter().find_map(|s| {
                let idle = s.status == SubtaskStatus::Pending;
                let cause = s.depends_on.iter().filter_map(|id| self.task.subtask(*id)).find(|d| lost(d));
                cause.filter(|_| idle).map(|d| {
                    (s.agent, format!("\"{}\", which it depends on, is {}", d.title, d.status.as_str()))
                })
            });
            let Some((agent, reason)) = next else { return };
            let spent = self.spent(agent);
            self.emit(Event::AgentSkipped { agent, reason, spent });
        }
    }

    fn failure_text(&self, failed: &[crate::ids::SubtaskId]) -> String {
        let texts: Vec<String> = failed
            .iter()
            .filter_map(|id| self.task.subtask(*id))
            .map(|s| {
                let reason = match self.task.agent(s.agent).map(|a| &a.phase) {
                    Some(crate::agent::Phase::Error { error }) => error.as_str(),
                    _ => "failed",
                };
                format!("subtask \"{}\" failed: {reason}", s.title)
            })
            .collect();
        texts.join("; ")
    }

    /// Every node has ended: one node's answer is the result, several need a conclusion.
    fn settle_end(&mut self) {
        if matches!(self.task.stage, Stage::Working { replan: Replan::Asking { .. } })
            || !self.task.subtasks.iter().all(|s| s.status.is_terminal())
        {
            return;
        }
        let complete: Vec<_> =
            self.task.subtasks.iter().filter(|s| s.status == SubtaskStatus::Complete).map(|s| s.id).collect();
        match complete.as_slice() {
            [] => self.emit(Event::StopAsked { ending: Ending::Cancelled }),
            [only] if self.task.subtasks.len() == 1 => {
                let result = self.task.result_of(*only).cloned().unwrap_or_else(Content::empty);
                let totals = self.task.totals();
                self.emit(Event::TaskComplete { result, totals });
            }
            _ => self.emit(Event::ConclusionAsked),
        }
    }
}
