//! A small HTTP/1.1 client for loopback: it costs next to nothing beside the server that is measured. It knows the
//! few answers that the server gives and is no client for anything else.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::Failure;

/// The longest answer that is read (bytes).
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// The most header lines of an answer.
const MAX_HEADERS: usize = 64;

/// One connection that is kept open.
pub struct Connection {
    stream: BufReader<TcpStream>,
    key: String,
    host: SocketAddr,
}

/// An answer.
pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Connection {
    pub async fn open(server: SocketAddr, key: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), key: key.to_owned(), host: server })
    }

    pub async fn get(&mut self, path: &str) -> Result<Reply, Failure> {
        self.send("GET", path, "").await
    }

    pub async fn post(&mut self, path: &str, body: &str) -> Result<Reply, Failure> {
        self.send("POST", path, body).await
    }

    /// A read that must succeed, as JSON.
    pub async fn json(&mut self, path: &str) -> Result<serde_json::Value, Failure> {
        let reply = self.get(path).await?;
        if reply.status != 200 {
            let said = String::from_utf8_lossy(&reply.body);
            return Err(format!("GET {path} was answered with {}: {said}", reply.status).into());
        }
        Ok(serde_json::from_slice(&reply.body)?)
    }

    async fn send(&mut self, method: &str, path: &str, body: &str) -> Result<Reply, Failure> {
        let request = format!(
            "{method} /v1{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.host,
            self.key,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).await?;
        let status = self.line().await?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let mut length = 0;
        for _ in 0..MAX_HEADERS {
            let line = self.line().await?;
            if line.is_empty() {
                let mut body = vec![0; length];
                self.stream.read_exact(&mut body).await?;
                return Ok(Reply { status, body });
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
                if length > MAX_BODY_BYTES {
                    return Err(format!("the answer to {method} {path} has {length} bytes").into());
                }
            }
        }
        Err(format!("the answer to {method} {path} has more than {MAX_HEADERS} headers").into())
    }

    async fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            return Err("the server closed the connection".into());
        }
        Ok(line.trim_end().to_owned())
    }
}
