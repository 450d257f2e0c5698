//! An agent's half of the loop that talks to its model.

use serde_json::Value;

use super::planning::next_attempt;
use super::{Decision, Outcome};
use crate::agent::{Agent, Hold, Phase};
use crate::chat::{ModelCall, Turn};
use crate::command::{FailureKind, ModelFailure, ProposedCall, Rejected};
use crate::content::Content;
use crate::event::{CallFacts, Event};
use crate::ids::{AgentId, CallId};
use crate::settings::{COMPACT_AT_PERCENT, EMPTY_ANSWERS_END, KEPT_TURNS, MAX_CALLS_PER_ANSWER};
use crate::task::Stage;

pub(super) struct Answer {
    pub text: Content,
    pub calls: Vec<ProposedCall>,
    pub opaque: Option<Value>,
    pub cut: bool,
    pub closing: Option<Box<ProposedCall>>,
    pub model_call: ModelCall,
}

impl Agent {
    /// How many turns a summary would take in: all but the last few, never parting calls from their results.
    pub fn summary_cut(&self) -> usize {
        let mut cut = self.turns.len().saturating_sub(KEPT_TURNS);
        while cut > 1 && matches!(self.turns.get(cut), Some(Turn::Results { .. })) {
            cut -= 1;
        }
        cut
    }
}

