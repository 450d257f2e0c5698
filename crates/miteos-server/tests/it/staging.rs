//! Deliverables that are shown as sites: pages, archives, and what is neither.

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::deployments::ended;
use crate::harness::{TestServer, wait_until};
use crate::previews::visit;
use crate::standin::{Script, call, text};

const PAGE: &str = "<h1>report</h1>";

/// An archive with a site in a folder of its own, as tools pack it.
fn tape() -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, content) in [("site/index.html", "first"), ("site/docs/a.html", "second")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// A server, and a task that has handed these files over: the path of each, below which it is staged.
async fn handed_over(files: &[(&str, &[u8])]) -> (TestServer, Vec<String>) {
    let mut steps: Vec<_> = files.iter().map(|(path, _)| call("publish", json!({"path": path}))).collect();
    steps.push(text("done"));
    let server =
        TestServer::start(Script::default().plan(&[("1", "do alpha", &[])]).agent("alpha", steps)).await;
    let made = server.expect(201, "POST", "/workspaces", Some(json!({"name": "files"}))).await;
    let workspace = made["id"].as_str().unwrap();
    let folder = server.folder.join("workspaces").join(workspace);
    std::fs::create_dir_all(&folder).unwrap();
    for (path, bytes) in files {
        std::fs::write(folder.join(path), bytes).unwrap();
    }
    let asked = json!({"prompt": "x", "workspace_id": workspace, "config": {"autonomy_level": 100}});
    let task = server.expect(201, "POST", "/tasks", Some(asked)).await;
    let task = task["id"].as_str().unwrap();
    assert_eq!(server.ended(task).await["status"], "complete");
    // A deliverable outlives its workspace, and what is staged needs none.
    server.expect(200, "DELETE", &format!("/workspaces/{workspace}"), None).await;
    let listed = server.get(&format!("/tasks/{task}/deliverables")).await;
    let path = |name: &str| {
        let found = listed.as_array().unwrap().iter().find(|one| one["name"] == name);
        let id = found.unwrap_or_else(|| panic!("{name}: {listed}"))["id"].as_str().unwrap();
        format!("/tasks/{task}/deliverables/{id}/stage")
    };
    let paths = files.iter().map(|(name, _)| path(name)).collect();
    (server, paths)
}

async fn staged(server: &TestServer, path: &str) -> Value {
    let made = server.expect(201, "POST", path, None).await;
    assert_eq!((&made["target"], &made["status"]), (&json!("preview"), &json!("pending")));
    assert!(made["deliverable_id"].is_string() && made["task_id"].is_string(), "{made}");
    ended(server, made["id"].as_str().unwrap()).await
}

#[tokio::test]
async fn pages_and_archives_are_shown_as_sites() {
    let archive = tape();
    let (server, paths) = handed_over(&[("report.html", PAGE.as_bytes()), ("site.tar.gz", &archive)]).await;
    let page = staged(&server, &paths[0]).await;
    let (status, answer) = visit(&server, page["url"].as_str().unwrap()).await;
    assert!(status == 200 && answer.ends_with(PAGE), "{answer}");
    let site = staged(&server, &paths[1]).await;
    let url = site["url"].as_str().unwrap();
    assert!(visit(&server, url).await.1.ends_with("first"));
    assert!(visit(&server, &format!("{url}docs/a")).await.1.ends_with("second"));
    let folder = server.folder.join("deployments");
    let is_empty = || std::fs::read_dir(&folder).map_or(true, |mut entries| entries.next().is_none());
    wait_until("nothing is left of the way there", is_empty).await;
}

#[tokio::test]
async fn what_is_no_site_is_refused() {
    let broken: &[u8] = b"this is no archive";
    let mut bare = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    bare.append_link(&mut header, "index.html", "/etc/passwd").unwrap();
    let link = bare.into_inner().unwrap().finish().unwrap();
    let files: [(&str, &[u8]); 4] =
        [("notes.txt", b"x"), ("broken.zip", broken), ("broken.tgz", broken), ("link.tar.gz", &link)];
    let (server, paths) = handed_over(&files).await;
    let refused = server.expect(422, "POST", &paths[0], None).await;
    assert!(refused["detail"].as_str().unwrap().contains("neither an HTML file nor"), "{refused}");
    for (path, word) in paths[1..].iter().zip(["no whole .zip", "no whole .tar.gz", "it is a link"]) {
        let failed = staged(&server, path).await;
        assert_eq!(
            (&failed["status"], &failed["error"]["code"]),
            (&json!("failed"), &json!("output_refused"))
        );
        assert!(failed["error"]["message"].as_str().unwrap().contains(word), "{failed}");
        assert!(failed["url"].is_null());
    }
    server.expect(404, "POST", &paths[0].replace("dlvr_", "dlvr_0"), None).await;
    assert_eq!(server.call_as(&server.test_key, "POST", &paths[1], None).await.0, 404, "another world's key");
}

#[tokio::test]
async fn the_same_request_again_is_the_same_deployment() {
    let (server, paths) = handed_over(&[("report.html", PAGE.as_bytes())]).await;
    let send = async || {
        let request = server.http.post(format!("{}/v1{}", server.url, paths[0])).bearer_auth(&server.key);
        let response = request.header("idempotency-key", "one").send().await.unwrap();
        (response.headers().contains_key("idempotency-replayed"), response.json::<Value>().await.unwrap())
    };
    let (first, again) = (send().await, send().await);
    assert_eq!((first.0, again.0), (false, true));
    assert_eq!(first.1, again.1);
    ended(&server, first.1["id"].as_str().unwrap()).await;
    assert_eq!(server.get("/deployments").await["data"].as_array().unwrap().len(), 1);
}
