//! How many tasks can be made and read in a second while others run, and how long each request takes; the same requests
//! to a server that does nothing show what of it is the measuring itself.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use super::{Setting, load};
use crate::Failure;
use crate::http::Connection;
use crate::model::Script;
use crate::process::{PATIENCE, Served};
use crate::report::{Figure, percentile};

/// Tasks that run beside.
const RUNNING: usize = 100;
/// The model answers long after the measurement is over (ms).
const LATENCY_MS: u64 = 600_000;
/// Clients, each of which sends its next request when it has the answer to the last one.
const CONNECTIONS: usize = 32;
/// How often is looked whether the tasks run.
const LOOK: Duration = Duration::from_millis(20);
const AIM_CREATES: f64 = 2_000.0;
const AIM_READS: f64 = 5_000.0;
const AIM_P99_MS: f64 = 50.0;

/// What is asked.
#[derive(Clone)]
enum Ask {
    Create,
    /// One of these tasks after the other.
    Read(Vec<String>),
    List,
}

/// What came of a load.
struct Load {
    per_second: f64,
    took_ms: Vec<f64>,
}

pub async fn figures(setting: Setting<'_>) -> Result<Vec<Figure>, Failure> {
    let count = setting.size.pick(10_000, 800);
    let folder = setting.data_folder()?;
    let script = Script { latency_ms: LATENCY_MS, ..Script::default() };
    let mut server = Served::start_and_rest(folder.path(), script).await?;
    load::create(&server, RUNNING, CONNECTIONS).await?;
    wait_until_they_run(&mut server).await?;
    let mut connection = server.connect().await?;
    let list = connection.get("/tasks?limit=20").await?.body;
    let rows: serde_json::Value = serde_json::from_slice(&list)?;
    let ids = rows["tasks"].as_array().ok_or("there is no list of tasks")?;
    let ids: Vec<String> = ids.iter().filter_map(|task| Some(task["id"].as_str()?.to_owned())).collect();
    let first = ids.first().ok_or("the list of tasks is empty")?;
    let task = connection.get(&format!("/tasks/{first}")).await?.body;
    let nothing = setting.data_folder()?;
    let bare = Served::start_bare(nothing.path(), task.len(), list.len()).await?;
    let mut figures = vec![Figure::new("tasks that run beside", RUNNING as f64, "")];
    for (name, ask, count, aim) in [
        ("make a task", Ask::Create, count, Some(AIM_CREATES)),
        ("read a task", Ask::Read(ids), count * 2, Some(AIM_READS)),
        ("list 20 tasks", Ask::List, count, None),
    ] {
        let before = server.statistics().await?;
        let ours = run(&server, &ask, count).await?;
        let after = server.statistics().await?;
        let floor = run(&bare, &ask, count).await?;
        let rate = Figure::new(format!("{name}, {CONNECTIONS} at a time"), ours.per_second, "a second");
        let cost = (after.processor_us - before.processor_us) as f64 / count as f64;
        figures.extend([
            match aim {
                Some(aim) => rate.at_least(aim),
                None => rate,
            },
            named(name, Figure::new("p50", percentile_of(&ours, 50), "ms")),
            named(name, Figure::new("p99", percentile_of(&ours, 99), "ms").at_most(AIM_P99_MS)),
            named(name, Figure::new("processor time, all in", cost, "µs")),
            named(name, Figure::new("a server that does nothing", floor.per_second, "a second")),
            named(name, Figure::new("its p99", percentile_of(&floor, 99), "ms")),
            named(name, Figure::new("against that", floor.per_second / ours.per_second, "×")),
        ]);
    }
    bare.kill().await?;
    server.kill().await?;
    Ok(figures)
}

fn named(what: &str, figure: Figure) -> Figure {
    Figure { name: format!("{what}: {}", figure.name), ..figure }
}

fn percentile_of(load: &Load, percent: usize) -> f64 {
    percentile(&load.took_ms, percent)
}

/// Waits until each of the tasks waits for its model.
async fn wait_until_they_run(server: &mut Served) -> Result<(), Failure> {
    let begun = Instant::now();
    while server.statistics().await?.waiting < RUNNING as u64 {
        if begun.elapsed() > PATIENCE {
            return Err(format!("{RUNNING} tasks do not run after {PATIENCE:?}").into());
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// So many requests over all connections together.
async fn run(server: &Served, ask: &Ask, count: usize) -> Result<Load, Failure> {
    let mut clients = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        clients.push(server.connect().await?);
    }
    let begun = Instant::now();
    let mut set = JoinSet::new();
    for (nth, client) in clients.into_iter().enumerate() {
        let share = count / CONNECTIONS + usize::from(nth < count % CONNECTIONS);
        set.spawn(one(client, ask.clone(), share));
    }
    let mut took_ms = Vec::with_capacity(count);
    while let Some(took) = set.join_next().await {
        took_ms.extend(took??);
    }
    Ok(Load { per_second: count as f64 / begun.elapsed().as_secs_f64(), took_ms })
}

async fn one(mut client: Connection, ask: Ask, share: usize) -> Result<Vec<f64>, Failure> {
    let body = json!({"prompt": "Look at the parts of the work.", "config": {"autonomy_level": 100}});
    let body = body.to_string();
    let paths: Vec<String> = match &ask {
        Ask::Read(ids) => ids.iter().map(|id| format!("/tasks/{id}")).collect(),
        Ask::Create | Ask::List => vec!["/tasks?limit=20".to_owned()],
    };
    let mut took = Vec::with_capacity(share);
    for path in paths.iter().cycle().take(share) {
        let begun = Instant::now();
        let (reply, expected) = match ask {
            Ask::Create => (client.post("/tasks", &body).await?, 201),
            Ask::Read(_) | Ask::List => (client.get(path).await?, 200),
        };
        took.push(begun.elapsed().as_secs_f64() * 1e3);
        if reply.status != expected {
            let said = String::from_utf8_lossy(&reply.body);
            return Err(format!("the answer was {}: {said}", reply.status).into());
        }
    }
    Ok(took)
}
