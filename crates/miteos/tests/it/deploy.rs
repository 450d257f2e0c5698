//! `miteos deploy …`, for people and as JSON.

use serde_json::{Value, json};

use crate::program::{Ran, miteos, miteos_with_input};
use crate::standin::{KEY, Standin, Story};

async fn ask(server: &Standin, arguments: &[&str]) -> Ran {
    let home = tempfile::tempdir().unwrap();
    let url = server.url();
    miteos(home.path(), &[&["deploy"], arguments, &["--url", &url, "--key", KEY]].concat()).await
}

#[tokio::test]
async fn every_command_prints_lines_or_json() {
    let server = Standin::start(Story::Complete).await;
    let mut pages = String::new();
    for arguments in [
        &["create", "ws_1", "--target", "netlify"][..],
        &["create", "ws_1", "--target", "netlify", "--detach"],
        &["list"],
        &["get", "dep_1"],
        &["get", "dep_2"],
        &["logs", "dep_1"],
        &["logs", "dep_1", "--follow"],
        &["cancel", "dep_1"],
        &["rollback", "dep_1"],
        &["config", "list"],
        &["config", "get", "cfg_1"],
        &["config", "update", "cfg_1", "--name", "our site"],
        &["config", "delete", "cfg_1"],
    ] {
        let ran = ask(&server, &[arguments, &["--json"]].concat()).await;
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
        let follows = arguments.contains(&"--follow") || arguments.len() == 4 && arguments[0] == "create";
        let documents: Vec<&str> = if follows { ran.out.lines().collect() } else { vec![&ran.out] };
        assert!(documents.iter().all(|text| serde_json::from_str::<Value>(text).is_ok()), "{}", ran.out);
        let plain = ask(&server, arguments).await;
        assert!(!plain.out.contains('\u{1b}'), "{arguments:?}: {}", plain.out);
        pages.push_str(&format!("$ miteos deploy {}\n{}\n", arguments.join(" "), plain.out));
        let coloured = ask(&server, &[arguments, &["--color", "always"]].concat()).await;
        assert!(!coloured.out.contains("\u{1b}[2J"), "{arguments:?}");
    }
    insta::assert_snapshot!("deploy", pages);
}

#[tokio::test]
async fn what_is_typed_is_what_is_sent() {
    let server = Standin::start(Story::Complete).await;
    ask(&server, &["create", "ws_1"]).await;
    let typed = ["create", "ws_1", "-t", "vercel", "--config-id", "cfg_1", "--output", "dist", "--build", ""];
    ask(&server, &typed).await;
    assert_eq!(
        server.posted("/v1/deployments"),
        [
            json!({"workspace_id": "ws_1", "target": "preview"}),
            json!({
                "workspace_id": "ws_1", "target": "vercel", "config_id": "cfg_1",
                "settings": {"build": "", "output": "dist"},
            }),
        ]
    );
    let home = tempfile::tempdir().unwrap();
    let url = server.url();
    let file = home.path().join("key.json");
    std::fs::write(&file, r#"{"issuer_id": "i"}"#).unwrap();
    let typed = [
        "deploy",
        "config",
        "create",
        "our site",
        "-t",
        "netlify",
        "--token-from",
        "-",
        "--set",
        "site=shop",
    ];
    let more = ["-s", "single_page=true", "--url", &url, "--key", KEY];
    let ran = miteos_with_input(home.path(), &[&typed[..], &more[..]].concat(), "nfp_token\n").await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let file = file.to_str().unwrap();
    ask(&server, &["config", "create", "app", "-t", "appstore", "--credentials-from", file]).await;
    assert_eq!(
        server.posted("/v1/deploy-configs"),
        [
            json!({
                "name": "our site", "target": "netlify", "credentials": {"token": "nfp_token"},
                "settings": {"site": "shop", "single_page": true},
            }),
            json!({"name": "app", "target": "appstore", "credentials": {"issuer_id": "i"}}),
        ]
    );
    ask(&server, &["list", "-w", "ws_1", "--limit", "5", "--offset", "10"]).await;
    let listed = "/v1/deployments?limit=5&offset=10&workspace_id=ws_1";
    assert!(server.seen().iter().any(|(_, uri, _)| uri == listed));
}

#[tokio::test]
async fn what_fails_is_a_failure_and_what_is_wrong_is_said() {
    let server = Standin::start(Story::Complete).await;
    let ran = ask(&server, &["logs", "dep_2", "--follow"]).await;
    assert_eq!((ran.code, ran.out.contains("the token is wrong")), (1, true), "{}", ran.out);
    let ran = ask(&server, &["open", "dep_2"]).await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("dep_2 is failed and has no address"), "{}", ran.err);
    for (arguments, said) in [
        (&["config", "create", "x", "-t", "netlify"][..], "the credentials are missing"),
        (&["config", "update", "cfg_1"], "nothing is to be changed"),
        (&["config", "update", "cfg_1", "--set", "dist"], "is no setting"),
        (&["config", "update", "cfg_1", "--token-from", "nowhere"], "nowhere"),
        (&["get", "dep_9"], "there is nothing"),
    ] {
        let ran = ask(&server, arguments).await;
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains(said), "{arguments:?}: {}", ran.err);
    }
}
