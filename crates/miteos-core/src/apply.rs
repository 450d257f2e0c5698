//! How a record changes a task. The only way its state changes, live and on replay.

mod money;

use crate::agent::{Agent, Call, CallState, Hold, Phase};
use crate::approval::{Approval, Settlement};
use crate::chat::{CallRecord, ResultRecord, Turn, guess_tokens};
use crate::content::{Content, Sha256};
use crate::event::{CallFacts, CallName, Event, PlannedSubtask, Question, Recipient, Retry};
use crate::ids::{AgentId, CallId, SubtaskId, TaskId};
use crate::money::{MicroUsd, Usage};
use crate::task::{Asking, Replan, Stage, Subtask, SubtaskStatus, Task};
use crate::time::Timestamp;
use crate::tool::Risk;

/// Results up to this size (bytes) are not worth cutting to a stub.
const STUB_FROM_BYTES: u64 = 160;

impl Task {
    /// The state after the first record.
    pub fn born(id: TaskId, first: &Event, at: Timestamp) -> Option<Self> {
        let Event::TaskCreated(created) = first else { return None };
        Some(Self {
            id,
            account: created.account,
            live: created.live,
            tier: created.tier.clone(),
            prompt: created.prompt.clone(),
            workspace: created.workspace,
            config: created.config.clone(),
            settings: created.settings.clone(),
            stage: Stage::Queued,
            subtasks: Vec::new(),
            agents: Vec::new(),
            own_usage: Usage::default(),
            own_cost: MicroUsd::ZERO,
            cost_known: true,
            model_calls: 0,
            deliverables: 0,
            actions: 0,
            tools: Vec::new(),
            settled: std::collections::BTreeMap::new(),
            hold: Hold::None,
            paused: false,
            reserved: Vec::new(),
            uncertain: MicroUsd::ZERO,
            credit_told: false,
            version: 1,
            seq: 1,
            created_at: at,
            started_at: None,
            completed_at: None,
        })
    }

    pub fn apply(&mut self, event: &Event, at: Timestamp) {
        self.version += 1;
        if event.public_type().is_some() {
            self.seq += 1;
        }
        match event {
            // Only ever the first record, which `born` folds.
            Event::TaskCreated(_) => {}
            Event::TaskPlanning => {
                self.started_at = Some(at);
                self.stage = Stage::Planning { asking: Asking::default() };
            }
            Event::AnswerRefused { question, problems, model_call } => {
                self.account(model_call);
                if let Some(asking) = self.asking_mut(*question) {
                    asking.refused.push(problems.clone());
                    asking.retry = Retry { model: asking.retry.model, ..Retry::default() };
                }
            }
            Event::QuestionRetried { question, retry, .. } => {
                if let Some(asking) = self.asking_mut(*question) {
                    asking.retry = *retry;
                }
            }
            Event::TaskPlanned { subtasks, replaces, model_call } => {
                self.account(model_call);
                self.plan(subtasks, replaces);
            }
            Event::TaskRunning => {}
            Event::ReplanAsked { failed } => {
                self.stage = Stage::Working {
                    replan: Replan::Asking { asking: Asking::default(), failed: failed.clone() },
                };
            }
            Event::ConclusionAsked => self.stage = Stage::Concluding { asking: Asking::default() },
            Event::Concluded { summary, paths, model_call } => {
                self.account(model_call);
                self.stage = Stage::Publishing { summary: summary.clone(), paths: paths.clone() };
            }
            Event::TaskHoldAsked => self.hold = if self.paused { Hold::Holding } else { Hold::Asked },
            Event::TaskHoldLifted => self.hold = Hold::None,
            Event::TaskPaused => self.pause(),
            Event::TaskResumed { .. } => self.paused = false,
            Event::AutonomySet { autonomy_level } => self.config.autonomy_level = *autonomy_level,
            Event::BudgetSet { budget_cents } => {
                self.config.budget_cents = *budget_cents;
                self.credit_told = false;
            }
            Event::CreditLow { .. } => self.credit_told = true,
            Event::ModelReserved { agent, worst } => self.reserve(*agent, *worst),
            Event::ModelUnanswered { agent, billed } => self.bill(*agent, billed),
            Event::StopAsked { ending } => self.stage = Stage::Stopping { ending: ending.clone() },
            Event::TaskComplete { result, .. } => self.end(Stage::Complete { result: result.clone() }, at),
            Event::TaskFailed { error, .. } => self.end(Stage::Failed { error: error.clone() }, at),
            Event::TaskCancelled { .. } => self.end(Stage::Cancelled, at),
            Event::DeliverableCreated { .. } => self.deliverables += 1,
            Event::MessageSent { from, to, text } => self.deliver(*from, *to, text),
            Event::ApprovalRequired { approval } => self.require(approval),
            Event::ApprovalResolved { approval } => self.settle_approval(approval),
            Event::AgentThought { agent, text, calls, opaque, model_call, heard, progress: _, cut } => {
                self.model_calls += 1;
                self.release(Some(*agent));
                if let Some(agent) = self.agent_mut(*agent) {
                    agent.think(text, calls, opaque.as_ref(), *heard, *cut, model_call);
                }
            }
            Event::HistorySummarised { agent, turns, summary, model_call } => {
                self.model_calls += 1;
                self.release(Some(*agent));
                if let Some(agent) = self.agent_mut(*agent) {
                    agent.account(model_call);
                    agent.summarise(*turns, summary);
                }
            }
            Event::CallAuthorised { agent, tool, .. } => {
                self.actions += 1;
                if !self.tools.contains(tool) {
                    self.tools.push(tool.clone());
                }
                if let Some(agent) = self.agent_mut(*agent) {
                    agent.apply(event);
                }
            }
            Event::AgentStarted { agent, .. }
            | Event::AgentComplete { agent, .. }
            | Event::AgentFailed { agent, .. }
            | Event::AgentCancelled { agent, .. }
            | Event::AgentSkipped { agent, .. } => self.turn_over(*agent, event),
            Event::ModelRetried { agent, .. }
            | Event::DeployProposed { agent, .. }
            | Event::AgentHinted { agent, .. }
            | Event::HistoryStubbed { agent, .. }
            | Event::SummaryAsked { agent }
            | Event::CallStarted { agent, .. }
            | Event::CallReset { agent, .. }
            | Event::CallFinished { agent, .. }
            | Event::AgentGuided { agent, .. }
            | Event::HoldAsked { agent }
            | Event::AgentPaused { agent }
            | Event::AgentResumed { agent }
            | Event::AgentStopAsked { agent } => {
                if let Some(agent) = self.agent_mut(*agent) {
                    agent.apply(event);
                }
            }
        }
    }

