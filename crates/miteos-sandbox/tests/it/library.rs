//! The library in this process: cancelling, live output, the queue, short-lived threads, odd paths.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use miteos_sandbox::{
    AllowList, BackendChoice, Dial, DialError, Dialing, Egress, EgressLimits, Exit, HostPort, Limits,
    Network, OutputChunk, ReadOnly, RunOutcome, RunSpec, SYSTEM_PATH, Sandbox, SandboxConfig, SandboxError,
    Stream,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::bench::{PATIENCE, copy, processes_with, token, write};

const BACKENDS: [BackendChoice; 3] = [BackendChoice::Namespaces, BackendChoice::Bwrap, BackendChoice::None];

struct Place {
    folder: tempfile::TempDir,
    sandbox: Sandbox,
}

impl Place {
    async fn new(backend: BackendChoice, max_concurrent: usize) -> Self {
        let folder = tempfile::Builder::new().prefix("sändbox test ").tempdir().unwrap();
        std::fs::create_dir(folder.path().join("work space")).unwrap();
        let sandbox = Sandbox::probe(config(backend, max_concurrent, folder.path())).await;
        Self { folder, sandbox }
    }

    fn workspace(&self) -> PathBuf {
        self.folder.path().join("work space")
    }

    fn spec(&self, words: &[&str]) -> RunSpec {
        RunSpec {
            program: words.iter().map(Into::into).collect(),
            workspace: self.workspace(),
            cwd: PathBuf::new(),
            home_cache: None,
            read_only: Vec::new(),
            env: Vec::new(),
            stdin: Vec::new(),
            limits: Limits::snippet(),
            network: Network::Off,
            output: None,
        }
    }

    async fn run(&self, spec: RunSpec) -> Result<RunOutcome, SandboxError> {
        tokio::time::timeout(PATIENCE, self.sandbox.run(spec, CancellationToken::new())).await.unwrap()
    }
}

fn config(backend: BackendChoice, max_concurrent: usize, folder: &Path) -> SandboxConfig {
    SandboxConfig {
        backend,
        runtime_dir: folder.join("run time"),
        helper: env!("CARGO_BIN_EXE_sandbox-probe").into(),
        read_only_binds: Vec::new(),
        hidden_folders: Vec::new(),
        max_concurrent,
        drop_uid_base: 64_000,
    }
}

#[tokio::test]
async fn a_cancelled_run_is_dead_when_it_returns() {
    for backend in BACKENDS {
        let place = Place::new(backend, 2).await;
        let token = token("cancel");
        let script = format!("(setsid sh -c 'sleep 77; : {token}' & ) ; sleep 78; : {token}");
        let cancel = CancellationToken::new();
        let (sender, mut receiver) = mpsc::channel(8);
        let mut spec = place.spec(&["sh", "-c", &format!("echo started; {script}")]);
        spec.output = Some(sender);
        let run = place.sandbox.run(spec, cancel.clone());
        let stop = async {
            assert_eq!(receiver.recv().await.unwrap().bytes, b"started\n");
            cancel.cancel();
        };
        let (outcome, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(run, stop) }).await.unwrap();
        let outcome = outcome.unwrap();
        assert_eq!(outcome.exit, Exit::Cancelled, "{backend:?}");
        assert_eq!(outcome.isolated, backend != BackendChoice::None);
        assert_eq!(processes_with(&token), Vec::<String>::new(), "{backend:?}");
    }
}

/// Every host is this address.
struct To(std::net::SocketAddr);

impl Dial for To {
    fn dial<'a>(&'a self, _to: &'a HostPort) -> Dialing<'a> {
        Box::pin(async {
            TcpStream::connect(self.0).await.map_err(|error| DialError::Unreachable(error.to_string()))
        })
    }
}

