//! What many operations share: parameters, headers, answers and how a caller proves itself.

use miteos_api::text::{
    AgentId, ApprovalId, DeliverableId, DeliveryId, DeployConfigId, DeploymentId, KeyId, ShareId, TaskId,
    WebhookId, WorkspaceId,
};
use serde_json::{Map, Value, json};

use super::schemas::{Schemas, reference};

/// The variable parts of addresses: the word before it, its name in the table, and what it is.
pub const IN_PATHS: &[(&str, &str, &str)] = &[
    ("tasks", "id", "The task."),
    ("agents", "id", "The agent."),
    ("approve", "approval", "The approval."),
    ("deliverables", "file", "The deliverable."),
    ("shares", "id", "The public link."),
    ("links", "link", "The link to the preview."),
    ("workspaces", "id", "The workspace."),
    ("files", "*path", "The file or folder inside the workspace, `/` between its parts."),
    ("webhooks", "id", "The webhook."),
    ("deliveries", "delivery", "The delivery."),
    ("deployments", "id", "The deployment."),
    ("deploy-configs", "id", "The deploy configuration."),
    ("api-keys", "id", "The API key."),
];

/// The parameters of an address, as it stands in the table.
pub fn in_path(schemas: &mut Schemas, path: &str) -> Vec<Value> {
    let parts: Vec<&str> = path.split('/').collect();
    let pairs = parts.iter().zip(parts.iter().skip(1));
    pairs
        .filter_map(|(before, part)| Some((*before, part.strip_prefix('{')?.strip_suffix('}')?)))
        .map(|(before, name)| {
            let known = IN_PATHS.iter().find(|(word, known, _)| *word == before && *known == name);
            let about = known.map_or("", |(_, _, about)| about);
            let schema = match (before, name) {
                ("tasks", "id") => schemas.asked::<TaskId>(),
                ("agents", "id") => schemas.asked::<AgentId>(),
                ("approve", "approval") => schemas.asked::<ApprovalId>(),
                ("deliverables", "file") => schemas.asked::<DeliverableId>(),
                ("shares", "id") | ("links", "link") => schemas.asked::<ShareId>(),
                ("workspaces", "id") => schemas.asked::<WorkspaceId>(),
                ("webhooks", "id") => schemas.asked::<WebhookId>(),
                ("deliveries", "delivery") => schemas.asked::<DeliveryId>(),
                ("deployments", "id") => schemas.asked::<DeploymentId>(),
                ("deploy-configs", "id") => schemas.asked::<DeployConfigId>(),
                ("api-keys", "id") => schemas.asked::<KeyId>(),
                _ => json!({
                    "type": "string",
                    "pattern": "^[^/\\u0000]+(/[^/\\u0000]+)*$",
                    "maxLength": 4096,
                    "examples": ["report/summary.md"],
                }),
            };
            json!({
                "name": name.trim_start_matches('*'), "in": "path", "required": true,
                "description": about, "schema": schema,
            })
        })
        .collect()
}

/// Parameters that are named once.
pub fn parameters() -> Value {
    json!({
        "Idempotency-Key": {
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "A name of your choice for this request. Sent again with the same body within a day, it gets the \
                first answer and does nothing.",
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$", "examples": ["order-4711"]},
        },
        "Last-Event-ID": {
            "name": "Last-Event-ID", "in": "header", "required": false,
            "description": "The `id` of the last event that was received; beats `after`. Browsers send it by themselves.",
            "schema": {"type": "integer", "format": "int64", "minimum": 0},
        },
        "Range": {
            "name": "Range", "in": "header", "required": false,
            "description": "One range of bytes. Several, and what cannot be read, are ignored.",
            "schema": {"type": "string", "examples": ["bytes=0-1023"]},
        },
        "If-Range": {
            "name": "If-Range", "in": "header", "required": false,
            "description": "Send the range only if the file still has this `ETag`, else the whole.",
            "schema": {"type": "string"},
        },
        "If-None-Match": {
            "name": "If-None-Match", "in": "header", "required": false,
            "description": "Answer 304 if one of these is still the `ETag`.",
            "schema": {"type": "string"},
        },
    })
}

pub fn parameter(name: &str) -> Value {
    reference("parameters", name)
}

/// The header of every answer.
const ALWAYS: &str = "Request-Id";
/// The headers of every answer to a request whose key was found.
const WITH_KEY: [&str; 5] =
    ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit", "RateLimit-Policy"];

