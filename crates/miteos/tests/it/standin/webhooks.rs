//! The stand-in's one webhook: its receiver takes the test event unless its address says otherwise.

use axum::body::Body;
use axum::http::{Method, Response};
use serde_json::{Value, json};

use super::reply;

fn webhook() -> Value {
    json!({
        "id": "wh_1", "url": "https://example.org/hook", "events": ["task.complete", "task.failed"],
        "description": "to the bakery", "status": "enabled", "disabled_reason": null,
        "failing_since": "2026-11-22T09:00:00Z", "previous_secret_expires_at": null,
        "created_at": "2026-11-22T08:00:00Z"
    })
}

fn delivery(id: &str, status: &str) -> Value {
    json!({
        "id": id, "webhook_id": "wh_1", "event_id": "evt_1", "type": "task.complete", "task_id": "task_1", "seq": 9,
        "status": status, "attempts": 2, "created_at": "2026-11-22T09:00:00Z",
        "last_attempt_at": "2026-11-22T09:00:05Z", "next_attempt_at": null, "response_status": 500,
        "duration_ms": 12, "error": "the answer was 500\u{1b}[2J"
    })
}

pub fn answer(method: &Method, path: &str, asked: &Value) -> Response<Body> {
    let mut shown = webhook();
    let body = match (method.as_str(), path) {
        ("GET", "/v1/webhooks") => json!([shown]),
        ("POST", "/v1/webhooks") => {
            shown["events"] = asked["events"].clone();
            shown["secret"] = json!("whsec_c2VjcmV0");
            return reply(201, &shown);
        }
        ("GET" | "PATCH", "/v1/webhooks/wh_1") => shown,
        ("DELETE", "/v1/webhooks/wh_1") => json!({"success": true}),
        ("POST", "/v1/webhooks/wh_1/test") => {
            json!({"ok": true, "response_status": 204, "duration_ms": 31, "error": null, "delivery_id": "whd_3"})
        }
        ("POST", "/v1/webhooks/wh_2/test") => {
            json!({"ok": false, "response_status": null, "duration_ms": 15_000, "error": "example.org did not answer", "delivery_id": "whd_4"})
        }
        ("GET", "/v1/webhooks/wh_1/deliveries") => {
            let rows = [delivery("whd_2", "pending"), delivery("whd_1", "failed")];
            json!({"deliveries": rows, "total": 7, "limit": 20, "offset": 0})
        }
        ("POST", "/v1/webhooks/wh_1/deliveries/whd_1/redeliver") => delivery("whd_5", "pending"),
        ("POST", "/v1/webhooks/wh_1/rotate-secret") => {
            json!({"secret": "whsec_bmV3", "previous_secret_expires_at": "2026-11-23T10:00:00Z"})
        }
        _ => return reply(404, &json!({"detail": format!("there is nothing at {path}")})),
    };
    reply(200, &body)
}
