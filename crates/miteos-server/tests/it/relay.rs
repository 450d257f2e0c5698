//! A door in front of a server that can be killed: it keeps its address when the server gets another, cuts connections
//! where the test says, and shows the key for clients that cannot, as a reverse proxy does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use crate::harness::TestServer;

/// When connections are cut, besides when the server changes.
#[derive(Clone, Copy, PartialEq)]
pub enum Cut {
    Never,
    /// By turns in the middle of the first event, and behind it.
    EveryEvent,
}

/// Where a server is, and its key.
type Target = Option<(SocketAddr, String)>;

struct Inner {
    target: watch::Sender<Target>,
    cut: Cut,
    page: &'static str,
    results: mpsc::UnboundedSender<Value>,
    cuts: AtomicUsize,
}

pub struct Relay {
    pub address: SocketAddr,
    inner: Arc<Inner>,
    results: mpsc::UnboundedReceiver<Value>,
}

impl Relay {
    /// `page` is what it serves under `/?…`; what is posted to `/result` is given by [`Self::result`].
    pub async fn start(cut: Cut, page: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (results, heard) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            target: watch::Sender::new(None),
            cut,
            page,
            results,
            cuts: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&inner);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let inner = Arc::clone(&serving);
                tokio::spawn(async move { inner.serve(stream).await });
            }
        });
        Self { address, inner, results: heard }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends connections there from now on, and cuts those there are.
    pub fn aim(&self, server: &TestServer) {
        let address = server.url.trim_start_matches("http://").parse().unwrap();
        self.inner.target.send_replace(Some((address, server.key.clone())));
    }

    /// Cuts all connections; new ones are closed at once.
    pub fn aim_nowhere(&self) {
        self.inner.target.send_replace(None);
    }

    pub async fn result(&mut self) -> Value {
        self.results.recv().await.unwrap()
    }

    pub fn cuts(&self) -> usize {
        self.inner.cuts.load(Ordering::SeqCst)
    }
}

/// Where an event can be told by in any transport.
const MARK: &[u8] = b"\"seq\":";

fn find(bytes: &[u8], from: usize) -> Option<usize> {
    bytes[from..].windows(MARK.len()).position(|window| window == MARK).map(|at| at + from)
}

impl Inner {
    async fn serve(&self, mut client: TcpStream) -> Option<()> {
        let mut request = Vec::new();
        let end = loop {
            if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if client.read_buf(&mut request).await.ok()? == 0 {
                return None;
            }
        };
        let head = String::from_utf8(request[..end].to_vec()).ok()?;
        if head.starts_with("GET /?") {
            let (length, page) = (self.page.len(), self.page);
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}"
            );
            client.write_all(answer.as_bytes()).await.ok()?;
            return client.shutdown().await.ok();
        }
        if head.starts_with("POST /result ") {
            let named = |line: &str| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok();
            let length: usize = head.lines().find_map(named)?;
            while request.len() < end + length {
                client.read_buf(&mut request).await.ok()?;
            }
            client.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await.ok()?;
            self.results.send(serde_json::from_slice(&request[end..]).ok()?).ok()?;
            return client.shutdown().await.ok();
        }
        self.pass(client, head, &request[end..]).await
    }

    async fn pass(&self, client: TcpStream, head: String, rest: &[u8]) -> Option<()> {
        let mut target = self.target.subscribe();
        let (address, key) = target.borrow_and_update().clone()?;
        let mut server = TcpStream::connect(address).await.ok()?;
        let upgrade = head.to_ascii_lowercase().contains("\r\nupgrade: websocket");
        let (line, headers) = head.split_once("\r\n")?;
        let head = match upgrade {
            true => head,
            // Every answer ends its connection, so that no request passes without the key.
            false => {
                let kept: Vec<_> = headers
                    .split("\r\n")
                    .filter(|header| !header.to_ascii_lowercase().starts_with("connection:"))
                    .collect();
                let kept = kept.join("\r\n");
                format!("{line}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n{kept}")
            }
        };
        server.write_all(head.as_bytes()).await.ok()?;
        server.write_all(rest).await.ok()?;
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let up = tokio::io::copy(&mut from_client, &mut to_server);
        let down = self.down(&mut from_server, &mut to_client);
        tokio::select! {
            _ = up => {}
            _ = down => {}
            _ = target.changed() => {}
        }
        to_client.shutdown().await.ok()
    }

    /// Passes on what the server says, as far as the cut.
    async fn down(
        &self,
        from: &mut (impl AsyncReadExt + Unpin),
        to: &mut (impl AsyncWriteExt + Unpin),
    ) -> Option<()> {
        let mut chunk = vec![0; 256 * 1024];
        loop {
            let length = from.read(&mut chunk).await.ok().filter(|length| *length > 0)?;
            let bytes = &chunk[..length];
            let first = match self.cut {
                Cut::Never => None,
                Cut::EveryEvent => find(bytes, 0),
            };
            let Some(first) = first else {
                to.write_all(bytes).await.ok()?;
                continue;
            };
            let whole = self.cuts.fetch_add(1, Ordering::SeqCst) % 2 == 1;
            let until = match whole {
                false => first,
                // Into the event behind it, if there is one.
                true => find(bytes, first + 1).unwrap_or(length),
            };
            to.write_all(&bytes[..until]).await.ok()?;
            return to.flush().await.ok();
        }
    }
}