    fn pause(&mut self) {
        self.paused = true;
        if self.hold == Hold::Asked {
            self.hold = Hold::Holding;
        }
    }

    fn settle_approval(&mut self, approval: &Approval) {
        let input_sha256 = approval.replaced_by.as_ref().unwrap_or(&approval.input_sha256).clone();
        let settlement = Settlement { agent: approval.agent, status: approval.status, input_sha256 };
        self.settled.insert(approval.id, settlement);
    }

    /// The open question of this kind.
    pub fn asking(&self, question: Question) -> Option<&Asking> {
        match (&self.stage, question) {
            (Stage::Planning { asking }, Question::Plan)
            | (Stage::Concluding { asking }, Question::Conclude) => Some(asking),
            (Stage::Working { replan: Replan::Asking { asking, .. } }, Question::Replan) => Some(asking),
            _ => None,
        }
    }

    fn asking_mut(&mut self, question: Question) -> Option<&mut Asking> {
        match (&mut self.stage, question) {
            (Stage::Planning { asking }, Question::Plan)
            | (Stage::Concluding { asking }, Question::Conclude) => Some(asking),
            (Stage::Working { replan: Replan::Asking { asking, .. } }, Question::Replan) => Some(asking),
            _ => None,
        }
    }

    fn plan(&mut self, planned: &[PlannedSubtask], replaces: &[SubtaskId]) {
        let first = matches!(self.stage, Stage::Planning { .. });
        self.stage = Stage::Working { replan: if first { Replan::Unused } else { Replan::Used } };
        for id in replaces {
            if let Some(subtask) = self.subtask_mut(*id) {
                subtask.replaced = true;
            }
        }
        let hold = if self.paused || self.hold != Hold::None { Hold::Holding } else { Hold::None };
        for node in planned {
            self.agents.push(Agent::new(node.agent, node.id, node.agent_type, hold));
            self.subtasks.push(Subtask {
                id: node.id,
                agent: node.agent,
                key: node.key.clone(),
                agent_type: node.agent_type,
                title: node.title.clone(),
                prompt: node.prompt.clone(),
                depends_on: node.depends_on.clone(),
                acceptance: node.acceptance.clone(),
                status: SubtaskStatus::Pending,
                replaced: false,
            });
        }
    }

    fn end(&mut self, stage: Stage, at: Timestamp) {
        self.stage = stage;
        self.paused = false;
        self.hold = Hold::None;
        self.uncertain += self.reserved.drain(..).map(|r| r.worst).sum();
        self.completed_at = Some(at);
    }

    fn deliver(&mut self, from: AgentId, to: Recipient, text: &str) {
        let sender = self.agent(from).map(|a| a.kind.as_str()).unwrap_or_default();
        let words = format!("Message from the {sender} agent {from}:\n{text}");
        for agent in self.agents.iter_mut().filter(|a| a.id != from && !a.is_finished()) {
            if to == Recipient::All || to == Recipient::Agent(agent.id) {
                agent.hear(&words);
            }
        }
    }

