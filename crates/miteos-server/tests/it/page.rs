//! The page for people: its files, the policy that it is under, and the link that signs a browser in.

use std::sync::Arc;

use miteos_server::{Config, PageFile, Server};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::harness::{HandClock, TestServer, client, config};
use crate::standin::{Script, StandIn};

const INDEX: &[u8] = b"<!doctype html><title>a page</title>";
const FILES: [PageFile; 4] = [
    PageFile { path: "/index.html", bytes: INDEX, gzip: None },
    PageFile { path: "/mark.svg", bytes: b"<svg/>", gzip: None },
    PageFile { path: "/assets/main-0a1b.js", bytes: b"let all = 1;", gzip: Some(b"packed") },
    PageFile { path: "/assets/main-0a1b.css", bytes: b"a{}", gzip: None },
];

async fn with_page() -> TestServer {
    TestServer::start_with(Script::default(), |config| config.page = FILES.to_vec()).await
}

#[tokio::test]
async fn the_page_is_served_under_a_policy_that_lets_nothing_else_in() {
    let server = with_page().await;
    for (path, media_type, kept, bytes) in [
        ("/", "text/html; charset=utf-8", "no-cache", INDEX),
        ("/mark.svg", "image/svg+xml", "no-cache", b"<svg/>".as_slice()),
        (
            "/assets/main-0a1b.js",
            "text/javascript; charset=utf-8",
            "public, max-age=31536000, immutable",
            b"let all = 1;",
        ),
        ("/assets/main-0a1b.css", "text/css; charset=utf-8", "public, max-age=31536000, immutable", b"a{}"),
    ] {
        let response = server
            .http
            .get(format!("{}{path}", server.url))
            .header("accept-encoding", "identity")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let head = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(head("content-type"), media_type, "{path}");
        assert_eq!(head("cache-control"), kept, "{path}");
        assert_eq!(head("x-content-type-options"), "nosniff");
        assert_eq!(head("x-frame-options"), "DENY");
        assert_eq!(head("referrer-policy"), "no-referrer");
        assert_eq!(head("cross-origin-opener-policy"), "same-origin");
        let policy = head("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self';",
            "style-src 'self';",
            "connect-src 'self';",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        ] {
            assert!(policy.contains(part), "{part} in {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("data:") && !policy.contains('*'), "{policy}");
        assert_eq!(response.bytes().await.unwrap(), bytes);
    }
    for path in [
        "/index.html",
        "/assets/main-0a1b.ts",
        "/assets/../mark.svg2",
        "/assets/%2e%2e/index.html",
        "/favicon.ico",
        "/tasks",
    ] {
        let response = server.http.get(format!("{}{path}", server.url)).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        assert!(response.json::<Value>().await.unwrap()["detail"].is_string(), "{path}");
    }
}

#[tokio::test]
async fn a_file_is_sent_packed_to_whoever_takes_it_and_once() {
    let server = with_page().await;
    let get = |encoding: &'static str, tag: Option<String>| {
        let request = server
            .http
            .get(format!("{}/assets/main-0a1b.js", server.url))
            .header("accept-encoding", encoding);
        match tag {
            Some(tag) => request.header("if-none-match", tag),
            None => request,
        }
    };
    let plain = get("identity", None).send().await.unwrap();
    assert!(!plain.headers().contains_key("content-encoding"));
    assert_eq!(plain.headers()["vary"], "accept-encoding");
    let tag = plain.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(get("identity", Some(tag.clone())).send().await.unwrap().status(), 304);
    for refused in ["br", "gzip;q=0, br", "deflate"] {
        assert!(
            !get(refused, None).send().await.unwrap().headers().contains_key("content-encoding"),
            "{refused}"
        );
    }
    // What the client is told is packed it would unpack, and this is not; so only the heads are looked at.
    for taken in ["gzip", "deflate, GZIP;q=0.5", "br, gzip"] {
        let packed = get(taken, None).send().await.unwrap();
        assert_ne!(packed.headers()["etag"].to_str().unwrap(), tag, "{taken}");
        assert_eq!(get(taken, Some(tag.clone())).send().await.unwrap().status(), 200, "the other form's tag");
    }
}

#[tokio::test]
async fn without_a_page_there_is_nothing_at_its_place() {
    let server = TestServer::start(Script::default()).await;
    let response = server.http.get(format!("{}/", server.url)).send().await.unwrap();
    assert_eq!(response.status(), 404);
    assert!(response.json::<Value>().await.unwrap()["detail"].as_str().unwrap().contains("/v1"));
}

/// A server whose link is known.
struct Linked {
    url: String,
    code: String,
    http: reqwest::Client,
    clock: Arc<HandClock>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Linked {
    async fn start(change: impl Fn(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let standin = StandIn::start(Script::default()).await;
        let clock = HandClock::at(1_800_000_000_000);
        let mut config = config(folder.path(), &standin);
        config.page = FILES.to_vec();
        config.clock = clock.clone();
        change(&mut config);
        let server = Server::start(config).await.unwrap();
        let link = server.sign_in_link().unwrap();
        let (url, code) = link.split_once("/#code=").unwrap();
        let (url, code) = (url.to_owned(), code.to_owned());
        assert_eq!(url, server.url());
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(async move {
            let asked = async { drop(stopped.await) };
            server.run_until(asked).await.unwrap();
        });
        Self { url, code, http: client(), clock, stop, running, _folder: folder }
    }

    fn asked(&self, code: &str) -> reqwest::RequestBuilder {
        let body = json!({"code": code}).to_string();
        let request = self.http.post(format!("{}/sign-in", self.url)).body(body);
        request.header("content-type", "application/json").header("origin", &self.url)
    }

    async fn refused(&self, request: reqwest::RequestBuilder, why: &str) {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 403, "{why}");
        let detail = response.json::<Value>().await.unwrap()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(why), "{why}: {detail}");
    }

    async fn stop(self) {
        drop(self.stop);
        self.running.await.unwrap();
    }
}

#[tokio::test]
async fn a_link_signs_one_browser_in_once() {
    let server = Linked::start(|_| {}).await;
    let response = server.asked(&server.code).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let made: Value = response.json().await.unwrap();
    for world in ["live", "test"] {
        let key = made[world]["key"].as_str().unwrap();
        assert!(key.starts_with(&format!("mt_{world}_")));
        let get = |path: &str| server.http.get(format!("{}/v1{path}", server.url)).bearer_auth(key);
        assert_eq!(get("/tasks").send().await.unwrap().status(), 200);
        let keys: Value = get("/api-keys").send().await.unwrap().json().await.unwrap();
        let own = keys.as_array().unwrap().iter().find(|each| each["id"] == made[world]["id"]).unwrap();
        assert_eq!(
            (own["name"].as_str().unwrap(), own["environment"].as_str().unwrap()),
            ("signed-in browser", world)
        );
        assert!(own["expires_at"].is_string());
    }
    server.refused(server.asked(&server.code), "used already").await;
    server.stop().await;
}

#[tokio::test]
async fn nobody_else_is_signed_in() {
    let server = Linked::start(|_| {}).await;
    let port = server.url.rsplit(':').next().unwrap().to_owned();
    let code = server.code.clone();
    let json = |request: reqwest::RequestBuilder| {
        request.header("content-type", "application/json").body(json!({"code": code}).to_string())
    };
    let post = || json(server.http.post(format!("{}/sign-in", server.url)));
    server.refused(post(), "own page").await;
    server.refused(post().header("origin", "http://evil.example"), "own page").await;
    server.refused(post().header("origin", "null"), "own page").await;
    server.refused(server.asked(&code).header("sec-fetch-site", "cross-site"), "own page").await;
    server.refused(server.asked(&code).header("sec-fetch-site", "same-site"), "own page").await;
    server.refused(server.asked(&code).header("x-forwarded-for", "127.0.0.1"), "proxy").await;
    server.refused(server.asked(&code).header("forwarded", "for=127.0.0.1"), "proxy").await;
    let foreign = format!("evil.example:{port}");
    server
        .refused(
            post().header("host", &foreign).header("origin", format!("http://{foreign}")),
            "address that the server printed",
        )
        .await;
    let form = server
        .http
        .post(format!("{}/sign-in", server.url))
        .header("origin", &server.url)
        .header("content-type", "text/plain")
        .body(json!({"code": code}).to_string());
    server.refused(form, "JSON").await;
    // None of it has used the code up.
    assert_eq!(server.asked(&code).send().await.unwrap().status(), 200);
    server.stop().await;
}

#[tokio::test]
async fn a_link_is_short_lived_and_cannot_be_guessed() {
    let server = Linked::start(|_| {}).await;
    server.clock.pass(10 * 60 * 1000);
    server.refused(server.asked(&server.code), "older than ten minutes").await;
    server.stop().await;

    let server = Linked::start(|_| {}).await;
    for _ in 0..5 {
        server.refused(server.asked("00000000000000000000000000000000"), "used already").await;
    }
    server.refused(server.asked(&server.code), "used already").await;
    server.stop().await;
}

#[tokio::test]
async fn a_server_for_other_machines_makes_no_link() {
    let folder = tempfile::tempdir().unwrap();
    let standin = StandIn::start(Script::default()).await;
    let mut config = config(folder.path(), &standin);
    config.listen = "0.0.0.0:0".parse().unwrap();
    let server = Server::start(config).await.unwrap();
    assert_eq!(server.sign_in_link(), None);
    server.run_until(async {}).await.unwrap();
}
