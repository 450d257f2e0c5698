//! A workspace, a helper program and a user, for one test.

use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use miteos_sandbox::{Exit, Limits, RunOutcome, Status};
use serde::Deserialize;
use serde_json::json;

/// The ordinary user of these tests, where the process is root.
const ORDINARY: u32 = 12_345;

/// Longest wait for anything outside our control.
pub const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The server is root, and its programs are somebody else.
    Root,
    /// The server is an ordinary user.
    User,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    Namespaces,
    Bwrap,
}

impl With {
    pub fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::Bwrap => "bwrap",
        }
    }
}

pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|found| std::os::unix::fs::MetadataExt::uid(&found) == 0)
}

/// Every kind of user this process can be, with every backend.
pub fn everywhere() -> Vec<(Who, With)> {
    let bwrap =
        ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"].iter().any(|path| Path::new(path).exists());
    assert!(
        bwrap,
        "bubblewrap is missing: install it (`apt install bubblewrap`); these tests need both backends"
    );
    let users = if is_root() { vec![Who::Root, Who::User] } else { vec![Who::User] };
    users.into_iter().flat_map(|who| [(who, With::Namespaces), (who, With::Bwrap)]).collect()
}

/// The same for each of [`everywhere`], side by side: for tests that mostly wait.
pub fn everywhere_at_once(test: impl Fn(Who, With) + Sync) {
    std::thread::scope(|scope| {
        for (who, with) in everywhere() {
            let test = &test;
            scope.spawn(move || test(who, with));
        }
    });
}

/// What `drive` answers.
#[derive(Debug, Deserialize)]
pub struct Answer {
    pub status: Status,
    pub results: Vec<Result<RunOutcome, String>>,
}

/// One run for `drive`.
#[derive(Clone, Debug)]
pub struct Run {
    pub program: Vec<String>,
    pub stdin: String,
    pub limits: Limits,
    /// Listed hosts, and the port of this machine's loopback that all of them lead to.
    pub proxy: Option<(Vec<String>, u16)>,
}

/// A run of the given words with the limits of a snippet.
pub fn run(words: &[&str]) -> Run {
    Run {
        program: words.iter().map(|word| (*word).to_owned()).collect(),
        stdin: String::new(),
        limits: Limits::snippet(),
        proxy: None,
    }
}

/// The probe program as it is seen in the sandbox.
pub fn probe(words: &[&str]) -> Run {
    let mut run = run(&["./probe"]);
    run.program.extend(words.iter().map(|word| (*word).to_owned()));
    run
}

pub struct Bench {
    who: Who,
    folder: tempfile::TempDir,
}

impl Bench {
    /// For root, the folder can be entered by nobody else: the sandbox must cope.
    pub fn new(who: Who) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let bench = Self { who, folder };
        for name in ["workspace", "runtime", "host"] {
            std::fs::create_dir(bench.path(name)).unwrap();
        }
        copy(Path::new(env!("CARGO_BIN_EXE_sandbox-probe")), &bench.path("probe"));
        // A link, so that root's walk leaves it alone and no copy is needed.
        std::fs::hard_link(bench.path("probe"), bench.path("workspace/probe")).unwrap();
        std::fs::hard_link(bench.path("probe"), bench.path("host/probe")).unwrap();
        bench.give_away();
        bench
    }

    fn give_away(&self) {
        if let Some(user) = self.user() {
            for name in ["", "workspace", "runtime", "host"] {
                chown(self.path(name), Some(user), Some(user)).unwrap();
            }
        }
    }

    fn user(&self) -> Option<u32> {
        (self.who == Who::User && is_root()).then_some(ORDINARY)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.folder.path().to_owned() } else { self.folder.path().join(name) }
    }

    pub fn workspace(&self) -> PathBuf {
        self.path("workspace")
    }

    /// A program of the host, as this bench's user, outside any sandbox.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path("host"));
        if let Some(user) = self.user() {
            command.uid(user).gid(user);
        }
        command
    }

    /// The probe program on the host.
    pub fn on_host(&self, words: &[&str]) -> String {
        let output = self.command(self.path("probe")).args(words).stdin(Stdio::null()).output().unwrap();
        text_of(&output)
    }

    pub fn request(&self, with: With, runs: &[Run], parallel: bool, announce: bool) -> String {
        let runs: Vec<_> = runs
            .iter()
            .map(|run| {
                let proxy = run.proxy.as_ref().map(|(hosts, port)| json!({"hosts": hosts, "to_port": port}));
                json!({"program": run.program, "stdin": run.stdin, "limits": run.limits, "proxy": proxy,
                       "workspace": self.workspace()})
            })
            .collect();
        json!({"backend": with.name(), "runtime_dir": self.path("runtime"), "max_concurrent": 8,
               "parallel": parallel, "announce": announce, "runs": runs})
        .to_string()
    }

    /// Runs through the library, one after the other, in a server of this bench's user.
    pub fn drive(&self, with: With, runs: &[Run]) -> Answer {
        let mut command = self.command(self.path("probe"));
        command.arg("drive");
        self.drive_by(command, &self.request(with, runs, false, false))
    }

    /// As [`Self::drive`], by a command that ends up as `probe drive`.
    pub fn drive_by(&self, mut command: Command, request: &str) -> Answer {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text_of(&output)))
    }

    /// One run; it must have been started.
    pub fn outcome(&self, with: With, run: Run) -> RunOutcome {
        let mut answer = self.drive(with, &[run]);
        answer.results.remove(0).unwrap_or_else(|error| panic!("{with:?} {:?}: {error}", self.who))
    }

    /// One run that must end well; its output.
    pub fn output(&self, with: With, run: Run) -> String {
        let outcome = self.outcome(with, run);
        assert_eq!(outcome.exit, Exit::Code(0), "{with:?} {:?}: {}", self.who, outcome.stderr.to_text());
        outcome.stdout.to_text()
    }
}

pub fn text_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Copies a program by another process. If this one had it open for writing, a fork in another test's thread
/// could keep it open, and it could not be executed.
pub fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
}

/// As [`copy`], from a text, with permission bits.
pub fn write(path: &Path, text: &str, mode: u32) {
    let mut child =
        Command::new("sh").args(["-c", "cat > \"$0\""]).arg(path).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Processes of this machine whose arguments contain the token.
pub fn processes_with(token: &str) -> Vec<String> {
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == own || !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(token) {
            found.push(format!("{name}: {line}"));
        }
    }
    found
}

/// Waits for something that must happen soon.
pub fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < PATIENCE, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A word that no other process of this machine has in its arguments.
pub fn token(name: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("token-{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
