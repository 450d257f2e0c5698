//! Between a runner and those who wake it: that there is news, and how it left.

use std::sync::atomic::{AtomicBool, Ordering};

use miteos_core::time::Timestamp;
use miteos_store::Scope;
use tokio::sync::Notify;

/// What a runner and its wakers share.
#[derive(Default)]
pub struct Slot {
    /// Set before every notification: the runner looks again before it leaves.
    dirty: AtomicBool,
    notify: Notify,
}

impl Slot {
    /// Tells the runner to look again.
    pub fn wake(&self) {
        self.dirty.store(true, Ordering::SeqCst);
        self.notify.notify_one();
    }

    /// Whether somebody woke the task since the last look.
    pub fn take_dirty(&self) -> bool {
        self.dirty.swap(false, Ordering::SeqCst)
    }

    pub async fn woken(&self) {
        self.notify.notified().await;
    }
}

/// How a runner left a task.
pub enum Left {
    /// Nothing is owed but by people or time.
    Parked { next_wake: Option<Timestamp> },
    /// It has ended; whoever waits in its scope may have its place.
    Finished { scope: Scope },
    /// The server stops.
    Shutdown,
}
