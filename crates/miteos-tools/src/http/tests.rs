//! Attacks on the client, from loopback: a server that must not be reached, by every way to name it.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderName};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::testing::{HANG, Server, names, ok, open_client, redirect, reply};

async fn get(client: &Guarded, url: &str) -> Result<String, HttpError> {
    let url = parse_url(url)?;
    let response = client.send(Request::get(url), &CancellationToken::new()).await?;
    Ok(String::from_utf8(response.read_all(1 << 20).await?).unwrap())
}

fn closed() -> Guarded {
    Guarded::new(EgressPolicy::default())
}

#[tokio::test]
async fn loopback_is_not_reached_by_any_spelling() {
    let server = Server::start(|_| ok("text/plain", "secret")).await;
    let port = server.port;
    let client = closed();
    for host in [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "①②⑦.0.0.1",
        "127。0。0。1",
        "%31%32%37.0.0.1",
        "169.254.169.254",
        "[fe80::1]",
        "[fd00:ec2::254]",
    ] {
        let error = get(&client, &format!("http://{host}:{port}/")).await.unwrap_err();
        let refused = matches!(error, HttpError::Refused { .. });
        // A name with a final dot may have no address at all here; then nothing was reached either.
        assert!(
            refused || (host == "localhost." && matches!(error, HttpError::NoSuchName { .. })),
            "{host}: {error:?}"
        );
        assert!(client.vet(&format!("http://{host}:{port}/")).await.is_err(), "{host}");
    }
    assert_eq!(server.reached(), 0);
    assert_eq!(get(&open_client(), &server.url("/")).await.unwrap(), "secret");
}

#[tokio::test]
async fn names_are_judged_by_what_they_lead_to() {
    let server = Server::start(|_| ok("text/plain", "secret")).await;
    let made_up = names(&[
        ("inside.test", &["127.0.0.1"]),
        ("mixed.test", &["93.184.216.34", "127.0.0.1"]),
        ("mapped.test", &["::ffff:127.0.0.1"]),
        ("nat64.test", &["64:ff9b::a9fe:a9fe"]),
        ("none.test", &[]),
    ]);
    let client = Guarded::with_names(EgressPolicy::default(), made_up);
    for name in ["inside.test", "mixed.test", "mapped.test", "nat64.test"] {
        let error = get(&client, &format!("http://{name}:{}/", server.port)).await.unwrap_err();
        assert!(matches!(&error, HttpError::Refused { host, .. } if host == name), "{name}: {error:?}");
        assert!(!error.to_string().contains("127.0.0.1"), "the answer does not tell what is inside: {error}");
        assert!(matches!(client.vet(&format!("https://{name}/")).await, Err(HttpError::Refused { .. })));
    }
    for name in ["none.test", "unknown.test"] {
        let error = get(&client, &format!("http://{name}/")).await.unwrap_err();
        assert!(matches!(error, HttpError::NoSuchName { .. }), "{name}: {error:?}");
    }
    assert_eq!(server.reached(), 0);
    let allowed = names(&[("inside.test", &["127.0.0.1"])]);
    let open = Guarded::with_names(EgressPolicy::parse("127.0.0.0/8").unwrap(), allowed);
    assert_eq!(get(&open, &format!("http://inside.test:{}/", server.port)).await.unwrap(), "secret");
}

/// A name that is public when it is vetted and private when it is connected to.
struct Rebinding(std::sync::atomic::AtomicUsize);

#[async_trait::async_trait]
impl Names for Rebinding {
    async fn look_up(&self, _host: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
        let first = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        Ok(vec![if first { [93, 184, 216, 34] } else { [127, 0, 0, 1] }.into()])
    }
}

#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing() {
    let server = Server::start(|_| ok("text/plain", "secret")).await;
    let client = Guarded::with_names(EgressPolicy::default(), std::sync::Arc::new(Rebinding(0.into())));
    let url = format!("http://rebind.test:{}/", server.port);
    client.vet(&url).await.unwrap();
    assert!(matches!(get(&client, &url).await, Err(HttpError::Refused { .. })));
    assert_eq!(server.reached(), 0);
}

