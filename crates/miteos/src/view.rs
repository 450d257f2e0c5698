//! What is known of a task while it is watched: its events, folded. Pure; rendering reads it.

use std::collections::HashMap;

use miteos_client::api::events::data::{
    Action, ActionResult, AgentEnded, AgentStarted, Guided, TaskData, Thinking,
};
use miteos_client::api::{
    AgentStatus, AgentType, Approval, ApprovalStatus, Deliverable, Event, EventType, Subtask, SubtaskStatus,
    Task, TaskStatus,
};
use serde_json::Value;

/// A task, as far as its events have told.
#[derive(Debug, Clone)]
pub struct RunView {
    pub task_id: String,
    pub prompt: String,
    pub status: TaskStatus,
    pub nodes: Vec<Node>,
    /// Those that wait for an answer.
    pub approvals: Vec<Approval>,
    pub deliverables: Vec<Deliverable>,
    pub cost: f64,
    pub tokens: u64,
    pub model_calls: u64,
    pub actions: u64,
    pub result: Option<String>,
    pub error: Option<String>,
    /// When the first and the latest event happened.
    pub began_at: Option<String>,
    pub latest_at: Option<String>,
    /// The `seq` of the latest event.
    pub seq: u64,
}

/// A subtask and its agent.
#[derive(Debug, Clone)]
pub struct Node {
    pub id: String,
    pub kind: AgentType,
    pub title: String,
    pub status: SubtaskStatus,
    /// Places of the nodes it depends on, from 0.
    pub after: Vec<usize>,
    pub agent_id: Option<String>,
    pub agent: AgentStatus,
    /// What it does at this moment: a tool and its arguments in short.
    pub doing: Option<Doing>,
    pub tokens: u64,
    pub cost: f64,
    pub error: Option<String>,
    pub started_at: Option<String>,
    pub ended_at: Option<String>,
}

/// A tool call in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doing {
    pub call_id: String,
    pub tool: String,
    pub gist: String,
}

impl RunView {
    /// Before the first event.
    pub fn new(task: &Task) -> Self {
        Self {
            task_id: task.id.clone(),
            prompt: task.prompt.clone(),
            // The events tell it all again from the beginning.
            status: TaskStatus::Pending,
            nodes: Vec::new(),
            approvals: Vec::new(),
            deliverables: Vec::new(),
            cost: 0.0,
            tokens: 0,
            model_calls: 0,
            actions: 0,
            result: None,
            error: None,
            began_at: Some(task.created_at.clone()),
            latest_at: None,
            seq: 0,
        }
    }

