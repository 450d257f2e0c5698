//! The objects that clients read, made from a task's state or its row. Pure.

use miteos_core::agent::{Agent, AgentStatus};
use miteos_core::money::MicroUsd;
use miteos_core::policy::{Policy, ToolRule};
use miteos_core::settings::TaskConfig;
use miteos_core::task::{Subtask, SubtaskStatus, Task, TaskStatus};
use miteos_store::{DeliverableRow, TaskRow};

use crate::project;
use crate::rows::Detail;

pub fn task_status(status: TaskStatus) -> miteos_api::TaskStatus {
    match status {
        TaskStatus::Pending => miteos_api::TaskStatus::Pending,
        TaskStatus::Planning => miteos_api::TaskStatus::Planning,
        TaskStatus::Running => miteos_api::TaskStatus::Running,
        TaskStatus::Paused => miteos_api::TaskStatus::Paused,
        TaskStatus::Complete => miteos_api::TaskStatus::Complete,
        TaskStatus::Failed => miteos_api::TaskStatus::Failed,
        TaskStatus::Cancelled => miteos_api::TaskStatus::Cancelled,
    }
}

fn agent_status(status: AgentStatus) -> miteos_api::AgentStatus {
    match status {
        AgentStatus::Idle => miteos_api::AgentStatus::Idle,
        AgentStatus::Thinking => miteos_api::AgentStatus::Thinking,
        AgentStatus::Acting => miteos_api::AgentStatus::Acting,
        AgentStatus::Waiting => miteos_api::AgentStatus::Waiting,
        AgentStatus::Paused => miteos_api::AgentStatus::Paused,
        AgentStatus::Complete => miteos_api::AgentStatus::Complete,
        AgentStatus::Error => miteos_api::AgentStatus::Error,
        AgentStatus::Cancelled => miteos_api::AgentStatus::Cancelled,
    }
}

fn subtask_status(status: SubtaskStatus) -> miteos_api::SubtaskStatus {
    match status {
        SubtaskStatus::Pending => miteos_api::SubtaskStatus::Pending,
        SubtaskStatus::Running => miteos_api::SubtaskStatus::Running,
        SubtaskStatus::Complete => miteos_api::SubtaskStatus::Complete,
        SubtaskStatus::Failed => miteos_api::SubtaskStatus::Failed,
        SubtaskStatus::Cancelled => miteos_api::SubtaskStatus::Cancelled,
        SubtaskStatus::Skipped => miteos_api::SubtaskStatus::Skipped,
    }
}

pub fn config(config: &TaskConfig) -> miteos_api::TaskConfig {
    miteos_api::TaskConfig {
        max_agents: config.max_agents,
        autonomy_level: config.autonomy_level,
        auto_deploy: config.auto_deploy,
        deploy_target: config.deploy_target.as_ref().and_then(|target| target.parse().ok()),
        deploy_config_id: config.deploy_config_id.clone(),
        model: config.model.clone(),
        budget_cents: config.budget_cents,
        skill_id: config.skill_id.clone(),
    }
}

pub fn agent(task: &Task, agent: &Agent) -> miteos_api::Agent {
    miteos_api::Agent {
        id: agent.id.to_string(),
        task_id: task.id.to_string(),
        subtask_id: Some(agent.subtask.to_string()),
        kind: project::agent_type(agent.kind),
        status: agent_status(agent.status()),
        current_tool: agent.current_tool().map(str::to_owned),
        progress: agent.progress(),
        pending_approval: agent.approvals().next().map(project::approval),
        tokens_used: agent.usage.total(),
        cost: agent.cost.dollars(),
    }
}

fn subtask(task: &Task, subtask: &Subtask) -> miteos_api::Subtask {
    let agent = task.agent(subtask.agent);
    miteos_api::Subtask {
        id: subtask.id.to_string(),
        agent_type: project::agent_type(subtask.agent_type),
        title: Some(subtask.title.clone()),
        prompt: subtask.prompt.clone(),
        status: subtask_status(subtask.status),
        depends_on: subtask.depends_on.iter().map(ToString::to_string).collect(),
        acceptance: subtask.acceptance.clone(),
        agent_id: Some(subtask.agent.to_string()),
        tokens_used: agent.map_or(0, |a| a.usage.total()),
        model_used: agent.and_then(|a| a.last_model.clone()),
    }
}

