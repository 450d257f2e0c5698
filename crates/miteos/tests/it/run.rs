//! `run` and `task watch`, from the prompt to the files and the exit code.

use std::path::Path;

use serde_json::Value;

use crate::program::{Ran, command, finish, interrupt, miteos, miteos_with_input};
use crate::standin::{FILE, KEY, Standin, Story};

async fn run(home: &Path, server: &Standin, arguments: &[&str]) -> Ran {
    let url = server.url();
    miteos(home, &[&["run", "--url", &url, "--key", KEY], arguments].concat()).await
}

#[tokio::test]
async fn a_run_ends_with_its_result_and_its_files() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(home.path().join("notes/deep")).unwrap();
    std::fs::write(home.path().join("notes/deep/a.txt"), "hello").unwrap();
    let server = Standin::start(Story::Complete).await;
    let options = [
        "What does it cost?",
        "--agents",
        "5",
        "--autonomy",
        "70",
        "--budget",
        "1.50",
        "--model",
        "a/b",
        "--file",
        "notes",
    ];
    let ran = run(home.path(), &server, &options).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    insta::assert_snapshot!("run_complete", ran.out);
    // The name was ../../prices.csv: it stays below the folder.
    assert_eq!(std::fs::read(home.path().join("miteos-out/task_1/prices.csv")).unwrap(), FILE);
    let asked = server.posted("/v1/tasks").remove(0);
    assert_eq!(asked["prompt"], "What does it cost?");
    assert_eq!(asked["workspace_id"], "ws_1");
    assert_eq!(
        asked["config"],
        serde_json::json!({"max_agents": 5, "autonomy_level": 70, "budget_cents": 150, "model": "a/b"})
    );
    let uploads: Vec<_> =
        server.seen().into_iter().filter(|(_, uri, _)| uri == "/v1/workspaces/ws_1/files").collect();
    assert_eq!(uploads.len(), 1);
    assert!(uploads[0].2.contains("filename=\"notes/deep/a.txt\"") && uploads[0].2.contains("hello"));
}

#[tokio::test]
async fn json_is_one_event_a_line_and_a_summary() {
    let home = tempfile::tempdir().unwrap();
    let server = Standin::start(Story::Complete).await;
    let url = server.url();
    let arguments = ["run", "-", "--json", "--url", &url, "--key", KEY, "--out", "here"];
    let ran = miteos_with_input(home.path(), &arguments, "from\nstdin").await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let documents: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (summary, events) = documents.split_last().unwrap();
    let seqs: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=9).collect::<Vec<_>>());
    assert_eq!(summary["type"], "summary");
    assert_eq!(summary["task"]["result"], "10 dollars");
    assert_eq!(summary["files"][0]["path"], "here/prices.csv");
    assert_eq!((&summary["exit_code"], &summary["duration_ms"]), (&Value::from(0), &Value::from(72_000)));
    assert_eq!(server.posted("/v1/tasks")[0]["prompt"], "from\nstdin");
}

#[tokio::test]
async fn a_failed_task_is_1() {
    let home = tempfile::tempdir().unwrap();
    let server = Standin::start(Story::Fail).await;
    let ran = run(home.path(), &server, &["x"]).await;
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.out.contains("budget exhausted") && ran.out.contains("✗ failed after 1m 12s"), "{}", ran.out);
}

#[tokio::test]
async fn yes_approves_up_to_high_and_no_rejects() {
    let home = tempfile::tempdir().unwrap();
    for (flag, approved, result) in [("--yes", true, "sent"), ("--no", false, "not sent")] {
        let server = Standin::start(Story::Ask("high")).await;
        let ran = run(home.path(), &server, &["x", flag]).await;
        assert_eq!(ran.code, 0, "{}", ran.err);
        let posted = server.posted("/v1/agents/agnt_1/approve/appr_1");
        assert_eq!(posted.len(), 1);
        assert_eq!(posted[0]["approved"], approved);
        assert!(ran.out.contains(&format!("\n {result}\n")), "{}", ran.out);
    }
}

