//! Failures: tried again at the right times, and given up at the right time.

use serde_json::{Value, json};

use super::{Scene, millis, officially_verified};
use crate::receiver::Answer;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Goes to the moment before the next attempt, then to the attempt itself.
async fn next_attempt(scene: &Scene, hook: &str, row: &Value) -> Value {
    let due = millis(&row["next_attempt_at"]);
    let before = row["attempts"].as_u64().unwrap();
    scene.clock.go_to(due - 1);
    scene.clock.go_to(due);
    let row = scene.until(hook, |row| row["attempts"].as_u64().unwrap() > before).await;
    assert_eq!(row["attempts"], before + 1);
    assert_eq!(millis(&row["last_attempt_at"]), due, "not before it was due");
    assert_eq!(scene.receiver.seen().last().unwrap().seconds(), due / 1_000, "and signed anew");
    row
}

#[tokio::test]
async fn a_failing_delivery_is_tried_eight_times_and_can_be_sent_again() {
    let scene = Scene::new(|_, _| Answer::Status(500)).await;
    let (hook, secret) = scene.hook("/", &["task.complete"]).await;
    scene.server.run("fail", json!({})).await;
    let mut row = scene.until(&hook, |row| row["attempts"] == 1).await;
    let delays = [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR];
    for (n, delay) in (1..).zip(delays) {
        assert_eq!((&row["status"], &row["attempts"]), (&json!("pending"), &json!(n)));
        assert_eq!(row["response_status"], 500);
        assert!(row["error"].as_str().unwrap().contains("500"), "{row}");
        let wait = millis(&row["next_attempt_at"]) - millis(&row["last_attempt_at"]);
        assert!((delay..=delay * 12 / 10).contains(&wait), "after attempt {n}: {wait}");
        row = next_attempt(&scene, &hook, &row).await;
    }
    assert_eq!((&row["status"], &row["attempts"]), (&json!("failed"), &json!(8)));
    assert!(row["next_attempt_at"].is_null());
    let webhook = scene.server.get(&format!("/webhooks/{hook}")).await;
    let first = scene.receiver.seen()[0].at;
    assert_eq!((&webhook["status"], millis(&webhook["failing_since"])), (&json!("enabled"), first));

    scene.receiver.now(|_, _| Answer::Status(204));
    let path = format!("/webhooks/{hook}/deliveries/{}/redeliver", row["id"].as_str().unwrap());
    let (status, again) = scene.server.call("POST", &path, None).await;
    assert_eq!((status, &again["status"], &again["event_id"]), (201, &json!("pending"), &row["event_id"]));
    assert_ne!(again["id"], row["id"]);
    let sent = scene.until(&hook, |row| row["status"] == "delivered").await;
    assert_eq!((&sent["id"], &sent["attempts"]), (&again["id"], &json!(1)));
    let seen = scene.receiver.seen();
    assert_eq!((seen.len(), scene.receiver.ids().len()), (9, 1), "one id for all attempts");
    for message in &seen {
        message.check(&[&secret]);
        assert_eq!(message.body, seen[0].body);
    }
    assert!(scene.server.get(&format!("/webhooks/{hook}")).await["failing_since"].is_null());
    let messages: Vec<_> = seen.into_iter().map(|seen| (seen, vec![secret.clone()])).collect();
    officially_verified(&messages).await;
}

