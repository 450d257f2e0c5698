//! For this crate's tests: a small HTTP server on loopback, and a house for tools.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use miteos_core::content::Sha256;
use miteos_core::ids::{AgentId, CallId, TaskId};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use ulid::Ulid;

use crate::http::{EgressPolicy, Guarded, Names};
use crate::search::SearchConfig;
use crate::services::{
    Blobs, CodeEnd, CodeError, CodeJob, CodeOutcome, CodeRunner, Memo, Memory, MemoryError, Services,
};
use crate::tool::ToolContext;
use crate::workspace::Workspace;

/// Answers every request on loopback with what a function makes of it; keeps what was asked.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
    pub(crate) connections: Arc<AtomicUsize>,
}

type Answer = dyn Fn(&str) -> Vec<u8> + Send + Sync;

impl Server {
    pub(crate) async fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, requests: Arc::default(), connections: Arc::default() };
        let (requests, connections) = (Arc::clone(&server.requests), Arc::clone(&server.connections));
        let answer: Arc<Answer> = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, Arc::clone(&answer), Arc::clone(&requests)));
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn reached(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn last(&self) -> String {
        self.requests.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

async fn serve(mut stream: TcpStream, answer: Arc<Answer>, requests: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if request.first() == Some(&0x16) {
            // The start of TLS, which is not spoken here.
            break;
        }
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0_usize) {
                break;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => request.extend_from_slice(&buffer[..read]),
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let reply = answer(&text);
    requests.lock().unwrap().push(text);
    let _ = stream.write_all(&reply).await;
    if reply.ends_with(HANG) {
        // Holds the connection open until the other side leaves.
        let _ = stream.read(&mut buffer).await;
    }
}

/// An answer that ends so is never finished.
pub(crate) const HANG: &[u8] = b"<hang>";

pub(crate) fn reply(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut reply =
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n", body.len())
            .into_bytes();
    reply.extend_from_slice(body);
    reply
}

pub(crate) fn ok(content_type: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    reply("200 OK", &format!("content-type: {content_type}\r\n"), body)
}

pub(crate) fn redirect(status: &str, to: &str) -> Vec<u8> {
    reply(status, &format!("location: {to}\r\n"), "")
}

/// Names that lead where a test wants.
#[derive(Default)]
pub(crate) struct MadeUpNames(pub(crate) HashMap<String, Vec<IpAddr>>);

#[async_trait]
impl Names for MadeUpNames {
    async fn look_up(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.0.get(host).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

pub(crate) fn names(list: &[(&str, &[&str])]) -> Arc<dyn Names> {
    let parse = |addresses: &[&str]| addresses.iter().map(|a| a.parse().unwrap()).collect();
    Arc::new(MadeUpNames(list.iter().map(|(name, to)| ((*name).to_owned(), parse(to))).collect()))
}

thread_local! {
    /// One a test, since a test has a thread of its own and building one takes a while.
    static OPEN: Guarded = Guarded::new(EgressPolicy::parse("127.0.0.0/8").unwrap());
}

/// A client that may reach loopback.
pub(crate) fn open_client() -> Guarded {
    OPEN.with(Guarded::clone)
}

/// Blobs in memory.
#[derive(Default)]
pub(crate) struct MemoryBlobs(pub(crate) Mutex<BTreeMap<String, Vec<u8>>>);

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, mut reader: Box<dyn AsyncRead + Send + Unpin>) -> io::Result<(Sha256, u64)> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).await?;
        let (sha256, size) = (Sha256::of(&bytes), bytes.len() as u64);
        self.0.lock().unwrap().insert(sha256.to_string(), bytes);
        Ok((sha256, size))
    }
}

#[derive(Default)]
pub(crate) struct MemoryMemory(pub(crate) Mutex<BTreeMap<(TaskId, String), String>>);

#[async_trait]
impl Memory for MemoryMemory {
    async fn remember(&self, task: TaskId, key: &str, value: &str) -> Result<(), MemoryError> {
        if value == "too much" {
            return Err(MemoryError::Refused("the memory is full; forget something first".to_owned()));
        }
        self.0.lock().unwrap().insert((task, key.to_owned()), value.to_owned());
        Ok(())
    }

    async fn recall(&self, task: TaskId, query: &str, limit: usize) -> Result<Vec<Memo>, MemoryError> {
        if query == "broken" {
            return Err(MemoryError::Storage("disk on fire at /secret/place".into()));
        }
        let kept = self.0.lock().unwrap();
        let theirs = kept.iter().filter(|((of, key), _)| *of == task && key.contains(query));
        Ok(theirs
            .take(limit)
            .map(|((_, key), value)| Memo { key: key.clone(), value: value.clone() })
            .collect())
    }
}

/// What a made-up program does.
pub(crate) type Program = dyn Fn(&CodeJob) -> Result<CodeOutcome, CodeError> + Send + Sync;

pub(crate) struct ScriptedCode {
    pub(crate) off: Option<String>,
    pub(crate) program: Box<Program>,
    pub(crate) runs: AtomicUsize,
}

impl ScriptedCode {
    pub(crate) fn new(
        program: impl Fn(&CodeJob) -> Result<CodeOutcome, CodeError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { off: None, program: Box::new(program), runs: AtomicUsize::new(0) })
    }

    pub(crate) fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

pub(crate) fn exited(code: i32, stdout: &str) -> CodeOutcome {
    CodeOutcome {
        end: CodeEnd::Exited(code),
        stdout: stdout.to_owned(),
        stderr: String::new(),
        duration: std::time::Duration::from_millis(100),
        notes: Vec::new(),
    }
}

#[async_trait]
impl CodeRunner for ScriptedCode {
    fn unavailable(&self) -> Option<String> {
        self.off.clone()
    }

    async fn run(&self, job: CodeJob, _cancel: CancellationToken) -> Result<CodeOutcome, CodeError> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        (self.program)(&job)
    }
}

/// A workspace, services and the context of a call.
pub(crate) struct House {
    pub(crate) folder: TempDir,
    pub(crate) ctx: ToolContext,
    pub(crate) blobs: Arc<MemoryBlobs>,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(ScriptedCode::new(|_| Ok(exited(0, ""))), SearchConfig::keyless())
    }

    pub(crate) fn with(code: Arc<dyn CodeRunner>, search: SearchConfig) -> Self {
        let folder = TempDir::new().unwrap();
        let blobs = Arc::new(MemoryBlobs::default());
        let services = Services {
            http: open_client(),
            search,
            code,
            blobs: Arc::clone(&blobs) as Arc<dyn Blobs>,
            memory: Arc::new(MemoryMemory::default()),
            calls_dir: folder.path().join("calls"),
        };
        let ctx = ToolContext {
            call_id: CallId(Ulid::from_parts(1, 1)),
            task: TaskId(Ulid::from_parts(1, 2)),
            agent: AgentId(Ulid::from_parts(1, 3)),
            attempt: 1,
            workspace: Workspace::create(folder.path().join("ws")).unwrap(),
            cancel: CancellationToken::new(),
            background: TaskTracker::new(),
            services: Arc::new(services),
            progress: None,
            live: true,
        };
        Self { folder, ctx, blobs }
    }

    /// The context of another call.
    pub(crate) fn call(&self, number: u128) -> ToolContext {
        ToolContext { call_id: CallId(Ulid::from_parts(2, number)), ..self.ctx.clone() }
    }

    pub(crate) fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join("ws").join(name)).unwrap()
    }

    pub(crate) fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.folder.path().join("ws").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}
