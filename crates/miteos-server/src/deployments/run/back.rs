//! A runner makes its deployment the live one again.

use miteos_core::deployment::{Command, Deployment, Release};

use super::super::keep::DeploymentError;
use super::super::rollback::{Back, ask_back};
use super::{Runner, no_config};

impl Runner {
    pub(super) async fn go_back(
        &self,
        deployment: &Deployment,
        release: &Release,
    ) -> Result<(), DeploymentError> {
        self.log.behind_the_end();
        let back = match self.opened(deployment).await? {
            // In the test world nobody is asked.
            _ if !deployment.live => Back::Done,
            Ok(Some(opened)) => ask_back(release, &opened, &self.stop).await,
            Ok(None) => Back::Refused(no_config().message),
            Err(failure) => Back::Refused(failure.message),
        };
        match back {
            Back::Done => {
                self.log.say("made the live one again");
                self.record(Command::RolledBack).await
            }
            Back::Refused(why) => {
                let why = self.log.cleaned(&why);
                self.log.say(&format!("not made the live one again: {why}"));
                self.record(Command::NotRolledBack { why }).await
            }
            Back::CutOff => Ok(()),
        }
    }
}
