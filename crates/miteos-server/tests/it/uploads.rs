//! Files in and out of a workspace: streamed, with any name that stays inside, and only such a one.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::harness::{TestServer, wait_until};
use crate::standin::{Script, slow, text};

const MIB: usize = 1024 * 1024;

async fn workspace(server: &TestServer) -> String {
    let (status, made) = server.call("POST", "/workspaces", Some(json!({"name": "w"}))).await;
    assert_eq!(status, 201, "{made}");
    made["id"].as_str().unwrap().to_owned()
}

fn file(name: &str, content: impl Into<std::borrow::Cow<'static, [u8]>>) -> Form {
    Form::new().part("file", Part::bytes(content).file_name(name.to_owned()))
}

async fn upload(server: &TestServer, id: &str, form: Form) -> (u16, Value) {
    let url = format!("{}/v1/workspaces/{id}/files", server.url);
    let response = server.http.post(url).bearer_auth(&server.key).multipart(form).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn upload_named(server: &TestServer, id: &str, name: &str, form: Form) -> (u16, bool, Value) {
    let url = format!("{}/v1/workspaces/{id}/files", server.url);
    let request = server.http.post(url).bearer_auth(&server.key).header("idempotency-key", name);
    let response = request.multipart(form).send().await.unwrap();
    let replayed = response.headers().contains_key("idempotency-replayed");
    (response.status().as_u16(), replayed, response.json().await.unwrap())
}

/// The size of the largest file below a folder, finished or not.
fn largest(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => largest(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).max().unwrap_or(0)
}

/// A file of many pieces that waits for a word before the last of them.
fn held(pieces: usize, go: Arc<Notify>) -> Form {
    let body = futures::stream::unfold(0, move |n| {
        let go = Arc::clone(&go);
        async move {
            if n == pieces {
                return None;
            }
            if n == pieces - 1 {
                go.notified().await;
            }
            Some((Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; MIB])), n + 1))
        }
    });
    Form::new().part("file", Part::stream(reqwest::Body::wrap_stream(body)).file_name("big.bin"))
}

/// Sends an upload by hand, piece by piece until the server answers; gives how much it took and the answer.
async fn sent_by_hand(
    server: &TestServer,
    id: &str,
    head: &str,
    piece: &str,
    pieces: usize,
) -> (usize, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = server.url.strip_prefix("http://").unwrap();
    let (mut read, mut write) = tokio::net::TcpStream::connect(address).await.unwrap().into_split();
    let request = format!(
        "POST /v1/workspaces/{id}/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: \
         multipart/form-data; boundary=B\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        server.key
    );
    write.write_all(request.as_bytes()).await.unwrap();
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let mut answer = String::new();
    let sending = async {
        if !head.is_empty() {
            write.write_all(chunk(head).as_bytes()).await?;
        }
        for sent in 0..pieces {
            if let Err(error) = write.write_all(chunk(piece).as_bytes()).await {
                return if sent > 0 { Ok(sent) } else { Err(error) };
            }
            // The server reads before the next piece is sent.
            tokio::task::yield_now().await;
        }
        Ok(pieces)
    };
    let (sent, _) = tokio::join!(sending, async { read.read_to_string(&mut answer).await });
    (sent.unwrap(), answer)
}

#[tokio::test]
async fn what_belongs_to_no_file_has_an_end() {
    let server = TestServer::start(Script::default()).await;
    let id = workspace(&server).await;
    let piece = "a".repeat(64 * 1024);
    for head in ["", "--B\r\nContent-Disposition: form-data; name=\"x\"; filename=\"x\"\r\nX: "] {
        let (_, answer) = sent_by_hand(&server, &id, head, &piece, 4_096).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(answer.contains("cannot be read"), "{answer}");
    }
    // Files between them are as long as they like.
    let long = vec![b'x'; 3 * MIB];
    let form = file("a", long.clone()).part("file", Part::bytes(long).file_name("b"));
    let (status, body) = upload(&server, &id, form).await;
    assert_eq!(status, 201, "{body}");
}

