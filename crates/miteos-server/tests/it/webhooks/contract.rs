//! The calls on webhooks: what is refused, what is shown, and what a repeated request gets.

use serde_json::{Value, json};

use super::{SECRET, Scene, make, open, short};
use crate::harness::TestServer;
use crate::receiver::Answer;
use crate::standin::Script;

#[tokio::test]
async fn what_is_not_right_is_refused_with_what_would_be() {
    let server = TestServer::start_with(Script::default(), open).await;
    let url = "http://127.0.0.1:9/hook";
    let long = format!("http://127.0.0.1/{}", "x".repeat(2_048));
    let wordy = "x".repeat(1_001);
    let cases = [
        (json!({}), 400, "url"),
        (json!({"url": url}), 400, "events"),
        (json!({"url": 5, "events": ["*"]}), 400, "string"),
        (json!({"url": url, "events": "*"}), 400, "sequence"),
        (json!({"url": url, "events": []}), 422, "task.complete"),
        (json!({"url": url, "events": ["task.done"]}), 422, "\"task.done\" is no event"),
        (json!({"url": url, "events": ["task.complete", "webhook.ping"]}), 422, "billing.credit_low"),
        (json!({"url": url, "events": ["*"], "secret": ""}), 422, "whsec_"),
        (json!({"url": url, "events": ["*"], "secret": "whsec_c2hvcnQ="}), 422, "24 to 64"),
        (json!({"url": url, "events": ["*"], "description": wordy}), 422, "1000"),
        (json!({"url": long, "events": ["*"]}), 422, "2048"),
        (json!({"url": "ftp://example.org/", "events": ["*"]}), 422, "http and https"),
        (json!({"url": "http://me:pass@127.0.0.1/", "events": ["*"]}), 422, "user name"),
        (json!({"url": "nonsense", "events": ["*"]}), 422, "https://example.org"),
        (json!({"url": "", "events": ["*"]}), 422, "url"),
    ];
    for (body, expected, word) in cases {
        let (status, answer) = server.call("POST", "/webhooks", Some(body.clone())).await;
        assert_eq!(status, expected, "{body}: {answer}");
        let detail = answer["detail"].as_str().unwrap();
        assert!(detail.contains(word), "{body}: {detail}");
        assert!(!detail.contains("pass@"), "{detail}");
    }
    assert_eq!(server.get("/webhooks").await, json!([]));
    let (hook, _) = make(&server, url, &["*"]).await;
    for (body, word) in [
        (json!({"url": "ftp://x"}), "http and https"),
        (json!({"events": []}), "task.complete"),
        (json!({"status": "asleep"}), "enabled, disabled"),
        (json!({"description": "x".repeat(1_001)}), "1000"),
    ] {
        let (status, answer) = server.call("PATCH", &format!("/webhooks/{hook}"), Some(body.clone())).await;
        assert_eq!(status, 422, "{body}: {answer}");
        assert!(answer["detail"].as_str().unwrap().contains(word), "{answer}");
    }
    for path in ["/webhooks/wh_1", "/webhooks/wh_01jd3k7x8m9p2q4r6s8t0v2w4y"] {
        assert_eq!(server.call("GET", path, None).await.0, 404);
    }
    let missing = format!("/webhooks/{hook}/deliveries/whd_01jd3k7x8m9p2q4r6s8t0v2w4y/redeliver");
    assert_eq!(server.call("POST", &missing, None).await.0, 404);
    for query in ["limit=0", "limit=101", "offset=-1"] {
        assert_eq!(server.call("GET", &format!("/webhooks/{hook}/deliveries?{query}"), None).await.0, 422);
    }
}

