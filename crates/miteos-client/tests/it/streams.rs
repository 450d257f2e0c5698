//! The event stream under every cut there is.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Response;
use futures::StreamExt;
use miteos_client::ClientError;

use crate::standin::{Seen, Standin, broken, json, task};

const EVENTS: u64 = 8;

fn kind(seq: u64) -> &'static str {
    match seq {
        1 => "task.created",
        EVENTS => "task.complete",
        _ => "agent.thinking",
    }
}

fn envelope(seq: u64) -> String {
    format!(
        r#"{{"id":"evt_{seq}","seq":{seq},"type":"{}","task_id":"task_1","agent_id":null,"created_at":"2026-11-22T10:00:00Z","data":{{"n":{seq}}}}}"#,
        kind(seq)
    )
}

fn frame(seq: u64) -> Vec<u8> {
    format!("id: {seq}\nevent: {}\ndata: {}\n\n", kind(seq), envelope(seq)).into_bytes()
}

fn after(request: &Seen) -> u64 {
    request.query("after").map_or(0, |text| text.parse().unwrap())
}

fn sse(body: Body) -> Response<Body> {
    Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
}

fn rest(after: u64) -> Vec<u8> {
    (after + 1..=EVENTS).flat_map(frame).collect()
}

async fn seqs(server: &Standin, after: u64) -> Vec<u64> {
    let events: Vec<_> = server.client.stream("task_1", after).collect().await;
    events.into_iter().map(|event| event.unwrap().seq).collect()
}

#[tokio::test]
async fn an_unbroken_stream_ends_after_the_terminal_event() {
    let server = Standin::start(|request| sse(Body::from(rest(after(request))))).await;
    assert_eq!(seqs(&server, 0).await, (1..=EVENTS).collect::<Vec<_>>());
    assert_eq!(seqs(&server, 5).await, [6, 7, 8]);
    let seen = server.seen();
    assert_eq!(seen.len(), 2, "no further connection after the end");
    assert_eq!(seen[0].header("accept"), Some("text/event-stream"));
}

/// The first connection breaks at byte `n`, for every `n`: inside frames, between them, inside a character.
#[tokio::test]
async fn a_cut_at_every_byte_loses_and_doubles_nothing() {
    let whole = rest(0);
    let all: Vec<u64> = (1..=EVENTS).collect();
    // Where the next connection breaks; taken by the first one that comes.
    let cut: Arc<Mutex<Option<usize>>> = Arc::default();
    let (first, bytes) = (cut.clone(), whole.clone());
    let server = Standin::start(move |request| match first.lock().unwrap().take() {
        Some(cut) => sse(broken(vec![bytes[..cut].to_vec()])),
        None => sse(Body::from(rest(after(request)))),
    })
    .await;
    for at in 0..whole.len() {
        *cut.lock().unwrap() = Some(at);
        assert_eq!(seqs(&server, 0).await, all, "cut at byte {at}");
        assert_eq!(*cut.lock().unwrap(), None);
    }
}

/// Every connection breaks after one event: by force, or in good order as a restarting server would.
#[tokio::test]
async fn a_cut_at_every_event_loses_and_doubles_nothing() {
    for in_good_order in [false, true] {
        let server = Standin::start(move |request| {
            let next = frame(after(request) + 1);
            sse(if in_good_order { Body::from(next) } else { broken(vec![b": hi\n\n".to_vec(), next]) })
        })
        .await;
        assert_eq!(seqs(&server, 0).await, (1..=EVENTS).collect::<Vec<_>>());
        assert_eq!(server.seen().len() as u64, EVENTS);
    }
}

#[tokio::test]
async fn what_was_seen_is_dropped_and_what_is_missing_is_fetched() {
    let mut connections = 0;
    let server = Standin::start(move |request| {
        connections += 1;
        let after = after(request);
        sse(Body::from(match connections {
            // From the beginning although 2 are known, and with event 5 left out.
            1 => (1..=EVENTS).filter(|seq| *seq != 5).flat_map(frame).collect(),
            _ => rest(after),
        }))
    })
    .await;
    assert_eq!(seqs(&server, 2).await, [3, 4, 5, 6, 7, 8]);
}

#[tokio::test]
async fn a_restarting_server_is_waited_for() {
    let mut connections = 0;
    let server = Standin::start(move |request| {
        connections += 1;
        match connections {
            2 | 4 => json(503, r#"{"detail":"starting"}"#),
            3 => sse(broken(vec![])),
            1 => sse(broken(vec![frame(1)])),
            _ => sse(Body::from(rest(after(request)))),
        }
    })
    .await;
    assert_eq!(seqs(&server, 0).await, (1..=EVENTS).collect::<Vec<_>>());
}

#[tokio::test]
async fn nothing_after_the_end_is_an_empty_stream() {
    let server = Standin::start(|request| match (request.uri.path(), request.header("accept")) {
        ("/v1/tasks/task_1", _) => task("complete"),
        (_, Some("text/event-stream")) => sse(Body::empty()),
        _ => json(200, r#"{"events":[],"next_after":8,"has_more":false}"#),
    })
    .await;
    assert_eq!(seqs(&server, EVENTS).await, [0_u64; 0]);
}

#[tokio::test]
async fn a_stream_that_never_begins_gives_up_and_says_why() {
    let server = Standin::start(|request| match (request.uri.path(), request.header("accept")) {
        ("/v1/tasks/task_1", _) => task("running"),
        (_, Some("text/event-stream")) => sse(Body::empty()),
        _ => json(200, r#"{"events":[],"next_after":0,"has_more":false}"#),
    })
    .await;
    let events: Vec<_> = server.client.stream("task_1", 0).collect().await;
    assert!(matches!(events.as_slice(), [Err(ClientError::Protocol { .. })]), "{events:?}");

    let server = Standin::start(|_| json(503, r#"{"detail":"no"}"#)).await;
    let events: Vec<_> = server.client.stream("task_1", 0).collect().await;
    assert!(matches!(events.as_slice(), [Err(ClientError::Api { status: 503, .. })]), "{events:?}");
    assert_eq!(server.seen().len(), 6);

    let server = Standin::start(|_| json(404, r#"{"detail":"no such task"}"#)).await;
    let events: Vec<_> = server.client.stream("task_1", 0).collect().await;
    assert!(matches!(events.as_slice(), [Err(ClientError::Api { status: 404, .. })]), "{events:?}");
    assert_eq!(server.seen().len(), 1);
}

/// A proxy cuts every connection after a minute and a half, and nothing happens for hours: an approval is open.
/// Fifty connections are more than there are attempts.
#[tokio::test(start_paused = true)]
async fn connections_that_lived_are_no_failed_attempts() {
    for in_good_order in [false, true] {
        let mut connections = 0;
        let server = Standin::start(move |request| {
            if request.header("accept") != Some("text/event-stream") {
                return match request.uri.path() {
                    "/v1/tasks/task_1" => task("running"),
                    _ => json(200, r#"{"events":[],"next_after":0,"has_more":false}"#),
                };
            }
            connections += 1;
            if connections > 50 {
                return sse(Body::from(rest(after(request))));
            }
            let signs = futures::stream::iter(0..6).then(|_| async {
                tokio::time::sleep(Duration::from_secs(15)).await;
                Ok(Bytes::from(": alive\n\n"))
            });
            let cut = futures::stream::iter((!in_good_order).then(|| Err(io::Error::other("cut"))));
            sse(Body::from_stream(signs.chain(cut)))
        })
        .await;
        assert_eq!(seqs(&server, 0).await, (1..=EVENTS).collect::<Vec<_>>());
    }
}
