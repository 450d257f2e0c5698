//! `POST /tasks`: everything is checked before anything is made.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use miteos_api::{CreateTask, CreateTaskConfig, DeployTarget};
use miteos_core::content::Content;
use miteos_core::event::Created;
use miteos_core::ids::{TaskId, WorkspaceId};
use miteos_core::settings::{Settings, TaskConfig};
use miteos_core::time::Timestamp;
use miteos_models::{ModelName, scripted};
use miteos_store::WorkspaceRow;

use super::super::App;
use super::super::auth::Caller;
use super::super::error::ApiError;
use super::super::extract::in_range;
use super::super::repeat::{Once, json_answer, to_json};
use super::super::steer::whole;
use crate::deployments::core_target;
use crate::{tier, views};

/// Longest prompt (characters).
const MAX_PROMPT_CHARS: usize = 100_000;
/// Largest budget (cents): a hundred million dollars.
pub const MAX_BUDGET_CENTS: i64 = 10_000_000_000;
/// Attempts of one model call on one model.
const MAX_ATTEMPTS: u32 = 5;

pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Once { repeat, body: asked }: Once<CreateTask>,
) -> Result<Response, ApiError> {
    check_prompt(&asked.prompt)?;
    let mut config = config(asked.config.unwrap_or_default())?;
    settle_deployment(&app, &caller, &mut config).await?;
    let settings = settings(&app, &caller, &asked.prompt, &config).await?;
    let now = app.deps.clock.now();
    let id = TaskId(app.ids.ulid(now));
    let (workspace, made) = workspace(&app, &caller, asked.workspace_id.as_deref(), id, now).await?;
    let prompt = asked.prompt.clone();
    let created = Created {
        account: caller.key.account,
        live: caller.key.live,
        tier: caller.key.tier.clone(),
        prompt: Content::Inline(asked.prompt),
        workspace,
        config,
        settings,
    };
    let at_once = tier::concurrent_tasks(&caller.key.tier).is_none();
    let scope = caller.scope();
    let (deps, engine) = (Arc::clone(&app.deps), app.engine.clone());
    let answer = whole(async move {
        let mut answer = Vec::new();
        let stored = deps.tasks.create(id, created, made, |task| {
            answer = to_json(&views::task(task, prompt, None));
            repeat.row(StatusCode::CREATED, &answer, now)
        });
        let stored = stored.await;
        // Whatever came of it: a write that failed may have been made.
        if at_once {
            engine.wake(id);
        } else {
            engine.admit(scope);
        }
        stored.map(|_| answer)
    });
    // Here, where the request's own span is the current one.
    app.deps.traces.made(id);
    let answer = answer.await?;
    if answer.is_err() {
        app.deps.traces.over(id);
    }
    Ok(json_answer(StatusCode::CREATED, answer?))
}

/// The scope without which a task publishes nothing, whatever its agents want.
const MAY_DEPLOY: &str = "deployments.write";

fn check_prompt(prompt: &str) -> Result<(), ApiError> {
    let chars = prompt.chars().count();
    if prompt.trim().is_empty() {
        return Err(ApiError::refused("prompt is empty; say in plain words what should be done"));
    }
    if chars > MAX_PROMPT_CHARS {
        return Err(ApiError::refused(format!(
            "prompt has {chars} characters; at most {MAX_PROMPT_CHARS} are taken"
        )));
    }
    Ok(())
}

fn config(asked: CreateTaskConfig) -> Result<TaskConfig, ApiError> {
    let default = TaskConfig::default();
    let agents =
        in_range("config.max_agents", asked.max_agents.unwrap_or(i64::from(default.max_agents)), 1, 20)?;
    let dial = in_range(
        "config.autonomy_level",
        asked.autonomy_level.unwrap_or(i64::from(default.autonomy_level)),
        0,
        100,
    )?;
    let budget = asked
        .budget_cents
        .map(|cents| in_range("config.budget_cents", cents, 0, MAX_BUDGET_CENTS))
        .transpose()?;
    let target = asked.deploy_target.map(|word| word.parse::<DeployTarget>()).transpose();
    let target = target.map_err(|error| ApiError::refused(format!("config.deploy_target: {error}")))?;
    let auto_deploy = asked.auto_deploy.unwrap_or(false);
    if auto_deploy && target.is_none() {
        return Err(ApiError::refused("config.auto_deploy needs config.deploy_target"));
    }
    if asked.deploy_config_id.is_some() && target.is_none() {
        return Err(ApiError::refused("config.deploy_config_id needs config.deploy_target"));
    }
    if let Some(id) = asked.skill_id {
        return Err(ApiError::refused(format!("config.skill_id: there is no skill {id}")));
    }
    Ok(TaskConfig {
        max_agents: u32::try_from(agents).unwrap_or(1),
        autonomy_level: u8::try_from(dial).unwrap_or(0),
        auto_deploy,
        deploy_target: target.map(|target| target.as_str().to_owned()),
        deploy_config_id: asked.deploy_config_id,
        model: asked.model,
        budget_cents: budget.and_then(|cents| u64::try_from(cents).ok()),
        skill_id: None,
    })
}

