//! What holds for every stream, SSE and WebSocket alike: cut anywhere it resumes without gap or double; it ends with
//! its key and with the server; an account has so many; who does not read is cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use miteos_core::time::Timestamp;
use miteos_server::{Clock, Config, SystemClock};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{PATIENCE, TestServer};
use crate::socket::{Heard, Socket};
use crate::sockets::endless;
use crate::sse::{Block, Sse};
use crate::standin::{Reply, Script, StandIn, call, text};
use crate::tiers::folder_of;

fn busy(calls: usize) -> Script {
    let mut replies: Vec<Reply> =
        (0..calls).map(|n| call("write_file", json!({"path": format!("{n}.txt"), "content": "x"}))).collect();
    replies.push(text("done"));
    Script::default().plan(&[("1", "do alpha", &[])]).agent("alpha", replies)
}

/// Reads until the server closes the connection; what came.
async fn until_closed(mut stream: TcpStream) -> String {
    let mut came = String::new();
    let closed = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut came)).await;
    closed.expect("the server closes it").unwrap();
    came
}

#[tokio::test]
async fn who_never_ends_a_head_or_asks_no_more_is_let_go() {
    let change = |config: &mut Config| config.streams.head = Duration::from_millis(300);
    let server = TestServer::start_with(Script::default(), change).await;
    let address = server.url.strip_prefix("http://").unwrap();
    let (mut slow, silent) =
        (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
    slow.write_all(b"GET /v1/healthz HTTP/1.1\r\nHost: x\r\nX-").await.unwrap();
    let mut asked = TcpStream::connect(address).await.unwrap();
    asked.write_all(b"GET /v1/healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let (_, _, asked) = tokio::join!(until_closed(slow), until_closed(silent), until_closed(asked));
    assert!(asked.starts_with("HTTP/1.1 200"), "{asked}");
    assert_eq!(server.call("GET", "/tasks", None).await.0, 200);
}

/// One connection that is left after each event: the worst client there is.
#[tokio::test]
async fn every_transport_cut_after_every_event_goes_on_where_it_was() {
    let server = TestServer::start(busy(6)).await;
    let task = server.create("cut me", json!({})).await;
    let path = format!("/tasks/{task}/events");

    let (mut sse, mut socket, mut pages) = (Vec::new(), Vec::new(), Vec::new());
    // While the task works, and so that each transport meets it in another state.
    while sse.last().is_none_or(|event: &Value| event["type"] != "task.complete") {
        let mut stream = Sse::of(&server, &path, Some(sse.len() as u64)).await.ok().unwrap();
        let (id, event) = stream.event().await.unwrap();
        assert_eq!(id, sse.len() as u64 + 1);
        sse.push(event);

        let mut one = Socket::of(&server).await;
        let said = one.subscribe(json!({"task_id": task, "after": socket.len()})).await;
        assert_eq!(said["after"], socket.len());
        socket.push(one.hear().await.said());
        one.close().await;

        let page = server.get(&format!("{path}?limit=1&after={}", pages.len())).await;
        pages.extend(page["events"].as_array().unwrap().clone());
    }
    let log = server.events(&task).await;
    assert_eq!(sse, log);
    assert_eq!(socket, log);
    assert_eq!(pages, log[..pages.len()]);
    let over = Sse::of(&server, &path, Some(log.len() as u64)).await.err().unwrap();
    assert_eq!(over.status(), 204, "an EventSource does not come back for more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_s_events_come_in_the_order_of_their_cursor_whoever_writes_beside() {
    let server = Arc::new(TestServer::start(busy(3)).await);
    let many = 24;
    let followed = Sse::of(&server, "/events?after=0", None).await.ok().unwrap();
    let mut socket = Socket::of(&server).await;
    assert_eq!(socket.subscribe(json!({"after": 0})).await["type"], "subscribed");
    // One stays, one goes after every event, and one listens on a WebSocket.
    let stays = tokio::spawn(async move {
        let (mut stream, mut seen, mut ended) = (followed, Vec::new(), 0);
        while ended < many {
            let (id, event) = stream.event().await.unwrap();
            assert_eq!(event["cursor"], id);
            ended += usize::from(event["type"] == "task.complete");
            seen.push(event);
        }
        seen
    });
    let heard = tokio::spawn(async move {
        let (mut seen, mut ended) = (Vec::new(), 0);
        while ended < many {
            let event = socket.hear().await.said();
            ended += usize::from(event["type"] == "task.complete");
            seen.push(event);
        }
        seen
    });
    let copy = Arc::clone(&server);
    let goes = tokio::spawn(async move {
        let (mut seen, mut ended): (Vec<Value>, _) = (Vec::new(), 0);
        while ended < many {
            let mut stream = Sse::of(&copy, "/events", Some(seen.len() as u64)).await.ok().unwrap();
            let (_, event) = stream.event().await.unwrap();
            ended += usize::from(event["type"] == "task.complete");
            seen.push(event);
        }
        seen
    });
    let made = (0..many).map(|n| {
        let server = Arc::clone(&server);
        async move { server.create(&format!("task {n}"), json!({})).await }
    });
    let tasks = futures::future::join_all(made).await;
    let (stays, heard, goes) = (stays.await.unwrap(), heard.await.unwrap(), goes.await.unwrap());
    let cursors: Vec<u64> = stays.iter().map(|event| event["cursor"].as_u64().unwrap()).collect();
    assert_eq!(cursors, (1..=stays.len() as u64).collect::<Vec<_>>(), "no gap, no double, in order");
    assert_eq!(stays, heard);
    assert_eq!(stays, goes);
    for task in tasks {
        let own: Vec<_> = stays.iter().filter(|event| event["task_id"] == task.as_str()).collect();
        assert_eq!(own.len(), server.events(&task).await.len());
        assert!(own.iter().enumerate().all(|(n, event)| event["seq"] == n as u64 + 1));
    }
}

#[tokio::test]
async fn only_the_types_asked_for_come_and_the_place_moves_on_all_the_same() {
    let temp = tempfile::tempdir().unwrap();
    let standin = StandIn::start(busy(40)).await;
    let server =
        TestServer::over(temp.path(), standin, |c| c.streams.keep_alive = Duration::from_millis(50)).await;
    let task = server.create("filter me", json!({})).await;
    let path = format!("/tasks/{task}/events?types=task.planned,agent.complete");
    let live = Sse::of(&server, &path, None).await.ok().unwrap();
    server.ended(&task).await;
    let log = server.events(&task).await;
    let last = log.len() as u64;
    let wanted: Vec<&Value> =
        log.iter().filter(|e| e["type"] == "task.planned" || e["type"] == "agent.complete").collect();
    assert_eq!(wanted.len(), 2);
    for mut stream in [live, Sse::of(&server, &path, None).await.ok().unwrap()] {
        let (mut events, mut position) = (Vec::new(), 0);
        while let Some(block) = stream.block().await {
            match block {
                Block::Event(id, event) => {
                    assert!(id > position);
                    position = id;
                    events.push(event);
                }
                Block::Position(id) => position = id,
                Block::Comment | Block::Retry => {}
            }
        }
        assert_eq!(events.iter().collect::<Vec<_>>(), wanted);
        assert_eq!(position, last, "the end is told although the terminal event was not asked for");
    }
    assert_eq!(Sse::of(&server, &path, Some(last)).await.err().unwrap().status(), 204);

    let page = server.get(&format!("{path}&limit=1")).await;
    assert_eq!((&page["events"][0], &page["has_more"]), (wanted[0], &json!(true)));
    assert_eq!(page["next_after"], wanted[0]["seq"]);
    let page = server.get(&format!("{path}&after={}", page["next_after"])).await;
    assert_eq!((page["events"].as_array().unwrap().len(), &page["next_after"]), (1, &json!(last)));
    assert_eq!(page["has_more"], false);

    let mut all = Sse::of(&server, "/events?after=0&types=task.failed", None).await.ok().unwrap();
    loop {
        match all.block().await.unwrap() {
            Block::Position(id) if id == last => break,
            Block::Event(..) => panic!("nothing failed"),
            Block::Position(_) | Block::Comment | Block::Retry => {}
        }
    }
    for path in ["/events?types=task.dreaming", "/events?types=", &format!("/tasks/{task}/events?types=x")] {
        let (status, body) = server.call("GET", path, None).await;
        assert_eq!(status, 422, "{path}");
        assert!(body["detail"].as_str().unwrap().starts_with("types"), "{body}");
    }
}

#[tokio::test]
async fn a_quiet_stream_says_that_it_is_alive() {
    let temp = tempfile::tempdir().unwrap();
    let standin = StandIn::start(Script::default()).await;
    let server =
        TestServer::over(temp.path(), standin, |c| c.streams.keep_alive = Duration::from_millis(20)).await;
    let mut stream = Sse::of(&server, "/events", None).await.ok().unwrap();
    assert_eq!(stream.block().await, Some(Block::Retry));
    assert_eq!(stream.block().await, Some(Block::Position(0)));
    assert_eq!(stream.block().await, Some(Block::Comment));
    assert_eq!(stream.block().await, Some(Block::Comment));
}

#[tokio::test]
async fn a_stream_from_now_on_says_where_that_is() {
    let server = TestServer::start(busy(0)).await;
    let first = server.create("before", json!({})).await;
    server.ended(&first).await;
    let mut stream = Sse::of(&server, "/events", None).await.ok().unwrap();
    assert_eq!(stream.block().await, Some(Block::Retry));
    let Some(Block::Position(now)) = stream.block().await else { panic!("it does not say where it is") };
    // Cut before any event: what happens until the client is back is not lost.
    drop(stream);
    let second = server.create("meanwhile", json!({})).await;
    server.ended(&second).await;
    let mut again = Sse::of(&server, "/events", Some(now)).await.ok().unwrap();
    assert_eq!(again.block().await, Some(Block::Retry));
    let Some(Block::Event(cursor, event)) = again.block().await else { panic!("no event, or a place again") };
    assert_eq!(
        (cursor, &event["type"], &event["task_id"]),
        (now + 1, &json!("task.created"), &json!(second))
    );
}

#[tokio::test]
async fn streams_end_with_the_server() {
    let mut server = TestServer::start(Script::default()).await;
    let mut stream = Sse::of(&server, "/events", None).await.ok().unwrap();
    let mut socket = Socket::of(&server).await;
    socket.subscribe(json!({})).await;
    let mut stranger = Socket::open(&server.url, None).await.unwrap();
    server.stop().await;
    assert_eq!(stream.event().await, None);
    assert_eq!(socket.hear().await, Heard::Closed(1001));
    assert_eq!(stranger.hear().await, Heard::Closed(1001));
}

/// The machine's clock, moved on by the test.
struct Moved(AtomicU64);

#[async_trait]
impl Clock for Moved {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus_ms(self.0.load(Ordering::SeqCst))
    }
    async fn sleep_until(&self, at: Timestamp) {
        SystemClock.sleep_until(at).await;
    }
}

#[tokio::test]
async fn streams_end_with_their_key() {
    let temp = tempfile::tempdir().unwrap();
    let hour = 3_600_000;
    folder_of(temp.path(), "pro", &["*"], Some(SystemClock.now().plus_ms(hour))).await;
    let clock = Arc::new(Moved(AtomicU64::new(0)));
    let copy = Arc::clone(&clock);
    let standin = StandIn::start(Script::default()).await;
    let server = TestServer::over(temp.path(), standin, move |config| {
        config.clock = Arc::clone(&copy) as Arc<dyn Clock>;
        config.streams.key_check = Duration::from_millis(20);
    })
    .await;
    let mut stream = Sse::of(&server, "/events", None).await.ok().unwrap();
    let mut socket = Socket::of(&server).await;
    socket.subscribe(json!({})).await;
    clock.0.store(2 * hour, Ordering::SeqCst);
    assert_eq!(stream.event().await, None);
    assert!(socket.hear().await.said()["detail"].as_str().unwrap().contains("expired"));
    assert_eq!(socket.hear().await, Heard::Closed(4401));
    assert_eq!(Socket::open(&server.url, Some(&server.key)).await.err().unwrap().0, 401);
}

/// A server whose account is of this tier.
async fn of_tier(folder: &std::path::Path, tier: &str, script: Script) -> TestServer {
    folder_of(folder, tier, &["*"], None).await;
    TestServer::over(folder, StandIn::start(script).await, |config| {
        config.streams.unread = Duration::from_millis(300);
        config.streams.keep_alive = Duration::from_millis(100);
    })
    .await
}

/// Waits until a stream can be opened again.
async fn until_free(server: &TestServer) {
    let begun = std::time::Instant::now();
    while Socket::open(&server.url, Some(&server.key)).await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "the place is not free again");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_has_exactly_the_streams_of_its_tier() {
    let temp = tempfile::tempdir().unwrap();
    let server = of_tier(temp.path(), "power", Script::default()).await;
    // Both kinds at once, twice as many as there are places.
    let sse = futures::future::join_all((0..20).map(|_| Sse::of(&server, "/events", None)));
    let sockets = futures::future::join_all((0..20).map(|_| Socket::open(&server.url, Some(&server.key))));
    let (sse, sockets) = tokio::join!(sse, sockets);
    let (mut streams, mut open, mut refused) = (Vec::new(), Vec::new(), 0);
    for stream in sse {
        match stream {
            Ok(stream) => streams.push(stream),
            Err(response) => {
                assert_eq!(response.status(), 429);
                assert!(response.headers().contains_key("retry-after"));
                let body: Value = response.json().await.unwrap();
                assert!(body["detail"].as_str().unwrap().starts_with("20 event streams"), "{body}");
                refused += 1;
            }
        }
    }
    for socket in sockets {
        match socket {
            Ok(socket) => open.push(socket),
            Err((status, why)) => {
                assert_eq!(status, 429, "{why}");
                refused += 1;
            }
        }
    }
    assert_eq!((streams.len() + open.len(), refused), (20, 20));
    // In the first message it is refused as well; the test world counts for itself.
    let mut late = Socket::open(&server.url, None).await.unwrap();
    late.say(json!({"type": "auth", "token": server.key})).await;
    assert!(late.hear().await.said()["detail"].as_str().unwrap().contains("20 event streams"));
    assert_eq!(late.hear().await, Heard::Closed(4429));
    assert!(Socket::open(&server.url, Some(&server.test_key)).await.is_ok());
    // Cut without a goodbye, or with one: the places are free again.
    drop(streams);
    for socket in open {
        socket.close().await;
    }
    until_free(&server).await;
    let again = futures::future::join_all((0..19).map(|_| Sse::of(&server, "/events", None))).await;
    let _ = again;
}

/// Sends a request and then reads nothing at all.
async fn deaf(server: &TestServer, path: &str, more: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address = server.url.trim_start_matches("http://");
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let request =
        format!("GET /v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n{more}\r\n", server.key);
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A masked text frame with a mask of zeros.
fn client_frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 126);
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
}

#[tokio::test]
async fn who_does_not_read_is_cut_off_and_gives_its_place_back() {
    let temp = tempfile::tempdir().unwrap();
    let server = of_tier(temp.path(), "free", endless()).await;
    // More than fits into the buffers of the system on both ends.
    let prompt = "long ".repeat(19_999);
    for _ in 0..120 {
        server.create(&prompt, json!({})).await;
    }
    let sse = deaf(&server, "/events?after=0", "Accept: text/event-stream\r\n").await;
    until_free(&server).await;
    drop(sse);
    until_free(&server).await;

    let mut socket = deaf(&server, "/ws", UPGRADE).await;
    let mut head = [0; 12];
    socket.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 101");
    socket.write_all(&client_frame("{\"type\":\"subscribe\",\"after\":0}")).await.unwrap();
    // It holds the only place until it is cut.
    until_free(&server).await;
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_taken_for_dead() {
    let temp = tempfile::tempdir().unwrap();
    let server = of_tier(temp.path(), "free", Script::default()).await;
    let mut socket = deaf(&server, "/ws", UPGRADE).await;
    let mut head = [0; 12];
    socket.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 101");
    assert_eq!(Socket::open(&server.url, Some(&server.key)).await.err().unwrap().0, 429);
    until_free(&server).await;
    // One that answers stays for as long as it likes.
    let mut alive = Socket::of(&server).await;
    let heard = tokio::time::timeout(Duration::from_millis(700), alive.hear()).await;
    assert!(heard.is_err(), "{heard:?}");
}
