//! The preview host beside the API: what is on the one is not on the other.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{PATIENCE, TestServer};
use crate::standin::Script;

/// As labels are.
const LABEL: &str = "abcdefghijklmnopqrstuvwxyz234567";

/// Sends a request to an address under a name of another, and gives the whole answer.
async fn ask(address: &str, method: &str, target: &str, host: &str, key: &str) -> String {
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
    );
    let talk = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::time::timeout(PATIENCE, talk).await.unwrap()
}

#[tokio::test]
async fn no_operation_of_the_api_is_on_the_preview_host() {
    let server = TestServer::start(Script::default()).await;
    let address = server.preview.to_string();
    assert_eq!(server.preview.ip(), std::net::Ipv4Addr::LOCALHOST);
    for (host, status) in
        [(format!("{LABEL}.localhost:{}", server.preview.port()), "404"), (address.clone(), "421")]
    {
        for target in ["/v1/healthz", "/v1/tasks", "/v1/openapi.json", "/docs", "/s/abc", "/v1/ws", "/"] {
            let answer = ask(&address, "GET", target, &host, &server.key).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{host} {target}: {answer}");
            assert!(answer.contains("frame-ancestors") && !answer.contains("x-ratelimit"), "{answer}");
        }
    }
}

#[tokio::test]
async fn the_api_does_not_answer_under_the_name_of_a_preview() {
    let server = TestServer::start(Script::default()).await;
    let address = server.url.strip_prefix("http://").unwrap();
    for target in ["/v1/healthz", "/v1/tasks", "/v1/openapi.json", "/docs", "/s/abc", "/nothing"] {
        for port in [address.rsplit(':').next().unwrap(), "7701"] {
            let host = format!("{LABEL}.localhost:{port}");
            let answer = ask(address, "GET", target, &host, &server.key).await;
            assert!(answer.starts_with("HTTP/1.1 421 "), "{target}: {answer}");
            assert!(!answer.contains("access-control"), "{answer}");
        }
    }
    for host in ["localhost", "127.0.0.1:1", "miteos.localhost", "miteos.example"] {
        let answer = ask(address, "GET", "/v1/healthz", host, &server.key).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{host}: {answer}");
    }
}

#[tokio::test]
async fn previews_have_a_host_of_their_own_or_there_is_no_server() {
    use miteos_server::{PreviewHosts, Server};
    let standin = crate::standin::StandIn::start(Script::default()).await;
    for (public, hosts, refused) in [
        ("https://preview.example", "https://*.preview.example", true),
        ("https://api.preview.example/", "https://*.preview.example", true),
        ("https://api.example", "https://*.preview.example", false),
    ] {
        let temp = tempfile::tempdir().unwrap();
        let mut config = crate::harness::config(temp.path(), &standin);
        config.public_url = Some(public.to_owned());
        config.preview.hosts = PreviewHosts::parse(hosts).ok();
        let started = Server::start(config).await;
        assert_eq!(started.is_err(), refused, "{public}");
        if let Err(error) = started {
            assert!(error.to_string().contains("a domain of their own"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_named_address_that_is_taken_is_refused_and_the_usual_one_gives_way() {
    use miteos_server::{Server, StartError};
    let standin = crate::standin::StandIn::start(Script::default()).await;
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let temp = tempfile::tempdir().unwrap();
    let mut config = crate::harness::config(temp.path(), &standin);
    config.preview.listen = Some(taken.local_addr().unwrap());
    let refused = Server::start(config).await.err().unwrap();
    assert!(matches!(refused, StartError::ListenForPreviews { .. }), "{refused}");
    // Two neighbours: the API takes the first, and somebody else has the second.
    let (api, next) = loop {
        let api = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        if let Ok(next) = tokio::net::TcpListener::bind(("127.0.0.1", api.port().saturating_add(1))).await {
            break (api, next);
        }
    };
    let mut config = crate::harness::config(temp.path(), &standin);
    config.listen = api;
    let server = Server::start(config).await.unwrap();
    assert_ne!(server.preview_address(), next.local_addr().unwrap());
    assert!(server.previews_at().ends_with(&format!("*.localhost:{}/", server.preview_address().port())));
}
