//! A reader's place in a log: gives it the next events once they are durable, a page at a time. It does not know how
//! they are sent, and holds no event itself.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use miteos_api::EventType;
use miteos_core::ids::TaskId;
use miteos_store::{Store, StoreError};
use tokio::time::{Instant, Sleep};

use super::{Feed, Frame, Log, Types, Watch};
use crate::project::{self, Unreadable};

/// Events of a page at most.
const PAGE_EVENTS: usize = 64;
/// A page ends with the event that brings its records to this size (bytes).
const PAGE_BYTES: usize = 256 * 1024;
/// The journal is looked at this often although nobody told of news: whoever wrote may have been cut off between its
/// commit and the telling.
const LOOK_ANYWAY: Duration = Duration::from_secs(15);

#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("an event cannot be written")]
    Unwritable(#[from] serde_json::Error),
}

/// What comes next. The cursor has moved even if nothing was of the types asked for.
pub struct Page {
    pub frames: Vec<Frame>,
    /// How far the log has been read: whoever resumes goes on from here.
    pub after: u64,
    /// The log ends here: nothing follows, ever.
    pub ended: bool,
}

pub struct Subscription {
    store: Store,
    watch: Watch,
    after: u64,
    types: Option<Arc<Types>>,
    /// Whether the journal may hold more than the feed has told of.
    unread: bool,
    /// When the log was last read, and a timer for the next look at the journal. The timer is set anew only when it
    /// runs out: a thousand readers of one event would set two thousand otherwise.
    read_at: Instant,
    look: Pin<Box<Sleep>>,
}

impl Subscription {
    /// A reader of the log who has seen everything up to `after`.
    pub fn new(feed: &Arc<Feed>, store: Store, log: Log, after: u64, types: Option<Arc<Types>>) -> Self {
        let (watch, look) = (feed.watch(log), Box::pin(tokio::time::sleep(LOOK_ANYWAY)));
        Self { store, watch, after, types, unread: true, read_at: Instant::now(), look }
    }

    pub fn log(&self) -> Log {
        self.watch.log()
    }

    /// How far the log has been handed out.
    pub fn after(&self) -> u64 {
        self.after
    }

    /// Waits until the log goes on. May be dropped at any point: the place is kept.
    pub async fn next(&mut self) -> Result<Page, FeedError> {
        loop {
            let level = self.watch.level();
            if self.unread || level > self.after {
                let page = self.read().await?;
                self.read_at = Instant::now();
                if page.after > self.after {
                    self.after = page.after;
                    return Ok(page);
                }
                self.unread = false;
            }
            tokio::select! {
                () = self.watch.changed() => {}
                () = &mut self.look => {
                    let due = self.read_at + LOOK_ANYWAY;
                    self.unread = due <= Instant::now();
                    self.look.as_mut().reset(if self.unread { Instant::now() + LOOK_ANYWAY } else { due });
                }
            }
        }
    }

    async fn read(&mut self) -> Result<Page, FeedError> {
        let kept = self.watch.kept(self.after, PAGE_EVENTS);
        if let Some(last) = kept.last() {
            let after = self.after + kept.len() as u64;
            let ended = self.is_end(last.kind());
            let types = self.types.as_deref();
            let frames = kept.into_iter().filter(|frame| types.is_none_or(|t| t.contains(frame.kind())));
            return Ok(Page { frames: frames.collect(), after, ended });
        }
        match self.watch.log() {
            Log::Task(task) => self.read_task(task).await,
            Log::Account(scope) => {
                let after = i64::try_from(self.after).unwrap_or(i64::MAX);
                let found = self
                    .store
                    .account_events_within(scope.account, scope.live, after, PAGE_EVENTS, PAGE_BYTES)
                    .await?;
                let mut page = Page { frames: Vec::new(), after: self.after, ended: false };
                for found in &found {
                    page.after = u64::try_from(found.cursor).unwrap_or(page.after);
                    let kind = &found.record.kind;
                    if self.wants(kind)
                        && let Some(event) = project::event_of(found.source, &found.record)?
                    {
                        let json = serde_json::to_string(&event)?;
                        page.frames.push(Frame::of_account(page.after, kind, &json));
                    }
                }
                Ok(page)
            }
        }
    }

    async fn read_task(&self, task: TaskId) -> Result<Page, FeedError> {
        let records = self.store.events_within(task, self.after, PAGE_EVENTS, PAGE_BYTES).await?;
        let mut page = Page { frames: Vec::new(), after: self.after, ended: false };
        for record in &records {
            page.after = record.seq.unwrap_or(page.after);
            page.ended = self.is_end(&record.kind.as_str().into());
            if self.wants(&record.kind)
                && let Some(event) = project::event(task, record)?
            {
                let json = serde_json::to_string(&event)?;
                page.frames.push(Frame::of_task(page.after, &record.kind, &json));
            }
        }
        Ok(page)
    }

    fn wants(&self, kind: &str) -> bool {
        self.types.as_ref().is_none_or(|types| types.contains(&kind.into()))
    }

    fn is_end(&self, kind: &EventType) -> bool {
        matches!(self.watch.log(), Log::Task(_)) && kind.is_terminal()
    }
}
