//! A world for a task to live in: it performs what is owed, as a choice says it goes.

use miteos_core::chat::ModelCall;
use miteos_core::command::{CallEffect, Command, FailureKind, ModelFailure, ProposedCall, Rejected};
use miteos_core::content::{Content, Sha256};
use miteos_core::event::{Created, Deliverable, Event, Question, Recipient};
use miteos_core::ids::{AccountId, AgentId, DeliverableId, TaskId, WorkspaceId};
use miteos_core::money::{MicroUsd, Usage};
use miteos_core::pending::Effect;
use miteos_core::settings::{Settings, TaskConfig};
use miteos_core::task::Task;
use miteos_core::time::Timestamp;
use miteos_core::tool::{RetryClass, Risk};
use serde_json::{Value, json};
use ulid::Ulid;

pub struct World {
    pub task: Task,
    pub journal: Vec<(Event, Timestamp)>,
    pub now: Timestamp,
}

pub fn id(n: u128) -> Ulid {
    Ulid::from_parts(1_700_000_000_000, n)
}

pub fn model_call() -> ModelCall {
    ModelCall {
        model: "test/scripted".into(),
        usage: Usage { input: 0, output: 7, ..Usage::default() },
        cost: Some(MicroUsd(3)),
        duration_ms: 1,
    }
}

pub fn call(tool: &str, input: &Value) -> ProposedCall {
    let text = input.to_string();
    ProposedCall {
        tool: tool.into(),
        input_sha256: Sha256::of(text.as_bytes()),
        input: Content::from(text),
        risk: if tool == "send_email" {
            Risk::High
        } else if tool == "read_file" {
            Risk::Low
        } else {
            Risk::Medium
        },
        read_only: tool == "read_file",
        retry: if matches!(tool, "code_exec" | "send_email") {
            RetryClass::Once
        } else {
            RetryClass::Repeatable
        },
        problem: (tool == "unknown").then(|| "there is no tool \"unknown\"".to_owned()),
    }
}

pub fn trouble(retry_after_ms: Option<u64>) -> ModelFailure {
    ModelFailure {
        kind: FailureKind::Trouble { retry_after_ms },
        message: "test/scripted: overloaded".into(),
    }
}

/// A plan of nodes `(key, dependencies)`.
pub fn plan(nodes: &[(&str, &[&str])]) -> Value {
    let subtasks: Vec<_> = nodes
        .iter()
        .map(|(key, deps)| json!({"id": key, "agent_type": "builder", "title": format!("node {key}"), "prompt": "do", "depends_on": deps, "acceptance": []}))
        .collect();
    json!({"subtasks": subtasks})
}

impl World {
    pub fn new(config: TaskConfig, settings: Settings) -> Self {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let created = Created {
            account: AccountId(id(1)),
            live: true,
            tier: "free".into(),
            prompt: Content::from("do it"),
            workspace: WorkspaceId(id(2)),
            config,
            settings,
        };
        let (task, event) = Task::create(TaskId(id(3)), created, now);
        Self { task, journal: vec![(event, now)], now }
    }

    pub fn planned(nodes: &[(&str, &[&str])]) -> Self {
        Self::planned_with(TaskConfig { max_agents: 20, ..TaskConfig::default() }, nodes)
    }

    pub fn planned_with(config: TaskConfig, nodes: &[(&str, &[&str])]) -> Self {
        let mut world = Self::new(config, Settings::default());
        world.must(Command::Admit);
        world.must(Command::QuestionAnswered {
            question: Question::Plan,
            round: world.task.round(Question::Plan).unwrap_or_default(),
            arguments: Ok(plan(nodes)),
            model_call: model_call(),
        });
        world
    }

    /// Carries out a command; the journal grows by what it led to.
    pub fn say(&mut self, command: Command) -> Result<Vec<Event>, Rejected> {
        self.now = self.now.plus_ms(1);
        let before = self.task.clone();
        let outcome = self.task.handle(command, self.now);
        match &outcome {
            Ok(events) => self.journal.extend(events.iter().map(|e| (e.clone(), self.now))),
            Err(_) => assert!(before == self.task, "a refused command changes nothing"),
        }
        assert_eq!(miteos_core::invariants::broken(&self.task), None);
        outcome
    }

