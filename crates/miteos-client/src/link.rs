//! One connection after another to a stream of frames: opened, read, cut, opened again, until it makes no sense any more.
//! It knows nothing of what the frames mean.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio::time::Instant;

use crate::client::{Call, Client};
use crate::error::ClientError;
use crate::sse::{Frame, Parser};

/// A connection that was heard of for longer than this had worked: its end is no failed attempt. Proxies end a
/// connection after a minute or two, and a task may wait for a person for days.
const LIVED: Duration = Duration::from_secs(30);

type Body = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

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

/// What a look at the connection brought.
pub(crate) enum Look {
    Frame(Frame),
    /// Perhaps there is more at the next look.
    Nothing,
    /// There is no connection.
    Closed,
    /// The server ended it in good order.
    Ended,
}

pub(crate) struct Link {
    client: Client,
    connection: Option<Connection>,
    ready: VecDeque<Frame>,
    /// Attempts in a row without news or a connection that lived.
    failed: u32,
}

impl Link {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, connection: None, ready: VecDeque::new(), failed: 0 }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A little further.
    pub(crate) async fn look(&mut self) -> Result<Look, ClientError> {
        if let Some(frame) = self.ready.pop_front() {
            return Ok(Look::Frame(frame));
        }
        let Some(connection) = &mut self.connection else { return Ok(Look::Closed) };
        match connection.body.next().await {
            Some(Ok(chunk)) => {
                connection.heard = Instant::now();
                let pushed = connection.parser.push(&chunk, &mut self.ready);
                pushed.map_err(|_| ClientError::protocol("an event is larger than any should be"))?;
            }
            Some(Err(error)) => {
                let error = self.client.unreachable(error);
                self.cut(error).await?;
            }
            None => return Ok(Look::Ended),
        }
        Ok(Look::Nothing)
    }

    /// Opens a connection, or waits a little.
    pub(crate) async fn open(&mut self, call: Call) -> Result<(), ClientError> {
        match self.client.send_once(&call.header("accept", "text/event-stream")).await {
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

    /// There was news, so this connection was worth it.
    pub(crate) fn progressed(&mut self) {
        self.failed = 0;
        if let Some(connection) = &mut self.connection {
            connection.progressed = true;
        }
    }

    /// The connection that has ended brought news: it is opened again at once. False: it brought none.
    pub(crate) fn close_if_progressed(&mut self) -> bool {
        let progressed = self.connection.as_ref().is_some_and(|connection| connection.progressed);
        if progressed {
            self.connection = None;
        }
        progressed
    }

    /// Drops the connection with what came by it and waits a little; gives up with `error` after too many attempts in a
    /// row.
    pub(crate) async fn cut(&mut self, error: ClientError) -> Result<(), ClientError> {
        self.ready.clear();
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
