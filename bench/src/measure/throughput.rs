//! Tasks, steps and commits a second with a model that answers at once: the server's own cost.

use std::path::Path;
use std::time::{Duration, Instant};

use super::{Setting, load};
use crate::Failure;
use crate::child::Statistics;
use crate::model::{Script, Work};
use crate::process::Served;
use crate::report::Figure;

/// Connections that make tasks.
const CONNECTIONS: usize = 16;
/// The processor time that a step may cost (µs).
const AIM_STEP_US: f64 = 150.0;

/// What a run came to.
pub struct Outcome {
    pub wall: Duration,
    pub counted: Statistics,
    pub records: u64,
    /// Bytes of all records' bodies.
    pub bytes: u64,
}

impl Outcome {
    pub fn step_us(&self) -> f64 {
        self.counted.processor_us as f64 / self.counted.steps as f64
    }

    fn rate(&self, count: u64) -> f64 {
        count as f64 / self.wall.as_secs_f64()
    }
}

pub async fn run(setting: Setting<'_>, tasks: usize, script: Script) -> Result<Outcome, Failure> {
    let folder = setting.data_folder()?;
    let mut server = Served::start_and_rest(folder.path(), script).await?;
    let before = server.statistics().await?;
    let begun = Instant::now();
    load::create(&server, tasks, CONNECTIONS).await?;
    load::wait_for_complete(&server, tasks).await?;
    let wall = begun.elapsed();
    let after = server.statistics().await?;
    server.stop().await?;
    let (records, bytes) = journal(folder.path())?;
    let counted = Statistics {
        processor_us: after.processor_us - before.processor_us,
        commits: after.commits - before.commits,
        writes: after.writes - before.writes,
        calls: after.calls - before.calls,
        steps: after.steps - before.steps,
        summaries: after.summaries - before.summaries,
        waiting: after.waiting,
    };
    Ok(Outcome { wall, counted, records, bytes })
}

/// Records, and the bytes of their bodies.
fn journal(folder: &Path) -> Result<(u64, u64), Failure> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = rusqlite::Connection::open_with_flags(folder.join("miteos.db"), flags)?;
    let counted: (i64, i64) =
        db.query_row("SELECT COUNT(*), COALESCE(SUM(LENGTH(body)), 0) FROM journal", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    Ok((u64::try_from(counted.0)?, u64::try_from(counted.1)?))
}

/// Tasks of few and of many steps; the difference is what a step costs by itself. Gives the second run's outcome too,
/// as the measure of the references.
pub async fn figures(setting: Setting<'_>) -> Result<(Vec<Figure>, Outcome), Failure> {
    let tasks = setting.size.pick(300, 80);
    let few = run(setting, tasks, Script { steps: 5, ..Script::default() }).await?;
    let many = run(setting, tasks, Script { steps: 30, ..Script::default() }).await?;
    let own_us = (many.counted.processor_us as f64 - few.counted.processor_us as f64)
        / (many.counted.steps - few.counted.steps) as f64;
    let writes = Script { steps: 30, work: Work::Write, ..Script::default() };
    let writing = run(setting, tasks, writes).await?;
    let team = run(setting, tasks / 3, Script { steps: 5, nodes: 3, ..Script::default() }).await?;
    let counted = &many.counted;
    let figures = vec![
        Figure::new("tasks of 5 steps", few.rate(tasks as u64), "tasks/s"),
        Figure::new("tasks of 3 agents with 5 steps each", team.rate(tasks as u64 / 3), "tasks/s"),
        Figure::new("durable steps (model call + tool call)", many.rate(counted.steps), "steps/s"),
        Figure::new("processor time per step, without the task's own", own_us, "µs").at_most(AIM_STEP_US),
        Figure::new("processor time per step, all in, 30 steps a task", many.step_us(), "µs"),
        Figure::new("the same, each step writes a file", writing.step_us(), "µs"),
        Figure::new("durable commits", many.rate(counted.commits), "commits/s"),
        Figure::new("writes that share a commit", counted.writes as f64 / counted.commits as f64, ""),
        Figure::new("writes per step", counted.writes as f64 / counted.steps as f64, ""),
        Figure::new("journal per step", many.bytes as f64 / counted.steps as f64, "bytes"),
        Figure::new("records per step", many.records as f64 / counted.steps as f64, ""),
    ];
    Ok((figures, many))
}
