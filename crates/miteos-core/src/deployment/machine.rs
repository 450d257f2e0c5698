//! The three functions of a deployment: decide, apply, and what is owed.

use super::event::cut;
use super::{
    Command, Created, Deployment, Effect, Event, Failure, FailureCode, FailureStep, Rejected, Release, Stage,
    Status,
};
use crate::ids::DeploymentId;
use crate::time::Timestamp;

const CANCELED: &str = "the deployment was cancelled";

impl Deployment {
    /// A new one, and its first record.
    pub fn create(id: DeploymentId, created: Created) -> (Self, Event) {
        let event = Event::Created(created.clone());
        (Self::of(id, created), event)
    }

    /// The state after the first record; `None` if it is no creation.
    pub fn born(id: DeploymentId, first: &Event) -> Option<Self> {
        match first {
            Event::Created(created) => Some(Self::of(id, created.clone())),
            Event::Building { .. }
            | Event::Built(_)
            | Event::Deploying { .. }
            | Event::Progressed { .. }
            | Event::CancelRequested { .. }
            | Event::GivenUp { .. }
            | Event::Live { .. }
            | Event::Failed { .. }
            | Event::RollbackRequested
            | Event::RolledBack { .. }
            | Event::NotRolledBack { .. } => None,
        }
    }

    fn of(id: DeploymentId, created: Created) -> Self {
        let Created { account, live, about, wishes } = created;
        Self {
            id,
            account,
            live,
            about,
            wishes,
            version: 1,
            seq: 1,
            stage: Stage::Pending,
            built: None,
            provider: None,
            completed_at: None,
        }
    }

    /// Carries out a command: the records that it led to, which the state has already moved past.
    pub fn handle(&mut self, command: Command, at: Timestamp) -> Result<Vec<Event>, Rejected> {
        let events = self.decide(command)?;
        for event in &events {
            self.apply(event, at);
        }
        debug_assert_eq!(self.problem(), None);
        Ok(events)
    }

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejected> {
        let about = || self.about.clone();
        let is_stopping = matches!(self.stage, Stage::Stopping { .. });
        match command {
            Command::Begin => only(self.stage == Stage::Pending, || vec![Event::Building { about: about() }]),
            Command::Built(built) => only(self.stage == Stage::Building, || {
                vec![Event::Built(built), Event::Deploying { about: about() }]
            }),
            Command::Progress { state } => {
                let goes_on = self.stage == Stage::Deploying || is_stopping && self.built.is_some();
                let moved = self.provider.as_ref() != Some(&state);
                only(goes_on, || if moved { vec![Event::Progressed { state }] } else { Vec::new() })
            }
            Command::Released(release) => {
                // Who cancels or gives up too late has a live deployment: it must not be called anything else.
                let too_late = is_stopping && self.built.is_some();
                only(self.stage == Stage::Deploying || too_late, || {
                    vec![Event::Live { about: about(), release }]
                })
            }
            Command::Fail(failure) => self.fail(failure),
            Command::Cancel => self.cancel(),
            Command::Abandon(failure) => self.abandon(failure),
            Command::Stopped => self.stopped(),
            Command::RollBack => self.roll_back(),
            Command::RolledBack => self.rolled_back(),
            Command::NotRolledBack { why } => {
                only(self.is_rolling_back(), || vec![Event::NotRolledBack { why: cut(why) }])
            }
        }
    }

    fn abandon(&self, failure: Failure) -> Result<Vec<Event>, Rejected> {
        if self.is_rolling_back() {
            return Ok(vec![Event::NotRolledBack { why: failure.message }]);
        }
        only(!self.is_finished(), || vec![Event::Failed { about: self.about.clone(), failure }])
    }

    fn stopped(&self) -> Result<Vec<Event>, Rejected> {
        let Stage::Stopping { failure } = &self.stage else { return Err(Rejected::Late) };
        Ok(vec![Event::Failed { about: self.about.clone(), failure: failure.clone() }])
    }

    fn roll_back(&self) -> Result<Vec<Event>, Rejected> {
        match &self.stage {
            Stage::Live { .. } => Ok(vec![Event::RollbackRequested]),
            Stage::RollingBack { .. } => Ok(Vec::new()),
            Stage::Pending
            | Stage::Building
            | Stage::Deploying
            | Stage::Stopping { .. }
            | Stage::Failed { .. } => Err(Rejected::NotLive),
        }
    }

    fn rolled_back(&self) -> Result<Vec<Event>, Rejected> {
        let Stage::RollingBack { release } = &self.stage else { return Err(Rejected::Late) };
        let completed_at = self.completed_at.unwrap_or(self.about.created_at);
        let (about, release) = (self.about.clone(), release.clone());
        Ok(vec![Event::RolledBack { about, release, completed_at }])
    }

    fn is_rolling_back(&self) -> bool {
        matches!(self.stage, Stage::RollingBack { .. })
    }

    /// Where it is live, or was before another one was.
    fn release(&self) -> Option<&Release> {
        match &self.stage {
            Stage::Live { release } | Stage::RollingBack { release } => Some(release),
            Stage::Pending
            | Stage::Building
            | Stage::Deploying
            | Stage::Stopping { .. }
            | Stage::Failed { .. } => None,
        }
    }

    /// Whether it is being ended because somebody asked for that.
    pub fn is_being_cancelled(&self) -> bool {
        matches!(&self.stage, Stage::Stopping { failure } if failure.code == FailureCode::Canceled)
    }

