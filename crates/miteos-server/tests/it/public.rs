//! What somebody without a key can see: listed, taken back, and shown to nobody but its owner.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::{HandClock, TestServer};
use crate::previews::{cookie, shown, visit, visit_with};
use crate::shares::{published, script, status};
use crate::standin::{Script, StandIn};

const START_MS: u64 = 1_800_000_000_000;
const HOUR_MS: u64 = 3_600_000;

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The ids in a list, in its order.
fn ids<'l>(list: &'l Value, of: &str, id: &str) -> Vec<&'l str> {
    list[of].as_array().unwrap().iter().map(|one| text(&one[id])).collect()
}

async fn at_hand(script: Script) -> (TestServer, Arc<HandClock>) {
    let clock = HandClock::at(START_MS);
    let hand = clock.clone();
    (TestServer::start_with(script, move |config| config.clock = hand.clone()).await, clock)
}

#[tokio::test]
async fn links_to_files_are_listed_without_what_opens_them() {
    let (server, clock) = at_hand(script()).await;
    assert_eq!(server.get("/shares").await, json!({"shares": [], "total": 0, "limit": 20, "offset": 0}));
    let path = published(&server).await;
    let mut made = Vec::new();
    for body in [json!({}), json!({"expires_in": 60}), json!({"expires_in": 7200})] {
        clock.pass(1);
        made.push(server.expect(201, "POST", &path, Some(body)).await);
    }
    let id = |n: usize| text(&made[n]["id"]);
    let list = server.get("/shares").await;
    assert_eq!((ids(&list, "shares", "id"), &list["total"]), (vec![id(2), id(1), id(0)], &json!(3)));
    let newest = &list["shares"][0];
    assert_eq!((text(&newest["name"]), &newest["size_bytes"]), ("page.html", &json!(39)));
    assert_eq!(
        (&newest["expires_at"], &newest["created_at"]),
        (&made[2]["expires_at"], &json!("2027-01-15T08:00:00.003Z"))
    );
    let parts: Vec<&str> = path.split('/').collect();
    assert_eq!((text(&newest["task_id"]), text(&newest["deliverable_id"])), (parts[2], parts[4]));
    for share in &made {
        let token = text(&share["url"]).rsplit('/').next().unwrap();
        assert!(!list.to_string().contains(token), "what opens a file is shown once");
    }
    // Pages, and one deliverable's.
    let page = server.get("/shares?limit=1&offset=1").await;
    assert_eq!((ids(&page, "shares", "id"), &page["total"]), (vec![id(1)], &json!(3)));
    assert_eq!(server.get(&format!("/shares?deliverable_id={}", parts[4])).await["total"], 3);
    let other = "dlvr_01jd3k7x8m9p2q4r6s8t0v2w4y";
    assert_eq!(server.get(&format!("/shares?deliverable_id={other}")).await["total"], 0);
    server.expect(422, "GET", "/shares?deliverable_id=x", None).await;
    // The other world has none of them.
    let (seen, theirs) = server.call_as(&server.test_key, "GET", "/shares", None).await;
    assert_eq!((seen, &theirs["total"]), (200, &json!(0)));
    // What works no more is not there.
    clock.pass(HOUR_MS);
    assert_eq!(ids(&server.get("/shares").await, "shares", "id"), [id(2), id(0)]);
    server.expect(200, "DELETE", &format!("/shares/{}", id(2)), None).await;
    assert_eq!(ids(&server.get("/shares").await, "shares", "id"), [id(0)]);
}

