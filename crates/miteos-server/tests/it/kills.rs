//! The server is killed after every durable write in turn while clients follow, and comes back. Each client sees every
//! event once, in order, over whatever transport.

use std::sync::Arc;

use miteos_server::CrashHook;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::harness::{TestServer, client};
use crate::plug::Gate;
use crate::relay::{Cut, Relay};
use crate::socket::{Heard, Socket};
use crate::sse::Sse;
use crate::standin::{Script, StandIn, call, text};

fn script() -> Script {
    let file = |path: &str| call("write_file", json!({"path": path, "content": "x"}));
    Script::default()
        .plan(&[("a", "do alpha", &[]), ("b", "do beta", &["a"])])
        .agent("alpha", vec![file("a.txt"), text("alpha is done")])
        .agent("beta", vec![file("b.txt"), text("beta is done")])
        .conclude("all done", &["a.txt"])
}

#[derive(Clone)]
struct Follow {
    url: String,
    key: String,
    task: String,
}

fn is_end(event: &Value) -> bool {
    event["type"] == "task.complete"
}

async fn breathe() {
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
}

impl Follow {
    /// Comes back with the last id, like an `EventSource`.
    async fn sse(self, path: String) -> Vec<Value> {
        let http = client();
        let mut seen: Vec<Value> = Vec::new();
        let mut last = 0;
        while !seen.last().is_some_and(is_end) {
            if let Some(Ok(mut stream)) = Sse::open(&http, &self.url, &self.key, &path, Some(last)).await {
                while let Some((id, event)) = stream.event().await {
                    last = id;
                    let ended = is_end(&event);
                    seen.push(event);
                    if ended {
                        break;
                    }
                }
            }
            breathe().await;
        }
        seen
    }

    async fn socket(self, task: Option<String>, cursor: &'static str) -> Vec<Value> {
        let mut seen: Vec<Value> = Vec::new();
        while !seen.last().is_some_and(is_end) {
            if let Ok(mut socket) = Socket::open(&self.url, Some(&self.key)).await {
                let after = seen.last().map_or(json!(0), |event| event[cursor].clone());
                socket.say(json!({"type": "subscribe", "task_id": task, "after": after})).await;
                while let Heard::Said(said) = socket.hear().await {
                    let ended = is_end(&said);
                    if said.get("seq").is_some() {
                        seen.push(said);
                    }
                    if ended {
                        break;
                    }
                }
            }
            breathe().await;
        }
        seen
    }

    async fn pages(self) -> Vec<Value> {
        let http = client();
        let mut seen: Vec<Value> = Vec::new();
        while !seen.last().is_some_and(is_end) {
            let url = format!("{}/v1/tasks/{}/events?limit=2&after={}", self.url, self.task, seen.len());
            if let Ok(response) = http.get(url).bearer_auth(&self.key).send().await
                && let Ok(page) = response.json::<Value>().await
            {
                seen.extend(page["events"].as_array().cloned().unwrap_or_default());
            }
            breathe().await;
        }
        seen
    }

    /// A client for each transport; those of the account's log are the last two.
    fn all(&self) -> Vec<JoinHandle<Vec<Value>>> {
        let own = format!("/tasks/{}/events", self.task);
        vec![
            tokio::spawn(self.clone().sse(own)),
            tokio::spawn(self.clone().socket(Some(self.task.clone()), "seq")),
            tokio::spawn(self.clone().pages()),
            tokio::spawn(self.clone().sse("/events".to_owned())),
            tokio::spawn(self.clone().socket(None, "cursor")),
        ]
    }
}

/// Everybody has seen the log as it is.
async fn check(server: &TestServer, follow: &Follow, clients: Vec<JoinHandle<Vec<Value>>>, when: &str) {
    let log = server.events(&follow.task).await;
    for (nth, client) in clients.into_iter().enumerate() {
        let mut seen = client.await.unwrap();
        if nth >= 3 {
            for (n, event) in seen.iter_mut().enumerate() {
                let cursor = event.as_object_mut().unwrap().remove("cursor");
                assert_eq!(cursor, Some(json!(n + 1)), "client {nth}, {when}");
            }
        }
        assert_eq!(seen, log, "client {nth}, {when}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_see_every_event_once_although_the_server_is_killed_at_every_durable_write() {
    // The first write makes the task; whether that is answered is another test's matter.
    for k in 2.. {
        let temp = tempfile::tempdir().unwrap();
        let standin = StandIn::start(script()).await;
        let relay = Arc::new(Relay::start(Cut::Never, "").await);
        let (told, mut heard) = tokio::sync::mpsc::unbounded_channel::<()>();
        let gate = Arc::new(Gate::default());
        let held = Arc::clone(&gate);
        let hook: CrashHook = Arc::new(move |n| {
            if n == k {
                let _ = told.send(());
                held.wait();
            }
        });
        // What it has in memory is gone with its runtime, and nobody is told of its last write.
        let doomed =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (folder, model, door) = (temp.path().to_owned(), standin.clone(), Arc::clone(&relay));
        let (made, making) = tokio::sync::oneshot::channel();
        doomed.spawn(async move {
            let server =
                TestServer::over(&folder, model, |config| config.crash = Some(Arc::clone(&hook))).await;
            door.aim(&server);
            let task = server.create("kill me", json!({})).await;
            let url = door.url();
            let _ = made.send(Follow { url, key: server.key.clone(), task: task.clone() });
            server.ended(&task).await;
            std::future::pending::<()>().await;
        });
        let follow = making.await.unwrap();
        let mut clients = follow.all();
        let killed = tokio::select! {
            _ = heard.recv() => true,
            _ = futures::future::join_all(&mut clients) => false,
        };
        relay.aim_nowhere();
        doomed.shutdown_background();
        gate.open();
        if !killed {
            assert!(k > 12, "the scenario has {k} durable writes");
            break;
        }
        let mut server = TestServer::over(temp.path(), standin, |_| {}).await;
        relay.aim(&server);
        server.ended(&follow.task).await;
        check(&server, &follow, clients, &format!("killed after write {k}")).await;
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_see_every_event_once_although_every_event_cuts_their_connection() {
    let server = TestServer::start(script()).await;
    let relay = Relay::start(Cut::EveryEvent, "").await;
    relay.aim(&server);
    let task = server.create("cut me", json!({})).await;
    let follow = Follow { url: relay.url(), key: server.key.clone(), task };
    let mut clients = follow.all();
    // A page that is cut is asked for again as it was, so here it would be cut for ever.
    clients.remove(2).abort();
    assert_eq!(server.ended(&follow.task).await["status"], "complete");
    let log = server.events(&follow.task).await;
    for client in clients {
        let mut seen = client.await.unwrap();
        for event in &mut seen {
            event.as_object_mut().unwrap().remove("cursor");
        }
        assert_eq!(seen, log);
    }
    assert!(relay.cuts() > 2 * log.len(), "{} cuts", relay.cuts());
}
