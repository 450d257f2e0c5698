//! The preview host beside the API: what is on the one is not on the other.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{PATIENCE, TestServer};
use crate::standin::{Script, StandIn};

/// As labels are.
const LABEL: &str = "abcdefghijklmnopqrstuvwxyz234567";

/// Sends a request to an address under a name of another, and gives the whole answer.
async fn ask(address: &str, method: &str, target: &str, host: &str, key: &str) -> String {
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
    );
    talk(address, &head).await
}

/// Sends what is written and gives everything that comes back.
async fn talk(address: &str, head: &str) -> String {
    let talk = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::time::timeout(PATIENCE, talk).await.unwrap()
}

#[tokio::test]
async fn no_operation_of_the_api_is_on_the_preview_host() {
    let server = TestServer::start(Script::default()).await;
    let address = server.preview.to_string();
    assert_eq!(server.preview.ip(), std::net::Ipv4Addr::LOCALHOST);
    for (host, status) in
        [(format!("{LABEL}.localhost:{}", server.preview.port()), "404"), (address.clone(), "421")]
    {
        for target in ["/v1/healthz", "/v1/tasks", "/v1/openapi.json", "/docs", "/s/abc", "/v1/ws", "/"] {
            let answer = ask(&address, "GET", target, &host, &server.key).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{host} {target}: {answer}");
            assert!(answer.contains("frame-ancestors") && !answer.contains("x-ratelimit"), "{answer}");
        }
    }
}

#[tokio::test]
async fn the_api_does_not_answer_under_the_name_of_a_preview() {
    let server = TestServer::start(Script::default()).await;
    let address = server.url.strip_prefix("http://").unwrap();
    for target in ["/v1/healthz", "/v1/tasks", "/v1/openapi.json", "/docs", "/s/abc", "/nothing"] {
        for port in [address.rsplit(':').next().unwrap(), "7701"] {
            let host = format!("{LABEL}.localhost:{port}");
            let answer = ask(address, "GET", target, &host, &server.key).await;
            assert!(answer.starts_with("HTTP/1.1 421 "), "{target}: {answer}");
            assert!(!answer.contains("access-control"), "{answer}");
        }
    }
    for host in ["localhost", "127.0.0.1:1", "miteos.localhost", "miteos.example"] {
        let answer = ask(address, "GET", "/v1/healthz", host, &server.key).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{host}: {answer}");
    }
}