#[tokio::test]
async fn a_webhook_is_shown_changed_and_deleted() {
    let server = TestServer::start_with(Script::default(), open).await;
    let body = json!({"url": "http://127.0.0.1:9/a", "events": ["task.failed", "task.created"], "description": "mine"});
    let (status, made) = server.call("POST", "/webhooks", Some(body)).await;
    assert_eq!(status, 201);
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "{secret}");
    let hook = made["id"].as_str().unwrap();
    let shown = server.get(&format!("/webhooks/{hook}")).await;
    assert!(hook.starts_with("wh_"));
    let mut expected = made.clone();
    expected.as_object_mut().unwrap().remove("secret");
    assert_eq!(shown, expected, "and the secret is shown once");
    assert_eq!(shown["events"], json!(["task.created", "task.failed"]));
    assert_eq!((&shown["status"], &shown["description"]), (&json!("enabled"), &json!("mine")));
    let change = async |body: Value| {
        let (status, shown) = server.call("PATCH", &format!("/webhooks/{hook}"), Some(body)).await;
        assert_eq!(status, 200, "{shown}");
        shown
    };
    assert_eq!(change(json!({})).await, shown);
    assert_eq!(change(json!({"description": null})).await["description"], Value::Null);
    let off = change(json!({"status": "disabled", "events": ["*"]})).await;
    assert_eq!((&off["status"], &off["events"]), (&json!("disabled"), &json!(["*"])));
    assert_eq!(change(json!({"status": "disabled"})).await, off);
    assert_eq!(server.get("/webhooks").await, json!([off]));
    assert_eq!(
        server.call("DELETE", &format!("/webhooks/{hook}"), None).await,
        (200, json!({"success": true}))
    );
    assert_eq!(server.call("DELETE", &format!("/webhooks/{hook}"), None).await.0, 404);
    assert_eq!(server.get("/webhooks").await, json!([]));
}

#[tokio::test]
async fn an_account_has_fifty_at_most() {
    let server = TestServer::start_with(Script::default(), open).await;
    for n in 0..50 {
        make(&server, &format!("http://127.0.0.1:9/{n}"), &["*"]).await;
    }
    let body = json!({"url": "http://127.0.0.1:9/", "events": ["*"]});
    let (status, answer) = server.call("POST", "/webhooks", Some(body)).await;
    assert_eq!(status, 422);
    assert!(answer["detail"].as_str().unwrap().contains("allowed are 50"), "{answer}");
}

#[tokio::test]
async fn a_test_says_what_came_of_it() {
    let scene = Scene::new(|_, _| Answer::Status(200)).await;
    let (hook, secret) = scene.hook("/", &["task.failed"]).await;
    let test = async || {
        let (status, answer) = scene.server.call("POST", &format!("/webhooks/{hook}/test"), None).await;
        assert_eq!(status, 200, "{answer}");
        answer
    };
    let good = test().await;
    assert_eq!(
        (&good["ok"], &good["response_status"], &good["error"]),
        (&json!(true), &json!(200), &Value::Null)
    );
    assert!(good["duration_ms"].is_u64());
    let seen = scene.receiver.seen();
    seen[0].check(&[&secret]);
    assert_eq!(seen[0].kind(), "webhook.ping");
    assert_eq!(seen[0].json()["data"]["webhook_id"], hook);
    let row = scene.delivery(&hook).await;
    assert_eq!((&row["id"], &row["status"]), (&good["delivery_id"], &json!("delivered")));
    assert_eq!((&row["type"], &row["task_id"]), (&json!("webhook.ping"), &Value::Null));
    scene.receiver.now(|_, _| Answer::Status(500));
    let bad = test().await;
    assert_eq!((&bad["ok"], &bad["response_status"]), (&json!(false), &json!(500)));
    assert!(bad["error"].as_str().unwrap().contains("500"));
    let row = scene.delivery(&hook).await;
    assert_eq!(
        (&row["status"], &row["attempts"], &row["next_attempt_at"]),
        (&json!("failed"), &json!(1), &Value::Null)
    );
    let webhook = scene.server.get(&format!("/webhooks/{hook}")).await;
    assert!(webhook["failing_since"].is_null(), "a test does not count as a failure");
    // It can be sent again like any other, under its old id.
    scene.receiver.now(|_, _| Answer::Status(200));
    let path = format!("/webhooks/{hook}/deliveries/{}/redeliver", row["id"].as_str().unwrap());
    assert_eq!(scene.server.call("POST", &path, None).await.0, 201);
    scene.until(&hook, |row| row["status"] == "delivered").await;
    let seen = scene.receiver.seen();
    assert_eq!((seen[1].id(), &seen[1].body), (seen[2].id(), &seen[2].body));
    // Nothing listens there.
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let body = json!({"url": format!("http://{nowhere}/")});
    scene.server.call("PATCH", &format!("/webhooks/{hook}"), Some(body)).await;
    let refused = test().await;
    assert_eq!((&refused["ok"], &refused["response_status"]), (&json!(false), &Value::Null));
    assert!(refused["error"].as_str().unwrap().contains("nothing listens there"), "{refused}");
}