impl Decision<'_> {
    pub(super) fn agent(&self, id: AgentId) -> Result<&Agent, Rejected> {
        self.task.agent(id).ok_or(Rejected::NotFound("agent"))
    }

    pub(super) fn working(&self) -> bool {
        matches!(self.task.stage, Stage::Working { .. })
    }

    pub(super) fn agent_ready(&mut self, id: AgentId, brief: Content) -> Outcome {
        let agent = self.agent(id)?;
        if agent.phase != Phase::Idle || agent.stopping || agent.hold != Hold::None || !self.working() {
            return Err(Rejected::Stale);
        }
        if self.task.working() >= self.task.config.max_agents as usize {
            return Err(Rejected::Stale);
        }
        let (subtask, agent_type) = (agent.subtask, agent.kind);
        let title = self.task.subtask(subtask).map(|s| s.title.clone()).unwrap_or_default();
        self.emit(Event::AgentStarted { agent: id, subtask, agent_type, title, brief });
        self.remind_of_last_call(id);
        Ok(())
    }

    /// The agent, if it still waits for the model call of this step.
    fn thinking(&self, id: AgentId, step: u32, summary: bool) -> Result<&Agent, Rejected> {
        let agent = self.agent(id)?;
        let waits = matches!(&agent.phase, Phase::Thinking { summarise, .. } if *summarise == summary);
        if !waits || agent.model_calls != step || agent.stopping || !self.working() {
            return Err(Rejected::Stale);
        }
        Ok(agent)
    }

    pub(super) fn model_answered(&mut self, id: AgentId, step: u32, heard: usize, answer: Answer) -> Outcome {
        let agent = match self.thinking(id, step, false) {
            Ok(agent) => agent,
            Err(Rejected::Stale) => return self.paid_in_vain(Some(id), answer.model_call),
            Err(other) => return Err(other),
        };
        let last = agent.model_calls + 1 >= self.task.settings.max_model_calls;
        let progress = Agent::progress_after(agent.model_calls + 1);
        let more_to_hear = agent.inbox.len() > heard;
        let Answer { text, calls, opaque, cut, closing, model_call } = answer;
        let calls = if last { Vec::new() } else { self.name_calls(calls) };
        let acts = !calls.is_empty();
        let empty = is_blank(&text);
        let text_for_result = text.clone();
        let text = if empty { Content::empty() } else { text };
        self.emit(Event::AgentThought { agent: id, text, calls, opaque, model_call, heard, progress, cut });
        if acts {
            self.open_calls(id);
        } else if last && empty {
            let most = self.task.settings.max_model_calls;
            self.fail_agent(id, format!("no answer within {most} model calls"));
        } else if last && cut {
            self.fail_agent(id, "the last answer was cut at the limit of one answer".to_owned());
        } else if empty || cut {
            self.no_answer(id, cut);
        } else if last || !more_to_hear {
            self.complete_agent(id, text_for_result, closing);
        } else {
            self.remind_of_last_call(id);
        }
        Ok(())
    }

    /// The model said nothing, or more than one answer holds: half a result is none.
    fn no_answer(&mut self, id: AgentId, cut: bool) {
        let empties = self.task.agent(id).map_or(0, |a| a.empty_answers);
        if empties >= EMPTY_ANSWERS_END {
            let what = if cut { "an answer that was cut at its limit" } else { "nothing" };
            self.fail_agent(
                id,
                format!("the model answered {what}, {empties} times in a row without a usable answer"),
            );
        } else {
            let hint = if cut {
                "Your last answer was longer than one answer may be and was cut. Write long results to a file in parts and hand it over with publish, then answer shortly."
            } else {
                "Your last answer was empty. Call a tool, or give your final answer as text."
            };
            self.emit(Event::AgentHinted { agent: id, hint: hint.to_owned() });
            self.remind_of_last_call(id);
        }
    }

    fn name_calls(&mut self, calls: Vec<ProposedCall>) -> Vec<CallFacts> {
        let most = MAX_CALLS_PER_ANSWER;
        let name = |(index, call): (usize, ProposedCall)| {
            let problem = match call.problem {
                None if index >= most => {
                    Some(format!("not run: an answer may hold at most {most} calls; make it again"))
                }
                problem => problem,
            };
            CallFacts {
                call: CallId(self.mint.ulid()),
                tool: call.tool,
                input: call.input,
                input_sha256: call.input_sha256,
                risk: call.risk,
                read_only: call.read_only,
                retry: call.retry,
                problem,
            }
        };
        calls.into_iter().enumerate().map(name).collect()
    }

    /// Before the last call that an agent has, it is told so.
    pub(super) fn remind_of_last_call(&mut self, id: AgentId) {
        let most = self.task.settings.max_model_calls;
        let due = self
            .task
            .agent(id)
            .is_some_and(|a| matches!(a.phase, Phase::Thinking { .. }) && a.model_calls + 1 == most);
        if due {
            let hint = "This is your last turn: no more tool calls. Answer now with what you have, and say what is missing.";
            self.emit(Event::AgentHinted { agent: id, hint: hint.to_owned() });
        }
    }

    pub(super) fn summary_answered(
        &mut self,
        id: AgentId,
        step: u32,
        turns: usize,
        summary: Content,
        model_call: ModelCall,
    ) -> Outcome {
        let fits = |agent: &Agent| turns <= agent.turns.len() && turns > 1;
        match self.thinking(id, step, true) {
            Ok(agent) if fits(agent) => {}
            Ok(_) | Err(Rejected::Stale) => return self.paid_in_vain(Some(id), model_call),
            Err(other) => return Err(other),
        }
        self.emit(Event::HistorySummarised { agent: id, turns, summary, model_call });
        Ok(())
    }

    pub(super) fn model_erred(&mut self, id: AgentId, step: u32, failure: &ModelFailure) -> Outcome {
        let agent = self.agent(id)?;
        let Phase::Thinking { retry, summarise } = agent.phase.clone() else { return Err(Rejected::Stale) };
        self.thinking(id, step, summarise)?;
        let models = self.task.settings.models.len();
        if failure.kind == FailureKind::TooLong && !summarise && self.make_room(id) {
            return Ok(());
        }
        match next_attempt(retry, failure, models, self.task.settings.max_attempts, self.now) {
            Some(retry) => {
                self.emit(Event::ModelRetried { agent: id, retry, reason: failure.message.clone() });
            }
            None => self.fail_agent(id, failure.message.clone()),
        }
        Ok(())
    }

    /// After results came in: history past its share of the window is cut, then summarised.
    pub(super) fn compact(&mut self, id: AgentId) {
        let limit = self.task.settings.window_tokens * COMPACT_AT_PERCENT / 100;
        let over = |task: &crate::task::Task| {
            task.agent(id)
                .is_some_and(|a| matches!(a.phase, Phase::Thinking { .. }) && a.context_tokens > limit)
        };
        if !over(self.task) {
            return;
        }
        let cut = self.task.agent(id).map_or(0, Agent::summary_cut);
        if self.task.agent(id).is_some_and(|a| a.can_stub(cut)) {
            self.emit(Event::HistoryStubbed { agent: id, turns: cut });
        }
        if over(self.task) && self.task.agent(id).is_some_and(can_summarise) {
            self.emit(Event::SummaryAsked { agent: id });
        }
    }

    /// The provider says that the prompt is too long. Returns whether anything could be done.
    fn make_room(&mut self, id: AgentId) -> bool {
        let Some(agent) = self.task.agent(id) else { return false };
        let cut = agent.summary_cut();
        if agent.can_stub(cut) {
            self.emit(Event::HistoryStubbed { agent: id, turns: cut });
            return true;
        }
        if can_summarise(agent) {
            self.emit(Event::SummaryAsked { agent: id });
            return true;
        }
        false
    }
}

/// A summary that would replace less than this (bytes) is not worth a model call.
const MIN_SUMMARISED_BYTES: u64 = 2 * 1024;

/// Whether a summary would make room: guidance and what was summarised before stay.
fn can_summarise(agent: &Agent) -> bool {
    let own = |turn: &&Turn| !matches!(turn, Turn::User { .. });
    let droppable: u64 =
        agent.turns.iter().take(agent.summary_cut()).skip(1).filter(own).map(Turn::weight).sum();
    droppable >= MIN_SUMMARISED_BYTES
}

fn is_blank(text: &Content) -> bool {
    matches!(text, Content::Inline(text) if text.trim().is_empty())
}
