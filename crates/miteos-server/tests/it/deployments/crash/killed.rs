//! The same with real processes, which are killed.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use super::hosts::{Host, Own};
use super::{Case, Deed, Ground};
use crate::deployments::providers;
use crate::harness::TestServer;
use crate::plug;
use crate::standin::StandIn;

/// Not a test by itself: the server that the others kill.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_that_is_killed() {
    let Some((order, hook)) = plug::order() else { return };
    let case: Case = serde_json::from_value(order["case"].clone()).unwrap();
    let standin = StandIn::at(order["model"].as_str().unwrap().parse().unwrap());
    let folder = PathBuf::from(order["folder"].as_str().unwrap());
    let server = TestServer::over(&folder, standin, |config| {
        case.set_up(config);
        config.crash = Some(Arc::clone(&hook));
    })
    .await;
    case.carry_out(&server).await;
}

/// Runs a server that kills itself after its k-th durable write. False if it ended before.
async fn killed(case: &Case, ground: &Ground, k: u64) -> bool {
    let order = json!({"case": case, "folder": ground.folder(), "model": ground.standin.address.to_string()});
    plug::killed("deployments::crash::killed::the_server_that_is_killed", &order, k).await
}

async fn after_every_durable_write<H: Host>(start: impl AsyncFn() -> H, least: u64) {
    let mut expected = None;
    for k in 0.. {
        let (ground, host) = (Ground::new().await, start().await);
        let folder = ground.folder();
        let case = Case::prepared(Deed::Deploy, &host, &folder, &ground.standin).await;
        let Some(expected) = &expected else {
            let server = case.server(&folder, &ground.standin).await;
            let deployment = case.carry_out(&server).await;
            expected = Some(case.outcome(server, &deployment).await);
            continue;
        };
        if !killed(&case, &ground, k).await {
            assert!(k > least, "the scenario has {k} durable writes");
            return;
        }
        case.recovered(&folder, &ground.standin, expected, k).await;
        assert_eq!(host.made(), 1, "after write {k}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_on_the_way_to_netlify() {
    after_every_durable_write(providers::netlify, 7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_on_the_way_to_the_preview_host() {
    after_every_durable_write(async || Own, 5).await;
}
