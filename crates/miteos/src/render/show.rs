//! Single objects and lists of them, for the reading commands.

use miteos_client::api::{
    Agent, AgentStatus, Approval, ApprovalStatus, Deliverable, FileKind, SubtaskStatus, Task, TaskStatus,
    Workspace, WorkspaceFile,
};

use super::paint::{Theme, Tone};
use super::table::{self, Cell};
use super::{text, units};

fn task_tone(status: TaskStatus) -> Tone {
    match status {
        TaskStatus::Complete => Tone::Good,
        TaskStatus::Failed => Tone::Bad,
        TaskStatus::Cancelled | TaskStatus::Paused => Tone::Attention,
        TaskStatus::Pending => Tone::Quiet,
        TaskStatus::Planning | TaskStatus::Running => Tone::Busy,
    }
}

fn agent_tone(status: AgentStatus) -> Tone {
    match status {
        AgentStatus::Complete => Tone::Good,
        AgentStatus::Error => Tone::Bad,
        AgentStatus::Cancelled | AgentStatus::Paused | AgentStatus::Waiting => Tone::Attention,
        AgentStatus::Idle => Tone::Quiet,
        AgentStatus::Thinking | AgentStatus::Acting => Tone::Busy,
    }
}

fn subtask_tone(status: SubtaskStatus) -> Tone {
    match status {
        SubtaskStatus::Complete => Tone::Good,
        SubtaskStatus::Failed => Tone::Bad,
        SubtaskStatus::Cancelled => Tone::Attention,
        SubtaskStatus::Pending | SubtaskStatus::Skipped => Tone::Quiet,
        SubtaskStatus::Running => Tone::Busy,
    }
}

/// A page of tasks and how many there are in all.
pub fn tasks(tasks: &[Task], total: u64, theme: Theme) -> Vec<String> {
    if tasks.is_empty() {
        return vec!["no tasks".to_owned()];
    }
    let rows: Vec<Vec<Cell>> = tasks
        .iter()
        .map(|task| {
            vec![
                Cell::new(&task.id),
                Cell::toned(task.status.as_str(), task_tone(task.status)),
                Cell::new(&units::day_and_minute(&task.created_at)),
                Cell::new(&units::dollars(task.cost)),
                Cell::new(&task.prompt),
            ]
        })
        .collect();
    let mut lines = table::table(&["ID", "STATUS", "CREATED", "COST", "PROMPT"], &rows, 4, theme);
    if (tasks.len() as u64) < total {
        lines.push(theme.dim(&format!("{} of {total}; --limit and --offset show others", tasks.len())));
    }
    lines
}

/// One task, in full.
pub fn task(task: &Task, theme: Theme) -> Vec<String> {
    let optional = |text: &Option<String>| text.as_deref().map(text::line).unwrap_or_default();
    let mut facts = vec![
        ("id", text::line(&task.id)),
        ("status", theme.tone(task_tone(task.status), task.status.as_str())),
        ("prompt", text::line(&task.prompt)),
        ("workspace", optional(&task.workspace_id)),
        ("created", units::day_and_minute(&task.created_at)),
    ];
    if let (Some(from), Some(to)) = (&task.started_at, &task.completed_at) {
        facts.push(("took", units::between(from, to).map(units::duration).unwrap_or_default()));
    }
    facts.push(("tokens", units::count(task.total_tokens_used)));
    facts.push(("cost", units::dollars(task.cost)));
    facts.push(("files", task.deliverables_count.to_string()));
    facts.extend(task.error.as_ref().map(|error| ("error", theme.red(&text::line(error)))));
    facts.extend(task.result.as_ref().map(|result| ("result", text::block(result))));
    facts.retain(|(_, value)| !value.is_empty());
    let mut lines = table::facts(&facts, theme);
    if let Some(subtasks) = task.subtasks.as_ref().filter(|subtasks| !subtasks.is_empty()) {
        let rows: Vec<Vec<Cell>> = subtasks
            .iter()
            .map(|subtask| {
                vec![
                    Cell::toned(subtask.status.as_str(), subtask_tone(subtask.status)),
                    Cell::new(subtask.agent_type.as_str()),
                    Cell::new(subtask.agent_id.as_deref().unwrap_or("")),
                    Cell::new(&units::count(subtask.tokens_used)),
                    Cell::new(subtask.title.as_deref().unwrap_or(&subtask.prompt)),
                ]
            })
            .collect();
        lines.push(String::new());
        lines.extend(table::table(&["STATUS", "TYPE", "AGENT", "TOKENS", "SUBTASK"], &rows, 4, theme));
    }
    if let Some(open) = task.approvals.as_ref().filter(|open| !open.is_empty()) {
        lines.push(String::new());
        lines.extend(approvals(open, theme));
    }
    lines
}