    pub fn must(&mut self, command: Command) -> Vec<Event> {
        self.say(command).unwrap()
    }

    pub fn agent(&self, n: usize) -> AgentId {
        self.task.agents[n].id
    }

    pub fn start(&mut self, n: usize) {
        let agent = self.agent(n);
        self.must(Command::AgentReady { agent, brief: Content::from("brief") });
    }

    pub fn answer(&mut self, n: usize, text: &str, calls: Vec<ProposedCall>) -> Vec<Event> {
        self.answer_closing(n, text, calls, None)
    }

    pub fn answer_closing(
        &mut self,
        n: usize,
        text: &str,
        calls: Vec<ProposedCall>,
        closing: Option<Box<ProposedCall>>,
    ) -> Vec<Event> {
        let agent = &self.task.agents[n];
        let (agent, step, heard) = (agent.id, agent.model_calls, agent.inbox.len());
        self.must(Command::ModelAnswered {
            agent,
            step,
            heard,
            text: text.into(),
            calls,
            opaque: None,
            cut: false,
            closing,
            model_call: model_call(),
        })
    }

    /// Ends the first call of agent `n` that may run.
    pub fn end_call(&mut self, n: usize, ok: bool, output: &str) -> Vec<Event> {
        let (agent, call, started, once) = self
            .task
            .pending()
            .into_iter()
            .find_map(|e| match e {
                Effect::RunCall { agent, call, started } if agent == self.agent(n) => {
                    Some((agent, call, started, false))
                }
                Effect::StartCall { agent, call } if agent == self.agent(n) => {
                    Some((agent, call, false, true))
                }
                _ => None,
            })
            .unwrap();
        if once && !started {
            self.must(Command::CallStarting { agent, call });
        }
        self.must(Command::CallEnded {
            agent,
            call,
            ok,
            output: output.into(),
            effects: vec![],
            duration_ms: 5,
        })
    }

    /// Replays the journal from nothing and compares.
    pub fn check_replay(&self) {
        let (first, at) = &self.journal[0];
        let mut replayed = Task::born(self.task.id, first, *at).unwrap();
        for (event, at) in &self.journal[1..] {
            let text = serde_json::to_string(event).unwrap();
            let read: Event = serde_json::from_str(&text).unwrap();
            assert_eq!(&read, event, "a record survives storage");
            replayed.apply(&read, *at);
        }
        assert!(replayed == self.task, "replay equals live");
        assert_eq!(replayed.version as usize, self.journal.len());
        assert_eq!(
            replayed.seq as usize,
            self.journal.iter().filter(|(e, _)| e.public_type().is_some()).count()
        );
        let snapshot = serde_json::to_vec(&self.task).unwrap();
        assert!(
            serde_json::from_slice::<Task>(&snapshot).unwrap() == self.task,
            "a snapshot equals the state"
        );
    }

