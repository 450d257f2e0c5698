//! Many uploads at the same time, within a bound, with lines for the log. Knows nothing of what is uploaded where.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt as _;
use futures::TryStreamExt as _;

use crate::error::DeployError;
use crate::target::{Job, Line};

/// Lines about an upload are at most this many, whatever its size.
const MAX_LINES: u64 = 50;

/// What one upload carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    pub files: u64,
    pub bytes: u64,
}

/// Runs all of them, `parallel` at a time; the first error ends it.
pub(crate) async fn all<T, F>(
    job: &Job<'_>,
    what: &str,
    items: Vec<(Load, T)>,
    parallel: usize,
    upload: impl Fn(T) -> F,
) -> Result<(), DeployError>
where
    F: Future<Output = Result<(), DeployError>>,
{
    let files_total: u64 = items.iter().map(|(load, _)| load.files).sum();
    let bytes_total: u64 = items.iter().map(|(load, _)| load.bytes).sum();
    let (files, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let every = files_total.div_ceil(MAX_LINES).max(1);
    let tell = |files_done: u64, bytes_done: u64| {
        let text =
            format!("{what}: {files_done} of {files_total} files, {bytes_done} of {bytes_total} bytes");
        (job.log)(Line { text, files_done, files_total, bytes_done, bytes_total });
    };
    if files_total > 0 {
        tell(0, 0);
    }
    let (upload, tell, files, bytes) = (&upload, &tell, &files, &bytes);
    futures::stream::iter(items)
        .map(|(load, item)| async move {
            upload(item).await?;
            let bytes_done = bytes.fetch_add(load.bytes, Ordering::Relaxed) + load.bytes;
            let before = files.fetch_add(load.files, Ordering::Relaxed);
            let files_done = before + load.files;
            if before / every != files_done / every || files_done == files_total {
                tell(files_done, bytes_done);
            }
            Ok(())
        })
        .buffer_unordered(parallel.max(1))
        .try_collect::<()>()
        .await
}
