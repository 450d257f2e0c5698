//! `code_exec` with the real sandbox: that programs find their workspace, their modules and their limits. Where no
//! sandbox works, that it says so and runs nothing.

#![expect(clippy::unwrap_used, reason = "a test without a harness")]

use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use miteos_core::content::Sha256;
use miteos_core::ids::{AgentId, CallId, TaskId};
use miteos_sandbox::{BackendChoice, Sandbox, SandboxConfig};
use miteos_tools::http::{EgressPolicy, Guarded};
use miteos_tools::search::SearchConfig;
use miteos_tools::services::{CodeRunner, Memo, MemoryError};
use miteos_tools::{
    Blobs, Memory, Registry, Services, Settled, ToolContext, ToolError, ToolOutput, Workspace, forget,
};
use serde_json::{Value, json};
use tokio::io::AsyncRead;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use ulid::Ulid;

struct Nothing;

#[async_trait]
impl Blobs for Nothing {
    async fn put(&self, _reader: Box<dyn AsyncRead + Send + Unpin>) -> io::Result<(Sha256, u64)> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[async_trait]
impl Memory for Nothing {
    async fn remember(&self, _task: TaskId, _key: &str, _value: &str) -> Result<(), MemoryError> {
        Ok(())
    }

    async fn recall(&self, _task: TaskId, _query: &str, _limit: usize) -> Result<Vec<Memo>, MemoryError> {
        Ok(Vec::new())
    }
}

struct Calls {
    ctx: ToolContext,
    registry: Registry,
    next: u128,
}

impl Calls {
    fn new(folder: &Path, sandbox: Sandbox) -> Self {
        let services = Services {
            http: Guarded::new(EgressPolicy::default()),
            search: SearchConfig::keyless(),
            code: Arc::new(sandbox),
            blobs: Arc::new(Nothing),
            memory: Arc::new(Nothing),
            calls_dir: folder.join("calls"),
        };
        let ctx = ToolContext {
            call_id: CallId(Ulid::from_parts(1, 0)),
            task: TaskId(Ulid::from_parts(1, 1)),
            agent: AgentId(Ulid::from_parts(1, 2)),
            attempt: 1,
            workspace: Workspace::create(folder.join("ws")).unwrap(),
            cancel: CancellationToken::new(),
            background: TaskTracker::new(),
            services: Arc::new(services),
            progress: None,
            live: true,
        };
        Self { ctx, registry: Registry::builtin(), next: 0 }
    }

    async fn call(&mut self, tool: &str, input: Value) -> Result<ToolOutput, ToolError> {
        self.next += 1;
        self.ctx.call_id = CallId(Ulid::from_parts(2, self.next));
        self.registry.check(tool, &input).unwrap();
        self.registry.get(tool).unwrap().run(&self.ctx, input).await
    }

