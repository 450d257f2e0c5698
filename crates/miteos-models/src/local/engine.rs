//! Runs a local model in this process with llama.cpp, one answer at a time, on a thread of its own.
//!
//! Calls wait in a bounded queue; a call whose future is dropped leaves it, or stops at the next token or the next
//! part of its prompt. Weights are loaded at the first call and let go of when none came for a while.

mod cpu;
mod session;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::installed::InstalledModel;
use super::prompt::Shape;
use crate::call::{Answer, Delta, Request};
use crate::error::{ErrorKind, ModelError};

/// Calls that wait at the same time; the next one is told to come later.
const MAX_WAITING: usize = 256;
/// How long a call that found the queue full should wait.
const FULL_RETRY_MS: u64 = 5_000;
/// The name of the thread that computes.
const THREAD: &str = "miteos-local-model";

/// One call for the thread.
struct Job {
    here: InstalledModel,
    shape: Shape,
    /// `provider/model`, for the answer and for messages.
    name: String,
    max_output_tokens: u32,
    temperature: f32,
    /// Seeds the sampling, so that a repeated call gives the same answer.
    call_id: String,
    cancelled: Arc<AtomicBool>,
    /// Bounded by the output limit.
    events: UnboundedSender<Event>,
}

enum Event {
    Delta(Delta),
    Done(Result<Answer, ModelError>),
}

impl Job {
    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || self.events.is_closed()
    }

    /// A caller that is gone needs no event.
    fn tell(&self, event: Event) {
        if self.events.send(event).is_err() {
            self.cancelled.store(true, Ordering::Relaxed);
        }
    }

    fn error(&self, kind: ErrorKind, message: &str) -> ModelError {
        ModelError::new(kind, format!("model {}: {message}", self.name))
    }
}

/// Cancels the job of a call whose future is dropped.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The way to the thread. The thread starts with the first call and ends with the engine.
#[derive(Default)]
pub struct Engine {
    queue: Mutex<Option<SyncSender<Job>>>,
}

impl Engine {
    /// Waits for its turn and answers.
    pub async fn run(
        &self,
        request: &Request,
        here: InstalledModel,
        shape: Shape,
        on_delta: &mut (dyn FnMut(Delta) + Send),
    ) -> Result<Answer, ModelError> {
        let cancelled = Arc::new(AtomicBool::new(false));
        let guard = CancelOnDrop(Arc::clone(&cancelled));
        let (events, mut answers) = unbounded_channel();
        let name = request.model.to_string();
        self.enqueue(Job {
            here,
            shape,
            name: name.clone(),
            max_output_tokens: request.max_output_tokens,
            temperature: request.temperature.unwrap_or_else(|| super::prompt::temperature(&request.messages)),
            call_id: request.call_id.clone(),
            cancelled,
            events,
        })?;
        while let Some(event) = answers.recv().await {
            match event {
                Event::Delta(delta) => on_delta(delta),
                Event::Done(result) => {
                    drop(guard);
                    return result;
                }
            }
        }
        let kind = ErrorKind::Transient { retry_after_ms: None };
        Err(ModelError::new(kind, format!("model {name}: the thread of the local model ended unexpectedly")))
    }

    fn enqueue(&self, job: Job) -> Result<(), ModelError> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |job: &Job| {
            let kind = ErrorKind::RateLimited { retry_after_ms: Some(FULL_RETRY_MS) };
            job.error(kind, "too many calls wait for the local model")
        };
        let job = match queue.as_ref() {
            None => job,
            Some(sender) => match sender.try_send(job) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(job)) => return Err(full(&job)),
                // The thread ended by a bug: the next one starts anew.
                Err(TrySendError::Disconnected(job)) => job,
            },
        };
        let (sender, jobs) = sync_channel(MAX_WAITING);
        thread::Builder::new().name(THREAD.to_owned()).spawn(move || worker::run(&jobs)).map_err(
            |error| {
                job.error(ErrorKind::Transient { retry_after_ms: None }, "cannot start its thread")
                    .with_source(error)
            },
        )?;
        let sent = sender.try_send(job);
        *queue = Some(sender);
        sent.map_err(|error| match error {
            TrySendError::Full(job) | TrySendError::Disconnected(job) => full(&job),
        })
    }
}
