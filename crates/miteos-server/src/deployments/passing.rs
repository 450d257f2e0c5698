//! A file whose bytes are looked at while somebody else reads them.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use miteos_deploy::site::{Examination, Unhashed};
use tokio::io::{AsyncRead, ReadBuf};

/// What the bytes pass.
pub trait Look: Unpin {
    fn pass(&mut self, bytes: &[u8]);
}

impl Look for Examination {
    fn pass(&mut self, bytes: &[u8]) {
        self.push(bytes);
    }
}

impl Look for Unhashed {
    fn pass(&mut self, bytes: &[u8]) {
        self.push(bytes);
    }
}

pub struct Passing<L> {
    file: tokio::fs::File,
    pub looked_at: L,
}

impl<L: Look> Passing<L> {
    pub fn new(file: File, look: L) -> Self {
        Self { file: tokio::fs::File::from_std(file), looked_at: look }
    }
}

impl<L: Look> AsyncRead for Passing<L> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.file).poll_read(cx, into))?;
        self.looked_at.pass(&into.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}
