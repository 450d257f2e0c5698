//! The contract as it is served: as a document for programs, as a page for people, and as it is committed.

use std::path::{Path, PathBuf};

use serde_json::Value;

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
