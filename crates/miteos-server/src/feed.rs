//! Who follows which log, and how far each log is known to reach.
//!
//! Readers hold a cursor and read the journal. So that a busy log need not be read once for each of a thousand
//! readers, the newest committed events stay here for a while, ready to be sent, as far as somebody follows them.
//! With all of them forgotten nothing would change but the time it takes.

mod frame;
mod subscription;
mod types;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use miteos_core::event::Event;
use miteos_core::ids::TaskId;
use miteos_core::time::Timestamp;
use miteos_store::Scope;
use tokio::sync::watch;

pub use frame::Frame;
pub use subscription::{FeedError, Page, Subscription};
pub use types::Types;

use crate::followed::Followed;
use crate::project;

/// Frames that are kept ready, of all logs together.
const MAX_KEPT_FRAMES: usize = 4_096;
/// Their size, all together (bytes).
const MAX_KEPT_BYTES: usize = 2 * 1024 * 1024;

/// A log with a cursor of its own: a task's by `seq`, an account's by its account-wide cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Log {
    Task(TaskId),
    Account(Scope),
}

/// What an append came to, for those who follow.
pub struct News<'a> {
    pub task: TaskId,
    pub scope: Scope,
    /// The task's last `seq` now.
    pub seq: u64,
    /// The cursor of the last of the events that are public; `None` if none is.
    pub cursor: Option<u64>,
    /// All events of the append, in order.
    pub events: &'a [(Event, Timestamp)],
}

#[derive(Default)]
pub struct Feed {
    logs: Mutex<HashMap<Log, Followers>>,
    kept: Mutex<Kept>,
    followed: Followed,
}

/// A log that somebody follows.
struct Followers {
    tip: Arc<Tip>,
    followers: usize,
}

/// The end of a log.
struct Tip {
    /// How far the log is known to reach; 0 if nobody has said yet.
    level: watch::Sender<u64>,
    /// Its newest events by cursor, as far as they are kept. There may be holes.
    frames: Mutex<BTreeMap<u64, Frame>>,
}

/// Every kept frame in the order of its commit, so that the oldest of all goes first.
#[derive(Default)]
struct Kept {
    order: VecDeque<(Weak<Tip>, u64, usize)>,
    bytes: usize,
}

impl Feed {
    /// The accounts that are followed all at once.
    pub fn followed(&self) -> &Followed {
        &self.followed
    }

    /// Tells those who follow the task or its account. Only after the commit.
    pub fn publish(&self, news: &News<'_>) {
        self.followed.mark(news.scope);
        let (task, account) = {
            let logs = lock(&self.logs);
            let tip = |log| logs.get(&log).map(|followed| Arc::clone(&followed.tip));
            (tip(Log::Task(news.task)), tip(Log::Account(news.scope)))
        };
        if task.is_none() && account.is_none() {
            return;
        }
        self.keep(news, task.as_ref(), account.as_ref());
        if let Some(tip) = task {
            tip.reaches(news.seq);
        }
        if let (Some(tip), Some(cursor)) = (account, news.cursor) {
            tip.reaches(cursor);
        }
    }

