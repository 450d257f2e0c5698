//! A stream of server-sent events as a test reads it: block by block, to where it ends or is cut.

use serde_json::Value;

use crate::harness::{PATIENCE, TestServer};

/// A stream of server-sent events that is held open.
pub struct Sse {
    response: reqwest::Response,
    buffer: String,
}

/// One block of a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    Event(u64, Value),
    /// An id without an event.
    Position(u64),
    Comment,
    Retry,
}

impl Sse {
    pub async fn of(server: &TestServer, path: &str, last: Option<u64>) -> Result<Self, reqwest::Response> {
        let opened = Self::open(&server.http, &server.url, &server.key, path, last).await;
        opened.expect("the server answers")
    }

    /// `None` where nobody answers; an error is any other answer than a stream.
    pub async fn open(
        http: &reqwest::Client,
        url: &str,
        key: &str,
        path: &str,
        last: Option<u64>,
    ) -> Option<Result<Self, reqwest::Response>> {
        let mut request = http.get(format!("{url}/v1{path}")).bearer_auth(key);
        request = request.header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.ok()?;
        if response.status() != 200 {
            return Some(Err(response));
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Some(Ok(Self { response, buffer: String::new() }))
    }

    /// `None` at the end of the stream, and where it is cut.
    pub async fn block(&mut self) -> Option<Block> {
        let end = loop {
            if let Some(end) = self.buffer.find("\n\n") {
                break end;
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("in time");
            self.buffer.push_str(std::str::from_utf8(&chunk.ok()??).unwrap());
        };
        let block: String = self.buffer.drain(..end + 2).collect();
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        let id = field("id: ").map(|id| id.parse().unwrap());
        Some(match (id, field("data: ")) {
            (Some(id), Some(data)) => {
                let event: Value = serde_json::from_str(&data).unwrap();
                assert_eq!(field("event: ").as_deref(), event["type"].as_str());
                Block::Event(id, event)
            }
            (Some(id), None) => Block::Position(id),
            (None, _) if block.starts_with("retry: ") => Block::Retry,
            (None, _) => Block::Comment,
        })
    }

    pub async fn event(&mut self) -> Option<(u64, Value)> {
        loop {
            if let Block::Event(id, event) = self.block().await? {
                return Some((id, event));
            }
        }
    }
}
