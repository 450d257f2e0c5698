//! A provider in trouble: waits, another model, and never a false success.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{MODEL, TestServer};
use crate::standin::{Reply, Script, slow, text};

fn one(replies: Vec<Reply>) -> Script {
    Script::default().plan(&[("1", "do alpha", &[])]).agent("alpha", replies)
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    let server = TestServer::start(one(vec![Reply::Status(429, Some("2")), text("done")])).await;
    let begun = Instant::now();
    let task = server.run("busy", json!({})).await;
    assert_eq!(task["status"], "complete", "{task:#}");
    assert!(begun.elapsed() >= Duration::from_secs(2));
}

#[tokio::test]
async fn trouble_of_every_kind_is_tried_again() {
    for trouble in [Reply::Status(500, None), Reply::Status(503, None), Reply::Cut, Reply::Garbage] {
        let server = TestServer::start(one(vec![trouble.clone(), text("done")])).await;
        let task = server.run("trouble", json!({})).await;
        assert_eq!(task["status"], "complete", "{trouble:?}: {task:#}");
        assert_eq!(task["result"], "done");
        server.check_conversations();
    }
}

#[tokio::test]
async fn a_wrong_key_is_told_and_not_repeated() {
    let script =
        Script { plans: vec![Reply::Status(401, None), Reply::Status(401, None)], ..Script::default() };
    let server = TestServer::start(script).await;
    let task = server.run("locked out", json!({})).await;
    assert_eq!(task["status"], "failed");
    assert!(task["error"].as_str().unwrap().contains(MODEL), "{}", task["error"]);
    assert!(!task["error"].as_str().unwrap().contains("sk-test"));
    assert_eq!(server.standin.requests().len(), 1);
}

#[tokio::test]
async fn the_fallback_takes_over_with_the_same_transcript() {
    let script = Script::default().plan(&[("1", "do alpha", &[])]).agent(
        "alpha",
        vec![crate::standin::call("list_files", json!({})), Reply::Status(400, None), text("done")],
    );
    let server = TestServer::start_with(script, |config| {
        config.models.fallbacks = vec!["openai/scripted-2".parse().unwrap()];
    })
    .await;
    let task = server.run("fall back", json!({})).await;
    assert_eq!(task["status"], "complete", "{task:#}");
    let requests = server.standin.requests();
    let last = requests.last().unwrap();
    assert_eq!(last["model"], "scripted-2");
    assert_eq!(last["messages"], requests[requests.len() - 2]["messages"]);
}

#[tokio::test]
async fn a_budget_that_the_next_call_could_pass_stops_the_task() {
    let replies = (0..30)
        .map(|n| crate::standin::call("write_file", json!({"path": format!("{n}"), "content": "x"})))
        .collect();
    let server = TestServer::start(one(replies)).await;
    let task = server.run("spend", json!({"budget_cents": 1})).await;
    assert_eq!(task["status"], "failed", "{task:#}");
    assert_eq!(task["error"], "budget exhausted");
    assert!(task["cost"].as_f64().unwrap() <= 0.01);
}

#[tokio::test]
async fn agents_side_by_side_do_not_pass_the_budget_together() {
    let nodes: Vec<(String, &str)> = (0..6).map(|n| (n.to_string(), "do alpha")).collect();
    let nodes: Vec<(&str, &str, &[&str])> =
        nodes.iter().map(|(key, prompt)| (key.as_str(), *prompt, &[] as &[&str])).collect();
    let replies = (0..30)
        .map(|n| {
            crate::standin::slow(
                30,
                crate::standin::call("write_file", json!({"path": format!("{n}"), "content": "x"})),
            )
        })
        .collect();
    let script = Script::default().plan(&nodes).agent("alpha", replies);
    let server = TestServer::start_with(script, |config| {
        // The worst case of one call is then a good part of the budget: its output limit at two dollars a million.
        config.models.overrides.values_mut().for_each(|o| o.max_output_tokens = Some(1_000));
    })
    .await;
    let task = server.run("spend together", json!({"budget_cents": 1, "max_agents": 6})).await;
    assert_eq!(task["error"], "budget exhausted", "{task:#}");
    assert!(task["cost"].as_f64().unwrap() <= 0.01, "{}", task["cost"]);
    let leaves: f64 = task["agents"].as_array().unwrap().iter().map(|a| a["cost"].as_f64().unwrap()).sum();
    // One planning call of 100 tokens in and 20 out, and what the agents spent: exactly the total.
    let total = task["cost"].as_f64().unwrap();
    assert!((leaves + 0.000_14 - total).abs() < 1e-9, "{leaves} of {total}");
}

#[tokio::test]
async fn an_attempt_in_the_air_holds_up_no_other_that_waits() {
    let script = Script::default()
        .plan(&[("a", "do alpha", &[]), ("b", "do beta", &[])])
        .agent("alpha", vec![Reply::Status(429, Some("1")), slow(600_000, text("never"))])
        .agent("beta", vec![Reply::Status(429, Some("2")), text("done")]);
    let server = TestServer::start(script).await;
    let task = server.create("two in trouble", json!({"max_agents": 2})).await;
    let complete = |task: &serde_json::Value| {
        task["agents"].as_array().is_some_and(|agents| agents.iter().any(|a| a["status"] == "complete"))
    };
    server.until(&task, complete).await;
    server.expect(200, "POST", &format!("/tasks/{task}/cancel"), None).await;
}
