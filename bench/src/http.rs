//! A small HTTP/1.1 client for loopback: it costs next to nothing beside the server that is measured. It knows the
//! few answers that the server gives and is no client for anything else.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::Failure;

/// The longest answer that is read (bytes).
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// What is written or read at once of a big file (bytes).
const CHUNK_BYTES: usize = 64 * 1024;
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

    /// Uploads one file of zeros, which is never held, into a folder of the API.
    pub async fn upload(&mut self, path: &str, name: &str, bytes: u64) -> Result<Reply, Failure> {
        let head = format!(
            "--bench\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        let tail = "\r\n--bench--\r\n";
        let length = bytes + (head.len() + tail.len()) as u64;
        let request = format!(
            "POST /v1{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: multipart/form-data; boundary=bench\r\nContent-Length: {length}\r\n\r\n{head}",
            self.host, self.key
        );
        let stream = self.stream.get_mut();
        stream.write_all(request.as_bytes()).await?;
        let chunk = vec![0_u8; CHUNK_BYTES];
        let mut left = bytes;
        while left > 0 {
            let now = usize::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
            stream.write_all(&chunk[..now]).await?;
            left -= now as u64;
        }
        stream.write_all(tail.as_bytes()).await?;
        let (status, length) = self.head().await?;
        self.body(status, length).await
    }

    /// Reads an answer to its end and keeps nothing; gives its length.
    pub async fn drain(&mut self, path: &str) -> Result<u64, Failure> {
        let request = format!(
            "GET /v1{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
            self.host, self.key
        );
        self.stream.get_mut().write_all(request.as_bytes()).await?;
        let (status, length) = self.head().await?;
        if status != 200 {
            return Err(format!("GET {path} was answered with {status}").into());
        }
        let mut chunk = vec![0_u8; CHUNK_BYTES];
        let mut left = length;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
            match self.stream.read(&mut chunk[..most]).await? {
                0 => return Err(format!("GET {path} ended {left} bytes too early").into()),
                read => left -= read as u64,
            }
        }
        Ok(length)
    }

    async fn send(&mut self, method: &str, path: &str, body: &str) -> Result<Reply, Failure> {
        let request = format!(
            "{method} /v1{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.host,
            self.key,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).await?;
        let (status, length) = self.head().await?;
        self.body(status, length).await
    }

    /// Status and length of an answer.
    async fn head(&mut self) -> Result<(u16, u64), Failure> {
        let status = self.line().await?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let mut length = 0;
        for _ in 0..MAX_HEADERS {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok((status, length));
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
        }
        Err(format!("an answer has more than {MAX_HEADERS} headers").into())
    }

    async fn body(&mut self, status: u16, length: u64) -> Result<Reply, Failure> {
        let length = usize::try_from(length).ok().filter(|length| *length <= MAX_BODY_BYTES);
        let mut body = vec![0; length.ok_or("an answer is too long to be held")?];
        self.stream.read_exact(&mut body).await?;
        Ok(Reply { status, body })
    }

    async fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            return Err("the server closed the connection".into());
        }
        Ok(line.trim_end().to_owned())
    }
}
