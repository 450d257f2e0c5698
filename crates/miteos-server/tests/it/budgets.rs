//! Budgets: nothing starts that could pass them, nothing is lost from the sum, and room is waited for.

use serde_json::json;

use crate::harness::{MODEL, TestServer, wait_until};
use crate::standin::{Reply, Script, StandIn, call, slow, text};

/// One scripted call costs 100 tokens in at one dollar a million, and 20 out at two.
const CALL: f64 = 0.000_14;

fn one(replies: Vec<Reply>) -> Script {
    Script::default().plan(&[("1", "do alpha", &[])]).agent("alpha", replies)
}

/// The worst case of a call is then its output limit at two dollars a million, and a little for its prompt.
fn output(tokens: u32) -> impl Fn(&mut miteos_server::Config) {
    move |config| config.models.overrides.values_mut().for_each(|o| o.max_output_tokens = Some(tokens))
}

fn near(a: &serde_json::Value, b: f64) -> bool {
    (a.as_f64().unwrap() - b).abs() < 1e-9
}

#[tokio::test]
async fn calls_that_do_not_fit_side_by_side_wait_for_each_other() {
    let names: Vec<String> = (0..6).map(|n| n.to_string()).collect();
    let nodes: Vec<(&str, &str, &[&str])> =
        names.iter().map(|key| (key.as_str(), "do alpha", &[] as &[&str])).collect();
    let script =
        Script::default().plan(&nodes).agent("alpha", vec![slow(30, text("done"))]).conclude("all done", &[]);
    // Six worst cases are five cents; one is less than one.
    let server = TestServer::start_with(script, output(4_000)).await;
    let task = server.run("share two cents", json!({"budget_cents": 2, "max_agents": 6})).await;
    assert_eq!(task["status"], "complete", "{task:#}");
    assert!(near(&task["cost"], 8.0 * CALL) && near(&task["uncertain_cost"], 0.0), "{}", task["cost"]);
}

#[tokio::test]
async fn a_raised_budget_wakes_the_call_that_waits() {
    let script = Script::default()
        .plan(&[("a", "do alpha", &[]), ("b", "do beta", &[])])
        .agent("alpha", vec![slow(600_000, text("never"))])
        .agent("beta", vec![text("done")]);
    let server = TestServer::start_with(script, output(6_000)).await;
    let task = server.create("one at a time", json!({"budget_cents": 2, "max_agents": 2})).await;
    wait_until("one of them is asked", || server.standin.requests().len() == 2).await;
    let shown = server.until(&task, |t| t["agents"].as_array().is_some_and(|a| a.len() == 2)).await;
    assert_eq!(shown["status"], "running");
    let change = json!({"config": {"budget_cents": 10}});
    let path = format!("/tasks/{task}");
    // Whichever came first: with room for both, both are asked.
    let config = server.expect(200, "PATCH", &path, Some(change)).await["config"].clone();
    assert_eq!(config["budget_cents"], 10);
    wait_until("both were asked", || server.standin.requests().len() == 3).await;
    server.expect(200, "POST", &format!("{path}/cancel"), None).await;
    let shown = server.get(&path).await;
    // The one that was cut off may have been billed: what it may have cost is said beside the cost.
    assert!(near(&shown["cost"], 2.0 * CALL), "{shown:#}");
    assert!(shown["uncertain_cost"].as_f64().unwrap() >= 0.012, "{shown:#}");
}

#[tokio::test]
async fn a_lowered_budget_stops_at_the_next_call() {
    let server = TestServer::start(one(vec![slow(300, call("list_files", json!({}))), text("done")])).await;
    let task = server.create("too dear", json!({"budget_cents": 100})).await;
    wait_until("the agent is asked", || server.standin.requests().len() == 2).await;
    let path = format!("/tasks/{task}");
    server.expect(200, "PATCH", &path, Some(json!({"config": {"budget_cents": 0}}))).await;
    let ended = server.ended(&task).await;
    assert_eq!((&ended["status"], &ended["error"]), (&json!("failed"), &json!("budget exhausted")));
    assert_eq!(server.standin.requests().len(), 2, "no call after it");
}