#[tokio::test]
async fn a_redirect_is_judged_like_the_first_address() {
    let inner = Server::start(|_| ok("text/plain", "secret")).await;
    let targets = [
        format!("http://127.0.0.2:{}/", inner.port),
        format!("http://localhost:{}/", inner.port),
        format!("//0x7f.2:{}/", inner.port),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ];
    for target in targets {
        let to = target.clone();
        let outer = Server::start(move |_| redirect("302 Found", &to)).await;
        // Only the first server may be reached.
        let client = Guarded::with_names(
            EgressPolicy::parse("127.0.0.1/32").unwrap(),
            names(&[("localhost", &["127.0.0.3"])]),
        );
        let error = get(&client, &outer.url("/")).await.unwrap_err();
        assert!(matches!(error, HttpError::Refused { .. }), "{target}: {error:?}");
        assert_eq!(outer.reached(), 1);
    }
    assert_eq!(inner.reached(), 0);
    for target in
        ["file:///etc/passwd", "gopher://x/", "http://user:pass@127.0.0.1/", "http://", "javascript:1"]
    {
        let outer = Server::start(move |_| redirect("301 Moved Permanently", target)).await;
        let error = get(&open_client(), &outer.url("/")).await.unwrap_err();
        assert!(matches!(error, HttpError::BadRedirect { .. }), "{target}: {error:?}");
    }
}

#[tokio::test]
async fn redirects_are_followed_and_counted() {
    let server = Server::start(|request| match request.split(' ').nth(1).unwrap() {
        "/5" => ok("text/plain", "there"),
        "/loop" => redirect("302 Found", "/loop"),
        path => redirect("307 Temporary Redirect", &format!("/{}", path[1..].parse::<u32>().unwrap() + 1)),
    })
    .await;
    let url = parse_url(&server.url("/0#part")).unwrap();
    let response = open_client().send(Request::get(url), &CancellationToken::new()).await.unwrap();
    assert_eq!((response.redirects(), response.url().as_str()), (5, server.url("/5#part").as_str()));
    let error = get(&open_client(), &server.url("/loop")).await.unwrap_err();
    assert!(matches!(error, HttpError::TooManyRedirects { limit: 5, .. }), "{error:?}");
    let stay = Request::new(Method::GET, parse_url(&server.url("/0")).unwrap(), Redirects::Return);
    let response = open_client().send(stay, &CancellationToken::new()).await.unwrap();
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
}

#[tokio::test]
async fn secrets_and_bodies_stay_with_their_origin() {
    let other = Server::start(|_| ok("text/plain", "other")).await;
    let to = other.url("/");
    let first = Server::start(move |request| match request.split(' ').nth(1).unwrap() {
        "/same" => redirect("302 Found", "/here"),
        "/post" => redirect("307 Temporary Redirect", &to),
        "/away" => redirect("302 Found", &to),
        _ => ok("text/plain", "same"),
    })
    .await;
    let send = |path: &str, method: Method| {
        Request::new(method, parse_url(&first.url(path)).unwrap(), Redirects::Follow)
            .secret_header(AUTHORIZATION, "Bearer key")
            .secret_header(HeaderName::from_static("x-api-key"), "key")
    };
    let cancel = CancellationToken::new();
    open_client().send(send("/same", Method::GET), &cancel).await.unwrap();
    assert!(first.last().contains("x-api-key: key"), "the same origin gets it again");
    open_client().send(send("/away", Method::POST).body("body"), &cancel).await.unwrap();
    let asked = other.last();
    assert!(asked.starts_with("GET / ") && !asked.contains("key") && !asked.contains("body"), "{asked}");
    let error = open_client().send(send("/post", Method::POST).body("body"), &cancel).await.err().unwrap();
    assert!(matches!(error, HttpError::BadRedirect { .. }));
    assert_eq!(other.requests.lock().unwrap().len(), 1);
    let shown = format!("{:?}", send("/same", Method::GET).headers);
    assert!(!shown.contains("key\"}") && shown.contains("Sensitive"), "{shown}");
}

#[tokio::test]
async fn addresses_that_are_none() {
    for bad in [
        "",
        "example.org",
        "ftp://example.org/",
        "file:///etc/passwd",
        "http://",
        "data:text/plain,x",
        "http://user@example.org/",
        "http://u:p@example.org/",
        "http://exa mple.org/",
        "http://[::1%25eth0]/",
        "http://256.256.256.256/",
        "http://a:99999/",
        &format!("http://x/{}", "y".repeat(9000)),
    ] {
        assert!(matches!(parse_url(bad), Err(HttpError::BadUrl { .. })), "{bad}");
    }
    let error = parse_url("http://me:pass@example.org/p?token=1").unwrap_err().to_string();
    assert!(!error.contains("pass@") && !error.contains("token"), "{error}");
    assert_eq!(parse_url(" https://example.org ").unwrap().as_str(), "https://example.org/");
}

