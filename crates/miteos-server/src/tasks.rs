//! Tasks as they are loaded, moved by commands and made durable. The one place between the pure machine and the
//! journal; knows nothing of HTTP and of how effects are performed.

use std::sync::Arc;

use miteos_core::command::{Command, Rejected};
use miteos_core::event::{Created, Event};
use miteos_core::ids::TaskId;
use miteos_core::task::Task;
use miteos_core::time::Timestamp;
use miteos_store::{
    AppendError, Committed, IdempotencyRow, Loaded, MAX_SNAPSHOT_BYTES, Record, Scope, Snapshot, Store,
    StoreError, WorkspaceRow,
};

use crate::clock::Clock;
use crate::feed::{Feed, News};
use crate::metrics::Metrics;
use crate::{project, rows};

/// A snapshot is not worth its room before this much journal has come since the last (bytes).
const SNAPSHOT_FROM_BYTES: usize = 64 * 1024;
/// Records read at once while catching up.
const CATCH_UP: usize = 1_000;
/// How often a command is decided anew because somebody else was faster.
const MAX_CONFLICTS: u32 = 50;

#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the journal of {task} cannot be folded: {why}")]
    Damaged { task: TaskId, why: String },
    #[error("a record of {task} cannot be written")]
    Unwritable {
        task: TaskId,
        #[source]
        source: serde_json::Error,
    },
    /// Somebody else has appended; load again and decide again.
    #[error("{task} has moved on")]
    Conflict { task: TaskId },
}

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("there is no such task")]
    NotFound,
    #[error(transparent)]
    Rejected(#[from] Rejected),
    #[error(transparent)]
    Task(#[from] TaskError),
}

/// A task in memory, at a version, with what is needed to decide about snapshots.
pub struct Live {
    pub task: Task,
    /// Bytes of journal since the last snapshot.
    unsaved: usize,
    /// Size of the last snapshot.
    saved: usize,
}

impl Live {
    fn snapshot_is_due(&self) -> bool {
        self.unsaved >= self.saved.max(SNAPSHOT_FROM_BYTES) || (self.task.is_finished() && self.unsaved > 0)
    }
}

#[derive(Clone)]
pub struct Tasks {
    pub store: Store,
    pub feed: Arc<Feed>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
}

impl Tasks {
    /// Makes a task durable, with its workspace where a new one goes with it, and with the answer that repeats of
    /// the request are to get.
    pub async fn create(
        &self,
        id: TaskId,
        created: Created,
        workspace: Option<WorkspaceRow>,
        answer: impl FnOnce(&Task) -> Option<IdempotencyRow>,
    ) -> Result<Live, TaskError> {
        let now = self.clock.now();
        let (task, event) = Task::create(id, created, now);
        let events = [(event, now)];
        let mut append =
            rows::append(&task, &events, now).map_err(|source| TaskError::Unwritable { task: id, source })?;
        append.workspace = workspace;
        append.idempotency = answer(&task);
        let live = Live { unsaved: append.records.iter().map(|r| r.body.len()).sum(), saved: 0, task };
        let committed = self.store.create_task(append).await.map_err(|error| lost(id, error))?;
        self.tell(&live.task, committed, &events);
        Ok(live)
    }

    pub async fn load(&self, id: TaskId) -> Result<Option<Live>, TaskError> {
        match self.store.load(id).await? {
            Some(loaded) => fold(id, loaded).map(Some),
            None => Ok(None),
        }
    }

    /// Takes in what others have appended.
    pub async fn catch_up(&self, live: &mut Live) -> Result<(), TaskError> {
        loop {
            let records = self.store.records_after(live.task.id, live.task.version, CATCH_UP).await?;
            let last = records.len() < CATCH_UP;
            take_in(live, &records)?;
            if last {
                return Ok(());
            }
        }
    }

    /// Makes events durable that `live.task` has already moved past. After an error the task in memory is ahead of
    /// the journal and must be loaded afresh.
    pub async fn commit(&self, live: &mut Live, events: &[(Event, Timestamp)]) -> Result<(), TaskError> {
        self.commit_with(live, events, None).await
    }

    /// As [`Self::commit`], with the answer that repeats of the request are to get.
    async fn commit_with(
        &self,
        live: &mut Live,
        events: &[(Event, Timestamp)],
        answer: Option<IdempotencyRow>,
    ) -> Result<(), TaskError> {
        let id = live.task.id;
        let unwritable = |source| TaskError::Unwritable { task: id, source };
        let mut append = rows::append(&live.task, events, self.clock.now()).map_err(unwritable)?;
        append.idempotency = answer;
        live.unsaved += append.records.iter().map(|record| record.body.len()).sum::<usize>();
        if live.snapshot_is_due() {
            let body = serde_json::to_vec(&live.task).map_err(unwritable)?;
            // Also of one that is left out: the next is only tried after as much journal again.
            live.saved = body.len();
            live.unsaved = 0;
            append.snapshot = snapshot(&live.task, body);
        }
        let committed = self.store.append(append).await.map_err(|error| lost(id, error))?;
        self.tell(&live.task, committed, events);
        Ok(())
    }

    /// Tells those who follow what is durable now.
    fn tell(&self, task: &Task, committed: Committed, events: &[(Event, Timestamp)]) {
        self.metrics.appended(events.iter().map(|(event, _)| event));
        let cursor = committed.account_cursor.and_then(|cursor| u64::try_from(cursor).ok());
        self.feed.publish(&News { task: task.id, scope: scope(task), seq: task.seq, cursor, events });
    }

    /// Carries out one command on a task; see [`Tasks::commands`].
    pub async fn command(&self, id: TaskId, command: Command) -> Result<Live, CommandError> {
        self.commands(id, &[command], None).await
    }

    /// Carries out commands on a task, whoever drives it: all of them or none, decided on the newest version, and
    /// again if somebody else was faster. The answer that repeats of the request are to get is stored with what the
    /// commands change, and by itself if they change nothing.
    pub async fn commands(
        &self,
        id: TaskId,
        commands: &[Command],
        answer: Option<IdempotencyRow>,
    ) -> Result<Live, CommandError> {
        for _ in 0..MAX_CONFLICTS {
            let mut live = self.load(id).await?.ok_or(CommandError::NotFound)?;
            let now = self.clock.now();
            let mut events = Vec::new();
            for command in commands {
                events.extend(live.task.handle(command.clone(), now)?);
            }
            if events.is_empty() {
                if let Some(answer) = answer {
                    self.store.insert_answer(answer).await.map_err(TaskError::from)?;
                }
                return Ok(live);
            }
            let events: Vec<_> = events.into_iter().map(|event| (event, now)).collect();
            match self.commit_with(&mut live, &events, answer.clone()).await {
                Ok(()) => return Ok(live),
                Err(TaskError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(TaskError::Conflict { task: id }.into())
    }
}

/// A snapshot saves reading; a task that is too big for one goes on without.
fn snapshot(task: &Task, body: Vec<u8>) -> Option<Snapshot> {
    if body.len() > MAX_SNAPSHOT_BYTES {
        tracing::warn!(task = %task.id, bytes = body.len(), "a task is too big for a snapshot; its journal is read instead");
        return None;
    }
    Some(Snapshot { version: task.version, body })
}

pub fn scope(task: &Task) -> Scope {
    Scope { account: task.account, live: task.live }
}

fn lost(task: TaskId, error: AppendError) -> TaskError {
    match error {
        AppendError::Conflict { .. } => TaskError::Conflict { task },
        AppendError::Store(error) => TaskError::Store(error),
    }
}

fn fold(id: TaskId, loaded: Loaded) -> Result<Live, TaskError> {
    let damaged = |why: String| TaskError::Damaged { task: id, why };
    let mut tail = loaded.tail.as_slice();
    let mut live = match &loaded.snapshot {
        Some(snapshot) => {
            let task: Task =
                serde_json::from_slice(&snapshot.body).map_err(|e| damaged(format!("its snapshot: {e}")))?;
            Live { task, unsaved: 0, saved: snapshot.body.len() }
        }
        None => {
            let (first, rest) = tail.split_first().ok_or_else(|| damaged("it is empty".to_owned()))?;
            tail = rest;
            let event = project::read(id, first).map_err(|e| damaged(format!("{e}: {}", e.source)))?;
            let task = Task::born(id, &event, first.at)
                .ok_or_else(|| damaged("it does not begin with a creation".to_owned()))?;
            Live { task, unsaved: first.body.len(), saved: 0 }
        }
    };
    take_in(&mut live, tail)?;
    Ok(live)
}

fn take_in(live: &mut Live, records: &[Record]) -> Result<(), TaskError> {
    let id = live.task.id;
    for record in records {
        if record.version != live.task.version + 1 {
            let why = format!("version {} follows {}", record.version, live.task.version);
            return Err(TaskError::Damaged { task: id, why });
        }
        let event = project::read(id, record)
            .map_err(|e| TaskError::Damaged { task: id, why: format!("{e}: {}", e.source) })?;
        live.task.apply(&event, record.at);
        live.unsaved += record.body.len();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use miteos_core::content::Content;
    use miteos_core::ids::{AccountId, WorkspaceId};
    use miteos_core::settings::{Settings, TaskConfig};
    use ulid::Ulid;

    use super::*;

    #[test]
    fn a_task_that_is_too_big_goes_on_without_a_snapshot() {
        let created = Created {
            account: AccountId(Ulid::from_parts(1, 1)),
            live: true,
            tier: "free".into(),
            prompt: Content::from("do it"),
            workspace: WorkspaceId(Ulid::from_parts(1, 2)),
            config: TaskConfig::default(),
            settings: Settings::default(),
        };
        let (task, _) = Task::create(TaskId(Ulid::from_parts(1, 3)), created, Timestamp::from_millis(1));
        let kept = snapshot(&task, vec![b' '; MAX_SNAPSHOT_BYTES]).unwrap();
        assert_eq!((kept.version, kept.body.len()), (1, MAX_SNAPSHOT_BYTES));
        assert_eq!(snapshot(&task, vec![b' '; MAX_SNAPSHOT_BYTES + 1]), None);
    }
}
