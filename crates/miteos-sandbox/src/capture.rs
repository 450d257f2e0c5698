//! Reads a stream of the program: keeps its head and tail, hands on its lines, counts for the output limit.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::spec::{Captured, OutputChunk, Stream};

/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;

/// A line longer than this is handed on in pieces.
const MAX_LINE_BYTES: usize = 8 * 1024;

/// Counts the bytes of both streams; one too many raises the flag, which stays up.
#[derive(Debug)]
pub(crate) struct Budget {
    left: AtomicU64,
    pub exceeded: CancellationToken,
}

impl Budget {
    pub fn new(bytes: u64) -> Arc<Self> {
        Arc::new(Self { left: AtomicU64::new(bytes), exceeded: CancellationToken::new() })
    }

    fn spend(&self, bytes: usize) {
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes as u64));
        if taken.is_err() {
            self.left.store(0, Ordering::Relaxed);
            self.exceeded.cancel();
        }
    }
}

/// Head and tail of a stream, filled while it is read.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    inner: Arc<Mutex<Kept>>,
}

#[derive(Debug)]
struct Kept {
    head: Vec<u8>,
    head_limit: usize,
    tail: VecDeque<u8>,
    tail_limit: usize,
    dropped_bytes: u64,
}

impl Capture {
    pub fn new(kept_bytes: usize) -> Self {
        let head_limit = kept_bytes.div_ceil(2);
        let kept = Kept {
            head: Vec::new(),
            head_limit,
            tail: VecDeque::new(),
            tail_limit: kept_bytes - head_limit,
            dropped_bytes: 0,
        };
        Self { inner: Arc::new(Mutex::new(kept)) }
    }

    fn push(&self, bytes: &[u8]) {
        let mut kept = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let for_head = bytes.len().min(kept.head_limit - kept.head.len());
        let (head, rest) = bytes.split_at(for_head);
        kept.head.extend_from_slice(head);
        kept.tail.extend(rest);
        let surplus = kept.tail.len().saturating_sub(kept.tail_limit);
        kept.tail.drain(..surplus);
        kept.dropped_bytes += surplus as u64;
    }

    /// What is kept now.
    pub fn take(&self) -> Captured {
        let mut kept = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        Captured {
            head: std::mem::take(&mut kept.head),
            dropped_bytes: kept.dropped_bytes,
            tail: std::mem::take(&mut kept.tail).into(),
        }
    }
}

/// Reads until the end of the stream or of the budget.
pub(crate) async fn read(
    mut source: impl AsyncRead + Unpin,
    capture: Capture,
    budget: Arc<Budget>,
    mut lines: Lines,
) {
    let mut buffer = vec![0_u8; READ_BYTES];
    while !budget.exceeded.is_cancelled() {
        match source.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(got) => {
                let bytes = buffer.get(..got).unwrap_or_default();
                capture.push(bytes);
                lines.push(bytes);
                budget.spend(got);
            }
        }
    }
    lines.finish();
}

/// Cuts a stream into lines for a live listener that is never waited for.
#[derive(Debug)]
pub(crate) struct Lines {
    sender: Option<mpsc::Sender<OutputChunk>>,
    stream: Stream,
    unfinished: Vec<u8>,
    lost: u64,
}

impl Lines {
    pub fn new(sender: Option<mpsc::Sender<OutputChunk>>, stream: Stream) -> Self {
        Self { sender, stream, unfinished: Vec::new(), lost: 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.sender.is_none() {
            return;
        }
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            for piece in part.chunks(MAX_LINE_BYTES) {
                self.unfinished.extend_from_slice(piece);
                if piece.ends_with(b"\n") || self.unfinished.len() >= MAX_LINE_BYTES {
                    self.send();
                }
            }
        }
    }

    fn finish(&mut self) {
        if !self.unfinished.is_empty() {
            self.send();
        }
    }

    fn send(&mut self) {
        let Some(sender) = &self.sender else { return };
        let chunk = OutputChunk {
            stream: self.stream,
            bytes: std::mem::take(&mut self.unfinished),
            lost_before: self.lost,
        };
        match sender.try_send(chunk) {
            Ok(()) => self.lost = 0,
            Err(mpsc::error::TrySendError::Full(_)) => self.lost += 1,
            Err(mpsc::error::TrySendError::Closed(_)) => self.sender = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_and_tail_are_kept_and_the_gap_is_counted() {
        let capture = Capture::new(5);
        capture.push(b"abcd");
        capture.push(b"efghij");
        let kept = capture.take();
        assert_eq!(
            (kept.head.as_slice(), kept.dropped_bytes, kept.tail.as_slice()),
            (&b"abc"[..], 5, &b"ij"[..])
        );
    }

    #[test]
    fn lines_are_whole_and_lost_ones_are_counted() {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut lines = Lines::new(Some(sender), Stream::Stdout);
        lines.push(b"on");
        lines.push(b"e\ntwo\nthree\n");
        assert_eq!(receiver.try_recv().unwrap().bytes, b"one\n");
        lines.push(b"four");
        lines.finish();
        let last = receiver.try_recv().unwrap();
        assert_eq!((last.bytes.as_slice(), last.lost_before), (&b"four"[..], 2));
    }

    #[tokio::test]
    async fn reading_stops_at_the_budget() {
        let capture = Capture::new(10);
        let budget = Budget::new(100_000);
        read(tokio::io::repeat(b'y'), capture.clone(), Arc::clone(&budget), Lines::new(None, Stream::Stdout))
            .await;
        assert!(budget.exceeded.is_cancelled());
        assert!(capture.take().total_bytes() < 100_000 + 2 * READ_BYTES as u64);
    }
}
