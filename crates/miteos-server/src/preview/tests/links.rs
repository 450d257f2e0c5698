//! Previews that need a link: what opens them, and until when.

use miteos_core::ids::ShareId;
use miteos_store::{PreviewChange, PreviewLinkRow, Visibility};

use super::{Host, Shown};
use crate::clock::Clock;
use crate::preview::links::{Pass, Use, sign};
use crate::preview::{DEFAULT_LINK_LIVES_MS, Hosts};

const HOUR_MS: u64 = 3_600_000;

async fn closed(host: &Host) -> Shown {
    let mut preview = host.publish(&[("index.html", b"secret plans"), ("docs/index.html", b"more")]).await;
    let change = PreviewChange { visibility: Some(Visibility::Link), ..PreviewChange::default() };
    preview.row = host.store.change_preview(preview.row.deployment, change).await.unwrap().unwrap();
    preview
}

/// The token of a fresh link, and the link.
async fn linked(host: &Host, preview: &Shown) -> (String, ShareId) {
    let (row, now) = (&preview.row, host.clock.now());
    let id = ShareId(host.owner().deployment.0);
    let link = host.previews.link(row, id, now.plus_ms(DEFAULT_LINK_LIVES_MS));
    let (deployment, account, live, expires_at) = (row.deployment, row.account, row.live, link.expires_at);
    let made = PreviewLinkRow { id, deployment, account, live, created_at: now, expires_at };
    host.store.insert_preview_link(made, row.link_version, None).await.unwrap();
    (link.url.strip_prefix(&format!("{}?t=", preview.url)).unwrap().to_owned(), id)
}

async fn token(host: &Host, preview: &Shown) -> String {
    linked(host, preview).await.0
}

/// Follows a link and gives the cookie, as a browser sends it.
async fn cookie(host: &Host, preview: &Shown) -> String {
    let sent_on = host.get(preview, &format!("/?t={}", token(host, preview).await)).await;
    assert_eq!((sent_on.status, sent_on.header("location")), (303, "/"));
    sent_on.header("set-cookie").split(';').next().unwrap().to_owned()
}

async fn refused(host: &Host, preview: &Shown, target: &str, headers: &[(&str, &str)], word: &str) {
    let answer = host.get_with(preview, target, headers).await;
    assert_eq!(answer.status, 403, "{target} {headers:?}");
    assert!(answer.text().contains(word) && !answer.text().contains("plans"), "{}", answer.text());
    assert_eq!((answer.header("set-cookie"), answer.header("cache-control")), ("", "no-store"));
}

#[tokio::test]
async fn a_link_is_exchanged_for_a_cookie_of_this_host_alone() {
    let host = Host::start().await;
    let preview = closed(&host).await;
    refused(&host, &preview, "/", &[], "needs a link").await;
    refused(&host, &preview, "/docs", &[], "needs a link").await;
    let token = token(&host, &preview).await;
    let sent_on = host.get(&preview, &format!("/docs/?x=1&t={token}&y=2")).await;
    assert_eq!((sent_on.status, sent_on.header("location")), (303, "/docs/?x=1&y=2"));
    let set = sent_on.header("set-cookie");
    assert!(
        set.starts_with("miteos-preview=")
            && set.ends_with("; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax"),
        "{set}"
    );
    assert!(!set.contains(&token) && !set.to_ascii_lowercase().contains("domain"), "{set}");
    assert_eq!(
        (sent_on.header("cache-control"), sent_on.header("referrer-policy")),
        ("no-store", "no-referrer")
    );
    let cookie = set.split(';').next().unwrap();
    let shown = host.get_with(&preview, "/docs/", &[("cookie", &format!("a=b; {cookie}; c=d"))]).await;
    assert_eq!(
        (shown.status, shown.text(), shown.header("cache-control")),
        (200, "more", "private, no-cache")
    );
    // The token of the link is no cookie, and that of the cookie no link.
    refused(&host, &preview, "/", &[("cookie", &format!("miteos-preview={token}"))], "needs a link").await;
    let other = cookie.split_once('=').unwrap().1;
    refused(&host, &preview, &format!("/?t={other}"), &[], "needs a link").await;
}

#[tokio::test]
async fn with_tls_the_cookie_is_secure_and_the_host_s_own() {
    let host = Host::under(Hosts::parse("https://*.preview.example").ok()).await;
    let preview = closed(&host).await;
    let name = format!("{}.preview.example", preview.row.label);
    let target = format!("/?t={}", token(&host, &preview).await);
    let sent_on = host.send("GET", &target, &name, &[]).await;
    let set = sent_on.header("set-cookie");
    assert!(set.starts_with("__Host-miteos-preview=") && set.ends_with("SameSite=Lax; Secure"), "{set}");
    let cookie = set.split(';').next().unwrap();
    assert_eq!(host.send("GET", "/", &name, &[("cookie", cookie)]).await.status, 200);
    let plain = cookie.replace("__Host-", "");
    assert_eq!(host.send("GET", "/", &name, &[("cookie", &plain)]).await.status, 403);
}