#[tokio::test]
async fn size_time_and_cancellation_end_a_body() {
    let server = Server::start(|request| match request.split(' ').nth(1).unwrap() {
        "/big" => ok("text/plain", vec![b'x'; 5000]),
        "/short" => b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort".to_vec(),
        "/noise" => b"\x16\x03\x01 this is no HTTP\r\n\r\n".to_vec(),
        _ => [&b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nbegin"[..], HANG].concat(),
    })
    .await;
    let client = open_client();
    let cancel = CancellationToken::new();
    let send = |path: &str| client.send(Request::get(parse_url(&server.url(path)).unwrap()), &cancel);
    let body = send("/big").await.unwrap().read_up_to(100).await.unwrap();
    assert!(body.truncated && body.bytes.len() == 100);
    let exact = send("/big").await.unwrap().read_up_to(5000).await.unwrap();
    assert!(!exact.truncated);
    assert!(matches!(
        send("/big").await.unwrap().read_all(4999).await,
        Err(HttpError::TooBig { limit: 4999, .. })
    ));
    let broken = send("/short").await.unwrap().read_all(1000).await.unwrap_err();
    assert!(matches!(broken, HttpError::Unreachable { .. }) && broken.is_transient(), "{broken:?}");
    assert!(matches!(send("/noise").await.err().unwrap(), HttpError::Unreachable { .. }));
    let slow = Request::get(parse_url(&server.url("/hang")).unwrap()).timeout(Duration::from_millis(300));
    let late = async { client.send(slow, &cancel).await?.read_all(1 << 20).await }.await.unwrap_err();
    assert!(matches!(late, HttpError::TimedOut { .. }), "{late:?}");
    let mut response = send("/hang").await.unwrap();
    assert!(response.chunk().await.unwrap().unwrap().starts_with(b"begin"));
    cancel.cancel();
    assert!(matches!(response.read_all(1 << 20).await, Err(HttpError::Cancelled)));
    assert!(matches!(send("/big").await, Err(HttpError::Cancelled)));
}

#[tokio::test]
async fn failures_are_told_apart() {
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let error = get(&open_client(), &format!("http://127.0.0.1:{port}/")).await.unwrap_err();
    assert_eq!(error.to_string(), "127.0.0.1 could not be reached: nothing listens there");
    let plain = Server::start(|_| reply("200 OK", "", "")).await;
    let error = get(&open_client(), &format!("https://127.0.0.1:{}/?key=k", plain.port)).await.unwrap_err();
    assert!(
        matches!(error, HttpError::Unreachable { .. }) && !format!("{error:?}").contains("key=k"),
        "{error:?}"
    );
    assert!(closed().unusable().is_none(), "this machine can make calls");
}

#[tokio::test]
async fn the_owners_addresses_may_be_private_but_lead_no_further() {
    let inner = Server::start(|_| ok("text/plain", "secret")).await;
    let to = inner.url("/");
    let own = Server::start(move |_| redirect("302 Found", &to)).await;
    let client = closed();
    let request = Request::get(parse_url(&own.url("/")).unwrap());
    let response = client.for_owner().send(request, &CancellationToken::new()).await.unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
    assert_eq!(inner.reached(), 0);
    assert!(get(&client, &own.url("/")).await.is_err(), "the guarded side stays guarded");
}

#[tokio::test]
async fn bodies_stream_and_answers_are_decompressed() {
    let server = Server::start(|request| {
        let body = request.split("\r\n\r\n").nth(1).unwrap_or_default();
        ok("text/plain", format!("{} {}", request.split(' ').next().unwrap(), body.len()))
    })
    .await;
    let request = Request::new(Method::PUT, parse_url(&server.url("/")).unwrap(), Redirects::Follow)
        .body_reader(Box::new(std::io::Cursor::new(vec![b'x'; 100_000])), 100_000);
    let response = open_client().send(request, &CancellationToken::new()).await.unwrap();
    assert_eq!(response.read_all(100).await.unwrap(), b"PUT 100000");
    assert!(server.last().contains("content-length: 100000"));
    // An empty gzip member: ten bytes of head, an empty block, checksum and length of nothing.
    let gzip: &[u8] = &[31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let packed = Server::start(move |_| reply("200 OK", "content-encoding: gzip\r\n", gzip)).await;
    assert_eq!(get(&open_client(), &packed.url("/")).await.unwrap(), "");
    assert!(packed.last().contains("accept-encoding: gzip"));
}
