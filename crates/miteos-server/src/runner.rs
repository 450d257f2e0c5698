//! Drives one task: fold, ask what is owed, perform it, record what came of it, again. Leaves when only people or
//! time can move the task on.

mod budget;
mod closing;
pub mod conversation;
mod effects;
mod flight;
mod model;
mod questions;
mod slot;
mod tools;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use miteos_core::agent::{Agent, AgentStatus};
use miteos_core::command::{Command, Rejected};
use miteos_core::content::Content;
use miteos_core::event::{Billed, Event};
use miteos_core::ids::{TaskId, WorkspaceId};
use miteos_core::task::{Reserved, Stage, Task};
use miteos_core::time::Timestamp;
use miteos_models::Models;
use miteos_store::StoreError;
use miteos_tools::{Registry, Services, Workspace};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::metrics::Share;
use crate::tasks::{Live, TaskError, Tasks, scope};
use crate::tier;
use crate::traces::Traces;
use flight::Flight;
pub use slot::{Left, Slot};

/// A wait shorter than this is waited for here; a longer one parks the task (ms).
const STAY_MS: u64 = 2_000;
/// The rest after outcomes of which none counted.
const REFUSED_REST: Duration = Duration::from_millis(5);
/// How often outcomes are decided anew because a command came in between.
const MAX_CONFLICTS: u32 = 50;

/// What effects are performed with. One for the whole process.
pub struct Deps {
    pub tasks: Tasks,
    pub models: Arc<Models>,
    pub registry: Arc<Registry>,
    pub services: Arc<Services>,
    /// The folder that holds one folder for each workspace.
    pub workspaces: PathBuf,
    pub clock: Arc<dyn Clock>,
    pub traces: Traces,
}

impl Deps {
    /// The folder of a workspace, made and opened when it is first used.
    pub fn workspace(&self, id: WorkspaceId) -> Workspace {
        Workspace::on_demand(self.workspaces.join(id.to_string()))
    }

    /// A text as the journal keeps it: big ones go to the blob store.
    pub async fn content(&self, text: String, path: Option<String>) -> Result<Content, StoreError> {
        if !Content::must_store(&text) {
            return Ok(Content::Inline(text));
        }
        self.tasks.store.blobs().put_bytes(text.as_bytes()).await?;
        Ok(Content::stored(&text, path))
    }

    /// The whole text of a content.
    pub async fn text(&self, content: &Content) -> Result<Arc<str>, StoreError> {
        match content {
            Content::Inline(text) => Ok(text.as_str().into()),
            Content::Stored { sha256, .. } => match self.tasks.store.blobs().get(sha256).await? {
                Some(bytes) => Ok(String::from_utf8_lossy(&bytes).into()),
                None => Err(StoreError::Missing { what: "blob", name: sha256.to_string() }),
            },
        }
    }
}

/// How many agents think or act.
fn running(task: &Task) -> usize {
    let busy = |agent: &&Agent| matches!(agent.status(), AgentStatus::Thinking | AgentStatus::Acting);
    task.agents.iter().filter(busy).count()
}

struct Runner {
    deps: Arc<Deps>,
    live: Live,
    flight: Flight,
    /// Its part of the agents that think or act.
    agents: Share,
}

/// Runs a task until it is parked, has ended, or the server stops.
pub async fn run(
    deps: Arc<Deps>,
    id: TaskId,
    slot: Arc<Slot>,
    shutdown: CancellationToken,
) -> Result<Left, TaskError> {
    slot.take_dirty();
    let Some(live) = deps.tasks.load(id).await? else {
        return Ok(Left::Parked { next_wake: None });
    };
    let agents = Share::of(&deps.tasks.metrics.agents);
    let span = deps.traces.turn(&live.task);
    let mut runner = Runner { flight: Flight::new(Arc::clone(&deps), span), deps, live, agents };
    let left = runner.turn(&slot, &shutdown).await;
    runner.flight.abandon().await;
    if let Ok(Left::Finished { .. }) = &left {
        runner.deps.traces.over(id);
    }
    left
}

