//! The model of the measurements: plans, makes a number of tool calls, answers. What it says is a function of the
//! request; beside that it counts, and can be told to hold calls back.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use miteos_core::chat::guess_tokens;
use miteos_core::money::Usage;
use miteos_server::models::{
    Answer, Delta, Finish, Message, ModelError, Provider, Request, RequestedCall, ToolChoice,
};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::machine;

/// The provider's name.
pub const PROVIDER: &str = "bench";
/// The model's whole name.
pub const MODEL: &str = "bench/scripted";
/// What the model says beside each call: as long as a model's usual word about what it does next.
const THOUGHT: &str = "I look at what is known about the next part of the work, compare it with what was asked, and \
    note what is still open before I go on. Nothing so far contradicts the plan, so the next step follows from the \
    last one, and its result decides whether another look at the same place is needed.";

/// What an agent does in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Asks the workspace's memory: one read of the database.
    Recall,
    /// Writes a small file.
    Write,
    /// Runs a program of three processes that sleep.
    Sleep,
}

/// What the processes of [`Work::Sleep`] are called with: their seconds, which nothing else of this machine sleeps.
pub const SLEEP: &str = "86399.125";

/// Which calls are not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    Nothing,
    /// Those of this step and later ones.
    From(u32),
    /// All but the first one of each agent that this process sees.
    AfterOne,
}

/// What the model does, fixed for a whole process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Script {
    /// Nodes of each plan.
    pub nodes: usize,
    /// Tool calls that each agent makes before it answers.
    pub steps: u32,
    /// How long each call takes (ms).
    pub latency_ms: u64,
    pub work: Work,
    pub hold: Hold,
    /// The model's window (tokens), if it is not the usual one.
    pub window_tokens: Option<u32>,
    /// Whether the time of each step is kept.
    pub marks: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            nodes: 1,
            steps: 10,
            latency_ms: 0,
            work: Work::Recall,
            hold: Hold::Nothing,
            window_tokens: None,
            marks: false,
        }
    }
}

impl Script {
    /// The script as one word for a command line.
    pub fn to_word(self) -> String {
        let work = match self.work {
            Work::Recall => "recall",
            Work::Write => "write",
            Work::Sleep => "sleep",
        };
        let hold = match self.hold {
            Hold::Nothing => "nothing".to_owned(),
            Hold::From(step) => step.to_string(),
            Hold::AfterOne => "after-one".to_owned(),
        };
        let window = self.window_tokens.unwrap_or(0);
        let marks = u8::from(self.marks);
        format!("{},{},{},{work},{hold},{window},{marks}", self.nodes, self.steps, self.latency_ms)
    }
}

impl FromStr for Script {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let wrong =
            || format!("{word:?} is no script; a script is made by this program for its own children");
        let parts: Vec<&str> = word.split(',').collect();
        let [nodes, steps, latency, work, hold, window, marks] = parts.as_slice() else {
            return Err(wrong());
        };
        Ok(Self {
            nodes: nodes.parse().map_err(|_| wrong())?,
            steps: steps.parse().map_err(|_| wrong())?,
            latency_ms: latency.parse().map_err(|_| wrong())?,
            work: match *work {
                "recall" => Work::Recall,
                "write" => Work::Write,
                "sleep" => Work::Sleep,
                _ => return Err(wrong()),
            },
            hold: match *hold {
                "nothing" => Hold::Nothing,
                "after-one" => Hold::AfterOne,
                step => Hold::From(step.parse().map_err(|_| wrong())?),
            },
            window_tokens: Some(window.parse().map_err(|_| wrong())?).filter(|tokens| *tokens > 0),
            marks: *marks == "1",
        })
    }
}

/// When an agent's call came in, and what the process had used of the processor by then.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    pub at: Instant,
    pub processor: Duration,
}

/// The model, and what it has seen.
pub struct Scripted {
    script: Script,
    /// Calls of every kind.
    pub calls: AtomicU64,
    /// Calls of agents that were answered with a tool call.
    pub steps: AtomicU64,
    /// Summaries of earlier turns.
    pub summaries: AtomicU64,
    /// Calls that wait now for the model's latency to pass.
    pub waiting: AtomicU64,
    /// Calls that are held back.
    held: watch::Sender<u64>,
    /// The first step seen of each agent, for [`Hold::AfterOne`].
    first: Mutex<HashMap<String, u32>>,
    marks: Mutex<Vec<Mark>>,
}

impl Scripted {
    pub fn new(script: Script) -> Self {
        Self {
            script,
            calls: AtomicU64::new(0),
            steps: AtomicU64::new(0),
            summaries: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            held: watch::Sender::new(0),
            first: Mutex::default(),
            marks: Mutex::default(),
        }
    }

    /// Returns when this many calls are held back.
    pub async fn wait_for_held(&self, count: u64) {
        // The sender is this model's own and stays.
        let _ = self.held.subscribe().wait_for(|held| *held >= count).await;
    }

