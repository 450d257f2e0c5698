//! Previews and public links: what is kept when they are published again, and when they end.

use miteos_core::content::Sha256;
use miteos_store::{
    DeliverableRow, IdempotencyRow, MAX_PREVIEW_LINKS, PreviewChange, PreviewLinkRow, PreviewRow,
    PreviewSite, Scope, ShareRow, StoreError, Visibility,
};

use crate::harness::*;

fn preview(n: u64) -> PreviewRow {
    PreviewRow {
        deployment: deployment_id(n),
        label: format!("label{n}"),
        account: account_id(1),
        live: true,
        site: Some(PreviewSite { manifest: Sha256::of(&[1]), files: 3, bytes: 5_000_000_000 }),
        visibility: Visibility::Public,
        single_page: true,
        link_version: 1,
        created_at: at(n),
        expires_at: None,
        deleted_at: None,
    }
}

pub async fn a_preview_keeps_its_label_and_what_was_decided(backend: &impl Backend) {
    let store = backend.open().await;
    assert_eq!(store.preview(deployment_id(1)).await.unwrap(), None);
    assert_eq!(store.change_preview(deployment_id(1), PreviewChange::default()).await.unwrap(), None);
    let stub = PreviewRow { site: None, ..preview(2) };
    assert_eq!(store.publish_preview(preview(1)).await.unwrap(), preview(1));
    assert_eq!(store.publish_preview(stub.clone()).await.unwrap(), stub);
    let change = PreviewChange {
        visibility: Some(Visibility::Link),
        single_page: Some(false),
        expires_at: Some(Some(at(50))),
        revoke_links: true,
    };
    let changed = PreviewRow {
        visibility: Visibility::Link,
        single_page: false,
        link_version: 2,
        expires_at: Some(at(50)),
        ..preview(1)
    };
    assert_eq!(store.change_preview(deployment_id(1), change).await.unwrap(), Some(changed.clone()));
    assert!(changed.is_there(at(49)) && !changed.is_there(at(50)));
    let site = PreviewSite { manifest: Sha256::of(&[2]), files: 1, bytes: 1 };
    let again = PreviewRow { label: "other".into(), site: Some(site.clone()), ..preview(1) };
    let kept = PreviewRow { site: Some(site), ..changed };
    assert_eq!(store.publish_preview(again).await.unwrap(), kept);
    drop(store);
    let store = backend.open().await;
    assert_eq!(store.preview_of_label("label1".into()).await.unwrap(), Some(kept.clone()));
    assert_eq!(store.preview_of_label("other".into()).await.unwrap(), None);
    assert_eq!(store.preview(deployment_id(1)).await.unwrap(), Some(kept.clone()));
    let for_ever = PreviewChange { expires_at: Some(None), ..PreviewChange::default() };
    let kept = PreviewRow { expires_at: None, ..kept };
    assert_eq!(store.change_preview(deployment_id(1), for_ever).await.unwrap(), Some(kept));
    let twin = PreviewRow { label: "label1".into(), ..preview(3) };
    assert!(store.publish_preview(twin).await.is_err(), "a label is one preview's");
}

pub async fn a_deleted_preview_stays_deleted(backend: &impl Backend) {
    let store = backend.open().await;
    assert!(!store.delete_preview(deployment_id(1), at(1)).await.unwrap());
    store.publish_preview(preview(1)).await.unwrap();
    assert!(store.delete_preview(deployment_id(1), at(5)).await.unwrap());
    assert!(!store.delete_preview(deployment_id(1), at(6)).await.unwrap());
    let deleted = PreviewRow { deleted_at: Some(at(5)), ..preview(1) };
    assert!(!deleted.is_there(at(1)));
    assert_eq!(store.preview_of_label("label1".into()).await.unwrap(), Some(deleted.clone()));
    assert_eq!(store.change_preview(deployment_id(1), PreviewChange::default()).await.unwrap(), None);
    let site = Some(PreviewSite { manifest: Sha256::of(&[2]), files: 1, bytes: 1 });
    assert_eq!(store.publish_preview(PreviewRow { site, ..preview(1) }).await.unwrap(), deleted);
}

fn file(n: u64) -> DeliverableRow {
    DeliverableRow {
        id: deliverable_id(n),
        task: task_id(1),
        agent: None,
        account: account_id(1),
        live: true,
        workspace: workspace_id(1),
        name: format!("report {n}.pdf"),
        media_type: "application/pdf".into(),
        size_bytes: 3,
        sha256: Sha256::of(&[1]),
        created_at: at(n),
    }
}

