//! The plug is pulled after every durable write in turn. What clients see in the end is what they would have seen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use miteos_core::tool::{AgentType, RetryClass, Risk, ToolSpec};
use miteos_server::Config;
use miteos_tools::{Settled, Tool, ToolContext, ToolError, ToolOutput};
use serde_json::{Value, json};

use crate::harness::{TestServer, config};
use crate::plug::{killed, order, pulled};
use crate::standin::{Script, StandIn, call, text};

/// A tool whose every call is heard outside: it must not ring twice.
struct Bell {
    spec: ToolSpec,
    rings: PathBuf,
}

impl Bell {
    fn tool(rings: PathBuf) -> Arc<dyn Tool> {
        let schema = json!({"type": "object", "properties": {"note": {"type": "string"}}, "required": ["note"], "additionalProperties": false});
        Arc::new(Self {
            spec: ToolSpec { name: "ring_bell".into(), description: "Rings.".into(), schema },
            rings,
        })
    }

    fn rang(&self, call: &str) -> bool {
        std::fs::read_to_string(&self.rings).unwrap_or_default().lines().any(|line| line == call)
    }
}

#[async_trait]
impl Tool for Bell {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }
    fn agents(&self) -> &[AgentType] {
        &AgentType::ALL
    }
    fn risk(&self, _: &Value) -> Risk {
        Risk::Low
    }
    fn read_only(&self) -> bool {
        false
    }
    fn retry(&self) -> RetryClass {
        RetryClass::Once
    }
    async fn run(&self, ctx: &ToolContext, input: Value) -> Result<ToolOutput, ToolError> {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&self.rings).unwrap();
        writeln!(file, "{}", ctx.call_id).unwrap();
        file.sync_all().unwrap();
        Ok(ToolOutput::text(format!("rang {}", input["note"])))
    }
    async fn settle(&self, ctx: &ToolContext, input: Value) -> Result<Settled, ToolError> {
        Ok(if self.rang(&ctx.call_id.to_string()) {
            Settled::Done(ToolOutput::text(format!("rang {}", input["note"])))
        } else {
            Settled::NotStarted
        })
    }
}

/// Three agents, eleven tool calls, two of which must not happen twice.
fn script() -> Script {
    let file = |path: &str, content: &str| call("write_file", json!({"path": path, "content": content}));
    Script::default()
        .plan(&[("a", "do alpha", &[]), ("b", "do beta", &[]), ("c", "do gamma", &["a", "b"])])
        .agent(
            "alpha",
            vec![
                file("a.txt", "one two"),
                call("edit_file", json!({"path": "a.txt", "old": "one", "new": "one one"})),
                call("ring_bell", json!({"note": "c"})),
                call("remember", json!({"key": "k", "value": "v"})),
                text("alpha is done"),
            ],
        )
        .agent(
            "beta",
            vec![
                file("b.txt", "b"),
                call("read_file", json!({"path": "b.txt"})),
                call("publish", json!({"path": "b.txt"})),
                text("beta is done"),
            ],
        )
        .agent(
            "gamma",
            vec![
                call("recall", json!({"query": "k"})),
                call("ring_bell", json!({"note": "g"})),
                file("c.txt", "c"),
                call("delete_file", json!({"path": "b.txt"})),
                text("gamma is done"),
            ],
        )
        .conclude("all done", &["a.txt", "c.txt"])
}

/// What must be the same: each agent's events in order, the task's own, the files, what was handed over, the memory.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    task: Vec<String>,
    agents: BTreeMap<String, Vec<String>>,
    files: BTreeMap<String, String>,
    deliverables: BTreeSet<(String, String)>,
    totals: (u64, String),
}

/// Fields that differ from run to run.
const RUN_SPECIFIC: [&str; 12] = [
    "call_id",
    "duration_ms",
    "subtask_id",
    "workspace_id",
    "subtasks",
    "id",
    "replaces",
    "task_id",
    "agent_id",
    "created_at",
    "expires_at",
    "decided_at",
];

/// An event without what differs from run to run: ids, times, the order between agents that work side by side.
fn told(event: &Value) -> String {
    let mut data = event["data"].clone();
    if let Some(fields) = data.as_object_mut() {
        for name in RUN_SPECIFIC {
            fields.remove(name);
        }
        if let Some(input) = fields.get_mut("input").and_then(Value::as_object_mut) {
            input.remove("config_as_of");
        }
    }
    anonymous(&format!("{} {data}", event["type"].as_str().unwrap()))
}

/// A text without what only looks the same in one run: ids, random names, ports.
pub fn anonymous(text: &str) -> String {
    /// No word of ours is as long, and no id is shorter.
    const ID_CHARS: usize = 12;
    let mut masked = String::new();
    for part in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let word = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_port = masked.ends_with("localhost:") && word.bytes().all(|b| b.is_ascii_digit());
        let hidden = is_port || word.len() >= ID_CHARS;
        masked.push_str(if hidden { "*" } else { word });
        masked.push_str(&part[word.len()..]);
    }
    masked
}

