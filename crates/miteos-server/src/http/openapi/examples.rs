//! The examples of the document: one small story, told with the same ids throughout. Tests hold each against its schema.

use serde_json::{Value, json};

pub const TASK: &str = "task_01jd3k7x8m9p2q4r6s8t0v2w4y";
pub const WORKSPACE: &str = "ws_01jd3k7x8n5b7c9d1f3g5h7j9k";
pub const AGENT: &str = "agnt_01jd3k80v2w4y6z8a0b2c4d6e8";
pub const APPROVAL: &str = "appr_01jd3k8a1b2c3d4e5f6g7h8j9k";
pub const DELIVERABLE: &str = "dlvr_01jd3k9m0n1p2q3r4s5t6v7w8x";
pub const WEBHOOK: &str = "wh_01jd3k5a0b1c2d3e4f5g6h7j8k";
pub const DELIVERY: &str = "whd_01jd3k9z8y7x6w5v4t3s2r1q0p";
pub const DEPLOYMENT: &str = "dep_01jd3kb2c3d4e5f6g7h8j9k0m1";
pub const DEPLOY_CONFIG: &str = "cfg_01jd3kaz1y2x3w4v5t6s7r8q9p";
pub const KEY: &str = "key_01jd3k4g5h6j7k8m9n0p1q2r3s";
pub const SHARE: &str = "shr_01jd3kb1c2d3e4f5g6h7j8k9m0";
pub const PREVIEW_LINK: &str = "shr_01jd3kbt2c3d4e5f6g7h8j9k0m";
const PREVIEW: &str = "https://mzxw6ytbmzxw6ytbmzxw6ytbmzxw6ytb.preview.example.net/";
const SUBTASK: &str = "st_01jd3k80v1t3s5r7q9p1n3m5k7";
const CALL: &str = "call_01jd3k8a0z9y8x7w6v5t4s3r2q";
const EVENT: &str = "evt_01jd3k7x8m0a1b2c3d4e5f6g7h";
const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

pub fn success() -> Value {
    json!({"success": true})
}

pub fn create_task() -> Value {
    json!({
        "prompt": "Compare our three plans with those of the two largest competitors and write a one-page summary.",
        "config": {"max_agents": 2, "autonomy_level": 60, "budget_cents": 200},
    })
}

fn config() -> Value {
    json!({
        "max_agents": 2, "autonomy_level": 60, "auto_deploy": false, "deploy_target": null, "deploy_config_id": null,
        "model": null, "budget_cents": 200, "skill_id": null,
    })
}

/// As it stands in a list.
pub fn task_row() -> Value {
    json!({
        "id": TASK, "status": "running", "prompt": create_task()["prompt"], "workspace_id": WORKSPACE,
        "config": config(), "result": null, "error": null, "skill_id": null, "cost": 0.042, "uncertain_cost": 0.0,
        "total_cost_cents": 5, "total_tokens_used": 4521, "deliverables_count": 0,
        "created_at": "2026-11-22T10:00:00.000Z", "started_at": "2026-11-22T10:00:00.120Z", "completed_at": null,
    })
}

/// With all that belongs to it.
pub fn task() -> Value {
    let mut task = task_row();
    task["agents"] = json!([agent()]);
    task["subtasks"] = json!([{
        "id": SUBTASK, "agent_type": "researcher", "title": "Competitors' plans",
        "prompt": "Find the present plans and prices of both competitors.", "status": "running", "depends_on": [],
        "acceptance": ["every price has its source"], "agent_id": AGENT, "tokens_used": 812,
        "model_used": "anthropic/claude-sonnet-4-5",
    }]);
    task["approvals"] = json!([]);
    task
}

/// Right after it was asked for.
pub fn new_task() -> Value {
    let mut task = task();
    task["status"] = "pending".into();
    task["agents"] = json!([]);
    task["subtasks"] = json!([]);
    task["started_at"] = Value::Null;
    task["cost"] = 0.0.into();
    task["total_cost_cents"] = 0.into();
    task["total_tokens_used"] = 0.into();
    task
}

pub fn completed_task() -> Value {
    let mut task = task_row();
    task["status"] = "complete".into();
    task["result"] = "The summary is in summary.md.".into();
    task["deliverables_count"] = 1.into();
    task["completed_at"] = "2026-11-22T10:04:10.500Z".into();
    task["tools"] = json!(["web_search", "web_fetch", "write_file", "publish"]);
    task["action_count"] = 9.into();
    task
}

pub fn agent() -> Value {
    json!({
        "id": AGENT, "task_id": TASK, "subtask_id": SUBTASK, "type": "researcher", "status": "acting",
        "current_tool": "web_search", "progress": 45, "pending_approval": null, "tokens_used": 812, "cost": 0.004,
    })
}

