//! `GET /ws` as a client sees it: the key, subscriptions, resuming, refusals, and every way it can end.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{HandClock, TestServer};
use crate::socket::{Heard, Socket};
use crate::standin::{Reply, Script, StandIn, call, slow, text};
use crate::tiers::folder_of;

fn busy() -> Script {
    let mut replies: Vec<Reply> =
        (0..6).map(|n| call("write_file", json!({"path": format!("{n}.txt"), "content": "x"}))).collect();
    replies.push(text("done"));
    Script::default().plan(&[("1", "do alpha", &[])]).agent("alpha", replies)
}

/// A task that works until it is cancelled.
pub fn endless() -> Script {
    Script::default().plan(&[("1", "do alpha", &[])]).agent("alpha", vec![slow(600_000, text("never"))])
}

fn detail(said: &Value) -> &str {
    assert_eq!(said["type"], "error", "{said}");
    said["detail"].as_str().unwrap()
}

#[tokio::test]
async fn the_key_comes_with_the_handshake_or_in_the_first_message() {
    let server = TestServer::start(Script::default()).await;
    let mut socket = Socket::of(&server).await;
    socket.say(json!({"type": "ping"})).await;
    assert_eq!(socket.hear().await.said(), json!({"type": "pong"}));

    let mut socket = Socket::open(&server.url, None).await.unwrap();
    socket.say(json!({"type": "auth", "token": server.key})).await;
    assert_eq!(socket.hear().await.said(), json!({"type": "authenticated"}));
    socket.say(json!({"type": "auth", "token": server.key})).await;
    assert!(detail(&socket.hear().await.said()).contains("set already"));

    let refused = Socket::open(&server.url, Some("mt_live_wrong")).await.err().unwrap();
    assert_eq!(refused.0, 401, "{refused:?}");
    for first in [
        json!({"type": "auth", "token": "mt_live_wrong"}),
        json!({"type": "subscribe"}),
        json!({"type": "ping"}),
        json!([]),
    ] {
        let mut socket = Socket::open(&server.url, None).await.unwrap();
        socket.say(first.clone()).await;
        let said = socket.hear().await.said();
        assert!(!detail(&said).contains("mt_live_wrong"), "{said}");
        assert_eq!(socket.hear().await, Heard::Closed(4401), "{first}");
    }
    let (status, body) = server.call("GET", "/ws", None).await;
    assert_eq!(status, 400);
    assert!(body["detail"].as_str().unwrap().contains("WebSocket handshake"), "{body}");
}

#[tokio::test]
async fn who_shows_no_key_in_time_is_sent_away() {
    let standin = StandIn::start(Script::default()).await;
    let temp = tempfile::tempdir().unwrap();
    let server = TestServer::over(temp.path(), standin, |c| c.streams.auth = Duration::from_millis(50)).await;
    let mut socket = Socket::open(&server.url, None).await.unwrap();
    assert!(detail(&socket.hear().await.said()).contains("no key came"));
    assert_eq!(socket.hear().await, Heard::Closed(4401));
}

#[tokio::test]
async fn a_key_without_the_scope_is_told_so() {
    let temp = tempfile::tempdir().unwrap();
    folder_of(temp.path(), "pro", &["tasks.read"], None).await;
    let server = TestServer::over(temp.path(), StandIn::start(Script::default()).await, |_| {}).await;
    let refused = Socket::open(&server.url, Some(&server.key)).await.err().unwrap();
    assert_eq!(refused, (403, "this key lacks the scope agents.read".to_owned()));
    let mut socket = Socket::open(&server.url, None).await.unwrap();
    socket.say(json!({"type": "auth", "token": server.key})).await;
    assert_eq!(detail(&socket.hear().await.said()), "this key lacks the scope agents.read");
    assert_eq!(socket.hear().await, Heard::Closed(4403));
}

#[tokio::test]
async fn a_task_is_followed_to_its_end_and_the_connection_stays() {
    let server = TestServer::start(busy()).await;
    let task = server.create("watch", json!({})).await;
    let mut socket = Socket::of(&server).await;
    let said = socket.subscribe(json!({"task_id": task})).await;
    assert_eq!(said, json!({"type": "subscribed", "task_id": task, "after": 0, "types": null}));
    let seen = socket.until_end().await;
    let log = server.events(&task).await;
    assert_eq!(seen, log, "the same envelopes as everywhere");
    // It has ended, so it may be asked for again; there is nothing left behind its end.
    let last = log.len();
    let said = socket.subscribe(json!({"task_id": task, "after": last})).await;
    assert_eq!(said["after"], last);
    assert_eq!(socket.hear().await.said(), json!({"type": "ended", "task_id": task, "after": last}));
    assert_eq!(socket.subscribe(json!({"task_id": task, "after": last - 2})).await["type"], "subscribed");
    assert_eq!(socket.until_end().await, log[last - 2..]);
    socket.say(json!({"type": "ping"})).await;
    assert_eq!(socket.hear().await.said()["type"], "pong");
}

