//! Approvals: what is asked for, who wins, and when they run out.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bank::{Bank, Says, payments};
use crate::harness::{Later, TestServer};
use crate::standin::{Reply, Script, StandIn, call, text};

fn one(replies: Vec<Reply>) -> Script {
    Script::default().plan(&[("1", "do alpha", &[])]).agent("alpha", replies)
}

fn path(approval: &Value) -> String {
    let (agent, id) = (approval["agent_id"].as_str().unwrap(), approval["id"].as_str().unwrap());
    format!("/agents/{agent}/approve/{id}")
}

#[tokio::test]
async fn an_account_may_ask_more_but_not_less() {
    let temp = tempfile::tempdir().unwrap();
    let script = one(vec![call("list_files", json!({})), text("done")]);
    let server =
        TestServer::start_with(script, |c| c.tools = vec![Bank::tool(temp.path(), Says::Truth)]).await;
    let default = json!({"low": 20, "medium": 50, "high": 100, "critical": 100, "tools": {}});
    assert_eq!(server.get("/approval-policy").await, default);
    for refused in [
        json!({"low": 19}),
        json!({"medium": 49}),
        json!({"high": 99}),
        json!({"critical": 102}),
        json!({"tools": {"no_such_tool": "always"}}),
        json!({"tools": {"list_files": "sometimes"}}),
        json!({"tools": {"pay": "never"}}),
    ] {
        server.expect(422, "PUT", "/approval-policy", Some(refused)).await;
    }
    server.expect(400, "PUT", "/approval-policy", Some(json!({"low": "high"}))).await;
    assert_eq!(server.get("/approval-policy").await, default, "a refused change changes nothing");
    let before = server.create("made before", json!({})).await;
    server.ended(&before).await;
    let wanted = json!({"medium": 60, "tools": {"list_files": "always", "write_file": "never"}});
    let set = server.expect(200, "PUT", "/approval-policy", Some(wanted)).await;
    assert_eq!((&set["low"], &set["medium"]), (&json!(20), &json!(60)));
    let task = server.create("made after", json!({"autonomy_level": 100})).await;
    let asked = server.asked(&task).await;
    assert_eq!((&asked["tool"], &asked["asked"]), (&json!("list_files"), &json!("policy")));
    // The policy a task was made with stays, whatever the account does later.
    server.expect(200, "PUT", "/approval-policy", Some(json!({}))).await;
    server.expect(200, "POST", &path(&asked), Some(json!({"approved": true}))).await;
    assert_eq!(server.ended(&task).await["status"], "complete");
    let theirs = server.call_as(&server.test_key, "GET", "/approval-policy", None).await;
    assert_eq!(theirs, (200, default), "the test world has its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_of_many_decisions_wins() {
    let temp = tempfile::tempdir().unwrap();
    let script = one(vec![call("pay", json!({"amount": 500})), text("done")]);
    let server =
        TestServer::start_with(script, |c| c.tools = vec![Bank::tool(temp.path(), Says::Truth)]).await;
    let task = server.create("pay", json!({})).await;
    let asked = server.asked(&task).await;
    assert_eq!(asked["risk"], "critical");
    let path = path(&asked);
    let answers = futures::future::join_all((0..50).map(|n| {
        let input = json!({"approved": true, "input": {"amount": n}});
        server.call("POST", &path, Some(input))
    }))
    .await;
    let won = answers.iter().filter(|(status, _)| *status == 200).count();
    let lost = answers.iter().filter(|(status, _)| *status == 422).count();
    assert_eq!((won, lost), (1, 49), "{answers:?}");
    let winner = answers.iter().position(|(status, _)| *status == 200).unwrap();
    assert_eq!(server.ended(&task).await["status"], "complete");
    let paid = payments(temp.path());
    assert_eq!(paid.len(), 1);
    assert!(paid[0].ends_with(&format!(" 1 {winner}")), "{paid:?} for {winner}");
    // What a person put in its place was judged anew: a small payment is of low risk.
    let action = server.events(&task).await.into_iter().find(|e| e["type"] == "agent.action").unwrap();
    assert_eq!(
        (&action["data"]["risk"], &action["data"]["input"]["amount"]),
        (&json!("low"), &json!(winner))
    );
}

#[tokio::test]
async fn several_of_one_agent_are_answered_in_any_order() {
    let three = |n: usize| ("list_files", json!({"path": format!("d{n}")}));
    let script = one(vec![
        Reply::Calls(vec![("write_file", json!({"path": "d1/x", "content": "x"}))]),
        Reply::Calls(vec![three(1), three(2), three(3)]),
        text("done"),
    ]);
    let server = TestServer::start(script).await;
    let task = server.create("ask for all", json!({"autonomy_level": 0})).await;
    let first = server.asked(&task).await;
    server.expect(200, "POST", &path(&first), Some(json!({"approved": true}))).await;
    let shown = server.until(&task, |t| t["approvals"].as_array().unwrap().len() == 3).await;
    assert_eq!(shown["agents"][0]["status"], "waiting");
    let open = shown["approvals"].as_array().unwrap();
    server.expect(200, "POST", &path(&open[1]), Some(json!({"approved": true}))).await;
    server.until(&task, |t| t["approvals"].as_array().unwrap().len() == 2).await;
    server.expect(200, "POST", &path(&open[2]), Some(json!({"approved": false, "reason": "not d3"}))).await;
    server.expect(200, "POST", &path(&open[0]), Some(json!({"approved": true}))).await;
    assert_eq!(server.ended(&task).await["status"], "complete");
    server.check_conversations();
}

#[tokio::test]
async fn one_runs_out_while_the_server_is_down() {
    let temp = tempfile::tempdir().unwrap();
    let script = one(vec![call("write_file", json!({"path": "a", "content": "x"})), text("gave up on it")]);
    let standin = StandIn::start(script).await;
    let mut server = TestServer::over(temp.path(), standin.clone(), |_| {}).await;
    let task = server.create("ask me", json!({"autonomy_level": 30})).await;
    let asked = server.asked(&task).await;
    server.stop().await;
    let day = Duration::from_secs(24 * 3600);
    let mut server =
        TestServer::over(temp.path(), standin.clone(), |c| c.clock = Arc::new(Later(6 * day))).await;
    let still = server.asked(&task).await;
    assert_eq!(still, asked, "six days are not seven");
    server.stop().await;
    let server = TestServer::over(temp.path(), standin, |c| c.clock = Arc::new(Later(8 * day))).await;
    let ended = server.ended(&task).await;
    assert_eq!(ended["result"], "gave up on it", "{ended:#}");
    let settled = server.get("/approvals").await["approvals"][0].clone();
    assert_eq!(settled["status"], "expired");
    for approved in [true, false] {
        server.expect(422, "POST", &path(&asked), Some(json!({"approved": approved}))).await;
    }
    server.check_conversations();
}

#[tokio::test]
async fn a_task_that_ends_settles_what_is_open() {
    let script = Script::default()
        .plan(&[("a", "do alpha", &[]), ("b", "do beta", &[])])
        .agent("alpha", vec![call("write_file", json!({"path": "a", "content": "x"})), text("done")])
        .agent("beta", vec![text("done")]);
    let server = TestServer::start(script).await;
    let task = server.create("ask me", json!({"autonomy_level": 30})).await;
    let asked = server.asked(&task).await;
    server.until(&task, |t| t["agents"].as_array().unwrap().iter().any(|a| a["status"] == "complete")).await;
    server.expect(200, "POST", &format!("/tasks/{task}/cancel"), None).await;
    let settled = server.get("/approvals").await["approvals"][0].clone();
    assert_eq!((&settled["id"], &settled["status"]), (&asked["id"], &json!("cancelled")));
    server.expect(422, "POST", &path(&asked), Some(json!({"approved": true}))).await;
}
