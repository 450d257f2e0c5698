//! From nothing to the first answer, and what a server at rest needs.

use std::path::Path;
use std::time::Duration;

use super::{Setting, load};
use crate::Failure;
use crate::model::Script;
use crate::process::Served;
use crate::report::{Figure, median};

/// Starts of which the median is taken.
const STARTS: usize = 5;
/// How long a server comes to rest before its memory is looked at.
const REST: Duration = Duration::from_millis(1_500);
const CONNECTIONS: usize = 16;
/// From the start of the process to its first answer (ms).
const AIM_START_MS: f64 = 100.0;
/// Resident memory of a server that does nothing (MiB).
const AIM_IDLE_MIB: f64 = 40.0;
const MIB: f64 = 1024.0 * 1024.0;

pub async fn figures(setting: Setting<'_>) -> Result<Vec<Figure>, Failure> {
    let tasks = setting.size.pick(1_000, 100);
    let mut empty = Vec::new();
    for _ in 0..STARTS {
        let folder = setting.data_folder()?;
        empty.push(time_of(setting, folder.path()).await?);
    }
    let folder = setting.data_folder()?;
    fill(folder.path(), tasks).await?;
    let mut filled = Vec::new();
    for _ in 0..STARTS {
        filled.push(time_of(setting, folder.path()).await?);
    }
    let fresh = setting.data_folder()?;
    let server = start(setting, fresh.path()).await?;
    tokio::time::sleep(REST).await;
    let memory = server.memory().unwrap_or_default();
    server.kill().await?;
    let bytes = match setting.released {
        Some(program) => std::fs::metadata(program)?.len(),
        None => std::fs::metadata(std::env::current_exe()?)?.len(),
    };
    let whose = if setting.released.is_some() { "program" } else { "program (this one)" };
    Ok(vec![
        Figure::new("start on an empty folder", median(&empty), "ms").at_most(AIM_START_MS),
        Figure::new(format!("start on {tasks} finished tasks"), median(&filled), "ms").at_most(AIM_START_MS),
        Figure::new("resident memory at rest", memory.resident as f64 / MIB, "MiB").at_most(AIM_IDLE_MIB),
        Figure::new("of it heap and stacks", memory.anonymous as f64 / MIB, "MiB"),
        Figure::new(format!("size of the {whose}"), bytes as f64 / MIB, "MiB"),
    ])
}

async fn start(setting: Setting<'_>, folder: &Path) -> Result<Served, Failure> {
    match setting.released {
        Some(program) => Served::start_released(program, folder).await,
        None => Served::start(folder, Script::default()).await,
    }
}

async fn time_of(setting: Setting<'_>, folder: &Path) -> Result<f64, Failure> {
    let server = start(setting, folder).await?;
    let ms = server.started_in.as_secs_f64() * 1e3;
    server.kill().await?;
    Ok(ms)
}

/// Leaves a folder with finished tasks behind.
async fn fill(folder: &Path, tasks: usize) -> Result<(), Failure> {
    let server = Served::start(folder, Script { steps: 2, ..Script::default() }).await?;
    load::create(&server, tasks, CONNECTIONS).await?;
    load::wait_for_complete(&server, tasks).await?;
    server.stop().await
}
