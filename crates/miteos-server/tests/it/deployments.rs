//! Deployments through the HTTP contract, to the stand-in of a provider.

mod appstore;
mod back;
mod configs;
mod crash;
mod damaged;
mod expo;
mod faults;
mod late;
mod logs;
mod parts;
mod providers;
mod restored;
mod table;
mod tool;
mod visits;

use std::path::Path;
use std::time::{Duration, Instant};

use miteos_deploy::{Bases, Pace, TargetKind};
use miteos_server::{Config, DeploySettings, EgressPolicy};
use miteos_standins::Standin;
use miteos_standins::netlify::{Netlify, TOKEN};
use serde_json::{Value, json};

use crate::harness::{PATIENCE, TestServer, wait_until};
use crate::receiver::{Answer, Receiver};
use crate::sse::Sse;
use crate::standin::{Script, StandIn};

/// Without pauses worth the name.
pub fn pace() -> Pace {
    Pace { attempts: 3, base_ms: 1, cap_ms: 2, max_inline_ms: 50, max_poll_ms: 1, parallel: 4 }
}

/// A server that asks this stand-in in place of the provider.
pub fn to(kind: TargetKind, url: &str) -> impl Fn(&mut Config) + Clone + Send + Sync + 'static {
    let bases = Bases::default().with(kind, url).unwrap();
    move |config| {
        config.egress = EgressPolicy::parse("127.0.0.1/32").unwrap();
        // Nobody outside is asked.
        config.deploy = DeploySettings { bases: bases.clone(), pace: pace(), eas: None, visits: 0 };
    }
}

pub async fn netlify() -> Standin<Netlify> {
    let standin = Netlify::start().await.unwrap();
    standin.look(|netlify| netlify.polls_per_state = 1);
    standin
}

/// A site with folders, and two files of one content.
pub fn write_site(folder: &Path, title: &str) {
    std::fs::create_dir_all(folder.join("assets")).unwrap();
    std::fs::write(folder.join("index.html"), format!("<h1>{title}</h1>")).unwrap();
    std::fs::write(folder.join("style.css"), "h1 { color: teal }").unwrap();
    std::fs::write(folder.join("assets/a.txt"), "text").unwrap();
    std::fs::write(folder.join("assets/b.txt"), "text").unwrap();
    std::fs::write(folder.join("assets/big.bin"), vec![7; 100_000]).unwrap();
}

/// A server, its provider, and a workspace with a site and a configuration.
pub struct Scene {
    pub server: TestServer,
    pub netlify: Standin<Netlify>,
    pub workspace: String,
    pub config: String,
}

impl Scene {
    pub async fn start() -> Self {
        let netlify = netlify().await;
        let server = TestServer::start_with(Script::default(), to(TargetKind::Netlify, &netlify.url)).await;
        let workspace = workspace(&server, "My Shop").await;
        let config = config(&server, json!({})).await;
        netlify.forget_recorded();
        Self { server, netlify, workspace, config }
    }

    pub async fn deploy(&self) -> String {
        deploy(&self.server, &self.workspace).await
    }

    pub async fn ended(&self, id: &str) -> Value {
        ended(&self.server, id).await
    }

    /// The deploys that the provider has.
    pub fn deploys(&self) -> usize {
        self.netlify.look(|netlify| netlify.deploys.len())
    }
}

pub async fn workspace(server: &TestServer, name: &str) -> String {
    let made = server.expect(201, "POST", "/workspaces", Some(json!({"name": name}))).await;
    let id = made["id"].as_str().unwrap().to_owned();
    write_site(&server.folder.join("workspaces").join(&id), name);
    id
}

pub async fn config(server: &TestServer, settings: Value) -> String {
    let body =
        json!({"name": "ours", "target": "netlify", "credentials": {"token": TOKEN}, "settings": settings});
    let made = server.expect(201, "POST", "/deploy-configs", Some(body)).await;
    made["id"].as_str().unwrap().to_owned()
}

pub async fn deploy(server: &TestServer, workspace: &str) -> String {
    let body = json!({"workspace_id": workspace, "target": "netlify"});
    let made = server.expect(201, "POST", "/deployments", Some(body)).await;
    assert_eq!(made["status"], "pending");
    made["id"].as_str().unwrap().to_owned()
}

