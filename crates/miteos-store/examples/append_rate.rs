//! Measures how many appends a second the store makes durable, and what each costs in processor time, for
//! 1, 100 and 1,000 tasks that append one record after the other. Optional arguments: seconds a step, folder.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use miteos_core::ids::{AccountId, TaskId, WorkspaceId};
use miteos_core::money::MicroUsd;
use miteos_core::time::Timestamp;
use miteos_store::{Append, NewRecord, Store, StoreConfig, TaskRow, WorkspaceRow};
use ulid::Ulid;

/// A body like that of an event.
const BODY_BYTES: usize = 400;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are its output")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let temporary = tempfile::tempdir()?;
    let folder = arguments.next().map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let mut first = 0;
    for tasks in [1, 100, 1_000] {
        let commits = Arc::new(AtomicU64::new(0));
        let mut config = StoreConfig::in_folder(&folder);
        let seen = Arc::clone(&commits);
        config.crash = Some(Arc::new(move |n| seen.store(n, Ordering::Relaxed)));
        let store = Store::open(config).await?;
        for n in first..first + tasks {
            create(&store, n).await?;
        }
        let (commits_before, cpu_before, started) = (commits.load(Ordering::Relaxed), cpu(), Instant::now());
        let (appends, mut waits) = run(&store, first..first + tasks, Duration::from_secs(seconds)).await?;
        let elapsed = started.elapsed().as_secs_f64();
        let cpu = cpu() - cpu_before;
        let commits = commits.load(Ordering::Relaxed) - commits_before;
        waits.sort_unstable();
        let percentile = |p: usize| waits.get(waits.len() * p / 100).map_or(0.0, |us| *us as f64 / 1000.0);
        println!(
            "{tasks:>5} tasks: {:>7.0} appends/s, {:>5.1} us cpu each, {:>6.1} appends a commit, {:>5.2} ms a commit, wait p50 {:.2} ms p99 {:.2} ms",
            appends as f64 / elapsed,
            cpu * 1e6 / appends as f64,
            appends as f64 / commits as f64,
            elapsed * 1e3 / commits as f64,
            percentile(50),
            percentile(99),
        );
        reads(&store, first..first + tasks).await?;
        store.close().await;
        first += tasks;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the figures are its output")]
async fn reads(store: &Store, tasks: std::ops::Range<u64>) -> Result<(), Failure> {
    const READS: u64 = 20_000;
    let (started, before) = (Instant::now(), cpu());
    let workers: Vec<_> = (0..16)
        .map(|worker| {
            let (store, tasks) = (store.clone(), tasks.clone());
            tokio::spawn(async move {
                for n in 0..READS / 16 {
                    let task = tasks.start + (n * 16 + worker) % (tasks.end - tasks.start);
                    store.events_after(TaskId(ulid(task)), 10, 20).await?;
                }
                Ok::<(), Failure>(())
            })
        })
        .collect();
    for worker in workers {
        worker.await??;
    }
    let elapsed = started.elapsed().as_secs_f64();
    println!(
        "             pages of 20 events: {:>7.0} reads/s, {:.1} us cpu each",
        READS as f64 / elapsed,
        (cpu() - before) * 1e6 / READS as f64
    );
    Ok(())
}

async fn run(store: &Store, tasks: std::ops::Range<u64>, time: Duration) -> Result<(u64, Vec<u64>), Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> =
        tasks.map(|n| tokio::spawn(append_until(store.clone(), n, Arc::clone(&stop)))).collect();
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let (mut appends, mut waits) = (0, Vec::new());
    for worker in workers {
        let waited = worker.await??;
        appends += waited.len() as u64;
        waits.extend(waited);
    }
    Ok((appends, waits))
}

/// Returns how long each append took, in microseconds.
async fn append_until(store: Store, n: u64, stop: Arc<AtomicBool>) -> Result<Vec<u64>, Failure> {
    let mut row = store.task_row(TaskId(ulid(n))).await?.ok_or("the task is gone")?;
    let mut waits = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let expected = row.version;
        row.version += 1;
        row.seq += 1;
        let append = Append::new(expected, row.clone(), vec![event(row.seq)]);
        let started = Instant::now();
        store.append(append).await?;
        waits.push(u64::try_from(started.elapsed().as_micros())?);
    }
    Ok(waits)
}

async fn create(store: &Store, n: u64) -> Result<(), Failure> {
    let (account, live, at) = (AccountId(ulid(0)), true, Timestamp::from_millis(n));
    let workspace = WorkspaceRow {
        id: WorkspaceId(ulid(n)),
        account,
        live,
        name: n.to_string(),
        description: None,
        created_at: at,
    };
    let row = TaskRow {
        id: TaskId(ulid(n)),
        account,
        live,
        tier: "business".into(),
        status: "running".into(),
        prompt: "Measure the store".repeat(20),
        workspace: workspace.id,
        config: "{\"max_agents\":3,\"autonomy_level\":50}".into(),
        detail: "{\"total_tokens_used\":4521,\"deliverables_count\":0}".into(),
        version: 1,
        seq: 1,
        wake_at: None,
        cost: MicroUsd(0),
        created_at: at,
        started_at: Some(at),
        completed_at: None,
    };
    let mut append = Append::new(0, row, vec![event(1)]);
    append.workspace = Some(workspace);
    store.create_task(append).await?;
    Ok(())
}

fn event(seq: u64) -> NewRecord {
    let body = format!("{{\"text\":\"{}\"}}", "x".repeat(BODY_BYTES));
    NewRecord { seq: Some(seq), kind: "agent.thinking", agent: None, at: Timestamp::from_millis(seq), body }
}

fn ulid(n: u64) -> Ulid {
    Ulid::from_parts(1_700_000_000_000 + n, u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// Processor seconds of this process so far; 0 where the system does not tell.
fn cpu() -> f64 {
    /// What Linux counts in (the kernel's fixed USER_HZ).
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |n: usize| fields.split_whitespace().nth(n).and_then(|text| text.parse::<f64>().ok());
    (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / TICKS_PER_SECOND
}
