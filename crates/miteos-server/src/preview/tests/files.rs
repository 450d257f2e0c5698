//! What a preview shows, and how: types, caches, parts, packed files, folders and pages.

use std::io::Read;

use flate2::read::GzDecoder;
use sha2::Digest;

use super::{FRAMER, Host};

#[tokio::test]
async fn a_site_is_shown_at_an_address_of_its_own() {
    let host = Host::start().await;
    let preview = host
        .publish(&[
            ("index.html", b"<h1>hi</h1>"),
            ("js/app.js", b"1"),
            ("na\u{ef}ve name.txt", "\u{e4}".as_bytes()),
        ])
        .await;
    assert_eq!(preview.url, format!("http://{}/", host.name(&preview)));
    let page = host.get(&preview, "/").await;
    assert_eq!((page.status, page.text()), (200, "<h1>hi</h1>"));
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("content-length"), "11");
    assert_eq!(page.header("cache-control"), "public, no-cache");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("origin-agent-cluster", "?1"),
        ("x-robots-tag", "noindex, nofollow"),
    ] {
        assert_eq!(page.header(name), value);
    }
    assert_eq!(page.header("content-security-policy"), format!("frame-ancestors 'self' {FRAMER}"));
    assert!(page.header("permissions-policy").contains("camera=()"));
    assert_eq!(page.header("set-cookie"), "");
    assert_eq!(
        host.get(&preview, "/js/app.js").await.header("content-type"),
        "text/javascript; charset=utf-8"
    );
    assert_eq!(host.get(&preview, "/na%C3%AFve%20name.txt").await.text(), "\u{e4}");
    assert_eq!(host.get(&preview, "/missing.js").await.status, 404);
}

#[tokio::test]
async fn folders_clean_addresses_and_pages_for_what_is_missing() {
    let host = Host::start().await;
    let files: [(&str, &[u8]); 5] = [
        ("index.html", b"first"),
        ("about.html", b"about"),
        ("docs/index.html", b"docs"),
        ("a b/index.html", b"spaced"),
        ("404.html", b"our own"),
    ];
    let preview = host.publish(&files).await;
    assert_eq!(host.get(&preview, "/about").await.text(), "about");
    assert_eq!(host.get(&preview, "/docs/").await.text(), "docs");
    for (target, location) in
        [("/docs", "/docs/"), ("/docs?x=1&y=//evil", "/docs/?x=1&y=//evil"), ("/a%20b", "/a%20b/")]
    {
        let sent_on = host.get(&preview, target).await;
        assert_eq!((sent_on.status, sent_on.header("location")), (308, location));
    }
    let missing = host.get_with(&preview, "/nothing", &[("accept", "text/html")]).await;
    assert_eq!((missing.status, missing.text()), (404, "our own"));
    assert_eq!(missing.header("content-type"), "text/html; charset=utf-8");
    // What is missing is missing, whatever the browser has or wants of the page that says so.
    let tag = missing.header("etag").to_owned();
    let again = host.get_with(&preview, "/nothing", &[("if-none-match", &tag), ("range", "bytes=0-1")]).await;
    assert_eq!((again.status, again.text()), (404, "our own"));
}

#[tokio::test]
async fn a_site_of_one_page_finds_its_way_by_itself() {
    let host = Host::start().await;
    let preview = host.publish(&[("index.html", b"app"), ("app.js", b"1")]).await;
    assert!(preview.row.single_page);
    let page = [("accept", "text/html,application/xhtml+xml")];
    let shown = host.get_with(&preview, "/deep/er", &page).await;
    assert_eq!((shown.status, shown.text()), (200, "app"));
    for (target, headers) in [
        ("/missing.js", &page[..]),
        ("/missing.css", &page[..]),
        ("/api/data", &[("accept", "application/json")][..]),
    ] {
        let missing = host.get_with(&preview, target, headers).await;
        assert_eq!(missing.status, 404, "{target}");
        assert!(!missing.text().contains("app"));
    }
    let two = host.publish(&[("index.html", b"app"), ("other.html", b"1")]).await;
    assert_eq!(host.get_with(&two, "/deep/er", &page).await.status, 404);
}