#[tokio::test]
async fn all_links_to_a_file_are_revoked_whoever_lost_their_ids() {
    let server = TestServer::start(script()).await;
    let (one, other) = (published(&server).await, published(&server).await);
    let mut urls = Vec::new();
    for path in [&one, &one, &other] {
        urls.push(text(&server.expect(201, "POST", path, None).await["url"]).to_owned());
    }
    assert_eq!(server.call_as(&server.test_key, "DELETE", &one, None).await.0, 404, "another world's key");
    let (read_only, _) = server.make_key("live", "free", &["tasks.read"]).await;
    assert_eq!(server.call_as(&read_only, "DELETE", &one, None).await.0, 403);
    assert_eq!(server.call_as(&read_only, "GET", "/shares", None).await.1["total"], 3);
    assert_eq!(server.expect(200, "DELETE", &one, None).await, json!({"success": true}));
    let mut seen = Vec::new();
    for url in &urls {
        seen.push(status(&server, url).await);
    }
    assert_eq!(seen, [404, 404, 200]);
    assert_eq!(server.get("/shares").await["total"], 1);
    assert_eq!(server.expect(200, "DELETE", &one, None).await, json!({"success": true}), "none is left");
}

#[tokio::test]
async fn links_to_a_preview_are_listed_and_taken_back_one_by_one() {
    let (server, clock) = at_hand(Script::default()).await;
    let live = shown(&server, "site", &[("index.html", "first")]).await;
    let url = text(&live["url"]);
    let path = format!("/deployments/{}/preview", text(&live["id"]));
    let links = format!("{path}/links");
    server.expect(200, "PATCH", &path, Some(json!({"visibility": "link"}))).await;
    let mut made = Vec::new();
    for seconds in [60, 7200, 7200] {
        clock.pass(1);
        made.push(server.expect(201, "POST", &links, Some(json!({"expires_in": seconds}))).await);
    }
    let id = |n: usize| text(&made[n]["id"]);
    let list = server.get(&links).await;
    assert_eq!((ids(&list, "links", "id"), &list["total"]), (vec![id(2), id(1), id(0)], &json!(3)));
    assert_eq!(list["links"][0]["expires_at"], made[2]["expires_at"]);
    let token = text(&made[2]["url"]).rsplit('.').next().unwrap();
    assert!(!list.to_string().contains(token), "what opens the preview is shown once");
    assert_eq!(server.get(&path).await["links"], 3);
    let (kept, lost) =
        (cookie(&server, text(&made[1]["url"])).await, cookie(&server, text(&made[2]["url"])).await);
    let one = format!("{links}/{}", id(2));
    assert_eq!(server.call_as(&server.test_key, "DELETE", &one, None).await.0, 404, "another world's key");
    assert_eq!(server.call_as(&server.test_key, "GET", &links, None).await.0, 404, "another world's key");
    server.expect(200, "DELETE", &one, None).await;
    server.expect(404, "DELETE", &one, None).await;
    assert_eq!(visit(&server, text(&made[2]["url"])).await.0, 403, "the link");
    assert_eq!(visit_with(&server, url, &lost).await.0, 403, "and the cookie that it was exchanged for");
    assert_eq!(
        (visit_with(&server, url, &kept).await.0, visit(&server, text(&made[1]["url"])).await.0),
        (200, 303)
    );
    clock.pass(60_000);
    assert_eq!(ids(&server.get(&links).await, "links", "id"), [id(1)]);
    // A preview that ends sooner ends its links.
    let ends = server.expect(200, "PATCH", &path, Some(json!({"expires_in": 600}))).await;
    assert_eq!(server.get(&links).await["links"][0]["expires_at"], ends["expires_at"]);
    server.expect(200, "DELETE", &links, None).await;
    assert_eq!(server.get(&links).await["total"], 0);
    assert_eq!(visit_with(&server, url, &kept).await.0, 403);
    // One of another preview is not found here.
    let other = shown(&server, "other", &[("index.html", "x")]).await;
    let elsewhere = format!("/deployments/{}/preview/links", text(&other["id"]));
    let theirs = server.expect(201, "POST", &elsewhere, None).await;
    server.expect(404, "DELETE", &format!("{links}/{}", text(&theirs["id"])), None).await;
    assert_eq!(server.get(&elsewhere).await["total"], 1);
}