#[tokio::test]
async fn a_waiting_delivery_is_sent_at_once_when_asked_for() {
    let scene = Scene::new(|_, before| Answer::Status(if before == 0 { 503 } else { 200 })).await;
    let (hook, _) = scene.hook("/", &["task.complete"]).await;
    scene.server.run("hurry", json!({})).await;
    let row = scene.until(&hook, |row| row["attempts"] == 1).await;
    let path = format!("/webhooks/{hook}/deliveries/{}/redeliver", row["id"].as_str().unwrap());
    let (status, again) = scene.server.call("POST", &path, None).await;
    assert_eq!((status, &again["id"]), (200, &row["id"]));
    let sent = scene.until(&hook, |row| row["status"] == "delivered").await;
    assert_eq!((&sent["id"], &sent["attempts"]), (&row["id"], &json!(2)));
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it_within_bounds() {
    let scene = Scene::new(|_, before| match before {
        0 => Answer::With(429, "retry-after", "90".into()),
        1 => Answer::With(503, "retry-after", "1".into()),
        2 => Answer::With(503, "retry-after", "99999999".into()),
        3 => Answer::With(500, "retry-after", "86000".into()),
        _ => Answer::Status(200),
    })
    .await;
    let (hook, _) = scene.hook("/", &["task.complete"]).await;
    scene.server.run("busy", json!({})).await;
    let mut row = scene.until(&hook, |row| row["attempts"] == 1).await;
    let wait = |row: &Value| millis(&row["next_attempt_at"]) - millis(&row["last_attempt_at"]);
    assert_eq!(wait(&row), 90 * SECOND);
    row = next_attempt(&scene, &hook, &row).await;
    assert!(wait(&row) >= 5 * MINUTE, "never earlier than the schedule");
    row = next_attempt(&scene, &hook, &row).await;
    assert_eq!(wait(&row), DAY, "and not for ever");
    row = next_attempt(&scene, &hook, &row).await;
    assert!(wait(&row) <= 2 * HOUR * 12 / 10, "only with 429 and 503");
    row = next_attempt(&scene, &hook, &row).await;
    assert_eq!(row["status"], "delivered");
}

#[tokio::test]
async fn gone_disables_and_nothing_is_lost_until_it_is_enabled_again() {
    let scene = Scene::new(|_, _| Answer::Status(410)).await;
    let (hook, secret) = scene.hook("/", &["task.complete", "task.created"]).await;
    scene.server.run("one", json!({})).await;
    let off = scene.webhook_until(&hook, |webhook| webhook["status"] == "disabled").await;
    assert!(off["disabled_reason"].as_str().unwrap().contains("410"), "{off}");
    scene.receiver.now(|_, _| Answer::Status(200));
    let row = scene.delivery(&hook).await;
    let path = format!("/webhooks/{hook}/deliveries/{}/redeliver", row["id"].as_str().unwrap());
    assert_eq!(scene.server.call("POST", &path, None).await.0, 422, "it is disabled");
    scene.server.run("two", json!({})).await;
    scene.clock.advance(DAY);
    let (status, on) =
        scene.server.call("PATCH", &format!("/webhooks/{hook}"), Some(json!({"status": "enabled"}))).await;
    assert_eq!((status, &on["status"], &on["disabled_reason"]), (200, &json!("enabled"), &Value::Null));
    crate::harness::wait_until("all four have come", || scene.receiver.ids().len() == 4).await;
    for seen in scene.receiver.seen() {
        seen.check(&[&secret]);
    }
}

#[tokio::test]
async fn five_days_of_failures_disable() {
    let scene = Scene::new(|_, _| Answer::Status(500)).await;
    let (hook, _) = scene.hook("/", &["task.complete"]).await;
    scene.server.run("one", json!({})).await;
    let row = scene.until(&hook, |row| row["attempts"] == 1).await;
    let since = millis(&row["last_attempt_at"]);
    scene.clock.go_to(since + 5 * DAY - 1);
    scene.until(&hook, |row| row["attempts"] == 2).await;
    assert_eq!(scene.server.get(&format!("/webhooks/{hook}")).await["status"], "enabled");
    scene.clock.advance(1);
    scene.server.run("two", json!({})).await;
    let off = scene.webhook_until(&hook, |webhook| webhook["status"] == "disabled").await;
    assert!(off["disabled_reason"].as_str().unwrap().contains("five days"), "{off}");
    assert_eq!(millis(&off["failing_since"]), since);
    // The time of failures begins anew.
    scene.server.call("PATCH", &format!("/webhooks/{hook}"), Some(json!({"status": "enabled"}))).await;
    scene.clock.advance(DAY);
    scene.webhook_until(&hook, |webhook| !webhook["failing_since"].is_null()).await;
    assert_eq!(scene.server.get(&format!("/webhooks/{hook}")).await["status"], "enabled");
}

#[tokio::test]
async fn a_success_ends_the_days_of_failures() {
    let scene = Scene::new(|_, before| Answer::Status(if before == 0 { 500 } else { 200 })).await;
    let (hook, _) = scene.hook("/", &["task.complete"]).await;
    for n in 0..3 {
        scene.server.run("again", json!({})).await;
        let row = scene.until(&hook, |row| row["attempts"] == 1 && row["status"] == "pending").await;
        scene.clock.go_to(millis(&row["next_attempt_at"]));
        scene.until(&hook, |row| row["status"] == "delivered").await;
        scene.clock.advance(3 * DAY);
        let webhook = scene.server.get(&format!("/webhooks/{hook}")).await;
        assert_eq!((&webhook["status"], &webhook["failing_since"]), (&json!("enabled"), &Value::Null), "{n}");
    }
}

#[tokio::test]
async fn one_event_that_fails_holds_up_none_behind_it() {
    let scene =
        Scene::new(|seen, _| Answer::Status(if seen.kind() == "task.created" { 500 } else { 200 })).await;
    let (hook, _) = scene.hook("/", &["task.created", "task.complete"]).await;
    for _ in 0..3 {
        scene.server.run("mixed", json!({})).await;
    }
    let count = |kind: &str| scene.receiver.seen().iter().filter(|seen| seen.kind() == kind).count();
    crate::harness::wait_until("all came", || (count("task.created"), count("task.complete")) == (3, 3))
        .await;
    let path = format!("/webhooks/{hook}/deliveries");
    let list = super::until(&scene.server, &path, |list| {
        let rows = list["deliveries"].as_array().unwrap();
        rows.iter().filter(|row| row["status"] == "delivered").count() == 3
    })
    .await;
    let rows = list["deliveries"].as_array().unwrap();
    assert_eq!(rows.iter().filter(|row| row["status"] == "pending" && row["attempts"] == 1).count(), 3);
}

#[tokio::test]
async fn a_hurried_delivery_is_hurried_once_for_each_idempotency_key() {
    let scene = Scene::new(|_, before| Answer::Status(if before == 0 { 503 } else { 200 })).await;
    let (hook, _) = scene.hook("/", &["task.complete"]).await;
    scene.server.run("hurry", json!({})).await;
    let row = scene.until(&hook, |row| row["attempts"] == 1).await;
    let path = format!("/webhooks/{hook}/deliveries/{}/redeliver", row["id"].as_str().unwrap());
    let url = format!("{}/v1{path}", scene.server.url);
    let post = async || {
        let request = scene.server.http.post(&url).bearer_auth(&scene.server.key);
        let response = request.header("idempotency-key", "once").send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let first = post().await;
    assert_eq!(first.0, 200, "{}", first.1);
    scene.until(&hook, |row| row["status"] == "delivered").await;
    assert_eq!(post().await, first, "the same answer, and nothing is sent");
    let list = scene.server.get(&format!("/webhooks/{hook}/deliveries")).await;
    assert_eq!((&list["total"], scene.receiver.seen().len()), (&json!(1), 2));
}