    fn require(&mut self, approval: &Approval) {
        if let Some(call) = self.agent_mut(approval.agent).and_then(|a| a.call_mut(approval.call)) {
            call.state = CallState::Waiting { approval: Box::new(approval.clone()) };
        }
    }

    /// The beginnings and ends of agents, which are those of their subtasks.
    fn turn_over(&mut self, id: AgentId, event: &Event) {
        let Some(agent) = self.agent_mut(id) else { return };
        let subtask = agent.subtask;
        let status = match event {
            Event::AgentStarted { brief, .. } => {
                agent.push(Turn::User { text: brief.clone() });
                agent.phase = agent.fresh_thinking();
                SubtaskStatus::Running
            }
            Event::AgentComplete { result, .. } => {
                agent.finish(Phase::Complete { result: result.clone() });
                SubtaskStatus::Complete
            }
            Event::AgentFailed { error, .. } => {
                agent.finish(Phase::Error { error: error.clone() });
                SubtaskStatus::Failed
            }
            Event::AgentSkipped { reason, .. } => {
                agent.finish(Phase::Cancelled { reason: reason.clone(), skipped: true });
                SubtaskStatus::Skipped
            }
            Event::AgentCancelled { reason, interrupted, .. } => {
                agent.interrupted.clone_from(interrupted);
                agent.finish(Phase::Cancelled { reason: reason.clone(), skipped: false });
                SubtaskStatus::Cancelled
            }
            _ => return,
        };
        if let Some(subtask) = self.subtask_mut(subtask) {
            subtask.status = status;
        }
    }
}

impl Agent {
    fn apply(&mut self, event: &Event) {
        match event {
            Event::ModelRetried { retry, .. } => {
                self.model = retry.model;
                if let Phase::Thinking { retry: current, .. } = &mut self.phase {
                    *current = *retry;
                }
            }
            Event::AgentHinted { hint, .. } => self.hear(hint),
            Event::DeployProposed { result, call, .. } => {
                self.closing = Some(result.clone());
                self.phase = Phase::Acting { calls: vec![Call::proposed(call)] };
            }
            Event::AgentGuided { message, .. } => {
                self.hear(&format!("Guidance from the person who gave the task:\n{message}"));
            }
            Event::HistoryStubbed { turns, .. } => self.stub(*turns),
            Event::SummaryAsked { .. } => {
                if let Phase::Thinking { summarise, .. } = &mut self.phase {
                    *summarise = true;
                }
            }
            Event::CallAuthorised { call, input, risk, .. } => self.authorise(*call, input, *risk),
            Event::CallStarted { call, .. } => self.start(*call),
            Event::CallReset { call, .. } => self.take_back(*call),
            Event::CallFinished { call, ok, output, hint, .. } => {
                self.finish_call(*call, *ok, output, hint.as_ref());
            }
            Event::HoldAsked { .. } => self.hold = Hold::Asked,
            Event::AgentPaused { .. } => self.hold = Hold::Holding,
            Event::AgentResumed { .. } => self.hold = Hold::None,
            Event::AgentStopAsked { .. } => self.stopping = true,
            _ => {}
        }
    }

    fn start(&mut self, call: CallId) {
        if let Some(call) = self.call_mut(call) {
            call.state = CallState::Started;
            call.attempts += 1;
        }
    }

    /// It was not made: the attempt does not count.
    fn take_back(&mut self, call: CallId) {
        if let Some(call) = self.call_mut(call) {
            call.state = CallState::Ready;
            call.attempts = call.attempts.saturating_sub(1);
        }
    }

    fn hear(&mut self, words: &str) {
        self.context_tokens += guess_tokens(words.len() as u64);
        self.inbox.push(Content::from(words));
    }

    fn think(
        &mut self,
        text: &Content,
        calls: &[CallFacts],
        opaque: Option<&serde_json::Value>,
        heard: usize,
        cut: bool,
        model_call: &crate::chat::ModelCall,
    ) {
        self.account(model_call);
        self.model_calls += 1;
        let heard = heard.min(self.inbox.len());
        for words in self.inbox.drain(..heard).collect::<Vec<_>>() {
            self.turns.push(Turn::User { text: words });
        }
        let records = calls
            .iter()
            .map(|c| CallRecord { call: c.call, tool: c.tool.clone(), input: c.input.clone() })
            .collect();
        let empty = calls.is_empty() && text.is_empty();
        let unusable = empty || (cut && calls.is_empty());
        self.empty_answers = if unusable { self.empty_answers + 1 } else { 0 };
        if !empty {
            self.push(Turn::Assistant { text: text.clone(), calls: records, opaque: opaque.cloned() });
        }
        if model_call.usage.input > 0 {
            let waiting: u64 = self.inbox.iter().map(|c| guess_tokens(c.bytes())).sum();
            self.context_tokens = model_call.usage.input + model_call.usage.output + waiting;
        }
        self.phase = if calls.is_empty() {
            self.fresh_thinking()
        } else {
            Phase::Acting { calls: calls.iter().map(Call::proposed).collect() }
        };
    }

