//! A WebSocket client for tests: says JSON, hears JSON or how it was closed.

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::harness::{PATIENCE, TestServer};

pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What was heard.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    Said(Value),
    /// With this code; 1006 where none was given.
    Closed(u16),
}

impl Heard {
    pub fn said(self) -> Value {
        match self {
            Self::Said(value) => value,
            Self::Closed(code) => panic!("closed with {code}"),
        }
    }
}

impl Socket {
    /// Opens one; the error is the status and the detail of the refusal.
    pub async fn open(url: &str, key: Option<&str>) -> Result<Self, (u16, String)> {
        let mut request = format!("{}/v1/ws", url.replace("http://", "ws://")).into_client_request().unwrap();
        if let Some(key) = key {
            request.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                let body: Value = serde_json::from_slice(&body).unwrap_or_default();
                if response.status() == 429 {
                    assert!(response.headers().contains_key("retry-after"));
                }
                Err((response.status().as_u16(), body["detail"].as_str().unwrap_or_default().to_owned()))
            }
            Err(error) => Err((0, error.to_string())),
        }
    }

    pub async fn of(server: &TestServer) -> Self {
        Self::open(&server.url, Some(&server.key)).await.unwrap()
    }

    pub async fn say(&mut self, message: Value) {
        self.send(Message::Text(message.to_string().into())).await;
    }

    /// The peer may have closed already; what it said is still there to be heard.
    pub async fn send(&mut self, message: Message) {
        let _ = self.0.send(message).await;
    }

    pub async fn hear(&mut self) -> Heard {
        let hear = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => {
                        return Heard::Said(serde_json::from_str(text.as_str()).unwrap());
                    }
                    Some(Ok(Message::Close(frame))) => {
                        return Heard::Closed(frame.map_or(1005, |frame| frame.code.into()));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Heard::Closed(1006),
                }
            }
        };
        tokio::time::timeout(PATIENCE, hear).await.expect("something is said in time")
    }

    /// Subscribes, and gives the answer.
    pub async fn subscribe(&mut self, what: Value) -> Value {
        let mut message = json!({"type": "subscribe"});
        message.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
        self.say(message).await;
        self.hear().await.said()
    }

    /// Events up to the end of the subscription.
    pub async fn until_end(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let said = self.hear().await.said();
            match said["type"].as_str().unwrap() {
                "ended" => return events,
                "cursor" => {}
                _ => events.push(said),
            }
        }
    }

    pub async fn close(mut self) {
        let _ = self.0.close(None).await;
    }
}
