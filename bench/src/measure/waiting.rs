//! Very many tasks that wait for a person: what they cost in memory, and how soon one goes on.

use std::time::{Duration, Instant};

use super::{Setting, load};
use crate::Failure;
use crate::http::Connection;
use crate::model::{Script, Work};
use crate::process::{PATIENCE, Served};
use crate::report::{Figure, percentile};
use crate::stream::{Came, Kind, Stream};

const CONNECTIONS: usize = 16;
/// Every tool that changes anything asks first.
const ASKS: u8 = 0;
/// How many of the tasks are let go on.
const APPROVED: usize = 100;
/// How long the server comes to rest before its memory is looked at.
const REST: Duration = Duration::from_millis(2_000);
/// How often is looked whether all wait.
const LOOK: Duration = Duration::from_millis(200);
/// Resident memory with all of them waiting (MiB).
const AIM_MIB: f64 = 200.0;
const MIB: f64 = 1024.0 * 1024.0;

pub async fn figures(setting: Setting<'_>) -> Result<Vec<Figure>, Failure> {
    let tasks = setting.size.pick(100_000, 500);
    let folder = setting.data_folder()?;
    let script = Script { steps: 1, work: Work::Write, ..Script::default() };
    let server = Served::start_and_rest(folder.path(), script).await?;
    let idle = server.memory().unwrap_or_default();
    let begun = Instant::now();
    load::create_at(&server, tasks, CONNECTIONS, ASKS).await?;
    let mut connection = server.connect().await?;
    let mut pending = 0;
    let mut last_change = Instant::now();
    while pending < tasks {
        let now = waiting(&mut connection).await?;
        if now != pending {
            (pending, last_change) = (now, Instant::now());
        }
        if last_change.elapsed() > PATIENCE {
            return Err(format!("only {pending} of {tasks} tasks wait for an approval").into());
        }
        tokio::time::sleep(LOOK).await;
    }
    let wall = begun.elapsed().as_secs_f64();
    tokio::time::sleep(REST).await;
    let busy = server.memory().unwrap_or_default();
    let took = approve(&server, &mut connection, APPROVED.min(tasks)).await?;
    server.kill().await?;
    // Most of a restart with so many is the one look at what is due.
    let again = Served::start_and_rest(folder.path(), script).await?;
    let back = again.memory().unwrap_or_default();
    let started = again.started_in.as_secs_f64() * 1e3;
    let still = waiting(&mut again.connect().await?).await?;
    again.kill().await?;
    Ok(vec![
        Figure::new("tasks that wait for an approval", tasks as f64, ""),
        Figure::new("tasks brought there", tasks as f64 / wall, "tasks/s"),
        Figure::new("resident memory before", idle.resident as f64 / MIB, "MiB"),
        Figure::new("resident memory with all waiting", busy.resident as f64 / MIB, "MiB").at_most(AIM_MIB),
        Figure::new("heap and stacks with all waiting", busy.anonymous as f64 / MIB, "MiB"),
        Figure::new("approve to the tool's result received, p50", percentile(&took, 50), "ms"),
        Figure::new("approve to the tool's result received, p99", percentile(&took, 99), "ms"),
        Figure::new("start after kill -9 with all waiting", started, "ms"),
        // The rest are pages of the database that the system lends and takes back.
        Figure::new("resident memory after that start", back.resident as f64 / MIB, "MiB"),
        Figure::new("heap and stacks after that start", back.anonymous as f64 / MIB, "MiB").at_most(AIM_MIB),
        Figure::new("approvals lost by it", (tasks - took.len()).abs_diff(still) as f64, "").at_most(0.0),
    ])
}

async fn waiting(connection: &mut Connection) -> Result<usize, Failure> {
    let list = connection.json("/approvals?status=pending&limit=1").await?;
    let total = list["total"].as_u64().ok_or("the list of approvals has no total")?;
    Ok(usize::try_from(total)?)
}

/// Approves some, one after the other; how long each took from the request to the result of its tool (ms).
async fn approve(server: &Served, connection: &mut Connection, count: usize) -> Result<Vec<f64>, Failure> {
    let list = connection.json(&format!("/approvals?status=pending&limit={count}")).await?;
    let approvals = list["approvals"].as_array().ok_or("there is no list of approvals")?;
    let mut took = Vec::with_capacity(count);
    for approval in approvals {
        let word = |name: &str| approval[name].as_str().ok_or("an approval lacks a field");
        let (id, task, agent) = (word("id")?, word("task_id")?, word("agent_id")?);
        let page = connection.json(&format!("/tasks/{task}/events?limit=1000")).await?;
        let last = page["next_after"].as_u64().ok_or("a page of events has no end")?;
        let stream = Stream::open(Kind::Sse, server.address, &server.key, task, last).await?;
        let mut stream = stream.ok_or("a task ended while it waited")?;
        let begun = Instant::now();
        let reply = connection.post(&format!("/agents/{agent}/approve/{id}"), "{\"approved\": true}").await?;
        if reply.status != 200 {
            return Err(format!("an approval was refused: {}", String::from_utf8_lossy(&reply.body)).into());
        }
        // The decision comes first, then the result of the tool.
        for what in ["decision", "result"] {
            match tokio::time::timeout(PATIENCE, stream.next()).await {
                Ok(Ok(Came::Event(_))) => {}
                other => return Err(format!("the {what} of an approved call did not come: {other:?}").into()),
            }
        }
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(took)
}
