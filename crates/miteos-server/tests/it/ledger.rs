//! Calls that must not happen twice: whatever point the plug is pulled at, they are settled or asked about.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use miteos_server::Config;
use serde_json::{Value, json};

use crate::bank::{Bank, Says, payments};
use crate::crash::{People, Scenario, alone, bare, crashed_in_process, only_task, stop};
use crate::harness::TestServer;
use crate::standin::{Script, StandIn, call, text};

fn paying(says: Says, people: People) -> Scenario {
    let script = Script::default()
        .plan(&[("1", "do alpha", &[])])
        .agent("alpha", vec![call("pay", json!({"amount": 5})), text("done")]);
    let change = move |folder: &Path, config: &mut Config| config.tools = vec![Bank::tool(folder, says)];
    Scenario { script, config: json!({}), change: Arc::new(change), prepare: bare(), people }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_the_other_side_knows_happens_once_and_nobody_is_asked() {
    let once = |folder: &Path, k: u64| assert_eq!(payments(folder).len(), 1, "after write {k}");
    paying(Says::Truth, alone()).crash_everywhere(6, once).await;
}

/// Answers "may have happened; repeat?" and sees that it is done as decided. Gives how often it was asked.
async fn decide(server: &TestServer, folder: &Path, task: &str, approved: bool) -> usize {
    let mut asked = 0;
    loop {
        let shown = server
            .until(task, |t| t["status"] == "complete" || !t["approvals"].as_array().unwrap().is_empty())
            .await;
        if shown["status"] == "complete" {
            return asked;
        }
        let approval = &shown["approvals"][0];
        assert_eq!((&approval["asked"], &approval["attempts"]), (&json!("may_have_happened"), &json!(1)));
        assert!(approval["summary"].as_str().unwrap().contains("may have happened"), "{approval}");
        let before = payments(folder);
        let (agent, id) = (approval["agent_id"].as_str().unwrap(), approval["id"].as_str().unwrap());
        let path = format!("/agents/{agent}/approve/{id}");
        server.expect(200, "POST", &path, Some(json!({"approved": approved}))).await;
        asked += 1;
        server.until(task, |t| t["status"] == "complete").await;
        let after = payments(folder);
        assert_eq!(after.len(), before.len() + usize::from(approved), "{before:?} then {after:?}");
        let key = approval["call_id"].as_str().unwrap();
        assert!(after.iter().all(|line| line.starts_with(key)), "one key for all attempts: {after:?}");
    }
}

async fn unsettled(says: Says, approved: bool) {
    let scenario = paying(says, alone());
    let mut asked = 0;
    for k in 1.. {
        let temp = tempfile::tempdir().unwrap();
        let standin = StandIn::start(scenario.script.clone()).await;
        if !crashed_in_process(&scenario, temp.path(), &standin, k).await {
            break;
        }
        let server = scenario.server(temp.path(), standin).await;
        let task = only_task(&server, k).await;
        let times = decide(&server, temp.path(), &task, approved).await;
        assert!(times <= 1, "after write {k}: asked {times} times");
        if times == 0 {
            assert_eq!(payments(temp.path()).len(), 1, "after write {k}");
        }
        let result = server.events(&task).await.into_iter().find(|e| e["type"] == "agent.result").unwrap();
        let attempts = 1 + usize::from(times == 1 && approved);
        assert_eq!(result["data"]["attempts"], attempts, "after write {k}: the ledger says how often");
        asked += times;
        server.check_conversations();
        stop(server).await;
    }
    assert!(asked >= 1, "the scenario never needed a person");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_nobody_knows_of_is_repeated_when_a_person_says_so() {
    unsettled(Says::Unknown, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_nobody_knows_of_is_left_when_a_person_says_so() {
    unsettled(Says::Nothing, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_is_in_doubt_it_can_be_paused_and_cancelled() {
    let temp = tempfile::tempdir().unwrap();
    let scenario = paying(Says::Unknown, alone());
    let standin = StandIn::start(scenario.script.clone()).await;
    let change = |config: &mut Config| config.tools = vec![Bank::silent(temp.path(), Says::Unknown)];
    let mut server = TestServer::over(temp.path(), standin.clone(), change).await;
    let task = server.create("pay", json!({})).await;
    crate::harness::wait_until("it is paid", || payments(temp.path()).len() == 1).await;
    let stopped = tokio::time::timeout(Duration::from_secs(25), server.stop()).await;
    assert!(stopped.is_ok(), "a call that never ends does not hold the server");
    let server = TestServer::over(temp.path(), standin, change).await;
    let approval = server.asked(&task).await;
    server.expect(200, "POST", &format!("/tasks/{task}/pause"), None).await;
    let shown = server.until(&task, |t| t["status"] == "paused").await;
    assert_eq!(shown["approvals"].as_array().unwrap().len(), 1, "a pause answers nothing");
    server.expect(200, "POST", &format!("/tasks/{task}/cancel"), None).await;
    let last = server.events(&task).await.pop().unwrap();
    assert_eq!(last["type"], "task.cancelled");
    let in_doubt = json!([{"call_id": approval["call_id"], "tool": "pay"}]);
    assert_eq!((&last["data"]["interrupted"], &last["data"]["took_effect"]), (&in_doubt, &json!([])));
    let settled = server.get("/approvals?status=cancelled").await;
    assert_eq!(settled["total"], 1);
    assert_eq!(payments(temp.path()).len(), 1);
}

/// A person who guides, pauses, resumes, turns the dial, changes the budget, approves with other arguments and rejects.
fn busy() -> People {
    async fn step(server: &TestServer, task: &str, shown: &Value) {
        let approval = &shown["approvals"][0];
        let agent = approval["agent_id"].as_str().unwrap();
        let path = format!("/agents/{agent}/approve/{}", approval["id"].as_str().unwrap());
        let seen = server.event_types(task).await;
        let saw = |kind: &str| seen.iter().any(|seen| seen == kind);
        if approval["input"]["path"] == "a.txt" {
            if !saw("agent.guided") {
                let words = json!({"message": "be brief"});
                server.expect(200, "POST", &format!("/agents/{agent}/guide"), Some(words)).await;
            }
            let input = json!({"path": "a.txt", "content": "changed"});
            let answer = json!({"approved": true, "input": input});
            server.expect(200, "POST", &path, Some(answer)).await;
        } else {
            if !saw("task.paused") {
                server.expect(200, "POST", &format!("/tasks/{task}/pause"), None).await;
                server.until(task, |t| t["status"] == "paused").await;
            }
            if !saw("task.resumed") {
                server.expect(200, "POST", &format!("/tasks/{task}/resume"), None).await;
            }
            let change = json!({"config": {"autonomy_level": 100, "budget_cents": 90}});
            server.expect(200, "PATCH", &format!("/tasks/{task}"), Some(change)).await;
            server.expect(200, "POST", &path, Some(json!({"approved": false, "reason": "no"}))).await;
        }
    }
    Arc::new(|server, task| {
        Box::pin(async move {
            loop {
                let ready =
                    |t: &Value| t["status"] == "complete" || !t["approvals"].as_array().unwrap().is_empty();
                let shown = server.until(&task, ready).await;
                if shown["status"] == "complete" {
                    return shown;
                }
                step(&server, &task, &shown).await;
            }
        })
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_do_survives_every_crash() {
    let file = |path: &str| call("write_file", json!({"path": path, "content": "proposed"}));
    let script = Script::default()
        .plan(&[("1", "do alpha", &[])])
        .agent("alpha", vec![file("a.txt"), file("b.txt"), file("c.txt"), text("done")]);
    let scenario = Scenario {
        script,
        config: json!({"autonomy_level": 30, "budget_cents": 100}),
        change: Arc::new(|_, _| {}),
        prepare: bare(),
        people: busy(),
    };
    scenario.crash_everywhere(20, |_, _| {}).await;
}
