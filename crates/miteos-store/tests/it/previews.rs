//! Previews and public links: what is kept when they are published again, and when they end.

use miteos_core::content::Sha256;
use miteos_store::{
    DeliverableRow, IdempotencyRow, PreviewChange, PreviewRow, PreviewSite, ShareRow, StoreError, Visibility,
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
    store.close_doors().await.unwrap();
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
