//! How long requests take while tasks wait for a slow model.

use std::time::Instant;

use super::{Setting, load};
use crate::Failure;
use crate::http::Connection;
use crate::model::Script;
use crate::process::Served;
use crate::report::{Figure, percentile};

/// The model answers long after the measurement is over (ms).
const LATENCY_MS: u64 = 60_000;
const CONNECTIONS: usize = 16;

pub async fn figures(setting: Setting<'_>) -> Result<Vec<Figure>, Failure> {
    let count = setting.size.pick(1_000, 200);
    let folder = setting.data_folder()?;
    let script = Script { latency_ms: LATENCY_MS, ..Script::default() };
    let server = Served::start_and_rest(folder.path(), script).await?;
    let alone = load::create(&server, count / 2, 1).await?;
    let begun = Instant::now();
    let together = load::create(&server, count, CONNECTIONS).await?;
    let rate = together.len() as f64 / begun.elapsed().as_secs_f64();
    let mut connection = server.connect().await?;
    let newest = connection.json("/tasks?limit=1").await?;
    let id = newest["tasks"][0]["id"].as_str().ok_or("the list of tasks is empty")?.to_owned();
    let one = read(&mut connection, &format!("/tasks/{id}"), count).await?;
    let events = read(&mut connection, &format!("/tasks/{id}/events"), count).await?;
    let list = read(&mut connection, "/tasks?limit=20", count / 2).await?;
    server.kill().await?;
    let mut figures = vec![Figure::new("tasks made over 16 connections", rate, "tasks/s")];
    for (name, took) in [
        ("make a task, one at a time", alone),
        ("make a task, 16 at a time", together),
        ("read a task", one),
        ("read a task's events", events),
        ("list 20 tasks", list),
    ] {
        figures.push(Figure::new(format!("{name}, p50"), percentile(&took, 50), "ms"));
        figures.push(Figure::new(format!("{name}, p99"), percentile(&took, 99), "ms"));
    }
    Ok(figures)
}

async fn read(connection: &mut Connection, path: &str, count: usize) -> Result<Vec<f64>, Failure> {
    let mut took = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        connection.json(path).await?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(took)
}
