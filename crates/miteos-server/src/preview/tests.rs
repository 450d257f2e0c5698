//! Sites that are really published, and asked for over a connection, byte by byte: an ordinary client would mend the
//! very requests that an attack consists of.

mod attacks;
mod files;
mod links;
mod publishing;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use miteos_core::ids::{AccountId, DeploymentId};
use miteos_core::time::Timestamp;
use miteos_deploy::Site;
use miteos_deploy::site::{Index, scan};
use miteos_store::{Store, StoreConfig};
use miteos_tools::workspace::{Name, Workspace};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

use super::{DEFAULT_MAX_BYTES, Hosts, LIMITS, Owner, Parts, Previews, Shown, router};
use crate::clock::Clock;
use crate::listener::Attentive;
use crate::metrics::Metrics;
use crate::secrets::MasterKey;
use crate::serve;

/// 2026-01-01T00:00:00Z.
const NOW_MS: u64 = 1_767_225_600_000;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The origin of the web page that may show previews in a frame.
const FRAMER: &str = "http://127.0.0.1:7700";

/// Stands still until it is told.
struct HandClock(AtomicU64);

impl HandClock {
    fn pass(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

#[async_trait::async_trait]
impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    async fn sleep_until(&self, _: Timestamp) {
        std::future::pending().await
    }
}

/// A folder with files.
struct Folder {
    dir: TempDir,
    workspace: Workspace,
}

impl Folder {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(dir.path().to_owned()).unwrap();
        let folder = Self { dir, workspace };
        for (path, bytes) in files {
            folder.write(path, bytes);
        }
        folder
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let file = self.dir.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }

    fn scan(&self) -> Site {
        scan(&self.workspace, &Name::folder("").unwrap(), LIMITS, Index::Required, &[]).unwrap()
    }
}

/// What a request was answered with.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap_or((line, "")))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self { status, headers, body: bytes[end + 4..].to_vec() }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A preview host with a data folder of its own.
struct Host {
    _folder: TempDir,
    store: Store,
    previews: Previews,
    address: SocketAddr,
    clock: Arc<HandClock>,
    stop: CancellationToken,
    next: AtomicU64,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Host {
    async fn start() -> Self {
        Self::under(None).await
    }

    /// Under other names than those of the machine itself.
    async fn under(hosts: Option<Hosts>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(StoreConfig::in_folder(folder.path())).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let clock = Arc::new(HandClock(AtomicU64::new(NOW_MS)));
        let previews = Previews::new(Parts {
            store: store.clone(),
            clock: clock.clone(),
            master: MasterKey::from_text("0123456789abcdef").unwrap(),
            hosts: hosts.unwrap_or_else(|| Hosts::at_home(address.port())),
            framers: vec![FRAMER.to_owned()],
            metrics: Arc::new(Metrics::new(clock.now())),
            max_bytes: DEFAULT_MAX_BYTES,
            lives_ms: None,
        });
        let stop = CancellationToken::new();
        let listener = Attentive { listener, unread: PATIENCE };
        tokio::spawn(serve::serve(listener, router(previews.clone()), 64, PATIENCE, stop.clone()));
        let next = AtomicU64::new(1);
        Self { _folder: folder, store, previews, address, clock, stop, next }
    }

    fn owner(&self) -> Owner {
        let n = self.next.fetch_add(1, Ordering::SeqCst);
        let id = Ulid::from_parts(NOW_MS, u128::from(n));
        Owner { deployment: DeploymentId(id), account: AccountId(Ulid::from_parts(NOW_MS, 1)), live: true }
    }

    async fn publish(&self, files: &[(&str, &[u8])]) -> Shown {
        let site = Folder::new(files);
        self.previews.publish_site(self.owner(), &site.scan(), &CancellationToken::new()).await.unwrap()
    }

    /// The host name of a preview, with the port.
    fn name(&self, preview: &Shown) -> String {
        format!("{}.localhost:{}", preview.row.label, self.address.port())
    }

    /// Sends these bytes and reads what comes until the end.
    async fn raw(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let talk = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(bytes.as_ref()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            Answer::parse(&answer)
        };
        tokio::time::timeout(PATIENCE, talk).await.expect("an answer comes in time")
    }

    /// A request whose target is written as it is.
    async fn send(&self, method: &str, target: &str, host: &str, headers: &[(&str, &str)]) -> Answer {
        let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        self.raw(format!("{head}\r\n")).await
    }

    async fn get(&self, preview: &Shown, target: &str) -> Answer {
        self.get_with(preview, target, &[]).await
    }

    async fn get_with(&self, preview: &Shown, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", target, &self.name(preview), headers).await
    }
}

/// How many files the store of blobs holds.
fn blobs(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { blobs(&entry.path()) } else { 1 }).sum()
}
