//! Webhooks side by side, over time: rotation, pausing, changed lists, the two worlds, slow and dead receivers.

use std::time::Duration;

use serde_json::json;

use super::{Scene, make, millis, officially_verified, open, real, short};
use crate::harness::{TestServer, wait_until};
use crate::receiver::{Answer, Receiver, Seen, TestClock};
use crate::standin::StandIn;

const DAY: u64 = 24 * 3_600_000;

#[tokio::test]
async fn after_a_rotation_both_secrets_sign_for_a_day() {
    let scene = Scene::new(|_, _| Answer::Status(200)).await;
    let (hook, old) = scene.hook("/", &["task.complete"]).await;
    let path = format!("/webhooks/{hook}/rotate-secret");
    let (status, rotated) = scene.server.call("POST", &path, None).await;
    assert_eq!(status, 200);
    let new = rotated["secret"].as_str().unwrap().to_owned();
    let until = millis(&rotated["previous_secret_expires_at"]);
    assert_eq!(until, scene.clock.millis() + DAY);
    let shown = scene.server.get(&format!("/webhooks/{hook}")).await;
    assert_eq!(shown["previous_secret_expires_at"], rotated["previous_secret_expires_at"]);
    scene.server.run("one", json!({})).await;
    scene.receiver.wait_for(1).await;
    scene.clock.go_to(until - 1);
    scene.server.run("two", json!({})).await;
    scene.receiver.wait_for(2).await;
    scene.clock.go_to(until);
    scene.server.run("three", json!({})).await;
    let seen = scene.receiver.wait_for(3).await;
    seen[0].check(&[&new, &old]);
    seen[1].check(&[&new, &old]);
    seen[2].check(&[&new]);
    assert!(scene.server.get(&format!("/webhooks/{hook}")).await["previous_secret_expires_at"].is_null());
    let both = vec![new.clone(), old];
    let messages = [(seen[0].clone(), both.clone()), (seen[1].clone(), both), (seen[2].clone(), vec![new])];
    officially_verified(&messages).await;

    let chosen = scene.server.call("POST", &path, Some(json!({"secret": super::SECRET}))).await;
    assert_eq!((chosen.0, chosen.1["secret"].as_str().unwrap()), (200, super::SECRET));
    assert_eq!(scene.server.call("POST", &path, Some(json!({"secret": "whsec_short"}))).await.0, 422);
}

#[tokio::test]
async fn what_happens_while_disabled_comes_afterwards() {
    let scene = Scene::new(|_, _| Answer::Status(200)).await;
    let (hook, _) = scene.hook("/", &["task.complete"]).await;
    let path = format!("/webhooks/{hook}");
    let off = scene.server.call("PATCH", &path, Some(json!({"status": "disabled"}))).await;
    assert_eq!((off.0, &off.1["status"]), (200, &json!("disabled")));
    assert!(off.1["disabled_reason"].is_string());
    let (other, _) = scene.hook("/other", &["task.complete"]).await;
    scene.server.run("one", json!({})).await;
    scene.receiver.wait_for(1).await;
    assert_eq!(scene.receiver.at("/").len(), 0);
    scene.server.call("PATCH", &path, Some(json!({"status": "enabled"}))).await;
    wait_until("it comes now", || scene.receiver.at("/").len() == 1).await;
    scene.server.run("two", json!({})).await;
    wait_until("and goes on", || scene.receiver.seen().len() == 4).await;
    // A deleted one gets nothing.
    assert_eq!(scene.server.call("DELETE", &format!("/webhooks/{other}"), None).await.0, 200);
    scene.server.run("three", json!({})).await;
    wait_until("one of two", || scene.receiver.at("/").len() == 3).await;
    assert_eq!(scene.receiver.at("/other").len(), 2);
    assert_eq!(scene.server.call("GET", &format!("/webhooks/{other}"), None).await.0, 404);
    assert_eq!(scene.server.call("GET", &format!("/webhooks/{other}/deliveries"), None).await.0, 404);
}

