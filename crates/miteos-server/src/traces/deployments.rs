//! Spans of deployments: a stretch of a deployment, and in it the build and each step that is taken. Neither names a file,
//! an address or a project.

use miteos_core::deployment::{Deployment, Target};
use opentelemetry::trace::SpanKind;
use opentelemetry::{Context, KeyValue};

use super::{Open, Traces, names};

impl Traces {
    /// A stretch of a deployment: from when its runner takes it up to when it leaves it.
    pub fn deployment(&self, deployment: &Deployment) -> Open {
        let Some(inner) = &self.0 else { return Open(None) };
        let attributes = vec![
            KeyValue::new(names::DEPLOYMENT_ID, deployment.id.to_string()),
            KeyValue::new(names::DEPLOYMENT_TARGET, deployment.about.target.as_str()),
            KeyValue::new(names::DEPLOYMENT_STATUS, deployment.status().as_str()),
        ];
        inner.open("deployment", SpanKind::Internal, attributes, &Context::new())
    }

    /// The making of the files, below the deployment.
    pub fn build(&self, target: Target) -> Open {
        self.below(|| "build".to_owned(), target.as_str())
    }

    /// One step towards the target, or back.
    pub fn deploy_step(&self, target: &'static str, step: &'static str) -> Open {
        self.below(|| format!("deploy {step}"), target)
    }

    fn below(&self, name: impl FnOnce() -> String, target: &'static str) -> Open {
        let Some(inner) = &self.0 else { return Open(None) };
        let attributes = vec![KeyValue::new(names::DEPLOYMENT_TARGET, target)];
        inner.open_below(name(), SpanKind::Internal, attributes)
    }
}
