//! A server that answers every request with one scripted reply and remembers what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often an endless body goes on.
const ENDLESS_PACE: Duration = Duration::from_millis(10);

#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// A whole response.
    Whole { status: u16, headers: Vec<(&'static str, String)>, body: String },
    /// A chunked stream of events.
    Stream { pieces: Vec<String>, then: Then },
    /// A body without an end, a piece at a time.
    Endless { status: u16, piece: &'static str },
    /// Nothing at all.
    Silence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    End,
    /// The connection breaks.
    Break,
    /// The connection stays open and still.
    Hang,
}

#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub path: String,
    pub headers: String,
    pub body: Value,
}

pub(super) struct StandIn {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    gone: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Reply {
    pub fn status(status: u16, body: &str) -> Self {
        Self::Whole { status, headers: vec![("content-type", "application/json".into())], body: body.into() }
    }

    /// `data:` frames, with the marker that ends a chat completion.
    pub fn chat(frames: &[&str]) -> Self {
        let mut pieces: Vec<String> = frames.iter().map(|frame| format!("data: {frame}\n\n")).collect();
        pieces.push("data: [DONE]\n\n".into());
        Self::Stream { pieces, then: Then::End }
    }

    /// `data:` frames and nothing else.
    pub fn frames(frames: &[&str], then: Then) -> Self {
        Self::Stream { pieces: frames.iter().map(|frame| format!("data: {frame}\n\n")).collect(), then }
    }

    /// `event:` and `data:` frames; the event is the data's type.
    pub fn typed(frames: &[&str], then: Then) -> Self {
        let piece = |frame: &&str| {
            let data: Value = serde_json::from_str(frame).unwrap();
            format!("event: {}\ndata: {frame}\n\n", data["type"].as_str().unwrap())
        };
        Self::Stream { pieces: frames.iter().map(piece).collect(), then }
    }
}

impl StandIn {
    pub async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (left, gone) = watch::channel(false);
        let log = asked.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (reply, log, left) = (reply.clone(), log.clone(), left.clone());
                tokio::spawn(async move {
                    // The other side may leave at any moment; that is part of the tests.
                    let _ = serve(stream, reply, &log).await;
                    left.send_replace(true);
                });
            }
        });
        Self { port, asked, gone, task }
    }

    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    pub fn asked(&self) -> Asked {
        self.asked.lock().unwrap().last().cloned().expect("nothing was asked")
    }

    /// Waits until a connection has ended.
    pub async fn is_left(&mut self) {
        self.gone.wait_for(|gone| *gone).await.unwrap();
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, reply: Reply, log: &Mutex<Vec<Asked>>) -> std::io::Result<()> {
    let asked = read(&mut stream).await?;
    log.lock().unwrap().push(asked);
    match reply {
        Reply::Whole { status, headers, body } => {
            let mut head = format!(
                "HTTP/1.1 {status} Scripted\r\nconnection: close\r\ncontent-length: {}\r\n",
                body.len()
            );
            for (name, value) in headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            stream.write_all(format!("{head}\r\n{body}").as_bytes()).await
        }
        Reply::Stream { pieces, then } => {
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await?;
            for piece in pieces {
                stream.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).await?;
                stream.flush().await?;
            }
            match then {
                Then::End => stream.write_all(b"0\r\n\r\n").await,
                Then::Break => Ok(()),
                Then::Hang => wait_for_the_end(&mut stream).await,
            }
        }
        Reply::Endless { status, piece } => {
            let head = format!(
                "HTTP/1.1 {status} Scripted\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(format!("{piece}\n").as_bytes()).await?;
                tokio::time::sleep(ENDLESS_PACE).await;
            }
        }
        Reply::Silence => wait_for_the_end(&mut stream).await,
    }
}

async fn wait_for_the_end(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut rest = [0; 64];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

async fn read(stream: &mut TcpStream) -> std::io::Result<Asked> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&buffer[..n]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let headers = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let length = headers.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
        if bytes.len() < end + 4 + length {
            continue;
        }
        let body = serde_json::from_slice(&bytes[end + 4..]).unwrap_or(Value::Null);
        let path = headers.split_whitespace().nth(1).unwrap_or_default().to_owned();
        return Ok(Asked { path, headers, body });
    }
}
