//! What the tests share: a folder with a site, the tools, a journal that keeps states, and a whole deployment.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use miteos_deploy::expo::NoRunner;
use miteos_deploy::site::{Index, scan};
use miteos_deploy::{
    Artifact, Bases, Clock, Config, DeployError, Job, Keeper, Line, Order, Pace, Release, Site, SiteError,
    State, Target, TargetKind, Tools, drive, open,
};
use miteos_tools::http::{EgressPolicy, Guarded};
use miteos_tools::workspace::{Name, Workspace};
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// 2026-01-01T00:00:00Z.
pub const NOW_MS: u64 = 1_767_225_600_000;

/// A clock that goes on by a millisecond each time it is asked.
pub struct Ticking(AtomicU64);

impl Ticking {
    pub fn forward(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for Ticking {
    fn now_ms(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

pub fn clock() -> Arc<Ticking> {
    Arc::new(Ticking(AtomicU64::new(NOW_MS)))
}

/// Without pauses worth the name.
pub fn quick() -> Pace {
    Pace { attempts: 3, base_ms: 1, cap_ms: 2, max_inline_ms: 50, max_poll_ms: 1, parallel: 4 }
}

thread_local! {
    /// One client for a test, whose runtime its connections belong to: making one reads the machine's certificates,
    /// which takes longer than a whole deployment here.
    static CLIENT: Guarded = Guarded::new(EgressPolicy::parse("127.0.0.0/8").unwrap());
}

pub fn tools(kind: TargetKind, url: &str) -> Tools {
    Tools {
        http: CLIENT.with(Clone::clone),
        bases: Bases::default().with(kind, url).unwrap(),
        clock: clock(),
        pace: quick(),
        runner: Arc::new(NoRunner),
    }
}

pub fn target(tools: &Tools, kind: TargetKind, credentials: &Value, settings: &Value) -> Box<dyn Target> {
    open(Config::parse(kind, credentials, settings).unwrap(), tools)
}

/// A folder with files.
pub struct Folder {
    pub dir: TempDir,
    pub workspace: Workspace,
}

impl Folder {
    pub fn new(files: &[(&str, &[u8])]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(dir.path().to_owned()).unwrap();
        let folder = Self { dir, workspace };
        for (path, bytes) in files {
            folder.write(path, bytes);
        }
        folder
    }

    /// A small site with folders, letters that need care in addresses, and two files of one content.
    pub fn site() -> Self {
        Self::new(&[
            ("index.html", b"<h1>hello</h1>"),
            ("style.css", b"h1 { color: teal }"),
            ("assets/deep/na\u{ef}ve name.txt", b"text"),
            ("assets/copy.txt", b"text"),
            ("assets/empty.js", b""),
            ("big.bin", &vec![7_u8; 150_000]),
        ])
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub fn scan(&self, kind: TargetKind) -> Result<Site, SiteError> {
        scan(&self.workspace, &Name::folder("").unwrap(), kind.limits(), Index::Required, &[])
    }

    pub fn artifact(&self, target: &dyn Target) -> Artifact {
        let site = self.scan(target.kind()).unwrap();
        target.prepare(Artifact::Site(Arc::new(site))).unwrap()
    }
}

pub fn order(key: &str) -> Order {
    let order = Order { key: key.to_owned(), project: "ws-01abc".to_owned(), message: "a change".to_owned() };
    order.check().unwrap();
    order
}

/// Keeps states as a journal would: as text.
#[derive(Default)]
pub struct Journal(Mutex<Vec<String>>);

impl Journal {
    pub fn states(&self) -> Vec<State> {
        self.0.lock().unwrap().iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    pub fn last(&self, kind: TargetKind) -> State {
        self.states().pop().unwrap_or_else(|| State::new(kind))
    }
}

#[async_trait]
impl Keeper for Journal {
    async fn keep(&self, state: &State) -> Result<(), DeployError> {
        self.0.lock().unwrap().push(serde_json::to_string(state).unwrap());
        Ok(())
    }
}

/// All that one deployment needs.
pub struct Run {
    pub tools: Tools,
    pub target: Box<dyn Target>,
    pub artifact: Artifact,
    pub order: Order,
    pub journal: Journal,
    pub cancel: CancellationToken,
    pub lines: Mutex<Vec<Line>>,
}

impl Run {
    pub fn new(tools: Tools, target: Box<dyn Target>, artifact: Artifact, key: &str) -> Self {
        Self {
            tools,
            target,
            artifact,
            order: order(key),
            journal: Journal::default(),
            cancel: CancellationToken::new(),
            lines: Mutex::default(),
        }
    }

    /// From the last state that was kept to the end.
    pub async fn drive(&self) -> Result<Release, DeployError> {
        let log = |line: Line| self.lines.lock().unwrap().push(line);
        let job = Job { order: &self.order, artifact: &self.artifact, cancel: &self.cancel, log: &log };
        let state = self.journal.last(self.target.kind());
        drive(&*self.target, state, &job, &self.journal, &*self.tools.clock, &self.tools.pace).await
    }

    /// Drives until the condition holds; the deployment must not end before.
    pub async fn until(&self, met: impl Fn() -> bool) {
        let waiting = async {
            while !met() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            ended = self.drive() => panic!("it ended: {ended:?}"),
            met = tokio::time::timeout(Duration::from_secs(60), waiting) => met.expect("the condition is met"),
        }
    }

    /// Ends what was begun at the last state that was kept.
    pub async fn cancel(&self) -> Result<(), DeployError> {
        let cancel = CancellationToken::new();
        let job = Job { order: &self.order, artifact: &self.artifact, cancel: &cancel, log: &|_| {} };
        self.target.cancel(&self.journal.last(self.target.kind()), &job).await
    }

    /// How it is live all the same at the last state that was kept.
    pub async fn live_after_all(&self) -> Result<Option<State>, DeployError> {
        let cancel = CancellationToken::new();
        let job = Job { order: &self.order, artifact: &self.artifact, cancel: &cancel, log: &|_| {} };
        self.target.live_after_all(&self.journal.last(self.target.kind()), &job).await
    }

    pub fn said(&self, part: &str) -> bool {
        self.lines.lock().unwrap().iter().any(|line| line.text.contains(part))
    }
}
