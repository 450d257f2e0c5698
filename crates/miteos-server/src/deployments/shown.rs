//! Deployments as clients see them, made from the state or from a record alone. Pure.

use miteos_api as api;
use miteos_core::deployment::{
    About, Deployment, Environment, Event, Failure, Release, Stage, Status, Target, Visibility,
};
use miteos_core::ids::{DeploymentId, deployment_event_id};
use miteos_core::time::Timestamp;
use serde_json::value::to_raw_value;

/// The state as it is.
pub fn shown(deployment: &Deployment) -> api::Deployment {
    let mut shown = at(deployment.id, &deployment.about, deployment.status());
    shown.completed_at = deployment.completed_at.map(|at| at.to_string());
    match &deployment.stage {
        Stage::Live { release } | Stage::RollingBack { release } => released(&mut shown, release),
        Stage::Failed { failure } => shown.error = Some(error(failure)),
        Stage::Pending | Stage::Building | Stage::Deploying | Stage::Stopping { .. } => {}
    }
    shown
}

/// The public event with this number.
pub fn public(id: DeploymentId, seq: u64, time: Timestamp, event: &Event) -> serde_json::Result<api::Event> {
    let data = match event {
        Event::Created(created) => Some(at(id, &created.about, Status::Pending)),
        Event::Building { about } => Some(at(id, about, Status::Building)),
        Event::Deploying { about } => Some(at(id, about, Status::Deploying)),
        Event::Live { about, release } => {
            let mut shown = at(id, about, Status::Live);
            shown.completed_at = Some(time.to_string());
            released(&mut shown, release);
            Some(shown)
        }
        Event::RolledBack { about, release, completed_at } => {
            let mut shown = at(id, about, Status::Live);
            shown.completed_at = Some(completed_at.to_string());
            released(&mut shown, release);
            Some(shown)
        }
        Event::Failed { about, failure } => {
            let mut shown = at(id, about, Status::Failed);
            shown.completed_at = Some(time.to_string());
            shown.error = Some(error(failure));
            Some(shown)
        }
        // Never public.
        Event::Built(_)
        | Event::Progressed { .. }
        | Event::CancelRequested { .. }
        | Event::GivenUp { .. }
        | Event::RollbackRequested
        | Event::NotRolledBack { .. } => None,
    };
    Ok(api::Event {
        id: deployment_event_id(id, seq, time).to_string(),
        seq,
        kind: event.kind().into(),
        task_id: None,
        deployment_id: Some(id.to_string()),
        agent_id: None,
        created_at: time.to_string(),
        data: to_raw_value(&data)?,
    })
}

fn at(id: DeploymentId, about: &About, status: Status) -> api::Deployment {
    api::Deployment {
        id: id.to_string(),
        workspace_id: about.workspace.to_string(),
        target: target(about.target),
        status: match status {
            Status::Pending => api::DeploymentStatus::Pending,
            Status::Building => api::DeploymentStatus::Building,
            Status::Deploying => api::DeploymentStatus::Deploying,
            Status::Live => api::DeploymentStatus::Live,
            Status::Failed => api::DeploymentStatus::Failed,
        },
        url: None,
        created_at: about.created_at.to_string(),
        completed_at: None,
        config_id: about.config.map(|id| id.to_string()),
        environment: match about.environment {
            Environment::Production => api::DeployEnvironment::Production,
            Environment::Preview => api::DeployEnvironment::Preview,
        },
        task_id: about.task.map(|id| id.to_string()),
        deliverable_id: about.deliverable.map(|id| id.to_string()),
        visibility: None,
        inspect_url: None,
        error: None,
        log_url: format!("/v1/deployments/{id}/logs"),
    }
}

fn released(shown: &mut api::Deployment, release: &Release) {
    shown.url = Some(release.url.clone());
    shown.inspect_url.clone_from(&release.inspect_url);
    shown.visibility = Some(match release.visibility {
        Visibility::Public => api::DeployVisibility::Public,
        Visibility::Perhaps => api::DeployVisibility::Perhaps,
        Visibility::Account => api::DeployVisibility::Account,
        Visibility::Link => api::DeployVisibility::Link,
    });
}

fn error(failure: &Failure) -> api::DeploymentError {
    api::DeploymentError {
        code: failure.code.as_str().to_owned(),
        message: failure.message.clone(),
        step: failure.step.as_str().to_owned(),
    }
}

fn target(target: Target) -> api::DeployTarget {
    match target {
        Target::Vercel => api::DeployTarget::Vercel,
        Target::Netlify => api::DeployTarget::Netlify,
        Target::Cloudflare => api::DeployTarget::Cloudflare,
        Target::Expo => api::DeployTarget::Expo,
        Target::Appstore => api::DeployTarget::Appstore,
        Target::Preview => api::DeployTarget::Preview,
    }
}

pub fn core_target(target: api::DeployTarget) -> Target {
    match target {
        api::DeployTarget::Vercel => Target::Vercel,
        api::DeployTarget::Netlify => Target::Netlify,
        api::DeployTarget::Cloudflare => Target::Cloudflare,
        api::DeployTarget::Expo => Target::Expo,
        api::DeployTarget::Appstore => Target::Appstore,
        api::DeployTarget::Preview => Target::Preview,
    }
}

#[cfg(test)]
mod tests {
    use miteos_core::deployment::FailureCode;

    #[test]
    fn the_contract_names_every_code() {
        let ours: Vec<&str> = FailureCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(ours, miteos_api::text::DEPLOYMENT_ERROR_CODES);
    }
}