    pub fn marks(&self) -> Vec<Mark> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn latency(&self) {
        if self.script.latency_ms > 0 {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(self.script.latency_ms)).await;
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn is_held(&self, agent: &str, step: u32) -> bool {
        match self.script.hold {
            Hold::Nothing => false,
            Hold::From(first) => step >= first,
            Hold::AfterOne => {
                let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
                match first.get(agent) {
                    Some(seen) => step > *seen,
                    None => {
                        first.insert(agent.to_owned(), step);
                        false
                    }
                }
            }
        }
    }

    /// The answer to an agent's call of this step.
    fn act(&self, step: u32, last: bool) -> (String, Vec<(String, Value)>) {
        if last || step >= self.script.steps {
            return (format!("Done after {step} steps."), Vec::new());
        }
        self.steps.fetch_add(1, Ordering::Relaxed);
        let call = match self.script.work {
            // Each step asks something else: the same call over and over would end the agent.
            Work::Recall => ("recall".to_owned(), json!({ "query": format!("part {step} of the work") })),
            Work::Write => {
                ("write_file".to_owned(), json!({"path": "notes.txt", "content": format!("step {step}\n")}))
            }
            Work::Sleep => {
                let code = format!("sleep {SLEEP} & sleep {SLEEP} & sleep {SLEEP}; wait\n");
                ("code_exec".to_owned(), json!({"language": "bash", "code": code, "timeout_s": 600}))
            }
        };
        (THOUGHT.to_owned(), vec![call])
    }

    fn forced(&self, function: &str) -> Value {
        if function == "submit_result" {
            return json!({"summary": "All parts are done.", "deliverables": []});
        }
        // Who may do this work.
        let agent = match self.script.work {
            Work::Recall | Work::Write => "researcher",
            Work::Sleep => "builder",
        };
        let node = |nth: usize| {
            json!({
                "id": nth.to_string(), "agent_type": agent, "title": format!("Part {nth}"),
                "prompt": format!("Do part {nth}."), "depends_on": [], "acceptance": [],
            })
        };
        json!({ "subtasks": (1..=self.script.nodes).map(node).collect::<Vec<_>>() })
    }
}

#[async_trait]
impl Provider for Scripted {
    async fn call(
        &self,
        request: &Request,
        _on_delta: &mut (dyn FnMut(Delta) + Send),
    ) -> Result<Answer, ModelError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let (text, calls) = match (&request.choice, agent_and_step(&request.call_id)) {
            (ToolChoice::Force(function), _) => {
                (String::new(), vec![(function.clone(), self.forced(function))])
            }
            (ToolChoice::Auto | ToolChoice::None, Some((agent, step))) => {
                if self.script.marks {
                    let mark = Mark { at: Instant::now(), processor: machine::processor_time() };
                    self.marks.lock().unwrap_or_else(PoisonError::into_inner).push(mark);
                }
                if self.is_held(agent, step) {
                    self.held.send_modify(|held| *held += 1);
                    std::future::pending::<()>().await;
                }
                self.act(step, request.choice == ToolChoice::None)
            }
            (ToolChoice::Auto | ToolChoice::None, None) => {
                self.summaries.fetch_add(1, Ordering::Relaxed);
                ("Parts of the work were looked at; nothing was found yet.".to_owned(), Vec::new())
            }
        };
        self.latency().await;
        Ok(answer(request, text, calls))
    }
}

/// The agent and the step of an agent's call; `None` for a summary of its earlier turns.
fn agent_and_step(call: &str) -> Option<(&str, u32)> {
    let (agent, step) = call.split_once('.')?;
    Some((agent, step.parse().ok()?))
}

fn answer(request: &Request, text: String, calls: Vec<(String, Value)>) -> Answer {
    let read: usize = request
        .messages
        .iter()
        .map(|message| match message {
            Message::User { text } | Message::ToolResult { text, .. } => text.len(),
            Message::Assistant { text, calls, .. } => {
                text.len() + calls.iter().map(|call| call.arguments.len()).sum::<usize>()
            }
        })
        .sum();
    Answer {
        usage: Usage {
            input: guess_tokens(read as u64),
            output: guess_tokens(text.len() as u64),
            ..Usage::default()
        },
        finish: if calls.is_empty() { Finish::Stop } else { Finish::ToolCalls },
        calls: calls.into_iter().map(|(tool, value)| RequestedCall { tool, arguments: Ok(value) }).collect(),
        text,
        opaque: None,
        model: MODEL.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_survives_the_command_line() {
        let scripts = [
            Script::default(),
            Script { hold: Hold::From(3), work: Work::Write, window_tokens: Some(4096), ..Script::default() },
            Script { work: Work::Sleep, ..Script::default() },
            Script { hold: Hold::AfterOne, nodes: 3, latency_ms: 2000, marks: true, ..Script::default() },
        ];
        for script in scripts {
            assert_eq!(script.to_word().parse(), Ok(script));
        }
        assert!("1,2,3".parse::<Script>().is_err());
    }

    #[test]
    fn only_calls_of_agents_have_a_step() {
        assert_eq!(agent_and_step("agent_01.17"), Some(("agent_01", 17)));
        assert_eq!(agent_and_step("agent_01.17.summary"), None);
        assert_eq!(agent_and_step("task_01.Plan.0"), None);
    }
}
