//! A provider goes on by itself up to the last moment. What it shows is live here, too, however late somebody cancels or
//! gives up; and what never was the live one is not made so.

use std::time::Duration;

use miteos_deploy::TargetKind;
use miteos_standins::cloudflare::{ACCOUNT, Cloudflare};
use miteos_standins::vercel::Vercel;
use miteos_standins::{Fault, Standin, What, When};
use serde_json::{Value, json};

use super::{Scene, config, deploy, ended, netlify, to, until, workspace};
use crate::harness::{TestServer, wait_until};
use crate::standin::Script;

async fn workers() -> (TestServer, Standin<Cloudflare>, String) {
    let standin = Cloudflare::start().await.unwrap();
    let server = TestServer::start_with(Script::default(), to(TargetKind::Cloudflare, &standin.url)).await;
    let workspace = workspace(&server, "shop").await;
    let body = json!({
        "name": "ours", "target": "cloudflare",
        "credentials": {"token": miteos_standins::cloudflare::TOKEN}, "settings": {"account_id": ACCOUNT},
    });
    server.expect(201, "POST", "/deploy-configs", Some(body)).await;
    (server, standin, workspace)
}

async fn start(server: &TestServer, workspace: &str, target: &str) -> String {
    let body = json!({"workspace_id": workspace, "target": target});
    let made = server.expect(201, "POST", "/deployments", Some(body)).await;
    made["id"].as_str().unwrap().to_owned()
}

fn versions(standin: &Standin<Cloudflare>) -> usize {
    standin.look(|cloudflare| cloudflare.workers.values().map(|worker| worker.versions.len()).sum())
}

#[tokio::test]
async fn a_worker_that_is_live_is_not_called_cancelled() {
    let (server, standin, workspace) = workers().await;
    // The version is live, and its address is being switched on.
    let slow = What::Slow(Duration::from_secs(1));
    standin.fault(Fault { when: When::to("POST", "/subdomain").once(), what: slow });
    let id = start(&server, &workspace, "cloudflare").await;
    wait_until("the version is there", || versions(&standin) == 1).await;
    let (status, answer) = server.call("POST", &format!("/deployments/{id}/cancel"), None).await;
    let shown = ended(&server, &id).await;
    assert_eq!((shown["status"].as_str(), status), (Some("live"), 422), "{answer} {shown:#}");
    assert!(shown["url"].as_str().unwrap().ends_with(".workers.dev"), "{shown:#}");
}

#[tokio::test]
async fn what_was_given_up_and_is_live_is_told_as_live() {
    let (server, standin, workspace) = workers().await;
    standin.fault(Fault { when: When::to("POST", "/subdomain").once(), what: What::status(403, "{}") });
    let id = start(&server, &workspace, "cloudflare").await;
    let shown = ended(&server, &id).await;
    assert_eq!(shown["status"], "live", "{shown:#}");

    // The answer to its creation is lost, and then the token is refused for a moment.
    let standin = Vercel::start().await.unwrap();
    let server = TestServer::start_with(Script::default(), to(TargetKind::Vercel, &standin.url)).await;
    let workspace = self::workspace(&server, "shop").await;
    let body = json!({
        "name": "ours", "target": "vercel", "credentials": {"token": miteos_standins::vercel::TOKEN},
    });
    server.expect(201, "POST", "/deploy-configs", Some(body)).await;
    standin
        .fault(Fault { when: When::to("POST", "/v13/deployments").after(1).once(), what: What::CutAnswer });
    standin.fault(Fault {
        when: When::to("GET", "/v6/deployments").after(2).once(),
        what: What::status(401, "{}"),
    });
    let id = start(&server, &workspace, "vercel").await;
    let shown = ended(&server, &id).await;
    let cancelled = standin.look(|vercel| vercel.deployments.values().filter(|one| one.cancelled).count());
    assert_eq!(standin.look(|vercel| vercel.deployments.len()), 1);
    assert_eq!(shown["status"] == "live", cancelled == 0, "{cancelled}: {shown:#}");
}

#[tokio::test]
async fn a_deploy_whose_last_answer_was_lost_is_live_if_it_is() {
    let scene = Scene::start().await;
    // Everything is there, and nobody knows.
    scene.netlify.fault(Fault { when: When::to("PUT", "/files/").after(3).once(), what: What::CutAnswer });
    scene.netlify.fault(Fault { when: When::to("PUT", "/files/").after(3), what: What::status(401, "{}") });
    scene.netlify.look(|netlify| netlify.polls_per_state = 0);
    let id = scene.deploy().await;
    let shown = scene.ended(&id).await;
    let (cancelled, published) = scene.netlify.look(|netlify| {
        let cancelled = netlify.deploys.values().any(|deploy| deploy.cancelled);
        (cancelled, netlify.sites.values().any(|site| site.published.is_some()))
    });
    assert_eq!(shown["status"] == "live", published && !cancelled, "{cancelled} {published}: {shown:#}");
}

#[tokio::test]
async fn a_preview_is_never_made_the_live_one() {
    let netlify = netlify().await;
    let server = TestServer::start_with(Script::default(), to(TargetKind::Netlify, &netlify.url)).await;
    let workspace = workspace(&server, "shop").await;
    config(&server, json!({"environment": "preview"})).await;
    let id = deploy(&server, &workspace).await;
    let shown =
        until(&server, &id, |d: &Value| matches!(d["status"].as_str(), Some("live" | "failed"))).await;
    assert_eq!((&shown["status"], &shown["environment"]), (&json!("live"), &json!("preview")), "{shown:#}");
    let refused = server.expect(422, "POST", &format!("/deployments/{id}/rollback"), None).await;
    assert!(refused["detail"].as_str().unwrap().contains("never was the live one"), "{refused}");
    assert_eq!(netlify.count("POST", "/restore"), 0);
    assert!(netlify.look(|netlify| netlify.sites.values().all(|site| site.published.is_none())));
}

/// On its way to a provider that works on it, and does not come to an end.
async fn under_way() -> (Scene, String) {
    let scene = Scene::start().await;
    scene.netlify.look(|netlify| netlify.polls_per_state = u32::MAX);
    let id = scene.deploy().await;
    wait_until("the provider has it", || scene.deploys() == 1).await;
    (scene, id)
}

#[tokio::test]
async fn a_provider_that_does_not_hear_of_a_cancel_is_asked_again() {
    let (scene, id) = under_way().await;
    // Far more often than a call is repeated.
    let when = When::to("POST", "/cancel").times(40);
    scene.netlify.fault(Fault { when, what: What::status(503, "{}") });
    scene.server.expect(200, "POST", &format!("/deployments/{id}/cancel"), None).await;
    let failed = scene.ended(&id).await;
    assert_eq!(failed["error"]["code"], "canceled", "{failed:#}");
    assert!(scene.netlify.look(|netlify| netlify.deploys.values().all(|deploy| deploy.cancelled)));
}

#[tokio::test]
async fn what_a_provider_never_hears_of_is_not_called_cancelled() {
    for what in [What::status(401, "{}"), What::limited("retry-after", "3600")] {
        let (scene, id) = under_way().await;
        scene.netlify.fault(Fault { when: When::to("POST", "/cancel"), what });
        scene.server.expect(200, "POST", &format!("/deployments/{id}/cancel"), None).await;
        let failed = scene.ended(&id).await;
        assert_eq!(failed["error"]["code"], "interrupted", "{failed:#}");
        assert!(failed["error"]["message"].as_str().unwrap().contains("not known whether"), "{failed:#}");
    }
}
