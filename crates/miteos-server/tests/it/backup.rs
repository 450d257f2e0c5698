//! A backup taken of a server at work, a server on what was restored, and what is refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use miteos_core::tool::{AgentType, RetryClass, Risk, ToolSpec};
use miteos_server::backup::{self, BackupError, Cancel, Made, Restored};
use miteos_server::{Config, EgressPolicy, SystemClock, Unfinished};
use miteos_tools::{Settled, Tool, ToolContext, ToolError, ToolOutput};
use serde_json::{Value, json};
use sha2::Digest;
use tokio::sync::Notify;

use crate::harness::{TestServer, wait_until};
use crate::receiver::{Answer, Receiver};
use crate::standin::{Script, StandIn, call, text};

/// Tasks that are made around the moment of the backup.
const TASKS: usize = 36;

pub async fn back_up(folder: &Path, to: &Path) -> Made {
    let (folder, to) = (folder.to_owned(), to.to_owned());
    let work = move || backup::make(&folder, &to, &SystemClock, &Cancel::default(), &mut |_| {});
    tokio::task::spawn_blocking(work).await.unwrap().unwrap()
}

pub fn restored(from: &Path, folder: &Path, unfinished: Unfinished) -> Result<Restored, BackupError> {
    backup::restore(from, folder, unfinished, &SystemClock, &Cancel::default(), &mut |_| {})
}

/// A server that is used with its test key, so that the scripted model of the product carries out its tasks.
pub async fn in_test_mode(folder: &Path) -> TestServer {
    let mut server = TestServer::over(folder, StandIn::start(Script::default()).await, open).await;
    server.key = server.test_key.clone();
    server
}

fn open(config: &mut Config) {
    config.egress = EgressPolicy::parse("127.0.0.1/32").unwrap();
}

/// Tasks of every kind. Every sixth waits for a person, every third takes its time.
fn prompt(n: usize) -> String {
    match n % 6 {
        0 => format!("Task {n} [test:approval]"),
        3 => format!("Task {n} [test:agents=3][test:slow=1s]"),
        _ => format!("Task {n} [test:agents=2][test:deliverable=20KiB]"),
    }
}

/// With a dial that asks before what changes files, where a person is to be asked.
async fn create(server: &TestServer, n: usize) -> String {
    let autonomy = if n.is_multiple_of(6) { 10 } else { 100 };
    server.create(&prompt(n), json!({"autonomy_level": autonomy})).await
}

async fn statuses(server: &TestServer) -> BTreeMap<String, String> {
    let list = server.get("/tasks?limit=100").await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list["tasks"].as_array().unwrap().iter().map(|t| (text(&t["id"]), text(&t["status"]))).collect()
}

pub async fn deliverables(server: &TestServer, task: &str) -> BTreeMap<String, Value> {
    let list = server.get(&format!("/tasks/{task}/deliverables")).await;
    let files = list.as_array().unwrap().iter();
    files.map(|file| (file["id"].as_str().unwrap().to_owned(), file["sha256"].clone())).collect()
}

/// Says yes to all that is asked until the task has ended.
pub async fn see_to_its_end(server: &TestServer, task: &str) -> Value {
    loop {
        let over = |t: &Value| matches!(t["status"].as_str(), Some("complete" | "failed" | "cancelled"));
        let asked = |t: &Value| t["approvals"].as_array().is_some_and(|open| !open.is_empty());
        let shown = server.until(task, |t| over(t) || asked(t)).await;
        if over(&shown) {
            return shown;
        }
        for approval in shown["approvals"].as_array().unwrap() {
            let (agent, id) = (approval["agent_id"].as_str().unwrap(), approval["id"].as_str().unwrap());
            // It may have been settled since it was seen.
            server
                .call("POST", &format!("/agents/{agent}/approve/{id}"), Some(json!({"approved": true})))
                .await;
        }
    }
}

/// A server with tasks of every kind and a webhook, and a backup out of their middle.
struct Taken {
    temp: tempfile::TempDir,
    original: TestServer,
    receiver: Receiver,
    hook: String,
    secret: String,
    /// The events of every task that was over before the backup was begun, and its files.
    finished: BTreeMap<String, (Vec<Value>, BTreeMap<String, Value>)>,
    made: Made,
}

