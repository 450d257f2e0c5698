//! The OpenAPI document of this server, and the page that shows it. Made once, from three sources: the table of
//! operations says what there is and who may call it, `docs` says what it is for, and the wire types what goes over the
//! connection. An operation that `docs` does not know is there all the same, and fails a test.

mod answers;
mod doc;
mod docs;
mod examples;
mod page;
mod parts;
mod schemas;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use miteos_api::{ErrorBody, Event};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::operations::{Access, Operation, operations};
use super::ranges::is_known;
use doc::{Doc, Proof, Tag, doc};
use schemas::Schemas;

/// How long the document and its page may be kept: they change with the server's version alone.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=300");
/// Characters of a hash that are enough for an `ETag`.
const TAG_CHARS: usize = 32;

const ABOUT: &str = "A self-hosted server for teams of agents: say what is to be done, watch it happen, keep the result.

**Keys.** Every request carries `Authorization: Bearer mt_live_…` or `mt_test_…`, but for those that say that they are \
public. A key has scopes; an operation names the one it needs. Live and test data are two worlds: what belongs to the other, \
or to somebody else, is not found.

**Errors.** The body is `{\"detail\": \"…\"}` and nothing else: what is wrong, where, and what would be right. 400 cannot be \
understood, 401 no valid key, 403 lacks the scope, 404 not there, 409 conflict of an `Idempotency-Key`, 413 too large, 422 \
understood and refused, 429 too many, 500 failed inside. A method that a path does not take is 405, with `Allow`. \
`Request-Id` on every answer names the request in the server's log.

**Limits.** By tier: free 60, pro 300, power 1,000, business 5,000 requests a minute, enterprise by key. Every answer to a \
request with a valid key says what is left. Tasks at once: 1, 5, 20, then unlimited; more wait. Event streams at once: 1, 5, \
20, 100, unlimited. A body has at most 1 MiB, uploads excepted.

**Pages.** `limit` (1 to 100, default 20) and `offset` (default 0). What is no number is 400, out of range 422.

**Again.** Every POST takes an `Idempotency-Key`: the same request sent again within a day gets the first answer, marked \
`Idempotency-Replayed: true`, and does nothing.

**Reading.** Times are RFC 3339 in UTC. Ids are a prefix and a lower-case ULID, sortable by creation. Fields and query \
parameters that nobody knows are ignored, by the server and, please, by you.";

/// What is sent: bytes that never change while the server runs.
struct Fixed {
    bytes: Vec<u8>,
    tag: HeaderValue,
    media_type: HeaderValue,
    policy: Option<HeaderValue>,
}

impl Fixed {
    fn new(bytes: Vec<u8>, media_type: &'static str, policy: Option<HeaderValue>) -> Self {
        let hash: String = hex::encode(Sha256::digest(&bytes)).chars().take(TAG_CHARS).collect();
        // Hexadecimal digits between quotes are always a header's value.
        let tag = HeaderValue::try_from(format!("\"{hash}\"")).unwrap_or(HeaderValue::from_static("\"\""));
        Self { bytes, tag, media_type: HeaderValue::from_static(media_type), policy }
    }

    fn answer(&'static self, asked: &HeaderMap) -> Response {
        let unchanged = is_known(asked, self.tag.to_str().unwrap_or_default());
        let mut response =
            Response::new(if unchanged { Body::empty() } else { Body::from(self.bytes.as_slice()) });
        let headers = response.headers_mut();
        headers.insert(ETAG, self.tag.clone());
        headers.insert(CACHE_CONTROL, KEPT);
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(policy) = &self.policy {
            headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        }
        if unchanged {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            headers.insert(CONTENT_TYPE, self.media_type.clone());
        }
        response
    }
}

/// `GET /v1/openapi.json`
pub async fn json(headers: HeaderMap) -> Response {
    static DOCUMENT: OnceLock<Fixed> = OnceLock::new();
    let fixed = DOCUMENT.get_or_init(|| Fixed::new(text().into_bytes(), "application/json", None));
    fixed.answer(&headers)
}