pub fn approval() -> Value {
    json!({
        "id": APPROVAL, "task_id": TASK, "agent_id": AGENT, "call_id": CALL, "asked": "policy", "tool": "send_email",
        "input": {"to": ["ada@example.com"], "subject": "Plans compared", "body": "See the summary."},
        "risk": "high", "summary": "Send an e-mail to 1 recipient: Plans compared", "status": "pending", "reason": null,
        "created_at": "2026-11-22T10:02:00.000Z", "expires_at": "2026-11-29T10:02:00.000Z", "decided_at": null,
    })
}

pub fn approval_policy() -> Value {
    json!({"low": 20, "medium": 60, "high": 100, "critical": 100, "tools": {"code_exec": "always"}})
}

pub fn event() -> Value {
    json!({
        "id": EVENT, "seq": 17, "type": "agent.action", "task_id": TASK, "agent_id": AGENT,
        "created_at": "2026-11-22T10:01:07.250Z",
        "data": {
            "call_id": CALL, "tool": "web_search", "input": {"query": "competitor pricing 2026"}, "risk": "low",
        },
    })
}

/// The same event as a stream carries it.
pub fn sse(cursor: Option<u64>) -> Value {
    let mut event = event();
    if let Some(cursor) = cursor {
        event["cursor"] = cursor.into();
    }
    let id = cursor.unwrap_or(17).to_string();
    json!({"id": id, "event": "agent.action", "data": event.to_string()})
}

pub fn deliverable() -> Value {
    json!({
        "id": DELIVERABLE, "name": "summary.md", "type": "text/markdown", "size_bytes": 4096, "sha256": SHA256,
        "download_url": format!(
            "https://miteos.example.com/v1/tasks/{TASK}/deliverables/{DELIVERABLE}/download?expires=1795345200000&signature={SHA256}"
        ),
        "created_at": "2026-11-22T10:04:09.000Z",
    })
}

/// As it is when it was just asked for.
pub fn new_deployment() -> Value {
    let mut deployment = deployment();
    deployment["status"] = "pending".into();
    for empty in ["url", "completed_at", "visibility", "inspect_url"] {
        deployment[empty] = Value::Null;
    }
    deployment
}

pub fn deployment() -> Value {
    json!({
        "id": DEPLOYMENT, "workspace_id": WORKSPACE, "target": "netlify", "status": "live",
        "url": "https://pricing-d1f3g5h7j9k.netlify.app", "created_at": "2026-11-22T10:05:00.000Z",
        "completed_at": "2026-11-22T10:05:42.300Z", "config_id": DEPLOY_CONFIG, "environment": "production",
        "task_id": null, "deliverable_id": null, "visibility": "public",
        "inspect_url": "https://app.netlify.com/sites/pricing-d1f3g5h7j9k", "error": null,
        "log_url": format!("/v1/deployments/{DEPLOYMENT}/logs"),
    })
}

/// A deliverable in place of a workspace.
pub fn staged_deployment() -> Value {
    let mut deployment = new_deployment();
    deployment["target"] = "preview".into();
    deployment["environment"] = "preview".into();
    deployment["config_id"] = Value::Null;
    deployment["task_id"] = TASK.into();
    deployment["deliverable_id"] = DELIVERABLE.into();
    deployment
}

pub fn preview() -> Value {
    json!({
        "deployment_id": DEPLOYMENT, "url": PREVIEW, "visibility": "link", "single_page": false, "files": 12,
        "size_bytes": 480_231, "links": 1, "created_at": "2026-11-22T10:05:42.000Z", "expires_at": "2026-12-22T10:05:42.000Z",
    })
}

pub fn preview_link() -> Value {
    let token = format!("1795947600000.1.{PREVIEW_LINK}.{SHA256}");
    json!({"id": PREVIEW_LINK, "url": format!("{PREVIEW}?t={token}"), "expires_at": "2026-11-29T10:20:00.000Z"})
}

pub fn listed_preview_link() -> Value {
    json!({
        "id": PREVIEW_LINK, "deployment_id": DEPLOYMENT, "created_at": "2026-11-22T10:20:00.000Z",
        "expires_at": "2026-11-29T10:20:00.000Z",
    })
}

pub fn deploy_config() -> Value {
    json!({
        "id": DEPLOY_CONFIG, "name": "our site", "target": "netlify",
        "settings": {"site": "pricing.netlify.app", "output": "dist"}, "provider_account": "Ada Lovelace",
        "provider_project": "pricing", "verified_at": "2026-11-22T09:59:00.000Z",
        "created_at": "2026-11-22T09:59:00.000Z", "updated_at": "2026-11-22T09:59:00.000Z",
    })
}