    /// The node that an agent works on.
    pub fn node_of(&self, agent_id: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.agent_id.as_deref() == Some(agent_id))
    }

    /// How many nodes are complete.
    pub fn done(&self) -> usize {
        self.nodes.iter().filter(|node| node.status == SubtaskStatus::Complete).count()
    }

    /// Takes over the server's totals, which also count what no event shows.
    pub fn settle(&mut self, task: &Task) {
        self.status = task.status;
        self.cost = task.cost;
        self.tokens = task.total_tokens_used;
        self.result.clone_from(&task.result);
        self.error.clone_from(&task.error);
    }

    /// Takes over the server's totals while the task runs: they never fall.
    pub fn raise_totals(&mut self, task: &Task) {
        self.cost = self.cost.max(task.cost);
        self.tokens = self.tokens.max(task.total_tokens_used);
    }

    /// Folds one event in. One that cannot be understood changes nothing but the time: a newer server may know
    /// more than this program.
    pub fn apply(&mut self, event: &Event) {
        self.seq = event.seq;
        self.began_at.get_or_insert_with(|| event.created_at.clone());
        self.latest_at = Some(event.created_at.clone());
        match &event.kind {
            EventType::TaskCreated
            | EventType::TaskPlanning
            | EventType::TaskPlanned
            | EventType::TaskRunning
            | EventType::TaskPaused
            | EventType::TaskResumed
            | EventType::TaskComplete
            | EventType::TaskFailed
            | EventType::TaskCancelled => self.task(event),
            EventType::ApprovalRequired | EventType::ApprovalResolved => self.approval(event),
            EventType::DeliverableCreated => self.deliverables.extend(event.data_as::<Deliverable>().ok()),
            EventType::AgentStarted => self.started(event),
            EventType::AgentThinking
            | EventType::AgentAction
            | EventType::AgentResult
            | EventType::AgentPaused
            | EventType::AgentResumed
            | EventType::AgentComplete
            | EventType::AgentError
            | EventType::AgentCancelled => self.agent(event),
            EventType::AgentMessage
            | EventType::AgentGuided
            | EventType::DeploymentStarted
            | EventType::DeploymentBuilding
            | EventType::DeploymentDeploying
            | EventType::DeploymentLive
            | EventType::DeploymentFailed
            | EventType::TradingOrderPlaced
            | EventType::TradingKillTriggered
            | EventType::BillingCreditLow
            | EventType::Other(_) => {}
        }
    }

    fn task(&mut self, event: &Event) {
        let Ok(data) = event.data_as::<TaskData>() else { return };
        self.status = data.status;
        if let Some(subtasks) = data.subtasks {
            self.plan(subtasks);
        }
        if let Some(totals) = data.totals {
            self.cost = totals.cost.max(self.cost);
            self.tokens = totals.total_tokens_used.max(self.tokens);
        }
        self.result = data.result.or(self.result.take());
        self.error = data.error.or(self.error.take());
        if data.status.is_terminal() {
            self.approvals.clear();
            for node in &mut self.nodes {
                node.doing = None;
                if data.status == TaskStatus::Cancelled && node.status == SubtaskStatus::Running {
                    node.status = SubtaskStatus::Cancelled;
                }
            }
        }
    }

    /// The whole plan, for the first time or again: what is known of a node that stays is kept.
    fn plan(&mut self, subtasks: Vec<Subtask>) {
        let places: HashMap<String, usize> =
            subtasks.iter().enumerate().map(|(place, subtask)| (subtask.id.clone(), place)).collect();
        let mut known: HashMap<String, Node> =
            self.nodes.drain(..).map(|node| (node.id.clone(), node)).collect();
        self.nodes = subtasks
            .into_iter()
            .map(|subtask| {
                let after = subtask.depends_on.iter().filter_map(|id| places.get(id).copied()).collect();
                let old = known.remove(&subtask.id);
                match old {
                    Some(node) => Node { after, status: subtask.status, ..node },
                    None => Node::new(subtask, after),
                }
            })
            .collect();
    }

    fn started(&mut self, event: &Event) {
        let Ok(data) = event.data_as::<AgentStarted>() else { return };
        let node = match self.nodes.iter_mut().find(|node| node.id == data.subtask_id) {
            Some(node) => node,
            None => {
                // A plan of one node may be announced by nothing but its agent.
                self.nodes.push(Node::bare(&data, &self.prompt));
                let last = self.nodes.len() - 1;
                &mut self.nodes[last]
            }
        };
        node.agent_id.clone_from(&event.agent_id);
        node.status = SubtaskStatus::Running;
        node.agent = AgentStatus::Thinking;
        node.started_at = Some(event.created_at.clone());
    }

    fn approval(&mut self, event: &Event) {
        let Ok(approval) = event.data_as::<Approval>() else { return };
        self.approvals.retain(|open| open.id != approval.id);
        let waiting = approval.status == ApprovalStatus::Pending;
        if let Some(place) = self.node_of(&approval.agent_id) {
            self.nodes[place].agent = if waiting { AgentStatus::Waiting } else { AgentStatus::Thinking };
        }
        if waiting {
            self.approvals.push(approval);
        }
    }

    fn agent(&mut self, event: &Event) {
        if event.kind == EventType::AgentThinking
            && let Ok(data) = event.data_as::<Thinking>()
        {
            self.model_calls += 1;
            self.tokens += data.usage.input + data.usage.output;
            self.cost += data.cost.unwrap_or(0.0);
        }
        if event.kind == EventType::AgentAction {
            self.actions += 1;
        }
        let Some(place) = event.agent_id.as_deref().and_then(|id| self.node_of(id)) else { return };
        self.nodes[place].apply(event);
    }
}

