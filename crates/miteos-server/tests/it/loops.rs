//! The agent's loop: bad calls, big outputs, circles, limits.

use std::sync::Arc;

use async_trait::async_trait;
use miteos_core::tool::{AgentType, RetryClass, Risk, ToolSpec};
use miteos_tools::{Tool, ToolContext, ToolError, ToolOutput};
use serde_json::{Value, json};

use crate::harness::TestServer;
use crate::standin::{Reply, Script, call, text};

fn one(replies: Vec<Reply>) -> Script {
    Script::default().plan(&[("1", "do alpha", &[])]).agent("alpha", replies)
}

fn results(events: &[Value]) -> Vec<&Value> {
    events.iter().filter(|e| e["type"] == "agent.result").map(|e| &e["data"]).collect()
}

#[tokio::test]
async fn bad_arguments_and_unknown_tools_are_told_to_the_model() {
    let script = one(vec![
        call("write_file", json!({"path": 7})),
        call("fly_to_the_moon", json!({})),
        Reply::RawCall("write_file", "{\"path\": \"x"),
        call("place_order", json!({"symbol": "X"})),
        text("I give up politely"),
    ]);
    let server = TestServer::start(script).await;
    let task = server.run("err", json!({})).await;
    assert_eq!(task["status"], "complete", "{task:#}");
    let events = server.events(task["id"].as_str().unwrap()).await;
    let results = results(&events);
    assert!(results.iter().all(|r| r["ok"] == false));
    let said = |n: usize| results[n]["output"].as_str().unwrap().to_owned();
    assert!(said(0).contains("path"), "{}", said(0));
    assert!(said(1).contains("no tool \"fly_to_the_moon\"") && said(1).contains("read_file"), "{}", said(1));
    assert!(said(2).contains("no JSON object"), "{}", said(2));
    assert!(said(3).contains("no tool \"place_order\""), "{}", said(3));
    server.check_conversations();
}

/// A tool with much to say.
struct Shout(ToolSpec);

fn shout_spec() -> ToolSpec {
    let schema =
        json!({"type": "object", "properties": {"lines": {"type": "integer"}}, "required": ["lines"]});
    ToolSpec { name: "shout".into(), description: "Says much.".into(), schema }
}

#[async_trait]
impl Tool for Shout {
    fn spec(&self) -> &ToolSpec {
        &self.0
    }
    fn agents(&self) -> &[AgentType] {
        &AgentType::ALL
    }
    fn risk(&self, _: &Value) -> Risk {
        Risk::Low
    }
    fn read_only(&self) -> bool {
        true
    }
    fn retry(&self) -> RetryClass {
        RetryClass::Repeatable
    }
    async fn run(&self, _: &ToolContext, input: Value) -> Result<ToolOutput, ToolError> {
        let lines = input["lines"].as_u64().unwrap();
        Ok(ToolOutput::text((0..lines).map(|n| format!("this is line {n}\n")).collect::<String>()))
    }
}

#[tokio::test]
async fn a_big_output_is_a_file_with_head_and_tail() {
    let big = "some words that stand on a line of their own, again and again\n".repeat(1_000);
    let script = one(vec![
        call("write_file", json!({"path": "big.txt", "content": big})),
        call("shout", json!({"lines": 1_000})),
        text("read"),
    ]);
    let server =
        TestServer::start_with(script, |config| config.tools = vec![Arc::new(Shout(shout_spec()))]).await;
    let task = server.run("big", json!({})).await;
    assert_eq!(task["status"], "complete", "{task:#}");
    let events = server.events(task["id"].as_str().unwrap()).await;
    let results = results(&events);
    let output = results[1]["output"].as_str().unwrap();
    let path = results[1]["output_path"].as_str().unwrap();
    assert!(
        output.len() < 9 * 1024
            && output.contains("line 0\n")
            && output.contains("line 999\n")
            && output.contains(path),
        "{output}"
    );
    let folder = server.folder.join("workspaces").join(task["workspace_id"].as_str().unwrap());
    assert!(std::fs::read_to_string(folder.join(path)).unwrap().len() > 9 * 1024);
    // The big arguments are whole in what the model is shown of its own words.
    let last = server.standin.requests().pop().unwrap();
    let sent = last["messages"].as_array().unwrap().iter().find(|m| m["tool_calls"].is_array()).unwrap();
    assert!(sent.to_string().len() > 40_000);
    server.check_conversations();
}

#[tokio::test]
async fn an_answer_of_a_megabyte_is_kept_whole() {
    let long = "word ".repeat(220_000);
    let server = TestServer::start(one(vec![text(&long)])).await;
    let task = server.run("long", json!({})).await;
    assert_eq!(task["status"], "complete");
    assert_eq!(task["result"].as_str().unwrap(), long);
    let events = server.events(task["id"].as_str().unwrap()).await;
    let size: usize = events.iter().map(|e| e.to_string().len()).sum();
    assert!(size < 40_000, "the log holds references: {size}");
}

#[tokio::test]
async fn the_same_call_again_and_again_ends_the_agent() {
    let script = Script { replans: vec![text("no idea")], ..one(vec![call("list_files", json!({}))]) };
    let server = TestServer::start(script).await;
    let task = server.run("circle", json!({})).await;
    assert_eq!(task["status"], "failed");
    let events = server.events(task["id"].as_str().unwrap()).await;
    let results = results(&events);
    assert_eq!(results.len(), 5);
    assert!(
        !results[1]["output"].to_string().contains("same call")
            && results[2]["output"].to_string().contains("same call")
    );
}

#[tokio::test]
async fn after_the_last_model_call_the_agent_answers_with_what_it_has() {
    let replies =
        (0..10).map(|n| call("write_file", json!({"path": format!("{n}.txt"), "content": "x"}))).collect();
    let server = TestServer::start_with(one(replies), |config| config.max_model_calls = 3).await;
    let task = server.run("endless", json!({})).await;
    assert_eq!(task["status"], "failed", "a call is no answer");
    let last =
        server.standin.requests().iter().filter(|r| r["messages"].to_string().contains("last turn")).count();
    assert_eq!(last, 1);
    assert!(task["error"].as_str().is_some());
}

#[tokio::test]
async fn several_reads_in_one_answer_run_together() {
    let script = one(vec![
        Reply::Calls(vec![("list_files", json!({})), ("recall", json!({"query": "x"}))]),
        text("done"),
    ]);
    let server = TestServer::start(script).await;
    let task = server.run("read", json!({})).await;
    let types = server.event_types(task["id"].as_str().unwrap()).await;
    let at = types.iter().position(|t| t == "agent.action").unwrap();
    assert_eq!(&types[at..at + 4], ["agent.action", "agent.action", "agent.result", "agent.result"]);
    server.check_conversations();
}
