//! What is public, as the stand-in tells it.

use axum::body::Body;
use axum::http::{Method, Response};
use serde_json::json;

use super::reply;

pub fn is_its(path: &str) -> bool {
    path.starts_with("/v1/shares") || path.starts_with("/v1/previews") || path.contains("/preview/links")
}

pub fn answer(method: &Method, path: &str) -> Response<Body> {
    let answer = match (method.as_str(), path) {
        ("GET", "/v1/shares") => json!({"shares": [
            {"id": "shr_2", "task_id": "task_1", "deliverable_id": "dlvr_1", "name": "prices.csv", "size_bytes": 2_000_000,
             "created_at": "2026-11-22T10:00:00Z", "expires_at": null},
            {"id": "shr_1", "task_id": "task_1", "deliverable_id": "dlvr_1", "name": "a\u{1b}[31m.csv", "size_bytes": 20,
             "created_at": "2026-11-22T09:00:00Z", "expires_at": "2026-11-29T09:00:00Z"},
        ], "total": 2, "limit": 100, "offset": 0}),
        ("GET", "/v1/previews") => json!({"previews": [
            {"deployment_id": "dep_2", "url": "http://abc.localhost:7701/", "visibility": "public", "single_page": false,
             "files": 3, "size_bytes": 480_231, "links": 0, "created_at": "2026-11-22T10:00:00Z", "expires_at": null},
            {"deployment_id": "dep_1", "url": "http://def.localhost:7701/", "visibility": "link", "single_page": true,
             "files": 1, "size_bytes": 900, "links": 2, "created_at": "2026-11-22T09:00:00Z",
             "expires_at": "2026-12-22T09:00:00Z"},
        ], "total": 2, "limit": 100, "offset": 0}),
        ("GET", "/v1/deployments/dep_1/preview/links") => json!({"links": [
            {"id": "shr_3", "deployment_id": "dep_1", "created_at": "2026-11-22T10:00:00Z",
             "expires_at": "2026-11-29T10:00:00Z"},
        ], "total": 1, "limit": 100, "offset": 0}),
        (
            "DELETE",
            "/v1/shares/shr_1"
            | "/v1/deployments/dep_1/preview/links"
            | "/v1/deployments/dep_1/preview/links/shr_3",
        ) => json!({"success": true}),
        _ => return reply(404, &json!({"detail": "there is no such share"})),
    };
    reply(200, &answer)
}