fn share(n: u64) -> ShareRow {
    ShareRow {
        id: share_id(n),
        account: account_id(1),
        live: true,
        task: task_id(1),
        deliverable: deliverable_id(1),
        created_at: at(n),
        expires_at: None,
    }
}

pub async fn shares_are_found_by_hash_until_they_end(backend: &impl Backend) {
    let store = backend.open().await;
    let first = create(&store, row(1)).await;
    let mut append = next(&first);
    append.deliverables = vec![file(1)];
    store.append(append).await.unwrap();
    let ends = ShareRow { expires_at: Some(at(10)), ..share(2) };
    let lost = ShareRow { deliverable: deliverable_id(9), ..share(3) };
    for (row, hash) in [(share(1), 1), (ends.clone(), 2), (lost, 3)] {
        store.insert_share(row, vec![hash; 32], None).await.unwrap();
    }
    let found = async |hash: u8, now: u64| store.shared(vec![hash; 32], at(now)).await.unwrap();
    assert_eq!(found(1, 1_000).await, Some(file(1)));
    assert_eq!((found(2, 9).await, found(2, 10).await), (Some(file(1)), None));
    assert_eq!((found(3, 1).await, found(4, 1).await), (None, None));
    assert_eq!(store.share(share_id(2)).await.unwrap(), Some(ends));
    assert!(
        store.delete_share(share_id(1)).await.unwrap() && !store.delete_share(share_id(1)).await.unwrap()
    );
    assert_eq!(found(1, 1).await, None);
    // Making one forgets those that have ended.
    store.insert_share(share(20), vec![20; 32], None).await.unwrap();
    assert_eq!(store.share(share_id(2)).await.unwrap(), None);
    let twin = store.insert_share(share(21), vec![20; 32], None).await.unwrap_err();
    assert!(matches!(twin, StoreError::Exists { what: "the share", .. }), "{twin}");
}

pub async fn all_doors_can_be_closed_at_once(backend: &impl Backend) {
    let store = backend.open().await;
    let first = create(&store, row(1)).await;
    let mut append = next(&first);
    append.deliverables = vec![file(1)];
    store.append(append).await.unwrap();
    store.insert_share(share(1), vec![1; 32], None).await.unwrap();
    store.publish_preview(preview(1)).await.unwrap();
    store.insert_preview_link(link(1, 1), 1, None).await.unwrap();
    store.close_doors().await.unwrap();
    assert!(!store.has_preview_link(share_id(1)).await.unwrap());
    assert_eq!(store.shared(vec![1; 32], at(1)).await.unwrap(), None);
    let closed = PreviewRow { link_version: 2, ..preview(1) };
    assert_eq!(store.preview(deployment_id(1)).await.unwrap(), Some(closed));
}

pub async fn shares_have_a_limit_and_an_answer(backend: &impl Backend) {
    let store = backend.open().await;
    let hash = |n: u64| Sha256::of(&n.to_le_bytes()).as_str().as_bytes().to_vec();
    let answer = IdempotencyRow {
        key: key_id(1),
        method: "POST".into(),
        path: "/share".into(),
        name: "a".into(),
        fingerprint: vec![7; 32],
        status: 201,
        body: b"{}".to_vec(),
        at: at(1),
    };
    store.insert_share(share(1), hash(1), Some(answer.clone())).await.unwrap();
    let repeated = store.insert_share(share(2), hash(2), Some(answer.clone())).await.unwrap_err();
    assert!(matches!(&repeated, StoreError::Repeated(first) if **first == answer), "{repeated}");
    assert_eq!(store.share(share_id(2)).await.unwrap(), None);
    let many = (2..=miteos_store::MAX_SHARES).map(|n| store.insert_share(share(n), hash(n), None));
    futures::future::try_join_all(many).await.unwrap();
    let refused = store.insert_share(share(20_000), hash(20_000), None).await.unwrap_err();
    assert!(matches!(refused, StoreError::TooLarge { limit: miteos_store::MAX_SHARES, .. }), "{refused}");
    let elsewhere = ShareRow { live: false, ..share(20_000) };
    store.insert_share(elsewhere, hash(20_000), None).await.unwrap();
}

fn scope(account: u64, live: bool) -> Scope {
    Scope { account: account_id(account), live }
}

fn link(n: u64, preview: u64) -> PreviewLinkRow {
    PreviewLinkRow {
        id: share_id(n),
        deployment: deployment_id(preview),
        account: account_id(1),
        live: true,
        created_at: at(1),
        expires_at: at(100 + n),
    }
}

