//! What somebody tries who wants more than a preview shows: another folder, another host, another preview, the API.

use miteos_store::PreviewChange;

use super::super::pace::MAX_PER_SECOND;
use super::{Folder, Host, Shown};

async fn site(host: &Host) -> Shown {
    host.publish(&[
        ("index.html", b"first"),
        ("404.html", b"nothing here"),
        ("deep/er/page.html", b"deep"),
        ("upload", b"<script>alert(1)</script>"),
        ("image.png.html", b"page"),
        ("x.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>"),
    ])
    .await
}

/// Paths that mean something else than they say.
const CROOKED: [&str; 29] = [
    "/..",
    "/../keys.json",
    "/../../../../etc/passwd",
    "/deep/../../keys.json",
    "/%2e%2e/keys.json",
    "/%2E%2E%2Fkeys.json",
    "/.%2e/keys.json",
    "/%2e./keys.json",
    "/..%2fkeys.json",
    "/..%5ckeys.json",
    "/..\\keys.json",
    "/deep\\..\\..\\keys.json",
    "/%00",
    "/index.html%00.png",
    "/index.html%0d%0aset-cookie:%20a=b",
    "/%c0%ae%c0%ae/keys.json",
    "/%c0%ae%c0%ae%c0%afkeys.json",
    "/%e0%80%ae%e0%80%ae/keys.json",
    "/%f0%80%80%ae%f0%80%80%ae/keys.json",
    "/%fe%2e",
    "//etc/passwd",
    "//evil.example/%2e%2e",
    "/deep//er/page.html",
    "/./index.html",
    "/deep/./er/page.html",
    "/%",
    "/%zz",
    "/%u002e%u002e/keys.json",
    "/%2fetc%2fpasswd",
];
/// Names like others, which no file of the site has.
const STRAIGHT: [&str; 27] = [
    "/%252e%252e/keys.json",
    "/%252e%252e%252fkeys.json",
    "/%25c0%25ae/keys.json",
    "/...",
    "/....",
    "/etc/passwd",
    "/C:/windows/win.ini",
    "/file:",
    "/%EF%BC%8E%EF%BC%8E/keys.json",
    "/%E2%80%A5/keys.json",
    "/keys.json",
    "/miteos.db",
    "/secret.key",
    "/.env",
    "/.git/config",
    "/.well-known/.env",
    "/index.html.",
    "/INDEX.HTML",
    "/index.html%20",
    "/index.html::$DATA",
    "/index.html/",
    "/v1/tasks",
    "/v1/healthz",
    "/v1/openapi.json",
    "/docs",
    "/s/abc",
    "/metrics",
];

#[tokio::test]
async fn no_spelling_of_a_path_leads_out() {
    let host = Host::start().await;
    let preview = site(&host).await;
    for target in CROOKED {
        let answer = host.get(&preview, target).await;
        assert_eq!(answer.status, 400, "{target}: {}", answer.text());
        assert_eq!((answer.header("set-cookie"), answer.header("location")), ("", ""), "{target}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    for target in STRAIGHT {
        let answer = host.get(&preview, target).await;
        assert_eq!((answer.status, answer.text()), (404, "nothing here"), "{target}");
    }
}

#[tokio::test]
async fn only_the_exact_host_name_is_answered() {
    let host = Host::start().await;
    let preview = site(&host).await;
    let label = &preview.row.label;
    let port = host.address.port();
    for name in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("[::1]:{port}"),
        "0.0.0.0".into(),
        "evil.example".into(),
        // Names that somebody else points to this machine.
        format!("{label}.evil.example:{port}"),
        format!("{label}.localhost.evil.example"),
        format!("{label}.127.0.0.1.nip.io:{port}"),
        format!("{label}.localtest.me:{port}"),
        format!("www.{label}.localhost"),
        format!("{label}.localhost."),
        format!("{label}:{port}"),
        format!("{label}.localhost:{port}:80"),
        "localhost".into(),
        ".localhost".into(),
        "*.localhost".into(),
        format!("evil.example#{label}.localhost"),
        format!("{}.localhost", &label[1..]),
    ] {
        let answer = host.send("GET", "/", &name, &[]).await;
        assert!(matches!(answer.status, 400 | 421), "{name}: {}", answer.status);
        assert!(!answer.text().contains("first"), "{name}");
    }
    let unknown = format!("{}.localhost:{port}", "a".repeat(32));
    assert_eq!(host.send("GET", "/", &unknown, &[]).await.status, 404);
}

#[tokio::test]
async fn a_request_names_one_host() {
    let host = Host::start().await;
    let preview = site(&host).await;
    let name = host.name(&preview);
    let end = "connection: close\r\n\r\n";
    for (head, status) in [
        (format!("GET / HTTP/1.1\r\n{end}"), 400),
        (format!("GET / HTTP/1.0\r\n{end}"), 400),
        (format!("GET / HTTP/1.1\r\nhost:\r\n{end}"), 421),
        (format!("GET / HTTP/1.1\r\nhost: {name}\r\nhost: evil.example\r\n{end}"), 400),
        (format!("GET / HTTP/1.1\r\nhost: {name}\r\nhost: {name}\r\n{end}"), 400),
        (format!("GET http://evil.example/ HTTP/1.1\r\nhost: {name}\r\n{end}"), 421),
        (format!("GET http://{name}/ HTTP/1.1\r\nhost: evil.example\r\n{end}"), 421),
        (format!("GET http://{name}/ HTTP/1.1\r\nhost: {name}\r\n{end}"), 200),
        (format!("GET / HTTP/1.1\r\nhost: {name}\r\nx-forwarded-host: evil.example\r\n{end}"), 200),
        (format!("GET / HTTP/1.1\r\nhost: evil.example\r\nx-forwarded-host: {name}\r\n{end}"), 421),
        (format!("GET / HTTP/1.0\r\nhost: {name}\r\n{end}"), 200),
    ] {
        let answer = host.raw(&head).await;
        assert_eq!(answer.status, status, "{head}");
    }
}