pub fn share() -> Value {
    json!({
        "id": SHARE, "url": "https://miteos.example.com/s/mzxw6ytbmzxw6ytbmzxw6ytbmzxw6ytb",
        "expires_at": "2026-11-29T10:05:00.000Z",
    })
}

pub fn shared_deliverable() -> Value {
    json!({
        "id": SHARE, "task_id": TASK, "deliverable_id": DELIVERABLE, "name": "summary.md", "size_bytes": 4096,
        "created_at": "2026-11-22T10:05:00.000Z", "expires_at": "2026-11-29T10:05:00.000Z",
    })
}

pub fn workspace() -> Value {
    json!({
        "id": WORKSPACE, "name": "pricing", "description": "Everything on our plans", "status": "active", "file_count": 3,
        "created_at": "2026-11-22T09:58:00.000Z",
    })
}

pub fn file() -> Value {
    json!({"path": "data/plans.csv", "type": "file", "size_bytes": 2048, "modified_at": "2026-11-22T09:59:00.000Z"})
}

pub fn webhook() -> Value {
    json!({
        "id": WEBHOOK, "url": "https://example.com/hooks/miteos", "events": ["task.complete", "task.failed"],
        "description": "Tells the team", "status": "enabled", "disabled_reason": null, "failing_since": null,
        "previous_secret_expires_at": null, "created_at": "2026-11-22T09:50:00.000Z",
    })
}

pub fn created_webhook() -> Value {
    let mut webhook = webhook();
    webhook["secret"] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into();
    webhook
}

pub fn delivery() -> Value {
    json!({
        "id": DELIVERY, "webhook_id": WEBHOOK, "event_id": EVENT, "type": "task.complete", "task_id": TASK, "deployment_id": null, "seq": 31,
        "status": "delivered", "attempts": 1, "created_at": "2026-11-22T10:04:10.500Z",
        "last_attempt_at": "2026-11-22T10:04:10.620Z", "next_attempt_at": null, "response_status": 204, "duration_ms": 87,
        "error": null,
    })
}

/// What a receiver gets.
pub fn webhook_message() -> Value {
    let mut event = event();
    event["seq"] = 31.into();
    event["type"] = "task.complete".into();
    event["agent_id"] = Value::Null;
    event["data"] = json!({
        "status": "complete", "result": "The summary is in summary.md.", "cost": 0.042, "total_cost_cents": 5,
        "total_tokens_used": 4521, "deliverables_count": 1,
    });
    json!({"id": EVENT, "type": "task.complete", "timestamp": event["created_at"], "data": event})
}

pub fn api_key() -> Value {
    json!({
        "id": KEY, "name": "reporting", "prefix": "mt_test_4f1c9a", "environment": "test",
        "scopes": ["tasks.read", "usage.read"], "tier": "pro", "created_at": "2026-11-22T09:45:00.000Z",
        "expires_at": "2027-11-22T00:00:00.000Z", "last_used_at": null,
    })
}

pub fn created_api_key() -> Value {
    let mut key = api_key();
    key["key"] = "mt_test_4f1c9a0b7d2e8f6a5c3b1d9e7f2a4c6b8d0e1f3a".into();
    key
}

pub fn usage() -> Value {
    let totals = |tokens: u64| {
        json!({
            "tokens": tokens, "input_tokens": tokens - 600, "output_tokens": 600, "cost": 0.042, "tasks": 1,
            "model_calls": 6, "unpriced_calls": 0,
        })
    };
    let mut usage = json!({"from": "2026-11-22", "to": "2026-11-22", "group_by": "day"});
    let mut row = json!({"day": "2026-11-22"});
    for (into, tokens) in [(&mut usage, 4521), (&mut row, 4521)] {
        if let (Some(into), Value::Object(totals)) = (into.as_object_mut(), totals(tokens)) {
            into.extend(totals);
        }
    }
    usage["rows"] = json!([row]);
    usage["storage"] = json!({
        "workspaces": 2, "workspace_bytes": 18_432, "deliverables": 1, "deliverable_bytes": 4096, "previews": 1,
        "preview_bytes": 480_231, "preview_limit_bytes": 10_737_418_240_u64,
    });
    usage
}

pub fn models() -> Value {
    json!({"data": [
        {
            "id": "anthropic/claude-sonnet-4-5", "default": true, "roles": ["default", "planner"], "input_usd_per_mtok": 3.0,
            "output_usd_per_mtok": 15.0, "context_tokens": 200_000, "max_output_tokens": 64_000, "local": false,
        },
        {
            "id": "openai/a-model-of-our-own", "default": false, "roles": [], "input_usd_per_mtok": null,
            "output_usd_per_mtok": null, "context_tokens": 128_000, "max_output_tokens": 8192, "local": false,
        },
    ]})
}