impl Runner {
    async fn turn(&mut self, slot: &Slot, shutdown: &CancellationToken) -> Result<Left, TaskError> {
        self.count_lost_calls().await?;
        loop {
            if slot.take_dirty() {
                self.deps.tasks.catch_up(&mut self.live).await?;
            }
            // One time for all of a round: what is not due yet has a timer then.
            let now = self.deps.clock.now();
            // Outcomes first: what has landed is still owed until it is recorded, and must not be begun again.
            let mut commands = self.flight.landed();
            if commands.is_empty() {
                self.flight.settled();
                commands = self.begin(now, shutdown.is_cancelled() || self.flight.has_failed());
            }
            if !commands.is_empty() {
                let moved = self.advance(commands).await?;
                self.flight.settled();
                if !moved {
                    // Refused outcomes alone: whatever repeats them must not spin.
                    tokio::time::sleep(REFUSED_REST).await;
                }
                continue;
            }
            if shutdown.is_cancelled() && self.flight.is_empty() {
                return Ok(Left::Shutdown);
            }
            if let Some(error) = self.flight.failure() {
                return Err(error.into());
            }
            if self.live.task.is_finished() {
                return Ok(Left::Finished { scope: scope(&self.live.task) });
            }
            let next_wake = self.live.task.next_wake(now);
            if self.flight.is_empty() {
                let stay = next_wake.is_some_and(|at| at.since(self.deps.clock.now()) < STAY_MS);
                if !stay {
                    return Ok(Left::Parked { next_wake });
                }
            }
            self.agents.set(running(&self.live.task));
            self.wait(slot, next_wake, shutdown).await;
        }
    }

    /// Nothing is in the air yet, so a reservation in the journal is of a call that was cut off when its runner ended.
    /// The provider may have billed it.
    async fn count_lost_calls(&mut self) -> Result<(), TaskError> {
        let lost =
            |r: &Reserved| Command::ModelUnanswered { agent: r.agent, billed: Billed::AtMost(Some(r.worst)) };
        let commands: Vec<Command> = self.live.task.reserved.iter().map(lost).collect();
        if !commands.is_empty() {
            self.advance(commands).await?;
        }
        Ok(())
    }

    async fn wait(&mut self, slot: &Slot, next_wake: Option<Timestamp>, shutdown: &CancellationToken) {
        let clock = Arc::clone(&self.deps.clock);
        let time = async {
            match next_wake {
                Some(at) => clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.flight.land() => {}
            () = slot.woken() => {}
            () = time => {}
            () = shutdown.cancelled(), if !shutdown.is_cancelled() => {}
        }
    }

    /// Begins what is owed and due. Gives the commands that need no effect outside. `stopping`: nothing is begun that
    /// is not about ending.
    fn begin(&mut self, now: Timestamp, stopping: bool) -> Vec<Command> {
        let task = &self.live.task;
        if task.stage == Stage::Queued {
            let own_place = tier::concurrent_tasks(&task.tier).is_none();
            return if own_place && !stopping { vec![Command::Admit] } else { Vec::new() };
        }
        let mut commands = Vec::new();
        self.flight.drop_unwanted(task);
        for effect in task.pending() {
            if effect.not_before().is_some_and(|at| at > now) {
                continue;
            }
            if let Some(command) = self.flight.begin(task, effect, stopping) {
                commands.push(command);
            }
        }
        commands.extend(self.flight.spend(task, stopping));
        commands
    }

    /// Decides and records. If somebody else has appended meanwhile, decides anew on the newer state. Gives whether
    /// anything has changed.
    async fn advance(&mut self, commands: Vec<Command>) -> Result<bool, TaskError> {
        for _ in 0..MAX_CONFLICTS {
            let now = self.deps.clock.now();
            let mut events: Vec<(Event, Timestamp)> = Vec::new();
            for command in &commands {
                match self.live.task.handle(command.clone(), now) {
                    Ok(more) => events.extend(more.into_iter().map(|event| (event, now))),
                    Err(Rejected::Stale) => {}
                    Err(refusal) => {
                        tracing::warn!(task = %self.live.task.id, %refusal, "an outcome was refused")
                    }
                }
            }
            if events.is_empty() {
                return Ok(false);
            }
            match self.deps.tasks.commit(&mut self.live, &events).await {
                Ok(()) => {
                    self.flight.recorded(&self.live.task, &events);
                    return Ok(true);
                }
                Err(TaskError::Conflict { task }) => {
                    let fresh = self.deps.tasks.load(task).await?;
                    self.live = fresh.ok_or(TaskError::Conflict { task })?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(TaskError::Conflict { task: self.live.task.id })
    }
}