impl Node {
    fn new(subtask: Subtask, after: Vec<usize>) -> Self {
        let agent =
            if subtask.status == SubtaskStatus::Running { AgentStatus::Thinking } else { AgentStatus::Idle };
        Self {
            title: subtask.title.filter(|title| !title.trim().is_empty()).unwrap_or(subtask.prompt),
            id: subtask.id,
            kind: subtask.agent_type,
            status: subtask.status,
            after,
            agent_id: subtask.agent_id,
            agent,
            doing: None,
            tokens: subtask.tokens_used,
            cost: 0.0,
            error: None,
            started_at: None,
            ended_at: None,
        }
    }

    fn bare(started: &AgentStarted, prompt: &str) -> Self {
        Self {
            id: started.subtask_id.clone(),
            kind: started.kind,
            title: started.title.clone().unwrap_or_else(|| prompt.to_owned()),
            status: SubtaskStatus::Running,
            after: Vec::new(),
            agent_id: None,
            agent: AgentStatus::Thinking,
            doing: None,
            tokens: 0,
            cost: 0.0,
            error: None,
            started_at: None,
            ended_at: None,
        }
    }

    fn apply(&mut self, event: &Event) {
        match &event.kind {
            EventType::AgentThinking => {
                if let Ok(data) = event.data_as::<Thinking>() {
                    self.tokens += data.usage.input + data.usage.output;
                    self.cost += data.cost.unwrap_or(0.0);
                }
                self.agent = AgentStatus::Thinking;
            }
            EventType::AgentAction => {
                if let Ok(data) = event.data_as::<Action>() {
                    self.doing =
                        Some(Doing { gist: gist(&data.input), call_id: data.call_id, tool: data.tool });
                    self.agent = AgentStatus::Acting;
                }
            }
            EventType::AgentResult => {
                let done = event.data_as::<ActionResult>().ok();
                if self.doing.as_ref().map(|doing| &doing.call_id) == done.as_ref().map(|done| &done.call_id)
                {
                    self.doing = None;
                    self.agent = AgentStatus::Thinking;
                }
            }
            EventType::AgentPaused => self.agent = AgentStatus::Paused,
            EventType::AgentResumed => self.agent = AgentStatus::Thinking,
            EventType::AgentComplete => self.end(event, SubtaskStatus::Complete, AgentStatus::Complete),
            EventType::AgentError => self.end(event, SubtaskStatus::Failed, AgentStatus::Error),
            EventType::AgentCancelled => self.end(event, SubtaskStatus::Cancelled, AgentStatus::Cancelled),
            _ => {}
        }
    }

    fn end(&mut self, event: &Event, status: SubtaskStatus, agent: AgentStatus) {
        self.status = status;
        self.agent = agent;
        self.doing = None;
        self.ended_at = Some(event.created_at.clone());
        if let Ok(data) = event.data_as::<AgentEnded>() {
            self.error = data.error;
            self.tokens = self.tokens.max(data.tokens_used);
            self.cost = self.cost.max(data.cost);
        }
    }
}

/// The guidance in an `agent.guided` event.
pub fn guidance(event: &Event) -> Option<String> {
    event.data_as::<Guided>().ok().map(|data| data.message)
}

/// A call's arguments in one short line: the telling one first, else `name=value` of all.
pub fn gist(input: &Value) -> String {
    const TELLING: [&str; 12] = [
        "query", "url", "path", "sql", "code", "subject", "to", "text", "message", "symbol", "target", "key",
    ];
    let Value::Object(fields) = input else { return short(input) };
    let language = fields.get("language").and_then(Value::as_str).map(|language| format!("{language} · "));
    if let Some(value) = TELLING.iter().find_map(|name| fields.get(*name)) {
        return format!("{}{}", language.unwrap_or_default(), short(value));
    }
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", short(value))).collect();
    pairs.join(" ")
}

fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
