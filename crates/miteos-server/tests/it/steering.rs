//! Cancel, pause, guide and approve through HTTP.

use serde_json::{Value, json};

use crate::harness::{TestServer, wait_until};
use crate::standin::{Reply, Script, call, slow, text};

fn one(replies: Vec<Reply>) -> Script {
    Script::default().plan(&[("1", "do alpha", &[])]).agent("alpha", replies)
}

#[tokio::test]
async fn cancel_closes_the_model_stream_before_it_answers() {
    let server = TestServer::start(one(vec![
        call("write_file", json!({"path": "kept.txt", "content": "x"})),
        slow(600_000, text("never")),
    ]))
    .await;
    let task = server.create("cancel me", json!({})).await;
    wait_until("the second call is open", || {
        server.standin.requests().len() == 3 && server.standin.open() == 1
    })
    .await;
    let (status, body) = server.call("POST", &format!("/tasks/{task}/cancel"), None).await;
    assert_eq!((status, body), (200, json!({"success": true})));
    let shown = server.get(&format!("/tasks/{task}")).await;
    assert_eq!(shown["status"], "cancelled");
    wait_until("the stream is closed", || server.standin.open() == 0).await;
    let again = server.call("POST", &format!("/tasks/{task}/cancel"), None).await;
    assert_eq!(again, (200, json!({"success": true})));
    let events = server.events(&task).await;
    assert_eq!(events.last().unwrap()["type"], "task.cancelled");
    assert_eq!(events.last().unwrap()["data"]["took_effect"].as_array().unwrap().len(), 1);
    assert_eq!(server.standin.requests().len(), 3, "no model call after the cancel");
}

#[tokio::test]
async fn a_complete_task_cannot_be_cancelled_or_paused() {
    let server = TestServer::start(one(vec![text("done")])).await;
    let task = server.run("quick", json!({})).await;
    let id = task["id"].as_str().unwrap();
    for verb in ["cancel", "pause", "resume"] {
        let (status, body) = server.call("POST", &format!("/tasks/{id}/{verb}"), None).await;
        assert_eq!(status, 422, "{verb}");
        assert!(body["detail"].as_str().unwrap().contains("complete"), "{body}");
    }
}

#[tokio::test]
async fn pause_holds_after_the_running_call_and_resume_goes_on() {
    let server = TestServer::start(one(vec![slow(300, call("list_files", json!({}))), text("done")])).await;
    let task = server.create("pause me", json!({})).await;
    wait_until("the agent thinks", || server.standin.requests().len() == 2).await;
    let (status, _) = server.call("POST", &format!("/tasks/{task}/pause"), None).await;
    assert_eq!(status, 200);
    let shown = server.until(&task, |t| t["status"] == "paused").await;
    assert_eq!(shown["agents"][0]["status"], "paused");
    assert_eq!(server.standin.requests().len(), 2);
    let agent = shown["agents"][0]["id"].as_str().unwrap();
    let (status, _) = server
        .call("POST", &format!("/agents/{agent}/guide"), Some(json!({"instructions": "be quick"})))
        .await;
    assert_eq!(status, 200);
    let (status, _) = server.call("POST", &format!("/tasks/{task}/resume"), None).await;
    assert_eq!(status, 200);
    let ended = server.ended(&task).await;
    assert_eq!(ended["status"], "complete", "{ended:#}");
    let last = server.standin.requests().pop().unwrap();
    assert!(last["messages"].to_string().contains("be quick"));
}

fn approval(task: &Value) -> (String, String) {
    let open = &task["approvals"][0];
    (open["agent_id"].as_str().unwrap().to_owned(), open["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn below_the_dial_a_person_decides_once() {
    let server = TestServer::start(one(vec![
        call("write_file", json!({"path": "a.txt", "content": "first"})),
        call("write_file", json!({"path": "b.txt", "content": "second"})),
        text("done"),
    ]))
    .await;
    let task = server.create("ask me", json!({"autonomy_level": 30})).await;
    let shown = server.until(&task, |t| t["approvals"].as_array().is_some_and(|a| !a.is_empty())).await;
    assert_eq!(shown["agents"][0]["status"], "waiting");
    assert_eq!(shown["approvals"][0]["input"], json!({"path": "a.txt", "content": "first"}));
    let (agent, open) = approval(&shown);
    let path = format!("/agents/{agent}/approve/{open}");
    let (status, body) =
        server.call("POST", &path, Some(json!({"approved": true, "input": {"path": 3}}))).await;
    assert_eq!(status, 422, "{body}");
    let changed = json!({"approved": true, "input": {"path": "a.txt", "content": "changed"}});
    assert_eq!(server.call("POST", &path, Some(changed)).await.0, 200);
    assert_eq!(server.call("POST", &path, Some(json!({"approved": true}))).await.0, 200, "the same again");
    let (status, body) = server.call("POST", &path, Some(json!({"approved": false}))).await;
    assert_eq!(status, 422, "{body}");
    let shown = server.until(&task, |t| t["approvals"][0]["input"]["path"] == "b.txt").await;
    let (agent, open) = approval(&shown);
    let pending = server.get("/approvals?status=pending").await;
    assert_eq!(pending["total"], 1);
    let path = format!("/agents/{agent}/approve/{open}");
    assert_eq!(
        server.call("POST", &path, Some(json!({"approved": false, "reason": "not needed"}))).await.0,
        200
    );
    let ended = server.ended(&task).await;
    assert_eq!(ended["status"], "complete");
    let folder = server.folder.join("workspaces").join(ended["workspace_id"].as_str().unwrap());
    assert_eq!(std::fs::read_to_string(folder.join("a.txt")).unwrap(), "changed");
    assert!(!folder.join("b.txt").exists());
    let last = server.standin.requests().pop().unwrap();
    assert!(last["messages"].to_string().contains("not needed"));
    server.check_conversations();
}
