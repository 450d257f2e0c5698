//! A task's events as one stream that survives cuts: resumed by cursor, in order, each once, to the end.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use miteos_api::Event;
use tokio::time::Instant;

use crate::client::Client;
use crate::error::ClientError;
use crate::sse::{Frame, Parser};

/// Events in the order of `seq`, none missing, none twice. Ends after the task's terminal event, or with the
/// first error that retrying cannot mend.
pub type EventStream = Pin<Box<dyn Stream<Item = Result<Event, ClientError>> + Send>>;

/// A connection that was heard of for longer than this had worked: its end is no failed attempt. Proxies end a
/// connection after a minute or two, and a task may wait for a person for days.
const LIVED: Duration = Duration::from_secs(30);

type Body = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

impl Client {
    /// Follows a task from the event after `after` (0: from the beginning) until it ends. A connection that
    /// is cut, or a server that is restarted, is resumed without the caller noticing.
    pub fn stream(&self, task_id: &str, after: u64) -> EventStream {
        let follower = Follower {
            client: self.clone(),
            task_id: task_id.to_owned(),
            cursor: after,
            failed: 0,
            connection: None,
            ready: VecDeque::new(),
            done: false,
        };
        Box::pin(futures::stream::unfold(follower, |mut follower| async move {
            follower.next().await.map(|item| (item, follower))
        }))
    }
}

struct Connection {
    body: Body,
    parser: Parser,
    progressed: bool,
    opened: Instant,
    /// When the last byte came, if only of a sign of life.
    heard: Instant,
}

impl Connection {
    fn new(response: reqwest::Response) -> Self {
        let now = Instant::now();
        let body = Box::pin(response.bytes_stream());
        Self { body, parser: Parser::default(), progressed: false, opened: now, heard: now }
    }

    fn lived(&self) -> bool {
        self.heard.duration_since(self.opened) > LIVED
    }
}

struct Follower {
    client: Client,
    task_id: String,
    /// The `seq` of the last event handed out.
    cursor: u64,
    /// Attempts in a row without a new event or a connection that lived.
    failed: u32,
    connection: Option<Connection>,
    ready: VecDeque<Frame>,
    done: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<Result<Event, ClientError>> {
        while !self.done {
            match self.step().await {
                Ok(Some(event)) => {
                    self.done = event.kind.is_terminal();
                    return Some(Ok(event));
                }
                Ok(None) => {}
                Err(error) => {
                    self.done = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }

    /// A little further: perhaps an event.
    async fn step(&mut self) -> Result<Option<Event>, ClientError> {
        if let Some(frame) = self.ready.pop_front() {
            return self.accept(&frame).await;
        }
        let Some(connection) = &mut self.connection else {
            return self.connect().await.map(|()| None);
        };
        match connection.body.next().await {
            Some(Ok(chunk)) => {
                connection.heard = Instant::now();
                connection
                    .parser
                    .push(&chunk, &mut self.ready)
                    .map_err(|_| ClientError::protocol("an event is larger than any should be"))?;
            }
            Some(Err(error)) => {
                let error = self.client.unreachable(error);
                self.cut(error).await?;
            }
            None => {
                let progressed = connection.progressed;
                self.ended(progressed).await?;
            }
        }
        Ok(None)
    }

    async fn accept(&mut self, frame: &Frame) -> Result<Option<Event>, ClientError> {
        let event: Event = serde_json::from_str(&frame.data)
            .map_err(|error| ClientError::protocol(format!("an event cannot be read: {error}")))?;
        if event.seq <= self.cursor {
            return Ok(None);
        }
        if event.seq != self.cursor + 1 {
            // Something is missing on this connection: the log itself has no gap, so read it again.
            self.ready.clear();
            let what = format!("event {} came where {} was due", event.seq, self.cursor + 1);
            self.cut(ClientError::protocol(what)).await?;
            return Ok(None);
        }
        self.cursor = event.seq;
        self.failed = 0;
        if let Some(connection) = &mut self.connection {
            connection.progressed = true;
        }
        Ok(Some(event))
    }

    async fn connect(&mut self) -> Result<(), ClientError> {
        let call = self
            .client
            .get(&["tasks", &self.task_id, "events"])?
            .query(&miteos_api::ListEvents { after: i64::try_from(self.cursor).ok(), ..Default::default() })?
            .header("accept", "text/event-stream");
        match self.client.send_once(&call).await {
            Ok(response) => {
                let kind = response.headers().get("content-type").and_then(|value| value.to_str().ok());
                if !kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
                    return Err(ClientError::protocol("an event stream was asked for and none came"));
                }
                self.connection = Some(Connection::new(response));
                Ok(())
            }
            Err(error) if error.is_transient() => self.cut(error).await,
            Err(error) => Err(error),
        }
    }

    /// The server closed the stream in good order.
    async fn ended(&mut self, progressed: bool) -> Result<(), ClientError> {
        if progressed {
            self.connection = None;
            return Ok(());
        }
        match self.settled().await {
            Ok(true) => {
                self.done = true;
                Ok(())
            }
            Ok(false) => {
                self.cut(ClientError::protocol("the event stream ends at once, again and again")).await
            }
            Err(error) if error.is_transient() => self.cut(error).await,
            Err(error) => Err(error),
        }
    }

    /// Whether there is nothing after the cursor and never will be.
    async fn settled(&mut self) -> Result<bool, ClientError> {
        // In this order: a task that is over writes no event, so an empty page read afterwards is final.
        let over = self.client.task(&self.task_id).await?.status.is_terminal();
        Ok(over && self.client.events(&self.task_id, self.cursor, 1).await?.events.is_empty())
    }

    /// Drops the connection and waits a little; gives up with `error` after too many attempts in a row.
    async fn cut(&mut self, error: ClientError) -> Result<(), ClientError> {
        if let Some(connection) = self.connection.take() {
            if connection.progressed {
                return Ok(());
            }
            if connection.lived() {
                self.failed = 0;
            }
        }
        self.failed += 1;
        let policy = self.client.retry();
        if self.failed >= policy.stream_attempts {
            return Err(error);
        }
        match policy.pause(self.failed, error.retry_after()) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(error),
        }
        Ok(())
    }
}
