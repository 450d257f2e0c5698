//! The logs that one WebSocket follows, each from a place of its own. One page of each is read ahead at the most.

use std::collections::HashMap;

use futures::StreamExt;
use futures::future::{AbortHandle, Abortable, BoxFuture};
use futures::stream::FuturesUnordered;

use crate::feed::{FeedError, Log, Page, Subscription};

/// Logs that one connection may follow at once.
pub const MAX_SUBSCRIPTIONS: usize = 32;

type Read = BoxFuture<'static, (Subscription, Result<Page, FeedError>)>;

#[derive(Default)]
pub struct Subscriptions {
    reading: FuturesUnordered<Abortable<Read>>,
    followed: HashMap<Log, Followed>,
}

struct Followed {
    /// Drops the reading, so that an unsubscribed log costs nothing more.
    stop: AbortHandle,
    /// How far the log has been read, and how far the client knows.
    after: u64,
    told: u64,
}

impl Subscriptions {
    pub fn follows(&self, log: Log) -> bool {
        self.followed.contains_key(&log)
    }

    pub fn len(&self) -> usize {
        self.followed.len()
    }

    pub fn add(&mut self, subscription: Subscription) {
        let after = subscription.after();
        let log = subscription.log();
        let stop = self.read(subscription);
        if let Some(before) = self.followed.insert(log, Followed { stop, after, told: after }) {
            before.stop.abort();
        }
    }

    /// False if the log was not followed.
    pub fn remove(&mut self, log: Log) -> bool {
        let followed = self.followed.remove(&log);
        followed.is_some_and(|followed| {
            followed.stop.abort();
            true
        })
    }

    /// The next page of any of the logs, and which it is of. Pending while none goes on. A log that has ended is no
    /// longer followed.
    pub async fn next(&mut self) -> (Log, Result<Page, FeedError>) {
        loop {
            match self.reading.next().await {
                Some(Ok((subscription, page))) => {
                    let log = subscription.log();
                    if let Ok(page) = &page {
                        self.turn(subscription, page);
                    }
                    return (log, page);
                }
                // Unsubscribed meanwhile.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Logs that have been read further than the client knows, because nothing was of the types it asked for.
    pub fn positions(&mut self) -> Vec<(Log, u64)> {
        let behind = self.followed.iter_mut().filter(|(_, followed)| followed.told < followed.after);
        behind
            .map(|(log, followed)| {
                followed.told = followed.after;
                (*log, followed.after)
            })
            .collect()
    }

    fn turn(&mut self, subscription: Subscription, page: &Page) {
        let log = subscription.log();
        if page.ended {
            self.followed.remove(&log);
            return;
        }
        let stop = self.read(subscription);
        if let Some(followed) = self.followed.get_mut(&log) {
            followed.stop = stop;
            followed.after = page.after;
            followed.told = page.frames.last().map_or(followed.told, |frame| frame.cursor());
        }
    }

    fn read(&mut self, mut subscription: Subscription) -> AbortHandle {
        let read: Read = Box::pin(async move {
            let page = subscription.next().await;
            (subscription, page)
        });
        let (stop, registration) = AbortHandle::new_pair();
        self.reading.push(Abortable::new(read, registration));
        stop
    }
}