#[tokio::test]
async fn previews_have_a_host_of_their_own_or_there_is_no_server() {
    use miteos_server::{PreviewHosts, Server};
    let standin = crate::standin::StandIn::start(Script::default()).await;
    for (public, hosts, refused) in [
        ("https://preview.example", "https://*.preview.example", true),
        ("https://api.preview.example/", "https://*.preview.example", true),
        ("https://app.example", "https://*.preview.app.example", true),
        ("https://api.example", "https://*.preview.example", false),
    ] {
        let temp = tempfile::tempdir().unwrap();
        let mut config = crate::harness::config(temp.path(), &standin);
        config.public_url = Some(public.to_owned());
        config.preview.hosts = PreviewHosts::parse(hosts).ok();
        let started = Server::start(config).await;
        assert_eq!(started.is_err(), refused, "{public}");
        if let Err(error) = started {
            assert!(error.to_string().contains("a domain of their own"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_named_address_that_is_taken_is_refused_and_the_usual_one_gives_way() {
    use miteos_server::{Server, StartError};
    let standin = crate::standin::StandIn::start(Script::default()).await;
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let temp = tempfile::tempdir().unwrap();
    let mut config = crate::harness::config(temp.path(), &standin);
    config.preview.listen = Some(taken.local_addr().unwrap());
    let refused = Server::start(config).await.err().unwrap();
    assert!(matches!(refused, StartError::ListenForPreviews { .. }), "{refused}");
    // Two neighbours: the API takes the first, and somebody else has the second.
    let (api, next) = loop {
        let api = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        if let Ok(next) = tokio::net::TcpListener::bind(("127.0.0.1", api.port().saturating_add(1))).await {
            break (api, next);
        }
    };
    let mut config = crate::harness::config(temp.path(), &standin);
    config.listen = api;
    let server = Server::start(config).await.unwrap();
    assert_ne!(server.preview_address(), next.local_addr().unwrap());
    assert!(server.previews_at().ends_with(&format!("*.localhost:{}/", server.preview_address().port())));
}

/// A workspace with a site, deployed to the preview host; gives the deployment.
pub async fn shown(server: &TestServer, name: &str, files: &[(&str, &str)]) -> Value {
    let made = server.expect(201, "POST", "/workspaces", Some(json!({"name": name}))).await;
    let id = made["id"].as_str().unwrap();
    let folder = server.folder.join("workspaces").join(id);
    for (path, text) in files {
        let file = folder.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let body = json!({"workspace_id": id, "target": "preview"});
    let made = server.expect(201, "POST", "/deployments", Some(body)).await;
    let live = crate::deployments::ended(server, made["id"].as_str().unwrap()).await;
    assert_eq!(live["status"], "live", "{live:#}");
    live
}

/// Asks for an address of a preview, and gives the status and the whole answer.
pub async fn visit(server: &TestServer, url: &str) -> (u16, String) {
    visit_with(server, url, "").await
}

pub async fn visit_with(server: &TestServer, url: &str, headers: &str) -> (u16, String) {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let head = format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\n{headers}connection: close\r\n\r\n");
    let answer = talk(&server.preview.to_string(), &head).await;
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

/// Follows a link, and gives the cookie that it is exchanged for, as a header.
pub async fn cookie(server: &TestServer, url: &str) -> String {
    let (status, sent_on) = visit(server, url).await;
    assert_eq!((status, header(&sent_on, "location")), (303, "/"));
    format!("cookie: {}\r\n", header(&sent_on, "set-cookie").split(';').next().unwrap())
}

fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let found = answer.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.unwrap_or_else(|| panic!("{name} is missing: {answer}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn a_workspace_is_deployed_to_the_preview_host_and_stays_there() {
    let temp = tempfile::tempdir().unwrap();
    let standin = StandIn::start(Script::default()).await;
    let mut server = TestServer::over(temp.path(), standin.clone(), |_| {}).await;
    let live = shown(&server, "site", &[("index.html", "first"), ("dist/x.txt", "x")]).await;
    assert_eq!((text(&live["target"]), text(&live["visibility"])), ("preview", "public"));
    let url = text(&live["url"]).to_owned();
    let label = url.strip_prefix("http://").unwrap().split('.').next().unwrap().to_owned();
    assert!(!live["id"].to_string().contains(&label) && label.len() == 32, "{url}");
    let (status, answer) = visit(&server, &url).await;
    assert!(status == 200 && answer.ends_with("first"), "{answer}");
    let other = shown(&server, "other", &[("index.html", "first")]).await;
    assert_ne!(other["url"], live["url"], "the same site has another origin");
    // What changes in the workspace changes nothing.
    let workspace = server.folder.join("workspaces").join(text(&live["workspace_id"]));
    std::fs::write(workspace.join("index.html"), "second").unwrap();
    assert!(visit(&server, &url).await.1.ends_with("first"));
    server.stop().await;
    let server = TestServer::over(temp.path(), standin, |_| {}).await;
    assert!(visit(&server, &url).await.1.ends_with("first"), "also after a restart");
    let none = server.folder.join("deployments");
    let left = std::fs::read_dir(none).map(|entries| entries.count()).unwrap_or(0);
    assert_eq!(left, 0, "nothing is left of the way there");
}

#[tokio::test]
async fn who_may_look_is_decided_by_its_owner() {
    let server = TestServer::start(Script::default()).await;
    let live = shown(&server, "site", &[("index.html", "first")]).await;
    let (path, url) = (format!("/deployments/{}/preview", text(&live["id"])), text(&live["url"]).to_owned());
    let preview = server.get(&path).await;
    assert_eq!((text(&preview["url"]), text(&preview["visibility"])), (url.as_str(), "public"));
    assert_eq!(
        (&preview["files"], &preview["size_bytes"], &preview["single_page"]),
        (&json!(1), &json!(5), &json!(true))
    );
    let closed =
        server.expect(200, "PATCH", &path, Some(json!({"visibility": "link", "single_page": false}))).await;
    assert_eq!((text(&closed["visibility"]), &closed["single_page"]), ("link", &json!(false)));
    assert_eq!(visit(&server, &url).await.0, 403);
    let link = server.expect(201, "POST", &format!("{path}/links"), Some(json!({"expires_in": 60}))).await;
    let cookie = cookie(&server, text(&link["url"])).await;
    assert_eq!(visit_with(&server, &url, &cookie).await.0, 200);
    server.expect(200, "DELETE", &format!("{path}/links"), None).await;
    assert_eq!(
        (visit_with(&server, &url, &cookie).await.0, visit(&server, text(&link["url"])).await.0),
        (403, 403)
    );
    for wrong in
        [json!({"visibility": "secret"}), json!({"expires_in": 0}), json!({"expires_in": 316_224_001})]
    {
        server.expect(422, "PATCH", &path, Some(wrong)).await;
    }
    server.expect(422, "POST", &format!("{path}/links"), Some(json!({"expires_in": -1}))).await;
    let ends =
        server.expect(200, "PATCH", &path, Some(json!({"expires_in": 3600, "visibility": "public"}))).await;
    assert!(ends["expires_at"].is_string());
    let ends = server.expect(200, "PATCH", &path, Some(json!({"expires_in": null}))).await;
    assert!(ends["expires_at"].is_null() && ends["visibility"] == "public", "{ends}");
    assert_eq!(server.call_as(&server.test_key, "DELETE", &path, None).await.0, 404, "another world's key");
    assert_eq!(visit(&server, &url).await.0, 200);
    server.expect(200, "DELETE", &path, None).await;
    assert_eq!(visit(&server, &url).await.0, 404);
    server.expect(404, "GET", &path, None).await;
    server.expect(404, "DELETE", &path, None).await;
}

#[tokio::test]
async fn a_test_deployment_leads_to_a_page_that_says_so() {
    let mut server = TestServer::start(Script::default()).await;
    server.key = server.test_key.clone();
    let live = shown(&server, "site", &[("index.html", "first")]).await;
    let (status, answer) = visit(&server, text(&live["url"])).await;
    assert!(status == 200 && answer.contains("test deployment") && !answer.contains("first"), "{answer}");
    let preview = server.get(&format!("/deployments/{}/preview", text(&live["id"]))).await;
    assert_eq!((&preview["files"], &preview["url"]), (&json!(0), &live["url"]));
}

/// Pages that try to reach what is not theirs, in a browser.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_in_a_browser_reaches_neither_another_preview_nor_the_api() {
    let server = TestServer::start(Script::default()).await;
    let victim =
        shown(&server, "victim", &[("index.html", include_str!("../../../../tests/clients/victim.html"))])
            .await;
    let page = include_str!("../../../../tests/clients/attacker.html");
    let attacker = shown(&server, "attacker", &[("index.html", page), ("own.txt", "own")]).await;
    // The victim has something to lose: it is in the browser's profile from the first visit on.
    let profile = tempfile::tempdir().unwrap();
    let first = crate::clients::dump(profile.path(), text(&victim["url"])).await;
    assert!(first.contains("kept: treasure"), "{first}");
    let asked = format!("{}?victim={}&api={}", text(&attacker["url"]), text(&victim["url"]), server.url);
    let seen = crate::clients::dump(profile.path(), &asked).await;
    let told = seen.split("<pre>").nth(1).and_then(|rest| rest.split("</pre>").next());
    let told: Value = serde_json::from_str(told.unwrap_or_else(|| panic!("{seen}"))).unwrap();
    // That it can do anything at all shows that the rest is refused and not broken.
    assert_eq!((&told["own_storage"], &told["own_file"]), (&json!("mine"), &json!("own")), "{told:#}");
    for refused in
        ["victim_fetch", "victim_frame", "api_fetch", "api_with_credentials", "docs_fetch", "api_frame"]
    {
        assert_eq!(told[refused], "refused", "{refused}: {told:#}");
    }
    assert_eq!(told["cookies"], "", "{told:#}");
}