/// Headers that are named once.
pub fn headers() -> Value {
    let number = |about: &str| json!({"description": about, "required": true, "schema": {"type": "integer", "format": "int64", "minimum": 0}});
    let text = |about: &str, example: &str, required: bool| json!({"description": about, "required": required, "schema": {"type": "string", "examples": [example]}});
    json!({
        "Request-Id": {
            "description": "Names the request in the server's log.", "required": true,
            "schema": {"type": "string", "pattern": "^req_[0-9a-hjkmnp-tv-z]{26}$"},
        },
        "X-RateLimit-Limit": number("Requests that the key may make a minute."),
        "X-RateLimit-Remaining": number("Requests that would be allowed right now."),
        "X-RateLimit-Reset": number("When there is room for more (seconds since 1970)."),
        "RateLimit": text("What is left, and the seconds until there is more.", "\"minute\";r=59;t=60", true),
        "RateLimit-Policy": text("The limit and its window in seconds.", "\"minute\";q=60;w=60", true),
        "Retry-After": number("Seconds after which it makes sense to try again."),
        "WWW-Authenticate": {
            "description": "What a key is sent as.", "required": true, "schema": {"type": "string", "const": "Bearer"},
        },
        "Idempotency-Replayed": {
            "description": "`true` on an answer that was given before to the same `Idempotency-Key`.", "required": false,
            "schema": {"type": "string", "const": "true"},
        },
        "ETag": text("Changes with the content.", "\"4e07408562bedb8b60ce05c1decfe3ad\"", true),
        "Cache-Control": text("How long the answer may be kept.", "public, max-age=300", true),
        "Content-Disposition": text("The file's name.", "attachment; filename*=UTF-8''report.md", true),
        "Content-Length": number("Bytes that follow."),
        "Content-Range": text("Which bytes follow, or how many there are.", "bytes 0-1023/4096", true),
        "Accept-Ranges": text("`bytes`.", "bytes", true),
    })
}

/// References to these headers.
pub fn with_headers(answer: &mut Value, names: &[&str]) {
    let Some(answer) = answer.as_object_mut() else { return };
    let known = answer.entry("headers").or_insert_with(|| json!({}));
    if let Some(known) = known.as_object_mut() {
        known.extend(names.iter().map(|name| ((*name).to_owned(), reference("headers", name))));
    }
}

/// The headers that every answer has, and those that come with a key.
pub fn with_usual_headers(answer: &mut Value, keyed: bool) {
    with_headers(answer, &[ALWAYS]);
    if keyed {
        with_headers(answer, &WITH_KEY);
    }
}

/// An error answer.
pub fn error(when: &str, detail: &str) -> Value {
    json!({
        "description": when,
        "content": {"application/json": {
            "schema": reference("schemas", "ErrorBody"), "example": {"detail": detail},
        }},
    })
}

/// Errors that are the same everywhere: name, when, example of `detail`, headers besides the usual ones, whether the key
/// was found.
const ERRORS: [(&str, &str, &str, &[&str], bool); 6] = [
    (
        "Unauthorized",
        "No key, or one that opens nothing.",
        "no API key: send the header Authorization: Bearer mt_live_… or mt_test_…",
        &["WWW-Authenticate"],
        false,
    ),
    (
        "Conflict",
        "The `Idempotency-Key` was used for another body, or its first request is still being answered.",
        "this Idempotency-Key was used for a request with another body; use a new one",
        &[],
        true,
    ),
    ("TooLarge", "The body is larger than 1 MiB.", "the body is larger than 1048576 bytes", &[], true),
    (
        "TooManyRequests",
        "The key has made its requests of this minute, or holds as many open streams as it may.",
        "this key may make 60 requests a minute and has made them; try again in 12 s",
        &["Retry-After"],
        true,
    ),
    (
        "Internal",
        "The server failed inside. Nothing more is told; the log has the reason.",
        "the server failed inside; its log has the reason",
        &[],
        false,
    ),
    ("Stopping", "The server is stopping.", "the server is stopping", &[], false),
];

/// Answers that are named once.
pub fn responses() -> Map<String, Value> {
    let one = |(name, when, detail, headers, keyed): &(&str, &str, &str, &[&str], bool)| {
        let mut answer = error(when, detail);
        with_usual_headers(&mut answer, *keyed);
        with_headers(&mut answer, headers);
        ((*name).to_owned(), answer)
    };
    ERRORS.iter().map(one).collect()
}

pub fn response(name: &str) -> Value {
    reference("responses", name)
}

/// How callers prove themselves.
pub fn security_schemes() -> Value {
    json!({
        "key": {
            "type": "http", "scheme": "bearer",
            "description": "`Authorization: Bearer mt_live_…` or `mt_test_…`. Never in a query string.",
        },
        "operator": {
            "type": "http", "scheme": "bearer",
            "description": "The token of `MITEOS_METRICS_TOKEN`, which only the server's owner has.",
        },
        "link": {
            "type": "apiKey", "in": "query", "name": "signature",
            "description": "A signed link, as `download_url` has it: `expires` and `signature` together.",
        },
    })
}
