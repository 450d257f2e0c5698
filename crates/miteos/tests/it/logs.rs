//! What the server writes to its standard error: JSON where no terminal is, ids on every line, and nothing private.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio::task::JoinHandle;

use crate::program::{command, finish, interrupt, miteos};

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const PROMPT: &str = "find out who wrote the anonymous letter";

struct Serving {
    child: Child,
    /// Read all the time, so that the server never waits for its log to be taken.
    log: JoinHandle<String>,
    address: String,
    key: String,
}

/// A server whose modules log all they can.
async fn serve(home: &Path, arguments: &[&str]) -> Serving {
    let mut all = vec!["--json", "serve", "--listen", "127.0.0.1:0"];
    all.extend(arguments);
    let mut command = command(home, &all);
    command.env("MITEOS_LOG", "error,miteos=trace,miteos_server=trace,miteos_store=trace,miteos_tools=trace");
    command.env("MITEOS_SANDBOX", "none");
    let mut child = command.spawn().unwrap();
    let mut err = child.stderr.take().unwrap();
    let log = tokio::spawn(async move {
        let mut text = String::new();
        err.read_to_string(&mut text).await.unwrap();
        text
    });
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    // A document over several lines or on one.
    let started: Value = loop {
        let read = tokio::time::timeout(PATIENCE, out.read_line(&mut text)).await.unwrap().unwrap();
        assert!(read > 0, "the server has ended: {text}");
        if let Ok(value) = serde_json::from_str(&text) {
            break value;
        }
    };
    let address = started["url"].as_str().unwrap().trim_start_matches("http://").to_owned();
    Serving { child, log, address, key: started["keys"]["test"].as_str().unwrap().to_owned() }
}

/// One request on a connection of its own; the whole answer.
async fn ask(server: &Serving, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let request = format!(
        "{head}\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        server.key,
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Stops the server, and gives all that it has logged.
async fn stopped(server: Serving) -> String {
    interrupt(&server.child);
    finish(server.child).await;
    server.log.await.unwrap()
}

fn request_id(answer: &str) -> String {
    let line = answer.lines().find(|line| line.to_lowercase().starts_with("request-id:")).unwrap();
    line.split_once(':').unwrap().1.trim().to_owned()
}

#[tokio::test]
async fn lines_are_json_with_the_ids_and_without_secrets() {
    let home = tempfile::tempdir().unwrap();
    let server = serve(home.path(), &[]).await;
    let body = format!("{{\"prompt\":\"{PROMPT}\",\"config\":{{\"autonomy_level\":100}}}}");
    let made = ask(&server, "POST /v1/tasks HTTP/1.1\r\nX-Request-Id: edge-77", &body).await;
    assert!(made.starts_with("HTTP/1.1 201"), "{made}");
    let (made_id, json) = (request_id(&made), made.split("\r\n\r\n").nth(1).unwrap());
    let task: Value = serde_json::from_str(json).unwrap();
    let task = task["id"].as_str().unwrap().to_owned();
    let forged = "GET /v1/tasks HTTP/1.1\r\nX-Request-Id: a b\",\"level\":\"none";
    let forged_id = request_id(&ask(&server, forged, "").await);
    let begun = Instant::now();
    while !ask(&server, &format!("GET /v1/tasks/{task} HTTP/1.1"), "")
        .await
        .contains("\"status\":\"complete\"")
    {
        assert!(begun.elapsed() < PATIENCE, "the task does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let key = server.key.clone();
    let log = stopped(server).await;
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let of = |id: &str| lines.iter().filter(|line| line["request_id"] == id).collect::<Vec<_>>();
    assert!(of(&made_id).iter().any(|line| line["message"] == "answered" && line["status"] == 201), "{log}");
    assert!(of(&made_id).iter().all(|line| line["client_request_id"] == "edge-77"), "{log}");
    assert!(!of(&forged_id).is_empty());
    assert!(of(&forged_id).iter().all(|line| line.get("client_request_id").is_none()), "{log}");
    for line in &lines {
        for field in ["time", "level", "target", "message"] {
            assert!(line[field].is_string(), "{field}: {line}");
        }
    }
    let keys = std::fs::read_to_string(home.path().join("data/keys.json")).unwrap();
    let keys: Value = serde_json::from_str(&keys).unwrap();
    for hidden in [PROMPT, "anonymous letter", &key, keys["live"].as_str().unwrap()] {
        assert!(!log.contains(hidden), "{hidden} stands in the log");
    }
}

#[tokio::test]
async fn text_is_for_who_asks_and_other_words_are_refused() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("data")).unwrap();
    std::fs::write(home.path().join("data/miteos.toml"), "listne = \"0.0.0.0:80\"\n").unwrap();
    let server = serve(home.path(), &["--log-format", "text"]).await;
    let id = request_id(&ask(&server, "GET /v1/nothing HTTP/1.1", "").await);
    let log = stopped(server).await;
    let line = log.lines().find(|line| line.contains(&id)).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("answered") && serde_json::from_str::<Value>(line).is_err(), "{line}");
    assert!(!log.contains('\u{1b}'), "no colours where no terminal is: {log}");
    assert!(log.contains("has \"listne\", which is no setting; did you mean listen?"), "{log}");

    let wrong = miteos(home.path(), &["serve", "--log-format", "yaml"]).await;
    assert_eq!(wrong.code, 2, "{}", wrong.err);
    assert!(wrong.err.contains("yaml") && wrong.err.contains("text or json"), "{}", wrong.err);
}