    fn authorise(&mut self, id: CallId, input: &Content, risk: Risk) {
        if let Some(call) = self.call_mut(id) {
            call.facts.risk = risk;
            if call.facts.input != *input {
                call.replaced = true;
                call.facts.input = input.clone();
                call.facts.input_sha256 = match input {
                    Content::Inline(text) => Sha256::of(text.as_bytes()),
                    Content::Stored { sha256, .. } => sha256.clone(),
                };
            }
            call.state = CallState::Ready;
        }
    }

    fn finish_call(&mut self, id: CallId, ok: bool, output: &Content, hint: Option<&String>) {
        let digest = self.batch_digest(id, ok, output);
        let Some(call) = self.call_mut(id) else { return };
        call.state = CallState::Done { ok, output: output.clone(), hint: hint.cloned() };
        if ok && !call.facts.read_only {
            let name: CallName = call.name();
            self.took_effect.push(name);
        }
        let results: Option<Vec<ResultRecord>> = self
            .calls()
            .iter()
            .map(|c| match &c.state {
                CallState::Done { ok, output, hint } => Some(ResultRecord {
                    call: c.facts.call,
                    tool: c.facts.tool.clone(),
                    ok: *ok,
                    output: output.clone(),
                    hint: hint.clone(),
                    stubbed: false,
                }),
                CallState::Proposed | CallState::Waiting { .. } | CallState::Ready | CallState::Started => {
                    None
                }
            })
            .collect();
        if let Some(results) = results {
            self.repeats.push(digest);
            self.push(Turn::Results { results });
            self.phase = self.fresh_thinking();
        }
    }

    fn finish(&mut self, phase: Phase) {
        self.phase = phase;
        self.hold = Hold::None;
        self.stopping = false;
        self.turns = Vec::new();
        self.inbox = Vec::new();
        self.context_tokens = 0;
        self.closing = None;
    }

    fn stub(&mut self, turns: usize) {
        self.history_epoch += 1;
        let mut saved = 0;
        for turn in self.turns.iter_mut().take(turns) {
            let Turn::Results { results } = turn else { continue };
            for result in results.iter_mut().filter(|result| worth_a_stub(result)) {
                let before = crate::chat::shown_bytes(&result.output);
                let stub = stub_text(&result.output);
                saved += guess_tokens(before.saturating_sub(stub.len() as u64));
                result.output = Content::from(stub);
                result.stubbed = true;
            }
        }
        self.context_tokens = self.context_tokens.saturating_sub(saved);
    }

    /// Whether stubbing these turns would save anything.
    pub(crate) fn can_stub(&self, turns: usize) -> bool {
        self.turns.iter().take(turns).any(|turn| match turn {
            Turn::Results { results } => results.iter().any(worth_a_stub),
            Turn::User { .. } | Turn::Assistant { .. } => false,
        })
    }

    fn summarise(&mut self, turns: usize, summary: &Content) {
        self.history_epoch += 1;
        let turns = turns.min(self.turns.len());
        let rest = self.turns.split_off(turns);
        let old = std::mem::take(&mut self.turns);
        let mut old = old.into_iter();
        self.turns.extend(old.next());
        if self.summarised {
            // The earlier summary is part of what this one was made of.
            old.next();
        }
        self.summarised = true;
        self.turns.push(Turn::User { text: summary.clone() });
        self.turns.extend(old.filter(|t| matches!(t, Turn::User { .. })));
        self.turns.extend(rest);
        let weight: u64 = self.turns.iter().map(Turn::weight).sum();
        self.context_tokens = guess_tokens(weight);
        self.phase = self.fresh_thinking();
    }
}

/// A stub of a stub would say no more where the whole is.
fn worth_a_stub(result: &ResultRecord) -> bool {
    !result.stubbed && crate::chat::shown_bytes(&result.output) > STUB_FROM_BYTES
}

fn stub_text(output: &Content) -> String {
    let first: String = output.abridged().lines().next().unwrap_or_default().chars().take(80).collect();
    let place = match output {
        Content::Stored { path: Some(path), .. } => format!("; the whole is in {path}"),
        Content::Stored { .. } | Content::Inline(_) => String::new(),
    };
    format!("[{} bytes dropped to save room{place}; it began: {first}]", output.bytes())
}