#[tokio::test]
async fn previews_are_listed_as_long_as_they_are_shown() {
    let temp = tempfile::tempdir().unwrap();
    let clock = HandClock::at(START_MS);
    let standin = StandIn::start(Script::default()).await;
    let start = || {
        let clock = clock.clone();
        TestServer::over(temp.path(), standin.clone(), move |config| {
            config.clock = clock.clone();
            config.preview.lives_ms = Some(HOUR_MS);
        })
    };
    let mut server = start().await;
    let mut made = Vec::new();
    for name in ["one", "two", "three"] {
        clock.pass(1);
        made.push(shown(&server, name, &[("index.html", name)]).await);
    }
    let id = |n: usize| text(&made[n]["id"]);
    let path = |n: usize| format!("/deployments/{}/preview", id(n));
    server.expect(201, "POST", &format!("{}/links", path(1)), None).await;
    let list = server.get("/previews").await;
    assert_eq!(ids(&list, "previews", "deployment_id"), [id(2), id(1), id(0)]);
    assert_eq!((&list["total"], &list["limit"], &list["offset"]), (&json!(3), &json!(20), &json!(0)));
    assert_eq!(list["previews"][1], server.get(&path(1)).await);
    assert_eq!((&list["previews"][1]["links"], &list["previews"][0]["links"]), (&json!(1), &json!(0)));
    assert_eq!(list["previews"][0]["expires_at"], "2027-01-15T09:00:00.003Z", "as this server is told to");
    assert_eq!(ids(&server.get("/previews?limit=1&offset=2").await, "previews", "deployment_id"), [id(0)]);
    let (seen, theirs) = server.call_as(&server.test_key, "GET", "/previews", None).await;
    assert_eq!((seen, &theirs["total"]), (200, &json!(0)));
    let (tasks_only, _) = server.make_key("live", "free", &["tasks.read", "tasks.write"]).await;
    assert_eq!(server.call_as(&tasks_only, "GET", "/previews", None).await.0, 403);
    server.expect(200, "DELETE", &path(2), None).await;
    server.expect(200, "PATCH", &path(0), Some(json!({"expires_in": null}))).await;
    assert_eq!(ids(&server.get("/previews").await, "previews", "deployment_id"), [id(1), id(0)]);
    server.stop().await;
    let server = start().await;
    clock.pass(HOUR_MS);
    assert_eq!(ids(&server.get("/previews").await, "previews", "deployment_id"), [id(0)]);
}

#[tokio::test]
async fn a_deployment_shows_who_can_open_it_now() {
    let (server, clock) = at_hand(Script::default()).await;
    let live = shown(&server, "site", &[("index.html", "first")]).await;
    let (one, path) = (
        format!("/deployments/{}", text(&live["id"])),
        format!("/deployments/{}/preview", text(&live["id"])),
    );
    assert_eq!(live["visibility"], "public");
    let seen = async || {
        let (read, listed) = (server.get(&one).await, server.get("/deployments").await);
        assert_eq!(read, listed["data"][0]);
        read["visibility"].clone()
    };
    server.expect(200, "PATCH", &path, Some(json!({"visibility": "link"}))).await;
    assert_eq!(seen().await, "link");
    server.expect(200, "PATCH", &path, Some(json!({"visibility": "public", "expires_in": 60}))).await;
    assert_eq!(seen().await, "public");
    clock.pass(60_000);
    assert_eq!(seen().await, Value::Null, "nobody: its time is up");
    let refused = server.expect(422, "POST", &format!("{path}/links"), None).await;
    assert!(text(&refused["detail"]).contains("prolong it first"), "{refused}");
    assert_eq!(server.get(&format!("{path}/links")).await["total"], 0);
    server.expect(200, "PATCH", &path, Some(json!({"expires_in": null}))).await;
    assert_eq!(seen().await, "public");
    server.expect(200, "DELETE", &path, None).await;
    assert_eq!(seen().await, Value::Null, "nobody: it is gone");
}