pub async fn what_is_public_is_listed_by_account_and_world(backend: &impl Backend) {
    let store = backend.open().await;
    let first = create(&store, row(1)).await;
    let mut append = next(&first);
    append.deliverables = vec![file(1), file(2)];
    store.append(append).await.unwrap();
    let ends = ShareRow { expires_at: Some(at(10)), ..share(2) };
    let other = ShareRow { deliverable: deliverable_id(2), ..share(3) };
    let theirs = ShareRow { account: account_id(2), ..share(4) };
    let test = ShareRow { live: false, ..share(5) };
    for (n, row) in [share(1), ends, other, theirs, test].into_iter().enumerate() {
        store.insert_share(row, vec![u8::try_from(n).unwrap(); 32], None).await.unwrap();
    }
    let list = async |scope, of: Option<u64>, now, limit, offset| {
        let found = store.shares(scope, of.map(deliverable_id), at(now), limit, offset).await.unwrap();
        (found.0.iter().map(|one| one.share.id).collect::<Vec<_>>(), found.1)
    };
    let ids = |all: &[u64]| all.iter().copied().map(share_id).collect::<Vec<_>>();
    assert_eq!(list(scope(1, true), None, 9, 10, 0).await, (ids(&[3, 2, 1]), 3));
    assert_eq!(list(scope(1, true), None, 10, 10, 0).await, (ids(&[3, 1]), 2));
    assert_eq!(list(scope(1, true), None, 9, 1, 1).await, (ids(&[2]), 3));
    assert_eq!(list(scope(1, true), Some(1), 9, 10, 0).await, (ids(&[2, 1]), 2));
    assert_eq!(list(scope(2, true), None, 9, 10, 0).await, (ids(&[4]), 1));
    assert_eq!(list(scope(2, true), Some(2), 9, 10, 0).await, (ids(&[]), 0));
    assert_eq!(list(scope(1, false), None, 9, 10, 0).await, (ids(&[5]), 1));
    let found = store.shares(scope(1, true), Some(deliverable_id(2)), at(1), 10, 0).await.unwrap().0;
    assert_eq!((found[0].name.as_str(), found[0].size_bytes), ("report 2.pdf", 3));
    assert_eq!(store.delete_shares_of(deliverable_id(2)).await.unwrap(), 1);
    assert_eq!(store.delete_shares_of(deliverable_id(2)).await.unwrap(), 0);
    assert_eq!(list(scope(1, true), None, 9, 10, 0).await, (ids(&[2, 1]), 2));

    let ends = PreviewRow { expires_at: Some(at(10)), ..preview(2) };
    let theirs = PreviewRow { account: account_id(2), ..preview(3) };
    let test = PreviewRow { live: false, site: None, ..preview(4) };
    for row in [preview(1), ends, theirs, test, preview(5)] {
        store.publish_preview(row).await.unwrap();
    }
    store.delete_preview(deployment_id(5), at(6)).await.unwrap();
    store.insert_preview_link(link(1, 1), 1, None).await.unwrap();
    let list = async |scope, now, limit, offset| {
        let found = store.previews(scope, at(now), limit, offset).await.unwrap();
        (found.0.iter().map(|one| (one.row.deployment, one.links)).collect::<Vec<_>>(), found.1)
    };
    let (one, two) = ((deployment_id(1), 1), (deployment_id(2), 0));
    assert_eq!(list(scope(1, true), 9, 10, 0).await, (vec![two, one], 2));
    assert_eq!(list(scope(1, true), 10, 10, 0).await, (vec![one], 1));
    assert_eq!(list(scope(1, true), 9, 1, 1).await, (vec![one], 2));
    assert_eq!(list(scope(2, true), 9, 10, 0).await, (vec![(deployment_id(3), 0)], 1));
    assert_eq!(list(scope(1, false), 9, 10, 0).await, (vec![(deployment_id(4), 0)], 1));
    let asked = vec![deployment_id(9), deployment_id(5), deployment_id(1)];
    let found = store.previews_of(asked).await.unwrap();
    assert_eq!(
        found.iter().map(|row| row.deployment).collect::<Vec<_>>(),
        [deployment_id(5), deployment_id(1)]
    );
}

