//! How many files a workspace has: right after every change, whoever makes it.

use reqwest::multipart::{Form, Part};
use serde_json::json;

use crate::harness::TestServer;
use crate::standin::{Script, call, text};

async fn count(server: &TestServer, workspace: &str) -> u64 {
    let one = server.get(&format!("/workspaces/{workspace}")).await["file_count"].as_u64().unwrap();
    let all = server.get("/workspaces").await;
    let row = all.as_array().unwrap().iter().find(|row| row["id"] == workspace).unwrap();
    assert_eq!(row["file_count"], one, "the list and the workspace say the same");
    one
}

async fn put(server: &TestServer, workspace: &str, names: &[&str]) {
    let part = |form: Form, name: &&str| form.part("file", Part::text("x").file_name((*name).to_owned()));
    let form = names.iter().fold(Form::new(), part);
    let url = format!("{}/v1/workspaces/{workspace}/files", server.url);
    let response = server.http.post(url).bearer_auth(&server.key).multipart(form).send().await.unwrap();
    assert_eq!(response.status(), 201);
}

#[tokio::test]
async fn the_number_of_files_is_right_after_every_change() {
    let file = |path: &str| call("write_file", json!({"path": path, "content": "x"}));
    let script = Script::default().plan(&[("1", "do alpha", &[])]).agent(
        "alpha",
        vec![file("made/by/agent.txt"), call("delete_file", json!({"path": "one.txt"})), text("done")],
    );
    let server = TestServer::start(script).await;
    let made = server.expect(201, "POST", "/workspaces", Some(json!({"name": "counted"}))).await;
    let id = made["id"].as_str().unwrap();
    assert_eq!((made["file_count"].as_u64(), count(&server, id).await), (Some(0), 0));
    put(&server, id, &["one.txt", "deep/two.txt", "deep/er/three.txt"]).await;
    assert_eq!(count(&server, id).await, 3);
    put(&server, id, &["deep/two.txt", "deep/er/four.txt"]).await;
    assert_eq!(count(&server, id).await, 4);
    server.expect(200, "DELETE", &format!("/workspaces/{id}/files/deep/er/three.txt"), None).await;
    assert_eq!(count(&server, id).await, 3);

    let asked = json!({"prompt": "x", "workspace_id": id, "config": {"autonomy_level": 100}});
    let task = server.expect(201, "POST", "/tasks", Some(asked)).await;
    let done = server.ended(task["id"].as_str().unwrap()).await;
    assert_eq!(done["status"], "complete", "{done}");
    let listed = server.get(&format!("/workspaces/{id}/files")).await;
    let files = listed.as_array().unwrap().iter().filter(|entry| entry["type"] == "file").count();
    assert_eq!(count(&server, id).await, files as u64, "{listed}");
    assert_eq!(files, 3, "one more by the agent, and one less: {listed}");

    // A person at the machine, behind the server's back.
    std::fs::write(server.folder.join("workspaces").join(id).join("deep/er/five.txt"), "x").unwrap();
    assert_eq!(count(&server, id).await, 4);
    server.expect(200, "DELETE", &format!("/workspaces/{id}"), None).await;
    server.expect(404, "GET", &format!("/workspaces/{id}"), None).await;
}