/// The whole task. `prompt` and `result` are the caller's, who may have had to fetch them.
pub fn task(task: &Task, prompt: String, result: Option<String>) -> miteos_api::Task {
    let error = match &task.stage {
        miteos_core::task::Stage::Failed { error } => Some(error.clone()),
        _ => None,
    };
    miteos_api::Task {
        id: task.id.to_string(),
        status: task_status(task.status()),
        prompt,
        workspace_id: Some(task.workspace.to_string()),
        config: config(&task.config),
        agents: Some(task.agents.iter().map(|a| agent(task, a)).collect()),
        subtasks: Some(task.subtasks.iter().map(|s| subtask(task, s)).collect()),
        approvals: Some(task.approvals().map(project::approval).collect()),
        result,
        error,
        skill_id: task.config.skill_id.clone(),
        cost: task.cost().dollars(),
        uncertain_cost: task.uncertain.dollars(),
        total_cost_cents: task.cost().cents_up(),
        total_tokens_used: task.tokens(),
        deliverables_count: u64::from(task.deliverables),
        created_at: task.created_at.to_string(),
        started_at: task.started_at.map(|at| at.to_string()),
        completed_at: task.completed_at.map(|at| at.to_string()),
    }
}

/// A row of a list.
pub fn row(row: &TaskRow) -> serde_json::Result<miteos_api::Task> {
    let detail: Detail = serde_json::from_str(&row.detail)?;
    let settings: TaskConfig = serde_json::from_str(&row.config)?;
    let cost: MicroUsd = row.cost;
    Ok(miteos_api::Task {
        id: row.id.to_string(),
        status: row.status.parse().unwrap_or(miteos_api::TaskStatus::Pending),
        prompt: row.prompt.clone(),
        workspace_id: Some(row.workspace.to_string()),
        config: config(&settings),
        agents: None,
        subtasks: None,
        approvals: None,
        result: detail.result.as_ref().map(project::text),
        error: detail.error,
        skill_id: settings.skill_id,
        cost: cost.dollars(),
        uncertain_cost: detail.uncertain.dollars(),
        total_cost_cents: cost.cents_up(),
        total_tokens_used: detail.tokens,
        deliverables_count: u64::from(detail.deliverables),
        created_at: row.created_at.to_string(),
        started_at: row.started_at.map(|at| at.to_string()),
        completed_at: row.completed_at.map(|at| at.to_string()),
    })
}

/// A row of the completed tasks, with what the skill compiler wants to know.
pub fn completed(from: &TaskRow) -> serde_json::Result<miteos_api::CompletedTask> {
    let detail: Detail = serde_json::from_str(&from.detail)?;
    Ok(miteos_api::CompletedTask { task: row(from)?, tools: detail.tools, action_count: detail.actions })
}

pub fn approval_policy(policy: Policy) -> miteos_api::ApprovalPolicy {
    let rule = |rule| match rule {
        ToolRule::Always => miteos_api::ToolRule::Always,
        ToolRule::Never => miteos_api::ToolRule::Never,
    };
    miteos_api::ApprovalPolicy {
        low: policy.low,
        medium: policy.medium,
        high: policy.high,
        critical: policy.critical,
        tools: policy.tools.into_iter().map(|(name, word)| (name, rule(word))).collect(),
    }
}

pub fn deliverable(row: &DeliverableRow, download_url: String) -> miteos_api::Deliverable {
    miteos_api::Deliverable {
        id: row.id.to_string(),
        name: row.name.clone(),
        media_type: row.media_type.clone(),
        size_bytes: row.size_bytes,
        sha256: Some(row.sha256.to_string()),
        download_url: Some(download_url),
        created_at: row.created_at.to_string(),
    }
}
