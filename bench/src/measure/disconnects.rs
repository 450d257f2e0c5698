//! Clients that are cut after every event and come back: whether anything is lost or comes twice.

use std::time::Instant;

use tokio::task::JoinSet;

use super::{Setting, load};
use crate::Failure;
use crate::model::Script;
use crate::process::Served;
use crate::report::Figure;
use crate::stream::{Came, Kind, Stream};

/// Tool calls of each task: three events each.
const STEPS: u32 = 90;
const CONNECTIONS: usize = 4;

/// What one client saw.
#[derive(Default)]
struct Seen {
    last: u64,
    cuts: u64,
    lost: u64,
    doubled: u64,
}

pub async fn figures(setting: Setting<'_>) -> Result<Vec<Figure>, Failure> {
    let tasks = setting.size.pick(20, 4);
    let folder = setting.data_folder()?;
    let script = Script { steps: STEPS, ..Script::default() };
    let server = Served::start_and_rest(folder.path(), script).await?;
    load::create(&server, tasks, CONNECTIONS).await?;
    let mut connection = server.connect().await?;
    let list = connection.json(&format!("/tasks?limit={tasks}")).await?;
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for task in list["tasks"].as_array().ok_or("there is no list of tasks")? {
        let task = task["id"].as_str().ok_or("a task has no id")?;
        for kind in [Kind::Sse, Kind::Socket] {
            let (task, address, key) = (task.to_owned(), server.address, server.key.clone());
            clients.spawn(async move {
                let seen = follow(kind, address, &key, &task).await?;
                Ok::<_, Failure>((task, seen))
            });
        }
    }
    let mut all = Seen::default();
    while let Some(client) = clients.join_next().await {
        let (task, seen) = client??;
        let rest = connection.json(&format!("/tasks/{task}/events?after={}", seen.last)).await?;
        let missed = rest["events"].as_array().map_or(0, Vec::len) as u64;
        all.cuts += seen.cuts;
        all.lost += seen.lost + missed;
        all.doubled += seen.doubled;
    }
    let took = begun.elapsed();
    server.kill().await?;
    Ok(vec![
        Figure::new("forced disconnects, SSE and WebSocket", all.cuts as f64, "cuts"),
        Figure::new("events lost", all.lost as f64, "events").at_most(0.0),
        Figure::new("events that came twice", all.doubled as f64, "events").at_most(0.0),
        Figure::new("disconnects and resumed streams", all.cuts as f64 / took.as_secs_f64(), "cuts/s"),
    ])
}

/// Reads one event for each connection, to the end of the log.
async fn follow(kind: Kind, server: std::net::SocketAddr, key: &str, task: &str) -> Result<Seen, Failure> {
    let mut seen = Seen::default();
    while let Some(mut stream) = Stream::open(kind, server, key, task, seen.last).await? {
        match stream.next().await? {
            Came::Event(seq) if seq > seen.last => {
                seen.lost += seq - seen.last - 1;
                seen.last = seq;
            }
            Came::Event(_) => seen.doubled += 1,
            Came::End => break,
        }
        seen.cuts += 1;
        // Dropped where it is, whatever is under way on it.
        drop(stream);
    }
    Ok(seen)
}
