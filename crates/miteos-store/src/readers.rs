//! The readers: a few threads, each with a read-only connection, that take reads from one queue. Each read
//! sees one snapshot of the database.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use crate::error::StoreError;
use crate::sqlite::{self, BEGIN_READ, COMMIT, ROLLBACK};

/// Reads that may wait; one more waits in its caller.
const MAX_WAITING: usize = 4_096;
/// Connections that can be asked for.
const MAX_CONNECTIONS: usize = 64;

type Read = Box<dyn FnOnce(&Connection) + Send>;

enum Message {
    Read(Read),
    Stop,
}

/// The async side of the readers.
pub(crate) struct Readers {
    queue: Option<mpsc::Sender<Message>>,
    /// Closed when the last thread has ended.
    ended: watch::Receiver<()>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(crate) fn start(path: &Path, connections: usize) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        let (running, ended) = watch::channel(());
        let (waiting, running) = (Arc::new(Mutex::new(waiting)), Arc::new(running));
        let mut readers = Self { queue: Some(queue), ended, threads: Vec::new() };
        for _ in 0..connections.clamp(1, MAX_CONNECTIONS) {
            let db = sqlite::open_reader(path)?;
            let (waiting, running) = (Arc::clone(&waiting), Arc::clone(&running));
            let thread = std::thread::Builder::new()
                .name("store-reader".into())
                .spawn(move || {
                    read_loop(&db, &waiting);
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
        let Some(queue) = &self.queue else { return Err(StoreError::Closed) };
        queue.send(Message::Read(read)).await.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Answers what waits, then ends the threads and waits for them.
    pub(crate) async fn close(&self) {
        if let Some(queue) = &self.queue {
            // An error says that they have stopped already.
            let _ = queue.send(Message::Stop).await;
        }
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

/// The queue's lock is held only while waiting for the next read, never while reading.
fn read_loop(db: &Connection, waiting: &Mutex<mpsc::Receiver<Message>>) {
    loop {
        let message = {
            let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
            match waiting.blocking_recv() {
                Some(Message::Stop) => {
                    // The others find the queue closed once it is empty.
                    waiting.close();
                    continue;
                }
                other => other,
            }
        };
        match message {
            Some(Message::Read(read)) => read(db),
            Some(Message::Stop) | None => return,
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
