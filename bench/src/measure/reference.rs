//! The floor beneath a step: the same bytes committed by bare SQLite, the same appends through the store alone, and
//! the scripted model called without a server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use miteos_core::ids::{AccountId, TaskId, WorkspaceId};
use miteos_core::money::MicroUsd;
use miteos_core::time::Timestamp;
use miteos_server::models::{Message, Provider, Request, ToolChoice};
use miteos_store::{Append, NewRecord, Store, StoreConfig, TaskRow, WorkspaceRow};
use tokio::task::JoinSet;
use ulid::Ulid;

use super::Setting;
use super::throughput::Outcome;
use crate::Failure;
use crate::machine::processor_time;
use crate::model::{MODEL, Script, Scripted};
use crate::report::Figure;

/// Tasks that append at the same time.
const WRITERS: u64 = 300;
/// The most single commits of bare SQLite; each costs a write of the disk's own.
const MAX_SINGLE_COMMITS: u64 = 3_000;
/// Turns of the conversation that the bare model is shown.
const TURNS: usize = 15;

struct Cost {
    wall: Duration,
    processor: Duration,
}

impl Cost {
    async fn of<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<Self, Failure> {
        let (begun, before) = (Instant::now(), processor_time());
        work.await?;
        Ok(Self { wall: begun.elapsed(), processor: processor_time().saturating_sub(before) })
    }

    fn us_each(&self, count: u64) -> f64 {
        self.processor.as_secs_f64() * 1e6 / count as f64
    }

    fn rate(&self, count: u64) -> f64 {
        count as f64 / self.wall.as_secs_f64()
    }
}

pub async fn figures(setting: Setting<'_>, run: &Outcome) -> Result<Vec<Figure>, Failure> {
    let counted = &run.counted;
    let commit_bytes = usize::try_from(run.bytes / counted.commits.max(1))?;
    let append_bytes = usize::try_from(run.bytes / counted.writes.max(1))?;
    let grouped = bare(setting, counted.commits, commit_bytes).await?;
    let singles = counted.writes.min(MAX_SINGLE_COMMITS);
    let single = bare(setting, singles, append_bytes).await?;
    let appends = counted.writes / WRITERS * WRITERS;
    let store = store(setting, appends / WRITERS, append_bytes).await?;
    let calls = counted.calls;
    let model = Cost::of(model(calls)).await?;
    let writes_per_step = counted.writes as f64 / counted.steps as f64;
    let floor = store.us_each(appends) * writes_per_step + model.us_each(calls);
    Ok(vec![
        Figure::new(
            "bare SQLite, as many commits of the same bytes",
            grouped.rate(counted.commits),
            "commits/s",
        ),
        Figure::new("  of it processor time of a commit", grouped.us_each(counted.commits), "µs"),
        Figure::new("bare SQLite, a commit for each write", single.rate(singles), "commits/s"),
        Figure::new("  of it processor time of a single commit", single.us_each(singles), "µs"),
        Figure::new("the store alone, group commit, the same appends", store.rate(appends), "appends/s"),
        Figure::new("  of it processor time of an append", store.us_each(appends), "µs"),
        Figure::new("the bare model", model.us_each(calls), "µs/call"),
        Figure::new("floor of a step: its appends and its model call", floor, "µs"),
        Figure::new("a step, all in, against that floor", run.step_us() / floor, "×"),
    ])
}

/// Commits of one row each, one after the other on one connection, with the store's own guarantee.
async fn bare(setting: Setting<'_>, commits: u64, bytes: usize) -> Result<Cost, Failure> {
    let folder = setting.data_folder()?;
    let db = rusqlite::Connection::open(folder.path().join("bare.db"))?;
    let _: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.execute_batch("CREATE TABLE log (n INTEGER PRIMARY KEY, body TEXT NOT NULL)")?;
    let body = "x".repeat(bytes);
    let work = async move {
        for n in 0..commits {
            db.prepare_cached("INSERT INTO log (n, body) VALUES (?1, ?2)")?
                .execute(rusqlite::params![i64::try_from(n)?, body])?;
        }
        Ok(())
    };
    Cost::of(work).await
}

/// Each of the writers appends one record after the other.
async fn store(setting: Setting<'_>, each: u64, bytes: usize) -> Result<Cost, Failure> {
    let folder = setting.data_folder()?;
    let store = Store::open(StoreConfig::in_folder(folder.path())).await?;
    for n in 0..WRITERS {
        let workspace = WorkspaceRow {
            id: WorkspaceId(ulid(n)),
            account: AccountId(ulid(0)),
            live: true,
            name: n.to_string(),
            description: None,
            created_at: Timestamp::from_millis(n),
        };
        let mut append = Append::new(0, row(n, 1), vec![record(1, bytes)]);
        append.workspace = Some(workspace);
        store.create_task(append).await?;
    }
    let writers = store.clone();
    let cost = Cost::of(async move {
        let mut set = JoinSet::new();
        for n in 0..WRITERS {
            let store = writers.clone();
            set.spawn(async move {
                for version in 1..=each {
                    let records = vec![record(version + 1, bytes)];
                    store.append(Append::new(version, row(n, version + 1), records)).await?;
                }
                Ok::<(), Failure>(())
            });
        }
        while let Some(ended) = set.join_next().await {
            ended??;
        }
        Ok(())
    })
    .await?;
    store.close().await;
    Ok(cost)
}

fn record(version: u64, bytes: usize) -> NewRecord {
    let body = format!("{{\"text\":\"{}\"}}", "x".repeat(bytes.saturating_sub(11)));
    NewRecord {
        seq: Some(version),
        kind: "agent.thinking",
        agent: None,
        at: Timestamp::from_millis(version),
        body,
    }
}

fn row(n: u64, version: u64) -> TaskRow {
    TaskRow {
        id: TaskId(ulid(n)),
        account: AccountId(ulid(0)),
        live: true,
        tier: "enterprise".into(),
        status: "running".into(),
        prompt: "Look at the parts of the work.".into(),
        workspace: WorkspaceId(ulid(n)),
        config: "{\"max_agents\":20,\"autonomy_level\":100}".into(),
        detail: "{\"tokens\":4521,\"deliverables\":0,\"actions\":7,\"tools\":[\"recall\"]}".into(),
        version,
        seq: version,
        wake_at: None,
        cost: MicroUsd(0),
        created_at: Timestamp::from_millis(n),
        started_at: None,
        completed_at: None,
    }
}

fn ulid(n: u64) -> Ulid {
    Ulid::from_parts(1_700_000_000_000 + n, u128::from(n))
}

/// The scripted model by itself.
async fn model(calls: u64) -> Result<(), Failure> {
    let model: Arc<dyn Provider> = Arc::new(Scripted::new(Script { steps: u32::MAX, ..Script::default() }));
    let turn = |n: usize| {
        let text = format!("Turn {n} of the conversation, as long as a result of a tool usually is.");
        Message::User { text: text.into() }
    };
    let mut request = Request {
        model: MODEL.parse()?,
        system: "You are a researcher.".into(),
        tools: Arc::from([]),
        messages: (0..TURNS).map(turn).collect::<Vec<_>>().into(),
        choice: ToolChoice::Auto,
        max_output_tokens: 1_000,
        call_id: String::new(),
        temperature: None,
    };
    for n in 0..calls {
        request.call_id = format!("agent.{n}");
        let answer = model.call(&request, &mut |_| {}).await?;
        if answer.calls.is_empty() {
            return Err("the model answered without a call".into());
        }
    }
    Ok(())
}
