//! Deploy configurations: stored only if the provider takes them, changed and deleted, and never shown again.

use miteos_standins::netlify::TOKEN;
use serde_json::{Value, json};

use super::{Scene, netlify, to};
use crate::harness::TestServer;
use crate::standin::{Script, StandIn};
use miteos_deploy::TargetKind;

const WRONG: &str = "nfp_wrong_and_long_enough";

#[tokio::test]
async fn only_what_the_provider_takes_is_stored() {
    let scene = Scene::start().await;
    let server = &scene.server;
    let own = format!("/deploy-configs/{}", scene.config);
    let shown = server.get(&own).await;
    assert_eq!((&shown["provider_account"], &shown["target"]), (&json!("Test Person"), &json!("netlify")));
    assert!(shown["verified_at"].is_string() && shown.get("credentials").is_none(), "{shown}");
    let good = json!({"token": TOKEN});
    for (status, body, part) in [
        (400, json!({"name": "x", "target": "netlify"}), "credentials"),
        (400, json!({"name": "x", "target": "netlify", "credentials": "text"}), "not as expected"),
        (422, json!({"name": "x", "target": "moon", "credentials": good}), "netlify"),
        (422, json!({"name": "x", "target": "preview", "credentials": good}), "built in"),
        (422, json!({"name": "  ", "target": "netlify", "credentials": good}), "name"),
        (422, json!({"name": "x", "target": "netlify", "credentials": {}}), "token"),
        (
            422,
            json!({"name": "x", "target": "netlify", "credentials": good, "settings": {"sight": 1}}),
            "sight",
        ),
        (
            422,
            json!({"name": "x", "target": "netlify", "credentials": good, "settings": {"site": "../x"}}),
            "site",
        ),
        (
            422,
            json!({"name": "x", "target": "netlify", "credentials": good, "settings": {"output": 1}}),
            "output",
        ),
        (422, json!({"name": "x", "target": "netlify", "credentials": {"token": WRONG}}), "does not accept"),
        (
            422,
            json!({"name": "x", "target": "netlify", "credentials": good, "settings": {"site": "gone"}}),
            "404",
        ),
        (422, json!({"name": "ours", "target": "netlify", "credentials": good}), "exists already"),
    ] {
        let refused = server.expect(status, "POST", "/deploy-configs", Some(body.clone())).await;
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains(part), "{body}: {detail}");
        assert!(!detail.contains(TOKEN) && !detail.contains(WRONG), "{detail}");
    }
    assert_eq!(server.get("/deploy-configs").await, json!([shown]), "nothing of it was stored");
}

#[tokio::test]
async fn changes_are_shown_to_the_provider_first() {
    let scene = Scene::start().await;
    let server = &scene.server;
    let own = format!("/deploy-configs/{}", scene.config);
    let before = server.get(&own).await;
    let wrong = json!({"credentials": {"token": WRONG}});
    server.expect(422, "PATCH", &own, Some(wrong)).await;
    assert_eq!(server.get(&own).await, before, "a refused change changes nothing");
    let id = scene.deploy().await;
    assert_eq!(scene.ended(&id).await["status"], "live");
    let site = scene.netlify.look(|netlify| netlify.sites.values().next().unwrap().name.clone());
    let settings = json!({"name": "renamed", "settings": {"site": format!("{site}.netlify.app")}});
    let changed = server.expect(200, "PATCH", &own, Some(settings)).await;
    assert_eq!((&changed["name"], &changed["provider_project"]), (&json!("renamed"), &json!(site)));
    assert_eq!(server.get(&own).await, changed);
    let again = server.expect(200, "PATCH", &own, Some(json!({}))).await;
    assert_eq!(again["settings"], changed["settings"]);

    // While it is in use its settings stay, and its credentials may become better ones.
    scene.netlify.look(|netlify| netlify.polls_per_state = u32::MAX);
    let id = scene.deploy().await;
    let refused = server.expect(422, "PATCH", &own, Some(json!({"settings": {}}))).await;
    assert!(refused["detail"].as_str().unwrap().contains(&id), "{refused}");
    server.expect(200, "PATCH", &own, Some(json!({"credentials": {"token": TOKEN}}))).await;
    let refused = server.expect(422, "DELETE", &own, None).await;
    assert!(refused["detail"].as_str().unwrap().contains(&id), "{refused}");
    server.expect(200, "POST", &format!("/deployments/{id}/cancel"), None).await;
    server.expect(200, "DELETE", &own, None).await;
    server.expect(404, "GET", &own, None).await;
    server.expect(404, "DELETE", &own, None).await;
    assert_eq!(server.get(&format!("/deployments/{id}")).await["config_id"], json!(scene.config));
}

/// Every file of the folder that holds the text.
fn holding(folder: &std::path::Path, text: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes.windows(text.len()).any(|part| part == text.as_bytes())
        {
            found.push(path);
        }
    }
    found
}

#[tokio::test]
async fn credentials_are_nowhere_to_be_read() {
    let netlify = netlify().await;
    // A provider that repeats what it was sent.
    let told = format!(r#"{{"code":422,"message":"not with {TOKEN}"}}"#);
    let temp = tempfile::tempdir().unwrap();
    let standin = StandIn::start(Script::default()).await;
    let change = to(TargetKind::Netlify, &netlify.url);
    let mut server = TestServer::over(temp.path(), standin.clone(), &change).await;
    let workspace = super::workspace(&server, "shop").await;
    super::config(&server, json!({})).await;
    netlify.fault(miteos_standins::Fault {
        when: miteos_standins::When::to("POST", "/deploys"),
        what: miteos_standins::What::status(422, &told),
    });
    let id = super::deploy(&server, &workspace).await;
    let failed = super::ended(&server, &id).await;
    assert_eq!(failed["error"]["code"], "provider_rejected", "{failed:#}");
    let all = [
        failed.to_string(),
        super::log(&server, &id).await,
        format!("{:?}", super::events(&server, &id).await),
        server.get("/deploy-configs").await.to_string(),
    ];
    for text in all {
        assert!(!text.contains(TOKEN), "{text}");
    }
    server.stop().await;
    assert_eq!(holding(temp.path(), TOKEN), Vec::<std::path::PathBuf>::new(), "nor in the data folder");
    // With another master key nothing can be done with what is stored, and that is said.
    std::fs::write(temp.path().join("secret.key"), "another master key, long enough").unwrap();
    let server = TestServer::over(temp.path(), standin, &change).await;
    let body = json!({"workspace_id": workspace, "target": "netlify"});
    let refused = server.expect(422, "POST", "/deployments", Some(body)).await;
    assert!(refused["detail"].as_str().unwrap().contains("master key"), "{refused}");
    assert_eq!(server.get("/deployments").await["data"].as_array().map(Vec::len), Some(1));
    let _: Value = refused;
}
