//! Tasks: asked for, listed, read, steered as a whole.

use miteos_api::{CompletedTaskList, CreateTask, Guide, ListTasks, Success, Task, TaskList, UpdateTask};
use serde_json::json;

use super::super::doc::{Doc, Tag, doc};
use super::super::examples;
use super::super::schemas::Schemas;

const MISSING: &str = "there is no such task";
const PAGE: &str = "limit is 0; it must be 1 to 100";

pub fn docs(s: &mut Schemas) -> Vec<Doc> {
    let mut all = asked(s);
    all.extend(steered(s));
    all
}

fn asked(s: &mut Schemas) -> Vec<Doc> {
    // The completed ones are not chosen from any further.
    let mut pages = s.query::<ListTasks>();
    pages.retain(|parameter| matches!(parameter["name"].as_str(), Some("limit" | "offset")));
    let page = |rows| json!({"tasks": [rows], "total": 1, "limit": 20, "offset": 0});
    vec![
        doc("POST", "/tasks", "createTask", Tag::Tasks, "Start a task")
            .text(
                "Everything is checked before anything is made. The task is durable before the answer is sent. Above the \
                 tier's limit of tasks at once it stays `pending` until there is room, first come first served.\n\nWith a \
                 test key a scripted model does the work: nothing costs money and nothing leaves the workspace.",
            )
            .body(s.asked::<CreateTask>(), examples::create_task())
            .answer(201, "The task, as it begins.", s.told::<Task>(), examples::new_task())
            .error(
                403,
                "The key lacks the scope; or it lacks `deployments.write`, and the task would deploy. Without that scope no agent \
                 of the task has the tool `deploy`.",
                "this key lacks the scope deployments.write",
            )
            .refused(
                "A number out of range, an unknown workspace, model, skill or deploy configuration, `auto_deploy` without a \
                 target, a budget where a price is not known, or no model at all.",
                "config.max_agents is 21; it must be 1 to 20",
            )
            .link("getTask", "id", "/id")
            .link("cancelTask", "id", "/id")
            .link("pauseTask", "id", "/id")
            .link("listTaskEvents", "id", "/id")
            .link("listDeliverables", "id", "/id")
            .link("getWorkspace", "id", "/workspace_id"),
        doc("GET", "/tasks", "listTasks", Tag::Tasks, "List tasks")
            .text("Newest first. Rows come without `agents`, `subtasks` and `approvals`.")
            .parameters(s.query::<ListTasks>())
            .answer(200, "A page of tasks.", s.told::<TaskList>(), page(examples::task_row()))
            .refused("`limit` or `offset` out of range, an unknown `status`, or no workspace's id.", PAGE),
        doc("GET", "/tasks/completed", "listCompletedTasks", Tag::Tasks, "List completed tasks")
            .text("Complete tasks alone, each with the tools it used: what the skill compiler works on.")
            .parameters(pages)
            .answer(200, "A page of completed tasks.", s.told::<CompletedTaskList>(), page(examples::completed_task()))
            .refused("`limit` or `offset` out of range.", PAGE),
        doc("GET", "/tasks/{id}", "getTask", Tag::Tasks, "Read a task")
            .text("The whole task, with its plan, agents and open approvals.")
            .answer(200, "The task.", s.told::<Task>(), examples::task())
            .missing("task", MISSING)
            .link("getAgent", "id", "/agents/0/id")
            .link("pauseAgent", "id", "/agents/0/id")
            .link("resumeAgent", "id", "/agents/0/id")
            .link("guideAgent", "id", "/agents/0/id")
            .link("cancelAgent", "id", "/agents/0/id"),
    ]
}

fn steered(s: &mut Schemas) -> Vec<Doc> {
    let over = "the task is complete; it cannot be changed any more";
    let done = |s: &mut Schemas, doc: Doc| {
        doc.answer(200, "It is recorded.", s.told::<Success>(), examples::success()).missing("task", MISSING)
    };
    let cancel = doc("POST", "/tasks/{id}/cancel", "cancelTask", Tag::Tasks, "Cancel a task").text(
        "Every agent stops and its processes are dead before the answer is sent; no model call is started after it. \
         Finished work and deliverables stay. Cancelling a cancelled task is the same answer.",
    );
    let pause = doc("POST", "/tasks/{id}/pause", "pauseTask", Tag::Tasks, "Pause a task").text(
        "All its agents hold; tool calls that run finish first. A task that has not begun, or that is being planned or \
         concluded, holds at its next step. Given twice, it is the same answer.",
    );
    let resume = doc("POST", "/tasks/{id}/resume", "resumeTask", Tag::Tasks, "Resume a task")
        .text("All its agents go on from where they were. Given twice, it is the same answer.");
    let guide = doc("POST", "/tasks/{id}/guide", "guideTask", Tag::Tasks, "Tell all agents something")
        .text("Each active agent has it as a message in its next model call.")
        .body(s.asked::<Guide>(), json!({"message": "Prices without tax, please."}));
    vec![
        doc("PATCH", "/tasks/{id}", "updateTask", Tag::Tasks, "Change a running task")
            .text("Takes effect at the next decision, without a restart. What is absent stays as it is.")
            .body(s.asked::<UpdateTask>(), json!({"config": {"autonomy_level": 80, "budget_cents": null}}))
            .answer(200, "The task as it is now.", s.told::<Task>(), examples::task())
            .missing("task", MISSING)
            .refused(
                "A number out of range, a task that has ended, or a budget where a model's price is not known.",
                "config.autonomy_level is 101; it must be 0 to 100",
            ),
        done(s, cancel).refused("The task is complete or has failed.", over),
        done(s, pause).refused("The task has ended.", over),
        done(s, resume).refused("The task has ended.", over),
        done(s, guide).refused(
            "The task has ended, has no active agent, the message is blank or too long, or an agent has too many unread.",
            over,
        ),
    ]
}
