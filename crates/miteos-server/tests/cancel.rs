//! A cancel is proven for programs: at the moment `cancelled` can be seen, no process of the sandbox is alive, however
//! it tried to get away. This file starts itself as the sandbox's helper, so it has no harness.

#![expect(clippy::unwrap_used, reason = "a test without a harness")]
#![cfg_attr(not(target_os = "linux"), allow(dead_code, unused_imports))]

#[expect(dead_code, reason = "shared with the other tests, which use more of it")]
#[path = "it/harness.rs"]
mod harness;
#[expect(dead_code, reason = "shared with the other tests, which use more of it")]
#[path = "it/standin.rs"]
mod standin;

use std::path::Path;

use miteos_server::sandbox::BackendChoice;
use serde_json::json;

use harness::TestServer;
use standin::{Script, StandIn, call, text};

/// The seconds that the programs sleep: by this number they are known among all processes.
const MARK: &str = "86413";

/// A daemon: forks twice, leaves its session and its parent, and ignores whatever it can.
const GETS_AWAY: &str = "
trap '' TERM HUP INT
(setsid bash -c \"trap '' TERM HUP INT; (setsid bash -c \\\"trap '' TERM HUP INT; touch away; while true; do sleep MARK; done\\\" &) & wait\" &) &
while [ ! -e away ]; do sleep 0.01; done
touch ready
sleep MARK
";

fn main() {
    miteos_server::sandbox::run_helper_if_asked();
    #[cfg(target_os = "linux")]
    {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            for (backend, what) in
                [(BackendChoice::Auto, "task"), (BackendChoice::Auto, "agent"), (BackendChoice::None, "task")]
            {
                Box::pin(nothing_is_left(backend, what)).await;
            }
        });
    }
}

/// How many processes of the machine have the mark among their arguments.
fn alive() -> usize {
    let marked = |entry: std::fs::DirEntry| {
        let path = entry.path().join("cmdline");
        std::fs::read(path)
            .is_ok_and(|line| line.split(|byte| *byte == 0).any(|word| word == MARK.as_bytes()))
    };
    std::fs::read_dir("/proc").unwrap().flatten().filter_map(|e| marked(e).then_some(())).count()
}

async fn nothing_is_left(backend: BackendChoice, what: &str) {
    let code = GETS_AWAY.replace("MARK", MARK);
    let script = Script::default().plan(&[("1", "do alpha", &[])]).agent(
        "alpha",
        vec![call("code_exec", json!({"language": "bash", "code": code, "timeout_s": 300})), text("done")],
    );
    let temp = tempfile::tempdir().unwrap();
    open_to_the_sandbox(temp.path());
    let folder = temp.path().join("data");
    let server = TestServer::over(&folder, StandIn::start(script).await, |config| {
        config.sandbox.backend = backend;
        config.sandbox.helper = std::env::current_exe().unwrap();
        config.data_dir = folder.clone();
    })
    .await;
    let task = server.create("cancel me", json!({})).await;
    let begun =
        |t: &serde_json::Value| t["agents"][0]["current_tool"] == "code_exec" || t["status"] == "complete";
    let shown = server.until(&task, begun).await;
    let agent = shown["agents"][0]["id"].as_str().map(str::to_owned);
    let work = folder.join("workspaces").join(shown["workspace_id"].as_str().unwrap());
    let ended = || async { server.get(&format!("/tasks/{task}")).await["status"] == "complete" };
    while !work.join("ready").exists() {
        if ended().await {
            // No sandbox works on this machine, so nothing was run. Then there is nothing to kill.
            let events = server.events(&task).await;
            let refused = events.iter().find(|e| e["type"] == "agent.result").unwrap();
            assert!(refused["data"]["output"].as_str().unwrap().contains("code_exec is off"), "{refused}");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    harness::wait_until("the daemon and the script sleep", || alive() >= 2).await;
    let path = match what {
        "task" => format!("/tasks/{task}/cancel"),
        _ => format!("/agents/{}/cancel", agent.unwrap()),
    };
    let (answer, ()) = tokio::join!(server.call("POST", &path, None), async {
        server.until(&task, |t| t["agents"][0]["status"] == "cancelled").await;
        assert_eq!(alive(), 0, "{backend:?}: processes live when the {what} is seen as cancelled");
    });
    assert_eq!(answer.0, 200, "{}", answer.1);
    let last = server.ended(&task).await;
    assert_eq!(last["status"], "cancelled");
    assert_eq!(server.standin.requests().len(), 2, "no model call after it");
    let event = server.events(&task).await.pop().unwrap();
    assert_eq!(event["data"]["interrupted"][0]["tool"], "code_exec", "{event}");
}

/// A server that is root runs programs as another user, who has to get to the workspace.
fn open_to_the_sandbox(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}
