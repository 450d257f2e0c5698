//! Tasks made over HTTP by a few connections, and waited for.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use crate::Failure;
use crate::process::{PATIENCE, Served};

/// How often is looked whether tasks are complete.
const LOOK: Duration = Duration::from_millis(20);

/// Everything is allowed, so that nothing waits for a person.
const FREE: u8 = 100;

/// Makes tasks over some connections at once; gives how long each request took (ms).
pub async fn create(server: &Served, tasks: usize, connections: usize) -> Result<Vec<f64>, Failure> {
    create_at(server, tasks, connections, FREE).await
}

/// As [`create`], with this autonomy level.
pub async fn create_at(
    server: &Served,
    tasks: usize,
    connections: usize,
    autonomy: u8,
) -> Result<Vec<f64>, Failure> {
    let mut set = JoinSet::new();
    for nth in 0..connections {
        let mut connection = server.connect().await?;
        let share = tasks / connections + usize::from(nth < tasks % connections);
        set.spawn(async move {
            let mut took = Vec::with_capacity(share);
            let body = json!({"prompt": "Look at the parts of the work.", "config": {"autonomy_level": autonomy, "max_agents": 20}});
            let body = body.to_string();
            for _ in 0..share {
                let begun = Instant::now();
                let reply = connection.post("/tasks", &body).await?;
                took.push(begun.elapsed().as_secs_f64() * 1e3);
                if reply.status != 201 {
                    return Err(Failure::from(String::from_utf8_lossy(&reply.body).into_owned()));
                }
            }
            Ok(took)
        });
    }
    let mut all = Vec::with_capacity(tasks);
    while let Some(took) = set.join_next().await {
        all.extend(took??);
    }
    Ok(all)
}

/// Waits until this many tasks are complete. A failed task ends the measurement.
pub async fn wait_for_complete(server: &Served, tasks: usize) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut connection = server.connect().await?;
    loop {
        let complete = connection.json("/tasks?status=complete&limit=1").await?;
        if complete["total"].as_u64() == Some(tasks as u64) {
            return Ok(());
        }
        let failed = connection.json("/tasks?status=failed&limit=1").await?;
        if failed["total"] != 0 {
            return Err(format!("a task failed: {}", failed["tasks"][0]).into());
        }
        if begun.elapsed() > PATIENCE {
            return Err(
                format!("{} of {tasks} tasks are complete after {PATIENCE:?}", complete["total"]).into()
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}
