//! Webhooks, and what is sent to them.

use miteos_api::{
    CreateWebhook, CreatedWebhook, Delivery, DeliveryList, Event, ListDeliveries, RotateSecret,
    RotatedSecret, Success, UpdateWebhook, Webhook, WebhookTest,
};
use serde_json::{Value, json};

use super::super::doc::{Doc, Tag, doc};
use super::super::examples;
use super::super::schemas::Schemas;

const MISSING: &str = "there is no such webhook";
const UNFIT: &str =
    "url: 10.0.0.7 is a private address; the server's owner can allow it with MITEOS_EGRESS_ALLOW";

pub fn docs(s: &mut Schemas) -> Vec<Doc> {
    let mut all = kept(s);
    all.extend(sent(s));
    all
}

fn kept(s: &mut Schemas) -> Vec<Doc> {
    let many = json!({"type": "array", "items": s.told::<Webhook>()});
    let asked =
        json!({"url": "https://example.com/hooks/miteos", "events": ["task.complete", "task.failed"]});
    let rotated = json!({
        "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "previous_secret_expires_at": "2026-11-23T10:00:00.000Z",
    });
    let mut rotate =
        json!({"content": {"application/json": {"schema": s.asked::<RotateSecret>(), "example": {}}}});
    rotate["description"] = "Nothing has to be said, so it may be missing.".into();
    vec![
        doc("POST", "/webhooks", "createWebhook", Tag::Webhooks, "Make a webhook")
            .text("It gets the events from now on. The secret is shown here and never again.")
            .body(s.asked::<CreateWebhook>(), asked)
            .answer(201, "The webhook, with its secret.", s.told::<CreatedWebhook>(), examples::created_webhook())
            .refused(
                "The address cannot be reached from here or is private, an event that there is none of, a secret of the \
                 wrong form, or too many webhooks.",
                UNFIT,
            )
            .link("getWebhook", "id", "/id")
            .link("updateWebhook", "id", "/id")
            .link("deleteWebhook", "id", "/id")
            .link("testWebhook", "id", "/id")
            .link("listDeliveries", "id", "/id")
            .link("rotateWebhookSecret", "id", "/id"),
        doc("GET", "/webhooks", "listWebhooks", Tag::Webhooks, "List webhooks")
            .answer(200, "All of the account's, newest first.", many, json!([examples::webhook()])),
        doc("GET", "/webhooks/{id}", "getWebhook", Tag::Webhooks, "Read a webhook")
            .answer(200, "The webhook.", s.told::<Webhook>(), examples::webhook())
            .missing("webhook", MISSING),
        doc("PATCH", "/webhooks/{id}", "updateWebhook", Tag::Webhooks, "Change a webhook")
            .text("What is absent stays as it is. Enabled again, it goes on where it stopped.")
            .body(s.asked::<UpdateWebhook>(), json!({"events": ["*"], "status": "enabled"}))
            .answer(200, "The webhook as it is now.", s.told::<Webhook>(), examples::webhook())
            .missing("webhook", MISSING)
            .refused("As when one is made, or a status that there is none of.", UNFIT),
        doc("DELETE", "/webhooks/{id}", "deleteWebhook", Tag::Webhooks, "Delete a webhook")
            .text("What was not delivered is not delivered any more.")
            .answer(200, "It is gone.", s.told::<Success>(), examples::success())
            .missing("webhook", MISSING),
        doc("POST", "/webhooks/{id}/rotate-secret", "rotateWebhookSecret", Tag::Webhooks, "Rotate the secret")
            .text("For 24 hours each message is signed with both secrets, so that a receiver can change over.")
            .raw_body(rotate)
            .answer(200, "The new secret, shown this once.", s.told::<RotatedSecret>(), rotated)
            .missing("webhook", MISSING)
            .refused("The secret has the wrong form.", "secret must be whsec_ and then base64 of 24 to 64 bytes; leave it out to have one made"),
    ]
}

