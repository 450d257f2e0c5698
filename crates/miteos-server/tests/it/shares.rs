//! Public links to deliverables: made, followed without a key, revoked, ended.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::{HandClock, TestServer};
use crate::standin::{Script, StandIn, call, text};

const START_MS: u64 = 1_800_000_000_000;
pub const PAGE: &str = "<script>alert(document.domain)</script>";

pub fn script() -> Script {
    Script::default().plan(&[("1", "do alpha", &[])]).agent(
        "alpha",
        vec![
            call("write_file", json!({"path": "out/page.html", "content": PAGE})),
            call("publish", json!({"path": "out/page.html"})),
            text("done"),
        ],
    )
}

/// The path below which a deliverable is shared.
pub async fn published(server: &TestServer) -> String {
    let task = server.run("publish", json!({})).await;
    assert_eq!(task["status"], "complete", "{task:#}");
    let id = task["id"].as_str().unwrap();
    let files = server.get(&format!("/tasks/{id}/deliverables")).await;
    format!("/tasks/{id}/deliverables/{}/share", files[0]["id"].as_str().unwrap())
}

pub async fn status(server: &TestServer, url: &str) -> u16 {
    server.http.get(url).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_link_gives_the_file_to_anybody_and_a_browser_does_not_show_it() {
    let server = TestServer::start(script()).await;
    let path = published(&server).await;
    let share = server.expect(201, "POST", &path, None).await;
    assert!(share["id"].as_str().unwrap().starts_with("shr_") && share["expires_at"].is_null(), "{share}");
    let url = share["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("{}/s/", server.url)), "{url}");
    let response = server.http.get(url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    for (name, value) in [
        ("content-disposition", "attachment; filename*=UTF-8''page.html"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("referrer-policy", "no-referrer"),
        ("x-robots-tag", "noindex, nofollow"),
        ("cache-control", "private, no-cache"),
    ] {
        assert_eq!(response.headers()[name], value);
    }
    let tag = response.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(response.text().await.unwrap(), PAGE);
    let part = server.http.get(url).header("range", "bytes=1-6").send().await.unwrap();
    assert_eq!((part.status().as_u16(), part.text().await.unwrap().as_str()), (206, "script"));
    let same = server.http.get(url).header("if-none-match", tag).send().await.unwrap();
    assert_eq!(same.status(), 304);
    assert_eq!(
        server.http.head(url).send().await.unwrap().headers()["content-length"],
        PAGE.len().to_string()
    );
    assert_eq!(server.http.post(url).send().await.unwrap().status(), 405);
    // A key is not needed and does no harm.
    assert_eq!(server.http.get(url).bearer_auth(&server.test_key).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_revoked_link_leads_nowhere_and_the_others_stay() {
    let server = TestServer::start(script()).await;
    let path = published(&server).await;
    let (one, two) =
        (server.expect(201, "POST", &path, None).await, server.expect(201, "POST", &path, None).await);
    assert_ne!(one["url"], two["url"]);
    let url = |share: &Value| share["url"].as_str().unwrap().to_owned();
    let id = one["id"].as_str().unwrap();
    let (refused, _) = server.call_as(&server.test_key, "DELETE", &format!("/shares/{id}"), None).await;
    assert_eq!(refused, 404, "another world's key");
    assert_eq!(status(&server, &url(&one)).await, 200);
    let gone = server.expect(200, "DELETE", &format!("/shares/{id}"), None).await;
    assert_eq!(gone, json!({"success": true}));
    assert_eq!((status(&server, &url(&one)).await, status(&server, &url(&two)).await), (404, 200));
    server.expect(404, "DELETE", &format!("/shares/{id}"), None).await;
    let altered = url(&two).replace("/s/", "/s/a");
    for wrong in [
        altered.as_str(),
        &url(&two)[..url(&two).len() - 1],
        &format!("{}/s/%00", server.url),
        &format!("{}/s/..", server.url),
    ] {
        assert_eq!(status(&server, wrong).await, 404, "{wrong}");
    }
}

#[tokio::test]
async fn a_link_ends_when_it_was_told_to_also_after_a_restart() {
    let temp = tempfile::tempdir().unwrap();
    let clock = HandClock::at(START_MS);
    let standin = StandIn::start(script()).await;
    let start = || {
        let clock: Arc<HandClock> = clock.clone();
        TestServer::over(temp.path(), standin.clone(), move |config| config.clock = clock.clone())
    };
    let mut server = start().await;
    let path = published(&server).await;
    let share = server.expect(201, "POST", &path, Some(json!({"expires_in": 60}))).await;
    assert_eq!(share["expires_at"], "2027-01-15T08:01:00.000Z");
    let token = share["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    server.stop().await;
    let kept = std::fs::read(temp.path().join("miteos.db")).unwrap();
    assert!(!kept.windows(token.len()).any(|part| part == token.as_bytes()), "only its hash is kept");
    let server = start().await;
    let url = format!("{}/s/{token}", server.url);
    clock.pass(59_999);
    assert_eq!(status(&server, &url).await, 200);
    clock.pass(1);
    assert_eq!(status(&server, &url).await, 404);
    for wrong in [json!({"expires_in": 0}), json!({"expires_in": -1}), json!({"expires_in": 316_224_001})] {
        server.expect(422, "POST", &path, Some(wrong)).await;
    }
    server.expect(400, "POST", &path, Some(json!({"expires_in": "soon"}))).await;
    server.expect(400, "POST", &path, Some(json!({"expires_in": 1.5}))).await;
    server.expect(404, "POST", &path.replace("dlvr_", "dlvr_0"), None).await;
}

#[tokio::test]
async fn the_same_request_again_gives_the_same_link() {
    let server = TestServer::start(script()).await;
    let path = published(&server).await;
    let send = async |body: &'static str| {
        let request = server.http.post(format!("{}/v1{path}", server.url)).bearer_auth(&server.key);
        let response = request.header("idempotency-key", "one").body(body).send().await.unwrap();
        let replayed = response.headers().contains_key("idempotency-replayed");
        (response.status().as_u16(), replayed, response.text().await.unwrap())
    };
    let (first, again) = (send("{}").await, send("{}").await);
    assert_eq!((first.0, first.1, again.0, again.1), (201, false, 201, true));
    assert_eq!(first.2, again.2);
    assert_eq!(send("{\"expires_in\": 5}").await.0, 409);
}
