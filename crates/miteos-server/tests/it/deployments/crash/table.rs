//! What is done, and where: a row each. The plug is pulled after every durable write of it.

use serde_json::{Value, json};

use super::hosts::{Host, Own};
use super::{Case, Deed, Ground, crashed, endless, everywhere};
use crate::deployments::expo::Eas;
use crate::deployments::providers::{self, Row};
use crate::previews::visit;

/// One at the provider, whatever happened.
fn once(host: &impl Host, _: &Case, k: u64) {
    assert_eq!(host.made(), 1, "after write {k}");
}

/// Both are there, and the older one is what visitors see.
fn older(host: &impl Host, case: &Case, k: u64) {
    assert_eq!((host.made(), host.live()), (2, case.seen.clone()), "after write {k}");
}

macro_rules! rows {
    ($($name:ident: $deed:ident, $start:expr, at least $least:literal, $check:expr;)+) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            everywhere(Deed::$deed, $start, $least, $check).await;
        })+
    };
}

// Started, building, built and deploying, a state for each of four steps at least, and live. On the preview host: shown.
rows! {
    to_netlify: Deploy, providers::netlify, at least 7, once;
    to_vercel: Deploy, providers::vercel, at least 5, once;
    to_workers: Deploy, providers::workers, at least 5, once;
    to_pages: Deploy, providers::pages, at least 5, once;
    to_the_app_store: Deploy, providers::appstore, at least 6, once;
    to_expo: Deploy, async || Eas::new(), at least 5, once;
    to_the_preview_host: Deploy, async || Own, at least 5, once;
    of_a_file_that_was_handed_over: Stage, async || Own, at least 5, once;
    a_preview_that_is_taken_away: TakeAway, async || Own, at least 6, once;
    a_way_back_at_netlify: RollBack, providers::netlify, at least 2, older;
    a_way_back_at_vercel: RollBack, providers::vercel, at least 2, older;
    a_way_back_at_workers: RollBack, providers::workers, at least 2, older;
    a_way_back_at_pages: RollBack, providers::pages, at least 2, older;
    a_way_back_at_expo: RollBack, async || Eas::new(), at least 2, older;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel() {
    let start = async || Row { standin: endless().await, ..providers::netlify().await };
    // Whatever was begun there by then is ended there.
    everywhere(Deed::Cancel, start, 5, |netlify, _, k| {
        assert!(netlify.made() <= 1, "after write {k}");
        let ended = netlify.standin.look(|netlify| netlify.deploys.values().all(|d| d.cancelled));
        assert!(ended, "after write {k}");
    })
    .await;
}

/// The workspace changes while the server is away. Gives the deployments as they are in the end, each with what its address
/// answers then, by the write after which the plug was pulled.
async fn changed_meanwhile(loses_files: bool) -> Vec<(Value, u16, String)> {
    let mut ended = Vec::new();
    for k in 1.. {
        let ground = Ground::new().await;
        let folder = ground.folder();
        let case = Case::prepared(Deed::Deploy, &Own, &folder, &ground.standin).await;
        if !crashed(&case, &ground, k).await {
            return ended;
        }
        let page = folder.join("workspaces").join(&case.workspace).join("index.html");
        std::fs::write(page, AFTER).unwrap();
        if loses_files {
            let _ = std::fs::remove_dir_all(folder.join("blobs"));
        }
        let server = case.server(&folder, &ground.standin).await;
        let deployment = case.carry_out(&server).await;
        let preview = format!("/deployments/{}/preview", deployment["id"].as_str().unwrap());
        let (status, preview) = server.call("GET", &preview, None).await;
        let answer = match preview["url"].as_str() {
            Some(url) => visit(&server, url).await.1,
            None => String::new(),
        };
        ended.push((deployment, status, answer));
    }
    unreachable!("it ends with the last write")
}

const AFTER: &str = "written while the server was away";

/// What was taken once is what is shown, whatever becomes of the workspace.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_goes_on_with_the_files_that_were_taken() {
    let ended = changed_meanwhile(false).await;
    let mut first = 0;
    for (k, (deployment, status, answer)) in (1..).zip(&ended) {
        assert_eq!(
            (&deployment["status"], status),
            (&json!("live"), &200),
            "after write {k}: {deployment:#}"
        );
        let is_first = answer.ends_with("<h1>shop</h1>");
        assert!(is_first || answer.ends_with(AFTER), "after write {k}: {answer}");
        assert!(is_first || first == 0, "after write {k}: built again after it was built");
        first += usize::from(is_first);
    }
    assert!(first >= 2, "{first} went on with what was taken");
}

/// Between being shown and being called live there is a moment. Who fails after it was never shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_shown_of_a_deployment_that_then_fails_is_shown_no_more() {
    let mut failed = 0;
    for (k, (deployment, status, _)) in (1..).zip(changed_meanwhile(true).await) {
        if deployment["status"] == "live" {
            assert_eq!(status, 200, "after write {k}");
        } else {
            let code = deployment["error"]["code"].as_str();
            assert_eq!((code, status), (Some("interrupted"), 404), "after write {k}");
            failed += 1;
        }
    }
    assert!(failed >= 2, "{failed} have failed");
}
