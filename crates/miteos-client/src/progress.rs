//! A bound on how long a body may stand still, however long it takes as a whole. Knows nothing of what is sent.

use std::future::Future;
use std::time::Duration;

use futures::{Stream, StreamExt};
use tokio::sync::watch;
use tokio::time::timeout;

/// Told of each chunk that was taken; the other end of a [`Watchdog`].
#[derive(Debug, Clone)]
pub(crate) struct Progress(watch::Sender<()>);

/// Waits for progress.
#[derive(Debug)]
pub(crate) struct Watchdog {
    moved: watch::Receiver<()>,
    patience: Duration,
}

/// Both ends of a watch over something that must not stand still for longer than `patience`.
pub(crate) fn watched(patience: Duration) -> (Progress, Watchdog) {
    let (sender, moved) = watch::channel(());
    (Progress(sender), Watchdog { moved, patience })
}

impl Progress {
    /// The same body, which now tells of each chunk that the connection takes.
    pub fn of<T>(self, body: impl Stream<Item = T>) -> impl Stream<Item = T> {
        body.inspect(move |_| {
            self.0.send_replace(());
        })
    }
}

impl Watchdog {
    /// The work's outcome; `None` if nothing moved for too long. Once the body is out, the answer has as long.
    pub async fn over<T>(mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.stall() => None,
        }
    }

    async fn stall(&mut self) {
        loop {
            match timeout(self.patience, self.moved.changed()).await {
                Ok(Ok(())) => {}
                // The body is gone: what is left is the answer.
                Ok(Err(_)) => return tokio::time::sleep(self.patience).await,
                Err(_) => return,
            }
        }
    }
}
