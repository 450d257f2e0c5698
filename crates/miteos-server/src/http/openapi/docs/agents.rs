//! Agents: read and steered one by one, and the answers to their questions.

use miteos_api::{Agent, DecideApproval, Guide, ListAgents, Success};
use serde_json::json;

use super::super::doc::{Doc, Tag, doc};
use super::super::examples;
use super::super::schemas::Schemas;

const MISSING: &str = "there is no such agent";

pub fn docs(s: &mut Schemas) -> Vec<Doc> {
    let mut task = s.query::<ListAgents>();
    for parameter in &mut task {
        parameter["required"] = true.into();
    }
    let steered = |s: &mut Schemas, doc: Doc| {
        doc.answer(200, "It is recorded.", s.told::<Success>(), examples::success())
    };
    let pause = doc("POST", "/agents/{id}/pause", "pauseAgent", Tag::Agents, "Pause an agent")
        .text("The current tool call finishes first. Given twice, it is the same answer.");
    let resume = doc("POST", "/agents/{id}/resume", "resumeAgent", Tag::Agents, "Resume an agent")
        .text("It goes on from where it was. Given twice, it is the same answer.");
    let cancel = doc("POST", "/agents/{id}/cancel", "cancelAgent", Tag::Agents, "Cancel an agent").text(
        "Final, and answered when all that it ran is dead. The task's other agents go on; a subtask that depends on this \
         one is skipped.",
    );
    let guide = doc("POST", "/agents/{id}/guide", "guideAgent", Tag::Agents, "Tell an agent something")
        .text("The agent has it as a message in its next model call.")
        .body(s.asked::<Guide>(), json!({"message": "Look at the annual plans, too."}));
    let ended = "agent agnt_01jd3k80v2w4y6z8a0b2c4d6e8 is complete";
    vec![
        doc("GET", "/agents", "listAgents", Tag::Agents, "List a task's agents")
            .text("In the order in which they began.")
            .parameters(task)
            .answer(
                200,
                "The agents.",
                json!({"type": "array", "items": s.told::<Agent>()}),
                json!([examples::agent()]),
            )
            .missing("task", "there is no such task"),
        doc("GET", "/agents/{id}", "getAgent", Tag::Agents, "Read an agent")
            .answer(200, "The agent.", s.told::<Agent>(), examples::agent())
            .missing("agent", MISSING)
            .link("getTask", "id", "/task_id"),
        steered(s, pause).missing("agent", MISSING).refused("The agent or its task has ended.", ended),
        steered(s, resume).missing("agent", MISSING).refused("The agent or its task has ended.", ended),
        steered(s, cancel).missing("agent", MISSING).refused("The agent is complete or has failed.", ended),
        steered(s, guide)
            .missing("agent", MISSING)
            .refused("The agent has ended, the message is blank or too long, or too many are unread.", ended),
        decision(s),
    ]
}

fn decision(s: &mut Schemas) -> Doc {
    let path = "/agents/{id}/approve/{approval}";
    doc("POST", path, "decideApproval", Tag::Approvals, "Decide an approval")
        .text(
            "Approves or rejects this one call. `input` replaces the proposed arguments, has to fit the tool, and is judged \
             anew. An approval is decided once: the same decision again is the same answer, a different one is refused.",
        )
        .body(s.asked::<DecideApproval>(), json!({"approved": true, "reason": "Ada is expecting it."}))
        .answer(200, "The decision is recorded.", s.told::<Success>(), examples::success())
        .missing("agent or approval", "there is no such approval")
        .refused(
            "It was decided differently, has expired, or `input` does not fit the tool.",
            "approval appr_01jd3k8a1b2c3d4e5f6g7h8j9k is already rejected",
        )
}