#[tokio::test]
async fn several_logs_on_one_connection_each_with_its_own_cursor() {
    let server = TestServer::start(busy()).await;
    let first = server.run("first", json!({})).await["id"].as_str().unwrap().to_owned();
    let before = server.events(&first).await;
    let mut socket = Socket::of(&server).await;
    // From now on: nothing of the first task.
    let said = socket.subscribe(json!({})).await;
    assert_eq!(said, json!({"type": "subscribed", "task_id": null, "after": before.len(), "types": null}));
    assert_eq!(socket.subscribe(json!({"task_id": first, "after": 3})).await["after"], 3);
    assert_eq!(socket.until_end().await, before[3..]);
    let second = server.create("second", json!({})).await;
    let said = |event: &Value| event["type"] == "subscribed";
    socket.say(json!({"type": "subscribe", "task_id": second})).await;
    let (mut own, mut all) = (Vec::new(), Vec::new());
    let mut ended = false;
    while !ended || all.len() < own.len() {
        let event = socket.hear().await.said();
        match event {
            _ if said(&event) => {}
            _ if event["type"] == "ended" => ended = true,
            _ if event.get("cursor").is_some() => all.push(event),
            _ => own.push(event),
        }
    }
    assert_eq!(own, server.events(&second).await);
    for (nth, (event, mut same)) in own.into_iter().zip(all).enumerate() {
        let cursor = same.as_object_mut().unwrap().remove("cursor").unwrap();
        assert_eq!(cursor, before.len() + nth + 1, "the account's cursor has no gap");
        assert_eq!(event, same);
    }
}

#[tokio::test]
async fn what_is_not_subscribed_to_is_not_heard_of() {
    let server = TestServer::start(endless()).await;
    let task = server.create("watch", json!({})).await;
    let mut socket = Socket::of(&server).await;
    assert!(
        detail(&{
            socket.say(json!({"type": "unsubscribe", "task_id": task})).await;
            socket.hear().await.said()
        })
        .contains("not subscribed")
    );
    server.until(&task, |task| task["status"] == "running").await;
    let last = server.events(&task).await.len();
    assert_eq!(socket.subscribe(json!({"task_id": task, "after": last})).await["type"], "subscribed");
    assert!(detail(&socket.subscribe(json!({"task_id": task})).await).contains("already"));
    socket.say(json!({"type": "unsubscribe", "task_id": task})).await;
    assert_eq!(socket.hear().await.said(), json!({"type": "unsubscribed", "task_id": task}));
    server.call("POST", &format!("/tasks/{task}/cancel"), None).await;
    socket.say(json!({"type": "ping"})).await;
    assert_eq!(socket.hear().await.said()["type"], "pong", "nothing of the cancelled task came before");
}

#[tokio::test]
async fn refusals_say_what_would_be_right_and_keep_the_connection() {
    let server = TestServer::start(busy()).await;
    let task = server.run("one", json!({})).await["id"].as_str().unwrap().to_owned();
    let mut socket = Socket::of(&server).await;
    let last = server.events(&task).await.len();
    for (what, why) in [
        (json!({"task_id": "task_01arz3ndektsv4rrffq69g5fav"}), "there is no such task".to_owned()),
        (json!({"task_id": "nonsense"}), "there is no such task".to_owned()),
        (json!({"task_id": task, "after": last + 1}), format!("it must be 0 to {last}")),
        (json!({"task_id": task, "after": -1}), format!("it must be 0 to {last}")),
        (json!({"after": 100_000}), format!("it must be 0 to {last}")),
        (json!({"types": ["agent.dreaming"]}), "agent.dreaming".to_owned()),
        (json!({"types": []}), "types is empty".to_owned()),
    ] {
        let said = socket.subscribe(what.clone()).await;
        assert!(detail(&said).contains(&why), "{what}: {said}");
    }
    // Another world's task does not exist.
    let mut other = Socket::open(&server.url, Some(&server.test_key)).await.unwrap();
    assert_eq!(detail(&other.subscribe(json!({"task_id": task})).await), "there is no such task");
    assert_eq!(socket.subscribe(json!({"task_id": task})).await["type"], "subscribed");
    assert_eq!(socket.until_end().await.len(), last);
}

