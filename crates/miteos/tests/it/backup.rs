//! `backup` and `restore` beside a real server, and what `doctor` says of settings.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::process::Child;

use crate::program::{Ran, command, interrupt, miteos};

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server on a data folder of this home, up and announced.
async fn serve(home: &Path, folder: &str) -> Child {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", folder];
    let child = command(home, &arguments).env("MITEOS_SANDBOX", "none").spawn().unwrap();
    let begun = Instant::now();
    while ready(home, folder).await.code != 0 {
        assert!(begun.elapsed() < PATIENCE, "the server does not start");
    }
    child
}

async fn ready(home: &Path, folder: &str) -> Ran {
    miteos(home, &["doctor", "--ready", "--data-dir", folder]).await
}

async fn stopped(child: Child) {
    interrupt(&child);
    tokio::time::timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
}

fn json(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{} {}", ran.out, ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

#[tokio::test]
async fn a_running_server_is_backed_up_and_its_copy_started() {
    let temp = tempfile::tempdir().unwrap();
    let home = temp.path();
    let server = serve(home, "data").await;
    let ran = miteos(home, &["run", "--test", "Write a note", "--out", "out"]).await;
    assert_eq!(ran.code, 0, "{} {}", ran.out, ran.err);
    let made = json(&miteos(home, &["backup", "b.tar", "--json"]).await);
    assert_eq!((&made["tasks"], &made["unfinished"]), (&1.into(), &0.into()), "{made}");
    assert_eq!(made["size_bytes"], home.join("b.tar").metadata().unwrap().len());
    let again = miteos(home, &["backup", "b.tar"]).await;
    assert_eq!((again.code, again.err.contains("is there already")), (2, true), "{}", again.err);
    let used = miteos(home, &["restore", "b.tar"]).await;
    assert_eq!((used.code, used.err.contains("a server that runs")), (2, true), "{}", used.err);
    let none = miteos(home, &["backup", "c.tar", "--data-dir", "nowhere"]).await;
    assert_eq!((none.code, none.err.contains("no data of a server")), (2, true), "{}", none.err);
    stopped(server).await;
    assert_eq!(ready(home, "data").await.code, 3);

    let back = json(&miteos(home, &["restore", "b.tar", "--data-dir", "copy", "--json"]).await);
    assert_eq!((&back["tasks"], &back["unfinished_tasks"]), (&1.into(), &"held".into()), "{back}");
    let copy = serve(home, "copy").await;
    let list = json(&miteos(home, &["task", "list", "--test", "--json", "--data-dir", "copy"]).await);
    assert_eq!((&list["total"], &list["tasks"][0]["status"]), (&1.into(), &"complete".into()), "{list}");
    let for_people = miteos(home, &["backup", "d.tar", "--data-dir", "copy"]).await;
    assert_eq!(for_people.code, 0, "{}", for_people.err);
    assert!(for_people.out.contains("1 tasks, 0 of them unfinished"), "{}", for_people.out);
    assert!(for_people.out.contains("keep it as you keep those"), "{}", for_people.out);
    stopped(copy).await;
}

#[tokio::test]
async fn doctor_names_what_is_set_and_what_cannot_be() {
    let temp = tempfile::tempdir().unwrap();
    let home = temp.path();
    std::fs::write(home.join("miteos.toml"), "lisen = \"127.0.0.1:1\"\nopenai_api_key = \"sk-hush\"\n")
        .unwrap();
    let doctor = |arguments: &'static [&'static str]| {
        let mut command = command(home, arguments);
        command.env("MITEOS_SANDBOX", "dokcer").env("MITEOS_SECRET_KEY", "hush-hush-hush-hush");
        async move { Ran::from(command.output().await.unwrap()) }
    };
    let ran = doctor(&["doctor", "--json", "--listen", "127.0.0.1:0"]).await;
    assert_eq!(ran.code, 2, "{}", ran.err);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let of = |name: &str| {
        let mut set = report["settings"].as_array().unwrap().iter();
        set.find(|one| one["name"] == name).unwrap_or_else(|| panic!("{name}: {report:#}")).clone()
    };
    assert_eq!(of("MITEOS_LISTEN")["source"], "flag");
    assert_eq!(of("MITEOS_DATA_DIR")["source"], "environment");
    assert_eq!(of("OPENAI_API_KEY")["source"], "miteos.toml");
    let lines = doctor(&["doctor", "--listen", "127.0.0.1:0"]).await.out;
    for part in
        ["did you mean listen?", "MITEOS_SANDBOX is \"dokcer\" (environment)", "bwrap or none would be right"]
    {
        assert!(lines.contains(part), "{part}: {lines}");
    }
    assert!(!lines.contains("hush") && !ran.out.contains("hush"));
}

#[tokio::test]
async fn doctor_refuses_what_serve_refuses() {
    let temp = tempfile::tempdir().unwrap();
    let home = temp.path();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (name, value, said) in [
        ("MITEOS_METRICS_TOKEN", "hush", "at least 16 bytes"),
        ("MITEOS_SECRET_KEY", "hush", "use at least 16"),
        ("MITEOS_BOOTSTRAP_KEY", "hush", "must begin with mt_live_"),
        ("MITEOS_DATABASE_URL", "postgres://hush@db/x", "in the data folder"),
        ("MITEOS_METRICS_LISTEN", taken.as_str(), "cannot listen"),
    ] {
        let ran = |arguments: &'static [&'static str]| {
            let mut command = command(home, arguments);
            command.env(name, value).env("MITEOS_SANDBOX", "none");
            async move { Ran::from(command.output().await.unwrap()) }
        };
        let served = ran(&["serve", "--listen", "127.0.0.1:0"]).await;
        assert_eq!(served.code, 2, "{name}: {}", served.err);
        assert!(served.err.contains(said), "{name}: {}", served.err);
        let looked = ran(&["doctor", "--listen", "127.0.0.1:0"]).await;
        assert_eq!(looked.code, 2, "{name}: {}", looked.out);
        let line = looked
            .out
            .lines()
            .find(|line| line.contains('✗'))
            .unwrap_or_else(|| panic!("{name}: {}", looked.out));
        assert!(line.contains(name) || line.contains(value), "{name}: {line}");
        assert!(!looked.out.contains("hush"), "{name}: {}", looked.out);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_setting_that_is_no_text_is_refused_and_not_left_out() {
    use std::os::unix::ffi::OsStrExt;
    let temp = tempfile::tempdir().unwrap();
    let mut command = command(temp.path(), &["task", "list"]);
    command.env("MITEOS_DATA_DIR", std::ffi::OsStr::from_bytes(b"/srv/\xff"));
    let ran = Ran::from(command.output().await.unwrap());
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("the value of MITEOS_DATA_DIR is not UTF-8"), "{}", ran.err);
}
