//! Many tasks whose model takes its time: what waiting costs in memory, and what is added to the model's own time.

use std::time::{Duration, Instant};

use super::{Setting, load};
use crate::Failure;
use crate::machine::Memory;
use crate::model::Script;
use crate::process::Served;
use crate::report::Figure;

/// How long the model takes (ms).
const LATENCY_MS: u64 = 2_000;
const STEPS: u32 = 3;
const CONNECTIONS: usize = 16;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(50);
const MIB: f64 = 1024.0 * 1024.0;

pub async fn figures(setting: Setting<'_>) -> Result<Vec<Figure>, Failure> {
    let tasks = setting.size.pick(1_000, 200);
    let folder = setting.data_folder()?;
    let script = Script { steps: STEPS, latency_ms: LATENCY_MS, ..Script::default() };
    let mut server = Served::start_and_rest(folder.path(), script).await?;
    let idle = server.memory().unwrap_or_default();
    let before = server.statistics().await?;
    let begun = Instant::now();
    load::create(&server, tasks, CONNECTIONS).await?;
    let busy = busiest(&mut server, tasks as u64).await?;
    load::wait_for_complete(&server, tasks).await?;
    let wall = begun.elapsed().as_secs_f64();
    let after = server.statistics().await?;
    server.stop().await?;
    let steps = (after.steps - before.steps) as f64;
    // The plan, each step's call, and the answer.
    let ideal = (LATENCY_MS * u64::from(STEPS + 2)) as f64 / 1e3;
    let grown = busy.anonymous.saturating_sub(idle.anonymous) as f64;
    Ok(vec![
        Figure::new("tasks in flight", tasks as f64, ""),
        Figure::new("tasks", tasks as f64 / wall, "tasks/s"),
        Figure::new("durable steps", steps / wall, "steps/s"),
        Figure::new("durable commits", (after.commits - before.commits) as f64 / wall, "commits/s"),
        Figure::new(
            "processor time per step, all in",
            (after.processor_us - before.processor_us) as f64 / steps,
            "µs",
        ),
        Figure::new("time for all, against the model's own", wall / ideal, "×"),
        Figure::new("resident memory before", idle.resident as f64 / MIB, "MiB"),
        Figure::new("resident memory with all in flight", busy.resident as f64 / MIB, "MiB"),
        Figure::new("heap per task in flight", grown / tasks as f64 / 1024.0, "KiB"),
    ])
}

/// The memory at the moment when most calls wait for the model, over the steps of the agents.
async fn busiest(server: &mut Served, tasks: u64) -> Result<Memory, Failure> {
    let begun = Instant::now();
    let (mut most, mut found) = (0, Memory::default());
    // Through the plan and the first two steps.
    while begun.elapsed() < Duration::from_millis(LATENCY_MS * 3) {
        let counted = server.statistics().await?;
        let acting = counted.calls > tasks && counted.waiting >= most;
        if acting && let Some(memory) = server.memory() {
            (most, found) = (counted.waiting, memory);
        }
        tokio::time::sleep(LOOK).await;
    }
    if most < tasks * 9 / 10 {
        return Err(format!("only {most} of {tasks} tasks were in flight at once").into());
    }
    Ok(found)
}
