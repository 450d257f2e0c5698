//! The thread of the local model: takes calls from the queue, loads weights, lets go of them.

use std::num::NonZeroU32;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use llama_cpp_2::context::params::{KvCacheType, LlamaContextParams};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::{LogOptions, send_logs_to_tracing};

use super::session::{BATCH_TOKENS, MAX_SLOTS, Session};
use super::{Event, Job, cpu};
use crate::error::{ErrorKind, ModelError};
use crate::local::catalog::CONTEXT_TOKENS;
use crate::local::installed::InstalledModel;

/// Weights that nobody used for so long are let go of; loading them again takes a second or two.
const IDLE: Duration = Duration::from_secs(300);

/// Serves calls until the queue is closed.
pub fn run(jobs: &Receiver<Job>) {
    let mut next = None;
    loop {
        let Some(job) = next.take().or_else(|| jobs.recv().ok()) else { return };
        if !job.is_cancelled() {
            next = with_model(job, jobs);
        }
    }
}

/// llama.cpp is set up once in a process and stays so.
fn backend() -> Result<&'static LlamaBackend, String> {
    static BACKEND: OnceLock<Result<LlamaBackend, String>> = OnceLock::new();
    let backend = BACKEND.get_or_init(|| {
        // It tells hundreds of lines at each load, and there is no level between all and nothing.
        send_logs_to_tracing(LogOptions::default().with_logs_enabled(false));
        LlamaBackend::init().map_err(|error| error.to_string())
    });
    backend.as_ref().map_err(Clone::clone)
}

/// Serves this call and the following ones of the same model. Returns the first call of another model.
fn with_model(first: Job, jobs: &Receiver<Job>) -> Option<Job> {
    let started = Instant::now();
    let here = first.here.clone();
    let model = match load(&first) {
        Ok(model) => model,
        Err(error) => {
            first.tell(Event::Done(Err(error)));
            return None;
        }
    };
    let mut session = match open(&model, &first) {
        Ok(session) => session,
        Err(error) => {
            first.tell(Event::Done(Err(error)));
            return None;
        }
    };
    tracing::info!(
        model = here.model.id,
        ms = millis(started),
        threads = ?cpu::threads(),
        "local model loaded"
    );
    let other = serve(&mut session, first, &here, jobs);
    tracing::info!(model = here.model.id, "local model unloaded");
    other
}

fn serve(session: &mut Session<'_>, first: Job, here: &InstalledModel, jobs: &Receiver<Job>) -> Option<Job> {
    let mut job = first;
    loop {
        if job.here != *here {
            return Some(job);
        }
        if !job.is_cancelled() {
            let result = session.answer(&job);
            job.tell(Event::Done(result));
        }
        // Let go of the grammar and the prompt before waiting.
        drop(job);
        job = match jobs.recv_timeout(IDLE) {
            Ok(job) => job,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
        };
    }
}

fn load(job: &Job) -> Result<LlamaModel, ModelError> {
    let fatal = |message: String| job.error(ErrorKind::Fatal, "cannot be loaded").with_source(message);
    let backend = backend().map_err(fatal)?;
    let params = LlamaModelParams::default().with_use_mmap(true).with_n_gpu_layers(0);
    LlamaModel::load_from_file(backend, &job.here.path, &params).map_err(|error| fatal(error.to_string()))
}

fn open<'m>(model: &'m LlamaModel, job: &Job) -> Result<Session<'m>, ModelError> {
    let fatal = |message: String| {
        job.error(ErrorKind::Fatal, "cannot get memory for its context").with_source(message)
    };
    let backend = backend().map_err(fatal)?;
    let threads = cpu::threads();
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(CONTEXT_TOKENS))
        .with_n_batch(BATCH_TOKENS)
        .with_n_ubatch(BATCH_TOKENS)
        .with_n_seq_max(MAX_SLOTS)
        // One store for all slots: each may fill it, and a shared beginning is kept once.
        .with_kv_unified(true)
        .with_type_k(KvCacheType::Q8_0)
        .with_type_v(KvCacheType::Q8_0)
        .with_n_threads(threads.answer)
        .with_n_threads_batch(threads.prompt);
    let context = model.new_context(backend, params).map_err(|error| fatal(error.to_string()))?;
    Ok(Session::new(model, context))
}

/// Whole milliseconds since then.
pub fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
