//! Tool calls: who may run when, what a person is asked, and what came of it.

use super::control::MAX_WAITING_WORDS;
use super::{Decision, Outcome};
use crate::agent::{Agent, Call, CallState, Hold};
use crate::approval::{Approval, ApprovalStatus, Asked};
use crate::command::{CallEffect, Decision as Answer, Rejected, Replacement};
use crate::content::Content;
use crate::event::{CallFacts, Event, Recipient};
use crate::ids::{AgentId, ApprovalId, CallId};
use crate::settings::{MAX_REASON_BYTES, REPEATS_END, REPEATS_HINT};
use crate::task::Stage;
use crate::tool::RetryClass;

pub(super) struct Ended {
    pub ok: bool,
    pub output: Content,
    pub effects: Vec<CallEffect>,
    pub duration_ms: u64,
}

impl Decision<'_> {
    /// Lets the calls run whose turn it is: all at once when all only read, else one after the other.
    pub(super) fn open_calls(&mut self, id: AgentId) {
        while let Some(facts) = self.next_call(id) {
            let call = facts.call;
            if let Some(problem) = facts.problem {
                let (tool, input, risk) = (facts.tool.clone(), facts.input, facts.risk);
                self.emit(Event::CallAuthorised { agent: id, call, tool, input, risk });
                self.finish_call(id, &facts.tool, call, Ended::error(problem));
            } else if self.task.settings.policy.must_ask(
                self.task.config.autonomy_level,
                &facts.tool,
                facts.risk,
            ) {
                self.ask_person(id, facts, Asked::Policy);
            } else {
                self.emit(Event::CallAuthorised {
                    agent: id,
                    call,
                    tool: facts.tool,
                    input: facts.input,
                    risk: facts.risk,
                });
            }
        }
    }

    fn next_call(&self, id: AgentId) -> Option<CallFacts> {
        let agent = self.task.agent(id)?;
        if agent.hold != Hold::None || agent.stopping || !self.working() {
            return None;
        }
        let calls = agent.calls();
        let together = calls.iter().all(|c| c.facts.read_only && c.facts.problem.is_none());
        let proposed = |c: &&Call| c.state == CallState::Proposed;
        if together {
            calls.iter().find(proposed).map(|c| c.facts.clone())
        } else {
            let open = calls.iter().find(|c| !matches!(c.state, CallState::Done { .. }));
            open.filter(proposed).map(|c| c.facts.clone())
        }
    }

    fn ask_person(&mut self, agent: AgentId, facts: CallFacts, asked: Asked) {
        let approval = Approval {
            id: ApprovalId(self.mint.ulid()),
            task: self.task.id,
            agent,
            call: facts.call,
            tool: facts.tool,
            input: facts.input,
            input_sha256: facts.input_sha256,
            risk: facts.risk,
            asked,
            attempts: self.task.agent(agent).and_then(|a| a.call(facts.call)).map_or(0, |c| c.attempts),
            replaced_by: None,
            status: ApprovalStatus::Pending,
            reason: None,
            created_at: self.now,
            expires_at: self.now.plus_ms(self.task.settings.approval_expires_ms),
            decided_at: None,
        };
        self.emit(Event::ApprovalRequired { approval: Box::new(approval) });
    }

    fn call_in(&self, agent: AgentId, call: CallId) -> Result<&Call, Rejected> {
        if !self.working() {
            return Err(Rejected::Stale);
        }
        self.agent(agent)?.call(call).ok_or(Rejected::Stale)
    }

    pub(super) fn call_starting(&mut self, agent: AgentId, call: CallId) -> Outcome {
        let found = self.call_in(agent, call)?;
        if found.state != CallState::Ready || found.facts.retry != RetryClass::Once {
            return Err(Rejected::Stale);
        }
        self.emit(Event::CallStarted { agent, call });
        Ok(())
    }

    pub(super) fn call_not_started(&mut self, agent: AgentId, call: CallId) -> Outcome {
        if self.call_in(agent, call)?.state != CallState::Started {
            return Err(Rejected::Stale);
        }
        self.emit(Event::CallReset { agent, call });
        Ok(())
    }

    pub(super) fn call_unsettled(&mut self, agent: AgentId, call: CallId) -> Outcome {
        let found = self.call_in(agent, call)?;
        if found.state != CallState::Started {
            return Err(Rejected::Stale);
        }
        let facts = found.facts.clone();
        self.ask_person(agent, facts, Asked::MayHaveHappened);
        Ok(())
    }

    pub(super) fn call_ended(&mut self, id: AgentId, call: CallId, mut ended: Ended) -> Outcome {
        // What ended while the task or the agent was being stopped did happen, and is recorded.
        let stopping = matches!(self.task.stage, Stage::Stopping { .. });
        let found = if stopping {
            self.agent(id)?.call(call).ok_or(Rejected::Stale)?
        } else {
            self.call_in(id, call)?
        };
        if !matches!(found.state, CallState::Ready | CallState::Started) {
            return Err(Rejected::Stale);
        }
        let tool = found.facts.tool.clone();
        for effect in std::mem::take(&mut ended.effects) {
            match effect {
                CallEffect::Publish(deliverable) => {
                    self.emit(Event::DeliverableCreated { agent: Some(id), deliverable });
                }
                CallEffect::Message { to, text } => match self.undeliverable(id, to) {
                    None => self.emit(Event::MessageSent { from: id, to, text }),
                    Some(problem) => {
                        ended = Ended { duration_ms: ended.duration_ms, ..Ended::error(problem) }
                    }
                },
            }
        }
        self.finish_call(id, &tool, call, ended);
        self.open_calls(id);
        Ok(())
    }

    fn undeliverable(&self, from: AgentId, to: Recipient) -> Option<String> {
        let others: Vec<_> = self.task.agents.iter().filter(|a| a.id != from && a.is_working()).collect();
        let names = || {
            let names: Vec<_> = others.iter().map(|a| format!("{} ({})", a.id, a.kind)).collect();
            if names.is_empty() {
                "nobody else is working".to_owned()
            } else {
                format!("still working: {}", names.join(", "))
            }
        };
        match to {
            Recipient::All if others.is_empty() => Some(format!("not sent: {}", names())),
            Recipient::Agent(to) if !others.iter().any(|a| a.id == to) => Some(format!(
                "not sent: {to} is no agent of this task that is at work (one that has not begun sees your result when it does); {}",
                names()
            )),
            Recipient::All | Recipient::Agent(_) => {
                let hears = |a: &&Agent| a.id != from && !a.is_finished();
                let addressed = |a: &&Agent| to == Recipient::All || to == Recipient::Agent(a.id);
                let full = |a: &&Agent| a.inbox.len() >= MAX_WAITING_WORDS;
                let found =
                    self.task.agents.iter().find(|a| hears(a) && addressed(a) && full(a)).map(|a| a.id);
                found.map(|id| {
                    format!(
                        "not sent: {id} has {MAX_WAITING_WORDS} messages it has not read; go on without it"
                    )
                })
            }
        }
    }

    /// Records the result. The last result of an answer decides whether the agent runs in circles.
    fn finish_call(&mut self, id: AgentId, tool: &str, call: CallId, ended: Ended) {
        let Some(agent) = self.task.agent(id) else { return };
        let done = |c: &Call| c.facts.call == call || matches!(c.state, CallState::Done { .. });
        let last = agent.calls().iter().all(done);
        let digest = agent.batch_digest(call, ended.ok, &ended.output);
        let repeats = if last { agent.repeats.rounds_with(&digest) } else { 1 };
        let replaced = agent.call(call).is_some_and(|c| c.replaced);
        let attempts = agent.call(call).map_or(0, |c| c.attempts);
        let mut hints = Vec::new();
        if replaced {
            hints.push("A person changed the arguments before this call ran; the result is that of the changed call.".to_owned());
        }
        if repeats >= REPEATS_HINT {
            hints.push(format!(
                "You have made the same calls with the same results {repeats} times. Do something else, or give your final answer."
            ));
        }
        let hint = (!hints.is_empty()).then(|| hints.join(" "));
        // One that is being stopped does not complete any more.
        let closing = agent.closing.clone().filter(|_| !agent.stopping && self.working());
        let Ended { ok, output, duration_ms, .. } = ended;
        let told = output.clone();
        self.emit(Event::CallFinished {
            agent: id,
            call,
            tool: tool.to_owned(),
            ok,
            output,
            hint,
            duration_ms,
            attempts,
        });
        if let Some(result) = closing {
            self.close_agent(id, &result, ok, &told);
        } else if repeats >= REPEATS_END {
            let error = format!(
                "the agent ran in circles: the same calls with the same results {repeats} times, the last one of {tool}"
            );
            self.fail_agent(id, error);
        } else if last {
            self.compact(id);
            self.remind_of_last_call(id);
        }
    }

    pub(super) fn decide(&mut self, agent: AgentId, approval: ApprovalId, answer: Answer) -> Outcome {
        let asker = self.agent(agent)?;
        let open = asker.approvals().find(|a| a.id == approval).cloned();
        let ending = asker.stopping || !self.working();
        let Some(open) = open else { return self.decided_before(agent, approval, &answer) };
        if ending {
            return Err(Rejected::WrongState(format!(
                "approval {approval} cannot be decided: its agent is being stopped"
            )));
        }
        let (Answer::Approve { reason, .. } | Answer::Reject { reason }) = &answer;
        if reason.as_ref().is_some_and(|reason| reason.len() > MAX_REASON_BYTES) {
            return Err(Rejected::WrongState(format!(
                "reason has more than {MAX_REASON_BYTES} bytes; say it in fewer"
            )));
        }
        match answer {
            Answer::Approve { replacement, reason } => {
                let (input, risk, replaced_by) = match replacement {
                    Some(Replacement { input, input_sha256, risk }) => (input, risk, Some(input_sha256)),
                    None => (open.input.clone(), open.risk, None),
                };
                let approved = Approval { replaced_by, ..open.clone() };
                self.resolve(&approved, ApprovalStatus::Approved, reason.clone());
                if let Some(reason) = reason.filter(|reason| !reason.trim().is_empty()) {
                    let message = format!("A person approved your call of {} and said: {reason}", open.tool);
                    self.emit(Event::AgentGuided { agent, message });
                }
                self.emit(Event::CallAuthorised { agent, call: open.call, tool: open.tool, input, risk });
            }
            Answer::Reject { reason } => {
                self.turn_down(&open, ApprovalStatus::Rejected, reason);
            }
        }
        Ok(())
    }

    /// The same decision again is the same answer; another one comes too late.
    fn decided_before(&self, agent: AgentId, approval: ApprovalId, answer: &Answer) -> Outcome {
        let Some(before) = self.task.settled.get(&approval).filter(|s| s.agent == agent) else {
            return Err(Rejected::NotFound("approval"));
        };
        let same = match (answer, before.status) {
            (Answer::Approve { replacement: None, .. }, ApprovalStatus::Approved)
            | (Answer::Reject { .. }, ApprovalStatus::Rejected) => true,
            (Answer::Approve { replacement: Some(with), .. }, ApprovalStatus::Approved) => {
                if with.input_sha256 == before.input_sha256 {
                    return Ok(());
                }
                return Err(Rejected::WrongState(format!(
                    "approval {approval} is already approved, with other arguments; a decision is made once"
                )));
            }
            (Answer::Approve { .. } | Answer::Reject { .. }, _) => false,
        };
        if same {
            return Ok(());
        }
        let status = before.status.as_str();
        Err(Rejected::WrongState(format!("approval {approval} is already {status}; a decision is made once")))
    }

    pub(super) fn expire(&mut self, approval: ApprovalId) -> Outcome {
        let Some(open) = self.task.approval(approval).filter(|_| self.working()).cloned() else {
            return Err(Rejected::Stale);
        };
        if self.now < open.expires_at {
            return Err(Rejected::Stale);
        }
        self.turn_down(&open, ApprovalStatus::Expired, Some("nobody answered in time".to_owned()));
        Ok(())
    }

    fn turn_down(&mut self, open: &Approval, status: ApprovalStatus, reason: Option<String>) {
        self.resolve(open, status, reason.clone());
        let closes = self.task.agent(open.agent).is_some_and(|agent| agent.closing.is_some());
        let why = reason.filter(|r| !r.trim().is_empty()).unwrap_or_else(|| "no reason given".to_owned());
        let text = match open.asked {
            Asked::Policy if closes => format!("a person rejected it ({why})"),
            Asked::Policy => format!(
                "Not run: a person rejected this call ({why}). Find another way, or say what you need."
            ),
            Asked::MayHaveHappened => format!(
                "The server restarted while this call ran; it may or may not have taken effect, and a person decided not to repeat it ({why})."
            ),
        };
        self.finish_call(open.agent, &open.tool, open.call, Ended::error(text));
        self.open_calls(open.agent);
    }

    pub(super) fn resolve(&mut self, open: &Approval, status: ApprovalStatus, reason: Option<String>) {
        let approval = Approval { status, reason, decided_at: Some(self.now), ..open.clone() };
        self.emit(Event::ApprovalResolved { approval: Box::new(approval) });
    }
}

impl Ended {
    fn error(text: String) -> Self {
        Self { ok: false, output: Content::from(text), effects: Vec::new(), duration_ms: 0 }
    }
}
