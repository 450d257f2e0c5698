//! Blobs: stored once, streamed, safe by name.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use miteos_core::content::Sha256;
use miteos_store::{BlobRef, StoreError};
use tokio::io::{AsyncRead, ReadBuf};

use crate::harness::*;

/// More than any piece of a blob that may be in memory at once while it streams.
const PIECE: usize = 1024 * 1024;

pub async fn small_values_come_back_and_are_stored_once(backend: &impl Backend) {
    let store = backend.open().await;
    let blobs = store.blobs();
    for value in [&b""[..], b"hello", &[0xff; 100_000]] {
        let put = blobs.put_bytes(value).await.unwrap();
        assert_eq!((put.bytes, &put.sha256), (value.len() as u64, &Sha256::of(value)));
        assert_eq!(blobs.put_bytes(value).await.unwrap(), put);
        assert_eq!(blobs.get(&put.sha256).await.unwrap().unwrap(), value);
        assert_eq!(blobs.size(&put.sha256).await.unwrap(), Some(put.bytes));
        let whole: Vec<Bytes> =
            blobs.stream(&put.sha256, None).await.unwrap().unwrap().chunks.try_collect().await.unwrap();
        assert_eq!(whole.concat(), value);
    }
    let unknown = Sha256::of(b"never put");
    assert_eq!(blobs.get(&unknown).await.unwrap(), None);
    assert_eq!(blobs.size(&unknown).await.unwrap(), None);
    assert!(blobs.stream(&unknown, None).await.unwrap().is_none());
    assert!(blobs.stream(&unknown, Some(0..1)).await.unwrap().is_none());
}

/// Yields so many bytes of an endless pattern; remembers the most that was asked for at once.
struct Source {
    at: usize,
    end: usize,
    greatest: Arc<AtomicUsize>,
}

/// Its period is prime, so that no part of a blob repeats another.
fn pattern(at: usize) -> u8 {
    const PERIOD: usize = 1_000_003;
    ((at % PERIOD).wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]
}

impl AsyncRead for Source {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.greatest.fetch_max(into.remaining(), Ordering::Relaxed);
        // Odd sizes, so that no boundary of a part is a boundary of a read.
        let end = self.end.min(self.at + into.remaining().min(99_991));
        into.put_slice(&(self.at..end).map(pattern).collect::<Vec<u8>>());
        self.at = end;
        Poll::Ready(Ok(()))
    }
}

pub async fn a_big_value_streams_in_and_out(backend: &impl Backend) {
    const SIZE: usize = 64 * 1024 * 1024 + 4_321;
    let store = backend.open().await;
    let greatest = Arc::new(AtomicUsize::new(0));
    let source = || Source { at: 0, end: SIZE, greatest: Arc::clone(&greatest) };
    let put = store.blobs().put_reader(source()).await.unwrap();
    assert_eq!(put.bytes, SIZE as u64);
    assert!(greatest.load(Ordering::Relaxed) < PIECE);

    let mut out = store.blobs().stream(&put.sha256, None).await.unwrap().unwrap();
    assert_eq!((out.size, out.range.clone()), (SIZE as u64, 0..SIZE as u64));
    let mut at = 0;
    while let Some(chunk) = out.chunks.next().await {
        let chunk = chunk.unwrap();
        assert!(chunk.len() < PIECE);
        assert!(chunk.iter().copied().eq((at..at + chunk.len()).map(pattern)), "the bytes differ after {at}");
        at += chunk.len();
    }
    assert_eq!(at, SIZE);
    // It is loaded whole only within the limit.
    assert!(matches!(store.blobs().get(&put.sha256).await, Err(StoreError::TooLarge { .. })));
}

pub async fn parts_can_be_read(backend: &impl Backend) {
    let store = backend.open().await;
    let value: Vec<u8> = (0..600_000).map(pattern).collect();
    let put = store.blobs().put_bytes(&value).await.unwrap();
    for (asked, given) in
        [(0..1, 0..1), (299_999..600_000, 299_999..600_000), (599_999..u64::MAX, 599_999..600_000)]
    {
        let part = store.blobs().stream(&put.sha256, Some(asked)).await.unwrap().unwrap();
        assert_eq!((part.size, part.range.clone()), (600_000, given));
        let range = usize::try_from(part.range.start).unwrap()..usize::try_from(part.range.end).unwrap();
        let bytes = part.chunks.try_collect::<Vec<Bytes>>().await.unwrap().concat();
        assert!(bytes == value[range]);
    }
    for beyond in [600_000..600_001, 5..5] {
        let refused = store.blobs().stream(&put.sha256, Some(beyond)).await.err().unwrap();
        assert!(matches!(refused, StoreError::Invalid { .. }), "{refused}");
    }
}

