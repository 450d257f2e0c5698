//! Help, wrong usage, and errors with their hints and exit codes.

use crate::program::{miteos, miteos_with_input};
use crate::standin::{KEY, Standin, Story};

#[tokio::test]
async fn the_help_names_every_command_every_variable_and_every_exit_code() {
    let home = tempfile::tempdir().unwrap();
    let help = miteos(home.path(), &["--help"]).await;
    assert_eq!(help.code, 0, "{}", help.err);
    let commands = [
        "run",
        "serve",
        "task",
        "agent",
        "approvals",
        "approve",
        "reject",
        "workspace",
        "key",
        "usage",
        "deploy",
        "share",
        "webhook",
        "model",
        "backup",
        "restore",
        "doctor",
        "completions",
    ];
    for word in commands {
        assert!(help.out.contains(&format!("  {word} ")), "{word} is not in the help");
        let own = miteos(home.path(), &[word, "--help"]).await;
        assert_eq!(own.code, 0, "{word}: {}", own.err);
        assert!(own.out.contains("Usage: miteos"), "{word}");
    }
    for word in
        ["MITEOS_URL", "MITEOS_SANDBOX", "ANTHROPIC_API_KEY", "3 cannot reach the server", "130 interrupted"]
    {
        assert!(help.out.contains(word), "{word} is not in the help");
    }
    assert_eq!(
        miteos(home.path(), &["--version"]).await.out,
        concat!("miteos ", env!("CARGO_PKG_VERSION"), "\n")
    );
    insta::assert_snapshot!("help_run", miteos(home.path(), &["run", "--help"]).await.out);
    insta::assert_snapshot!("help_short", miteos(home.path(), &["-h"]).await.out);
}

#[tokio::test]
async fn wrong_usage_is_2_and_says_what_is_right() {
    let home = tempfile::tempdir().unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&[], "Usage:"),
        (&["tsk"], "task"),
        (&["run"], "<PROMPT>"),
        (&["run", "x", "--budget", "lots"], "one looks like 2 or 0.50"),
        (&["run", "x", "--yes", "--no"], "cannot be used with"),
        (&["run", " "], "the prompt is empty"),
        (&["run", "x", "--file", "nowhere.txt"], "nowhere.txt"),
        (&["task", "list"], "miteos serve"),
        (
            &["task", "list", "--key", "mt_live_x", "--url", "nonsense"],
            "one looks like http://127.0.0.1:7700",
        ),
        (&["task", "list", "--key", "mt_live_x", "--test"], "needs a test key"),
        (&["approve", "appr_1", "--input", "[", "--key", "k"], "--input is no JSON object"),
        (&["key", "create", "ci"], "--scope"),
        (&["webhook", "update", "wh_1", "--key", "k"], "nothing is to be changed"),
        (&["webhook", "update", "wh_1", "--enable", "--disable"], "cannot be used with"),
        (&["serve", "--listen", "here"], "one looks like 127.0.0.1:7700"),
        (&["model", "pull", "gpt-7"], "there is no local model"),
        (&["--config", "none.toml", "approvals"], "none.toml"),
    ];
    for (arguments, said) in cases {
        let ran = miteos(home.path(), arguments).await;
        assert_eq!(ran.code, 2, "{arguments:?}: {} {}", ran.out, ran.err);
        assert!(ran.err.contains(said), "{arguments:?}: {}", ran.err);
        assert_eq!(ran.out, "", "{arguments:?}");
    }
    let empty = miteos_with_input(home.path(), &["run", "-"], "").await;
    assert_eq!((empty.code, empty.err.contains("the prompt is empty")), (2, true), "{}", empty.err);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_3_and_a_wrong_key_is_2() {
    let home = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let ran = miteos(home.path(), &["task", "list", "--url", &url, "--key", "mt_live_x"]).await;
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.err.contains(&format!("error: cannot reach the server at {url}")), "{}", ran.err);
    assert!(ran.err.contains(" hint: start one with `miteos serve`"), "{}", ran.err);

    let server = Standin::start(Story::Complete).await;
    let ran = miteos(home.path(), &["task", "list", "--url", &server.url(), "--key", "mt_live_x"]).await;
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("the API key is not known") && ran.err.contains("hint:"), "{}", ran.err);
    let ran = miteos(home.path(), &["task", "get", "task_9", "--url", &server.url(), "--key", KEY]).await;
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("there is nothing at /v1/tasks/task_9") && ran.err.contains("--test"),
        "{}",
        ran.err
    );
}

#[tokio::test]
async fn completions_are_written_for_every_shell() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = miteos(home.path(), &["completions", shell]).await;
        assert_eq!(ran.code, 0);
        assert!(ran.out.contains("workspace"), "{shell}");
    }
}

#[tokio::test]
async fn doctor_looks_at_a_new_machine() {
    let home = tempfile::tempdir().unwrap();
    let ran = miteos(home.path(), &["doctor", "--json", "--listen", "127.0.0.1:0"]).await;
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let verdict = |name: &str| {
        report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap()["verdict"]
            .clone()
    };
    for name in ["data folder", "database", "clock", "port"] {
        assert_eq!(verdict(name), "ok", "{name}: {}", ran.out);
    }
    assert!(verdict("sandbox").is_string() && verdict("model").is_string());
    assert_eq!(ran.code, if report["ok"] == true { 0 } else { 2 });
    assert!(!home.path().join("data").exists(), "looking makes nothing");

    std::fs::create_dir(home.path().join("data")).unwrap();
    std::fs::write(home.path().join("data/miteos.db"), "this is a letter to my aunt").unwrap();
    let ran = miteos(home.path(), &["doctor", "--listen", "127.0.0.1:0"]).await;
    assert_eq!(ran.code, 2);
    assert!(ran.out.contains("✗ database") && ran.out.contains("is no SQLite database"), "{}", ran.out);
}
