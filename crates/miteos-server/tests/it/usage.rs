//! Usage: the sums of a report are those of the tasks, to the micro-dollar.

use serde_json::{Value, json};

use crate::harness::{HandClock, TestServer};
use crate::standin::{Script, call, text};

/// 2027-01-15T08:00:00Z.
const START_MS: u64 = 1_800_000_000_000;
const DAY_MS: u64 = 24 * 3600 * 1000;

fn micro(value: &Value) -> i64 {
    let dollars = value["cost"].as_f64().unwrap();
    #[expect(clippy::cast_possible_truncation, reason = "a test's sum is small")]
    let micro = (dollars * 1e6).round() as i64;
    micro
}

#[tokio::test]
async fn a_report_adds_up_to_what_the_tasks_say() {
    let clock = HandClock::at(START_MS);
    let script = Script::default()
        .plan(&[("1", "do alpha", &[]), ("2", "do beta", &["1"])])
        .agent("alpha", vec![call("list_files", json!({})), text("done")])
        .agent("beta", vec![text("done, too")])
        .conclude("all done", &[]);
    let server = TestServer::start_with(script, |config| config.clock = clock.clone()).await;
    let empty = server.get("/usage").await;
    assert_eq!((&empty["tokens"], &empty["tasks"], &empty["rows"]), (&json!(0), &json!(0), &json!([])));
    let mut tasks = vec![server.run("one", json!({})).await];
    clock.pass(1);
    tasks.push(server.run("two", json!({})).await);
    clock.pass(DAY_MS);
    tasks.push(server.run("three", json!({})).await);
    assert!(tasks.iter().all(|task| task["status"] == "complete" && micro(task) > 0), "{tasks:#?}");
    let tokens: u64 = tasks.iter().map(|task| task["total_tokens_used"].as_u64().unwrap()).sum();
    let cost: i64 = tasks.iter().map(micro).sum();

    for group in ["day", "task", "model"] {
        let report = server.get(&format!("/usage?group_by={group}")).await;
        assert_eq!(report["group_by"], group);
        assert_eq!((report["tokens"].as_u64().unwrap(), micro(&report)), (tokens, cost), "{group}");
        assert_eq!((&report["tasks"], &report["unpriced_calls"]), (&json!(3), &json!(0)));
        let rows = report["rows"].as_array().unwrap();
        assert_eq!(rows.iter().map(|row| row["tokens"].as_u64().unwrap()).sum::<u64>(), tokens, "{group}");
        assert_eq!(rows.iter().map(micro).sum::<i64>(), cost, "{group}");
    }
    let days = server.get("/usage?group_by=day").await;
    assert_eq!((&days["from"], &days["to"]), (&json!("2026-12-18"), &json!("2027-01-16")));
    assert_eq!(days["rows"][0]["day"], "2027-01-15");
    assert_eq!((&days["rows"][0]["tasks"], &days["rows"][1]["tasks"]), (&json!(2), &json!(1)));
    let models = server.get("/usage?group_by=model").await;
    assert_eq!(models["rows"][0]["model"], crate::harness::MODEL);
    let each = server.get("/usage?group_by=task").await;
    for (row, task) in each["rows"].as_array().unwrap().iter().zip(tasks.iter().rev()) {
        assert_eq!(row["task_id"], task["id"]);
        assert_eq!((&row["tokens"], micro(row)), (&task["total_tokens_used"], micro(task)));
    }
    let second = server.get("/usage?group_by=task&limit=1&offset=1").await;
    assert_eq!((second["rows"].as_array().unwrap().len(), &second["tasks"]), (1, &json!(3)));
    assert_eq!(second["rows"][0]["task_id"], tasks[1]["id"]);
    let first = server.get("/usage?from=2027-01-15T23:00:00Z&to=2027-01-15").await;
    assert_eq!((&first["tasks"], micro(&first)), (&json!(2), micro(&tasks[0]) + micro(&tasks[1])));
    let other = server.call_as(&server.test_key, "GET", "/usage", None).await.1;
    assert_eq!(other["tokens"], 0, "the test world has its own");
}

