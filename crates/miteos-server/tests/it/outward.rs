//! Files of users on their way out: none of them can run as a page or a program of the server's own.

use serde_json::json;

use crate::harness::TestServer;
use crate::shares::{PAGE, published, script};

/// Each address at which a file of a user is served, with whether a key is needed.
async fn addresses(server: &TestServer) -> Vec<(String, bool)> {
    let share = published(server).await;
    let (deliverable, task) = (share.strip_suffix("/share").unwrap(), share.split('/').nth(2).unwrap());
    let listed = server.get(&format!("/tasks/{task}/deliverables")).await;
    let signed = listed[0]["download_url"].as_str().unwrap().to_owned();
    let shared = server.expect(201, "POST", &share, None).await;
    let workspace = server.get(&format!("/tasks/{task}")).await["workspace_id"].as_str().unwrap().to_owned();
    vec![
        (format!("{}/v1{deliverable}/download", server.url), true),
        (signed, false),
        (shared["url"].as_str().unwrap().to_owned(), false),
        (format!("{}/v1/workspaces/{workspace}/files/out/page.html/download", server.url), true),
    ]
}

#[tokio::test]
async fn a_page_is_saved_and_never_shown_wherever_it_is_served() {
    let server = TestServer::start(script()).await;
    for (url, needs_key) in addresses(&server).await {
        let ask = || {
            let request = server.http.get(&url);
            if needs_key { request.bearer_auth(&server.key) } else { request }
        };
        let response = ask().send().await.unwrap();
        assert_eq!(response.status(), 200, "{url}");
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "text/html", "{url}");
        assert_eq!(header("content-disposition"), "attachment; filename*=UTF-8''page.html", "{url}");
        assert_eq!(header("content-security-policy"), "default-src 'none'; sandbox", "{url}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{url}");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin", "{url}");
        assert!(!response.headers().contains_key("access-control-allow-origin"), "{url}");
        assert_eq!(response.text().await.unwrap(), PAGE);
        for destination in
            ["script", "style", "iframe", "frame", "object", "embed", "worker", "serviceworker"]
        {
            let refused = ask().header("sec-fetch-dest", destination).send().await.unwrap();
            assert_eq!(refused.status(), 403, "{url} as {destination}");
            assert!(!refused.text().await.unwrap().contains("alert"), "{url} as {destination}");
        }
        for destination in ["document", "empty", "image"] {
            let taken = ask().header("sec-fetch-dest", destination).send().await.unwrap();
            assert_eq!(taken.status(), 200, "{url} as {destination}");
        }
    }
}

#[tokio::test]
async fn the_log_of_a_deployment_is_text_and_nothing_else() {
    let server = TestServer::start(script()).await;
    let live = crate::previews::shown(&server, "site", &[("index.html", PAGE)]).await;
    let url = format!("{}/v1/deployments/{}/logs", server.url, live["id"].as_str().unwrap());
    let response = server.http.get(url).bearer_auth(&server.key).send().await.unwrap();
    let header = |name: &str| response.headers()[name].to_str().unwrap();
    assert_eq!(
        (header("content-type"), header("x-content-type-options")),
        ("text/plain; charset=utf-8", "nosniff")
    );
    assert_eq!(header("content-security-policy"), "default-src 'none'; sandbox");
    // What cannot be read tells nothing and runs nothing either.
    let wrong = server.call("GET", "/deployments/%3Cscript%3E/logs", None).await;
    assert_eq!(wrong, (404, json!({"detail": "there is no such deployment"})));
}
