//! `GET /ws`: the upgrade, and the key, which may come with it or in the first message.

mod session;
mod subscriptions;

use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::response::Response;
use miteos_api::ws::{ClientMessage, ServerMessage, close};
use miteos_store::KeyRow;
use tokio::time::Duration;

use super::App;
use super::auth::{Caller, unauthorised};
use super::error::ApiError;
use super::events::{connect, too_many};
use crate::connections::{Connection, Stranger, Transport};
use session::Session;

/// Largest message of a client that is read as one (bytes).
const MAX_MESSAGE_BYTES: usize = 16 * 1024;
/// Largest message that is received at all (bytes): a larger one ends the connection.
const MAX_RECEIVED_BYTES: usize = 256 * 1024;
/// What a connection reads at once (bytes): clients say little.
const READ_BYTES: usize = 1024;
/// Events are gathered up to this size before they are written (bytes).
const WRITE_BYTES: usize = 4 * 1024;
/// How long a client may take to answer a close (s).
const CLOSE_WAIT: Duration = Duration::from_secs(1);
/// When a WebSocket that was refused for the number of those without a key may be tried again (s).
const RETRY_AFTER_S: u32 = 10;

/// A WebSocket for any number of logs. See `miteos_api::ws` for what is said on it.
pub async fn open(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let known = if parts.headers.contains_key(AUTHORIZATION) {
        let caller = Caller::from_request_parts(&mut parts, &app).await?;
        caller.may("agents.read")?;
        Some(caller)
    } else {
        None
    };
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &app).await.map_err(|rejection| {
        if known.is_none() {
            return unauthorised(&parts.headers);
        }
        let why = rejection.body_text();
        ApiError::malformed(format!("a WebSocket handshake is expected here: {why}"))
    })?;
    let entry = match known {
        Some(caller) => {
            Entry::Known { connection: connect(&app, &caller.key, Transport::WebSocket)?, key: caller.key }
        }
        None => Entry::Unknown(app.connections.stranger().ok_or_else(|| {
            ApiError::too_many("too many WebSockets wait for their first message", RETRY_AFTER_S)
        })?),
    };
    let upgrade = upgrade
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(WRITE_BYTES)
        .max_message_size(MAX_RECEIVED_BYTES)
        .max_frame_size(MAX_RECEIVED_BYTES);
    let sockets = app.sockets.clone();
    Ok(upgrade.on_upgrade(move |socket| sockets.track_future(serve(app, socket, entry))))
}

enum Entry {
    Known { key: Arc<KeyRow>, connection: Connection },
    Unknown(Stranger),
}

async fn serve(app: Arc<App>, mut socket: WebSocket, entry: Entry) {
    let (key, connection) = match entry {
        Entry::Known { key, connection } => (key, connection),
        Entry::Unknown(stranger) => {
            let patience = tokio::time::timeout(app.streams.auth, introduced(&app, &mut socket));
            let introduced = tokio::select! {
                introduced = patience => introduced.unwrap_or_else(|_| {
                    let wait = app.streams.auth.as_secs();
                    Err(Refused::unauthorized(format!("no key came within {wait} s")))
                }),
                () = app.connections.stopped() => Err(Refused::stopping()),
            };
            drop(stranger);
            match introduced {
                Ok(known) => known,
                Err(refused) => return refuse(&mut socket, refused).await,
            }
        }
    };
    Session::new(app, socket, key, connection).run().await;
}

/// Why a connection is closed.
struct Refused {
    code: u16,
    detail: String,
}

impl Refused {
    fn unauthorized(detail: impl Into<String>) -> Self {
        Self { code: close::UNAUTHORIZED, detail: detail.into() }
    }

    fn stopping() -> Self {
        Self { code: axum::extract::ws::close_code::AWAY, detail: "the server is stopping".to_owned() }
    }
}

/// Reads the first message, which has to bring a key.
async fn introduced(app: &App, socket: &mut WebSocket) -> Result<(Arc<KeyRow>, Connection), Refused> {
    let expected = "the first message must be {\"type\":\"auth\",\"token\":\"mt_…\"}, unless the Authorization header was sent";
    let text = loop {
        match socket.recv().await {
            Some(Ok(Message::Text(text))) => break text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Binary(_) | Message::Close(_)) | Err(_)) | None => {
                return Err(Refused::unauthorized(expected));
            }
        }
    };
    let token = match serde_json::from_str(text.as_str()) {
        Ok(ClientMessage::Auth { token }) if text.len() <= MAX_MESSAGE_BYTES => token,
        Ok(_) | Err(_) => return Err(Refused::unauthorized(expected)),
    };
    let key = app.keys.find(&token, app.deps.clock.now()).await.map_err(|error| Refused {
        code: axum::extract::ws::close_code::ERROR,
        detail: ApiError::from(error).detail,
    })?;
    let key = key.ok_or_else(|| {
        Refused::unauthorized("the API key is not valid: it is unknown, expired or revoked")
    })?;
    let caller = Caller { key };
    caller.may("agents.read").map_err(|error| Refused { code: close::FORBIDDEN, detail: error.detail })?;
    let connection = app
        .connections
        .open(&caller.key, Transport::WebSocket)
        .map_err(|full| Refused { code: close::TOO_MANY, detail: too_many(full) })?;
    say(socket, &ServerMessage::Authenticated)
        .await
        .map_err(|_| Refused::unauthorized("the connection is gone"))?;
    Ok((caller.key, connection))
}

/// The peer is gone, or takes nothing.
#[derive(Debug)]
struct Gone;

async fn say(socket: &mut WebSocket, message: &ServerMessage) -> Result<(), Gone> {
    let text = serde_json::to_string(message).map_err(|_| Gone)?;
    socket.send(Message::Text(text.into())).await.map_err(|_| Gone)
}

/// Says why, closes, and waits a little for the other side to do so too.
async fn refuse(socket: &mut WebSocket, Refused { code, detail }: Refused) {
    let goodbye = async {
        let frame = CloseFrame { code, reason: reason(&detail).into() };
        if code != axum::extract::ws::close_code::AWAY {
            say(socket, &ServerMessage::Error { detail }).await?;
        }
        socket.send(Message::Close(Some(frame))).await.map_err(|_| Gone)?;
        while let Some(Ok(_)) = socket.recv().await {}
        Ok::<_, Gone>(())
    };
    // Who does not answer is left.
    let _ = tokio::time::timeout(CLOSE_WAIT, goodbye).await;
}

/// The reason of a close frame has room for 123 bytes.
fn reason(detail: &str) -> &str {
    &detail[..miteos_core::content::floor_boundary(detail, 123)]
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        let code = if error.status == StatusCode::SERVICE_UNAVAILABLE {
            axum::extract::ws::close_code::AWAY
        } else {
            axum::extract::ws::close_code::ERROR
        };
        Self { code, detail: error.detail }
    }
}