#[tokio::test]
async fn a_preview_can_only_be_read() {
    let host = Host::start().await;
    let preview = site(&host).await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "BREW"] {
        let answer = host.send(method, "/", &host.name(&preview), &[]).await;
        assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD, OPTIONS"), "{method}");
    }
    let cors = [("origin", "https://evil.example"), ("access-control-request-method", "GET")];
    let options = host.send("OPTIONS", "/", &host.name(&preview), &cors).await;
    assert_eq!((options.status, options.header("allow")), (204, "GET, HEAD, OPTIONS"));
    for answer in [options, host.get_with(&preview, "/", &cors).await] {
        let names = answer.headers.iter().map(|(name, _)| name);
        assert!(names.clone().all(|name| !name.starts_with("access-control")), "no other origin reads it");
    }
}

#[tokio::test]
async fn types_are_said_and_never_guessed() {
    let host = Host::start().await;
    let preview = site(&host).await;
    for (target, media_type) in [
        ("/upload", "application/octet-stream"),
        ("/image.png.html", "text/html; charset=utf-8"),
        ("/image.png", "text/html; charset=utf-8"),
        ("/x.svg", "image/svg+xml; charset=utf-8"),
    ] {
        let answer = host.get(&preview, target).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, media_type), "{target}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.all("content-security-policy").len(), 1);
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
    }
}

#[tokio::test]
async fn every_answer_carries_what_keeps_a_preview_in_its_place() {
    let host = Host::start().await;
    let preview = site(&host).await;
    let name = host.name(&preview);
    for (method, target, host_name) in [
        ("GET", "/", name.as_str()),
        ("GET", "/missing", &name),
        ("GET", "/deep/er", &name),
        ("GET", "/..", &name),
        ("POST", "/", &name),
        ("OPTIONS", "/", &name),
        ("GET", "/", "evil.example"),
    ] {
        let answer = host.send(method, target, host_name, &[]).await;
        for header in [
            "x-content-type-options",
            "referrer-policy",
            "permissions-policy",
            "cross-origin-opener-policy",
            "x-robots-tag",
        ] {
            assert_ne!(answer.header(header), "", "{method} {target} {header}");
        }
        let policies = answer.all("content-security-policy");
        assert!(
            policies.iter().any(|policy| policy.starts_with("frame-ancestors 'self' http")),
            "{policies:?}"
        );
        assert_eq!(answer.header("set-cookie"), "", "{method} {target}");
        assert_eq!(answer.header("server"), "");
    }
}

#[tokio::test]
async fn nothing_of_a_request_is_repeated_in_a_page() {
    let host = Host::start().await;
    let preview = host.publish(&[("index.html", b"x"), ("other.html", b"y")]).await;
    for target in ["/%3Cscript%3Ealert(1)%3C/script%3E", "/x?%3Cscript%3E", "/\u{202e}"] {
        let answer = host
            .raw(format!(
                "GET {target} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
                host.name(&preview)
            ))
            .await;
        assert!(matches!(answer.status, 400 | 404), "{target}");
        assert!(!answer.text().contains("alert") && !answer.text().contains("<script"), "{target}");
    }
}

#[tokio::test]
async fn a_preview_that_ended_is_as_if_it_had_never_been() {
    let host = Host::start().await;
    let preview = site(&host).await;
    let at = preview.row.created_at.plus_ms(1_000);
    let change = PreviewChange { expires_at: Some(Some(at)), ..PreviewChange::default() };
    host.store.change_preview(preview.row.deployment, change).await.unwrap();
    assert_eq!(host.get(&preview, "/").await.status, 200);
    host.clock.pass(1_000);
    let ended = host.get(&preview, "/").await;
    let unknown = host.send("GET", "/", &format!("{}.localhost", "b".repeat(32)), &[]).await;
    assert_eq!((ended.status, ended.text()), (404, unknown.text()));
}

#[tokio::test]
async fn a_preview_is_asked_so_many_times_a_second() {
    let host = Host::start().await;
    let (busy, other) = (site(&host).await, site(&host).await);
    for _ in 0..MAX_PER_SECOND {
        assert!(host.previews.inner.pace.take(&busy.row.label, busy.row.created_at));
    }
    let refused = host.get(&busy, "/").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
    assert_eq!(host.get(&other, "/").await.status, 200);
    host.clock.pass(1_000);
    assert_eq!(host.get(&busy, "/").await.status, 200);
}

#[tokio::test]
async fn what_was_put_into_the_folder_afterwards_is_not_there() {
    let host = Host::start().await;
    let folder = Folder::new(&[("index.html", b"first")]);
    let scanned = folder.scan();
    let never = tokio_util::sync::CancellationToken::new();
    let preview = host.previews.publish_site(host.owner(), &scanned, &never).await.unwrap();
    folder.write("later.txt", b"later");
    std::os::unix::fs::symlink("/etc", folder.dir.path().join("etc")).unwrap();
    folder.write("index.html", b"changed");
    assert_eq!(host.get(&preview, "/").await.text(), "first");
    for target in ["/later.txt", "/etc/passwd", "/etc/hostname"] {
        assert_eq!(host.get(&preview, target).await.status, 404, "{target}");
    }
}
