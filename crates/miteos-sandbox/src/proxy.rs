//! The proxy of one run: takes `CONNECT` and nothing else, connects to listed hosts and nowhere else, and ends with the
//! run.
//!
//! It accepts on a socket of the sandbox's own network, so nothing but the run's programs can reach it. Looking names
//! up and judging addresses is the [dialler's](crate::Dial). In a tunnel it looks at the first message alone: whether it is
//! for the host that was asked for. What comes behind that it does not know.

mod head;
mod hello;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::egress::{DialError, Egress, HostPort, Way};
use head::{Asked, read_head};
use hello::{Hello, read_hello};

/// Bytes that are moved at once.
const PIECE: usize = 16 * 1024;

/// Pause after accepting failed, which it does when the server has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is still to be read of a request that was refused is dropped for so long, so that the answer is not lost.
const LINGER: Duration = Duration::from_millis(200);

/// A proxy at work. Dropped, it ends soon.
#[derive(Debug)]
pub(crate) struct Proxy {
    task: JoinHandle<()>,
    stop: DropGuard,
}

impl Proxy {
    pub fn start(listener: std::net::TcpListener, egress: Arc<Egress>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, egress, stop.clone()));
        Ok(Self { task, stop: stop.drop_guard() })
    }

    /// Returns when every connection is closed.
    pub async fn end(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "the proxy of a sandbox failed");
        }
    }
}