pub async fn ended(server: &TestServer, id: &str) -> Value {
    until(server, id, |d| matches!(d["status"].as_str(), Some("live" | "failed"))).await
}

pub async fn until(server: &TestServer, id: &str, good: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let shown = server.get(&format!("/deployments/{id}")).await;
        if good(&shown) {
            return shown;
        }
        assert!(begun.elapsed() < PATIENCE, "not in time: {shown:#}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub async fn log(server: &TestServer, id: &str) -> String {
    String::from_utf8(server.bytes(&format!("/deployments/{id}/logs")).await).unwrap()
}

/// The deployment's events on the account's feed, once it is over: type and data.
pub async fn events(server: &TestServer, id: &str) -> Vec<(String, Value)> {
    events_until(server, id, 1).await
}

/// Up to the end of that number.
async fn events_until(server: &TestServer, id: &str, ends: usize) -> Vec<(String, Value)> {
    let mut left = ends;
    let mut stream = Sse::of(server, "/events?after=0", None).await.unwrap();
    let mut found: Vec<(String, Value)> = Vec::new();
    loop {
        let (_, event) = stream.event().await.unwrap();
        if event["deployment_id"] != id {
            continue;
        }
        assert_eq!(event["seq"], found.len() as u64 + 1, "{event}");
        assert_eq!((&event["task_id"], &event["agent_id"]), (&Value::Null, &Value::Null));
        let kind = event["type"].as_str().unwrap().to_owned();
        left -= usize::from(matches!(kind.as_str(), "deployment.live" | "deployment.failed"));
        found.push((kind, event["data"].clone()));
        if left == 0 {
            return found;
        }
    }
}

#[tokio::test]
async fn a_workspace_goes_live_and_everybody_is_told() {
    let scene = Scene::start().await;
    let (server, workspace) = (&scene.server, &scene.workspace);
    let receiver =
        Receiver::start(std::sync::Arc::new(miteos_server::SystemClock), |_, _| Answer::Status(200)).await;
    let hook = json!({"url": receiver.url("/"), "events": ["deployment.live", "deployment.failed"]});
    let hook = server.expect(201, "POST", "/webhooks", Some(hook)).await;
    let id = scene.deploy().await;
    let live = scene.ended(&id).await;
    assert_eq!(live["status"], "live", "{live:#}");
    let url = live["url"].as_str().unwrap();
    assert!(url.starts_with("https://my-shop-") && url.ends_with(".netlify.app"), "{url}");
    assert_eq!((&live["workspace_id"], &live["config_id"]), (&json!(workspace), &json!(scene.config)));
    assert_eq!((&live["environment"], &live["visibility"]), (&json!("production"), &json!("public")));
    assert_eq!((&live["target"], &live["error"]), (&json!("netlify"), &Value::Null));
    assert!(live["completed_at"].as_str().unwrap() >= live["created_at"].as_str().unwrap());
    assert_eq!(live["log_url"], format!("/v1/deployments/{id}/logs"));

    let told = events(server, &id).await;
    let kinds: Vec<&str> = told.iter().map(|(kind, _)| kind.as_str()).collect();
    let all = ["deployment.started", "deployment.building", "deployment.deploying", "deployment.live"];
    assert_eq!(kinds, all);
    assert_eq!(told[0].1["status"], "pending");
    assert_eq!(told[3].1, live, "the last event shows what a read does");

    let seen = receiver.wait_for(1).await;
    let data = &seen[0].json()["data"];
    assert_eq!((&data["type"], &data["deployment_id"]), (&json!("deployment.live"), &json!(id)));
    assert_eq!((&data["data"], &data["seq"]), (&live, &json!(4)));
    assert_eq!(seen[0].id(), data["id"].as_str().unwrap());
    let listed = server.get(&format!("/webhooks/{}/deliveries", hook["id"].as_str().unwrap())).await;
    let listed = &listed["deliveries"][0];
    assert_eq!((&listed["deployment_id"], &listed["task_id"]), (&json!(id), &Value::Null));

    let log = log(server, &id).await;
    for part in ["published as it is", "5 files, 100", "4 of 4 files", "live at https://my-shop-"] {
        assert!(log.contains(part), "{part}:\n{log}");
    }
    assert!(log.lines().all(|line| line.starts_with("20") && line.contains("Z ")), "{log}");
    scene.netlify.look(|netlify| {
        let deploy = netlify.deploys.values().next().unwrap();
        assert!(
            deploy.files.contains_key("/assets/big.bin") && deploy.title.contains(&id),
            "{}",
            deploy.title
        );
    });
    let left: Vec<_> = std::fs::read_dir(server.folder.join("deployments")).unwrap().collect();
    assert!(left.is_empty(), "what was kept for it is gone: {left:?}");

    // The same again: another deploy, and nothing is uploaded.
    scene.netlify.forget_recorded();
    let second = scene.deploy().await;
    assert_eq!(scene.ended(&second).await["status"], "live");
    assert_eq!((scene.deploys(), scene.netlify.count("PUT", "/files/")), (2, 0));
    let other = self::workspace(server, "Other").await;
    let third = deploy(server, &other).await;
    assert_eq!(scene.ended(&third).await["status"], "live");
    let page = server.get("/deployments?limit=2").await;
    let ids: Vec<&str> = page["data"].as_array().unwrap().iter().map(|d| d["id"].as_str().unwrap()).collect();
    assert_eq!((ids, &page["has_more"]), (vec![third.as_str(), second.as_str()], &json!(true)));
    let page = server.get("/deployments?limit=2&offset=2").await;
    assert_eq!((&page["data"], &page["has_more"]), (&json!([live]), &json!(false)));
    let page = server.get(&format!("/deployments?workspace_id={other}")).await;
    assert_eq!(page["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn one_at_a_time_for_a_workspace_and_a_target() {
    let scene = Scene::start().await;
    let server = &scene.server;
    scene.netlify.look(|netlify| netlify.polls_per_state = u32::MAX);
    let first = scene.deploy().await;
    let body = json!({"workspace_id": scene.workspace, "target": "netlify"});
    let refused = server.expect(422, "POST", "/deployments", Some(body.clone())).await;
    assert!(refused["detail"].as_str().unwrap().contains(&first), "{refused}");
    // Another workspace has nothing to do with it.
    let other = workspace(server, "Other").await;
    deploy(server, &other).await;
    let refused = server.expect(422, "DELETE", &format!("/workspaces/{}", scene.workspace), None).await;
    assert!(refused["detail"].as_str().unwrap().contains("being deployed"), "{refused}");
    server.expect(422, "DELETE", &format!("/deploy-configs/{}", scene.config), None).await;
    server.expect(200, "POST", &format!("/deployments/{first}/cancel"), None).await;
    deploy(server, &scene.workspace).await;
    // A request that is sent again under its name is no second deployment.
    let third = workspace(server, "Third").await;
    let again = || async {
        let request = server.http.post(format!("{}/v1/deployments", server.url)).bearer_auth(&server.key);
        let request = request.header("idempotency-key", "once");
        let response =
            request.json(&json!({"workspace_id": third, "target": "netlify"})).send().await.unwrap();
        assert_eq!(response.status(), 201);
        response.json::<Value>().await.unwrap()
    };
    assert_eq!(again().await, again().await);
}

#[tokio::test]
async fn a_cancel_ends_it_here_and_at_the_provider() {
    let scene = Scene::start().await;
    let server = &scene.server;
    scene.netlify.look(|netlify| netlify.polls_per_state = u32::MAX);
    let id = scene.deploy().await;
    wait_until("the provider has it", || scene.deploys() == 1).await;
    let cancel = format!("/deployments/{id}/cancel");
    server.expect(200, "POST", &cancel, None).await;
    let failed = server.get(&format!("/deployments/{id}")).await;
    assert_eq!(
        (&failed["status"], &failed["error"]["code"]),
        (&json!("failed"), &json!("canceled")),
        "{failed:#}"
    );
    assert!(failed["completed_at"].is_string() && failed["url"].is_null());
    assert!(scene.netlify.look(|netlify| netlify.deploys.values().all(|deploy| deploy.cancelled)));
    server.expect(200, "POST", &cancel, None).await;
    let kinds: Vec<String> = events(server, &id).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds.last().unwrap(), "deployment.failed");

    scene.netlify.look(|netlify| netlify.polls_per_state = 1);
    let id = scene.deploy().await;
    assert_eq!(scene.ended(&id).await["status"], "live");
    let refused = server.expect(422, "POST", &format!("/deployments/{id}/cancel"), None).await;
    assert!(refused["detail"].as_str().unwrap().contains("is live"), "{refused}");
}

#[tokio::test]
async fn the_test_world_passes_the_same_states_and_asks_nobody() {
    let scene = Scene::start().await;
    let server = &scene.server;
    let call = |method: &'static str, path: String, body: Option<Value>| async move {
        server.call_as(&server.test_key, method, &path, body).await
    };
    let made = call("POST", "/workspaces".into(), Some(json!({"name": "w"}))).await.1;
    let body = json!({"workspace_id": made["id"], "target": "netlify"});
    let (status, refused) = call("POST", "/deployments".into(), Some(body.clone())).await;
    assert_eq!(status, 422, "live configurations are not seen: {refused}");
    assert!(refused["detail"].as_str().unwrap().contains("POST /v1/deploy-configs"), "{refused}");
    let config = json!({"name": "c", "target": "netlify", "credentials": {"token": "anything-will-do"}});
    let (status, config) = call("POST", "/deploy-configs".into(), Some(config)).await;
    assert_eq!((status, &config["verified_at"]), (201, &Value::Null), "{config}");
    let mut live = Vec::new();
    for target in ["netlify", "preview"] {
        let body = json!({"workspace_id": made["id"], "target": target});
        let (status, deployment) = call("POST", "/deployments".into(), Some(body)).await;
        assert_eq!(status, 201, "{deployment}");
        let path = format!("/deployments/{}", deployment["id"].as_str().unwrap());
        let begun = Instant::now();
        live.push(loop {
            let shown = call("GET", path.clone(), None).await.1;
            if shown["status"] == "live" {
                break shown;
            }
            assert!(begun.elapsed() < PATIENCE, "{shown:#}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        });
        let log = call("GET", format!("{path}/logs"), None).await;
        assert_eq!(log.0, 200);
    }
    assert!(live.iter().all(|one| one["url"].as_str().unwrap().starts_with("http")), "{live:#?}");
    assert_eq!(scene.netlify.recorded().len(), 0, "nobody was asked");
    // The worlds do not see each other.
    assert_eq!(server.get("/deployments").await["data"], json!([]));
    let path = format!("/deployments/{}", live[0]["id"].as_str().unwrap());
    server.expect(404, "GET", &path, None).await;
    server.expect(404, "GET", &format!("{path}/logs"), None).await;
    server.expect(404, "POST", &format!("{path}/cancel"), None).await;
}

#[tokio::test]
async fn an_older_one_is_made_the_live_one_again() {
    let scene = Scene::start().await;
    let server = &scene.server;
    let first = scene.deploy().await;
    let live = scene.ended(&first).await;
    let published =
        || scene.netlify.look(|netlify| netlify.sites.values().next().unwrap().published.clone().unwrap());
    let older = published();
    let second = scene.deploy().await;
    scene.ended(&second).await;
    assert_ne!(published(), older);
    let back = format!("/deployments/{first}/rollback");
    assert_eq!(server.expect(200, "POST", &back, None).await, live);
    assert_eq!(published(), older);
    assert!(log(server, &first).await.ends_with("made the live one again\n"));
    scene.netlify.look(|netlify| netlify.polls_per_state = u32::MAX);
    let third = scene.deploy().await;
    let refused = server.expect(422, "POST", &back, None).await;
    assert!(refused["detail"].as_str().unwrap().contains(&third), "{refused}");
    let refused = server.expect(422, "POST", &format!("/deployments/{third}/rollback"), None).await;
    assert!(refused["detail"].as_str().unwrap().contains("not live"), "{refused}");
    server.expect(200, "POST", &format!("/deployments/{third}/cancel"), None).await;
    let gone = json!({"message": "gone"}).to_string();
    let fault = miteos_standins::Fault {
        when: miteos_standins::When::to("POST", "/restore"),
        what: miteos_standins::What::status(404, &gone),
    };
    scene.netlify.fault(fault);
    server.expect(422, "POST", &back, None).await;
}

#[tokio::test]
async fn what_cannot_be_deployed_is_refused_with_the_reason() {
    let scene = Scene::start().await;
    let (server, workspace) = (&scene.server, &scene.workspace);
    let missing = "ws_01jd3k7x8m9p2q4r6s8t0v2w4y";
    for (status, body, part) in [
        (400, json!({"target": "netlify"}), "workspace_id"),
        (422, json!({"workspace_id": workspace, "target": "moon"}), "vercel"),
        (404, json!({"workspace_id": missing, "target": "netlify"}), "workspace"),
        (
            404,
            json!({"workspace_id": workspace, "target": "netlify", "config_id": "cfg_01"}),
            "configuration",
        ),
        (422, json!({"workspace_id": workspace, "target": "vercel"}), "POST /v1/deploy-configs"),
        (
            422,
            json!({"workspace_id": workspace, "target": "vercel", "config_id": scene.config}),
            "for netlify",
        ),
        (422, json!({"workspace_id": workspace, "target": "preview", "config_id": scene.config}), "needs no"),
        (
            422,
            json!({"workspace_id": workspace, "target": "netlify", "settings": {"build": "x".repeat(1001)}}),
            "1000",
        ),
    ] {
        let refused = server.expect(status, "POST", "/deployments", Some(body)).await;
        assert!(refused["detail"].as_str().unwrap().contains(part), "{part}: {refused}");
    }
    let second = json!({"name": "second", "target": "netlify", "credentials": {"token": TOKEN}});
    server.expect(201, "POST", "/deploy-configs", Some(second)).await;
    let body = json!({"workspace_id": workspace, "target": "netlify"});
    let refused = server.expect(422, "POST", "/deployments", Some(body)).await;
    assert!(refused["detail"].as_str().unwrap().contains(&scene.config), "{refused}");
    assert_eq!(server.get("/deployments").await["data"], json!([]));
    // What is wrong with the files is found before the provider hears of them.
    scene.netlify.forget_recorded();
    let folder = server.folder.join("workspaces");
    for (name, files, code, part) in [
        ("empty", &[][..], "no_output", "index.html"),
        ("no page", &[("dist/a.txt", "a")], "no_output", "index.html"),
        ("secret", &[("index.html", "x"), (".env", "KEY=1")], "output_refused", ".env"),
        ("token", &[("index.html", TOKEN)], "output_refused", "index.html"),
        ("outside", &[("index.html", "x")], "config_invalid", "output"),
    ] {
        let made = server.expect(201, "POST", "/workspaces", Some(json!({"name": name}))).await;
        let root = folder.join(made["id"].as_str().unwrap());
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let settings = if name == "outside" { json!({"output": "../.."}) } else { json!({}) };
        let body = json!({
            "workspace_id": made["id"], "target": "netlify", "config_id": scene.config, "settings": settings,
        });
        let made = server.expect(201, "POST", "/deployments", Some(body)).await;
        let failed = scene.ended(made["id"].as_str().unwrap()).await;
        let (found, said) = (&failed["error"]["code"], failed["error"]["message"].as_str().unwrap());
        assert!(found == code && said.contains(part) && !said.contains(TOKEN), "{name}: {failed:#}");
    }
    assert_eq!(scene.netlify.recorded().len(), 0, "nobody was asked");
}

#[tokio::test]
async fn a_stop_while_the_provider_works_loses_nothing() {
    let netlify = netlify().await;
    netlify.look(|netlify| netlify.polls_per_state = u32::MAX);
    let temp = tempfile::tempdir().unwrap();
    let standin = StandIn::start(Script::default()).await;
    let change = to(TargetKind::Netlify, &netlify.url);
    let mut server = TestServer::over(temp.path(), standin.clone(), &change).await;
    let workspace = workspace(&server, "shop").await;
    config(&server, json!({})).await;
    let id = deploy(&server, &workspace).await;
    wait_until("the provider has it", || netlify.look(|netlify| netlify.deploys.len()) == 1).await;
    let begun = Instant::now();
    server.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "a stop does not wait for the provider");
    // The workspace changes, and the deployment goes on with what was taken of it.
    write_site(&temp.path().join("workspaces").join(&workspace), "another title");
    netlify.look(|netlify| netlify.polls_per_state = 1);
    let server = TestServer::over(temp.path(), standin, &change).await;
    assert_eq!(ended(&server, &id).await["status"], "live");
    assert_eq!(netlify.look(|netlify| netlify.deploys.len()), 1, "it was not made twice");
    assert_eq!(events(&server, &id).await.len(), 4);
}
