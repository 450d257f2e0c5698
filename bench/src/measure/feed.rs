//! From the commit of an event to its arrival at a thousand subscribers, and what an idle subscriber costs.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Setting, load};
use crate::Failure;
use crate::http::Connection;
use crate::machine;
use crate::model::{Hold, Script};
use crate::process::{PATIENCE, Served};
use crate::report::{Figure, percentile};
use crate::stream::{Came, Kind, Stream};

/// No agent gets an answer of its model: what happens is what this program makes happen.
const HELD: Hold = Hold::From(0);
const CONNECTIONS: usize = 16;
/// How long the server comes to rest before its memory is looked at.
const REST: Duration = Duration::from_millis(1_000);
/// From the commit to the arrival, in 99 of 100 (ms).
const AIM_P99_MS: f64 = 10.0;
/// Memory of a subscriber that has nothing to read (KiB).
const AIM_IDLE_KIB: f64 = 8.0;

pub async fn figures(setting: Setting<'_>) -> Result<Vec<Figure>, Failure> {
    let subscribers = setting.size.pick(1_000, 100);
    let events = setting.size.pick(200, 50);
    let mut figures = Vec::new();
    for kind in [Kind::Sse, Kind::Socket] {
        let name = match kind {
            Kind::Sse => "SSE",
            Kind::Socket => "WebSocket",
        };
        let folder = setting.data_folder()?;
        let script = Script { hold: HELD, ..Script::default() };
        let mut server = Served::start_and_rest(folder.path(), script).await?;
        load::create(&server, subscribers, CONNECTIONS).await?;
        let tasks = working(&server, subscribers).await?;
        tokio::time::sleep(REST).await;
        let before = server.memory().unwrap_or_default();
        let one = Subscribed::start(&server, kind, &vec![tasks[0].clone(); subscribers]).await?;
        tokio::time::sleep(REST).await;
        let after = server.memory().unwrap_or_default();
        let each = after.resident.saturating_sub(before.resident) as f64 / subscribers as f64 / 1024.0;
        figures.push(
            Figure::new(format!("{name}: memory of an idle subscriber"), each, "KiB").at_most(AIM_IDLE_KIB),
        );
        let took = one.measure(&mut server, &tasks[..1], events, subscribers).await?;
        push(&mut figures, &format!("{name}: {subscribers} on one task"), &took);
        let many = Subscribed::start(&server, kind, &tasks).await?;
        let took = many.measure(&mut server, &tasks, 5 * events, 1).await?;
        push(&mut figures, &format!("{name}: {subscribers} on as many tasks"), &took);
        server.kill().await?;
    }
    Ok(figures)
}

fn push(figures: &mut Vec<Figure>, what: &str, took: &[f64]) {
    figures.push(Figure::new(format!("{what}, p50"), percentile(took, 50), "ms"));
    figures.push(Figure::new(format!("{what}, p99"), percentile(took, 99), "ms").at_most(AIM_P99_MS));
}

/// The ids of tasks, once each of them has an agent at work that can be guided.
async fn working(server: &Served, tasks: usize) -> Result<Vec<String>, Failure> {
    let mut connection = server.connect().await?;
    let begun = std::time::Instant::now();
    while connection.json("/tasks?status=running&limit=1").await?["total"] != tasks {
        if begun.elapsed() > PATIENCE {
            return Err("the tasks do not begin in time".into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut ids = Vec::with_capacity(tasks);
    while ids.len() < tasks {
        let list = connection.json(&format!("/tasks?limit=100&offset={}", ids.len())).await?;
        let page = list["tasks"].as_array().ok_or("there is no list of tasks")?;
        ids.extend(page.iter().filter_map(|task| task["id"].as_str().map(str::to_owned)));
        if page.is_empty() {
            return Err("the list of tasks ends early".into());
        }
    }
    Ok(ids)
}

/// Subscribers that tell when each event came (ns).
struct Subscribed {
    came: mpsc::UnboundedReceiver<u64>,
    /// Ends them when it is dropped.
    _readers: JoinSet<()>,
}

impl Subscribed {
    /// One for each of the tasks, each at the end of its log.
    async fn start(server: &Served, kind: Kind, tasks: &[String]) -> Result<Self, Failure> {
        let (tell, came) = mpsc::unbounded_channel();
        let mut readers = JoinSet::new();
        let mut connection = server.connect().await?;
        for task in tasks {
            let last = last_seq(&mut connection, task).await?;
            let address: SocketAddr = server.address;
            let stream = Stream::open(kind, address, &server.key, task, last).await?;
            let mut stream = stream.ok_or("a task ended before it was followed")?;
            let tell = tell.clone();
            readers.spawn(async move {
                while let Ok(Came::Event(_)) = stream.next().await {
                    if tell.send(machine::monotonic_ns()).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Self { came, _readers: readers })
    }

    /// Makes events happen one after the other, on each of the tasks in turn, each to be seen by so many. How long
    /// each took from its commit to each of them (ms).
    async fn measure(
        mut self,
        server: &mut Served,
        tasks: &[String],
        events: usize,
        readers: usize,
    ) -> Result<Vec<f64>, Failure> {
        let mut connection = server.connect().await?;
        let mut took = Vec::with_capacity(events * readers);
        let mut known = server.commits(0).await?.len();
        for nth in 0..events {
            let task = &tasks[nth % tasks.len()];
            let reply = connection.post(&format!("/tasks/{task}/guide"), "{\"message\":\"go on\"}").await?;
            if reply.status != 200 {
                return Err(format!("guidance was refused: {}", String::from_utf8_lossy(&reply.body)).into());
            }
            let mut arrivals = Vec::with_capacity(readers);
            while arrivals.len() < readers {
                let arrival = tokio::time::timeout(PATIENCE, self.came.recv()).await;
                arrivals
                    .push(arrival.map_err(|_| "an event did not come")?.ok_or("the subscribers are gone")?);
            }
            let commits = server.commits(known).await?;
            known += commits.len();
            // The commit of this event is the last one before anybody saw it.
            let first = arrivals.iter().copied().min().unwrap_or(0);
            let commit = commits.iter().copied().filter(|at| *at <= first).max();
            let commit = commit.ok_or("an event came without a commit")?;
            took.extend(arrivals.iter().map(|at| at.saturating_sub(commit) as f64 / 1e6));
        }
        Ok(took)
    }
}

async fn last_seq(connection: &mut Connection, task: &str) -> Result<u64, Failure> {
    let page = connection.json(&format!("/tasks/{task}/events?limit=1000")).await?;
    Ok(page["next_after"].as_u64().ok_or("a page of events has no end")?)
}