/// What is deployed at the end must be possible now: a person does not want to hear of it when the work is done. Which
/// configuration it will be is settled here too, so that whoever is asked at the end sees which one they agree to.
async fn settle_deployment(app: &App, caller: &Caller, config: &mut TaskConfig) -> Result<(), ApiError> {
    let Some(target) = config.deploy_target.as_deref().and_then(|word| word.parse::<DeployTarget>().ok())
    else {
        return Ok(());
    };
    if config.auto_deploy || config.deploy_config_id.is_some() {
        caller.may(MAY_DEPLOY)?;
        let named = config.deploy_config_id.as_deref();
        let found = super::super::deployments::config(app, caller, core_target(target), named).await;
        let found = found.map_err(in_task)?;
        config.deploy_config_id = found.map(|row| row.id.to_string());
    }
    Ok(())
}

/// What is wrong with a deployment, by the names that a task's fields have. Nothing in a body is not found.
fn in_task(error: ApiError) -> ApiError {
    if error.status == StatusCode::NOT_FOUND {
        return ApiError::refused("config.deploy_config_id: there is no such deploy configuration");
    }
    let names = [("config_id", "config.deploy_config_id"), ("target:", "config.deploy_target:")];
    let ours = names
        .into_iter()
        .find_map(|(theirs, ours)| error.detail.strip_prefix(theirs).map(|rest| format!("{ours}{rest}")));
    ApiError { detail: ours.unwrap_or_else(|| error.detail.clone()), ..error }
}

/// The models the task will use, checked now: a task that could never run is not made.
async fn settings(
    app: &App,
    caller: &Caller,
    prompt: &str,
    config: &TaskConfig,
) -> Result<Settings, ApiError> {
    let defaults = Settings {
        max_model_calls: app.max_model_calls,
        max_attempts: MAX_ATTEMPTS,
        approval_expires_ms: app.approval_expires_ms,
        policy: super::super::approvals::policy_of(app, caller).await?,
        may_deploy: caller.has(MAY_DEPLOY),
        ..Settings::default()
    };
    let named = config.model.as_deref().map(str::parse::<ModelName>).transpose();
    let named = named.map_err(|error| ApiError::refused(format!("config.model: {error}")))?;
    if !caller.key.live {
        let name = scripted::model_for(prompt).map_err(|error| ApiError::internal(&error))?;
        let test = vec![name.to_string()];
        return Ok(Settings { models: test.clone(), planner_models: test, ..defaults });
    }
    let models = &app.deps.models;
    let refused = |what: &str, error: &dyn std::fmt::Display| ApiError::refused(format!("{what}{error}"));
    if let Some(name) = &named {
        models.check(name).map_err(|error| refused("config.model: ", &error))?;
    }
    let first = match &named {
        Some(name) => name,
        None => models.default_model().map_err(|error| refused("", &error))?,
    };
    let planner = match &named {
        Some(name) => name,
        None => models.planner_model().map_err(|error| refused("", &error))?,
    };
    let chain = |first: &ModelName| {
        let others = models.fallbacks().iter().filter(|name| *name != first);
        std::iter::once(first).chain(others).map(ToString::to_string).collect::<Vec<_>>()
    };
    let all: Vec<&ModelName> = [first, planner].into_iter().chain(models.fallbacks()).collect();
    if config.budget_cents.is_some() {
        priced(app, &all.iter().map(|name| (*name).clone()).collect::<Vec<_>>())?;
    }
    let window = all.iter().map(|name| models.info(name).window_tokens).min().unwrap_or_default();
    Ok(Settings {
        models: chain(first),
        planner_models: chain(planner),
        window_tokens: u64::from(window),
        ..defaults
    })
}

/// A budget can only be kept where every model's price is known.
pub fn priced(app: &App, models: &[ModelName]) -> Result<(), ApiError> {
    match models.iter().find(|name| app.deps.models.info(name).price.is_none()) {
        None => Ok(()),
        Some(name) => Err(ApiError::refused(format!(
            "config.budget_cents: the price of {name} is not known, so no budget can be kept; state one with MITEOS_PRICES"
        ))),
    }
}

/// The workspace that was named, or a new one for this task alone.
async fn workspace(
    app: &App,
    caller: &Caller,
    named: Option<&str>,
    task: TaskId,
    now: Timestamp,
) -> Result<(WorkspaceId, Option<WorkspaceRow>), ApiError> {
    let Some(text) = named else {
        let row = WorkspaceRow {
            id: WorkspaceId(app.ids.ulid(now)),
            account: caller.key.account,
            live: caller.key.live,
            name: task.to_string(),
            description: None,
            created_at: now,
        };
        return Ok((row.id, Some(row)));
    };
    let unknown = || ApiError::refused(format!("workspace_id: there is no workspace {text}"));
    let id: WorkspaceId = text.parse().map_err(|_| unknown())?;
    caller.own(app.deps.tasks.store.workspace(id).await?).ok_or_else(unknown)?;
    Ok((id, None))
}
