//! The readers: a few threads, each with a read-only connection, that take reads from one queue. Each read
//! sees one snapshot of the database.
//!
//! Of the idle threads the one that read last is woken: its pages and statements are warm, and the others
//! sleep on.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::error::StoreError;
use crate::sqlite::{self, BEGIN_READ, COMMIT, ROLLBACK};

/// Reads that may wait; one more waits in its caller.
const MAX_WAITING: usize = 4_096;
/// Connections that can be asked for.
const MAX_CONNECTIONS: usize = 64;

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// The async side of the readers.
pub(crate) struct Readers {
    shared: Arc<Shared>,
    /// One permit for each read that may wait.
    room: Arc<Semaphore>,
    /// Closed when the last thread has ended.
    ended: watch::Receiver<()>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    /// One for each thread, so that a certain one can be woken.
    wakers: Vec<Condvar>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// The threads that sleep, the one that read last at the end.
    idle: Vec<usize>,
    closed: bool,
}

/// A read, and its place among those that may wait, which is free again once the read begins.
struct Waiting {
    read: Read,
    _place: OwnedSemaphorePermit,
}

impl Readers {
    pub(crate) fn start(path: &Path, connections: usize) -> Result<Self, StoreError> {
        let connections = connections.clamp(1, MAX_CONNECTIONS);
        let (running, ended) = watch::channel(());
        let running = Arc::new(running);
        let wakers = (0..connections).map(|_| Condvar::new()).collect();
        let shared = Arc::new(Shared { queue: Mutex::default(), wakers });
        let room = Arc::new(Semaphore::new(MAX_WAITING));
        let mut readers = Self { shared, room, ended, threads: Vec::new() };
        for nth in 0..connections {
            let db = sqlite::open_reader(path)?;
            let (shared, running) = (Arc::clone(&readers.shared), Arc::clone(&running));
            let thread = std::thread::Builder::new()
                .name("store-reader".into())
                .spawn(move || {
                    while let Some(read) = shared.next(nth) {
                        read(&db);
                    }
                    drop(db);
                    drop(running);
                })
                .map_err(|source| StoreError::io("start", "a reader thread", source))?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    pub(crate) async fn run<T, F>(&self, doing: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |db| {
            if reply.is_closed() {
                return;
            }
            let result = catch_unwind(AssertUnwindSafe(|| snapshot(db, work)));
            let result = result.unwrap_or_else(|_| {
                let _ = exec(db, ROLLBACK);
                Err(StoreError::Panicked { doing })
            });
            let _ = reply.send(result.map_err(|error| error.during(doing)));
        });
        let place = Arc::clone(&self.room).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        self.shared.push(Waiting { read, _place: place })?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Answers what waits, then ends the threads and waits for them.
    pub(crate) async fn close(&self) {
        self.shared.close();
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.shared.close();
        for thread in self.threads.drain(..) {
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Shared {
    /// Reads run outside of the lock, and nothing under it panics.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, read: Waiting) -> Result<(), StoreError> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(StoreError::Closed);
        }
        queue.waiting.push_back(read);
        let idle = queue.idle.pop();
        drop(queue);
        if let Some(idle) = idle {
            self.wakers[idle].notify_one();
        }
        Ok(())
    }

    /// The next read for a thread, or `None` when the queue is closed and empty.
    fn next(&self, thread: usize) -> Option<Read> {
        let mut queue = self.lock();
        loop {
            if let Some(next) = queue.waiting.pop_front() {
                return Some(next.read);
            }
            if queue.closed {
                return None;
            }
            queue.idle.push(thread);
            queue = self.wakers[thread].wait(queue).unwrap_or_else(PoisonError::into_inner);
            // Nobody took it off the list if it woke by itself.
            queue.idle.retain(|idle| *idle != thread);
        }
    }

    fn close(&self) {
        self.lock().closed = true;
        for waker in &self.wakers {
            waker.notify_one();
        }
    }
}

fn snapshot<T>(
    db: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    exec(db, BEGIN_READ)?;
    let result = work(db);
    if exec(db, COMMIT).is_err() {
        // The connection must not stay inside the snapshot; if this fails too, the next BEGIN says so.
        let _ = exec(db, ROLLBACK);
    }
    result
}

fn exec(db: &Connection, sql: &str) -> Result<(), StoreError> {
    db.prepare_cached(sql)?.execute([])?;
    Ok(())
}