async fn outcome(server: &TestServer, task: &str) -> Outcome {
    let ended = server.ended(task).await;
    assert_eq!(ended["status"], "complete", "{ended:#}");
    let mut agents: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut own = Vec::new();
    let names: BTreeMap<String, String> = ended["subtasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (s["agent_id"].as_str().unwrap().to_owned(), s["title"].as_str().unwrap().to_owned()))
        .collect();
    for event in server.events(task).await {
        match event["agent_id"].as_str() {
            Some(agent) => agents.entry(names[agent].clone()).or_default().push(told(&event)),
            None => own.push(told(&event)),
        }
    }
    let folder = server.folder.join("workspaces").join(ended["workspace_id"].as_str().unwrap());
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            files.insert(
                entry.file_name().into_string().unwrap(),
                std::fs::read_to_string(entry.path()).unwrap(),
            );
        }
    }
    let listed = server.get(&format!("/tasks/{task}/deliverables")).await;
    let deliverables =
        listed.as_array().unwrap().iter().map(|d| (d["name"].to_string(), d["sha256"].to_string())).collect();
    let totals = (ended["total_tokens_used"].as_u64().unwrap(), ended["cost"].to_string());
    Outcome { task: own, agents, files, deliverables, totals }
}

fn check_bells(folder: &Path, k: u64) {
    let rings = std::fs::read_to_string(folder.join("rings")).unwrap();
    let rings: Vec<_> = rings.lines().collect();
    let different: BTreeSet<_> = rings.iter().collect();
    assert_eq!((rings.len(), different.len()), (2, 2), "after write {k}: {rings:?}");
}

/// What the plug is pulled in: a task, what it runs with, and the people around it.
#[derive(Clone)]
pub struct Scenario {
    pub script: Script,
    pub config: Value,
    pub change: Change,
    /// Makes what the task finds.
    pub prepare: Prepare,
    /// Sees the task to its end. What a person does follows from what the server shows, so that it is done again
    /// after a crash if it was not recorded.
    pub people: People,
}

/// What its server is set up with, in this folder.
pub type Change = Arc<dyn Fn(&Path, &mut Config) + Send + Sync>;

/// What is done to a folder before its task is made; its writes are not counted.
pub type Prepare = Arc<dyn Fn(PathBuf, StandIn) -> BoxFuture<'static, ()> + Send + Sync>;

/// Nothing has to be there.
pub fn bare() -> Prepare {
    Arc::new(|_, _| Box::pin(async {}))
}

pub type People = Arc<dyn Fn(Arc<TestServer>, String) -> BoxFuture<'static, Value> + Send + Sync>;

/// Nobody does anything.
pub fn alone() -> People {
    Arc::new(|server, task| Box::pin(async move { server.ended(&task).await }))
}

impl Scenario {
    fn bells() -> Self {
        let change = |folder: &Path, config: &mut Config| {
            config.tools = vec![Bell::tool(folder.join("rings"))];
        };
        Self {
            script: script(),
            config: json!({}),
            change: Arc::new(change),
            prepare: bare(),
            people: alone(),
        }
    }

    pub async fn server(&self, folder: &Path, standin: StandIn) -> Arc<TestServer> {
        Arc::new(TestServer::over(folder, standin, |config| (self.change)(folder, config)).await)
    }

    /// What clients see without a crash, and how many model calls there are.
    pub async fn undisturbed(&self, check: impl Fn(&Path, u64)) -> (Outcome, usize) {
        let temp = tempfile::tempdir().unwrap();
        let standin = StandIn::start(self.script.clone()).await;
        (self.prepare)(temp.path().to_owned(), standin.clone()).await;
        let server = self.server(temp.path(), standin).await;
        let task = server.create("crash test", self.config.clone()).await;
        (self.people)(Arc::clone(&server), task.clone()).await;
        let outcome = outcome(&server, &task).await;
        check(temp.path(), 0);
        server.check_conversations();
        (outcome, server.standin.requests().len())
    }

    /// The plug is pulled after each durable write; in the end all is as it would have been.
    pub async fn crash_everywhere(&self, least: u64, check: impl Fn(&Path, u64)) {
        let (expected, calls) = self.undisturbed(&check).await;
        let mut writes = 0;
        for k in 1.. {
            let temp = tempfile::tempdir().unwrap();
            let standin = StandIn::start(self.script.clone()).await;
            (self.prepare)(temp.path().to_owned(), standin.clone()).await;
            if !crashed_in_process(self, temp.path(), &standin, k).await {
                break;
            }
            writes = k;
            self.recovered(temp.path(), &standin, &expected, calls, k).await;
            check(temp.path(), k);
        }
        assert!(writes > least, "the scenario has {writes} durable writes");
    }