/// A tunnel, whose program would keep it open for ever, ends with the run: cancelled, and dropped.
#[tokio::test]
async fn a_tunnel_is_closed_when_its_run_is_over() {
    for (backend, dropped) in [BackendChoice::Namespaces, BackendChoice::Bwrap]
        .into_iter()
        .flat_map(|one| [(one, false), (one, true)])
    {
        let place = Place::new(backend, 1).await;
        copy(Path::new(env!("CARGO_BIN_EXE_sandbox-probe")), &place.workspace().join("probe"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hosts = AllowList::new(["packages.example:443".parse().unwrap()]);
        let dial = Arc::new(To(listener.local_addr().unwrap()));
        let egress = Egress::new(hosts, dial, EgressLimits::packages());
        let mut spec = place.spec(&["./probe", "attack", "through-proxy", "CONNECT", "packages.example:443"]);
        spec.network = Network::Proxy(Arc::clone(&egress));
        let cancel = CancellationToken::new();
        let mut run = Box::pin(place.sandbox.run(spec, cancel.clone()));
        let mut tunnel = tokio::select! {
            outcome = &mut run => panic!("ended by itself: {outcome:?}"),
            accepted = tokio::time::timeout(PATIENCE, listener.accept()) => accepted.unwrap().unwrap().0,
        };
        tunnel.write_all(b"no end").await.unwrap();
        if dropped {
            drop(run);
        } else {
            cancel.cancel();
            let outcome = tokio::time::timeout(PATIENCE, run).await.unwrap().unwrap();
            assert_eq!(outcome.exit, Exit::Cancelled, "{backend:?}");
        }
        // In order or broken off; what counts is that it is over.
        let _ = tokio::time::timeout(PATIENCE, tunnel.read_to_end(&mut Vec::new())).await.unwrap();
        assert_eq!(egress.refused(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_dropped_run_dies_soon() {
    for backend in BACKENDS {
        let place = Place::new(backend, 2).await;
        let token = token("dropped");
        let (sender, mut receiver) = mpsc::channel(8);
        let mut spec = place.spec(&["sh", "-c", &format!("echo started; sleep 79; : {token}")]);
        spec.output = Some(sender);
        {
            let run = std::pin::pin!(place.sandbox.run(spec, CancellationToken::new()));
            tokio::select! {
                _ = run => panic!("ended by itself"),
                _ = receiver.recv() => {}
            }
        }
        let gone = async {
            while !processes_with(&token).is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.unwrap();
    }
}

#[tokio::test]
async fn cancelled_before_the_start_runs_nothing() {
    let place = Place::new(BackendChoice::Auto, 1).await;
    let cancel = CancellationToken::new();
    cancel.cancel();
    let outcome = place.sandbox.run(place.spec(&["touch", "made"]), cancel).await.unwrap();
    assert_eq!(outcome.exit, Exit::Cancelled);
}

#[tokio::test]
async fn lines_arrive_while_the_program_runs_and_a_full_listener_slows_nothing() {
    let place = Place::new(BackendChoice::Auto, 1).await;
    let (sender, mut receiver) = mpsc::channel(1000);
    let mut spec = place.spec(&["sh", "-c", "echo one; echo two >&2; printf three"]);
    spec.output = Some(sender);
    place.run(spec).await.unwrap();
    let mut chunks: Vec<OutputChunk> = Vec::new();
    while let Some(chunk) = receiver.recv().await {
        chunks.push(chunk);
    }
    let of = |stream| {
        chunks
            .iter()
            .filter(|chunk| chunk.stream == stream)
            .map(|chunk| chunk.bytes.as_slice())
            .collect::<Vec<_>>()
    };
    assert_eq!(of(Stream::Stdout), [b"one\n".as_slice(), b"three"]);
    assert_eq!(of(Stream::Stderr), [b"two\n"]);

    // Nobody listens: the program ends all the same.
    let (sender, receiver) = mpsc::channel(1);
    let mut spec = place.spec(&["sh", "-c", "seq 1 50000"]);
    spec.output = Some(sender);
    let outcome = place.run(spec).await.unwrap();
    drop(receiver);
    assert_eq!(outcome.exit, Exit::Code(0));
}

#[tokio::test]
async fn the_queue_has_an_end_and_waiting_can_be_cancelled() {
    let place = Arc::new(Place::new(BackendChoice::Auto, 1).await);
    let cancel = CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..66 {
        let (place, cancel) = (Arc::clone(&place), cancel.clone());
        tasks.spawn(async move { place.sandbox.run(place.spec(&["sleep", "60"]), cancel).await });
    }
    // One runs, 64 wait, and one is too many.
    let refused = tokio::time::timeout(PATIENCE, tasks.join_next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(refused, Err(SandboxError::Busy { waiting: 64 })), "{refused:?}");
    let status = place.sandbox.status();
    assert_eq!((status.running, status.waiting), (1, 64));
    cancel.cancel();
    while let Some(outcome) = tokio::time::timeout(PATIENCE, tasks.join_next()).await.unwrap() {
        assert_eq!(outcome.unwrap().unwrap().exit, Exit::Cancelled);
    }
    assert_eq!(place.sandbox.status().waiting, 0);
}

/// A sandbox must not die with the thread that started it.
#[test]
fn a_run_started_from_a_thread_that_ends_goes_on() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for backend in BACKENDS {
        let place = Arc::new(runtime.block_on(Place::new(backend, 2)));
        let (sender, mut receiver) = mpsc::channel(8);
        let mut spec = place.spec(&["sh", "-c", "echo started; sleep 0.3; echo still here"]);
        spec.output = Some(sender);
        // Polled for the first time, and so started, on a thread that is gone before the program ends.
        let handle = runtime.handle().clone();
        let first = Arc::clone(&place);
        let mut run = std::thread::spawn(move || {
            let _guard = handle.enter();
            let mut run: std::pin::Pin<Box<dyn Future<Output = _> + Send>> =
                Box::pin(async move { first.sandbox.run(spec, CancellationToken::new()).await });
            handle.block_on(async {
                tokio::select! {
                    _ = &mut run => panic!("ended already"),
                    _ = receiver.recv() => {}
                }
            });
            run
        })
        .join()
        .unwrap();
        let outcome =
            runtime.block_on(async { tokio::time::timeout(PATIENCE, &mut run).await }).unwrap().unwrap();
        assert_eq!(outcome.exit, Exit::Code(0), "{backend:?}");
        assert_eq!(outcome.stdout.to_text(), "started\nstill here\n");
    }
}

#[tokio::test]
async fn folders_with_spaces_and_letters_of_every_kind_work() {
    for backend in BACKENDS {
        let place = Place::new(backend, 2).await;
        let inner = place.workspace().join("Ünter ordner/\u{1F980}");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(inner.join("naïve file"), "content").unwrap();
        let mut spec = place.spec(&["cat", "naïve file"]);
        spec.cwd = "Ünter ordner/\u{1F980}".into();
        spec.env = vec![("WITH SPACE".into(), "ünï".into()), ("TERM".into(), "xterm".into())];
        let outcome = place.run(spec).await.unwrap();
        assert_eq!(outcome.stdout.to_text(), "content", "{backend:?} {}", outcome.stderr.to_text());
    }
}

#[tokio::test]
async fn a_home_cache_stays_and_a_temporary_home_does_not() {
    for backend in [BackendChoice::Namespaces, BackendChoice::Bwrap] {
        let place = Place::new(backend, 2).await;
        let home = place.folder.path().join("home cache");
        std::fs::create_dir(&home).unwrap();
        for expected in ["", "kept\n"] {
            let mut spec = place.spec(&["sh", "-c", "cat ~/note 2>/dev/null; echo kept > ~/note"]);
            spec.home_cache = Some(home.clone());
            assert_eq!(place.run(spec).await.unwrap().stdout.to_text(), expected);
        }
        for _ in 0..2 {
            let spec = place.spec(&["sh", "-c", "cat ~/note 2>/dev/null; echo kept > ~/note"]);
            assert_eq!(place.run(spec).await.unwrap().stdout.to_text(), "");
        }
    }
}

/// A folder that is not below /tmp, which programs have for themselves: the build's own, or the home.
fn outside_tmp() -> std::path::PathBuf {
    let places =
        [Some(env!("CARGO_TARGET_TMPDIR").into()), std::env::var_os("HOME").map(std::path::PathBuf::from)];
    let hidden = |place: &std::path::PathBuf| place.starts_with("/tmp") || place.starts_with("/var/tmp");
    places.into_iter().flatten().find(|place| !hidden(place)).expect("a folder that is not below /tmp")
}

#[tokio::test]
async fn listed_folders_are_seen_read_only_and_dangerous_ones_are_not() {
    for backend in [BackendChoice::Namespaces, BackendChoice::Bwrap] {
        let seen = tempfile::Builder::new().prefix("tools").tempdir_in(outside_tmp()).unwrap();
        write(&seen.path().join("tool"), "#!/bin/sh\necho tool ran\n", 0o755);
        std::fs::set_permissions(seen.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("work space")).unwrap();
        let mut config = config(backend, 1, folder.path());
        config.read_only_binds =
            vec![seen.path().to_owned(), "/".into(), "/proc".into(), "/var/tmp".into(), "relative".into()];
        let place = Place { sandbox: Sandbox::probe(config).await, folder };
        let script = format!("{0}/tool; echo x > {0}/new", seen.path().display());
        let outcome = place.run(place.spec(&["sh", "-c", &script])).await.unwrap();
        assert_eq!(outcome.stdout.to_text(), "tool ran\n", "{backend:?} {}", outcome.stderr.to_text());
        assert_ne!(outcome.exit, Exit::Code(0));
    }
}

/// Toolchains of the owner's home are shown to single runs, at places where they collide with nothing.
#[tokio::test]
async fn what_one_run_may_read_is_seen_where_it_is_told_and_by_no_other() {
    for backend in [BackendChoice::Namespaces, BackendChoice::Bwrap] {
        let place = Place::new(backend, 1).await;
        let own = place.folder.path().join("of the owner");
        std::fs::create_dir_all(own.join("lib/pack")).unwrap();
        write(&own.join("tool"), "#!/bin/sh\ncat /tools/lib/pack/text\n", 0o755);
        std::fs::write(own.join("lib/pack/text"), "the pack\n").unwrap();
        let shown = |name: &str, seen_at: &str| ReadOnly { source: own.join(name), seen_at: seen_at.into() };
        let script = "tool; ls /tools /tools/bin; echo x > /tools/lib/pack/text; echo x > /tools/new; cat /tools/lib/pack/text";
        let mut spec = place.spec(&["sh", "-c", script]);
        spec.env = vec![("PATH".to_owned(), format!("/tools/bin:{SYSTEM_PATH}"))];
        spec.read_only = vec![shown("tool", "/tools/bin/tool"), shown("lib/pack", "/tools/lib/pack")];
        let outcome = place.run(spec).await.unwrap();
        let (out, err) = (outcome.stdout.to_text(), outcome.stderr.to_text());
        assert_eq!(out, "the pack\n/tools:\nbin\nlib\n\n/tools/bin:\ntool\nthe pack\n", "{backend:?} {err}");
        let next = place.run(place.spec(&["sh", "-c", "ls /tools"])).await.unwrap();
        assert_ne!(next.exit, Exit::Code(0), "{backend:?}");
        for (source, seen_at, why) in [
            (own.clone(), "/proc/tools", "cover a folder of the sandbox"),
            (own.clone(), "/workspace/../tools", "not an absolute path"),
            (place.folder.path().to_owned(), "/tools", "the server's own folder"),
            (place.folder.path().join("run time/canary"), "/tools", "the server's own folder"),
        ] {
            let mut spec = place.spec(&["true"]);
            spec.read_only = vec![ReadOnly { source, seen_at: seen_at.into() }];
            let refused = place.run(spec).await.unwrap_err();
            assert!(
                matches!(&refused, SandboxError::Invalid(text) if text.contains(why)),
                "{seen_at}: {refused}"
            );
        }
    }
}

/// The server's own data may lie below a folder that programs read.
#[tokio::test]
async fn the_servers_folders_are_covered_where_they_would_be_seen() {
    let Ok(seen) = tempfile::Builder::new().prefix("sandbox-test").tempdir_in("/usr/local") else {
        // Only root can put something there.
        return;
    };
    std::fs::set_permissions(seen.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir(seen.path().join("work space")).unwrap();
    std::fs::write(seen.path().join("settings"), "secret").unwrap();
    for backend in [BackendChoice::Namespaces, BackendChoice::Bwrap] {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(backend, 1, seen.path());
        config.hidden_folders = vec![seen.path().to_owned(), "/usr".into(), "/".into()];
        let sandbox = Sandbox::probe(config).await;
        let place = Place { sandbox, folder };
        let mut spec =
            place.spec(&["sh", "-c", &format!("touch here; ls {0}; touch {0}/new", seen.path().display())]);
        spec.workspace = seen.path().join("work space");
        let outcome = place.run(spec).await.unwrap();
        assert_eq!(outcome.stdout.to_text(), "", "{backend:?} {}", outcome.stderr.to_text());
        assert_ne!(outcome.exit, Exit::Code(0), "{backend:?}");
        assert!(seen.path().join("work space/here").exists(), "{backend:?}");
    }
}

#[tokio::test]
async fn a_specification_that_makes_no_sense_is_refused() {
    let place = Place::new(BackendChoice::Auto, 1).await;
    let mut wrong = vec![place.spec(&[]), place.spec(&[""])];
    for cwd in ["/etc", "../outside", "a/../../b"] {
        let mut spec = place.spec(&["true"]);
        spec.cwd = cwd.into();
        wrong.push(spec);
    }
    let mut spec = place.spec(&["true"]);
    spec.env = vec![("A=B".into(), String::new())];
    wrong.push(spec);
    let mut spec = place.spec(&["true"]);
    spec.workspace = "relative".into();
    wrong.push(spec);
    let mut spec = place.spec(&["cat"]);
    spec.stdin = vec![0; miteos_sandbox::MAX_STDIN_BYTES + 1];
    wrong.push(spec);
    for spec in wrong {
        let refused = place.run(spec).await;
        assert!(matches!(refused, Err(SandboxError::Invalid(_))), "{refused:?}");
    }
    let mut spec = place.spec(&["true"]);
    spec.workspace = place.folder.path().join("missing");
    assert!(matches!(place.run(spec).await, Err(SandboxError::Setup { .. })));
    let mut spec = place.spec(&["true"]);
    spec.cwd = "missing".into();
    let refused = place.run(spec).await;
    assert!(
        matches!(&refused, Err(SandboxError::Setup { detail, .. }) if detail.contains("missing")),
        "{refused:?}"
    );
    std::os::unix::fs::symlink("/etc", place.folder.path().join("link")).unwrap();
    let mut spec = place.spec(&["ls"]);
    spec.workspace = place.folder.path().join("link");
    assert!(matches!(place.run(spec).await, Err(SandboxError::Setup { .. })));
}