pub async fn a_failing_stream_stores_nothing(backend: &impl Backend) {
    let store = backend.open().await;
    let piece = Bytes::from(vec![7; 4 * 1024 * 1024]);
    let mut chunks: Vec<std::io::Result<Bytes>> = (0..5).map(|_| Ok(piece.clone())).collect();
    let whole = Sha256::of(&[7; 20 * 1024 * 1024]);
    chunks.push(Err(std::io::Error::other("the client went away")));
    let failed = store.blobs().put_stream(futures::stream::iter(chunks)).await.unwrap_err();
    assert!(matches!(failed, StoreError::Io { .. }), "{failed}");
    assert_eq!(store.blobs().size(&whole).await.unwrap(), None);
    // The same bytes can be put afterwards.
    let chunks = (0..5).map(|_| Ok(piece.clone()));
    let put = store.blobs().put_stream(futures::stream::iter(chunks)).await.unwrap();
    assert_eq!((put.sha256, put.bytes), (whole, 20 * 1024 * 1024));
}

pub async fn what_is_not_what_was_named_is_not_stored(backend: &impl Backend) {
    const BIG: usize = 20 * 1024 * 1024;
    let store = backend.open().await;
    let blobs = store.blobs();
    for size in [0, 5, BIG] {
        let bytes = vec![7; size];
        let named = BlobRef { sha256: Sha256::of(&bytes), bytes: size as u64 };
        let (mut shorter, mut longer, mut other) = (bytes.clone(), bytes.clone(), bytes.clone());
        shorter.pop();
        longer.push(7);
        other.iter_mut().take(1).for_each(|byte| *byte = 8);
        for wrong in [shorter, longer, other] {
            if wrong != bytes {
                assert!(!blobs.put_named(&named, &wrong[..]).await.unwrap());
                assert_eq!(blobs.size(&Sha256::of(&wrong)).await.unwrap(), None, "{size}");
            }
        }
        assert!(!blobs.holds(&named).await.unwrap());
        assert!(blobs.put_named(&named, &bytes[..]).await.unwrap() && blobs.holds(&named).await.unwrap());
        assert!(!blobs.holds(&BlobRef { bytes: named.bytes + 1, ..named }).await.unwrap());
    }
}

pub async fn names_cannot_leave_the_folder(backend: &impl Backend) {
    let store = backend.open().await;
    let upper = "A".repeat(64);
    for text in ["../../etc/passwd", "/etc/passwd", "", "ab", "é", &upper, &"../".repeat(22)[..64]] {
        // This is how a name that nobody checked can come in.
        let Ok(name) = serde_json::from_value::<Sha256>(serde_json::Value::from(text)) else { continue };
        for refused in [
            store.blobs().get(&name).await.err(),
            store.blobs().size(&name).await.err(),
            store.blobs().stream(&name, None).await.err(),
        ] {
            assert!(matches!(refused, Some(StoreError::Invalid { .. })), "{text:?}: {refused:?}");
        }
    }
}

pub async fn the_same_value_put_by_many_at_once(backend: &impl Backend) {
    let store = backend.open().await;
    let value: Vec<u8> = (0..9 * 1024 * 1024).map(pattern).collect();
    let value = Bytes::from(value);
    let puts: Vec<_> = (0..8)
        .map(|n| {
            let (store, value) = (store.clone(), value.clone());
            tokio::spawn(async move {
                if n % 2 == 0 {
                    return store.blobs().put_bytes(&value).await;
                }
                let chunks = value.chunks(300_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk)));
                store.blobs().put_stream(futures::stream::iter(chunks.collect::<Vec<_>>())).await
            })
        })
        .collect();
    for put in puts {
        assert_eq!(put.await.unwrap().unwrap().sha256, Sha256::of(&value));
    }
    assert!(store.blobs().get(&Sha256::of(&value)).await.unwrap().unwrap() == value);
}
