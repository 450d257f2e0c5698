//! API keys.

use miteos_api::{ApiKey, CreateApiKey, CreatedApiKey, Success};
use serde_json::json;

use super::super::doc::{Doc, Tag, doc};
use super::super::examples;
use super::super::schemas::Schemas;

pub fn docs(s: &mut Schemas) -> Vec<Doc> {
    let many = json!({"type": "array", "items": s.told::<ApiKey>()});
    let asked = json!({
        "name": "reporting", "environment": "test", "scopes": ["tasks.read", "usage.read"], "tier": "pro",
        "expires_at": "2027-11-22T00:00:00Z",
    });
    vec![
        doc("POST", "/api-keys", "createApiKey", Tag::Keys, "Make a key")
            .text(
                "The key itself is shown here and never again; only its hash is stored. No key can give away more than it \
                 has: scopes, tier, or a live key from a test one.",
            )
            .body(s.asked::<CreateApiKey>(), asked)
            .answer(201, "The key, with its secret.", s.told::<CreatedApiKey>(), examples::created_api_key())
            .error(
                403,
                "The key lacks the scope, or asks for more than it has itself.",
                "this key lacks the scope webhooks.write, so it cannot give it to another",
            )
            .refused(
                "An unknown scope, tier or environment, a time that is past, a limit that does not go with the tier, or too \
                 many keys.",
                "requests_per_minute goes with the tier enterprise; pro has its own limit",
            )
            .link("revokeApiKey", "id", "/id"),
        doc("GET", "/api-keys", "listApiKeys", Tag::Keys, "List keys")
            .text("Those that open something, newest first. A live key sees those of both worlds, a test key those of its own.")
            .answer(200, "The keys, without their secrets.", many, json!([examples::api_key()])),
        doc("DELETE", "/api-keys/{id}", "revokeApiKey", Tag::Keys, "Revoke a key")
            .text("At once: open streams end, too.")
            .answer(200, "It opens nothing any more.", s.told::<Success>(), examples::success())
            .missing("API key", "there is no such API key")
            .refused(
                "It is the last live key that could make others with its scopes.",
                "no other live key could make keys with these scopes for as long: make one first, or nobody could any more",
            ),
    ]
}