#[tokio::test]
async fn another_list_holds_from_then_on() {
    let scene = Scene::new(|_, _| Answer::Status(200)).await;
    let (hook, _) = scene.hook("/", &["task.failed"]).await;
    scene.server.run("one", json!({})).await;
    let path = format!("/webhooks/{hook}");
    let (status, changed) =
        scene.server.call("PATCH", &path, Some(json!({"events": ["task.created", "task.complete"]}))).await;
    assert_eq!((status, &changed["events"]), (200, &json!(["task.created", "task.complete"])));
    let two = scene.server.run("two", json!({})).await;
    let seen = scene.receiver.wait_for(2).await;
    assert!(seen.iter().all(|seen| seen.json()["data"]["task_id"] == two["id"]), "nothing of before");
    let url = scene.receiver.url("/elsewhere");
    scene.server.call("PATCH", &path, Some(json!({"url": url, "events": ["task.complete"]}))).await;
    scene.server.run("three", json!({})).await;
    wait_until("at the new address", || scene.receiver.at("/elsewhere").len() == 1).await;
    assert_eq!(scene.receiver.at("/").len(), 2);
}

#[tokio::test]
async fn live_and_test_are_two_worlds() {
    let scene = Scene::new(|_, _| Answer::Status(200)).await;
    let (live, _) = scene.hook("/live", &["task.created"]).await;
    let body = json!({"url": scene.receiver.url("/test"), "events": ["task.created"]});
    let (_, made) = scene.server.call_as(&scene.server.test_key, "POST", "/webhooks", Some(body)).await;
    let test = made["id"].as_str().unwrap();
    let task = json!({"prompt": "in the test world"});
    let (_, task) = scene.server.call_as(&scene.server.test_key, "POST", "/tasks", Some(task)).await;
    scene.receiver.wait_for(1).await;
    scene.server.run("in the live world", json!({})).await;
    scene.receiver.wait_for(2).await;
    assert_eq!(scene.receiver.at("/test")[0].json()["data"]["task_id"], task["id"]);
    assert_eq!((scene.receiver.at("/test").len(), scene.receiver.at("/live").len()), (1, 1));
    let listed = scene.server.get("/webhooks").await;
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["id"]), (1, &json!(live)));
    let row = scene.until(&live, |row| row["status"] == "delivered").await;
    let whd = row["id"].as_str().unwrap();
    for (method, path, body) in [
        ("GET", format!("/webhooks/{live}"), None),
        ("PATCH", format!("/webhooks/{live}"), Some(json!({"status": "disabled"}))),
        ("DELETE", format!("/webhooks/{live}"), None),
        ("POST", format!("/webhooks/{live}/test"), None),
        ("POST", format!("/webhooks/{live}/rotate-secret"), None),
        ("GET", format!("/webhooks/{live}/deliveries"), None),
        ("POST", format!("/webhooks/{live}/deliveries/{whd}/redeliver"), None),
        ("POST", format!("/webhooks/{test}/deliveries/{whd}/redeliver"), None),
    ] {
        let (status, body) = scene.server.call_as(&scene.server.test_key, method, &path, body).await;
        assert_eq!(status, 404, "{method} {path}: {body}");
    }
    assert_eq!(scene.server.get(&format!("/webhooks/{live}")).await["status"], "enabled");
}

#[tokio::test]
async fn a_receiver_that_never_answers_runs_out_of_time_and_delays_nobody() {
    let patience = Duration::from_millis(200);
    let scene = Scene::with_timeout(patience, |seen: &Seen, _| match seen.path.as_str() {
        "/dead" => Answer::Hang,
        _ => Answer::Status(200),
    })
    .await;
    let (dead, _) = scene.hook("/dead", &["*"]).await;
    scene.hook("/live", &["*"]).await;
    let task = scene.server.run("both", json!({})).await;
    let events = scene.server.events(task["id"].as_str().unwrap()).await.len();
    wait_until("the live one has all", || scene.receiver.at("/live").len() == events).await;
    let path = format!("/webhooks/{dead}/deliveries?limit=100");
    let list = super::until(&scene.server, &path, |list| {
        let rows = list["deliveries"].as_array().unwrap();
        rows.len() == events && rows.iter().all(|row| row["attempts"] == 1)
    })
    .await;
    for row in list["deliveries"].as_array().unwrap() {
        assert_eq!(row["status"], "pending");
        assert!(row["error"].as_str().unwrap().contains("did not answer"), "{row}");
        assert!(row["duration_ms"].as_u64().unwrap() >= 200 && row["response_status"].is_null(), "{row}");
    }
    assert_eq!(scene.receiver.at("/live").len(), events, "none came twice");
}

