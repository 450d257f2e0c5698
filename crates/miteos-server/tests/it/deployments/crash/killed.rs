//! The same with real processes, which are killed.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Case, Deed, Ground, Own, Provider, netlify, once};
use crate::harness::{PATIENCE, TestServer};
use crate::standin::StandIn;

/// Where the parent tells the child what to do.
const CHILD: &str = "MITEOS_TEST_DEPLOYMENT_CHILD";

/// Not a test by itself: the server that the others kill.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "the parent's instructions come by the environment")]
async fn the_server_that_is_killed() {
    let Ok(text) = std::env::var(CHILD) else { return };
    let order: Value = serde_json::from_str(&text).unwrap();
    let text = |name: &str| order[name].as_str().unwrap().to_owned();
    let k = order["k"].as_u64().unwrap();
    let case = Case {
        deed: Deed::parse(&text("deed")),
        target: text("target"),
        provider: order["provider"].as_str().map(str::to_owned),
        workspace: text("workspace"),
    };
    let standin = StandIn::at(text("model").parse().unwrap());
    let server = TestServer::over(&PathBuf::from(text("folder")), standin, |config| {
        case.set_up(config);
        config.crash = Some(Arc::new(move |n| {
            if n == k {
                let pid = std::process::id().to_string();
                let _ = std::process::Command::new("kill").args(["-9", &pid]).status();
                std::thread::sleep(PATIENCE);
            }
        }));
    })
    .await;
    case.carry_out(&server).await;
}

/// Runs a server that kills itself after its k-th durable write. False if it ended before.
#[expect(clippy::disallowed_methods, reason = "this test is about real processes that die")]
async fn killed(case: &Case, ground: &Ground, k: u64) -> bool {
    let order = json!({
        "deed": case.deed.word(), "target": case.target, "provider": case.provider, "workspace": case.workspace,
        "folder": ground.folder(), "k": k, "model": ground.standin.address.to_string(),
    });
    let status = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "deployments::crash::killed::the_server_that_is_killed", "--nocapture"])
        .env(CHILD, order.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await
        .unwrap();
    if status.success() {
        return false;
    }
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    assert_eq!(signal, Some(9), "after write {k}: {status}");
    true
}

async fn after_every_durable_write<P: Provider>(start: impl AsyncFn() -> P, least: u64) {
    let mut expected = None;
    for k in 0.. {
        let (ground, provider) = (Ground::new().await, start().await);
        let folder = ground.folder();
        let case = Case::prepared(Deed::Deploy, P::TARGET, provider.asked(), &folder, &ground.standin).await;
        let Some(expected) = &expected else {
            let server = case.server(&folder, &ground.standin).await;
            let deployment = case.carry_out(&server).await;
            expected = Some(case.outcome(&server, &deployment).await);
            continue;
        };
        if !killed(&case, &ground, k).await {
            assert!(k > least, "the scenario has {k} durable writes");
            return;
        }
        case.recovered(&folder, &ground.standin, expected, k).await;
        once(&provider, k);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_on_the_way_to_netlify() {
    after_every_durable_write(netlify, 7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_on_the_way_to_the_preview_host() {
    after_every_durable_write(async || Own, 5).await;
}