#[tokio::test]
async fn what_comes_after_a_workspace_was_deleted_leaves_nothing() {
    let server = TestServer::start(Script::default()).await;
    let id = workspace(&server).await;
    let go = Arc::new(Notify::new());
    let folder = server.folder.join("workspaces").join(&id);
    let during = async {
        wait_until("the upload has begun", || largest(&folder) > 0).await;
        assert_eq!(server.call("DELETE", &format!("/workspaces/{id}"), None).await.0, 200);
        go.notify_one();
    };
    let (answer, ()) = tokio::join!(upload(&server, &id, held(16, Arc::clone(&go))), during);
    assert_eq!(answer.0, 404, "{}", answer.1);
    assert!(!folder.exists());
}

#[tokio::test]
async fn an_upload_is_on_the_disk_before_it_has_ended_and_its_twin_waits() {
    let server = TestServer::start(Script::default()).await;
    let id = workspace(&server).await;
    let go = Arc::new(Notify::new());
    let folder = server.folder.join("workspaces").join(&id);
    let during = async {
        // Fifteen of sixteen pieces have been sent: were they held in memory, none would be here. A buffer or two may
        // be on the way.
        wait_until("the pieces are on the disk", || largest(&folder) >= 14 * MIB as u64).await;
        assert!(!folder.join("big.bin").exists(), "and nobody sees half of it");
        let twin = upload_named(&server, &id, "one", file("big.bin", &b"x"[..])).await;
        assert_eq!((twin.0, twin.1), (409, false), "{}", twin.2);
        go.notify_one();
    };
    let (first, ()) = tokio::join!(upload_named(&server, &id, "one", held(16, Arc::clone(&go))), during);
    assert_eq!((first.0, first.1), (201, false), "{}", first.2);
    assert_eq!(first.2[0]["size_bytes"], 16 * MIB);
    assert_eq!(std::fs::metadata(folder.join("big.bin")).unwrap().len(), 16 * MIB as u64);
    go.notify_one();
    let again = upload_named(&server, &id, "one", held(16, Arc::clone(&go))).await;
    assert_eq!(again, (201, true, first.2), "whatever the boundary is");
    go.notify_one();
    let other = upload_named(&server, &id, "one", held(15, go)).await;
    assert_eq!((other.0, other.1), (409, false), "{}", other.2);
}

