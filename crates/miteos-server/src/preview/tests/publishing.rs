//! Publishing: once, again, in the middle of changes, and what a deletion leaves.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::future::join_all;
use miteos_store::PreviewChange;
use tokio_util::sync::CancellationToken;

use super::{Folder, Host, blobs};
use crate::preview::{SiteError, mint_label};

fn never() -> CancellationToken {
    CancellationToken::new()
}

#[tokio::test]
async fn the_same_content_is_stored_once_and_published_again_for_nothing() {
    let host = Host::start().await;
    let files: [(&str, &[u8]); 4] =
        [("index.html", b"one"), ("a.txt", b"same"), ("b.txt", b"same"), ("empty", b"")];
    let first = host.publish(&files).await;
    assert_eq!((first.files, first.bytes, first.new_files, first.new_bytes), (4, 11, 3, 7));
    let before = blobs(&host._folder.path().join("blobs"));
    assert_eq!(before, 4, "three contents and the manifest");
    let second = host.publish(&files).await;
    assert_eq!((second.files, second.new_files, second.new_bytes), (4, 0, 0));
    assert_eq!(second.manifest_sha256, first.manifest_sha256, "the same site is the same manifest");
    assert_eq!(blobs(&host._folder.path().join("blobs")), before);
    assert_ne!(second.row.label, first.row.label, "and an origin of its own");
    let third = host.publish(&[("index.html", b"two"), ("a.txt", b"same")]).await;
    assert_eq!(third.new_bytes, 3);
    assert_eq!(host.get(&first, "/").await.text(), "one", "what is published does not change");
}

#[tokio::test]
async fn a_deployment_keeps_its_address_however_often_it_is_published() {
    let host = Host::start().await;
    let owner = host.owner();
    let site = Folder::new(&[("index.html", b"one")]);
    let first = host.previews.publish_site(owner, &site.scan(), &never()).await.unwrap();
    let change = PreviewChange { single_page: Some(false), ..PreviewChange::default() };
    host.store.change_preview(owner.deployment, change).await.unwrap().unwrap();
    site.write("index.html", b"two");
    let again = host.previews.publish_site(owner, &site.scan(), &never()).await.unwrap();
    assert_eq!((&again.url, again.row.single_page), (&first.url, false), "and what was decided about it");
    assert_eq!(host.get(&again, "/").await.text(), "two");
}

#[tokio::test]
async fn a_file_that_changes_meanwhile_is_not_published() {
    let host = Host::start().await;
    let owner = host.owner();
    // Each round has contents of its own: what is stored already need not be read again.
    let rounds =
        [("index.html", vec![b'X'; 3]), ("big.bin", vec![b'X'; 7]), ("big.bin", vec![b'X'; 200_000])];
    for (n, (path, changed)) in (0_u8..).zip(rounds) {
        let site = Folder::new(&[("index.html", &[n; 3]), ("big.bin", &[n; 100_000])]);
        let scanned = site.scan();
        site.write(path, &changed);
        let refused = host.previews.publish_site(owner, &scanned, &never()).await.unwrap_err();
        assert!(matches!(&refused, SiteError::Changed { path: named } if named == path), "{refused}");
    }
    let site = Folder::new(&[("index.html", b"one"), ("a.txt", b"a")]);
    let scanned = site.scan();
    std::fs::remove_file(site.dir.path().join("a.txt")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", site.dir.path().join("a.txt")).unwrap();
    let refused = host.previews.publish_site(owner, &scanned, &never()).await.unwrap_err();
    assert!(matches!(&refused, SiteError::Unreadable { path, .. } if path == "a.txt"), "{refused}");
    assert_eq!(host.store.preview(owner.deployment).await.unwrap(), None, "nothing is shown");
    let passwd = std::fs::read("/etc/passwd").unwrap();
    let known = miteos_core::content::Sha256::of(&passwd);
    assert_eq!(host.store.blobs().size(&known).await.unwrap(), None);
}

#[tokio::test]
async fn a_cancelled_publication_shows_nothing() {
    let host = Host::start().await;
    let owner = host.owner();
    let site = Folder::new(&[("index.html", b"one")]);
    let cancel = never();
    cancel.cancel();
    let refused = host.previews.publish_site(owner, &site.scan(), &cancel).await.unwrap_err();
    assert!(matches!(refused, SiteError::Canceled));
    assert_eq!(host.store.preview(owner.deployment).await.unwrap(), None);
    host.previews.publish_site(owner, &site.scan(), &never()).await.unwrap();
}

#[tokio::test]
async fn names_that_are_never_shown_are_never_published() {
    let host = Host::start().await;
    let folder = Folder::new(&[("index.html", b"one")]);
    for path in
        [".env", "a/.git/config", ".well-known/.x", "../x", "/etc/passwd", "a//b", "a\\b", "a\0b", "a/./b"]
    {
        let site = folder.scan().with_made([(path.to_owned(), Bytes::from_static(b"x"))]);
        let refused = host.previews.publish_site(host.owner(), &site, &never()).await.unwrap_err();
        assert!(matches!(refused, SiteError::BadPath { .. } | SiteError::Hidden { .. }), "{path}: {refused}");
    }
    let site = folder.scan().with_made([(".well-known/x.json".to_owned(), Bytes::from_static(b"{}"))]);
    let preview = host.previews.publish_site(host.owner(), &site, &never()).await.unwrap();
    assert_eq!(host.get(&preview, "/.well-known/x.json").await.text(), "{}");
}

#[tokio::test]
async fn a_deleted_preview_is_gone_for_good() {
    let host = Host::start().await;
    let owner = host.owner();
    let site = Folder::new(&[("index.html", b"one")]);
    let preview = host.previews.publish_site(owner, &site.scan(), &never()).await.unwrap();
    let twin = host.publish(&[("index.html", b"one")]).await;
    assert!(host.store.delete_preview(owner.deployment, preview.row.created_at).await.unwrap());
    assert!(!host.store.delete_preview(owner.deployment, preview.row.created_at).await.unwrap());
    assert_eq!(host.get(&preview, "/").await.status, 404);
    assert_eq!(host.get(&twin, "/").await.status, 200, "the same content elsewhere stays");
    assert_eq!(host.store.change_preview(owner.deployment, PreviewChange::default()).await.unwrap(), None);
    let refused = host.previews.publish_site(owner, &site.scan(), &never()).await.unwrap_err();
    assert!(matches!(refused, SiteError::Deleted), "{refused}");
    assert_eq!(host.get(&preview, "/").await.status, 404);
}

#[tokio::test]
async fn many_at_once_are_published_and_shown() {
    let host = Host::start().await;
    let files: BTreeMap<String, Vec<u8>> =
        (0..50_u8).map(|n| (format!("f{n}.txt"), vec![n; usize::from(n) * 100])).collect();
    let mut listed: Vec<(&str, &[u8])> =
        files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    listed.push(("index.html", b"x"));
    let previews = join_all((0..4).map(|_| host.publish(&listed))).await;
    for preview in &previews {
        assert_eq!(host.get(preview, "/f7.txt").await.body, vec![7; 700]);
    }
    assert_eq!(blobs(&host._folder.path().join("blobs")), 52);
}

#[test]
fn labels_are_as_long_as_a_host_name_allows_and_random() {
    let labels: std::collections::BTreeSet<String> = (0..100).map(|_| mint_label()).collect();
    assert_eq!(labels.len(), 100);
    assert!(labels.iter().all(|label| label.len() <= 63));
}
