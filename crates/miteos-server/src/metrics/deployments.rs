//! Deployments and previews: how many end how, how long each state takes, what is published and how often it is asked
//! for. It knows the states and no deployment longer than until its end.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;
use miteos_core::deployment::{Deployment, FailureCode, Stage, Status};
use miteos_core::ids::DeploymentId;
use miteos_core::time::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{Counters, Histograms, Labels, catalogue, long, signed};

/// Classes of answers, as the label says them.
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

pub struct Deployments {
    under_way: Family<Labels<1>, Gauge>,
    ended: Counters<2>,
    seconds: Histograms<2>,
    files: Counters<1>,
    bytes: Counters<1>,
    visits: [Counter; CLASSES.len()],
    /// Since when those under way have been in their state, of those that entered it in this process.
    since: Mutex<HashMap<DeploymentId, (Status, Timestamp)>>,
}

impl Deployments {
    pub fn new(registry: &mut Registry) -> Self {
        let constructor: fn() -> Histogram = long;
        let visits: Counters<1> = catalogue::PREVIEW_REQUESTS.register(registry, Family::default());
        Self {
            under_way: catalogue::DEPLOYMENTS.register(registry, Family::default()),
            ended: catalogue::DEPLOYMENTS_ENDED.register(registry, Family::default()),
            seconds: catalogue::DEPLOYMENT_SECONDS
                .register(registry, Family::new_with_constructor(constructor)),
            files: catalogue::DEPLOYED_FILES.register(registry, Family::default()),
            bytes: catalogue::DEPLOYED_BYTES.register(registry, Family::default()),
            visits: CLASSES.map(|class| visits.get_or_create_owned(&[("status", class.into())])),
            since: Mutex::default(),
        }
    }

    /// The deployment stands like this since now, and that is durable.
    pub fn moved(&self, deployment: &Deployment, now: Timestamp) {
        let (status, target) = (deployment.status(), ("target", deployment.about.target.as_str().into()));
        let before = {
            let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
            match since.get(&deployment.id) {
                Some((same, _)) if *same == status => return,
                Some(_) | None if status.is_terminal() => since.remove(&deployment.id),
                Some(_) | None => since.insert(deployment.id, (status, now)),
            }
        };
        if let Some((left, entered)) = before {
            let labels = [target.clone(), ("state", left.as_str().into())];
            self.seconds.get_or_create(&labels).observe(now.since(entered) as f64 / 1e3);
        }
        let outcome = match &deployment.stage {
            Stage::Live { .. } => "live",
            Stage::Failed { failure } if failure.code == FailureCode::Canceled => "canceled",
            Stage::Failed { .. } => "failed",
            Stage::Pending
            | Stage::Building
            | Stage::Deploying
            | Stage::Stopping { .. }
            | Stage::RollingBack { .. } => return,
        };
        self.ended.get_or_create(&[target.clone(), ("outcome", outcome.into())]).inc();
        if let (Some(built), true, "live") = (&deployment.built, deployment.live, outcome) {
            let labels = [target];
            self.files.get_or_create(&labels).inc_by(built.files);
            self.bytes.get_or_create(&labels).inc_by(built.bytes);
        }
    }

    /// A request to the preview host was answered.
    pub fn visited(&self, status: StatusCode) {
        // Nothing below 200 is an answer.
        let class = usize::from(status.as_u16() / 100).saturating_sub(2).min(CLASSES.len() - 1);
        self.visits[class].inc();
    }

    /// Those under way, by state.
    pub fn show(&self, counted: &[(&'static str, u64)]) {
        for (state, count) in counted {
            self.under_way.get_or_create(&[("state", (*state).into())]).set(signed(*count));
        }
    }
}