#[tokio::test]
async fn garbage_is_answered_and_much_of_it_ends_the_connection() {
    let server = TestServer::start(Script::default()).await;
    let mut socket = Socket::of(&server).await;
    let long = format!("{{\"type\":\"ping\",\"x\":\"{}\"}}", "x".repeat(20_000));
    let garbage: [Message; 5] = [
        Message::Text("{".into()),
        Message::Text("{\"type\":\"dance\"}".into()),
        Message::Text("{\"type\":\"subscribe\",\"after\":\"x\"}".into()),
        Message::Binary(vec![1, 2, 3].into()),
        Message::Text(long.into()),
    ];
    for message in garbage.iter().chain(&garbage).take(9) {
        socket.send(message.clone()).await;
        detail(&socket.hear().await.said());
    }
    socket.say(json!({"type": "ping"})).await;
    assert_eq!(socket.hear().await.said()["type"], "pong");
    socket.send(garbage[0].clone()).await;
    assert!(detail(&socket.hear().await.said()).contains("enough"));
    assert_eq!(socket.hear().await, Heard::Closed(1008));

    let mut socket = Socket::of(&server).await;
    socket.send(Message::Text("x".repeat(300_000).into())).await;
    detail(&socket.hear().await.said());
    assert_eq!(socket.hear().await, Heard::Closed(1009));
}

#[tokio::test]
async fn a_connection_has_a_bounded_number_of_subscriptions() {
    let server = TestServer::start(endless()).await;
    let mut socket = Socket::of(&server).await;
    for n in 0..32 {
        let task = server.create(&format!("task {n}"), json!({})).await;
        let types = json!(["task.cancelled"]);
        let said = socket.subscribe(json!({"task_id": task, "types": types})).await;
        assert_eq!(said["type"], "subscribed", "{said}");
    }
    assert!(detail(&socket.subscribe(json!({})).await).contains("at most 32"));
    let task = server.get("/tasks?limit=1").await["tasks"][0]["id"].as_str().unwrap().to_owned();
    server.call("POST", &format!("/tasks/{task}/cancel"), None).await;
    assert_eq!(socket.hear().await.said()["type"], "task.cancelled");
    assert_eq!(socket.hear().await.said()["type"], "ended");
    assert_eq!(socket.subscribe(json!({})).await["type"], "subscribed");
}

#[tokio::test]
async fn a_client_that_asks_for_few_types_learns_how_far_it_is() {
    let temp = tempfile::tempdir().unwrap();
    let standin = StandIn::start(busy()).await;
    let server =
        TestServer::over(temp.path(), standin, |c| c.streams.keep_alive = Duration::from_millis(50)).await;
    let mut socket = Socket::of(&server).await;
    let said = socket.subscribe(json!({"types": ["task.planned", "task.planned"]})).await;
    assert_eq!(said["types"], json!(["task.planned"]));
    let task = server.create("one", json!({})).await;
    let mut said = socket.hear().await.said();
    while said["type"] == "cursor" {
        said = socket.hear().await.said();
    }
    assert_eq!(said["type"], "task.planned");
    loop {
        // It goes on listening, so that it can answer pings.
        let said = socket.hear().await.said();
        let last = server.events(&task).await.len();
        assert_eq!(said["type"], "cursor", "{said}");
        assert_eq!(said["task_id"], Value::Null);
        if said["after"] == last && server.get(&format!("/tasks/{task}")).await["status"] == "complete" {
            break;
        }
    }
}

#[tokio::test]
async fn subscriptions_count_like_requests() {
    // The minute does not pass.
    let clock = HandClock::at(1_800_000_000_000);
    let server = TestServer::start_with(Script::default(), |config| config.clock = clock.clone()).await;
    let (key, _) = server.make_key("live", "free", &["agents.read"]).await;
    // The handshake is the first of sixty.
    let mut socket = Socket::open(&server.url, Some(&key)).await.unwrap();
    for n in 1..60 {
        let kind = if n % 2 == 1 { "subscribe" } else { "unsubscribe" };
        socket.say(json!({"type": kind})).await;
        assert_eq!(socket.hear().await.said()["type"], format!("{kind}d"), "{n}");
    }
    socket.say(json!({"type": "ping"})).await;
    assert_eq!(socket.hear().await.said(), json!({"type": "pong"}), "costs nothing");
    for n in 1..=10 {
        socket.say(json!({"type": "unsubscribe"})).await;
        let said = socket.hear().await.said();
        assert!(detail(&said).contains("60 requests"), "{n}: {said}");
    }
    assert_eq!(socket.hear().await, Heard::Closed(1008), "ten are enough");
}