    /// Performs one owed effect; `choice` says how it goes. Returns whether there was one.
    pub fn perform(&mut self, which: usize, choice: u8) -> bool {
        let effects = self.task.pending();
        if effects.is_empty() {
            return false;
        }
        let effect = effects[which % effects.len()].clone();
        if let Some(at) = effect.not_before() {
            self.now = self.now.max(at);
        }
        match effect {
            Effect::Ask { question, round, .. } => self.perform_ask(question, round, choice),
            Effect::StartAgent { agent } => {
                drop(self.say(Command::AgentReady { agent, brief: "brief".into() }));
            }
            Effect::CallModel { agent, step, heard, .. } => self.perform_model(agent, step, heard, choice),
            Effect::Summarise { agent, step, turns, .. } => {
                let command = if choice.is_multiple_of(5) {
                    Command::ModelErred { agent, step, failure: trouble(None) }
                } else {
                    Command::SummaryAnswered {
                        agent,
                        step,
                        turns,
                        summary: "summary".into(),
                        model_call: model_call(),
                    }
                };
                let _ = self.say(command);
            }
            Effect::StartCall { agent, call } => drop(self.say(Command::CallStarting { agent, call })),
            Effect::RunCall { agent, call, started } => {
                let command = match choice % 8 {
                    0 if started => Command::CallUnsettled { agent, call },
                    1 if started => Command::CallNotStarted { agent, call },
                    n => Command::CallEnded {
                        agent,
                        call,
                        ok: n != 2,
                        output: "x".repeat(if n == 3 { 4000 } else { 3 }).into(),
                        effects: self.effects(n),
                        duration_ms: 1,
                    },
                };
                let _ = self.say(command);
            }
            Effect::PublishFiles { .. } => drop(self.say(Command::Published { deliverables: vec![] })),
            Effect::Hold { agent } => drop(self.say(Command::Held { agent })),
            Effect::StopAgent { agent } => drop(self.say(Command::Stopped { agent })),
            Effect::HoldTask => drop(self.say(Command::TaskHeld)),
            Effect::StopAll => drop(self.say(Command::AllStopped)),
            Effect::Expire { approval, .. } => drop(self.say(Command::Expire { approval })),
        }
        true
    }

    fn effects(&self, n: u8) -> Vec<CallEffect> {
        match n {
            4 => vec![CallEffect::Message { to: Recipient::All, text: "hi".into() }],
            5 => vec![CallEffect::Publish(Deliverable {
                id: DeliverableId(id(9)),
                name: "a".into(),
                media_type: "text/plain".into(),
                sha256: Sha256::of(b"a"),
                bytes: 1,
            })],
            _ => vec![],
        }
    }

    fn perform_ask(&mut self, question: Question, round: u32, choice: u8) {
        let fresh: Vec<String> =
            (0..3).map(|i| format!("{round}-{i}-{}", self.task.subtasks.len())).collect();
        let good = match question {
            Question::Conclude => json!({"summary": "done", "deliverables": []}),
            Question::Plan | Question::Replan => match choice % 3 {
                0 => plan(&[(&fresh[0], &[])]),
                1 => plan(&[(&fresh[0], &[]), (&fresh[1], &[&fresh[0]])]),
                _ => plan(&[(&fresh[0], &[]), (&fresh[1], &[]), (&fresh[2], &[&fresh[0], &fresh[1]])]),
            },
        };
        let command = match choice % 7 {
            5 => Command::QuestionErred { question, round, failure: trouble(Some(50)) },
            6 => Command::QuestionAnswered {
                question,
                round,
                arguments: Ok(json!({"nonsense": true})),
                model_call: model_call(),
            },
            _ => Command::QuestionAnswered { question, round, arguments: Ok(good), model_call: model_call() },
        };
        let _ = self.say(command);
    }

    fn perform_model(&mut self, agent: AgentId, step: u32, heard: usize, choice: u8) {
        let calls = match choice % 11 {
            0 => vec![call("write_file", &json!({"path": step}))],
            1 => vec![call("read_file", &json!({"a": 1})), call("read_file", &json!({"a": 2}))],
            2 => vec![call("code_exec", &json!({"code": step})), call("read_file", &json!({}))],
            3 => vec![call("send_email", &json!({"to": step}))],
            4 => vec![call("unknown", &json!({}))],
            _ => vec![],
        };
        let command = match choice % 11 {
            5 => Command::ModelErred { agent, step, failure: trouble(None) },
            6 => Command::ModelErred {
                agent,
                step,
                failure: ModelFailure { kind: FailureKind::Unusable, message: "no".into() },
            },
            7 => Command::ModelErred {
                agent,
                step,
                failure: ModelFailure { kind: FailureKind::TooLong, message: "long".into() },
            },
            n => Command::ModelAnswered {
                agent,
                step,
                heard,
                text: if n == 8 { "".into() } else { "answer".into() },
                calls,
                opaque: None,
                cut: n == 9,
                closing: None,
                model_call: model_call(),
            },
        };
        let _ = self.say(command);
    }
}