#[tokio::test]
async fn names_are_kept_and_those_that_lead_out_refused() {
    let server = TestServer::start(Script::default()).await;
    let id = workspace(&server).await;
    let deep = format!("{}/end.txt", vec!["d"; 60].join("/"));
    let good =
        ["a.txt", "with space/b c.txt", "ünï/çødé 🦀.md", "50%25.txt", "q?x=1#y.txt", ".hidden", &deep];
    for name in good {
        let (status, body) = upload(&server, &id, file(name, name.as_bytes().to_vec())).await;
        assert_eq!((status, &body[0]["path"]), (201, &json!(name)), "{body}");
    }
    let listed = server.get(&format!("/workspaces/{id}/files")).await;
    let names: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["type"] == "file")
        .map(|entry| entry["path"].as_str().unwrap())
        .collect();
    assert!(good.iter().all(|name| names.contains(name)) && names.len() == good.len(), "{names:?}");
    for name in good {
        let mut url: reqwest::Url = format!("{}/v1/workspaces/{id}/files", server.url).parse().unwrap();
        url.path_segments_mut().unwrap().extend(name.split('/')).push("download");
        let response = server.http.get(url.clone()).bearer_auth(&server.key).send().await.unwrap();
        assert_eq!(response.status(), 200, "{name}");
        assert!(response.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
        assert_eq!(response.bytes().await.unwrap(), name.as_bytes());
        url.path_segments_mut().unwrap().pop();
        let gone = server.http.delete(url.clone()).bearer_auth(&server.key).send().await.unwrap();
        assert_eq!(gone.status(), 200, "{name}");
        let again = server.http.delete(url).bearer_auth(&server.key).send().await.unwrap();
        assert_eq!(again.status(), 404, "{name}");
    }
    for name in ["../x", "a/../../x", "/etc/x", "a//b", "./x", "x/", ".miteos/x", ".MITEOS/x"] {
        let (status, body) = upload(&server, &id, file(name, &b"x"[..])).await;
        assert_eq!(status, 422, "{name}: {body}");
        assert!(body["detail"].as_str().unwrap().len() > 20, "{body}");
    }
    for path in ["%2e%2e%2fx", "a%2f..%2f..%2fx", "%2fetc%2fpasswd", ".miteos/x"] {
        let (status, body) =
            server.call("GET", &format!("/workspaces/{id}/files/{path}/download"), None).await;
        assert_eq!(status, 422, "{path}: {body}");
        let (status, body) = server.call("DELETE", &format!("/workspaces/{id}/files/{path}"), None).await;
        assert_eq!(status, 422, "{path}: {body}");
    }
    for query in ["path=../..", "path=/etc", "path=a/../.."] {
        assert_eq!(
            server.call("GET", &format!("/workspaces/{id}/files?{query}"), None).await.0,
            422,
            "{query}"
        );
    }
    assert!(!server.folder.join("workspaces/x").exists() && !server.folder.join("x").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn links_lead_nowhere_outside() {
    let server = TestServer::start(Script::default()).await;
    let id = workspace(&server).await;
    upload(&server, &id, file("in.txt", &b"inside"[..])).await;
    let folder = server.folder.join("workspaces").join(&id);
    std::fs::write(server.folder.join("out.txt"), "outside").unwrap();
    std::os::unix::fs::symlink("../../out.txt", folder.join("link.txt")).unwrap();
    std::os::unix::fs::symlink("../..", folder.join("up")).unwrap();
    std::os::unix::fs::symlink(&server.folder, folder.join("absolute")).unwrap();
    for path in ["link.txt", "up/out.txt", "absolute/out.txt"] {
        let (status, body) =
            server.call("GET", &format!("/workspaces/{id}/files/{path}/download"), None).await;
        assert_eq!(status, 422, "{path}: {body}");
    }
    for name in ["up/new.txt", "absolute/new.txt"] {
        let (status, body) = upload(&server, &id, file(name, &b"x"[..])).await;
        assert_eq!(status, 422, "{name}: {body}");
        assert_eq!(server.call("DELETE", &format!("/workspaces/{id}/files/{name}"), None).await.0, 422);
    }
    assert_eq!(server.call("GET", &format!("/workspaces/{id}/files?path=up"), None).await.0, 422);
    // A file takes a link's place; what the link named stays as it was.
    assert_eq!(upload(&server, &id, file("link.txt", &b"new"[..])).await.0, 201);
    assert_eq!(std::fs::read_to_string(server.folder.join("out.txt")).unwrap(), "outside");
    assert_eq!(std::fs::read_to_string(folder.join("link.txt")).unwrap(), "new");
    assert!(!server.folder.join("new.txt").exists());
}

#[tokio::test]
async fn a_workspace_with_a_task_at_work_stays() {
    let script =
        Script::default().plan(&[("1", "do alpha", &[])]).agent("alpha", vec![slow(600_000, text("never"))]);
    let server = TestServer::start(script).await;
    let id = workspace(&server).await;
    upload(&server, &id, file("a.txt", &b"a"[..])).await;
    let body = json!({"prompt": "x", "workspace_id": id});
    let task = server.call("POST", "/tasks", Some(body)).await.1["id"].as_str().unwrap().to_owned();
    let path = format!("/workspaces/{id}");
    let (status, body) = server.call("DELETE", &path, None).await;
    assert_eq!(status, 422, "{body}");
    assert_eq!(server.get(&path).await["file_count"], 1);
    assert_eq!(server.call("POST", &format!("/tasks/{task}/cancel"), None).await.0, 200);
    assert_eq!(server.call("DELETE", &path, None).await, (200, json!({"success": true})));
    assert_eq!(server.call("GET", &path, None).await.0, 404);
    assert!(!server.folder.join("workspaces").join(&id).exists());
    let (status, body) = server.call("POST", "/workspaces", Some(json!({"name": "w"}))).await;
    assert_eq!(status, 201, "its name is free again: {body}");
    assert_eq!(server.call("POST", "/workspaces", Some(json!({"name": "w"}))).await.0, 422);
}
