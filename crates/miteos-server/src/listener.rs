//! Connections as they come in: small writes go out at once, and a peer that takes nothing of what waits for it is cut
//! off after a while. So no slow or vanished reader holds memory or a place for ever; it resumes by its cursor.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

/// Hands out connections that are cut when they are not read.
pub struct Attentive {
    pub listener: TcpListener,
    /// How long a peer may take nothing.
    pub unread: Duration,
}

impl Attentive {
    /// The next connection, once there is a place for it.
    pub async fn accept(&mut self, places: &Arc<Semaphore>) -> Connection {
        // The semaphore is never closed, so there always is a place in the end.
        let place = Arc::clone(places).acquire_owned().await.ok();
        // It waits a second where the system has no file left, and passes over connections that are gone again.
        let (stream, _) = Listener::accept(&mut self.listener).await;
        if let Err(error) = stream.set_nodelay(true) {
            // It works without, some milliseconds later.
            tracing::debug!(%error, "a connection cannot be told not to wait");
        }
        give_up_unanswered(&stream);
        Connection { stream, waiting: None, unread: self.unread, _place: place }
    }
}

/// How long what was sent may stay without an answer of the peer's machine before the connection is dead (ms).
#[cfg(target_os = "linux")]
const UNANSWERED_MS: u32 = 60_000;

/// A machine that vanished answers nothing. Without this its connection would be taken for open for a quarter of an
/// hour, since keep-alives fit into the buffers.
#[cfg(target_os = "linux")]
fn give_up_unanswered(stream: &TcpStream) {
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(stream, UNANSWERED_MS) {
        tracing::debug!(%error, "a connection cannot be told when to give up");
    }
}

#[cfg(not(target_os = "linux"))]
fn give_up_unanswered(_: &TcpStream) {}

/// Open files where the system does not say how many there may be.
const USUAL_FILES: u64 = 1_024;
/// Connections are at most half of all open files, and at most this many.
const MAX_CONNECTIONS: u64 = 200_000;

/// Lets this process have as many open files as the system grants it: each connection is one, and many systems begin
/// with a thousand. Returns how many connections may be open at once.
pub fn allow_many_files() -> usize {
    let files = files_allowed().unwrap_or(USUAL_FILES);
    usize::try_from((files / 2).clamp(1, MAX_CONNECTIONS)).unwrap_or(1)
}

#[cfg(target_os = "linux")]
fn files_allowed() -> Option<u64> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let before = getrlimit(Resource::Nofile);
    let mut limit = before;
    limit.current = limit.maximum;
    match setrlimit(Resource::Nofile, limit) {
        // Without a limit.
        Ok(()) => Some(limit.current.unwrap_or(u64::MAX)),
        Err(error) => {
            tracing::debug!(%error, "the limit of open files stays as it is");
            before.current
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn files_allowed() -> Option<u64> {
    None
}

/// A connection whose writes fail when the peer takes nothing for too long.
pub struct Connection {
    stream: TcpStream,
    /// Runs while something waits to be taken.
    waiting: Option<Pin<Box<Sleep>>>,
    unread: Duration,
    /// Its place among all connections, also after it has become a WebSocket.
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// The address at the other end, as long as there is one.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.stream.peer_addr().ok()
    }

    fn in_time<T>(&mut self, cx: &mut Context<'_>, wrote: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.waiting = None;
            return wrote;
        }
        let unread = self.unread;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(unread)));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing")))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.in_time(cx, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.in_time(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