async fn serve(listener: TcpListener, egress: Arc<Egress>, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(egress.limits().connections.clamp(1, Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    let accepting = async {
        loop {
            // Without a place nothing is accepted: further connections wait in the kernel.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let egress = Arc::clone(&egress);
                    connections.spawn(async move {
                        connection(stream, &egress).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the proxy of a sandbox cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = egress.spent.cancelled() => tracing::info!("a program moved more through the proxy than it may"),
        () = accepting => {}
    }
    drop(listener);
    connections.shutdown().await;
}

async fn connection(mut program: TcpStream, egress: &Egress) {
    let asked = match timeout(egress.limits().head, read_head(&mut program)).await {
        Ok(Ok(Some(asked))) => asked,
        // It closed without asking for anything.
        Ok(Ok(None)) => return,
        Ok(Err(error)) => {
            tracing::debug!(%error, "a program's request could not be read");
            return;
        }
        Err(_) => return refuse(program, "408 Request Timeout", "the request did not come in time\n").await,
    };
    let (to, early) = match asked {
        Asked::Tunnel { to, early } => (to, early),
        Asked::TooLong => {
            return refuse(program, "431 Request Header Fields Too Large", "the request is too long\n").await;
        }
        Asked::Malformed => {
            return refuse(program, "400 Bad Request", "this is no request of HTTP/1.1\n").await;
        }
        Asked::Other { what } => {
            egress.note_refused(format!("{what} without TLS"));
            let text = "only CONNECT is served here: use https\n";
            return refuse(program, "405 Method Not Allowed\r\nAllow: CONNECT", text).await;
        }
        Asked::NoHost { what } => {
            egress.note_refused(what);
            return refuse(program, "403 Forbidden", &not_listed(egress)).await;
        }
    };
    if !egress.allowed().holds(&to) {
        tracing::info!(%to, "a program asked for a host that is not listed");
        egress.note_refused(to.to_string());
        return refuse(program, "403 Forbidden", &not_listed(egress)).await;
    }
    match timeout(egress.limits().dial, egress.dial(&to)).await {
        Ok(Ok(server)) => tunnel(program, server, &to, early, egress).await,
        Ok(Err(DialError::Refused(why))) => {
            tracing::info!(%to, why, "a listed host may not be reached");
            egress.note_refused(format!("{to} ({why})"));
            refuse(program, "403 Forbidden", &format!("{to}: {why}\n")).await;
        }
        Ok(Err(DialError::Unreachable(why))) => {
            tracing::info!(%to, why, "a listed host cannot be reached");
            egress.note_refused(format!("{to} ({why})"));
            refuse(program, "502 Bad Gateway", &format!("{to}: {why}\n")).await;
        }
        Err(_) => {
            egress.note_refused(format!("{to} (it did not answer in time)"));
            refuse(program, "504 Gateway Timeout", &format!("{to} did not answer in time\n")).await;
        }
    }
}

fn not_listed(egress: &Egress) -> String {
    format!("this host may not be reached from here, only: {}\n", egress.allowed())
}

/// Answers and closes.
async fn refuse(mut program: TcpStream, status: &str, text: &str) {
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    let sent = async {
        program.write_all(answer.as_bytes()).await?;
        program.shutdown().await
    };
    if let Err(error) = sent.await {
        tracing::debug!(%error, "a program did not wait for its answer");
        return;
    }
    // Closing with unread bytes would take the answer back.
    let rest = async {
        let mut piece = [0_u8; 1024];
        while matches!(program.read(&mut piece).await, Ok(read) if read > 0) {}
    };
    // The time is the end that is expected where a program keeps its side open.
    let _ = timeout(LINGER, rest).await;
}

/// Lets a tunnel begin, if its first message is for the host that it leads to. Nothing reaches the server before.
async fn begin(
    program: &mut TcpStream,
    server: &mut TcpStream,
    to: &HostPort,
    early: Vec<u8>,
    egress: &Egress,
) -> io::Result<()> {
    program.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    let read = timeout(egress.limits().head, read_hello(program, early));
    let (hello, read) = read.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    // A program that changes its mind says nothing.
    if read.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let wrong = match hello {
        Hello::Host(name) if name == to.host() => None,
        Hello::Nobody if to.is_address() => None,
        Hello::Host(name) => Some(format!("{name} through {to}")),
        Hello::Nobody => Some(format!("a host without a name through {to}")),
        Hello::Hidden => Some(format!(
            "a host that an encrypted ClientHello may hide (ECH or its GREASE; Bun sends none since 1.3.14) through {to}"
        )),
        Hello::Other => Some(format!("something else than TLS through {to}")),
    };
    if let Some(what) = wrong {
        tracing::info!(%to, what, "a program used a tunnel for somebody else");
        egress.note_refused(what.chars().filter(|c| !c.is_control()).collect::<String>());
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    if !egress.spend(Way::Up, read.len()) {
        return Err(io::ErrorKind::QuotaExceeded.into());
    }
    server.write_all(&read).await
}

async fn tunnel(program: TcpStream, mut server: TcpStream, to: &HostPort, early: Vec<u8>, egress: &Egress) {
    let mut program = program;
    if let Err(error) = begin(&mut program, &mut server, to, early, egress).await {
        tracing::debug!(%to, %error, "a tunnel could not be started");
        return;
    }
    let last = Activity::new();
    let (from_program, to_program) = program.split();
    let (from_server, to_server) = server.split();
    let up = forward(from_program, to_server, Way::Up, egress, &last);
    let down = forward(from_server, to_program, Way::Down, egress, &last);
    let ended = tokio::select! {
        moved = async { tokio::try_join!(up, down) } => moved.map(drop),
        () = last.idle_for(egress.limits().idle) => Err(io::ErrorKind::TimedOut.into()),
        // The loop that accepts ends at this too; here it ends the tunnel at once.
        () = egress.spent.cancelled() => Err(io::ErrorKind::QuotaExceeded.into()),
    };
    if let Err(error) = ended {
        tracing::debug!(%to, %error, "a tunnel was broken off");
    }
}

/// Moves bytes until the end of the one side, and says so to the other.
async fn forward(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    way: Way,
    egress: &Egress,
    last: &Activity,
) -> io::Result<()> {
    let mut piece = vec![0_u8; PIECE];
    loop {
        let read = from.read(&mut piece).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        if !egress.spend(way, read) {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        last.now();
        to.write_all(piece.get(..read).unwrap_or_default()).await?;
        last.now();
    }
}

/// When something moved last.
struct Activity {
    begun: Instant,
    last_ms: AtomicU64,
}

impl Activity {
    fn new() -> Self {
        Self { begun: Instant::now(), last_ms: AtomicU64::new(0) }
    }

    fn now(&self) {
        let ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(ms, Ordering::Relaxed);
    }

    /// Ends when nothing has moved for so long.
    async fn idle_for(&self, idle: Duration) {
        loop {
            let due = self.begun + Duration::from_millis(self.last_ms.load(Ordering::Relaxed)) + idle;
            if due <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(due).await;
        }
    }
}

#[cfg(test)]
mod tests;
