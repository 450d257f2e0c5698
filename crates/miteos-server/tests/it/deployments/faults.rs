//! What a provider can do to a deployment, and how each ends.

use std::time::{Duration, Instant};

use miteos_deploy::TargetKind;
use miteos_standins::{Fault, What, When};
use serde_json::json;

use super::{Scene, config, deploy, ended, log, netlify, to, workspace};
use crate::harness::{PATIENCE, TestServer};
use crate::standin::Script;

/// A fault, and the code that the deployment fails with; none: it goes live all the same.
struct Case {
    name: &'static str,
    when: When,
    what: What,
    code: Option<&'static str>,
}

fn case(name: &'static str, when: When, what: What, code: Option<&'static str>) -> Case {
    Case { name, when, what, code }
}

fn cases() -> Vec<Case> {
    let to = When::to;
    vec![
        case("a token that was revoked", to("GET", "/sites"), What::status(401, "{}"), Some("auth")),
        case("a token that may not", to("POST", "/deploys"), What::status(403, "{}"), Some("permission")),
        case(
            "a refusal",
            to("POST", "/deploys"),
            What::status(422, r#"{"message":"no"}"#),
            Some("provider_rejected"),
        ),
        case("a fault for good", to("PUT", "/files/"), What::status(500, "{}"), Some("provider_error")),
        case("a fault for a while", to("PUT", "/files/").times(2), What::status(503, "{}"), None),
        case("too many for a moment", to("POST", "/deploys").once(), What::limited("retry-after", "0"), None),
        case(
            "too many for an hour",
            to("POST", "/deploys"),
            What::limited("retry-after", "3600"),
            Some("provider_error"),
        ),
        case("a cut upload", to("PUT", "/files/").once(), What::CutUpload, None),
        case("a lost answer to the creation", to("POST", "/deploys").once(), What::CutAnswer, None),
        case("a slow answer", to("POST", "/deploys").once(), What::Slow(Duration::from_millis(300)), None),
    ]
}

#[tokio::test]
async fn each_fault_ends_as_it_should() {
    for case in cases() {
        let scene = Scene::start().await;
        scene.netlify.fault(Fault { when: case.when, what: case.what });
        let id = scene.deploy().await;
        let ended = scene.ended(&id).await;
        let code = ended["error"]["code"].as_str();
        assert_eq!(
            (code, ended["status"] == "live"),
            (case.code, case.code.is_none()),
            "{}: {ended:#}",
            case.name
        );
        assert!(scene.deploys() <= 1, "{}: never two", case.name);
        if let Some(message) = ended["error"]["message"].as_str() {
            assert!(message.len() > 20, "{}: {message}", case.name);
            assert!(log(&scene.server, &id).await.contains(message), "{}: the log says why", case.name);
        }
        // Once the provider is well again, so is the next one.
        scene.netlify.no_faults();
        let next = scene.deploy().await;
        assert_eq!(scene.ended(&next).await["status"], "live", "{}", case.name);
    }
}

#[tokio::test]
async fn what_fails_there_is_told_with_its_reason_and_ended_there() {
    let scene = Scene::start().await;
    scene.netlify.look(|netlify| netlify.ends_in = Some("error"));
    let id = scene.deploy().await;
    let failed = scene.ended(&id).await;
    let error = &failed["error"];
    assert_eq!((&error["code"], &error["step"]), (&json!("provider_error"), &json!("publish")), "{failed:#}");
    assert!(error["message"].as_str().unwrap().contains("a plugin said no"), "{error}");
    scene.netlify.look(|netlify| netlify.ends_in = None);
    scene.netlify.fault(Fault { when: When::to("PUT", "/files/"), what: What::status(422, "{}") });
    std::fs::write(scene.server.folder.join("workspaces").join(&scene.workspace).join("new.txt"), "new")
        .unwrap();
    let id = scene.deploy().await;
    let failed = scene.ended(&id).await;
    assert_eq!(failed["error"]["code"], "upload_failed", "{failed:#}");
    let cancelled =
        scene.netlify.look(|netlify| netlify.deploys.values().filter(|one| one.cancelled).count());
    assert!(cancelled >= 1, "a deploy whose upload failed is not left open");
}

/// So many deployments of one account work at the same time.
const OF_ONE_ACCOUNT: usize = 4;

#[tokio::test]
async fn who_is_told_to_wait_stands_in_nobodys_way() {
    let netlify = netlify().await;
    let server = TestServer::start_with(Script::default(), to(TargetKind::Netlify, &netlify.url)).await;
    config(&server, json!({})).await;
    netlify.fault(Fault { when: When::to("POST", "/deploys"), what: What::limited("retry-after", "600") });
    let mut waiting = Vec::new();
    for n in 0..OF_ONE_ACCOUNT {
        let workspace = workspace(&server, &format!("shop {n}")).await;
        waiting.push(deploy(&server, &workspace).await);
    }
    let begun = Instant::now();
    for id in &waiting {
        while !log(&server, id).await.contains("the step is taken again") {
            let shown = server.get(&format!("/deployments/{id}")).await;
            assert!(shown["error"].is_null() && begun.elapsed() < PATIENCE, "{shown:#}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let page = workspace(&server, "page").await;
    let body = json!({"workspace_id": page, "target": "preview"});
    let made = server.expect(201, "POST", "/deployments", Some(body)).await;
    assert_eq!(ended(&server, made["id"].as_str().unwrap()).await["status"], "live");
    // Those that wait can be ended, and do not take their time for it.
    netlify.no_faults();
    for id in &waiting {
        server.expect(200, "POST", &format!("/deployments/{id}/cancel"), None).await;
    }
}