/// `GET /docs`
pub async fn page(headers: HeaderMap) -> Response {
    static PAGE: OnceLock<Fixed> = OnceLock::new();
    let fixed = PAGE.get_or_init(|| {
        let policy = HeaderValue::try_from(page::policy()).ok();
        Fixed::new(page::render(&document()).into_bytes(), "text/html; charset=utf-8", policy)
    });
    fixed.answer(&headers)
}

/// The document as it is sent and committed.
pub fn text() -> String {
    serde_json::to_string_pretty(&document()).unwrap_or_default() + "\n"
}

/// The document.
pub fn document() -> Value {
    let mut schemas = Schemas::new();
    let described = docs::all(&mut schemas);
    schemas.told::<ErrorBody>();
    schemas.told::<Event>();
    let mut paths = Map::new();
    for operation in operations() {
        let known = described.iter().find(|doc| doc.method == operation.method && doc.path == operation.path);
        let doc = known.cloned().unwrap_or_else(|| nameless(&operation));
        let shown = doc.shown_path.unwrap_or(operation.path);
        let path = paths.entry(shown).or_insert_with(|| json!({}));
        path[operation.method.to_ascii_lowercase()] = entry(&mut schemas, &operation, &doc);
    }
    let webhooks = docs::messages(&mut schemas);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Miteos", "version": env!("CARGO_PKG_VERSION"), "summary": "Teams of agents that finish what they begin",
            "description": ABOUT, "license": {"name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT"},
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": "/v1", "description": "This server"}],
        "tags": Tag::ALL.map(|tag| json!({"name": tag.name(), "description": tag.about()})),
        "paths": paths,
        "webhooks": webhooks,
        "components": {
            "schemas": schemas.into_components(),
            "parameters": parts::parameters(),
            "headers": parts::headers(),
            "responses": parts::responses(),
            "securitySchemes": parts::security_schemes(),
        },
    })
}

/// An operation that nothing is said of.
fn nameless(operation: &Operation) -> Doc {
    doc(operation.method, operation.path, "", Tag::Server, operation.path)
}

/// One operation's entry.
fn entry(schemas: &mut Schemas, operation: &Operation, doc: &Doc) -> Value {
    let mut parameters = parts::in_path(schemas, operation.path);
    parameters.extend(doc.parameters.iter().cloned());
    if operation.method == "POST" {
        parameters.push(parts::parameter("Idempotency-Key"));
    }
    let needs = match operation.access {
        Access::Public => "Public: no key is needed.".to_owned(),
        Access::Operator => "Needs the token of the server's owner. No API key opens it.".to_owned(),
        Access::Scope(scope) | Access::Proof(scope) => format!("Needs the scope `{scope}`."),
    };
    let description = if doc.text.is_empty() { needs } else { format!("{}\n\n{needs}", doc.text) };
    let mut entry = json!({
        "operationId": doc.id, "tags": [doc.tag.name()], "summary": doc.summary, "description": description,
    });
    if let Access::Scope(scope) | Access::Proof(scope) = operation.access {
        entry["x-required-scope"] = scope.into();
    }
    if !parameters.is_empty() {
        entry["parameters"] = parameters.into();
    }
    if let Some(body) = &doc.body {
        entry["requestBody"] = body.clone();
    }
    entry["responses"] = answers::responses(operation, doc).into();
    entry["security"] = security(operation.access, doc.proof);
    entry
}

fn security(access: Access, proof: Proof) -> Value {
    let scope = match access {
        Access::Public => return json!([]),
        Access::Operator => return json!([{"operator": []}]),
        Access::Scope(scope) | Access::Proof(scope) => scope,
    };
    match proof {
        Proof::Key => json!([{"key": [scope]}]),
        Proof::Link => json!([{"key": [scope]}, {"link": []}]),
        Proof::Message => json!([{"key": [scope]}, {}]),
    }
}
