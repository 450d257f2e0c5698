//! Going back to an older deployment: it takes the place of its workspace and its target, everybody is told, and what the
//! provider refuses changes nothing.

use std::sync::Arc;

use miteos_standins::{Fault, What, When};
use serde_json::{Value, json};

use super::{Scene, events_until, log, logs};
use crate::harness::{PATIENCE, TestServer};
use crate::receiver::{Answer, Receiver};

/// Two that are live, the older one first.
async fn two(scene: &Scene) -> [String; 2] {
    let (first, second) = (scene.deploy().await, scene.deploy_after_the_last().await);
    [first, second]
}

impl Scene {
    async fn deploy_after_the_last(&self) -> String {
        let list = self.server.get("/deployments").await;
        self.ended(list["data"][0]["id"].as_str().unwrap()).await;
        let id = self.deploy().await;
        assert_eq!(self.ended(&id).await["status"], "live");
        id
    }
}

fn back(id: &str) -> String {
    format!("/deployments/{id}/rollback")
}

#[tokio::test]
async fn everybody_is_told_of_a_way_back_and_the_log_goes_on_behind_the_end() {
    let scene = Scene::start().await;
    let server = &scene.server;
    let [first, _] = two(&scene).await;
    let live = server.get(&format!("/deployments/{first}")).await;
    let clock = Arc::new(miteos_server::SystemClock);
    let receiver = Receiver::start(clock, |_, _| Answer::Status(200)).await;
    let hook = json!({"url": receiver.url("/"), "events": ["deployment.live"]});
    server.expect(201, "POST", "/webhooks", Some(hook)).await;
    let before = logs::stream(server, &first, None).await;
    let end = before.last().unwrap().0;
    server.expect(200, "POST", &back(&first), None).await;
    let told = events_until(server, &first, 2).await;
    assert_eq!((told.len(), told[4].0.as_str(), &told[4].1), (5, "deployment.live", &live));
    let seen = receiver.wait_for(1).await;
    let data = &seen[0].json()["data"];
    assert_eq!((&data["type"], &data["deployment_id"]), (&json!("deployment.live"), &json!(first)));
    assert_eq!((&data["seq"], &data["data"]), (&json!(5), &live));
    // Who had followed to the end misses nothing.
    let after = logs::stream(server, &first, end).await;
    let lines: Vec<&Value> =
        after.iter().filter(|(_, event, _)| event == "log").map(|(.., line)| line).collect();
    assert_eq!((lines.len(), &lines[0]["text"]), (1, &json!("made the live one again")), "{after:?}");
    assert!(after[0].0 > end);
    // And once more, which is one more event.
    server.expect(200, "POST", &back(&first), None).await;
    assert_eq!(events_until(server, &first, 3).await.len(), 6);
    assert_eq!(log(server, &first).await.matches("made the live one again").count(), 2);
}

#[tokio::test]
async fn nothing_else_goes_there_meanwhile() {
    let scene = Scene::start().await;
    let server = &scene.server;
    let [first, second] = two(&scene).await;
    let comes = scene.netlify.hold();
    let asks = |id: &str| {
        let (url, key) = (format!("{}/v1{}", server.url, back(id)), server.key.clone());
        let asked = server.http.post(url).bearer_auth(key);
        tokio::spawn(async move { asked.send().await.unwrap().status().as_u16() })
    };
    let (one, twin) = (asks(&first), asks(&first));
    tokio::time::timeout(PATIENCE, comes).await.expect("the provider is asked");
    let body = json!({"workspace_id": scene.workspace, "target": "netlify"});
    for (method, path, body) in [
        ("POST", "/deployments".to_owned(), Some(body.clone())),
        ("POST", back(&second), None),
        ("DELETE", format!("/deploy-configs/{}", scene.config), None),
    ] {
        let refused = server.expect(422, method, &path, body).await;
        assert!(refused["detail"].as_str().unwrap().contains(&first), "{path}: {refused}");
    }
    let refused = server.expect(422, "POST", &format!("/deployments/{first}/cancel"), None).await;
    assert!(refused["detail"].as_str().unwrap().contains("is live"), "{refused}");
    assert_eq!(server.get(&format!("/deployments/{first}")).await["status"], "live");
    scene.netlify.let_go();
    assert_eq!((one.await.unwrap(), twin.await.unwrap()), (200, 200), "who asks for the same waits for it");
    assert_eq!(scene.netlify.count("POST", "/restore"), 1);
    server.expect(201, "POST", "/deployments", Some(body)).await;
}

#[tokio::test]
async fn what_the_provider_refuses_is_told_and_leaves_the_place_free() {
    let scene = Scene::start().await;
    let server = &scene.server;
    let [first, _] = two(&scene).await;
    let gone = json!({"message": "gone"}).to_string();
    let what = What::status(404, &gone);
    scene.netlify.fault(Fault { when: When::to("POST", "/restore"), what });
    let ask = |name: &'static str| {
        let asked = server.http.post(format!("{}/v1{}", server.url, back(&first))).bearer_auth(&server.key);
        asked.header("idempotency-key", name).send()
    };
    for _ in 0..2 {
        let refused = ask("one").await.unwrap();
        assert_eq!(refused.status(), 422);
        assert!(refused.json::<Value>().await.unwrap()["detail"].as_str().unwrap().len() > 10);
        assert_eq!(scene.netlify.count("POST", "/restore"), 1, "the same request asks once");
    }
    assert!(log(server, &first).await.contains("not made the live one again: "));
    scene.netlify.no_faults();
    assert_eq!(ask("two").await.unwrap().status(), 200);
    assert_eq!(events_until(server, &first, 2).await.len(), 5, "what was refused is no event");
    // The configuration is gone, and the provider is not asked.
    let asked = scene.netlify.count("POST", "/restore");
    server.expect(200, "DELETE", &format!("/deploy-configs/{}", scene.config), None).await;
    let refused = server.expect(422, "POST", &back(&first), None).await;
    assert!(refused["detail"].as_str().unwrap().contains("configuration is gone"), "{refused}");
    assert_eq!(scene.netlify.count("POST", "/restore"), asked);
}

/// In the test world nobody is asked, and all else is the same.
#[tokio::test]
async fn the_test_world_goes_back_too() {
    let mut server = TestServer::start(crate::standin::Script::default()).await;
    server.key = server.test_key.clone();
    let workspace = super::workspace(&server, "w").await;
    let config = json!({"name": "c", "target": "netlify", "credentials": {"token": "anything-will-do"}});
    server.expect(201, "POST", "/deploy-configs", Some(config)).await;
    let id = super::deploy(&server, &workspace).await;
    let live = super::ended(&server, &id).await;
    assert_eq!(server.expect(200, "POST", &back(&id), None).await, live);
    assert_eq!(events_until(&server, &id, 2).await.len(), 5);
}