/// One agent.
pub fn agent(agent: &Agent, theme: Theme) -> Vec<String> {
    let mut facts = vec![
        ("id", text::line(&agent.id)),
        ("task", text::line(&agent.task_id)),
        ("type", agent.kind.to_string()),
        ("status", theme.tone(agent_tone(agent.status), agent.status.as_str())),
        ("tool", agent.current_tool.as_deref().map(text::line).unwrap_or_default()),
        ("progress", format!("{} %", agent.progress)),
        ("tokens", units::count(agent.tokens_used)),
        ("cost", units::dollars(agent.cost)),
    ];
    if let Some(approval) = &agent.pending_approval {
        facts
            .push(("waits for", format!("{} · {}", text::line(&approval.id), text::line(&approval.summary))));
    }
    facts.retain(|(_, value)| !value.is_empty());
    table::facts(&facts, theme)
}

/// Approvals, newest first as they come.
pub fn approvals(approvals: &[Approval], theme: Theme) -> Vec<String> {
    if approvals.is_empty() {
        return vec!["no approvals".to_owned()];
    }
    let rows: Vec<Vec<Cell>> = approvals
        .iter()
        .map(|approval| {
            let tone = match approval.status {
                ApprovalStatus::Pending => Tone::Attention,
                ApprovalStatus::Approved => Tone::Good,
                ApprovalStatus::Rejected => Tone::Bad,
                ApprovalStatus::Expired | ApprovalStatus::Cancelled => Tone::Quiet,
            };
            vec![
                Cell::new(&approval.id),
                Cell::toned(approval.status.as_str(), tone),
                Cell::new(approval.risk.as_str()),
                Cell::new(&approval.tool),
                Cell::new(&approval.summary),
            ]
        })
        .collect();
    table::table(&["APPROVAL", "STATUS", "RISK", "TOOL", "SUMMARY"], &rows, 4, theme)
}

/// The files that a task handed over.
pub fn deliverables(files: &[Deliverable], theme: Theme) -> Vec<String> {
    if files.is_empty() {
        return vec!["no deliverables".to_owned()];
    }
    let rows: Vec<Vec<Cell>> = files
        .iter()
        .map(|file| {
            vec![
                Cell::new(&file.id),
                Cell::new(&units::bytes(file.size_bytes)),
                Cell::new(&file.media_type),
                Cell::new(&file.name),
            ]
        })
        .collect();
    table::table(&["ID", "SIZE", "TYPE", "NAME"], &rows, 3, theme)
}

/// All workspaces.
pub fn workspaces(workspaces: &[Workspace], theme: Theme) -> Vec<String> {
    if workspaces.is_empty() {
        return vec!["no workspaces".to_owned()];
    }
    let rows: Vec<Vec<Cell>> = workspaces
        .iter()
        .map(|workspace| {
            vec![
                Cell::new(&workspace.id),
                Cell::new(&workspace.name),
                Cell::new(&workspace.file_count.to_string()),
                Cell::new(&units::day_and_minute(&workspace.created_at)),
                Cell::new(workspace.description.as_deref().unwrap_or("")),
            ]
        })
        .collect();
    table::table(&["ID", "NAME", "FILES", "CREATED", "DESCRIPTION"], &rows, 4, theme)
}

/// One workspace.
pub fn workspace(workspace: &Workspace, theme: Theme) -> Vec<String> {
    let mut facts = vec![
        ("id", text::line(&workspace.id)),
        ("name", text::line(&workspace.name)),
        ("description", workspace.description.as_deref().map(text::line).unwrap_or_default()),
        ("files", workspace.file_count.to_string()),
        ("created", units::day_and_minute(&workspace.created_at)),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    table::facts(&facts, theme)
}

/// The files of a workspace.
pub fn files(files: &[WorkspaceFile], theme: Theme) -> Vec<String> {
    if files.is_empty() {
        return vec!["no files".to_owned()];
    }
    let rows: Vec<Vec<Cell>> = files
        .iter()
        .map(|file| match file.kind {
            FileKind::File => vec![
                Cell::new(&units::bytes(file.size_bytes)),
                Cell::new(&units::day_and_minute(&file.modified_at)),
                Cell::new(&file.path),
            ],
            FileKind::Directory => vec![
                Cell::new(""),
                Cell::new(&units::day_and_minute(&file.modified_at)),
                Cell::toned(&format!("{}/", file.path), Tone::Busy),
            ],
        })
        .collect();
    table::table(&["SIZE", "CHANGED", "PATH"], &rows, 2, theme)
}
