//! `miteos webhook …`, for people and as JSON.

use serde_json::{Value, json};

use crate::program::{Ran, miteos};
use crate::standin::{KEY, Standin, Story};

async fn ask(server: &Standin, arguments: &[&str]) -> Ran {
    let home = tempfile::tempdir().unwrap();
    let url = server.url();
    miteos(home.path(), &[&["webhook"], arguments, &["--url", &url, "--key", KEY]].concat()).await
}

#[tokio::test]
async fn every_command_prints_lines_or_one_json_document() {
    let server = Standin::start(Story::Complete).await;
    let mut pages = String::new();
    for arguments in [
        &["list"][..],
        &["create", "https://example.org/hook"],
        &["get", "wh_1"],
        &["update", "wh_1", "--disable"],
        &["delete", "wh_1"],
        &["test", "wh_1"],
        &["deliveries", "wh_1"],
        &["redeliver", "wh_1", "whd_1"],
        &["rotate-secret", "wh_1"],
    ] {
        let ran = ask(&server, &[arguments, &["--json"]].concat()).await;
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
        let document: Value = serde_json::from_str(&ran.out).unwrap();
        assert!(document.is_object() || document.is_array(), "{arguments:?}");
        let plain = ask(&server, arguments).await;
        assert!(!plain.out.contains('\u{1b}'), "{arguments:?}: {}", plain.out);
        pages.push_str(&format!("$ miteos webhook {}\n{}\n", arguments.join(" "), plain.out));
        let coloured = ask(&server, &[arguments, &["--color", "always"]].concat()).await;
        assert!(coloured.out.contains("\u{1b}[") || arguments[0] == "delete", "{arguments:?}");
        assert!(!coloured.out.contains("\u{1b}[2J"), "{arguments:?}");
    }
    insta::assert_snapshot!("webhooks", pages);
}

#[tokio::test]
async fn what_is_typed_is_what_is_sent() {
    let server = Standin::start(Story::Complete).await;
    let typed = ["create", "https://h/", "--event", "task.complete,task.failed", "-e", "agent.error"];
    ask(&server, &[&typed[..], &["--description", "d", "--secret", "whsec_x"]].concat()).await;
    ask(&server, &["create", "https://h/"]).await;
    assert_eq!(
        server.posted("/v1/webhooks"),
        [
            json!({"url": "https://h/", "events": ["task.complete", "task.failed", "agent.error"], "secret": "whsec_x", "description": "d"}),
            json!({"url": "https://h/", "events": ["*"]}),
        ]
    );
    ask(&server, &["update", "wh_1", "--to", "https://i/", "-e", "*", "--description", "", "--enable"]).await;
    ask(&server, &["update", "wh_1", "--disable"]).await;
    let seen = server.seen();
    let changes: Vec<Value> = seen
        .iter()
        .filter(|(method, _, _)| method.as_str() == "PATCH")
        .map(|(_, _, body)| serde_json::from_str(body).unwrap())
        .collect();
    let all = json!({"url": "https://i/", "events": ["*"], "description": null, "status": "enabled"});
    assert_eq!(changes, [all, json!({"status": "disabled"})]);
    ask(&server, &["deliveries", "wh_1", "--limit", "5", "--offset", "10"]).await;
    assert!(server.seen().iter().any(|(_, uri, _)| uri == "/v1/webhooks/wh_1/deliveries?limit=5&offset=10"));
    ask(&server, &["rotate-secret", "wh_1", "--secret", "whsec_y"]).await;
    assert_eq!(server.posted("/v1/webhooks/wh_1/rotate-secret"), [json!({"secret": "whsec_y"})]);
}

#[tokio::test]
async fn a_test_that_fails_is_a_failure() {
    let server = Standin::start(Story::Complete).await;
    let ran = ask(&server, &["test", "wh_2"]).await;
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert_eq!(ran.out, "✗ not taken after 15.0 s: example.org did not answer\n");
    assert_eq!(ask(&server, &["get", "wh_9"]).await.code, 2);
}
