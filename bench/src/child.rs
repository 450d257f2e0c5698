//! The measured process: a server with the scripted model, and a line of JSON on its standard output for each line
//! on its standard input. It ends when its input does.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use miteos_server::models::{ModelsConfig, Override, Provider};
use miteos_server::{Config, Server};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::oneshot;

use crate::model::{MODEL, Mark, PROVIDER, Script, Scripted};
use crate::{Failure, machine};

/// Model calls that one agent may make: more than any measurement asks for.
const MAX_MODEL_CALLS: u32 = 1_000_000;

/// What the child is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    Statistics,
    /// Answered when this many model calls are held back.
    Held(u64),
    Steps,
    /// The times of the commits after the first so many.
    Commits(usize),
}

/// Counted since the child began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Processor time (µs).
    pub processor_us: u64,
    /// Durable commits that held a part of a journal.
    pub commits: u64,
    /// Writes that shared the commits.
    pub writes: u64,
    pub calls: u64,
    pub steps: u64,
    pub summaries: u64,
    /// Model calls under way now.
    pub waiting: u64,
}

/// The cost of each step of the one agent that ran, in order (ns).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Steps {
    pub wall_ns: Vec<u64>,
    pub processor_ns: Vec<u64>,
}

struct Measured {
    model: Arc<Scripted>,
    commits: Arc<AtomicU64>,
    writes: Arc<AtomicU64>,
    /// When each commit was durable, by [`machine::monotonic_ns`].
    durable: Arc<Mutex<Vec<u64>>>,
}

/// Runs a server until the standard input ends.
pub async fn run(folder: &Path, listen: SocketAddr, script: Script) -> Result<(), Failure> {
    let measured = Measured {
        model: Arc::new(Scripted::new(script)),
        commits: Arc::new(AtomicU64::new(0)),
        writes: Arc::new(AtomicU64::new(0)),
        durable: Arc::default(),
    };
    let server = Server::start(config(folder, listen, script, &measured)?).await?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.run_until(async move {
        // An error says that the other end is gone, which is a stop as well.
        let _ = stopped.await;
    }));
    say(&"listening")?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        match serde_json::from_str(&line)? {
            Question::Statistics => say(&measured.statistics())?,
            Question::Held(count) => {
                measured.model.wait_for_held(count).await;
                say(&count)?;
            }
            Question::Steps => say(&steps(&measured.model.marks()))?,
            Question::Commits(after) => {
                let durable = measured.durable.lock().unwrap_or_else(PoisonError::into_inner);
                say(&durable.get(after..).unwrap_or_default())?;
            }
        }
    }
    drop(stop);
    serving.await??;
    Ok(())
}

fn config(folder: &Path, listen: SocketAddr, script: Script, measured: &Measured) -> Result<Config, Failure> {
    let helper: PathBuf = std::env::current_exe()?;
    let mut config = Config::new(folder.to_owned(), listen, helper);
    let model: miteos_server::models::ModelName = MODEL.parse()?;
    let stated = Override { window_tokens: script.window_tokens, ..Override::default() };
    config.models = ModelsConfig {
        default: Some(model.clone()),
        overrides: [(model, stated)].into(),
        ..ModelsConfig::default()
    };
    config.providers = vec![(PROVIDER.to_owned(), Arc::clone(&measured.model) as Arc<dyn Provider>)];
    config.max_model_calls = MAX_MODEL_CALLS;
    let (commits, writes) = (Arc::clone(&measured.commits), Arc::clone(&measured.writes));
    let durable = Arc::clone(&measured.durable);
    config.crash = Some(Arc::new(move |nth| {
        commits.store(nth, Ordering::Relaxed);
        durable.lock().unwrap_or_else(PoisonError::into_inner).push(machine::monotonic_ns());
    }));
    config.fault = Some(Arc::new(move |nth| {
        writes.store(nth, Ordering::Relaxed);
        None
    }));
    Ok(config)
}

impl Measured {
    fn statistics(&self) -> Statistics {
        Statistics {
            processor_us: u64::try_from(machine::processor_time().as_micros()).unwrap_or(u64::MAX),
            commits: self.commits.load(Ordering::Relaxed),
            writes: self.writes.load(Ordering::Relaxed),
            calls: self.model.calls.load(Ordering::Relaxed),
            steps: self.model.steps.load(Ordering::Relaxed),
            summaries: self.model.summaries.load(Ordering::Relaxed),
            waiting: self.model.waiting.load(Ordering::Relaxed),
        }
    }
}

fn steps(marks: &[Mark]) -> Steps {
    let ns = |duration: std::time::Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let mut steps = Steps::default();
    for (from, to) in marks.iter().zip(marks.iter().skip(1)) {
        steps.wall_ns.push(ns(to.at.saturating_duration_since(from.at)));
        steps.processor_ns.push(ns(to.processor.saturating_sub(from.processor)));
    }
    steps
}

fn say(answer: &impl Serialize) -> Result<(), Failure> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)?;
    out.flush()?;
    Ok(())
}