#[tokio::test]
async fn reports_have_limits() {
    let server = TestServer::start(Script::default()).await;
    for (query, status) in [
        ("from=2026-01-01&to=2026-12-31", 200),
        ("from=2024-01-01&to=2024-12-31", 200),
        ("from=2025-01-01&to=2026-01-02", 422),
        ("from=2026-02-01&to=2026-01-01", 422),
        ("from=yesterday", 400),
        ("to=2026-13-01", 400),
        ("group_by=hour", 422),
        ("limit=0", 422),
        ("limit=x", 400),
    ] {
        let (got, body) = server.call("GET", &format!("/usage?{query}"), None).await;
        assert_eq!(got, status, "{query}: {body}");
    }
}

#[tokio::test]
async fn storage_is_counted() {
    let clock = HandClock::at(START_MS);
    let server = TestServer::start_with(Script::default(), |config| config.clock = clock.clone()).await;
    let (_, made) = server.call("POST", "/workspaces", Some(json!({"name": "w"}))).await;
    let id = made["id"].as_str().unwrap();
    assert_eq!(server.get("/usage").await["storage"]["workspace_bytes"], 0);
    let form = reqwest::multipart::Form::new()
        .part("file", reqwest::multipart::Part::bytes(vec![7; 5_000]).file_name("a b/ü.bin"));
    let url = format!("{}/v1/workspaces/{id}/files", server.url);
    assert_eq!(
        server.http.post(url).bearer_auth(&server.key).multipart(form).send().await.unwrap().status(),
        201
    );
    // Their size may be a minute old, and how many there are is not.
    server.call("POST", "/workspaces", Some(json!({"name": "another"}))).await;
    let storage = server.get("/usage").await["storage"].clone();
    assert_eq!((&storage["workspaces"], &storage["workspace_bytes"]), (&json!(2), &json!(0)));
    clock.pass(60_000);
    let storage = server.get("/usage").await["storage"].clone();
    assert_eq!(
        storage,
        json!({"workspaces": 2, "workspace_bytes": 5_000, "deliverables": 0, "deliverable_bytes": 0,
            "previews": 0, "preview_bytes": 0, "preview_limit_bytes": 10_737_418_240_u64})
    );
}

#[tokio::test]
async fn models_are_told_with_their_prices_and_an_unknown_one_is_not_free() {
    let unknown = "openai/nobody-has-heard-of-it";
    let server = TestServer::start_with(Script::default(), |config| {
        config.models.fallbacks = vec![unknown.parse().unwrap()];
    })
    .await;
    let listed = server.get("/models").await;
    let find = |id: &str| {
        let found = listed["data"].as_array().unwrap().iter().find(|model| model["id"] == id);
        found.unwrap_or_else(|| panic!("{id} is not in {listed}"))
    };
    let default = find(crate::harness::MODEL);
    assert_eq!((&default["default"], &default["roles"]), (&json!(true), &json!(["default", "planner"])));
    assert_eq!((&default["input_usd_per_mtok"], &default["output_usd_per_mtok"]), (&json!(1.0), &json!(2.0)));
    let other = find(unknown);
    assert_eq!((&other["default"], &other["roles"]), (&json!(false), &json!(["fallback"])));
    assert_eq!((&other["input_usd_per_mtok"], &other["output_usd_per_mtok"]), (&Value::Null, &Value::Null));
    assert!(other["context_tokens"].as_u64().unwrap() > 0 && other["local"] == false, "{other}");
    // Whoever may see tasks may see what they run on; in the test world that is one model.
    let (key, _) = server.make_key("test", "free", &["tasks.read"]).await;
    let (status, test) = server.call_as(&key, "GET", "/models", None).await;
    assert_eq!(status, 200, "{test}");
    let ids: Vec<_> = test["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect();
    assert_eq!(ids, [json!("test/scripted")]);
}