/// Dead ones have few places of their own; many of them take none from the rest.
#[tokio::test]
async fn many_dead_receivers_beside_a_live_one() {
    let receiver = Receiver::start(real(), |seen, _| match seen.path.as_str() {
        "/live" => Answer::Status(200),
        _ => Answer::Hang,
    })
    .await;
    let server = TestServer::start_with(short(), open).await;
    for n in 0..40 {
        make(&server, &receiver.url(&format!("/dead/{n}")), &["*"]).await;
    }
    make(&server, &receiver.url("/live"), &["task.complete"]).await;
    let task = server.run("one", json!({})).await;
    wait_until("the live one is served", || receiver.at("/live").len() == 1).await;
    assert_eq!(task["status"], "complete", "and the task was not delayed: {task:#}");
}

#[tokio::test]
async fn a_stop_and_a_start_go_on_where_it_was() {
    let temp = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let fails_once = |_: &Seen, before: usize| Answer::Status(if before == 0 { 500 } else { 200 });
    let receiver = Receiver::start(clock.clone(), fails_once).await;
    let standin = StandIn::start(short()).await;
    let on_clock = |config: &mut miteos_server::Config| {
        open(config);
        config.clock = clock.clone();
    };
    let mut server = TestServer::over(temp.path(), standin.clone(), on_clock).await;
    let (hook, secret) = make(&server, &receiver.url("/"), &["task.complete"]).await;
    server.run("one", json!({})).await;
    receiver.wait_for(1).await;
    server.stop().await;
    let server = TestServer::over(temp.path(), standin, on_clock).await;
    let path = format!("/webhooks/{hook}/deliveries");
    let row = server.get(&path).await["deliveries"][0].clone();
    assert_eq!((&row["status"], &row["attempts"]), (&json!("pending"), &json!(1)));
    clock.go_to(millis(&row["next_attempt_at"]));
    let seen = receiver.wait_for(2).await;
    assert_eq!((seen[0].id(), seen[1].at), (seen[1].id(), millis(&row["next_attempt_at"])));
    seen[1].check(&[&secret]);
    super::until(&server, &path, |list| list["deliveries"][0]["status"] == "delivered").await;
}

#[tokio::test]
async fn a_start_with_the_wrong_master_key_loses_no_event() {
    let temp = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let receiver = Receiver::start(clock.clone(), |_: &Seen, _| Answer::Status(200)).await;
    let standin = StandIn::start(short()).await;
    let start = async |master: &'static str| {
        TestServer::over(temp.path(), standin.clone(), |config: &mut miteos_server::Config| {
            open(config);
            config.clock = clock.clone();
            config.secret_key = Some(miteos_server::models::Secret::new(master));
        })
        .await
    };
    let mut server = start("the right master key").await;
    let (hook, secret) = make(&server, &receiver.url("/"), &["task.complete"]).await;
    server.stop().await;
    let mut server = start("quite another one, by mistake").await;
    server.run("one", json!({})).await;
    let path = format!("/webhooks/{hook}/deliveries");
    let list = super::until(&server, &path, |list| list["deliveries"][0]["attempts"] == 1).await;
    let row = &list["deliveries"][0];
    assert_eq!(row["status"], "pending", "{row}");
    assert!(row["error"].as_str().unwrap().contains("master key"), "{row}");
    let shown = server.get(&format!("/webhooks/{hook}")).await;
    assert!(shown["failing_since"].is_null(), "the receiver was not asked: {shown}");
    server.stop().await;
    let server = start("the right master key").await;
    clock.go_to(millis(&row["next_attempt_at"]));
    receiver.wait_for(1).await[0].check(&[&secret]);
    super::until(&server, &path, |list| list["deliveries"][0]["status"] == "delivered").await;
}
