//! One WebSocket whose key is known: what the client asks for, and the events that go to it. What the peer does not
//! take is not read either, so it costs no memory.

use std::sync::Arc;

use axum::extract::ws::{Message, Utf8Bytes, WebSocket, close_code};
use futures::SinkExt;
use miteos_api::ws::{ClientMessage, ServerMessage};
use miteos_core::ids::TaskId;
use miteos_store::{KeyRow, Scope};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::super::App;
use super::super::error::ApiError;
use super::super::events::{account_after, head, subscribe};
use super::subscriptions::{MAX_SUBSCRIPTIONS, Subscriptions};
use super::{Gone, MAX_MESSAGE_BYTES, Refused, refuse};
use crate::connections::Connection;
use crate::feed::{FeedError, Log, Page, Types};
use crate::tier;

/// Messages that cannot be understood, after which the connection is closed.
const MAX_GARBAGE: u32 = 10;
/// Pings in a row without a sign of life, after which the peer is taken for dead.
const MAX_SILENT: u32 = 2;

pub struct Session {
    app: Arc<App>,
    socket: WebSocket,
    key: Arc<KeyRow>,
    connection: Connection,
    subscriptions: Subscriptions,
    garbage: u32,
    silent: u32,
}

/// How a session ends.
enum End {
    Gone,
    Refused(Refused),
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<Refused> for End {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl Session {
    pub fn new(app: Arc<App>, socket: WebSocket, key: Arc<KeyRow>, connection: Connection) -> Self {
        let subscriptions = Subscriptions::default();
        Self { app, socket, key, connection, subscriptions, garbage: 0, silent: 0 }
    }

    pub async fn run(mut self) {
        let end = self.work().await;
        let Self { mut socket, connection, .. } = self;
        if let End::Refused(refused) = end {
            refuse(&mut socket, refused).await;
        }
        // The place is free only now that the peer knows.
        drop(connection);
    }

    async fn work(&mut self) -> End {
        let every = self.app.streams.keep_alive;
        let mut ping = interval_at(Instant::now() + every, every);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut over = Box::pin(self.connection.over());
        loop {
            let done = tokio::select! {
                () = &mut over => Err(self.over()),
                message = self.socket.recv() => match message {
                    Some(message) => self.hear(message).await,
                    None => Err(End::Gone),
                },
                (log, page) = self.subscriptions.next() => self.pass_on(log, page).await,
                _ = ping.tick() => self.ping().await,
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    fn over(&self) -> End {
        End::Refused(match self.connection.server_stops() {
            true => Refused::stopping(),
            false => Refused::unauthorized("the API key was revoked or has expired"),
        })
    }

    /// Sends one after the other, as fast as the peer takes it.
    async fn send(&mut self, messages: impl Iterator<Item = Message>) -> Result<(), End> {
        let socket = &mut self.socket;
        let sending = async {
            for message in messages {
                socket.feed(message).await.map_err(|_| Gone)?;
            }
            socket.flush().await.map_err(|_| Gone)
        };
        tokio::select! {
            sent = sending => Ok(sent?),
            () = self.connection.over() => Err(self.over()),
        }
    }

    async fn say(&mut self, message: &ServerMessage) -> Result<(), End> {
        let text = serde_json::to_string(message).map_err(|error| Refused::from(ApiError::from(error)))?;
        self.send(std::iter::once(Message::Text(text.into()))).await
    }

    async fn pass_on(&mut self, log: Log, page: Result<Page, FeedError>) -> Result<(), End> {
        let page = page.map_err(|error| Refused::from(ApiError::from(error)))?;
        let texts = page.frames.iter().filter_map(|frame| Utf8Bytes::try_from(frame.json()).ok());
        self.send(texts.map(Message::Text)).await?;
        if page.ended {
            self.say(&ServerMessage::Ended { task_id: task_id(log), after: page.after }).await?;
        }
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), End> {
        if self.silent >= MAX_SILENT {
            return Err(End::Gone);
        }
        self.silent += 1;
        for (log, after) in self.subscriptions.positions() {
            self.say(&ServerMessage::Cursor { task_id: task_id(log), after }).await?;
        }
        self.send(std::iter::once(Message::Ping(Vec::new().into()))).await
    }

    async fn hear(&mut self, message: Result<Message, axum::Error>) -> Result<(), End> {
        self.silent = 0;
        let text = match message {
            Ok(Message::Text(text)) if text.len() <= MAX_MESSAGE_BYTES => text,
            Ok(Message::Text(text)) => {
                return self.refuse_garbage(too_large(text.len())).await;
            }
            Ok(Message::Binary(_)) => {
                return self.refuse_garbage("messages are JSON in text frames".to_owned()).await;
            }
            // The library answers pings itself.
            Ok(Message::Ping(_) | Message::Pong(_)) => return Ok(()),
            Ok(Message::Close(_)) => return Err(End::Gone),
            Err(error) => return Err(broken(error)),
        };
        match serde_json::from_str(text.as_str()) {
            Ok(message) => match self.over_the_limit(&message) {
                Some(detail) => self.refuse_garbage(detail).await,
                None => self.answer(message).await,
            },
            Err(error) => self.refuse_garbage(format!("the message is not understood: {error}")).await,
        }
    }

    /// What reads the log counts like a request of the key. One that goes on over the limit is closed like one that
    /// talks nonsense.
    fn over_the_limit(&self, message: &ClientMessage) -> Option<String> {
        match message {
            ClientMessage::Subscribe { .. } | ClientMessage::Unsubscribe { .. } => {}
            ClientMessage::Auth { .. } | ClientMessage::Ping => return None,
        }
        let limit = self.key.requests_per_minute;
        let limit = limit.unwrap_or_else(|| tier::requests_per_minute(&self.key.tier));
        let verdict = self.app.limits.take(self.key.id, limit, self.app.deps.clock.now());
        let detail = || {
            let wait = verdict.reset_s;
            format!("this key may make {limit} requests a minute, and has; try again in {wait} seconds")
        };
        (!verdict.allowed).then(detail)
    }

    async fn answer(&mut self, message: ClientMessage) -> Result<(), End> {
        let answer = match message {
            ClientMessage::Auth { .. } => Err(ApiError::refused("the key of this connection is set already")),
            ClientMessage::Subscribe { task_id, after, types } => self.subscribe(task_id, after, types).await,
            ClientMessage::Unsubscribe { task_id } => self.unsubscribe(task_id),
            ClientMessage::Ping => Ok(ServerMessage::Pong),
        };
        let answer = answer.unwrap_or_else(|error| ServerMessage::Error { detail: error.detail });
        // A log with nothing left to come ends at once.
        let ended = match &answer {
            ServerMessage::Subscribed { task_id: Some(id), after, .. } if !self.follows(id) => {
                Some(ServerMessage::Ended { task_id: Some(id.clone()), after: *after })
            }
            _ => None,
        };
        self.say(&answer).await?;
        match ended {
            Some(ended) => self.say(&ended).await,
            None => Ok(()),
        }
    }

    async fn subscribe(
        &mut self,
        task_id: Option<String>,
        after: Option<i64>,
        types: Option<Vec<String>>,
    ) -> Result<ServerMessage, ApiError> {
        let types = types
            .map(|words| Types::read(words.iter().map(String::as_str)))
            .transpose()
            .map_err(ApiError::refused)?;
        let words = types.as_ref().map(Types::words);
        let (log, after, over) = match &task_id {
            Some(id) => {
                let head = head(&self.app, &self.key, id).await?;
                let after = head.after(after)?;
                (Log::Task(head.task), after, head.over && after >= head.seq)
            }
            None => {
                let scope = self.scope();
                (Log::Account(scope), account_after(&self.app, scope, after).await?, false)
            }
        };
        if self.subscriptions.follows(log) {
            let what = "this is subscribed to already; unsubscribe first to begin elsewhere";
            return Err(ApiError::refused(what));
        }
        if self.subscriptions.len() >= MAX_SUBSCRIPTIONS {
            let what = format!(
                "a connection has at most {MAX_SUBSCRIPTIONS} subscriptions; that of the account holds all tasks"
            );
            return Err(ApiError::refused(what));
        }
        if !over {
            self.subscriptions.add(subscribe(&self.app, log, after, types));
        }
        Ok(ServerMessage::Subscribed { task_id, after, types: words })
    }

    fn unsubscribe(&mut self, task_id: Option<String>) -> Result<ServerMessage, ApiError> {
        let log = match &task_id {
            Some(id) => id.parse().ok().map(Log::Task),
            None => Some(Log::Account(self.scope())),
        };
        match log.is_some_and(|log| self.subscriptions.remove(log)) {
            true => Ok(ServerMessage::Unsubscribed { task_id }),
            false => Err(ApiError::refused("this is not subscribed to")),
        }
    }

    fn follows(&self, task: &str) -> bool {
        task.parse::<TaskId>().is_ok_and(|task| self.subscriptions.follows(Log::Task(task)))
    }

    fn scope(&self) -> Scope {
        Scope { account: self.key.account, live: self.key.live }
    }

    async fn refuse_garbage(&mut self, detail: String) -> Result<(), End> {
        self.garbage += 1;
        if self.garbage >= MAX_GARBAGE {
            let detail = format!("{detail}; {MAX_GARBAGE} such messages are enough");
            return Err(End::Refused(Refused { code: close_code::POLICY, detail }));
        }
        self.say(&ServerMessage::Error { detail }).await
    }
}

fn task_id(log: Log) -> Option<String> {
    match log {
        Log::Task(task) => Some(task.to_string()),
        Log::Account(_) => None,
    }
}

fn too_large(bytes: usize) -> String {
    format!("the message has {bytes} bytes; at most {MAX_MESSAGE_BYTES} are read")
}

/// What a read error is to the peer: some break the protocol, which it is told; else it is gone.
fn broken(error: axum::Error) -> End {
    let text = error.to_string();
    let code = if text.contains("too long") {
        close_code::SIZE
    } else if text.contains("utf-8") || text.contains("UTF-8") {
        close_code::INVALID
    } else {
        return End::Gone;
    };
    End::Refused(Refused { code, detail: format!("the message cannot be received: {text}") })
}
