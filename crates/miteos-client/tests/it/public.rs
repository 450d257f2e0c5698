//! Calls on what is public: where they go, and what comes back.

use miteos_client::api::{CreatePreviewLink, ListPreviews, ListShares, UpdatePreview};

use crate::standin::{Standin, json};

const SHARE: &str = r#"{"id":"shr_1","task_id":"task_1","deliverable_id":"dlvr_1","name":"a.csv","size_bytes":3,"created_at":"2026-11-22T10:00:00Z","expires_at":null}"#;
const PREVIEW: &str = r#"{"deployment_id":"dep_1","url":"http://a.localhost/","visibility":"link","single_page":false,"files":1,"size_bytes":5,"links":2,"created_at":"2026-11-22T10:00:00Z","expires_at":null}"#;
const LINK: &str = r#"{"id":"shr_2","deployment_id":"dep_1","created_at":"2026-11-22T10:00:00Z","expires_at":"2026-11-29T10:00:00Z"}"#;
const MADE: &str = r#"{"id":"shr_2","url":"http://a.localhost/?t=1","expires_at":"2026-11-29T10:00:00Z"}"#;

#[tokio::test]
async fn every_call_goes_where_the_contract_says() {
    let page = |of: &str, one: &str| format!(r#"{{"{of}":[{one}],"total":1,"limit":5,"offset":10}}"#);
    let server = Standin::start(move |request| match (request.method.as_str(), request.uri.path()) {
        ("DELETE", _) => json(200, r#"{"success":true}"#),
        ("GET", "/v1/shares") => json(200, &page("shares", SHARE)),
        ("GET", "/v1/previews") => json(200, &page("previews", PREVIEW)),
        ("GET", path) if path.ends_with("/links") => json(200, &page("links", LINK)),
        ("POST", _) => json(201, MADE),
        _ => json(200, PREVIEW),
    })
    .await;
    let client = &server.client;
    let of = ListShares { deliverable_id: Some("dlvr_1".into()), limit: Some(5), offset: Some(10) };
    assert_eq!(client.list_shares(&of).await.unwrap().shares[0].name, "a.csv");
    client.revoke_shares("task_1", "dlvr_1").await.unwrap();
    let some = ListPreviews { limit: Some(5), offset: Some(10) };
    assert_eq!(client.list_previews(&some).await.unwrap().previews[0].links, 2);
    assert_eq!(client.preview("dep_1").await.unwrap().size_bytes, 5);
    let change = UpdatePreview { expires_in: Some(None), ..UpdatePreview::default() };
    client.update_preview("dep_1", &change).await.unwrap();
    let made =
        client.create_preview_link("dep_1", &CreatePreviewLink { expires_in: Some(60) }).await.unwrap();
    let links = client.list_preview_links("dep_1", &some).await.unwrap();
    assert_eq!((made.id.as_str(), links.links[0].id.as_str(), links.total), ("shr_2", "shr_2", 1));
    client.revoke_preview_link("dep_1", "shr_2").await.unwrap();
    client.revoke_preview_links("dep_1").await.unwrap();
    client.delete_preview("dep_1").await.unwrap();
    let seen: Vec<String> = server
        .seen()
        .iter()
        .map(|request| {
            format!("{} {} {}", request.method, request.uri, String::from_utf8_lossy(&request.body))
        })
        .collect();
    assert_eq!(
        seen,
        [
            "GET /v1/shares?deliverable_id=dlvr_1&limit=5&offset=10 ",
            "DELETE /v1/tasks/task_1/deliverables/dlvr_1/share ",
            "GET /v1/previews?limit=5&offset=10 ",
            "GET /v1/deployments/dep_1/preview ",
            r#"PATCH /v1/deployments/dep_1/preview {"expires_in":null}"#,
            r#"POST /v1/deployments/dep_1/preview/links {"expires_in":60}"#,
            "GET /v1/deployments/dep_1/preview/links?limit=5&offset=10 ",
            "DELETE /v1/deployments/dep_1/preview/links/shr_2 ",
            "DELETE /v1/deployments/dep_1/preview/links ",
            "DELETE /v1/deployments/dep_1/preview ",
        ]
    );
}