pub async fn links_to_previews_go_with_what_they_open(backend: &impl Backend) {
    let store = backend.open().await;
    let none = store.insert_preview_link(link(1, 1), 1, None).await.unwrap_err();
    assert!(matches!(none, StoreError::Missing { what: "the preview of", .. }), "{none}");
    for n in 1..=3 {
        store.publish_preview(preview(n)).await.unwrap();
    }
    for (n, of) in [(1, 1), (2, 1), (3, 2)] {
        store.insert_preview_link(link(n, of), 1, None).await.unwrap();
    }
    let list = async |of, now| store.preview_links(deployment_id(of), at(now), 10, 0).await.unwrap();
    assert_eq!(list(1, 100).await, (vec![link(2, 1), link(1, 1)], 2));
    assert_eq!(list(1, 101).await, (vec![link(2, 1)], 1));
    assert_eq!(store.preview_links(deployment_id(1), at(1), 1, 1).await.unwrap(), (vec![link(1, 1)], 2));
    assert_eq!(store.count_preview_links(deployment_id(1), at(101)).await.unwrap(), 1);
    // One is deleted by its own preview alone.
    assert!(!store.delete_preview_link(deployment_id(2), share_id(1)).await.unwrap());
    assert!(store.delete_preview_link(deployment_id(1), share_id(1)).await.unwrap());
    assert!(!store.has_preview_link(share_id(1)).await.unwrap());
    // All of a preview, and with it.
    let change = PreviewChange { revoke_links: true, ..PreviewChange::default() };
    store.change_preview(deployment_id(1), change).await.unwrap();
    assert_eq!((list(1, 1).await.1, list(2, 1).await.1), (0, 1));
    let late = store.insert_preview_link(link(4, 1), 1, None).await.unwrap_err();
    assert!(matches!(late, StoreError::Missing { .. }), "it was signed for the links before: {late}");
    store.insert_preview_link(link(4, 1), 2, None).await.unwrap();
    store.delete_preview(deployment_id(2), at(5)).await.unwrap();
    assert!(!store.has_preview_link(share_id(3)).await.unwrap());
    assert!(store.insert_preview_link(link(5, 2), 1, None).await.is_err());
    // Expired ones make room; there is no more of it.
    let many = (10..10 + MAX_PREVIEW_LINKS - 1).map(|n| {
        let ends = if n < 12 { at(2) } else { at(1_000) };
        store.insert_preview_link(PreviewLinkRow { expires_at: ends, ..link(n, 3) }, 1, None)
    });
    futures::future::try_join_all(many).await.unwrap();
    let full = store.insert_preview_link(link(20_000, 3), 1, None).await.unwrap_err();
    assert!(matches!(full, StoreError::TooLarge { limit: MAX_PREVIEW_LINKS, .. }), "{full}");
    let later = PreviewLinkRow { created_at: at(2), ..link(20_000, 3) };
    store.insert_preview_link(later, 1, None).await.unwrap();
    assert!(!store.has_preview_link(share_id(10)).await.unwrap());
}

pub async fn previews_are_added_up_by_account(backend: &impl Backend) {
    let store = backend.open().await;
    let site = |n: u8, bytes| Some(PreviewSite { manifest: Sha256::of(&[n]), files: 1, bytes });
    let rows = [
        PreviewRow { site: site(1, 10), ..preview(1) },
        PreviewRow { site: site(1, 10), ..preview(2) },
        PreviewRow { site: site(2, 200), expires_at: Some(at(1)), ..preview(3) },
        PreviewRow { site: site(3, 4_000), ..preview(4) },
        PreviewRow { site: None, ..preview(5) },
        PreviewRow { site: site(4, 50_000), account: account_id(2), ..preview(6) },
        PreviewRow { site: site(5, 600_000), live: false, ..preview(7) },
    ];
    for row in rows {
        store.publish_preview(row).await.unwrap();
    }
    store.delete_preview(deployment_id(4), at(1)).await.unwrap();
    let sum = async |scope, but: Option<u64>, equal: Option<u8>| {
        let equal = equal.map(|n| Sha256::of(&[n]));
        store.preview_bytes(scope, but.map(deployment_id), equal).await.unwrap()
    };
    assert_eq!(sum(scope(1, true), None, None).await, 210, "equal sites once, and none that is deleted");
    assert_eq!(sum(scope(1, true), Some(1), None).await, 210, "the other one has the same");
    assert_eq!(sum(scope(1, true), Some(3), None).await, 10);
    assert_eq!(sum(scope(1, true), None, Some(1)).await, 200);
    assert_eq!(
        (sum(scope(2, true), None, None).await, sum(scope(1, false), None, None).await),
        (50_000, 600_000)
    );
    assert_eq!(sum(scope(3, true), None, None).await, 0);
    assert_eq!(store.kept(scope(1, true)).await.unwrap().previews, 4);
}
