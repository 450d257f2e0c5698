//! The contract as it is served: as a document for programs, as a page for people, and as it is committed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use miteos_server::Names;
use serde_json::{Value, json};

use crate::harness::TestServer;
use crate::standin::Script;

/// Set to anything, the committed document is written anew instead of compared.
const UPDATE: &str = "UPDATE_OPENAPI";

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json")
}

#[expect(clippy::disallowed_methods, reason = "who runs the test says whether the file is to be written")]
fn is_update() -> bool {
    std::env::var_os(UPDATE).is_some()
}

#[test]
fn the_committed_document_is_the_one_that_the_code_makes() {
    let made = miteos_server::openapi();
    if is_update() {
        std::fs::write(committed(), &made).unwrap();
    }
    let known = std::fs::read_to_string(committed()).unwrap_or_default();
    if known == made {
        return;
    }
    let differs = known.lines().zip(made.lines()).position(|(known, made)| known != made);
    panic!(
        "\ndocs/openapi.json is not what the code makes; they differ in line {}. Look at the change after:\n\n    \
         {UPDATE}=1 cargo test -p miteos-server --test it openapi::\n",
        differs.unwrap_or_else(|| known.lines().count().min(made.lines().count())) + 1
    );
}

#[tokio::test]
async fn the_document_is_for_everybody_and_is_sent_once() {
    let server = TestServer::start(Script::default()).await;
    let get = || server.http.get(format!("{}/v1/openapi.json", server.url));
    let response = get().send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "public, max-age=300");
    let tag = response.headers()["etag"].clone();
    assert_eq!(response.text().await.unwrap(), miteos_server::openapi());
    let again = get().header("if-none-match", &tag).send().await.unwrap();
    assert_eq!((again.status().as_u16(), &again.headers()["etag"]), (304, &tag));
    assert!(!again.headers().contains_key("content-type"));
    assert_eq!(again.text().await.unwrap(), "");
    let other = get().header("if-none-match", "\"other\"").send().await.unwrap();
    assert_eq!(other.status(), 200);
    let document: Value = other.json().await.unwrap();
    assert_eq!(document["openapi"], "3.1.0");
}

#[tokio::test]
async fn the_page_is_for_everybody_and_may_load_nothing() {
    let server = TestServer::start(Script::default()).await;
    let address = format!("{}/docs", server.url);
    let response = server.http.get(&address).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let headers = response.headers().clone();
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    let html = response.text().await.unwrap();
    assert!(html.starts_with("<!doctype html>") && html.contains("/tasks/<var>{id}</var>/cancel"));
    let again = server.http.get(&address).header("if-none-match", &headers["etag"]).send().await.unwrap();
    assert_eq!(again.status(), 304);
    let refused = server.http.post(&address).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["allow"].to_str().unwrap()), (405, "GET,HEAD"));
}

/// Real objects in the place of those that the examples name: by the word of a path, and by the id in a body.
struct Real {
    paths: BTreeMap<&'static str, String>,
    ids: Vec<(&'static str, String)>,
}

impl Real {
    async fn make(server: &TestServer) -> Self {
        let id = |made: &Value| made["id"].as_str().unwrap().to_owned();
        let done = server.run("Write it", json!({})).await;
        let files = server.get(&format!("/tasks/{}/deliverables", id(&done))).await;
        let waits = server.create("Send it [test:approval]", json!({"autonomy_level": 10})).await;
        let approval = server.asked(&waits).await;
        let agent = approval["agent_id"].as_str().unwrap().to_owned();
        let workspace = crate::deployments::workspace(server, "theirs").await;
        let hook = json!({"url": "https://example.com/theirs", "events": ["task.failed"]});
        let hook = server.expect(201, "POST", "/webhooks", Some(hook)).await;
        let config = json!({"name": "theirs", "target": "netlify", "credentials": {"token": "0123456789"}});
        let config = id(&server.expect(201, "POST", "/deploy-configs", Some(config)).await);
        let shown = json!({"workspace_id": workspace, "target": "preview"});
        let shown = id(&server.expect(201, "POST", "/deployments", Some(shown)).await);
        crate::deployments::ended(server, &shown).await;
        let paths = [
            ("tasks/{id}/deliverables", id(&done)),
            ("tasks/{id}", waits),
            ("deliverables/{file}", id(&files[0])),
            ("agents/{id}", agent),
            ("approve/{approval}", id(&approval)),
            ("webhooks/{id}", id(&hook)),
            ("deployments/{id}", shown),
            ("deploy-configs/{id}", config.clone()),
        ];
        let ids =
            vec![("ws_01jd3k7x8n5b7c9d1f3g5h7j9k", workspace), ("cfg_01jd3kaz1y2x3w4v5t6s7r8q9p", config)];
        Self { paths: paths.into(), ids }
    }

    fn path(&self, written: &str) -> String {
        let fill = |path: String, (word, id): (&&str, &String)| {
            let (begin, behind) = word.split_once('{').unwrap();
            let end = behind.split_once('}').unwrap().1;
            path.replace(word, &format!("{begin}{id}{end}"))
        };
        // The longer word first: the files are those of another task than the approval.
        self.paths.iter().rev().fold(written.to_owned(), fill)
    }

    fn body(&self, example: &Value) -> Value {
        let text = self.ids.iter().fold(example.to_string(), |text, (written, id)| text.replace(written, id));
        serde_json::from_str(&text).unwrap()
    }
}

/// Every name is that of a public address.
struct Somewhere;

#[async_trait]
impl Names for Somewhere {
    async fn look_up(&self, _host: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
        Ok(vec![[93, 184, 216, 34].into()])
    }
}

/// Who copies an example out of the document gets what it promises.
#[tokio::test]
async fn each_example_of_a_request_can_be_sent_as_it_stands() {
    // The examples' hosts are looked up, and nobody asks the network of the machine that tests.
    let mut server =
        TestServer::start_with(Script::default(), |config| config.names = Arc::new(Somewhere)).await;
    server.key = server.test_key.clone();
    let mut real = Real::make(&server).await;
    let document: Value = serde_json::from_str(&miteos_server::openapi()).unwrap();
    let mut sent = 0;
    // Guidance before the decision, after which the agent is gone.
    let mut operations: Vec<(&str, &str, &Value)> = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let methods = methods.as_object().unwrap().iter();
        operations.extend(methods.map(|(method, operation)| (path.as_str(), method.as_str(), operation)));
    }
    operations.sort_by_key(|(path, ..)| path.contains("{approval}"));
    for (path, method, operation) in operations {
        let Some(example) = operation.pointer("/requestBody/content/application~1json/example") else {
            continue;
        };
        let (status, answer) =
            server.call(&method.to_uppercase(), &real.path(path), Some(real.body(example))).await;
        assert!(matches!(status, 200..=299), "{method} {path}: {status} {answer}");
        if path == "/deploy-configs" {
            // Its name is the example's from now on, and the next example gives it the same.
            real.paths.insert("deploy-configs/{id}", answer["id"].as_str().unwrap().to_owned());
        }
        sent += 1;
    }
    assert!(sent > 15, "{sent}");
}