fn sent(s: &mut Schemas) -> Vec<Doc> {
    let tested = json!({
        "ok": true, "response_status": 204, "duration_ms": 87, "error": null, "delivery_id": examples::DELIVERY,
    });
    let list = json!({"deliveries": [examples::delivery()], "total": 1, "limit": 20, "offset": 0});
    let mut again = examples::delivery();
    again["status"] = "pending".into();
    again["next_attempt_at"] = "2026-11-22T10:05:00.000Z".into();
    let mut fresh = again.clone();
    for empty in ["last_attempt_at", "response_status", "duration_ms"] {
        fresh[empty] = Value::Null;
    }
    fresh["attempts"] = 0.into();
    let redeliver = "/webhooks/{id}/deliveries/{delivery}/redeliver";
    vec![
        doc("POST", "/webhooks/{id}/test", "testWebhook", Tag::Webhooks, "Send a test")
            .text("Sends one `webhook.ping` and answers when it is known what came of it.")
            .answer(200, "What came of it.", s.told::<WebhookTest>(), tested)
            .missing("webhook", MISSING),
        doc("GET", "/webhooks/{id}/deliveries", "listDeliveries", Tag::Webhooks, "List deliveries")
            .text("Newest first: what became of each event.")
            .parameters(s.query::<ListDeliveries>())
            .answer(200, "A page of deliveries.", s.told::<DeliveryList>(), list)
            .missing("webhook", MISSING)
            .refused("`limit` or `offset` out of range.", "limit is 0; it must be 1 to 100"),
        doc("POST", redeliver, "redeliver", Tag::Webhooks, "Send an event again")
            .text("Under its old id. One that waits for its next attempt is tried at once.")
            .answer(200, "It waited, and is tried at once.", s.told::<Delivery>(), again)
            .answer(201, "It is sent again.", s.told::<Delivery>(), fresh)
            .missing("webhook or delivery", "there is no such delivery")
            .refused(
                "The webhook is disabled.",
                "the webhook is disabled; enable it before anything is sent again",
            ),
    ]
}

/// What a receiver gets.
pub fn messages(s: &mut Schemas) -> Value {
    let header = |name: &str, about: &str, example: &str| {
        json!({
            "name": name, "in": "header", "required": true, "description": about,
            "schema": {"type": "string", "examples": [example]},
        })
    };
    let headers = json!([
        header("webhook-id", "The event's id: the same on every attempt.", "evt_01jd3k7x8m0a1b2c3d4e5f6g7h"),
        header("webhook-timestamp", "When this attempt was made (seconds since 1970).", "1795341850"),
        header(
            "webhook-signature",
            "`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; two with a space between them after a rotation.",
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        ),
    ]);
    let envelope = |about: &str, kind: Value, data: Value| {
        json!({
            "type": "object", "description": about,
            "properties": {
                "id": {"type": "string"}, "type": kind, "timestamp": {"type": "string", "format": "date-time"}, "data": data,
            },
            "required": ["id", "type", "timestamp", "data"],
        })
    };
    let event = envelope("An event.", json!({"$ref": "#/components/schemas/EventType"}), s.told::<Event>());
    let ping = envelope(
        "A test.",
        json!({"const": "webhook.ping"}),
        json!({
            "type": "object",
            "properties": {"webhook_id": {"type": "string"}, "message": {"type": "string"}},
            "required": ["webhook_id", "message"],
        }),
    );
    json!({"event": {"post": {
        "operationId": "receiveEvent", "tags": [Tag::Webhooks.name()], "summary": "An event reaches your address",
        "description": "Verify the signature with any library for Standard Webhooks, then answer with 200 to 299 within 15 s. \
            Anything else is tried again after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h, with jitter. Redirects are not \
            followed.",
        "parameters": headers,
        "requestBody": {"required": true, "content": {"application/json": {
            "schema": {"oneOf": [event, ping]}, "example": examples::webhook_message(),
        }}},
        "responses": {
            "2XX": {"description": "Taken. It is not sent again."},
            "410": {"description": "The webhook is disabled."},
            "default": {"description": "It is tried again. After five days of failures the webhook is disabled."},
        },
        "security": [],
    }}})
}