    /// Tells those who follow the account of events of a deployment, each with its type and its JSON. `cursor` is that of
    /// the last. Only after the commit.
    pub fn publish_deployment(&self, scope: Scope, cursor: Option<u64>, events: &[(&'static str, String)]) {
        self.followed.mark(scope);
        let account = lock(&self.logs).get(&Log::Account(scope)).map(|followed| Arc::clone(&followed.tip));
        let (Some(tip), Some(last)) = (account, cursor) else { return };
        let first = (last + 1).saturating_sub(events.len() as u64);
        for (cursor, (kind, json)) in (first..).zip(events) {
            self.put(&tip, cursor, Frame::of_account(cursor, kind, json));
        }
        tip.reaches(last);
    }

    /// Follows a log. It costs an entry for as long as the guard lives.
    pub fn watch(self: &Arc<Self>, log: Log) -> Watch {
        let mut logs = lock(&self.logs);
        let followed = logs.entry(log).or_insert_with(|| {
            let tip = Tip { level: watch::Sender::new(0), frames: Mutex::default() };
            Followers { tip: Arc::new(tip), followers: 0 }
        });
        followed.followers += 1;
        let (tip, news) = (Arc::clone(&followed.tip), followed.tip.level.subscribe());
        Watch { feed: Arc::clone(self), log, tip, news }
    }

    fn keep(&self, news: &News<'_>, task: Option<&Arc<Tip>>, account: Option<&Arc<Tip>>) {
        let public = || news.events.iter().filter_map(|(event, at)| Some((event.public_type()?, event, *at)));
        let count = public().count() as u64;
        let first = news.seq.saturating_sub(count) + 1;
        for (nth, (kind, event, at)) in (0_u64..).zip(public()) {
            let seq = first + nth;
            let shown = project::public(news.task, seq, at, kind, event.agent(), event);
            let Ok(json) = shown.and_then(|shown| serde_json::to_string(&shown)) else {
                // Readers come upon the same error in the journal, and it is logged there.
                continue;
            };
            if let Some(tip) = task {
                self.put(tip, seq, Frame::of_task(seq, kind, &json));
            }
            if let (Some(tip), Some(last)) = (account, news.cursor) {
                let cursor = last + 1 + nth - count;
                self.put(tip, cursor, Frame::of_account(cursor, kind, &json));
            }
        }
    }

    fn put(&self, tip: &Arc<Tip>, cursor: u64, frame: Frame) {
        let bytes = frame.len();
        lock(&tip.frames).insert(cursor, frame);
        let mut kept = lock(&self.kept);
        kept.bytes += bytes;
        kept.order.push_back((Arc::downgrade(tip), cursor, bytes));
        while kept.bytes > MAX_KEPT_BYTES || kept.order.len() > MAX_KEPT_FRAMES {
            let Some((oldest, cursor, bytes)) = kept.order.pop_front() else { return };
            kept.bytes -= bytes;
            if let Some(tip) = oldest.upgrade() {
                lock(&tip.frames).remove(&cursor);
            }
        }
    }
}

impl Tip {
    fn reaches(&self, level: u64) {
        // Appends of different tasks may be told of in another order than they were committed in.
        self.level.send_if_modified(|old| {
            let news = level > *old;
            *old = level.max(*old);
            news
        });
    }
}

/// A log that is followed.
pub struct Watch {
    feed: Arc<Feed>,
    log: Log,
    tip: Arc<Tip>,
    news: watch::Receiver<u64>,
}

impl Watch {
    pub fn log(&self) -> Log {
        self.log
    }

    /// How far the log is known to reach; [`Self::changed`] waits for more than this.
    pub fn level(&mut self) -> u64 {
        *self.news.borrow_and_update()
    }

    pub async fn changed(&mut self) {
        if self.news.changed().await.is_err() {
            // The sender lives as long as `tip` does, so this is never reached.
            std::future::pending::<()>().await;
        }
    }

    /// The kept events that follow upon `after` without a hole, at most `most`.
    fn kept(&self, after: u64, most: usize) -> Vec<Frame> {
        let frames = lock(&self.tip.frames);
        let next = frames.range(after.saturating_add(1)..).zip(after.saturating_add(1)..);
        next.take_while(|((cursor, _), due)| *cursor == due).take(most).map(|((_, f), _)| f.clone()).collect()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut logs = lock(&self.feed.logs);
        if let Some(followed) = logs.get_mut(&self.log) {
            followed.followers -= 1;
            if followed.followers == 0 {
                logs.remove(&self.log);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use miteos_core::ids::AccountId;

    fn ids() -> (TaskId, Scope) {
        let scope = Scope { account: AccountId(ulid::Ulid::from_parts(1, 2)), live: true };
        (TaskId(ulid::Ulid::from_parts(1, 1)), scope)
    }

    fn tell(feed: &Feed, seq: u64, cursor: u64, events: usize) {
        let (task, scope) = ids();
        let events = vec![(Event::TaskPaused, Timestamp::from_millis(1)); events];
        feed.publish(&News { task, scope, seq, cursor: Some(cursor), events: &events });
    }

    #[tokio::test]
    async fn who_comes_late_hears_of_the_next_event_and_nobody_leaves_a_trace() {
        let feed = Arc::new(Feed::default());
        let (task, scope) = ids();
        tell(&feed, 3, 3, 1);
        let mut one = feed.watch(Log::Task(task));
        let mut all = feed.watch(Log::Account(scope));
        tell(&feed, 4, 9, 1);
        tell(&feed, 2, 8, 1);
        one.changed().await;
        assert_eq!(one.level(), 4);
        all.changed().await;
        assert_eq!(all.level(), 9);
        let twice = feed.watch(Log::Task(task));
        drop(one);
        assert_eq!(lock(&feed.logs).len(), 2);
        drop((twice, all));
        assert!(lock(&feed.logs).is_empty());
    }

    #[tokio::test]
    async fn kept_events_are_handed_out_up_to_the_first_hole() {
        let feed = Arc::new(Feed::default());
        let (task, scope) = ids();
        let (one, all) = (feed.watch(Log::Task(task)), feed.watch(Log::Account(scope)));
        tell(&feed, 2, 12, 2);
        tell(&feed, 5, 15, 1);
        let shown = |frames: Vec<Frame>| {
            let texts = frames.iter().map(|f| String::from_utf8(f.sse().to_vec()).unwrap());
            texts.map(|t| t.lines().next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(shown(one.kept(0, 10)), ["id: 1", "id: 2"]);
        assert_eq!(shown(one.kept(1, 10)), ["id: 2"]);
        assert_eq!(shown(one.kept(0, 1)), ["id: 1"]);
        assert!(one.kept(2, 10).is_empty());
        assert_eq!(shown(all.kept(10, 10)), ["id: 11", "id: 12"]);
        tell(&feed, 4, 14, 2);
        assert_eq!(shown(one.kept(2, 10)), ["id: 3", "id: 4", "id: 5"]);
    }

    #[tokio::test]
    async fn the_oldest_go_first_and_memory_is_bounded() {
        let feed = Arc::new(Feed::default());
        let (task, _) = ids();
        let one = feed.watch(Log::Task(task));
        let many = MAX_KEPT_FRAMES as u64 + 10;
        for seq in 1..=many {
            tell(&feed, seq, seq, 1);
        }
        assert!(one.kept(0, 10).is_empty());
        assert_eq!(one.kept(many - 5, 10).len(), 5);
        let kept = lock(&feed.kept);
        assert!(kept.order.len() <= MAX_KEPT_FRAMES && kept.bytes <= MAX_KEPT_BYTES);
        assert_eq!(lock(&one.tip.frames).len(), kept.order.len());
    }
}