async fn keyed(server: &TestServer, path: &str, key: &str, body: &str) -> (u16, bool, Value) {
    let request = server.http.post(format!("{}/v1{path}", server.url)).bearer_auth(&server.key);
    let response = request.header("idempotency-key", key).body(body.to_owned()).send().await.unwrap();
    let replayed = response.headers().contains_key("idempotency-replayed");
    (response.status().as_u16(), replayed, response.json().await.unwrap())
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_with_its_secret() {
    let scene = Scene::new(|_, _| Answer::Status(200)).await;
    let server = &scene.server;
    let body = json!({"url": scene.receiver.url("/"), "events": ["*"]}).to_string();
    let first = keyed(server, "/webhooks", "k1", &body).await;
    assert_eq!((first.0, first.1), (201, false));
    let again = keyed(server, "/webhooks", "k1", &body).await;
    assert_eq!((again.0, again.1, &again.2), (201, true, &first.2));
    let other = json!({"url": scene.receiver.url("/other"), "events": ["*"]}).to_string();
    assert_eq!(keyed(server, "/webhooks", "k1", &other).await.0, 409);
    assert_eq!(server.get("/webhooks").await.as_array().unwrap().len(), 1);
    let hook = first.2["id"].as_str().unwrap();
    for verb in ["rotate-secret", "test"] {
        let path = format!("/webhooks/{hook}/{verb}");
        let first = keyed(server, &path, "k2", "").await;
        let again = keyed(server, &path, "k2", "").await;
        assert_eq!((again.0, again.1, &again.2), (200, true, &first.2), "{verb}");
    }
    assert_eq!(scene.receiver.seen().len(), 1, "one test was sent");
    let whd = scene.delivery(hook).await["id"].as_str().unwrap().to_owned();
    let path = format!("/webhooks/{hook}/deliveries/{whd}/redeliver");
    let first = keyed(server, &path, "k3", "").await;
    assert_eq!((first.0, first.1), (201, false));
    assert_eq!(keyed(server, &path, "k3", "").await, (201, true, first.2));
    assert_eq!(server.get(&format!("/webhooks/{hook}/deliveries")).await["total"], 2);
}

/// What the secret would look like if it were written down as it is.
#[tokio::test]
async fn no_secret_lies_open_in_the_data_folder() {
    let temp = tempfile::tempdir().unwrap();
    let standin = crate::standin::StandIn::start(short()).await;
    let mut server = TestServer::over(temp.path(), standin, open).await;
    let body = json!({"url": "http://127.0.0.1:9/", "events": ["*"], "secret": SECRET}).to_string();
    let made = keyed(&server, "/webhooks", "k", &body).await.2;
    let path = format!("/webhooks/{}/rotate-secret", made["id"].as_str().unwrap());
    let rotated = keyed(&server, &path, "k", "").await.2["secret"].as_str().unwrap().to_owned();
    server.stop().await;
    use base64::Engine;
    let mut found = 0;
    for file in ["miteos.db", "miteos.db-wal"] {
        let Ok(bytes) = std::fs::read(temp.path().join(file)) else { continue };
        for secret in [SECRET, &rotated] {
            let coded = secret.strip_prefix("whsec_").unwrap();
            let raw = base64::engine::general_purpose::STANDARD.decode(coded).unwrap();
            for part in [coded.as_bytes(), &raw] {
                assert!(!bytes.windows(part.len()).any(|window| window == part), "{secret} in {file}");
            }
        }
        let id = made["id"].as_str().unwrap().as_bytes();
        found += usize::from(bytes.windows(id.len()).any(|window| window == id));
    }
    assert!(found > 0, "the rows are in these files");
}