    fn fail(&self, failure: Failure) -> Result<Vec<Event>, Rejected> {
        match self.stage {
            // Something may have been begun at the provider: that is ended first.
            Stage::Deploying if self.provider.is_some() => Ok(vec![Event::GivenUp { failure }]),
            Stage::Pending | Stage::Building | Stage::Deploying => {
                Ok(vec![Event::Failed { about: self.about.clone(), failure }])
            }
            Stage::Stopping { .. }
            | Stage::Live { .. }
            | Stage::RollingBack { .. }
            | Stage::Failed { .. } => Err(Rejected::Late),
        }
    }

    fn cancel(&self) -> Result<Vec<Event>, Rejected> {
        let step = match (&self.built, self.stage == Stage::Building) {
            (Some(_), _) => FailureStep::Upload,
            (None, true) => FailureStep::Build,
            (None, false) => FailureStep::Prepare,
        };
        let failure = Failure::new(FailureCode::Canceled, step, CANCELED);
        match &self.stage {
            Stage::Pending => Ok(vec![Event::Failed { about: self.about.clone(), failure }]),
            Stage::Building | Stage::Deploying => Ok(vec![Event::CancelRequested { failure }]),
            Stage::Stopping { .. } => Ok(Vec::new()),
            Stage::Failed { failure } if failure.code == FailureCode::Canceled => Ok(Vec::new()),
            Stage::Failed { .. } => Err(Rejected::HasFailed),
            Stage::Live { .. } | Stage::RollingBack { .. } => Err(Rejected::IsLive),
        }
    }

    /// The only way the state changes, live and on replay.
    pub fn apply(&mut self, event: &Event, at: Timestamp) {
        self.version += 1;
        self.seq += u64::from(event.is_public());
        match event {
            // Only ever the first record, which `born` reads.
            Event::Created(_) => {}
            Event::Building { .. } => self.stage = Stage::Building,
            Event::Built(built) => self.built = Some(built.clone()),
            Event::Deploying { .. } => self.stage = Stage::Deploying,
            Event::Progressed { state } => self.provider = Some(state.clone()),
            Event::CancelRequested { failure } | Event::GivenUp { failure } => {
                self.stage = Stage::Stopping { failure: failure.clone() };
            }
            Event::Live { release, .. } => {
                self.stage = Stage::Live { release: release.clone() };
                self.completed_at = Some(at);
            }
            Event::Failed { failure, .. } => {
                self.stage = Stage::Failed { failure: failure.clone() };
                self.completed_at = Some(at);
            }
            Event::RollbackRequested => {
                if let Some(release) = self.release().cloned() {
                    self.stage = Stage::RollingBack { release };
                }
            }
            Event::RolledBack { release, .. } => self.stage = Stage::Live { release: release.clone() },
            Event::NotRolledBack { .. } => {
                if let Some(release) = self.release().cloned() {
                    self.stage = Stage::Live { release };
                }
            }
        }
    }

    /// What the world is owed; `None`: nothing, ever.
    pub fn pending(&self) -> Option<Effect<'_>> {
        match &self.stage {
            Stage::Pending => Some(Effect::Begin),
            Stage::Building => Some(Effect::Build),
            Stage::Deploying => Some(Effect::Step { state: self.provider.as_ref() }),
            Stage::Stopping { .. } => Some(Effect::Stop { state: self.provider.as_ref() }),
            Stage::RollingBack { release } => Some(Effect::RollBack { release }),
            Stage::Live { .. } | Stage::Failed { .. } => None,
        }
    }

    pub fn status(&self) -> Status {
        match (&self.stage, &self.built) {
            (Stage::Pending, _) => Status::Pending,
            (Stage::Building, _) | (Stage::Stopping { .. }, None) => Status::Building,
            (Stage::Deploying, _) | (Stage::Stopping { .. }, Some(_)) => Status::Deploying,
            (Stage::Live { .. } | Stage::RollingBack { .. }, _) => Status::Live,
            (Stage::Failed { .. }, _) => Status::Failed,
        }
    }

    /// Whether it has come to its end, live or not. What is live can be made the live one again after it.
    pub fn is_finished(&self) -> bool {
        self.status().is_terminal()
    }

    /// Whether there may be no other of the same files to the same target beside it.
    pub fn is_under_way(&self) -> bool {
        self.pending().is_some()
    }

    /// An invariant that does not hold.
    pub fn problem(&self) -> Option<&'static str> {
        let finished = self.is_finished();
        if finished != self.completed_at.is_some() {
            return Some("the time of its end is there exactly when it has ended");
        }
        if (finished && !self.is_rolling_back()) != self.pending().is_none() {
            return Some("nothing is owed exactly when it has ended, and is not made the live one again");
        }
        let with_files =
            matches!(self.stage, Stage::Deploying | Stage::Live { .. } | Stage::RollingBack { .. });
        if with_files && self.built.is_none() {
            return Some("nothing is deployed that was not built");
        }
        if self.provider.is_some() && self.built.is_none() {
            return Some("no provider is asked before the build is done");
        }
        if self.seq > self.version {
            return Some("there are more public records than records");
        }
        None
    }
}

/// These records, if they are not late.
fn only(in_time: bool, events: impl FnOnce() -> Vec<Event>) -> Result<Vec<Event>, Rejected> {
    if in_time { Ok(events()) } else { Err(Rejected::Late) }
}
