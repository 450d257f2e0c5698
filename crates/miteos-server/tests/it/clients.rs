//! Clients of others, as their users have them: the Python library `websockets`, and a browser's own `EventSource` and
//! `WebSocket`. They are cut at every event, the server goes and comes back, and they go on by themselves.
//!
//! `./scripts/setup.sh --tests` and `./scripts/test-clients.sh` get what this needs; without it the tests fail and say so.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::harness::{PATIENCE, TestServer, wait_until};
use crate::relay::{Cut, Relay};
use crate::standin::{Reply, Script, StandIn, call, slow, text};

/// How the task goes on is slow enough that clients are there while it does.
fn script() -> Script {
    let mut replies: Vec<Reply> = (0..5)
        .map(|n| slow(100, call("write_file", json!({"path": format!("{n}.txt"), "content": "x"}))))
        .collect();
    replies.push(text("done"));
    Script::default().plan(&[("1", "do alpha", &[])]).agent("alpha", replies)
}

#[expect(clippy::disallowed_methods, reason = "the clients are programs of others")]
fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.kill_on_drop(true).stdin(Stdio::null());
    command
}

/// Where `scripts/test-clients.sh` puts things: beside what is compiled.
fn installed(what: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../clients").join(what);
    assert!(path.exists(), "{} is missing; run: ./scripts/test-clients.sh", path.display());
    path
}

fn script_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients").join(name)
}

/// A server that does not keep its clients waiting before they come back.
async fn server(folder: &Path, standin: &StandIn) -> TestServer {
    let quick = |config: &mut miteos_server::Config| config.streams.retry = Duration::from_millis(20);
    TestServer::over(folder, standin.clone(), quick).await
}

/// The place of each event in its log, as each of a client's streams saw them: all of them, once, in order.
fn check(seen: &Value, log: &[Value]) {
    let streams = seen.as_object().unwrap();
    assert!(streams.len() >= 2, "{seen}");
    for (name, places) in streams {
        let all: Vec<_> = (1..=log.len()).collect();
        assert_eq!(places, &json!(all), "{name}");
    }
}

/// Runs a client while the task goes on and its server goes and comes back. `start` is given where the task is to be
/// found, its id and the key.
async fn through_cuts_and_a_restart(
    mut relay: Relay,
    start: impl AsyncFnOnce(&str, &str, &str) -> Child,
    seen: impl AsyncFnOnce(&mut Relay, Child) -> Value,
) {
    let temp = tempfile::tempdir().unwrap();
    let standin = StandIn::start(script()).await;
    let mut first = server(temp.path(), &standin).await;
    relay.aim(&first);
    let task = first.create("follow me", json!({})).await;
    let client = start(&relay.url(), &task, &first.key).await;
    wait_until("the client has come back", || relay.cuts() >= 4).await;
    first.stop().await;
    relay.aim_nowhere();
    let second = server(temp.path(), &standin).await;
    relay.aim(&second);
    let seen = tokio::time::timeout(2 * PATIENCE, seen(&mut relay, client)).await.expect("the client ends");
    assert_eq!(second.ended(&task).await["status"], "complete");
    check(&seen, &second.events(&task).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_library_goes_on_by_itself() {
    let packages = installed("python");
    let python = packages.join("bin/python");
    let start = async |url: &str, task: &str, key: &str| {
        let order = json!({"url": url.replace("http://", "ws://"), "task": task, "key": key});
        let mut command = command(python);
        command.arg(script_file("follow.py")).arg(order.to_string());
        command.env("WEBSOCKETS_BACKOFF_INITIAL_DELAY", "0.02").env("WEBSOCKETS_BACKOFF_MIN_DELAY", "0.02");
        command.stdout(Stdio::piped()).spawn().unwrap()
    };
    let seen = async |_: &mut Relay, client: Child| {
        let output = client.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{}", output.status);
        serde_json::from_slice(&output.stdout).unwrap()
    };
    through_cuts_and_a_restart(Relay::start(Cut::EveryEvent, "").await, start, seen).await;
}

/// What the distributions call it.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// Where it is on a Mac.
const APPS: [&str; 2] = [
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

#[expect(clippy::disallowed_methods, reason = "where the browser is depends on the machine")]
fn browser() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = std::env::split_paths(&path).flat_map(|folder| BROWSERS.map(|name| folder.join(name)));
    named
        .chain(APPS.map(PathBuf::from))
        .find(|file| file.is_file())
        .expect("chromium is missing; run: ./scripts/setup.sh --tests")
}

/// A browser without a window, which asks nobody but for the page.
fn headless(profile: &Path) -> Command {
    let mut command = command(browser());
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
    command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    command.args(["--disable-dev-shm-usage", "--no-proxy-server"]);
    command.arg(format!("--user-data-dir={}", profile.display()));
    command
}

/// A page as a browser has it once its scripts have run.
pub async fn dump(profile: &Path, url: &str) -> String {
    let mut command = headless(profile);
    command.args(["--dump-dom", "--virtual-time-budget=20000"]).arg(url).stderr(Stdio::null());
    let output =
        tokio::time::timeout(2 * PATIENCE, command.output()).await.expect("the browser ends").unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_s_own_eventsource_and_websocket_go_on_by_themselves() {
    let profile = tempfile::tempdir().unwrap();
    let start = async |url: &str, task: &str, key: &str| {
        let mut command = headless(profile.path());
        command.arg(format!("{url}/?task={task}&token={key}"));
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let seen = async |relay: &mut Relay, mut client: Child| {
        let seen = relay.result().await;
        client.kill().await.unwrap();
        seen
    };
    let page = include_str!("../../../../tests/clients/follow.html");
    through_cuts_and_a_restart(Relay::start(Cut::EveryEvent, page).await, start, seen).await;
}