    async fn recovered(&self, folder: &Path, standin: &StandIn, expected: &Outcome, calls: usize, k: u64) {
        let server = self.server(folder, standin.clone()).await;
        let task = only_task(&server, k).await;
        (self.people)(Arc::clone(&server), task.clone()).await;
        let outcome = outcome(&server, &task).await;
        assert_eq!(&outcome, expected, "after write {k}");
        server.check_conversations();
        // At most the calls that were in the air when the plug was pulled are made again: one for each agent.
        let made = standin.requests().len();
        assert!(made <= calls + 3, "after write {k}: {made} model calls");
        stop(server).await;
    }
}

pub async fn only_task(server: &TestServer, k: u64) -> String {
    let list = server.get("/tasks").await;
    assert_eq!(list["total"], 1, "after write {k}");
    list["tasks"][0]["id"].as_str().unwrap().to_owned()
}

pub async fn stop(server: Arc<TestServer>) {
    if let Ok(mut server) = Arc::try_unwrap(server) {
        server.stop().await;
    }
}

/// Carries the scenario out until its k-th durable write. Gives whether it got that far.
pub async fn crashed_in_process(scenario: &Scenario, folder: &Path, standin: &StandIn, k: u64) -> bool {
    let (folder, model, scenario) = (folder.to_owned(), standin.clone(), scenario.clone());
    pulled(k, move |hook| async move {
        let server = TestServer::over(&folder, model, |config| {
            (scenario.change)(&folder, config);
            config.crash = Some(Arc::clone(&hook));
        })
        .await;
        // The very first write is the task's creation: then nobody is told of it, and its id is found in the list.
        let body = json!({"prompt": "crash test", "config": scenario.config});
        let created = server.call("POST", "/tasks", Some(body)).await.1;
        (scenario.people)(Arc::new(server), created["id"].as_str().unwrap().to_owned()).await;
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_process_after_every_durable_write() {
    Scenario::bells().crash_everywhere(20, check_bells).await;
}

/// Not a test by itself: the server that `kill_9_after_every_durable_write` kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_that_is_killed() {
    let Some((order, hook)) = order() else { return };
    let folder = PathBuf::from(order["folder"].as_str().unwrap());
    let standin = StandIn::at(order["model"].as_str().unwrap().parse().unwrap());
    let scenario = Scenario::bells();
    let server = TestServer::over(&folder, standin, |config| {
        (scenario.change)(&folder, config);
        config.crash = Some(Arc::clone(&hook));
    })
    .await;
    let created = server.call("POST", "/tasks", Some(json!({"prompt": "crash test"}))).await.1;
    server.ended(created["id"].as_str().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_after_every_durable_write() {
    let scenario = Scenario::bells();
    let (expected, calls) = scenario.undisturbed(check_bells).await;
    for k in 1.. {
        let temp = tempfile::tempdir().unwrap();
        let standin = StandIn::start(script()).await;
        let order = json!({"folder": temp.path(), "model": standin.address.to_string()});
        if !killed("crash::the_server_that_is_killed", &order, k).await {
            assert!(k > 20, "the scenario has {k} durable writes");
            break;
        }
        scenario.recovered(temp.path(), &standin, &expected, calls, k).await;
        check_bells(temp.path(), k);
    }
}

#[tokio::test]
async fn a_graceful_stop_goes_on_at_the_next_start() {
    let temp = tempfile::tempdir().unwrap();
    let script = Script::default().plan(&[("1", "do alpha", &[])]).agent(
        "alpha",
        vec![
            call("write_file", json!({"path": "a", "content": "1"})),
            crate::standin::slow(400, text("done")),
        ],
    );
    let standin = StandIn::start(script).await;
    let mut server = TestServer::over(temp.path(), standin.clone(), |_| {}).await;
    let task = server.create("stop me", json!({})).await;
    crate::harness::wait_until("the last call is open", || standin.requests().len() == 3).await;
    server.stop().await;
    let server = TestServer::over(temp.path(), standin.clone(), |_| {}).await;
    let ended = server.ended(&task).await;
    assert_eq!(ended["status"], "complete");
    assert_eq!(standin.requests().len(), 3, "the call that ran was let to record its answer");
}

#[tokio::test]
async fn two_servers_on_one_folder_the_second_refuses() {
    let server = TestServer::start(Script::default()).await;
    let second = miteos_server::Server::start(config(&server.folder, &server.standin)).await;
    let Err(error) = second else { panic!("two servers on one folder") };
    assert!(error.to_string().contains("in use"), "{error}");
}
