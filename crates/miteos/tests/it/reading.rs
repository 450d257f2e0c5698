//! The reading commands, for people and as JSON.

use serde_json::Value;

use crate::program::{Ran, miteos};
use crate::standin::{KEY, Standin, Story};

async fn ask(server: &Standin, arguments: &[&str]) -> Ran {
    let home = tempfile::tempdir().unwrap();
    let url = server.url();
    let all = [arguments, &["--url", &url, "--key", KEY]].concat();
    let ran = miteos(home.path(), &all).await;
    assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
    ran
}

#[tokio::test]
async fn every_reading_command_prints_one_json_document() {
    let server = Standin::start(Story::Complete).await;
    ask(&server, &["run", "x", "--json", "--out", "out"]).await;
    for arguments in [
        &["task", "list"][..],
        &["task", "get", "task_1"],
        &["task", "files", "task_1"],
        &["approvals"],
        &["workspace", "list"],
        &["workspace", "create", "apex"],
        &["key", "list"],
        &["key", "create", "ci", "--scope", "tasks.read,agents.read", "--scope", "usage.read"],
        &["key", "revoke", "key_1"],
        &["usage", "--from", "2026-11-01", "--by", "model"],
        &["share", "list"],
        &["share", "links", "dep_1"],
        &["share", "revoke", "shr_1"],
        &["share", "revoke", "dep_1"],
        &["share", "revoke", "dep_1", "shr_3"],
        &["task", "pause", "task_1"],
        &["agent", "guide", "agnt_1", "left"],
    ] {
        let ran = ask(&server, &[arguments, &["--json"]].concat()).await;
        let document: Value = serde_json::from_str(&ran.out).unwrap();
        assert!(document.is_object() || document.is_array(), "{arguments:?}");
        assert_eq!(ran.out.lines().count(), 1, "{arguments:?}");
        let plain = ask(&server, arguments).await;
        assert!(!plain.out.is_empty() && !plain.out.contains('\u{1b}'), "{arguments:?}: {}", plain.out);
    }
}

#[tokio::test]
async fn a_key_is_asked_for_as_it_was_typed_and_shown_once() {
    let server = Standin::start(Story::Complete).await;
    let typed = ["key", "create", "ci", "--scope", "tasks.read,agents.read", "--scope", "usage.read"];
    let more = ["--environment", "test", "--tier", "enterprise", "--requests-per-minute", "90"];
    let last = ["--expires", "2027-01-31"];
    let made = ask(&server, &[&typed[..], &more, &last].concat()).await;
    insta::assert_snapshot!("key_created", made.out);
    let posted = server.posted("/v1/api-keys");
    let asked = serde_json::json!({
        "name": "ci", "environment": "test", "scopes": ["tasks.read", "agents.read", "usage.read"],
        "tier": "enterprise", "requests_per_minute": 90, "expires_at": "2027-01-31"
    });
    assert_eq!(posted, [asked]);
    insta::assert_snapshot!("keys", ask(&server, &["key", "list"]).await.out);
    insta::assert_snapshot!("usage", ask(&server, &["usage", "--by", "model"]).await.out);
    let asked = server.seen().into_iter().map(|(_, uri, _)| uri).next_back().unwrap();
    assert_eq!(asked, "/v1/usage?group_by=model&limit=100");
}

#[tokio::test]
async fn what_is_public_is_listed_and_taken_back() {
    let server = Standin::start(Story::Complete).await;
    insta::assert_snapshot!("shares", ask(&server, &["share", "list"]).await.out);
    insta::assert_snapshot!("preview_links", ask(&server, &["share", "links", "dep_1"]).await.out);
    let listed: Value = serde_json::from_str(&ask(&server, &["share", "list", "--json"]).await.out).unwrap();
    assert_eq!(
        (listed["shares"].as_array().unwrap().len(), listed["previews"].as_array().unwrap().len()),
        (2, 2)
    );
    for (arguments, path) in [
        (&["shr_1"][..], "/v1/shares/shr_1"),
        (&["dep_1"], "/v1/deployments/dep_1/preview/links"),
        (&["dep_1", "shr_3"], "/v1/deployments/dep_1/preview/links/shr_3"),
    ] {
        ask(&server, &[&["share", "revoke"], arguments].concat()).await;
        let (method, uri, _) = server.seen().into_iter().next_back().unwrap();
        assert_eq!((method.as_str(), uri.as_str()), ("DELETE", path));
    }
}

#[tokio::test]
async fn a_named_server_says_what_its_tasks_can_run_on() {
    let server = Standin::start(Story::Complete).await;
    let rows: Value = serde_json::from_str(&ask(&server, &["model", "list", "--json"]).await.out).unwrap();
    assert_eq!(
        rows,
        serde_json::json!([
            {"model": "a/known", "roles": ["default", "planner"], "input_price": 3.0, "output_price": 15.0,
             "window_tokens": 200_000, "max_output_tokens": 64_000},
            {"model": "b/unheard-of", "roles": [], "input_price": null, "output_price": null,
             "window_tokens": 128_000, "max_output_tokens": 8192},
        ])
    );
    let plain = ask(&server, &["model", "list"]).await.out;
    assert!(
        plain.contains("$3.00") && plain.contains("unknown") && plain.contains("as the server knows them"),
        "{plain}"
    );
}

#[tokio::test]
async fn the_log_is_printed_from_where_it_was_asked() {
    let server = Standin::start(Story::Complete).await;
    ask(&server, &["run", "x", "--json", "--out", "out"]).await;
    let all = ask(&server, &["task", "events", "task_1"]).await;
    insta::assert_snapshot!("events", all.out);
    let json = ask(&server, &["task", "events", "task_1", "--json", "--after", "6"]).await;
    let seqs: Vec<u64> = json
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, [7, 8, 9]);
    let followed = ask(&server, &["task", "events", "task_1", "--follow"]).await;
    assert_eq!(followed.out, all.out);
    let coloured = ask(&server, &["task", "events", "task_1", "--color", "always"]).await;
    assert!(coloured.out.contains("\u{1b}[36m") && !coloured.out.contains("\u{1b}[2J"));
}

#[tokio::test]
async fn an_approval_is_answered_at_its_agent() {
    let server = Standin::start(Story::Complete).await;
    ask(&server, &["approve", "appr_1", "--input", r#"{"to":["b@example.org"]}"#]).await;
    ask(&server, &["reject", "appr_1", "--reason", "not today"]).await;
    let posted = server.posted("/v1/agents/agnt_1/approve/appr_1");
    assert_eq!(
        posted,
        [
            serde_json::json!({"approved": true, "input": {"to": ["b@example.org"]}}),
            serde_json::json!({"approved": false, "reason": "not today"})
        ]
    );
    let home = tempfile::tempdir().unwrap();
    let ran = miteos(home.path(), &["approve", "appr_2", "--url", &server.url(), "--key", KEY]).await;
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("there is no approval appr_2"), "{}", ran.err);
}
