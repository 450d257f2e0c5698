//! Files that are handed over: signed links, ranges, and what does not touch them.

use serde_json::json;

use crate::harness::TestServer;
use crate::standin::{Script, call, text};

async fn published() -> (TestServer, String, serde_json::Value) {
    let script = Script::default().plan(&[("1", "do alpha", &[])]).agent(
        "alpha",
        vec![
            call("write_file", json!({"path": "out/räksmörgås & co.txt", "content": "0123456789"})),
            call("publish", json!({"path": "out/räksmörgås & co.txt"})),
            call("write_file", json!({"path": "out/räksmörgås & co.txt", "content": "changed afterwards"})),
            text("done"),
        ],
    );
    let server = TestServer::start(script).await;
    let task = server.run("publish", json!({})).await;
    assert_eq!(task["status"], "complete", "{task:#}");
    let id = task["id"].as_str().unwrap().to_owned();
    let files = server.get(&format!("/tasks/{id}/deliverables")).await;
    (server, id, files[0].clone())
}

#[tokio::test]
async fn a_deliverable_is_what_it_was_when_it_was_published() {
    let (server, task, file) = published().await;
    let path = format!("/tasks/{task}/deliverables/{}/download", file["id"].as_str().unwrap());
    assert_eq!(server.bytes(&path).await, b"0123456789");
    assert_eq!(file["size_bytes"], 10);
    assert_eq!(file["type"], "text/plain");
    let (status, _) = server.call_as(&server.test_key, "GET", &path, None).await;
    assert_eq!(status, 404, "another world's key");
}

#[tokio::test]
async fn a_link_works_without_a_key_and_not_when_it_is_altered() {
    let (server, _, file) = published().await;
    let url = file["download_url"].as_str().unwrap();
    let response = server.http.get(url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-length"), "10");
    assert_eq!(header("content-type"), "text/plain");
    assert_eq!(
        header("content-disposition"),
        "attachment; filename*=UTF-8''r%C3%A4ksm%C3%B6rg%C3%A5s%20%26%20co.txt"
    );
    let tag = header("etag");
    let status = |url: String| async { server.http.get(url).send().await.unwrap().status().as_u16() };
    let (base, query) = url.split_once('?').unwrap();
    let expires: u64 = query.split('&').next().unwrap().strip_prefix("expires=").unwrap().parse().unwrap();
    assert_eq!(status(url.replace("expires=", "expires=9")).await, 403);
    assert_eq!(status(url.replace(&expires.to_string(), &(expires + 1).to_string())).await, 403);
    assert_eq!(status(format!("{url}0")).await, 403);
    assert_eq!(status(format!("{base}?expires={expires}")).await, 403);
    assert_eq!(status(format!("{base}?expires=x&signature=00")).await, 403);
    let other = "dlvr_01jd3k7x8m9p2q4r6s8t0v2w4y";
    assert_eq!(status(url.replace(file["id"].as_str().unwrap(), other)).await, 403);
    assert_eq!(status(base.to_owned()).await, 401);
    let cached = server.http.get(url).header("if-none-match", tag).send().await.unwrap();
    assert_eq!(cached.status(), 304);
}

#[tokio::test]
async fn ranges_are_answered_in_part() {
    let (server, _, file) = published().await;
    let url = file["download_url"].as_str().unwrap();
    let get = |range: &'static str| server.http.get(url).header("range", range).send();
    let part = get("bytes=2-4").await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], "bytes 2-4/10");
    assert_eq!(part.text().await.unwrap(), "234");
    assert_eq!(get("bytes=-3").await.unwrap().text().await.unwrap(), "789");
    let beyond = get("bytes=10-").await.unwrap();
    assert_eq!(beyond.status(), 416);
    assert_eq!(beyond.headers()["content-range"], "bytes */10");
    let said: serde_json::Value = beyond.json().await.unwrap();
    assert_eq!(said["detail"], "the file has 10 bytes, and none of them is in this range");
}

#[tokio::test]
async fn the_workspace_keeps_names_inside() {
    let (server, task, _) = published().await;
    let shown = server.get(&format!("/tasks/{task}")).await;
    let workspace = shown["workspace_id"].as_str().unwrap();
    let files = server.get(&format!("/workspaces/{workspace}/files")).await;
    assert!(files.as_array().unwrap().iter().any(|f| f["path"] == "out/räksmörgås & co.txt"), "{files}");
    assert!(!files.to_string().contains(".miteos"), "the server's own files are not shown");
    let folder = server.folder.join("workspaces").join(workspace);
    std::os::unix::fs::symlink("/etc/passwd", folder.join("link")).unwrap();
    for name in ["..%2F..%2Fkeys.json", "%2Fetc%2Fpasswd", "link", "out%2F..%2F..%2F..%2Fkeys.json", "a%00b"]
    {
        let (status, body) =
            server.call("GET", &format!("/workspaces/{workspace}/files/{name}/download"), None).await;
        assert!(status == 422 || status == 404, "{name}: {status} {body}");
        assert!(!body.to_string().contains("root:"), "{name}");
    }
    let form = reqwest::multipart::Form::new()
        .part("f", reqwest::multipart::Part::bytes(b"x".to_vec()).file_name("../evil.txt"));
    let url = format!("{}/v1/workspaces/{workspace}/files", server.url);
    let sent = server.http.post(&url).bearer_auth(&server.key).multipart(form).send().await.unwrap();
    assert_eq!(sent.status(), 422);
    assert!(!server.folder.join("workspaces/evil.txt").exists());
    let form = reqwest::multipart::Form::new()
        .part("f", reqwest::multipart::Part::bytes(b"hello".to_vec()).file_name("deep/er/ä b.txt"));
    let sent = server.http.post(&url).bearer_auth(&server.key).multipart(form).send().await.unwrap();
    assert_eq!(sent.status(), 201);
    assert_eq!(
        server.bytes(&format!("/workspaces/{workspace}/files/deep/er/%C3%A4%20b.txt/download")).await,
        b"hello"
    );
}