#[tokio::test]
async fn links_end_are_revoked_and_cannot_be_altered() {
    let host = Host::start().await;
    let mut preview = closed(&host).await;
    let (token, cookie) = (token(&host, &preview).await, cookie(&host, &preview).await);
    let parts: Vec<&str> = token.split('.').collect();
    let later = (parts[0].parse::<u64>().unwrap() + 1).to_string();
    let last = if token.ends_with('0') { "1" } else { "0" };
    for altered in [
        format!("{later}.{}.{}.{}", parts[1], parts[2], parts[3]),
        format!("{}.2.{}.{}", parts[0], parts[2], parts[3]),
        format!("{}.{}.{}.{}", parts[0], parts[1], ShareId(host.owner().deployment.0), parts[3]),
        // As it would be without its link, which could not be taken back then.
        format!("{}.{}.{}", parts[0], parts[1], parts[3]),
        format!("{}.{}.{}.{}.{}", parts[0], parts[1], parts[2], parts[2], parts[3]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{}{last}", &token[..token.len() - 1]),
        format!("{token}0"),
        "x".repeat(10_000),
        String::new(),
        "..".into(),
        "%00".into(),
    ] {
        refused(&host, &preview, &format!("/?t={altered}"), &[], "needs a link").await;
        refused(&host, &preview, "/", &[("cookie", &format!("miteos-preview={altered}"))], "needs a link")
            .await;
    }
    host.clock.pass(DEFAULT_LINK_LIVES_MS - 1);
    assert_eq!(host.get(&preview, &format!("/?t={token}")).await.status, 303);
    host.clock.pass(1);
    refused(&host, &preview, &format!("/?t={token}"), &[], "does not work any more").await;
    refused(&host, &preview, "/", &[("cookie", &cookie)], "needs a link").await;

    let (token, cookie) = (self::token(&host, &preview).await, self::cookie(&host, &preview).await);
    let change = PreviewChange { revoke_links: true, ..PreviewChange::default() };
    preview.row = host.store.change_preview(preview.row.deployment, change).await.unwrap().unwrap();
    refused(&host, &preview, &format!("/?t={token}"), &[], "does not work any more").await;
    refused(&host, &preview, "/", &[("cookie", &cookie)], "needs a link").await;
    let cookie = self::cookie(&host, &preview).await;
    assert_eq!(host.get_with(&preview, "/", &[("cookie", &cookie)]).await.status, 200);
}

#[tokio::test]
async fn what_opens_one_preview_opens_no_other() {
    let host = Host::start().await;
    let (one, other) = (closed(&host).await, closed(&host).await);
    let (token, cookie) = (token(&host, &one).await, cookie(&host, &one).await);
    refused(&host, &other, &format!("/?t={token}"), &[], "needs a link").await;
    refused(&host, &other, "/", &[("cookie", &cookie)], "needs a link").await;
}

#[tokio::test]
async fn a_public_preview_keeps_its_own_words_and_hides_tokens() {
    let host = Host::start().await;
    let preview = host.publish(&[("index.html", b"x")]).await;
    assert_eq!(host.get(&preview, "/?t=5").await.status, 200, "a word of the site's own");
    let sent_on = host.get(&preview, &format!("/?t={}", token(&host, &preview).await)).await;
    assert_eq!((sent_on.status, sent_on.header("location")), (303, "/"));
}

#[tokio::test]
async fn a_link_lives_no_longer_than_its_preview() {
    let host = Host::start().await;
    let mut preview = closed(&host).await;
    let end = preview.row.created_at.plus_ms(HOUR_MS);
    let change = PreviewChange { expires_at: Some(Some(end)), ..PreviewChange::default() };
    preview.row = host.store.change_preview(preview.row.deployment, change).await.unwrap().unwrap();
    let id = ShareId(host.owner().deployment.0);
    assert_eq!(host.previews.link(&preview.row, id, end.plus_ms(1)).expires_at, end);
    let cookie = cookie(&host, &preview).await;
    host.clock.pass(HOUR_MS);
    let gone = host.get_with(&preview, "/", &[("cookie", &cookie)]).await;
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn a_link_is_taken_back_alone() {
    let host = Host::start().await;
    let preview = closed(&host).await;
    let ((lost, id), kept) = (linked(&host, &preview).await, token(&host, &preview).await);
    let follow = async |token: &str| host.get(&preview, &format!("/?t={token}")).await;
    let sent_on = follow(&lost).await;
    let cookie = sent_on.header("set-cookie").split(';').next().unwrap().to_owned();
    assert_eq!(host.get_with(&preview, "/", &[("cookie", &cookie)]).await.status, 200);
    assert!(host.store.delete_preview_link(preview.row.deployment, id).await.unwrap());
    refused(&host, &preview, &format!("/?t={lost}"), &[], "does not work any more").await;
    refused(&host, &preview, "/", &[("cookie", &cookie)], "needs a link").await;
    assert_eq!(follow(&kept).await.status, 303);
}

#[tokio::test]
async fn a_link_from_before_there_were_lists_works_to_its_end() {
    let host = Host::start().await;
    let mut preview = closed(&host).await;
    let pass = Pass { end: host.clock.now().plus_ms(HOUR_MS), link: None };
    let old = sign(&host.previews.inner.master, Use::Link, &preview.row, pass);
    assert_eq!(old.split('.').count(), 3);
    let sent_on = host.get(&preview, &format!("/?t={old}")).await;
    let cookie = sent_on.header("set-cookie").split(';').next().unwrap().to_owned();
    assert_eq!(host.get_with(&preview, "/", &[("cookie", &cookie)]).await.status, 200);
    let change = PreviewChange { revoke_links: true, ..PreviewChange::default() };
    preview.row = host.store.change_preview(preview.row.deployment, change).await.unwrap().unwrap();
    refused(&host, &preview, &format!("/?t={old}"), &[], "does not work any more").await;
}
