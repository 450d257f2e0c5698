//! Deployments whose state cannot be read. It is made of the journal once more where that can be read; where not, one that
//! is under way is called failed, so that it keeps neither its workspace nor its configuration for ever.

use std::path::Path;

use miteos_core::deployment::{
    About, BuildWishes, Command, Deployment, Environment, Event, Failure, FailureCode, FailureStep, Stage,
    Status, Target,
};
use miteos_core::ids::DeploymentId;
use miteos_store::{AppendError, DeploymentRow, StoreError, look_at_deployments};

use super::keep::{CommandError, DeploymentError, append, read};
use super::{Parts, kind};
use crate::errors::chain;

/// Records that are read at once.
const PAGE: usize = 500;
const WHY: &str = "what this server has stored of the deployment is damaged, so that it cannot go on; look at the \
                   provider, and deploy again";

impl Parts {
    /// The state as the journal tells it; `None` if that is damaged, too.
    pub(super) async fn replayed(&self, row: &DeploymentRow) -> Result<Option<Deployment>, StoreError> {
        let mut state: Option<Deployment> = None;
        loop {
            let version = state.as_ref().map_or(0, |deployment| deployment.version);
            let records = self.store.deployment_records_after(row.id, version, PAGE).await?;
            // Others may have gone on since the row was read.
            for record in records.iter().filter(|record| record.version <= row.version) {
                let Ok(event) = serde_json::from_str::<Event>(&record.body) else { return Ok(None) };
                match &mut state {
                    Some(deployment) => deployment.apply(&event, record.at),
                    None => state = Deployment::born(row.id, &event),
                }
                if state.as_ref().is_none_or(|deployment| deployment.version != record.version) {
                    return Ok(None);
                }
            }
            if records.last().is_none_or(|last| last.version >= row.version) {
                break;
            }
        }
        Ok(state.filter(|deployment| deployment.version == row.version && deployment.problem().is_none()))
    }

    /// Ends one that is under way without asking its provider.
    pub async fn abandon(&self, id: DeploymentId, failure: Failure) -> Result<(), CommandError> {
        if let Some(publisher) = &self.publisher {
            publisher.withdraw(id).await.map_err(DeploymentError::from)?;
        }
        match self.command(id, Command::Abandon(failure), None).await {
            Ok(_) => Ok(()),
            Err(CommandError::Deployment(DeploymentError::Damaged { .. })) => {
                self.give_up_damaged(id).await?;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Calls one failed whose state cannot be read, unless somebody could by now. False if it is over, or nothing at all can
    /// be made of it.
    pub(super) async fn give_up_damaged(&self, id: DeploymentId) -> Result<bool, DeploymentError> {
        let Some(row) = self.store.deployment(id).await? else { return Ok(false) };
        if Status::parse(&row.status).is_some_and(Status::is_terminal) {
            return Ok(false);
        }
        if read(&row).is_ok() || self.replayed(&row).await?.is_some() {
            return Ok(true);
        }
        let Some(mut deployment) = stand_in(&row) else { return Ok(false) };
        if let Some(publisher) = &self.publisher {
            publisher.withdraw(id).await?;
        }
        let (before, now) = (deployment.version, self.clock.now());
        let failure = Failure::new(FailureCode::Interrupted, FailureStep::Prepare, WHY);
        let Ok(events) = deployment.handle(Command::Abandon(failure), now) else { return Ok(false) };
        match self.store.append_deployment(append(&deployment, before, &events, now)?).await {
            Ok(committed) => {
                tracing::error!(deployment = %id, "a deployment whose state is damaged is called failed");
                self.tell(&deployment, committed, &events, now);
                Ok(true)
            }
            // Whoever was faster could read it.
            Err(AppendError::Conflict { .. }) => Ok(true),
            Err(AppendError::Store(error)) => Err(error.into()),
        }
    }
}

/// The deployments of a data folder whose state cannot be read. A server may be using it. Blocks.
///
/// # Errors
/// Why the database cannot be read, in a sentence.
pub fn damaged(folder: &Path) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    let look = |row: DeploymentRow| {
        if read(&row).is_err() {
            found.push(row.id.to_string());
        }
    };
    look_at_deployments(folder, look).map_err(|error| chain(&error))?;
    Ok(found)
}

/// What the row says beside the state, in the place of that.
fn stand_in(row: &DeploymentRow) -> Option<Deployment> {
    let target = Target::parse(&row.target)?;
    let about = About {
        workspace: row.workspace,
        target,
        config: row.config,
        // At a provider it may have been the live one.
        environment: if kind(target).is_some() { Environment::Production } else { Environment::Preview },
        task: None,
        agent: None,
        call: None,
        deliverable: row.deliverable,
        created_at: row.created_at,
    };
    Some(Deployment {
        id: row.id,
        account: row.account,
        live: row.live,
        about,
        wishes: BuildWishes::default(),
        version: row.version,
        seq: row.seq,
        stage: Stage::Pending,
        built: None,
        provider: None,
        completed_at: None,
    })
}
