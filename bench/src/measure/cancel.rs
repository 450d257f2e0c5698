//! From the request that cancels a task to the death of the last process that it had started.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Setting;
use crate::Failure;
use crate::http::Connection;
use crate::machine;
use crate::model::{SLEEP, Script, Work};
use crate::process::{PATIENCE, Served};
use crate::report::{Figure, percentile};

/// Processes of the program that a task runs.
const PROCESSES: usize = 3;
/// How often is looked whether they live.
const LOOK: Duration = Duration::from_micros(500);
/// From the request to the last process dead, in 99 of 100 (ms).
const AIM_P99_MS: f64 = 500.0;

pub async fn figures(setting: Setting<'_>) -> Result<Vec<Figure>, Failure> {
    let tasks = setting.size.pick(100, 10);
    let folder = setting.data_folder()?;
    let server =
        Served::start_and_rest(folder.path(), Script { work: Work::Sleep, ..Script::default() }).await?;
    let mut connection = server.connect().await?;
    let (mut dead, mut cancelled) = (Vec::with_capacity(tasks), Vec::with_capacity(tasks));
    for _ in 0..tasks {
        let id = begin(&mut connection).await?;
        let processes = begun_processes(&mut connection, &id).await?;
        let begun = Instant::now();
        let asked = connection.post(&format!("/tasks/{id}/cancel"), "").await?;
        if asked.status != 200 {
            return Err(format!("cancel was refused: {}", String::from_utf8_lossy(&asked.body)).into());
        }
        while processes.iter().any(|process| machine::runs(*process)) {
            patience(begun, "the processes of a cancelled task live on")?;
            tokio::time::sleep(LOOK).await;
        }
        dead.push(begun.elapsed().as_secs_f64() * 1e3);
        while connection.json(&format!("/tasks/{id}")).await?["status"] != "cancelled" {
            patience(begun, "a task is not cancelled")?;
        }
        cancelled.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    server.stop().await?;
    Ok(vec![
        Figure::new("cancel to the last process dead, p50", percentile(&dead, 50), "ms"),
        Figure::new("cancel to the last process dead, p99", percentile(&dead, 99), "ms").at_most(AIM_P99_MS),
        Figure::new("cancel to `cancelled`, p50", percentile(&cancelled, 50), "ms"),
        Figure::new("cancel to `cancelled`, p99", percentile(&cancelled, 99), "ms"),
    ])
}

async fn begin(connection: &mut Connection) -> Result<String, Failure> {
    let body = json!({"prompt": "Sleep.", "config": {"autonomy_level": 100}}).to_string();
    let reply = connection.post("/tasks", &body).await?;
    let task: serde_json::Value = serde_json::from_slice(&reply.body)?;
    Ok(task["id"].as_str().ok_or_else(|| format!("no task was made: {task}"))?.to_owned())
}

/// The processes of a task's program, once all of them run.
async fn begun_processes(connection: &mut Connection, task: &str) -> Result<Vec<u32>, Failure> {
    let begun = Instant::now();
    loop {
        let processes = machine::processes_called_with(SLEEP);
        if processes.len() == PROCESSES {
            return Ok(processes);
        }
        let seen = connection.json(&format!("/tasks/{task}")).await?;
        if matches!(seen["status"].as_str(), Some("failed" | "complete")) {
            return Err(format!("the program did not run: {seen}").into());
        }
        patience(begun, "a task's program does not begin")?;
        tokio::time::sleep(LOOK * 10).await;
    }
}

fn patience(begun: Instant, what: &str) -> Result<(), Failure> {
    if begun.elapsed() > PATIENCE { Err(what.into()) } else { Ok(()) }
}
