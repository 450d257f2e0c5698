//! The table of operations, walked: each one refuses those who may not, finds nothing of others, and says what is
//! wrong with what it cannot read. An operation that is new to the table is new to these tests.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use miteos_deploy::TargetKind;
use miteos_server::models::Secret;
use miteos_server::{Access, Operation, Takes, operations};
use miteos_standins::Standin;
use miteos_standins::netlify::Netlify;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::harness::TestServer;
use crate::standin::{Script, call, text};

/// The token of the server's owner.
const OPERATOR: &str = "the-owner-of-this-server";
/// An address where nobody listens.
const NOBODY: &str = "http://127.0.0.1:1/";

/// Objects of the live world, by the word that stands for them in a path.
struct Objects(BTreeMap<&'static str, String>);

impl Objects {
    /// A task with everything a task can have: an agent, an approval that waits, a deliverable.
    async fn make(server: &TestServer) -> Self {
        let task = server.create("x", json!({"autonomy_level": 30})).await;
        let shown = server.until(&task, |t| t["approvals"].as_array().is_some_and(|a| !a.is_empty())).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (_, key) = server.make_key("live", "free", &["tasks.read"]).await;
        let missing = "01jd3k7x8m9p2q4r6s8t0v2w4y";
        let hook = json!({"url": NOBODY, "events": ["task.failed"]});
        let made = server.call("POST", "/webhooks", Some(hook)).await.1;
        let webhook = text(&made["id"]);
        let tested = server.call("POST", &format!("/webhooks/{webhook}/test"), None).await.1;
        let delivery = text(&tested["delivery_id"]);
        let config = crate::deployments::config(server, json!({})).await;
        let site = crate::deployments::workspace(server, "a site").await;
        let deployment = crate::deployments::deploy(server, &site).await;
        crate::deployments::ended(server, &deployment).await;
        Self(BTreeMap::from([
            ("tasks/{id}", task),
            ("agents/{id}", text(&shown["agents"][0]["id"])),
            ("approve/{approval}", text(&shown["approvals"][0]["id"])),
            ("workspaces/{id}", text(&shown["workspace_id"])),
            ("deliverables/{file}", format!("dlvr_{missing}")),
            ("shares/{id}", format!("shr_{missing}")),
            ("links/{link}", format!("shr_{missing}")),
            ("files/{*path}", "a.txt/download".into()),
            ("api-keys/{id}", key),
            ("webhooks/{id}", webhook),
            ("deliveries/{delivery}", delivery),
            ("deployments/{id}", deployment),
            ("deploy-configs/{id}", config),
        ]))
    }

    /// The path with objects in it.
    fn fill(&self, operation: &Operation) -> String {
        let mut last = "";
        let mut filled = String::new();
        for part in operation.path.split('/').skip(1) {
            let shown = if part.starts_with('{') {
                let word = format!("{last}/{part}");
                let known = self.0.get(word.as_str());
                known
                    .unwrap_or_else(|| panic!("{operation:?}: add an object for {word} to these tests"))
                    .clone()
            } else {
                part.to_owned()
            };
            last = part;
            filled += &format!("/{shown}");
        }
        filled
    }
}

/// A body that the operation can read.
fn body(operation: &Operation) -> Value {
    match operation.path {
        "/tasks" => json!({"prompt": "x"}),
        "/tasks/{id}" => json!({"config": {"autonomy_level": 31}}),
        path if path.ends_with("/guide") => json!({"message": "x"}),
        path if path.ends_with("/approve/{approval}") => json!({"approved": true}),
        "/workspaces" => json!({"name": "walked"}),
        "/approval-policy" => json!({"medium": 60}),
        "/webhooks" => json!({"url": NOBODY, "events": ["*"]}),
        "/webhooks/{id}" => json!({"description": "walked"}),
        "/deployments" => json!({"workspace_id": "ws_01jd3k7x8m9p2q4r6s8t0v2w4y", "target": "preview"}),
        "/deploy-configs" => {
            json!({"name": "walked", "target": "netlify", "credentials": {"token": "0123456789"}})
        }
        "/deployments/{id}/preview" => json!({"single_page": true}),
        "/deploy-configs/{id}" => json!({"name": "walked"}),
        "/api-keys" => {
            json!({"name": "x", "environment": "test", "scopes": ["tasks.read"], "tier": "free"})
        }
        path => panic!("{path}: add a body for it to these tests"),
    }
}

fn sent(
    server: &TestServer,
    operation: &Operation,
    path: &str,
    key: Option<&str>,
) -> reqwest::RequestBuilder {
    let request = server.http.request(operation.method.parse().unwrap(), format!("{}/v1{path}", server.url));
    let request = match operation.takes {
        Takes::Json => request.json(&body(operation)),
        Takes::Files => request.multipart(Form::new().part("file", Part::text("x").file_name("x.txt"))),
        Takes::Nothing | Takes::Query => request,
    };
    match key {
        Some(key) => request.bearer_auth(key),
        None => request,
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    assert!(response.headers().contains_key("request-id"));
    if status < 400 {
        return (status, String::new());
    }
    assert_eq!(response.headers()["content-type"], "application/json");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body.as_object().unwrap().len(), 1, "detail and nothing else: {body}");
    (status, body["detail"].as_str().unwrap().to_owned())
}

/// A server, and the deploy provider that it asks.
struct Served {
    server: TestServer,
    _provider: Standin<Netlify>,
}

impl Deref for Served {
    type Target = TestServer;

    fn deref(&self) -> &TestServer {
        &self.server
    }
}

async fn server() -> Served {
    let provider = crate::deployments::netlify().await;
    let to_provider = crate::deployments::to(TargetKind::Netlify, &provider.url);
    let script = Script::default()
        .plan(&[("1", "do alpha", &[])])
        .agent("alpha", vec![call("write_file", json!({"path": "a.txt", "content": "a"})), text("done")]);
    let server = TestServer::start_with(script, |config| {
        to_provider(config);
        config.metrics.token = Some(Secret::new(OPERATOR));
    });
    Served { server: server.await, _provider: provider }
}

#[test]
fn the_table_names_known_scopes_and_each_operation_once() {
    let mut seen = BTreeSet::new();
    let public: Vec<&str> = operations()
        .iter()
        .filter_map(|operation| {
            assert!(seen.insert((operation.method, operation.path)), "{operation:?} stands there twice");
            match operation.access {
                Access::Public => Some(operation.path),
                Access::Scope(scope) | Access::Proof(scope) => {
                    assert!(miteos_api::SCOPES.contains(&scope), "{operation:?}");
                    None
                }
                Access::Operator => None,
            }
        })
        .collect();
    assert_eq!(public, ["/healthz", "/readyz", "/openapi.json"], "whatever tells of an account needs a key");
}

#[tokio::test]
async fn without_a_key_there_is_401_and_without_the_scope_403() {
    let server = server().await;
    let objects = Objects::make(&server).await;
    let mut keys = BTreeMap::new();
    for operation in operations() {
        let path = objects.fill(&operation);
        let scope = match operation.access {
            Access::Scope(scope) | Access::Proof(scope) => scope,
            Access::Public => {
                assert_eq!(answer(sent(&server, &operation, &path, None)).await.0, 200, "{operation:?}");
                continue;
            }
            Access::Operator => {
                for key in [None, Some(server.key.as_str())] {
                    assert_eq!(answer(sent(&server, &operation, &path, key)).await.0, 401, "{operation:?}");
                }
                let opened = answer(sent(&server, &operation, &path, Some(OPERATOR))).await;
                assert_eq!(opened.0, 200, "{operation:?}");
                continue;
            }
        };
        let response = sent(&server, &operation, &path, None).send().await.unwrap();
        assert_eq!(response.status(), 401, "{operation:?}");
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert!(!response.headers().contains_key("x-ratelimit-limit"));
        if !keys.contains_key(scope) {
            let others: Vec<&str> = miteos_api::SCOPES.into_iter().filter(|other| *other != scope).collect();
            let lacking = server.make_key("live", "enterprise", &others).await.0;
            let having = server.make_key("test", "enterprise", &[scope]).await.0;
            keys.insert(scope, (lacking, having));
        }
        let (lacking, having) = &keys[scope];
        let (status, detail) = answer(sent(&server, &operation, &path, Some(lacking))).await;
        assert_eq!(status, 403, "{operation:?}: {detail}");
        assert_eq!(detail, format!("this key lacks the scope {scope}"));
        if operation.path != "/events" {
            let (status, detail) = answer(sent(&server, &operation, &path, Some(having))).await;
            let refused = status == 401 || status == 403 && detail.ends_with(scope);
            assert!(!refused, "{operation:?}: its scope is enough, but {status} {detail}");
        }
    }
}

#[tokio::test]
async fn what_belongs_to_others_or_does_not_exist_is_not_found() {
    let server = server().await;
    let objects = Objects::make(&server).await;
    let task = &objects.0["tasks/{id}"];
    let before = server.get(&format!("/tasks/{task}")).await;
    for operation in operations().iter().filter(|operation| operation.path.contains('{')) {
        let path = objects.fill(operation);
        let (status, detail) = answer(sent(&server, operation, &path, Some(&server.test_key))).await;
        assert_eq!(status, 404, "{operation:?} of another: {detail}");
        for wrong in ["nonsense", "task_01", "%00", "..%2f..", "🦀"] {
            let path = operation.path.replace("{id}", wrong).replace("{file}", wrong);
            let path =
                path.replace("{approval}", wrong).replace("{delivery}", wrong).replace("{link}", wrong);
            let path = path.replace("{*path}", "a.txt/download");
            let (status, detail) = answer(sent(&server, operation, &path, Some(&server.key))).await;
            assert_eq!(status, 404, "{operation:?} {wrong}: {detail}");
        }
        let path = operation.path.replace("{id}", "%ff").replace("{file}", "%ff");
        let path = path.replace("{approval}", "%ff").replace("{delivery}", "%ff").replace("{link}", "%ff");
        let path = path.replace("{*path}", "a.txt/download");
        let (status, detail) = answer(sent(&server, operation, &path, Some(&server.key))).await;
        assert_eq!(status, 400, "{operation:?} with an address that is no text: {detail}");
    }
    assert_eq!(server.get(&format!("/tasks/{task}")).await, before, "nothing has changed");
}

#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    let server = server().await;
    let objects = Objects::make(&server).await;
    for operation in operations() {
        let path = objects.fill(&operation);
        let key = Some(server.key.as_str());
        let nonsense = match operation.takes {
            Takes::Json => vec!["{", "", "[]", "\"x\"", "[{}]", "nul\u{0}"],
            Takes::Nothing | Takes::Query | Takes::Files => Vec::new(),
        };
        for text in nonsense {
            let request = sent(&server, &operation, &path, key).body(text);
            let (status, detail) = answer(request).await;
            assert_eq!(status, 400, "{operation:?} {text:?}: {detail}");
        }
        if operation.takes == Takes::Query {
            let path = format!("{path}?limit=x&after=x&from=x&path=../x");
            let (status, detail) = answer(sent(&server, &operation, &path, key)).await;
            assert!(matches!(status, 400 | 422), "{operation:?}: {status} {detail}");
        }
        if operation.takes == Takes::Files {
            let url = format!("{}/v1{path}", server.url);
            let (status, detail) = answer(server.http.post(&url).bearer_auth(&server.key).json(&1)).await;
            assert_eq!(status, 400, "{operation:?}: {detail}");
            let cut = "--b\r\ncontent-disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\nhalf";
            let request = server.http.post(&url).bearer_auth(&server.key).body(cut);
            let request = request.header("content-type", "multipart/form-data; boundary=b");
            let (status, detail) = answer(request).await;
            assert_eq!(status, 400, "{operation:?}: {detail}");
        }
        if operation.method == "POST" {
            for name in ["a b", "", "ä", &"x".repeat(256)] {
                let request = sent(&server, &operation, &path, key);
                let request = request.header("idempotency-key", name.as_bytes());
                let (status, detail) = answer(request).await;
                assert_eq!(status, 400, "{operation:?} {name:?}: {detail}");
                assert!(detail.contains("1 to 255 visible ASCII"), "{detail}");
            }
        }
    }
}
