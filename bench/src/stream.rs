//! A small client for event streams on loopback, SSE and WebSocket: it reads where each event stands in its log, and
//! no more, so that a thousand of them leave the machine to the server.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::Failure;

/// What a client reads at once (bytes).
const READ_BYTES: usize = 2 * 1024;
/// The longest message that is read (bytes).
const MAX_MESSAGE_BYTES: u64 = 16 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sse,
    Socket,
}

/// A task's events, one connection.
pub struct Stream {
    kind: Kind,
    io: BufReader<TcpStream>,
    line: Vec<u8>,
}

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// The event with this `seq`.
    Event(u64),
    /// The log has ended.
    End,
}

impl Stream {
    /// Follows a task from behind this event; `None` if there is nothing left to follow.
    pub async fn open(
        kind: Kind,
        server: SocketAddr,
        key: &str,
        task: &str,
        after: u64,
    ) -> Result<Option<Self>, Failure> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let io = BufReader::with_capacity(READ_BYTES, stream);
        let mut stream = Self { kind, io, line: Vec::new() };
        let common = format!("Host: {server}\r\nAuthorization: Bearer {key}\r\n");
        let request = match kind {
            Kind::Sse => format!(
                "GET /v1/tasks/{task}/events HTTP/1.1\r\n{common}Accept: text/event-stream\r\nLast-Event-ID: {after}\r\n\r\n"
            ),
            Kind::Socket => format!(
                "GET /v1/ws HTTP/1.1\r\n{common}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            ),
        };
        stream.io.get_mut().write_all(request.as_bytes()).await?;
        let status = stream.line().await?.ok_or("the server closed the connection")?;
        match status.split(' ').nth(1) {
            Some("200" | "101") => {}
            Some("204") => return Ok(None),
            _ => return Err(format!("a stream was refused: {status}").into()),
        }
        while !stream.line().await?.ok_or("the server closed the connection")?.is_empty() {}
        if kind == Kind::Socket {
            let subscribe = format!("{{\"type\":\"subscribe\",\"task_id\":\"{task}\",\"after\":{after}}}");
            stream.send(0x81, subscribe.as_bytes()).await?;
        }
        Ok(Some(stream))
    }

    /// The next event.
    pub async fn next(&mut self) -> Result<Came, Failure> {
        match self.kind {
            Kind::Sse => self.next_block().await,
            Kind::Socket => self.next_message().await,
        }
    }

    async fn next_block(&mut self) -> Result<Came, Failure> {
        let mut id = 0;
        loop {
            let Some(line) = self.line().await? else { return Ok(Came::End) };
            if let Some(number) = line.strip_prefix("id: ") {
                id = number.parse()?;
            } else if line.starts_with("data: ") {
                return Ok(Came::Event(id));
            } else if line == "0" {
                // The last chunk.
                return Ok(Came::End);
            }
        }
    }

    async fn next_message(&mut self) -> Result<Came, Failure> {
        loop {
            let mut head = [0; 2];
            self.io.read_exact(&mut head).await?;
            let length = match head[1] & 0x7f {
                126 => u64::from(self.io.read_u16().await?),
                127 => self.io.read_u64().await?,
                short => u64::from(short),
            };
            if length > MAX_MESSAGE_BYTES {
                return Err(format!("a message has {length} bytes").into());
            }
            let mut text = std::mem::take(&mut self.line);
            text.resize(usize::try_from(length)?, 0);
            self.io.read_exact(&mut text).await?;
            let came = match head[0] & 0x0f {
                0x1 => place(&text)?,
                0x8 => return Err("the server closed a WebSocket".into()),
                0x9 => {
                    self.send(0x8a, &text).await?;
                    None
                }
                _ => None,
            };
            self.line = text;
            if let Some(came) = came {
                return Ok(came);
            }
        }
    }

    /// Sends a short frame; the mask is all zeros.
    async fn send(&mut self, kind: u8, text: &[u8]) -> Result<(), Failure> {
        let mut frame = vec![kind];
        match u8::try_from(text.len()) {
            Ok(length) if length < 126 => frame.push(0x80 | length),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(text.len())?.to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(text);
        self.io.get_mut().write_all(&frame).await?;
        Ok(())
    }

    async fn line(&mut self) -> Result<Option<&str>, Failure> {
        self.line.clear();
        if self.io.read_until(b'\n', &mut self.line).await? == 0 {
            return Ok(None);
        }
        Ok(Some(std::str::from_utf8(&self.line)?.trim_end()))
    }
}

/// Where the event of a message stands, if it is one.
fn place(text: &[u8]) -> Result<Option<Came>, Failure> {
    if text.starts_with(b"{\"type\":\"ended\"") {
        return Ok(Some(Came::End));
    }
    if text.starts_with(b"{\"type\":\"error\"") {
        return Err(String::from_utf8_lossy(text).into_owned().into());
    }
    let mark = b"\"seq\":";
    let Some(at) = text.windows(mark.len()).position(|window| window == mark) else { return Ok(None) };
    let digits = text[at + mark.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    let seq = digits.fold(0_u64, |seq, digit| seq * 10 + u64::from(digit - b'0'));
    Ok(Some(Came::Event(seq)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_from_messages() {
        let read = |text: &str| place(text.as_bytes()).unwrap();
        assert_eq!(read("{\"id\":\"evt_1\",\"seq\":17,\"type\":\"x\"}"), Some(Came::Event(17)));
        assert_eq!(read("{\"type\":\"subscribed\",\"after\":3}"), None);
        assert_eq!(read("{\"type\":\"ended\",\"after\":3}"), Some(Came::End));
        assert!(place(b"{\"type\":\"error\",\"detail\":\"no\"}").is_err());
    }
}