#[tokio::test]
async fn parts_tags_and_caches() {
    let host = Host::start().await;
    let preview = host
        .publish(&[("index.html", b"x"), ("film-4f3a9c1b.mp4", b"0123456789"), ("plain.bin", b"0123456789")])
        .await;
    let film = "/film-4f3a9c1b.mp4";
    let whole = host.get(&preview, film).await;
    assert_eq!(whole.header("cache-control"), "private, max-age=31536000, immutable");
    assert_eq!(whole.header("accept-ranges"), "bytes");
    assert_eq!(host.get(&preview, "/plain.bin").await.header("cache-control"), "public, no-cache");
    let tag = whole.header("etag").to_owned();
    let part = host.get_with(&preview, film, &[("range", "bytes=2-4")]).await;
    assert_eq!((part.status, part.text(), part.header("content-range")), (206, "234", "bytes 2-4/10"));
    assert_eq!(part.header("content-length"), "3");
    let fitting = host.get_with(&preview, film, &[("range", "bytes=-2"), ("if-range", &tag)]).await;
    assert_eq!((fitting.status, fitting.text()), (206, "89"));
    let other = host.get_with(&preview, film, &[("range", "bytes=2-4"), ("if-range", "\"other\"")]).await;
    assert_eq!((other.status, other.body.len()), (200, 10));
    let beyond = host.get_with(&preview, film, &[("range", "bytes=10-")]).await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */10"));
    let same = host.get_with(&preview, film, &[("if-none-match", &tag)]).await;
    assert_eq!((same.status, same.body.len(), same.header("etag")), (304, 0, tag.as_str()));
    assert_eq!(same.header("x-content-type-options"), "nosniff");
    let head = host.send("HEAD", film, &host.name(&preview), &[]).await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "10", 0));
}

#[tokio::test]
async fn texts_are_packed_for_who_takes_them() {
    let host = Host::start().await;
    let text = "all work and no play ".repeat(500);
    let noise: Vec<u8> = (0_u32..160).flat_map(|n| sha2::Sha256::digest(n.to_le_bytes())).collect();
    let preview = host
        .publish(&[
            ("index.html", text.as_bytes()),
            ("small.js", b"1"),
            ("photo.png", &noise),
            ("noise.txt", &noise),
        ])
        .await;
    let gzip = [("accept-encoding", "gzip, br")];
    let packed = host.get_with(&preview, "/", &gzip).await;
    assert_eq!((packed.header("content-encoding"), packed.header("vary")), ("gzip", "accept-encoding"));
    assert!(packed.body.len() < text.len() / 10);
    assert_eq!(packed.header("content-length"), packed.body.len().to_string());
    let mut unpacked = String::new();
    GzDecoder::new(&packed.body[..]).read_to_string(&mut unpacked).unwrap();
    assert_eq!(unpacked, text);
    let plain = host.get(&preview, "/").await;
    assert_eq!(
        (plain.header("content-encoding"), plain.header("vary"), plain.text()),
        ("", "accept-encoding", text.as_str())
    );
    assert_ne!(plain.header("etag"), packed.header("etag"), "they are not the same bytes");
    let tag = packed.header("etag").to_owned();
    let same = host.get_with(&preview, "/", &[gzip[0], ("if-none-match", &tag)]).await;
    assert_eq!(same.status, 304);
    for target in ["/small.js", "/photo.png", "/noise.txt"] {
        for _ in 0..2 {
            assert_eq!(
                host.get_with(&preview, target, &gzip).await.header("content-encoding"),
                "",
                "{target}"
            );
        }
    }
    let part = host.get_with(&preview, "/", &[gzip[0], ("range", "bytes=0-2")]).await;
    assert_eq!((part.status, part.text()), (206, "all"), "a part is one of the file as it is");
}

#[tokio::test]
async fn a_test_deployment_shows_that_it_is_one() {
    let host = Host::start().await;
    let row = host.previews.publish_stub(host.owner()).await.unwrap();
    let name = format!("{}.localhost", row.label);
    let page = host.send("GET", "/", &name, &[]).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("test deployment"));
    assert_eq!(
        page.all("content-security-policy")[0].split(';').next(),
        Some("default-src 'none'"),
        "it loads and runs nothing"
    );
    assert_eq!(host.send("GET", "/x", &name, &[]).await.status, 404);
}
