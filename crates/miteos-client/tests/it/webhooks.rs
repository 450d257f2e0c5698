//! Calls on webhooks: where they go, and that a secret is in no debug print.

use axum::http::Method;
use miteos_client::api::{CreateWebhook, ListDeliveries, RotateSecret, UpdateWebhook};

use crate::standin::{Standin, json};

const WEBHOOK: &str = r#"{"id":"wh_1","url":"https://example.org/","events":["*"],"description":null,"status":"enabled","disabled_reason":null,"failing_since":null,"previous_secret_expires_at":null,"created_at":"2026-11-22T10:00:00Z","secret":"whsec_c2VjcmV0"}"#;

#[tokio::test]
async fn every_call_goes_where_the_contract_says() {
    let server = Standin::start(|request| match (request.method.as_str(), request.uri.path()) {
        ("GET", "/v1/webhooks") => json(200, &format!("[{WEBHOOK}]")),
        ("GET", "/v1/webhooks/wh_1/deliveries") => {
            json(200, r#"{"deliveries":[],"total":0,"limit":5,"offset":10}"#)
        }
        ("DELETE", _) => json(200, r#"{"success":true}"#),
        ("POST", "/v1/webhooks/wh_1/test") => {
            json(200, r#"{"ok":false,"response_status":null,"duration_ms":3,"error":"no","delivery_id":"whd_1"}"#)
        }
        ("POST", path) if path.ends_with("/redeliver") => json(
            201,
            r#"{"id":"whd_2","webhook_id":"wh_1","event_id":"evt_1","type":"task.complete","status":"pending","attempts":0,"created_at":"2026-11-22T10:00:00Z"}"#,
        ),
        ("POST", path) if path.ends_with("/rotate-secret") => json(
            200,
            r#"{"secret":"whsec_bmV3","previous_secret_expires_at":"2026-11-23T10:00:00Z"}"#,
        ),
        _ => json(200, WEBHOOK),
    })
    .await;
    let client = &server.client;
    let webhook = CreateWebhook {
        url: "https://example.org/".into(),
        events: vec!["*".into()],
        secret: Some("whsec_c2VjcmV0".into()),
        description: None,
    };
    let made = client.create_webhook(&webhook).await.unwrap();
    assert_eq!((made.webhook.id.as_str(), made.secret.as_str()), ("wh_1", "whsec_c2VjcmV0"));
    assert_eq!(client.list_webhooks().await.unwrap(), std::slice::from_ref(&made.webhook));
    assert_eq!(client.webhook("wh_1").await.unwrap(), made.webhook);
    let change =
        UpdateWebhook { description: Some(None), status: Some("enabled".into()), ..UpdateWebhook::default() };
    client.update_webhook("wh_1", &change).await.unwrap();
    assert!(!client.test_webhook("wh_1").await.unwrap().ok);
    let query = ListDeliveries { limit: Some(5), offset: Some(10) };
    assert_eq!(client.list_deliveries("wh_1", &query).await.unwrap().offset, 10);
    assert_eq!(client.redeliver("wh_1", "whd_1").await.unwrap().id, "whd_2");
    let rotate = RotateSecret { secret: Some("whsec_bmV3".into()) };
    let rotated = client.rotate_webhook_secret("wh_1", &rotate).await.unwrap();
    client.rotate_webhook_secret("wh_1", &RotateSecret::default()).await.unwrap();
    client.delete_webhook("wh_1").await.unwrap();
    let printed = format!("{webhook:?} {made:?} {rotate:?} {rotated:?}");
    assert!(!printed.contains("whsec_") && printed.contains("***"), "{printed}");
    let seen = server.seen();
    let lines: Vec<String> = seen
        .iter()
        .map(|request| {
            let body = String::from_utf8_lossy(&request.body);
            format!("{} {} {body}", request.method, request.uri).trim().to_owned()
        })
        .collect();
    assert_eq!(
        lines,
        [
            r#"POST /v1/webhooks {"url":"https://example.org/","events":["*"],"secret":"whsec_c2VjcmV0"}"#,
            "GET /v1/webhooks",
            "GET /v1/webhooks/wh_1",
            r#"PATCH /v1/webhooks/wh_1 {"description":null,"status":"enabled"}"#,
            "POST /v1/webhooks/wh_1/test {}",
            "GET /v1/webhooks/wh_1/deliveries?limit=5&offset=10",
            "POST /v1/webhooks/wh_1/deliveries/whd_1/redeliver {}",
            r#"POST /v1/webhooks/wh_1/rotate-secret {"secret":"whsec_bmV3"}"#,
            "POST /v1/webhooks/wh_1/rotate-secret {}",
            "DELETE /v1/webhooks/wh_1",
        ]
    );
    assert!(seen.iter().all(|r| (r.method == Method::POST) == r.header("idempotency-key").is_some()));
}
