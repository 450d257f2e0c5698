//! A server of a few routes whose failures are scripted.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Response, Uri};
use futures::StreamExt;
use miteos_client::{Client, RetryPolicy};

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn query(&self, name: &str) -> Option<String> {
        let url = url::Url::parse(&format!("http://h{}", self.uri)).unwrap();
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

type Answer = Box<dyn FnMut(&Seen) -> Response<Body> + Send>;

pub struct Standin {
    pub client: Client,
    seen: Arc<Mutex<Vec<Seen>>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Standin {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Standin {
    pub async fn start(answer: impl FnMut(&Seen) -> Response<Body> + Send + 'static) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let answer: Arc<Mutex<Answer>> = Arc::new(Mutex::new(Box::new(answer)));
        let log = seen.clone();
        let app = Router::new().fallback(move |method, uri, headers, body| {
            let request = Seen { method, uri, headers, body };
            log.lock().unwrap().push(request.clone());
            let response = (answer.lock().unwrap())(&request);
            async move { response }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let client = client(&format!("http://{address}"));
        Self { client, seen, server }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// A client that waits a millisecond where the real one waits a second.
pub fn client(url: &str) -> Client {
    let retry = RetryPolicy {
        attempts: 4,
        stream_attempts: 6,
        base: Duration::from_micros(100),
        cap: Duration::from_millis(1),
    };
    Client::builder().retry(retry).build(url, "mt_test_key").unwrap()
}

pub fn json(status: u16, body: &str) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("request-id", "req_1")
        .body(Body::from(body.to_owned()))
        .unwrap()
}

/// A body that sends these chunks and then breaks the connection.
pub fn broken(chunks: Vec<Vec<u8>>) -> Body {
    let chunks = chunks.into_iter().map(|chunk| Ok(Bytes::from(chunk)));
    // The pause between the last chunk and the break lets the chunk leave before the connection is torn down.
    let end = futures::stream::once(async {
        tokio::task::yield_now().await;
        Err(io::Error::other("cut on purpose"))
    });
    Body::from_stream(futures::stream::iter(chunks.collect::<VecDeque<_>>()).chain(end))
}

pub const TASK: &str = r#"{"id":"task_1","status":"STATUS","prompt":"p","workspace_id":null,"config":{"max_agents":3,"autonomy_level":50,"auto_deploy":false,"deploy_target":null},"result":null,"error":null,"skill_id":null,"cost":0.0,"total_cost_cents":0,"total_tokens_used":0,"deliverables_count":0,"created_at":"2026-11-22T10:00:00Z","started_at":null,"completed_at":null}"#;

pub fn task(status: &str) -> Response<Body> {
    json(200, &TASK.replace("STATUS", status))
}
