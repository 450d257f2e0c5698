//! From the prompt to the plan to the result.

use serde_json::json;

use crate::harness::TestServer;
use crate::standin::{Reply, Script, call, text};

#[tokio::test]
async fn one_agent_writes_a_file_and_hands_it_over() {
    let script = Script::default().plan(&[("1", "write the haiku", &[])]).agent(
        "haiku",
        vec![
            call("write_file", json!({"path": "haiku.md", "content": "old pond\n"})),
            call("publish", json!({"path": "haiku.md"})),
            text("It is in haiku.md."),
        ],
    );
    let server = TestServer::start(script).await;
    let task = server.run("a haiku, please", json!({})).await;
    assert_eq!(task["status"], "complete", "{task:#}");
    assert_eq!(task["result"], "It is in haiku.md.");
    assert_eq!(task["deliverables_count"], 1);
    assert_eq!(task["total_tokens_used"], 4 * 120);
    // 100 tokens in at $1 and 20 out at $2 a million: 140 micro-dollars a call.
    assert!((task["cost"].as_f64().unwrap() - 0.00056).abs() < 1e-12, "{}", task["cost"]);
    assert_eq!(task["total_cost_cents"], 1);
    assert_eq!(task["agents"][0]["status"], "complete");
    assert_eq!(task["agents"][0]["progress"], 100);
    let id = task["id"].as_str().unwrap();
    let types = server.event_types(id).await;
    assert_eq!(
        types,
        [
            "task.created",
            "task.planning",
            "task.planned",
            "task.running",
            "agent.started",
            "agent.thinking",
            "agent.action",
            "agent.result",
            "agent.thinking",
            "agent.action",
            "deliverable.created",
            "agent.result",
            "agent.thinking",
            "agent.complete",
            "task.complete"
        ]
    );
    let files = server.get(&format!("/tasks/{id}/deliverables")).await;
    assert_eq!(files[0]["name"], "haiku.md");
    assert_eq!(files[0]["size_bytes"], 9);
    server.check_conversations();
}

#[tokio::test]
async fn parallel_and_dependent_nodes_and_a_conclusion() {
    let script = Script::default()
        .plan(&[("a", "do alpha", &[]), ("b", "do beta", &[]), ("c", "do gamma", &["a", "b"])])
        .agent(
            "alpha",
            vec![call("write_file", json!({"path": "a.txt", "content": "A"})), text("alpha says 1")],
        )
        .agent(
            "beta",
            vec![call("write_file", json!({"path": "b.txt", "content": "B"})), text("beta says 2")],
        )
        .agent("gamma", vec![call("read_file", json!({"path": "a.txt"})), text("gamma says 3")])
        .conclude("one, two, three", &["a.txt", "b.txt", "missing.txt"]);
    let server = TestServer::start(script).await;
    let task = server.run("count", json!({"max_agents": 2})).await;
    assert_eq!(task["status"], "complete", "{task:#}");
    assert_eq!(task["result"], "one, two, three");
    assert_eq!(task["deliverables_count"], 2, "what is missing is left out");
    let prompts: Vec<String> = server.standin.requests().iter().map(|r| r["messages"].to_string()).collect();
    let gamma = prompts.iter().find(|p| p.contains("part of it:\\ndo gamma")).unwrap();
    assert!(
        gamma.contains("alpha says 1") && gamma.contains("beta says 2"),
        "a node sees the results it depends on"
    );
    assert!(gamma.contains("a.txt"), "and the files there are");
    let rows = server.get("/tasks/completed").await;
    assert_eq!(rows["tasks"][0]["action_count"], 3);
    assert_eq!(rows["tasks"][0]["tools"], json!(["write_file", "read_file"]));
    server.check_conversations();
}

#[tokio::test]
async fn a_plan_that_does_not_validate_goes_back_with_the_reasons() {
    let script = Script {
        plans: vec![text("I would rather chat"), Reply::RawCall("submit_plan", "{\"subtasks\": [")],
        ..Script::default()
    };
    let script = script.plan(&[("1", "do alpha", &[])]).agent("alpha", vec![text("done")]);
    let server = TestServer::start(script).await;
    let task = server.run("plan badly", json!({})).await;
    assert_eq!(task["status"], "complete", "{task:#}");
    let last = server.standin.requests()[2]["messages"].to_string();
    assert!(last.contains("has no call of submit_plan") && last.contains("no JSON object"), "{last}");
}

#[tokio::test]
async fn after_three_bad_plans_the_task_fails_with_them() {
    let script = Script {
        plans: vec![text("no"), text("no"), Reply::Calls(vec![("submit_plan", json!({"subtasks": []}))])],
        ..Script::default()
    };
    let server = TestServer::start(script).await;
    let task = server.run("plan badly", json!({})).await;
    assert_eq!(task["status"], "failed");
    let error = task["error"].as_str().unwrap();
    assert!(error.contains("after 3 attempts") && error.contains("1 to 20 subtasks"), "{error}");
    assert_eq!(server.event_types(task["id"].as_str().unwrap()).await.last().unwrap(), "task.failed");
}

#[tokio::test]
async fn a_failed_node_is_replaced_and_its_dependants_are_skipped() {
    let script = Script::default()
        .plan(&[("1", "do alpha", &[]), ("2", "do beta", &["1"])])
        .replan(&[("3", "do gamma", &[])])
        .agent("alpha", vec![Reply::Status(400, None), Reply::Status(400, None)])
        .agent("gamma", vec![text("gamma did it")])
        .conclude("in another way", &[]);
    let server = TestServer::start(script).await;
    let task = server.run("try", json!({})).await;
    assert_eq!(task["status"], "complete", "{task:#}");
    let states: Vec<_> = task["subtasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["status"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(states, ["failed", "skipped", "complete"]);
    assert_eq!(task["result"], "in another way");
}

#[tokio::test]
async fn a_test_key_runs_on_the_built_in_model_and_sees_its_own_world() {
    let server = TestServer::start(Script::default()).await;
    let (status, made) = server
        .call_as(&server.test_key, "POST", "/tasks", Some(json!({"prompt": "hello [test:agents=3]"})))
        .await;
    assert_eq!(status, 201);
    let id = made["id"].as_str().unwrap();
    let (status, _) = server.call("GET", &format!("/tasks/{id}"), None).await;
    assert_eq!(status, 404, "a live key never sees a test task");
    let begun = std::time::Instant::now();
    let ended = loop {
        let (_, task) = server.call_as(&server.test_key, "GET", &format!("/tasks/{id}"), None).await;
        if task["completed_at"].is_string() {
            break task;
        }
        assert!(begun.elapsed() < crate::harness::PATIENCE, "{task:#}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    assert_eq!(ended["status"], "complete", "{ended:#}");
    assert_eq!(ended["agents"].as_array().unwrap().len(), 3);
    assert!(ended["deliverables_count"].as_u64().unwrap() >= 1);
    assert!(server.standin.requests().is_empty(), "nothing left the server");
}