impl Taken {
    async fn under_load() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let receiver = Receiver::start(Arc::new(SystemClock), |_, _| Answer::Status(200)).await;
        let original = in_test_mode(&temp.path().join("original")).await;
        let body = json!({"url": receiver.url("/all"), "events": ["task.complete"]});
        let hook = original.expect(201, "POST", "/webhooks", Some(body)).await;
        for n in 0..TASKS / 2 {
            create(&original, n).await;
        }
        let over = |all: &BTreeMap<String, String>| all.values().filter(|s| *s == "complete").count();
        let mut before = statuses(&original).await;
        while over(&before) < TASKS / 6 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            before = statuses(&original).await;
        }
        let mut finished = BTreeMap::new();
        for task in before.iter().filter(|(_, status)| *status == "complete").map(|(task, _)| task) {
            let shown = (original.events(task).await, deliverables(&original, task).await);
            finished.insert(task.clone(), shown);
        }
        let to = temp.path().join("miteos.tar");
        // The second half is made while it is copied.
        let (made, ()) = tokio::join!(back_up(&original.folder, &to), async {
            for n in TASKS / 2..TASKS {
                create(&original, n).await;
            }
        });
        let text = |name: &str| hook[name].as_str().unwrap().to_owned();
        Self { temp, receiver, hook: text("id"), secret: text("secret"), original, finished, made }
    }

    /// What was reported as finished is there, to the last byte.
    async fn check_finished(&self, server: &TestServer) {
        assert!(self.finished.len() >= TASKS / 6);
        for (task, (events, files)) in &self.finished {
            assert_eq!(&server.events(task).await, events, "{task}");
            assert_eq!(&deliverables(server, task).await, files, "{task}");
            for (file, sha256) in files {
                let bytes = server.bytes(&format!("/tasks/{task}/deliverables/{file}/download")).await;
                assert_eq!(*sha256, hex::encode(sha2::Sha256::digest(bytes)), "{task} {file}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_is_restored_and_goes_on() {
    let mut taken = Taken::under_load().await;
    assert_eq!(taken.made.missing_blobs, Vec::<String>::new());
    assert!(taken.made.has_master_key && taken.made.blobs > 0);
    // The one that it is of is gone for good.
    taken.original.stop().await;
    let heard = taken.receiver.seen().len();
    let folder = taken.temp.path().join("restored");
    let back = restored(&taken.made.path, &folder, Unfinished::GoOn).unwrap();
    assert_eq!((back.tasks, back.unfinished), (taken.made.tasks, taken.made.unfinished));
    assert!(back.unfinished > 0, "the backup was taken in the middle");
    assert_eq!(mode(&folder) & 0o077, 0, "nobody else may look into it");
    let server = in_test_mode(&folder).await;
    assert_eq!(statuses(&server).await.len() as u64, back.tasks);
    taken.check_finished(&server).await;
    for task in statuses(&server).await.keys() {
        let ended = see_to_its_end(&server, task).await;
        assert_eq!(ended["status"], "complete", "{ended:#}");
        // Also without a gap, and with files that can be fetched.
        server.events(task).await;
        for (file, sha256) in deliverables(&server, task).await {
            let bytes = server.bytes(&format!("/tasks/{task}/deliverables/{file}/download")).await;
            assert_eq!(sha256, hex::encode(sha2::Sha256::digest(bytes)));
        }
    }
    assert!(!folder.join("restored.json").exists(), "what is done once is not done again");
    // The secret of the webhook can be opened, and new events are signed with it.
    let new = server.run("after it", json!({})).await;
    wait_until("the webhook hears of the new task", || {
        taken.receiver.seen().iter().any(|seen| seen.json()["data"]["task_id"] == new["id"])
    })
    .await;
    let all = taken.receiver.seen();
    all[heard..].iter().for_each(|seen| seen.check(&[&taken.secret]));
    let (status, _) = server.call_as(&server.test_key, "GET", "/webhooks", None).await;
    assert_eq!(status, 200, "the first keys are good here too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_copy_does_nothing_by_itself_until_it_is_told_to() {
    let taken = Taken::under_load().await;
    let folder = taken.temp.path().join("copy");
    std::fs::create_dir(&folder).unwrap();
    let back = restored(&taken.made.path, &folder, Unfinished::Held).unwrap();
    // Beside the original, which goes on.
    let mut server = in_test_mode(&folder).await;
    taken.check_finished(&server).await;
    let hook = server.get(&format!("/webhooks/{}", taken.hook)).await;
    assert_eq!(hook["status"], "disabled");
    assert!(hook["disabled_reason"].as_str().unwrap().contains(&back.taken_at), "{hook}");
    let unfinished: Vec<String> = statuses(&server)
        .await
        .into_iter()
        .filter(|(_, status)| status != "complete")
        .map(|(task, _)| task)
        .collect();
    assert_eq!(unfinished.len() as u64, back.unfinished);
    for task in &unfinished {
        server.until(task, |task| task["status"] == "paused").await;
    }
    // A second start leaves alone what a person has let go on in between.
    let resumed = &unfinished[0];
    server.expect(200, "POST", &format!("/tasks/{resumed}/resume"), None).await;
    server.stop().await;
    let server = in_test_mode(&folder).await;
    assert_eq!(see_to_its_end(&server, resumed).await["status"], "complete");
    for task in &unfinished[1..] {
        server.expect(200, "POST", &format!("/tasks/{task}/resume"), None).await;
        assert_eq!(see_to_its_end(&server, task).await["status"], "complete");
    }
    let change = json!({"status": "enabled"});
    server.expect(200, "PATCH", &format!("/webhooks/{}", taken.hook), Some(change)).await;
    wait_until("the webhook hears what it missed", || {
        let heard = taken.receiver.seen();
        unfinished.iter().all(|task| heard.iter().any(|seen| seen.json()["data"]["task_id"] == **task))
    })
    .await;
    for task in statuses(&taken.original).await.keys() {
        assert_eq!(see_to_its_end(&taken.original, task).await["status"], "complete");
    }
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(path).unwrap())
}

/// Must not happen twice. Its notes are in `calls/`, and it never ends by itself.
struct Stuck {
    spec: ToolSpec,
    runs: PathBuf,
    began: Arc<Notify>,
}

impl Stuck {
    fn tool(runs: PathBuf, began: &Arc<Notify>) -> Arc<dyn Tool> {
        let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
        let spec = ToolSpec { name: "press".into(), description: "Presses.".into(), schema };
        Arc::new(Self { spec, runs, began: Arc::clone(began) })
    }
}

#[async_trait]
impl Tool for Stuck {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }
    fn agents(&self) -> &[AgentType] {
        &AgentType::ALL
    }
    fn risk(&self, _: &Value) -> Risk {
        Risk::Low
    }
    fn read_only(&self) -> bool {
        false
    }
    fn retry(&self) -> RetryClass {
        RetryClass::Once
    }
    async fn run(&self, ctx: &ToolContext, _: Value) -> Result<ToolOutput, ToolError> {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&self.runs).unwrap();
        writeln!(file, "{}", ctx.call_id).unwrap();
        self.began.notify_one();
        std::future::pending().await
    }
    async fn settle(&self, ctx: &ToolContext, _: Value) -> Result<Settled, ToolError> {
        let noted = ctx.services.calls_dir.join(format!("{}.started", ctx.call_id)).exists();
        Ok(if noted { Settled::Interrupted("it was pressed".into()) } else { Settled::NotStarted })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_had_begun_does_not_run_again_although_its_notes_are_not_in_the_backup() {
    let temp = tempfile::tempdir().unwrap();
    let (runs, began) = (temp.path().join("runs"), Arc::new(Notify::new()));
    let script = Script::default()
        .plan(&[("1", "do alpha", &[])])
        .agent("alpha", vec![call("press", json!({})), text("done")]);
    let standin = StandIn::start(script).await;
    let tools = |config: &mut Config| config.tools = vec![Stuck::tool(runs.clone(), &began)];
    let original = TestServer::over(&temp.path().join("original"), standin.clone(), tools).await;
    let task = original.create("press once", json!({})).await;
    began.notified().await;
    let made = back_up(&original.folder, &temp.path().join("b.tar")).await;
    let folder = temp.path().join("restored");
    restored(&made.path, &folder, Unfinished::GoOn).unwrap();
    let server = TestServer::over(&folder, standin, tools).await;
    let ended = server.ended(&task).await;
    assert_eq!(ended["status"], "complete", "{ended:#}");
    let results: Vec<Value> =
        server.events(&task).await.into_iter().filter(|e| e["type"] == "agent.result").collect();
    assert!(results[0]["data"]["output"].as_str().unwrap().contains("it was pressed"), "{results:#?}");
    assert_eq!(std::fs::read_to_string(&runs).unwrap().lines().count(), 1);
}

/// A small archive of a real folder, to break.
async fn small() -> (tempfile::TempDir, TestServer, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let server = in_test_mode(&temp.path().join("original")).await;
    let task = server.run("Small [test:deliverable=100B]", json!({})).await;
    let workspace = server.folder.join("workspaces").join(task["workspace_id"].as_str().unwrap());
    std::fs::create_dir_all(workspace.join("bin")).unwrap();
    std::fs::write(workspace.join("bin/tool"), "#!/bin/sh\n").unwrap();
    set_mode(&workspace.join("bin/tool"), 0o4755);
    std::os::unix::fs::symlink("../../../../../etc/passwd", workspace.join("bin/away")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(workspace.join("bin/socket")).unwrap();
    let path = temp.path().join("small.tar");
    let made = back_up(&server.folder, &path).await;
    assert_eq!(made.left_out.len(), 1, "the socket: {:?}", made.left_out);
    (temp, server, path)
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_workspaces_come_back_as_they_were() {
    let (temp, server, path) = small().await;
    let folder = temp.path().join("new/restored");
    restored(&path, &folder, Unfinished::Held).unwrap();
    let list = |folder: &Path| {
        let mut found = BTreeMap::new();
        let mut open = vec![folder.join("workspaces")];
        while let Some(next) = open.pop() {
            for entry in std::fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(folder).unwrap().to_owned();
                let kind = path.symlink_metadata().unwrap().file_type();
                if kind.is_symlink() {
                    found.insert(name, format!("{:?}", std::fs::read_link(&path).unwrap()));
                } else if kind.is_dir() {
                    open.push(path);
                } else if kind.is_file() {
                    let bits = mode(&path) & 0o777;
                    let time = path.metadata().unwrap().modified().unwrap();
                    let seconds = time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
                    found.insert(name, format!("{bits:o} {seconds} {:?}", std::fs::read(&path).unwrap()));
                }
            }
        }
        found
    };
    let (was, is) = (list(&server.folder), list(&folder));
    assert!(was.len() >= 3);
    assert_eq!(was, is);
    let tool = is.keys().find(|name| name.ends_with("bin/tool")).unwrap();
    assert_eq!(mode(&folder.join(tool)) & 0o7000, 0, "no program gets its owner's rights");
    for secret in ["secret.key", "keys.json", "miteos.db"] {
        assert_eq!(mode(&folder.join(secret)) & 0o777, 0o600, "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_not_whole_restores_nothing() {
    let (temp, _server, path) = small().await;
    let good = std::fs::read(&path).unwrap();
    let broken = temp.path().join("broken.tar");
    let folder = temp.path().join("restored");
    let refuse = |bytes: &[u8], why: &str| {
        std::fs::write(&broken, bytes).unwrap();
        let error = restored(&broken, &folder, Unfinished::Held).unwrap_err();
        assert!(error.to_string().contains(why), "{error}, but it is: {why}");
        assert!(!folder.exists());
    };
    refuse(b"", "ends before its manifest");
    refuse(b"no archive at all", "no whole backup");
    for cut in [512, good.len() / 3, good.len() / 2, good.len() * 9 / 10] {
        let why = if cut == 512 { "no whole backup" } else { "" };
        refuse(&good[..cut], why);
    }
    // A bit in the middle of a file.
    let place = good.windows(10).position(|part| part == b"#!/bin/sh\n").unwrap();
    let mut bent = good.clone();
    bent[place + 3] ^= 1;
    refuse(&bent, "bin/tool is not what its manifest says");
    // Something behind the manifest, and names that no backup holds.
    for (name, why) in [
        ("miteos.db", "ends before its manifest"),
        ("../away", "no backup holds ../away"),
        ("models/weights", "no backup holds models/weights"),
        ("blobs/../../away", "no backup holds"),
    ] {
        refuse(&archive(&[(name, b"x")]), why);
    }
    // Links that would lead what comes after them out of the folder.
    let away = temp.path().join("away");
    std::fs::create_dir(&away).unwrap();
    for name in ["workspaces", "miteos.db", "workspaces/w", "blobs/ab/cd/x"] {
        refuse(&links(&[(name, &away)]), "is in no workspace");
    }
    refuse(
        &links(&[("workspaces/w/a", &away), ("workspaces/w/a/b", Path::new("x"))]),
        "lies behind another link",
    );
    assert_eq!(std::fs::read_dir(&away).unwrap().count(), 0);
    refuse(&archive(&[("manifest.json", b"{\"form\":2}")]), "its form is 2");
    refuse(&archive(&[("manifest.json", b"[]")]), "its manifest cannot be read");
    let leftover: Vec<_> = std::fs::read_dir(temp.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert_eq!(leftover, Vec::<String>::new(), "nothing half-made is left");
}

/// An archive of links and its manifest.
fn links(links: &[(&str, &Path)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut entries = Vec::new();
    for (name, target) in links {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        // A time that no clock knows is passed over.
        header.set_mtime(u64::MAX);
        tar.append_link(&mut header, name, target).unwrap();
        let sha256 = miteos_core::content::Sha256::of(target.as_os_str().as_encoded_bytes()).to_string();
        entries.push(serde_json::json!({"path": name, "bytes": 0, "sha256": sha256}));
    }
    let manifest = serde_json::json!({
        "form": 1, "made_by": "x", "taken_at": "2026-11-22T00:00:00Z", "schema": 1, "tasks": 0, "unfinished": 0,
        "has_master_key": false, "entries": entries,
    })
    .to_string();
    let mut header = tar::Header::new_gnu();
    header.set_size(manifest.len() as u64);
    header.set_mode(0o600);
    tar.append_data(&mut header, "manifest.json", manifest.as_bytes()).unwrap();
    tar.into_inner().unwrap()
}

/// An archive with these names, however strange.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_overwritten_and_no_used_folder_is_taken() {
    let (temp, server, path) = small().await;
    let make = |folder: &Path, to: &Path| {
        backup::make(folder, to, &SystemClock, &Cancel::default(), &mut |_| {}).unwrap_err()
    };
    assert!(matches!(make(&server.folder, &path), BackupError::Exists(_)));
    assert!(matches!(make(&server.folder, &server.folder.join("workspaces/b.tar")), BackupError::Inside(_)));
    assert!(matches!(make(temp.path(), &temp.path().join("b.tar")), BackupError::NoData(_)));
    let missing = temp.path().join("nowhere/b.tar");
    assert!(matches!(make(&server.folder, &missing), BackupError::Io { .. }));
    let refused = restored(&path, &server.folder, Unfinished::Held).unwrap_err();
    assert!(matches!(refused, BackupError::InUse(_)), "{refused}");
    let refused = restored(&path, temp.path(), Unfinished::Held).unwrap_err();
    assert!(matches!(refused, BackupError::NotEmpty(_)), "{refused}");
    let stopped = Cancel::default();
    stopped.cancel();
    let to = temp.path().join("stopped.tar");
    let made = backup::make(&server.folder, &to, &SystemClock, &stopped, &mut |_| {});
    assert!(matches!(made.unwrap_err(), BackupError::Cancelled));
    let back = temp.path().join("stopped");
    let made = backup::restore(&path, &back, Unfinished::Held, &SystemClock, &stopped, &mut |_| {});
    assert!(matches!(made.unwrap_err(), BackupError::Cancelled));
    assert!(!to.exists() && !back.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_folder_lacks_already_is_named() {
    let (temp, server, path) = small().await;
    std::fs::remove_file(&path).unwrap();
    let task = server.get("/tasks").await["tasks"][0]["id"].as_str().unwrap().to_owned();
    let sha256 = deliverables(&server, &task).await.into_values().next().unwrap();
    let name = sha256.as_str().unwrap();
    let blob = server.folder.join("blobs/sha256").join(&name[..2]).join(&name[2..]);
    std::fs::write(&blob, "something else").unwrap();
    assert_eq!(back_up(&server.folder, &path).await.missing_blobs, [name]);
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_file(&blob).unwrap();
    assert_eq!(back_up(&server.folder, &path).await.missing_blobs, [name]);
    let back = restored(&path, &temp.path().join("restored"), Unfinished::Held).unwrap();
    assert_eq!(back.missing_blobs, [name]);
}
