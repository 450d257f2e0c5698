//! The one writer: a thread that takes waiting writes, runs them in one transaction, commits once, and then
//! answers them all. A write that fails does so alone. It does not know what the writes are.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use crate::error::{Failure, StoreError};
use crate::lock::FolderLock;
use crate::sqlite::{self, BEGIN_WRITE, COMMIT, KEEP, ROLLBACK, SAVEPOINT, UNDO};
use crate::store::{CommitHook, CommitSeen, CrashHook, Fault, FaultHook};

/// Writes that may wait; one more waits in its caller.
const MAX_WAITING: usize = 4_096;
/// Writes that share one commit.
const MAX_BATCH: usize = 512;

/// Whether the crash hook counts a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Append,
    Other,
}

/// The async side of the writer.
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Message>>,
    ended: watch::Receiver<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Message {
    Write(Box<dyn Work>),
    Stop,
}

impl Writer {
    /// Starts the thread; it owns the connection and the folder's lock and lets both go when it ends.
    pub(crate) fn start(
        connection: Connection,
        lock: FolderLock,
        crash: Option<CrashHook>,
        fault: Option<FaultHook>,
        watch: Option<CommitHook>,
    ) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        let (ending, ended) = watch::channel(false);
        let loop_ =
            WriteLoop { db: connection, waiting, crash, fault, watch, writes: 0, commits: 0, _lock: lock };
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || {
                // A panic here is one of the crash hook: the store stops where it stands.
                let _ = catch_unwind(AssertUnwindSafe(move || loop_.run()));
                ending.send_replace(true);
            })
            .map_err(|source| StoreError::io("start", "the writer thread", source))?;
        Ok(Self { queue: Some(queue), ended, thread: Mutex::new(Some(thread)) })
    }

    pub(crate) async fn run<T, E, F>(&self, kind: Kind, doing: &'static str, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure,
        F: Fn(&Connection) -> Result<T, E> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Job { kind, doing, fault: None, work, result: None, reply };
        let Some(queue) = &self.queue else { return Err(StoreError::Closed.into()) };
        if queue.send(Message::Write(Box::new(job))).await.is_err() {
            return Err(StoreError::Closed.into());
        }
        answer.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    /// Lets the writer finish what it has accepted and waits until connection and lock are gone.
    pub(crate) async fn close(&self) {
        if let Some(queue) = &self.queue {
            // An error says that the writer has stopped already.
            let _ = queue.send(Message::Stop).await;
        }
        let mut ended = self.ended.clone();
        let _ = ended.wait_for(|ended| *ended).await;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        let thread = self.thread.get_mut().ok().and_then(Option::take);
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

/// One waiting write, whatever its types.
trait Work: Send {
    fn kind(&self) -> Kind;
    /// What the fault hook wants to go wrong.
    fn fault(&self) -> Option<Fault>;
    fn set_fault(&mut self, fault: Option<Fault>);
    /// Runs the write; false if its statements are to be undone. It may be run again after a rollback.
    fn run(&mut self, db: &Connection) -> bool;
    /// Tells the caller; `failed` if the commit failed.
    fn answer(self: Box<Self>, failed: Option<&StoreError>);
}

struct Job<T, E, F> {
    kind: Kind,
    doing: &'static str,
    fault: Option<Fault>,
    work: F,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Work for Job<T, E, F>
where
    T: Send + 'static,
    E: Failure,
    F: Fn(&Connection) -> Result<T, E> + Send + 'static,
{
    fn kind(&self) -> Kind {
        self.kind
    }

    fn fault(&self) -> Option<Fault> {
        self.fault
    }

    fn set_fault(&mut self, fault: Option<Fault>) {
        self.fault = fault;
    }

    fn run(&mut self, db: &Connection) -> bool {
        // What a panic leaves half-done is rolled back, so nobody sees it.
        let mut result = catch_unwind(AssertUnwindSafe(|| (self.work)(db)))
            .unwrap_or(Err(StoreError::Panicked { doing: self.doing }.into()));
        if self.fault == Some(Fault::Write) && result.is_ok() {
            result = Err(failure("an injected fault").into());
        }
        let keep = result.is_ok();
        self.result = Some(result.map_err(|error| error.during(self.doing)));
        keep
    }

    fn answer(self: Box<Self>, failed: Option<&StoreError>) {
        let result = match (failed, self.result) {
            (None, Some(result)) => result,
            // A write that failed on its own may have failed because of what was rolled back before it.
            (Some(error), _) => Err(E::from(error.clone()).during(self.doing)),
            (None, None) => Err(StoreError::Closed.into()),
        };
        // A caller that went away has its write all the same.
        let _ = self.reply.send(result);
    }
}

struct WriteLoop {
    db: Connection,
    waiting: mpsc::Receiver<Message>,
    crash: Option<CrashHook>,
    fault: Option<FaultHook>,
    watch: Option<CommitHook>,
    /// Writes taken so far.
    writes: u64,
    /// Commits so far that held appends.
    commits: u64,
    _lock: FolderLock,
}

/// The writes of one transaction.
#[derive(Default)]
struct Batch {
    jobs: Vec<Box<dyn Work>>,
    holds_appends: bool,
}

/// How a write left the transaction.
enum Ran {
    Kept,
    /// It failed, and nothing of it is left.
    Untouched,
    /// It failed after it had changed something.
    HalfDone,
}

impl WriteLoop {
    fn run(mut self) {
        let mut stop = false;
        while !stop {
            match self.waiting.blocking_recv() {
                Some(Message::Write(job)) => stop = self.batch(job),
                Some(Message::Stop) | None => stop = true,
            }
        }
        self.waiting.close();
        while let Some(message) = self.waiting.blocking_recv() {
            if let Message::Write(job) = message {
                job.answer(Some(&StoreError::Closed));
            }
        }
        sqlite::checkpoint(&self.db);
    }

    /// Commits a write and those that wait behind it; true if a stop waited among them.
    fn batch(&mut self, first: Box<dyn Work>) -> bool {
        let mut batch = Batch::default();
        let mut stop = false;
        let begun = Instant::now();
        let outcome = self.commit(&mut batch, first, &mut stop);
        if let Some(watch) = &self.watch {
            watch(&CommitSeen { writes: batch.jobs.len(), took: begun.elapsed(), ok: outcome.is_ok() });
        }
        if outcome.is_ok() && batch.holds_appends {
            self.commits += 1;
            if let Some(crash) = &self.crash {
                crash(self.commits);
            }
        }
        if let Err(error) = &outcome {
            let error: &dyn std::error::Error = error;
            tracing::error!(error, writes = batch.jobs.len(), "a commit failed");
            if !self.db.is_autocommit() {
                // If even this fails the next BEGIN does too and says so.
                let _ = exec(&self.db, ROLLBACK);
            }
        }
        for job in batch.jobs {
            job.answer(outcome.as_ref().err());
        }
        stop
    }

    fn commit(&mut self, batch: &mut Batch, first: Box<dyn Work>, stop: &mut bool) -> Result<(), StoreError> {
        let mut next = Some(first);
        let mut careful = false;
        let mut begun = exec(&self.db, BEGIN_WRITE);
        while let Some(mut job) = next.take() {
            self.writes += 1;
            job.set_fault(self.fault.as_ref().and_then(|fault| fault(self.writes)));
            let ran = begun.and_then(|()| match careful {
                false => self.one(&mut job),
                true => self.one_in_savepoint(&mut job),
            });
            batch.holds_appends |= matches!(ran, Ok(Ran::Kept)) && job.kind() == Kind::Append;
            batch.jobs.push(job);
            if let Ran::HalfDone = ran? {
                careful = true;
                self.again_in_savepoints(batch)?;
            }
            begun = Ok(());
            if batch.jobs.len() < MAX_BATCH {
                match self.waiting.try_recv() {
                    Ok(Message::Write(job)) => next = Some(job),
                    Ok(Message::Stop) => *stop = true,
                    Err(_) => {}
                }
            }
        }
        if batch.jobs.iter().any(|job| job.fault() == Some(Fault::Commit)) {
            return Err(failure("an injected fault"));
        }
        exec(&self.db, COMMIT)
    }

    fn one(&self, job: &mut Box<dyn Work>) -> Result<Ran, StoreError> {
        let before = self.db.total_changes();
        let kept = job.run(&self.db);
        if self.db.is_autocommit() {
            // After some errors SQLite has rolled back everything, the writes before this one included.
            return Err(failure("the transaction was rolled back after an error of a write in it"));
        }
        Ok(match kept {
            true => Ran::Kept,
            false if self.db.total_changes() == before => Ran::Untouched,
            false => Ran::HalfDone,
        })
    }

    /// Undoes the write if it fails, and only that.
    fn one_in_savepoint(&self, job: &mut Box<dyn Work>) -> Result<Ran, StoreError> {
        exec(&self.db, SAVEPOINT)?;
        let mut ran = self.one(job)?;
        if let Ran::HalfDone = ran {
            exec(&self.db, UNDO)?;
            ran = Ran::Untouched;
        }
        exec(&self.db, KEEP)?;
        Ok(ran)
    }

    /// Begins the batch anew with a savepoint around each write. Savepoints cost a fifth of an append, and
    /// hardly any write fails after its first change, so they are only used once one has.
    fn again_in_savepoints(&self, batch: &mut Batch) -> Result<(), StoreError> {
        exec(&self.db, ROLLBACK)?;
        exec(&self.db, BEGIN_WRITE)?;
        batch.holds_appends = false;
        for job in &mut batch.jobs {
            let kept = matches!(self.one_in_savepoint(job)?, Ran::Kept);
            batch.holds_appends |= kept && job.kind() == Kind::Append;
        }
        Ok(())
    }
}

fn exec(db: &Connection, sql: &str) -> Result<(), StoreError> {
    db.prepare_cached(sql)?.execute([])?;
    Ok(())
}

fn failure(why: &'static str) -> StoreError {
    let source = std::sync::Arc::new(std::io::Error::other(why));
    StoreError::Database { doing: "commit", source }
}
