//! The stand-in's deployments: the first goes live while it is followed, the second has failed.

use axum::body::Body;
use axum::http::{Method, Response};
use serde_json::{Value, json};

use super::reply;

fn deployment(id: &str, status: &str) -> Value {
    let (live, failed) = (status == "live", status == "failed");
    json!({
        "id": id, "workspace_id": "ws_1", "target": "netlify", "status": status,
        "url": if live { json!("https://shop.netlify.app") } else { Value::Null },
        "created_at": "2026-11-22T10:00:00Z",
        "completed_at": if live || failed { json!("2026-11-22T10:01:00Z") } else { Value::Null },
        "config_id": "cfg_1", "environment": "production", "task_id": null, "deliverable_id": null,
        "visibility": if live { json!("public") } else { Value::Null }, "inspect_url": null,
        "error": if failed {
            json!({"code": "auth", "message": "the token is wrong\u{1b}[2J", "step": "prepare"})
        } else {
            Value::Null
        },
        "log_url": format!("/v1/deployments/{id}/logs"),
    })
}

fn config() -> Value {
    json!({
        "id": "cfg_1", "name": "our site", "target": "netlify", "settings": {"site": "shop", "single_page": true},
        "provider_account": "Ada\u{1b}[2J", "provider_project": null, "verified_at": "2026-11-22T09:00:00Z",
        "created_at": "2026-11-22T09:00:00Z", "updated_at": "2026-11-22T09:00:00Z",
    })
}

/// The log as a stream: a line, a state, and the end.
fn stream(id: &str, end: &str) -> Response<Body> {
    let line = json!({"at": "2026-11-22T10:00:01.000Z", "text": "5 files\u{1b}[2J"});
    let text = format!(
        "retry: 1000\n\nid: 1\nevent: log\ndata: {line}\n\nevent: status\ndata: {}\n\nid: 2\nevent: status\ndata: {}\n\n",
        deployment(id, "deploying"),
        deployment(id, end),
    );
    Response::builder().header("content-type", "text/event-stream").body(Body::from(text)).unwrap()
}

pub fn answer(method: &Method, path: &str, is_stream: bool) -> Response<Body> {
    let body = match (method.as_str(), path) {
        ("POST", "/v1/deployments") => return reply(201, &deployment("dep_1", "pending")),
        ("GET", "/v1/deployments") => {
            json!({"data": [deployment("dep_2", "failed"), deployment("dep_1", "live")], "has_more": true})
        }
        ("GET", "/v1/deployments/dep_1/logs") if is_stream => return stream("dep_1", "live"),
        ("GET", "/v1/deployments/dep_2/logs") if is_stream => return stream("dep_2", "failed"),
        ("GET", "/v1/deployments/dep_1/logs") => {
            return Response::new(Body::from("2026-11-22T10:00:01.000Z 5 files\u{1b}[2J\n"));
        }
        ("GET", "/v1/deployments/dep_1") | ("POST", "/v1/deployments/dep_1/rollback") => {
            deployment("dep_1", "live")
        }
        ("GET", "/v1/deployments/dep_2") => deployment("dep_2", "failed"),
        ("POST", "/v1/deployments/dep_1/cancel") | ("DELETE", "/v1/deploy-configs/cfg_1") => {
            json!({"success": true})
        }
        ("GET", "/v1/deploy-configs") => json!([config()]),
        ("POST", "/v1/deploy-configs") => return reply(201, &config()),
        ("GET" | "PATCH", "/v1/deploy-configs/cfg_1") => config(),
        _ => return reply(404, &json!({"detail": format!("there is nothing at {path}")})),
    };
    reply(200, &body)
}
