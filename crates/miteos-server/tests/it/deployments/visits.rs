//! A published address is looked at as a visitor would; what is seen is a note in the log and changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use miteos_deploy::TargetKind;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{config, deploy, ended, log, netlify, to, workspace};
use crate::harness::TestServer;
use crate::standin::Script;

/// A site that answers with these statuses in turn, the last one for ever; its address, and how often it was asked.
async fn site(statuses: &'static [u16]) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let nth = count.fetch_add(1, Ordering::SeqCst);
            let status = statuses[nth.min(statuses.len() - 1)];
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, asked)
}

#[tokio::test]
async fn what_a_visitor_sees_is_noted_and_never_a_failure() {
    for (statuses, asked, note) in [
        (&[200][..], 1, None),
        (&[404, 200], 2, None),
        (&[401], 1, Some("asks visitors to sign in (status 401)")),
        (&[404, 503], 2, Some("is not served yet (status 503)")),
    ] {
        let (url, count) = site(statuses).await;
        let netlify = netlify().await;
        let shown_at = url.clone();
        netlify.look(|netlify| netlify.shown_at = Some(shown_at));
        let change = to(TargetKind::Netlify, &netlify.url);
        let server = TestServer::start_with(Script::default(), |config| {
            change(config);
            config.deploy.visits = 2;
        })
        .await;
        let workspace = workspace(&server, "shop").await;
        config(&server, json!({})).await;
        let id = deploy(&server, &workspace).await;
        let live = ended(&server, &id).await;
        assert_eq!((&live["status"], &live["url"]), (&json!("live"), &json!(url)), "{statuses:?}: {live:#}");
        assert_eq!(count.load(Ordering::SeqCst), asked, "{statuses:?}");
        let log = log(&server, &id).await;
        let noted = ["sign in", "not served yet", "not answered"].iter().any(|part| log.contains(part));
        assert_eq!(noted, note.is_some(), "{statuses:?}:\n{log}");
        assert!(note.is_none_or(|note| log.contains(note)), "{statuses:?}:\n{log}");
    }
}
