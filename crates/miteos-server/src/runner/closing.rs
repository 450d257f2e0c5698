//! The call that deploys at a task's end, as its agents' last words are heard: with all that is decided by then, so that a
//! person who is asked sees it. Whether it is due, the task decides.

use miteos_core::command::ProposedCall;
use miteos_core::ids::TaskId;
use miteos_core::task::Task;
use miteos_core::tool::Risk;
use miteos_store::StoreError;
use serde_json::{Value, json};

use super::{Deps, effects};

/// The tool that deploys.
const DEPLOY: &str = "deploy";

/// What the task says of it; `None`: it is not to be deployed.
pub fn wanted(task: &Task) -> Option<Value> {
    let target = task.config.deploy_target.as_ref().filter(|_| task.config.auto_deploy)?;
    let mut input = json!({ "target": target });
    if let Some(config) = &task.config.deploy_config_id {
        input["config_id"] = json!(config);
    }
    Some(input)
}

/// The call, or why it cannot be made. `None`: this server has no such tool.
pub async fn call(deps: &Deps, task: TaskId, input: Value) -> Result<Option<Box<ProposedCall>>, StoreError> {
    let Some(tool) = deps.registry.get(DEPLOY) else { return Ok(None) };
    let (input, problem) = match tool.bind(task, input.clone()).await {
        Ok(bound) => (bound, None),
        Err(error) => (input, Some(error.for_model())),
    };
    let text = input.to_string();
    Ok(Some(Box::new(ProposedCall {
        tool: DEPLOY.to_owned(),
        input_sha256: effects::input_hash(&text),
        input: deps.content(text, None).await?,
        risk: Risk::Critical,
        read_only: false,
        retry: tool.retry(),
        problem,
    })))
}