/// Nobody is there to ask: it says how to answer, and waits. What is critical is not covered by `--yes`.
#[tokio::test]
async fn without_a_terminal_an_approval_is_announced_and_waited_for() {
    let home = tempfile::tempdir().unwrap();
    for (risk, flags) in [("high", &[][..]), ("critical", &["--yes"])] {
        let server = Standin::start(Story::Ask(risk)).await;
        let url = server.url();
        let arguments = [&["run", "x", "--url", &url, "--key", KEY], flags].concat();
        let mut child = command(home.path(), &arguments).spawn().unwrap();
        let mut err = tokio::io::BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("miteos approve appr_1") {
            let read = tokio::io::AsyncBufReadExt::read_line(&mut err, &mut said).await.unwrap();
            assert!(read > 0, "it ended with {said}");
        }
        assert!(said.contains(&format!("({risk} risk)")), "{said}");
        assert!(
            server.posted("/v1/agents/agnt_1/approve/appr_1").is_empty(),
            "nothing was decided by itself"
        );
        let decided = miteos(home.path(), &["approve", "appr_1", "--url", &url, "--key", KEY]).await;
        assert_eq!(decided.code, 0, "{}", decided.err);
        assert_eq!(finish(child).await.code, 0);
    }
}

#[tokio::test]
async fn ctrl_c_without_a_terminal_cancels_and_is_130() {
    let home = tempfile::tempdir().unwrap();
    let server = Standin::start(Story::Endless).await;
    let url = server.url();
    let child = command(home.path(), &["run", "x", "--url", &url, "--key", KEY]).spawn().unwrap();
    server.wait_for("/v1/tasks/task_1/events").await;
    interrupt(&child);
    let ran = finish(child).await;
    assert_eq!(ran.code, 130, "{} {}", ran.out, ran.err);
    assert_eq!(server.posted("/v1/tasks/task_1/cancel").len(), 1);
    assert!(ran.out.contains("⊘ cancelled"), "{}", ran.out);
}

#[tokio::test]
async fn ctrl_c_while_watching_leaves_the_task_alone() {
    let home = tempfile::tempdir().unwrap();
    let server = Standin::start(Story::Endless).await;
    let url = server.url();
    let first = command(home.path(), &["run", "x", "--url", &url, "--key", KEY]).spawn().unwrap();
    server.wait_for("/v1/tasks/task_1/events").await;
    let watching =
        command(home.path(), &["task", "watch", "task_1", "--url", &url, "--key", KEY]).spawn().unwrap();
    server.wait_for("/v1/tasks/task_1").await;
    let streams =
        || server.seen().iter().filter(|(_, uri, _)| uri.starts_with("/v1/tasks/task_1/events")).count();
    let both = async {
        while streams() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), both).await.unwrap();
    interrupt(&watching);
    let ran = finish(watching).await;
    assert_eq!(ran.code, 130, "{}", ran.err);
    assert!(ran.err.contains("the task goes on"), "{}", ran.err);
    assert!(server.posted("/v1/tasks/task_1/cancel").is_empty());
    // A cancelled task is 4 to whoever did not interrupt it.
    let cancelled = miteos(home.path(), &["task", "cancel", "task_1", "--url", &url, "--key", KEY]).await;
    assert_eq!(cancelled.code, 0);
    assert_eq!(finish(first).await.code, 4);
}

