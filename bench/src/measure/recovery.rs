//! A server is killed in the middle of many tasks; the next one takes them up.

use super::{Setting, load};
use crate::Failure;
use crate::model::{Hold, Script};
use crate::process::Served;
use crate::report::Figure;

const CONNECTIONS: usize = 16;
/// The step in which the model does not answer any more.
const HELD_STEP: u32 = 2;
/// More steps than are ever made.
const STEPS: u32 = 1_000;
/// From the start of the process until every task has moved on (s).
const AIM_SECONDS: f64 = 2.0;

pub async fn figures(setting: Setting<'_>) -> Result<Vec<Figure>, Failure> {
    let tasks = setting.size.pick(1_000, 200);
    let folder = setting.data_folder()?;
    let stuck = Script { steps: STEPS, hold: Hold::From(HELD_STEP), ..Script::default() };
    let mut server = Served::start(folder.path(), stuck).await?;
    load::create(&server, tasks, CONNECTIONS).await?;
    server.wait_for_held(tasks as u64).await?;
    server.kill().await?;

    // Each agent's first call is answered. When its second one comes, the answer and the tool's result are durable.
    let one_more = Script { steps: STEPS, hold: Hold::AfterOne, ..Script::default() };
    let mut server = Served::start(folder.path(), one_more).await?;
    server.wait_for_held(tasks as u64).await?;
    let recovered = server.begun.elapsed();
    let processor = server.statistics().await?.processor_us;
    let listening = server.started_in;
    server.kill().await?;
    let moved = Figure::new("killed, started: all have made a durable step", recovered.as_secs_f64(), "s");
    Ok(vec![
        Figure::new("unfinished tasks", tasks as f64, ""),
        Figure::new("killed, started: answers over HTTP", listening.as_secs_f64() * 1e3, "ms"),
        moved.at_most(AIM_SECONDS),
        Figure::new("processor time per task until then", processor as f64 / tasks as f64, "µs"),
    ])
}
