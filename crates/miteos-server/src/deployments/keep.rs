//! Deployments as they are loaded, moved by commands and made durable. The one place between the pure machine and the
//! journal; knows nothing of HTTP and of how effects are performed.

use miteos_core::deployment::{Command, Created, Deployment, Event, Rejected, Status};
use miteos_core::ids::DeploymentId;
use miteos_core::time::Timestamp;
use miteos_store::{
    AppendError, Committed, DeploymentAppend, DeploymentRow, IdempotencyRow, MadeDeployment, NewRecord,
    Scope, StoreError,
};

use super::{Parts, shown};

/// How often a command is decided anew because somebody else was faster.
pub(super) const MAX_CONFLICTS: u32 = 50;

#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the state of {id} cannot be read")]
    Damaged {
        id: DeploymentId,
        #[source]
        source: serde_json::Error,
    },
    #[error("a record of {id} cannot be written")]
    Unwritable {
        id: DeploymentId,
        #[source]
        source: serde_json::Error,
    },
    #[error("{id} is changed by others again and again")]
    Conflict { id: DeploymentId },
}

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("there is no such deployment")]
    NotFound,
    #[error(transparent)]
    Rejected(#[from] Rejected),
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
}

/// What making a deployment came to.
#[derive(Debug)]
pub enum Made {
    New(Box<Deployment>),
    /// It was made before, with this id.
    Known(Box<Deployment>),
    /// Another one of the same files to the same target is not over.
    Active(DeploymentId),
}

/// What the store keeps of a deployment.
pub fn read(row: &DeploymentRow) -> Result<Deployment, DeploymentError> {
    serde_json::from_str(&row.state).map_err(|source| DeploymentError::Damaged { id: row.id, source })
}

impl Parts {
    pub async fn load(&self, id: DeploymentId) -> Result<Option<Deployment>, DeploymentError> {
        let Some(row) = self.store.deployment(id).await? else { return Ok(None) };
        match read(&row) {
            Ok(deployment) => Ok(Some(deployment)),
            // The state is made of the journal, and can be once more.
            Err(error) => self.replayed(&row).await?.map(Some).ok_or(error),
        }
    }

    /// Makes a deployment durable, with the answer that repeats of the request are to get.
    pub async fn make(
        &self,
        id: DeploymentId,
        created: Created,
        answer: impl FnOnce(&Deployment) -> Option<IdempotencyRow>,
    ) -> Result<Made, DeploymentError> {
        let now = self.clock.now();
        let (deployment, event) = Deployment::create(id, created);
        let events = [event];
        let mut append = append(&deployment, 0, &events, now)?;
        append.idempotency = answer(&deployment);
        match self.store.create_deployment(append).await? {
            MadeDeployment::Made(committed) => {
                self.tell(&deployment, committed, &events, now);
                Ok(Made::New(Box::new(deployment)))
            }
            MadeDeployment::Known => match self.load(id).await? {
                Some(known) => Ok(Made::Known(Box::new(known))),
                None => Err(DeploymentError::Conflict { id }),
            },
            MadeDeployment::Active(other) => Ok(Made::Active(other)),
        }
    }

    /// Carries out a command, decided on the newest state, and again if somebody else was faster. The answer that
    /// repeats of the request are to get is stored with what it changes, and by itself if it changes nothing.
    pub async fn command(
        &self,
        id: DeploymentId,
        command: Command,
        answer: Option<IdempotencyRow>,
    ) -> Result<Deployment, CommandError> {
        for _ in 0..MAX_CONFLICTS {
            let mut deployment = self.load(id).await?.ok_or(CommandError::NotFound)?;
            let (before, now) = (deployment.version, self.clock.now());
            let events = deployment.handle(command.clone(), now)?;
            if events.is_empty() {
                if let Some(answer) = answer {
                    self.store.insert_answer(answer).await.map_err(DeploymentError::from)?;
                }
                return Ok(deployment);
            }
            let mut append = append(&deployment, before, &events, now)?;
            append.idempotency.clone_from(&answer);
            match self.store.append_deployment(append).await {
                Ok(committed) => {
                    self.tell(&deployment, committed, &events, now);
                    return Ok(deployment);
                }
                Err(AppendError::Conflict { .. }) => {}
                Err(AppendError::Store(error)) => return Err(DeploymentError::from(error).into()),
            }
        }
        Err(DeploymentError::Conflict { id }.into())
    }

    /// Tells those who follow what is durable now.
    pub(super) fn tell(
        &self,
        deployment: &Deployment,
        committed: Committed,
        events: &[Event],
        now: Timestamp,
    ) {
        let public: Vec<&Event> = events.iter().filter(|event| event.is_public()).collect();
        self.metrics.appended_of_deployment(events.len() as u64, public.len() as u64);
        // What has ended is counted once.
        if !events.iter().any(Event::follows_the_end) {
            self.metrics.deployments.moved(deployment, now);
        }
        self.moves.tell(deployment.id);
        let first = (deployment.seq + 1).saturating_sub(public.len() as u64);
        let texts = (first..).zip(&public).filter_map(|(seq, event)| {
            // Readers come upon the same error in the journal, and it is logged there.
            let shown = shown::public(deployment.id, seq, now, event).ok()?;
            Some((event.kind(), serde_json::to_string(&shown).ok()?))
        });
        let texts: Vec<_> = texts.collect();
        if texts.is_empty() {
            return;
        }
        let cursor = committed.account_cursor.and_then(|cursor| u64::try_from(cursor).ok());
        self.feed.publish_deployment(scope(deployment), cursor, &texts);
    }
}

pub fn scope(deployment: &Deployment) -> Scope {
    Scope { account: deployment.account, live: deployment.live }
}

/// What the table says of it: one that is made the live one again holds its place as one under way does.
fn row_status(deployment: &Deployment) -> Status {
    if deployment.is_finished() && deployment.is_under_way() {
        Status::Deploying
    } else {
        deployment.status()
    }
}

/// The append that makes these events durable, which the state has already moved past.
pub(super) fn append(
    deployment: &Deployment,
    before: u64,
    events: &[Event],
    at: Timestamp,
) -> Result<DeploymentAppend, DeploymentError> {
    let unwritable = |source| DeploymentError::Unwritable { id: deployment.id, source };
    let public = events.iter().filter(|event| event.is_public()).count() as u64;
    let mut seq = deployment.seq - public;
    let mut records = Vec::with_capacity(events.len());
    for event in events {
        let number = event.is_public().then(|| {
            seq += 1;
            seq
        });
        let body = serde_json::to_string(event).map_err(unwritable)?;
        records.push(NewRecord { seq: number, kind: event.kind(), agent: None, at, body });
    }
    let about = &deployment.about;
    let row = DeploymentRow {
        id: deployment.id,
        account: deployment.account,
        live: deployment.live,
        workspace: about.workspace,
        deliverable: about.deliverable,
        target: about.target.as_str().to_owned(),
        config: about.config,
        status: row_status(deployment).as_str().to_owned(),
        state: serde_json::to_string(deployment).map_err(unwritable)?,
        version: deployment.version,
        seq: deployment.seq,
        created_at: about.created_at,
        completed_at: deployment.completed_at,
    };
    Ok(DeploymentAppend { expected_version: before, records, row, idempotency: None })
}