/// A server that announced itself in the data folder is used, and its keys with it.
#[tokio::test]
async fn the_server_of_the_data_folder_is_found() {
    let home = tempfile::tempdir().unwrap();
    let server = Standin::start(Story::Complete).await;
    let data = home.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("keys.json"), format!(r#"{{"live":"mt_live_other","test":"{KEY}"}}"#)).unwrap();
    std::fs::write(data.join("server.json"), format!(r#"{{"url":"{}","pid":1}}"#, server.url())).unwrap();
    // What is announced is a server that has gone: whoever took its port since must not be given the keys.
    let list = miteos(home.path(), &["task", "list", "--test"]).await;
    assert_eq!(list.code, 3, "{}", list.err);
    assert!(list.err.contains("none runs on the data folder"), "{}", list.err);
    let lock = std::fs::File::create(data.join("miteos.lock")).unwrap();
    lock.try_lock().unwrap();
    let ran = miteos(home.path(), &["run", "x", "--test"]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(server.posted("/v1/tasks").len(), 1);
    let list = miteos(home.path(), &["task", "list", "--test"]).await;
    assert!(list.out.contains("task_1"), "{}", list.err);
}

/// The task is over: what it said must be seen, wherever its files go.
#[tokio::test]
async fn files_that_cannot_be_written_do_not_hide_the_result() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("taken"), "a file, and no folder").unwrap();
    let server = Standin::start(Story::Complete).await;
    let ran = run(home.path(), &server, &["x", "--out", "taken/out"]).await;
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(
        ran.out.contains("\n 10 dollars\n") && ran.out.contains("✓ complete after 1m 12s"),
        "{}",
        ran.out
    );
    assert!(ran.err.contains("error: cannot write taken/out/prices.csv"), "{}", ran.err);
    assert!(ran.err.contains("miteos task files task_1 --out"), "{}", ran.err);

    let server = Standin::start(Story::Complete).await;
    let ran = run(home.path(), &server, &["x", "--json", "--out", "taken/out"]).await;
    let summary: Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    assert_eq!((&summary["type"], &summary["exit_code"]), (&Value::from("summary"), &Value::from(2)));
    assert_eq!((&summary["task"]["result"], ran.code), (&Value::from("10 dollars"), 2));
}

#[tokio::test]
async fn ctrl_c_ends_the_fetching_of_files() {
    let home = tempfile::tempdir().unwrap();
    let server = Standin::start(Story::StuckFile).await;
    let url = server.url();
    let child = command(home.path(), &["run", "x", "--url", &url, "--key", KEY]).spawn().unwrap();
    server.wait_for("/v1/tasks/task_1/deliverables/dlvr_1/download").await;
    interrupt(&child);
    let ran = finish(child).await;
    assert_eq!(ran.code, 130, "{}", ran.err);
    assert!(ran.out.contains("\n 10 dollars\n"), "{}", ran.out);
    assert!(ran.err.contains("miteos task files task_1 --out"), "{}", ran.err);
}

#[tokio::test]
async fn ctrl_c_is_seen_while_the_server_does_not_answer() {
    let home = tempfile::tempdir().unwrap();
    let server = Standin::start(Story::Deaf).await;
    let url = server.url();
    let child = command(home.path(), &["run", "x", "--url", &url, "--key", KEY]).spawn().unwrap();
    server.wait_for("/v1/tasks/task_1/events").await;
    interrupt(&child);
    server.wait_for("/v1/tasks/task_1/cancel").await;
    interrupt(&child);
    let ran = finish(child).await;
    assert_eq!(ran.code, 130, "{}", ran.err);
}

#[tokio::test]
async fn the_local_keys_are_not_sent_to_another_host() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("keys.json"), r#"{"live":"mt_live_a","test":"mt_test_b"}"#).unwrap();
    for arguments in [&["task", "list"][..], &["run", "x"]] {
        let ran = miteos(home.path(), &[arguments, &["--url", "http://other.invalid"]].concat()).await;
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains("give one with --key or MITEOS_API_KEY"), "{}", ran.err);
    }
    let mut by_environment = command(home.path(), &["run", "x", "--key", "mt_live_x"]);
    let ran = finish(by_environment.env("MITEOS_URL", "http://127.0.0.1:1").spawn().unwrap()).await;
    assert_eq!(ran.code, 3, "it is that server or none: {}", ran.err);
}

/// The command is refused while the task cannot be steered; the watching of it goes on.
#[tokio::test]
async fn a_refused_command_says_the_servers_reason_without_its_escapes() {
    let home = tempfile::tempdir().unwrap();
    let server = Standin::start(Story::Unwilling).await;
    let url = server.url();
    let child = command(home.path(), &["run", "x", "--url", &url, "--key", KEY]).spawn().unwrap();
    server.wait_for("/v1/tasks/task_1/events").await;
    let paused = miteos(home.path(), &["task", "pause", "task_1", "--url", &url, "--key", KEY]).await;
    assert_eq!(paused.code, 2);
    assert!(paused.err.contains("the task is planning␛[2J and cannot be steered"), "{}", paused.err);
    interrupt(&child);
    let ran = finish(child).await;
    assert_eq!(ran.code, 130, "{}", ran.err);
    assert!(ran.out.contains("⊘ cancelled"), "{}", ran.out);
}