    async fn run(&mut self, language: &str, code: &str) -> String {
        let input = json!({"language": language, "code": code, "timeout_s": 20});
        self.call("code_exec", input).await.unwrap_or_else(|error| panic!("{language}: {error:?}")).text
    }
}

fn main() {
    miteos_sandbox::run_helper_if_asked();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(all());
}

async fn all() {
    let folder = tempfile::tempdir().unwrap();
    open_to_the_sandbox(folder.path());
    let config = SandboxConfig {
        backend: BackendChoice::Auto,
        runtime_dir: folder.path().join("run"),
        helper: std::env::current_exe().unwrap(),
        read_only_binds: Vec::new(),
        hidden_folders: Vec::new(),
        max_concurrent: 2,
        drop_uid_base: 64_000,
    };
    let sandbox = Sandbox::probe(config).await;
    let off = sandbox.unavailable();
    let mut calls = Calls::new(folder.path(), sandbox);
    if let Some(why) = off {
        let refused = calls.call("code_exec", json!({"language": "bash", "code": "touch x"})).await;
        assert!(matches!(refused, Err(ToolError::Failed(text)) if text.contains(&why)));
        assert!(!folder.path().join("ws/x").exists());
        return;
    }
    files_are_shared(&mut calls).await;
    modules_are_found(&mut calls).await;
    live_lines_and_cancellation(&mut calls).await;
}

/// A server that is root runs programs as another user, who has to get to the workspace.
fn open_to_the_sandbox(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// What the server wrote a program can change, and the other way round, again and again.
async fn files_are_shared(calls: &mut Calls) {
    calls.call("write_file", json!({"path": "d/a.txt", "content": "server\n"})).await.unwrap();
    let ran = calls.run("bash", "cat d/a.txt; echo program >> d/a.txt; echo new > d/b.txt; exit 3").await;
    assert!(ran.starts_with("exit code 3\n") && ran.contains("--- stdout\nserver\n"), "{ran}");
    assert!(ran.contains("--- files changed\nd/a.txt, d/b.txt\n"), "{ran}");
    calls.call("edit_file", json!({"path": "d/a.txt", "old": "program", "new": "edited"})).await.unwrap();
    calls.call("write_file", json!({"path": "e/c.txt", "content": "c"})).await.unwrap();
    let ran = calls
        .run("bash", "cat d/a.txt && echo more >> d/a.txt && echo x > e/d.txt && rm e/c.txt && echo fine")
        .await;
    assert!(ran.contains("edited\nfine"), "{ran}");
    calls.call("delete_file", json!({"path": "e/d.txt"})).await.unwrap();
    let (ctx, input) = (calls.ctx.clone(), json!({"language": "bash", "code": "echo once >> log"}));
    let tool = calls.registry.get("code_exec").unwrap();
    let first = tool.run(&ctx_of(&ctx, 77), input.clone()).await.unwrap();
    let second = tool.run(&ctx_of(&ctx, 77), input.clone()).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(std::fs::read_to_string(ctx.workspace.root().join("log")).unwrap(), "once\n");
    assert_eq!(tool.settle(&ctx_of(&ctx, 77), input.clone()).await.unwrap(), Settled::Done(first));
    forget(&ctx.services.calls_dir, &ctx.workspace, ctx_of(&ctx, 77).call_id).unwrap();
    assert_eq!(tool.settle(&ctx_of(&ctx, 77), input).await.unwrap(), Settled::NotStarted);
}

fn ctx_of(ctx: &ToolContext, number: u128) -> ToolContext {
    ToolContext { call_id: CallId(Ulid::from_parts(3, number)), ..ctx.clone() }
}

/// Programs in Python and JavaScript import what lies beside them.
async fn modules_are_found(calls: &mut Calls) {
    if Path::new("/usr/bin/python3").exists() {
        calls
            .call("write_file", json!({"path": "helper.py", "content": "def f(): return 'from helper'"}))
            .await
            .unwrap();
        let ran = calls.run("python", "import helper, os\nprint(helper.f(), os.listdir('d'))").await;
        assert!(ran.contains("from helper") && ran.contains("a.txt"), "{ran}");
        let ran = calls.run("python", "raise SystemExit(input())").await;
        assert!(ran.starts_with("exit code 1\n") && ran.contains("EOFError"), "{ran}");
    }
    if Path::new("/usr/bin/node").exists() {
        calls
            .call("write_file", json!({"path": "lib.cjs", "content": "exports.f = () => 'from lib';"}))
            .await
            .unwrap();
        let ran = calls.run("javascript", "console.log(require('./lib.cjs').f())").await;
        assert!(ran.contains("from lib"), "{ran}");
        let ran = calls.run("javascript", "import lib from './lib.cjs';\nconsole.log(lib.f())").await;
        assert!(ran.contains("from lib"), "{ran}");
    }
}

async fn live_lines_and_cancellation(calls: &mut Calls) {
    let (progress, mut lines) = mpsc::channel(16);
    let ctx =
        ToolContext { progress: Some(progress), cancel: CancellationToken::new(), ..ctx_of(&calls.ctx, 88) };
    let input = json!({"language": "bash", "code": "echo begun; sleep 600; echo ended > ended"});
    let tool = Arc::clone(calls.registry.get("code_exec").unwrap());
    let (running, asked) = (ctx.clone(), input.clone());
    let run = tokio::spawn(async move { tool.run(&running, asked).await });
    assert_eq!(lines.recv().await.unwrap(), "begun");
    ctx.cancel.cancel();
    assert!(matches!(run.await.unwrap(), Err(ToolError::Cancelled)));
    let settled = calls.registry.get("code_exec").unwrap().settle(&ctx, input).await.unwrap();
    assert!(matches!(settled, Settled::Interrupted(_)), "{settled:?}");
    assert!(!ctx.workspace.root().join("ended").exists());
}