#[tokio::test]
async fn its_end_is_announced_once() {
    let replies = (0..40).map(|n| call("list_files", json!({"path": format!("{n}")}))).collect();
    let server = TestServer::start_with(one(replies), |config| {
        output(21)(config);
        // A call costs a cent, and at worst a third more.
        let prices = config.models.overrides.values_mut().filter_map(|o| o.price.as_mut());
        prices.for_each(|price| price.output = 500_000_000);
    })
    .await;
    let task = server.run("spend", json!({"budget_cents": 20})).await;
    assert_eq!(task["error"], "budget exhausted", "{task:#}");
    let events = server.events(task["id"].as_str().unwrap()).await;
    let told: Vec<_> = events.iter().filter(|e| e["type"] == "billing.credit_low").collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["data"]["budget_cents"], 20);
    assert!(told[0]["data"]["left"].as_f64().unwrap() < 0.02, "{}", told[0]);
    assert!(task["cost"].as_f64().unwrap() <= 0.2);
}

#[tokio::test]
async fn without_a_price_there_is_no_budget() {
    let server = TestServer::start_with(one(vec![slow(600_000, text("never"))]), |config| {
        config.models.overrides.values_mut().for_each(|o| o.price = None);
    })
    .await;
    let body = json!({"prompt": "x", "config": {"budget_cents": 100}});
    let refused = server.expect(422, "POST", "/tasks", Some(body)).await;
    assert!(refused["detail"].as_str().unwrap().contains(MODEL), "{refused}");
    let task = server.create("free of limits", json!({})).await;
    let path = format!("/tasks/{task}");
    let both = json!({"config": {"budget_cents": 100, "autonomy_level": 3}});
    let refused = server.expect(422, "PATCH", &path, Some(both)).await;
    assert!(refused["detail"].as_str().unwrap().contains("price"), "{refused}");
    let shown = server.get(&path).await;
    assert_eq!(shown["config"]["autonomy_level"], 50, "all of a change or nothing");
    server.expect(200, "PATCH", &path, Some(json!({"config": {"budget_cents": null}}))).await;
}

#[tokio::test]
async fn an_answer_that_the_filter_ended_is_paid_for() {
    let script = Script::default()
        .plan(&[("1", "do alpha", &[])])
        .replan(&[("2", "do beta", &[])])
        .agent("alpha", vec![Reply::Refused("I will not".into())])
        .agent("beta", vec![text("done")])
        .conclude("all done", &[]);
    let server = TestServer::start(script).await;
    let task = server.run("refused once", json!({})).await;
    assert_eq!(task["status"], "complete", "{task:#}");
    let calls = server.standin.requests().len();
    assert_eq!(calls, 5);
    assert!(near(&task["cost"], 5.0 * CALL), "{} for {calls} calls", task["cost"]);
    assert_eq!(task["total_tokens_used"], 5 * 120);
}

#[tokio::test]
async fn what_broke_off_may_have_been_billed_and_what_was_turned_away_was_not() {
    let server = TestServer::start_with(one(vec![Reply::Cut, text("done")]), output(4_000)).await;
    let task = server.run("cut", json!({"budget_cents": 3})).await;
    assert_eq!(task["status"], "complete", "{task:#}");
    assert!(near(&task["cost"], 2.0 * CALL), "{}", task["cost"]);
    let uncertain = task["uncertain_cost"].as_f64().unwrap();
    assert!((0.008..0.02).contains(&uncertain), "{uncertain}");
    let server = TestServer::start(one(vec![Reply::Status(503, None), text("done")])).await;
    let task = server.run("turned away", json!({"budget_cents": 50})).await;
    assert!(near(&task["cost"], 2.0 * CALL) && near(&task["uncertain_cost"], 0.0), "{task:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_in_the_air_at_a_crash_counts() {
    let temp = tempfile::tempdir().unwrap();
    let standin = StandIn::start(one(vec![Reply::Hang, text("done")])).await;
    let (folder, model) = (temp.path().to_owned(), standin.clone());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.spawn(async move {
        let server = TestServer::over(&folder, model, output(4_000)).await;
        server.create("crash", json!({"budget_cents": 3})).await;
        std::future::pending::<()>().await;
    });
    wait_until("the agent is asked", || standin.requests().len() == 2).await;
    runtime.shutdown_background();
    let server = TestServer::over(temp.path(), standin, output(4_000)).await;
    let task = server.get("/tasks").await["tasks"][0]["id"].as_str().unwrap().to_owned();
    let ended = server.ended(&task).await;
    assert_eq!(ended["status"], "complete", "{ended:#}");
    assert!(near(&ended["cost"], 2.0 * CALL), "{}", ended["cost"]);
    let uncertain = ended["uncertain_cost"].as_f64().unwrap();
    assert!((0.008..0.02).contains(&uncertain), "the worst case of one call: {uncertain}");
}
