//! Who is to be told when something of a deployment has moved. Holds counters, never what moved: the store has that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use miteos_core::ids::DeploymentId;
use tokio::sync::watch;

/// One counter for each deployment that has a runner.
#[derive(Default)]
pub struct Moves(Mutex<HashMap<DeploymentId, Arc<watch::Sender<u64>>>>);

impl Moves {
    /// The counter of a deployment that runs from now on.
    pub fn of(&self, id: DeploymentId) -> Arc<watch::Sender<u64>> {
        let make = || Arc::new(watch::Sender::new(0));
        Arc::clone(self.all().entry(id).or_insert_with(make))
    }

    pub fn tell(&self, id: DeploymentId) {
        if let Some(moved) = self.all().get(&id) {
            moved.send_modify(|n| *n += 1);
        }
    }

    /// It runs no more. Those who follow it hear of that, too: their sender is gone.
    pub fn forget(&self, id: DeploymentId) {
        self.all().remove(&id);
    }

    /// `None`: it does not run.
    pub fn follow(&self, id: DeploymentId) -> Option<watch::Receiver<u64>> {
        self.all().get(&id).map(|moved| moved.subscribe())
    }

    fn all(&self) -> MutexGuard<'_, HashMap<DeploymentId, Arc<watch::Sender<u64>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
