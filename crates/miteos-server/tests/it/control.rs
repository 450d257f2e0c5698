//! What is answered to pause, resume, cancel, guide and change, in which state. The rules are core's, which has the
//! whole table; here it is their way through HTTP.

use serde_json::{Value, json};

use crate::harness::{TestServer, wait_until};
use crate::standin::{Reply, Script, call, slow, text};

fn one(replies: Vec<Reply>) -> Script {
    Script::default().plan(&[("1", "do alpha", &[])]).agent("alpha", replies)
}

const CALLS: [(&str, &str); 5] =
    [("POST", "pause"), ("POST", "resume"), ("POST", "guide"), ("PATCH", ""), ("POST", "cancel")];

fn body(call: &str) -> Option<Value> {
    match call {
        "guide" => Some(json!({"message": "left"})),
        "" => Some(json!({"config": {"autonomy_level": 20}})),
        _ => None,
    }
}

/// Makes each call on the task; a refused one leaves no trace.
async fn answers(server: &TestServer, task: &str, calls: &[(&str, &str)]) -> Vec<u16> {
    let mut answers = Vec::new();
    for (method, call) in calls {
        let path = format!("/tasks/{task}/{call}");
        let before = (server.get(&format!("/tasks/{task}")).await, server.events(task).await);
        let (status, said) = server.call(method, path.trim_end_matches('/'), body(call)).await;
        if status != 200 {
            let after = (server.get(&format!("/tasks/{task}")).await, server.events(task).await);
            assert_eq!(before, after, "{call} was refused and changed something");
            assert!(said["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{said}");
        }
        answers.push(status);
    }
    answers
}

#[tokio::test]
async fn an_ended_task_takes_nothing_but_the_same_cancel() {
    let server = TestServer::start(one(vec![text("done")])).await;
    let done = server.run("quick", json!({})).await;
    let agent = done["agents"][0]["id"].as_str().unwrap();
    assert_eq!(answers(&server, done["id"].as_str().unwrap(), &CALLS).await, [422; 5]);
    for call in ["pause", "resume", "cancel", "guide"] {
        server.expect(422, "POST", &format!("/agents/{agent}/{call}"), body(call)).await;
    }
    let unknown = format!("/agents/{agent}/approve/appr_01ARZ3NDEKTSV4RRFFQ69G5FAV");
    server.expect(404, "POST", &unknown, Some(json!({"approved": true}))).await;
    server.expect(404, "POST", "/agents/agnt_01ARZ3NDEKTSV4RRFFQ69G5FAV/pause", None).await;
    server.expect(404, "POST", "/tasks/task_01ARZ3NDEKTSV4RRFFQ69G5FAV/pause", None).await;
}

#[tokio::test]
async fn a_running_task_takes_everything_and_each_twice() {
    let server = TestServer::start(one(vec![slow(600_000, text("never"))])).await;
    let task = server.create("run", json!({})).await;
    wait_until("the agent thinks", || server.standin.requests().len() == 2).await;
    assert_eq!(answers(&server, &task, &CALLS[..4]).await, [200; 4]);
    assert_eq!(answers(&server, &task, &CALLS[..4]).await, [200; 4]);
    let shown = server.get(&format!("/tasks/{task}")).await;
    let agent = format!("/agents/{}", shown["agents"][0]["id"].as_str().unwrap());
    for call in ["pause", "pause", "resume", "resume", "guide", "cancel", "cancel"] {
        server.expect(200, "POST", &format!("{agent}/{call}"), body(call)).await;
    }
    // Its only agent is gone, so the task ends with it.
    let ended = server.ended(&task).await;
    assert_eq!(ended["status"], "cancelled");
    assert_eq!(answers(&server, &task, &CALLS).await, [422, 422, 422, 422, 200]);
    assert_eq!(server.standin.requests().len(), 2, "no model call after the cancel");
}

#[tokio::test]
async fn a_task_is_held_while_it_waits_and_while_it_is_planned() {
    let script = Script {
        plans: vec![slow(
            200,
            Reply::Calls(vec![("submit_plan", crate::standin::plan(&[("1", "do alpha", &[])]))]),
        )],
        ..Script::default()
    }
    .agent("alpha", vec![call("list_files", json!({})), text("done")]);
    let server = TestServer::start(script).await;
    let task = server.create("hold me", json!({})).await;
    server.expect(200, "POST", &format!("/tasks/{task}/pause"), None).await;
    let shown = server.until(&task, |t| t["status"] == "paused").await;
    assert!(server.standin.requests().len() <= 1, "at most the plan was asked for");
    let agents = shown["agents"].as_array().unwrap();
    assert!(agents.iter().all(|agent| agent["status"] == "paused"), "nobody has started: {shown:#}");
    server.expect(200, "POST", &format!("/tasks/{task}/resume"), None).await;
    let ended = server.ended(&task).await;
    assert_eq!(ended["status"], "complete", "{ended:#}");
    let types = server.event_types(&task).await;
    let at = |kind: &str| types.iter().position(|seen| seen == kind).unwrap();
    assert!(at("task.paused") < at("task.resumed") && at("task.resumed") < at("agent.started"), "{types:?}");
    assert_eq!(server.standin.requests().len(), 3, "the plan was asked for once");
}
