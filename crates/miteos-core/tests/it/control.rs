//! What people may do to a task and its agents in each state, as tables. `docs/control.md` shows them to people.
//!
//! `does`: accepted, and something changes; the same call again is then accepted and changes nothing, but for
//! guidance, which is said again. `same`: accepted, nothing to change. `no`: refused (422). `none`: there is no such
//! thing (404). A refused call leaves the task as it was: [`World::say`] looks.

use miteos_core::command::{Command, Decision, FailureKind, ModelFailure, Rejected, Replacement};
use miteos_core::content::Sha256;
use miteos_core::event::Question;
use miteos_core::ids::ApprovalId;
use miteos_core::settings::{Settings, TaskConfig};
use miteos_core::task::TaskStatus;
use miteos_core::tool::Risk;
use serde_json::json;

use crate::world::{World, call, id, model_call, plan};

const AGENTS: &str = "
    state            | pause | resume | cancel | guide | approve | reject
    idle             | does  | same   | does   | does  | none    | none
    thinking         | does  | same   | does   | does  | none    | none
    acting           | does  | same   | does   | does  | none    | none
    waiting          | does  | same   | does   | does  | does    | does
    pause asked      | same  | does   | does   | does  | none    | none
    paused           | same  | does   | does   | does  | none    | none
    paused, asks     | same  | does   | does   | does  | does    | does
    being cancelled  | no    | no     | same   | no    | no      | no
    task is stopping | no    | no     | no     | no    | no      | no
    complete         | no    | no     | no     | no    | none    | none
    error            | no    | no     | no     | no    | none    | none
    cancelled        | no    | no     | same   | no    | no      | no
";

const TASKS: &str = "
    state                 | shown as  | pause | resume | cancel | guide | dial | budget
    pending               | pending   | does  | same   | does   | no    | does | does
    pending, held         | pending   | same  | does   | does   | no    | does | does
    planning              | planning  | does  | same   | does   | no    | does | does
    planning, pause asked | planning  | same  | does   | does   | no    | does | does
    paused before a plan  | paused    | same  | does   | does   | no    | does | does
    paused with a plan    | paused    | same  | does   | does   | does  | does | does
    running               | running   | does  | same   | does   | does  | does | does
    pause asked           | running   | same  | does   | does   | does  | does | does
    paused                | paused    | same  | does   | does   | does  | does | does
    each agent paused     | paused    | does  | does   | does   | does  | does | does
    concluding            | running   | does  | same   | does   | no    | does | does
    paused at the end     | paused    | same  | does   | does   | no    | does | does
    publishing            | running   | does  | same   | does   | no    | does | does
    being cancelled       | running   | no    | no     | same   | no    | no   | no
    failing               | running   | no    | no     | no     | no    | no   | no
    complete              | complete  | no    | no     | no     | no    | no   | no
    failed                | failed    | no    | no     | no     | no    | no   | no
    cancelled             | cancelled | no    | no     | same   | no    | no   | no
";

const DECISIONS: &str = "
    approval            | approve | approve with a | approve with b | reject
    pending             | does    | does           | does           | does
    approved            | same    | no             | no             | no
    approved with a     | same    | same           | no             | no
    rejected            | no      | no             | no             | same
    expired             | no      | no             | no             | no
    cancelled           | no      | no             | no             | no
";

/// The rows of a table, each with its name and its cells by column.
fn rows(table: &'static str) -> impl Iterator<Item = (&'static str, Vec<(&'static str, &'static str)>)> {
    let cells = |line: &'static str| line.split('|').map(str::trim).collect::<Vec<_>>();
    let mut lines = table.trim().lines().map(cells);
    let head = lines.next().unwrap();
    lines.map(move |row| {
        let named = head.iter().copied().zip(row.iter().copied()).skip(1);
        (row[0], named.collect())
    })
}

fn answer(world: &mut World, command: Command) -> &'static str {
    match world.say(command) {
        Ok(events) if events.is_empty() => "same",
        Ok(_) => "does",
        Err(Rejected::WrongState(why)) => {
            assert!(why.len() > 20 && !why.ends_with('.'), "says what would be right: {why}");
            "no"
        }
        Err(Rejected::NotFound(_)) => "none",
        Err(Rejected::Stale) => "stale",
    }
}

/// Asks, and where it did something asks again.
fn ask(world: &mut World, command: &Command) -> &'static str {
    let said = answer(world, command.clone());
    let again = match command {
        Command::GuideAgent { .. } | Command::GuideTask { .. } => "does",
        _ => "same",
    };
    if said == "does" {
        assert_eq!(answer(world, command.clone()), again, "the second time");
    }
    world.check_replay();
    said
}

/// Agent 0 asks to send a mail, with agent 1 beside it.
fn asking() -> World {
    let mut world = two();
    world.answer(0, "", vec![call("send_email", &json!({"to": "a@example.org"}))]);
    world
}

/// Two agents that think.
fn two() -> World {
    let mut world = World::planned(&[("1", &[]), ("2", &[])]);
    world.start(0);
    world.start(1);
    world
}

fn agent_in(state: &str) -> World {
    match state {
        "idle" => World::planned(&[("1", &[]), ("2", &[])]),
        "thinking" => two(),
        "acting" => {
            let mut world = two();
            world.answer(0, "", vec![call("write_file", &json!({}))]);
            world
        }
        "waiting" => asking(),
        "pause asked" => {
            let mut world = two();
            let agent = world.agent(0);
            world.must(Command::PauseAgent { agent });
            world
        }
        "paused" | "paused, asks" => {
            let mut world = if state == "paused" { two() } else { asking() };
            let agent = world.agent(0);
            world.must(Command::PauseAgent { agent });
            world.must(Command::Held { agent });
            world
        }
        "being cancelled" | "cancelled" => {
            let mut world = asking();
            let agent = world.agent(0);
            world.must(Command::CancelAgent { agent });
            if state == "cancelled" {
                world.must(Command::Stopped { agent });
            }
            world
        }
        "task is stopping" => {
            let mut world = asking();
            world.must(Command::CancelTask);
            world
        }
        "complete" => {
            let mut world = two();
            world.answer(0, "done", vec![]);
            world
        }
        "error" => {
            let mut world = two();
            let agent = world.agent(0);
            let failure = ModelFailure { kind: FailureKind::Refused, message: "a/a: no".into() };
            world.must(Command::ModelErred { agent, step: 0, failure });
            world
        }
        other => panic!("no such state: {other}"),
    }
}

#[test]
fn every_call_in_every_state_of_an_agent() {
    for (state, cells) in rows(AGENTS) {
        for (name, expected) in cells {
            let mut world = agent_in(state);
            let agent = world.agent(0);
            let known = world.task.approvals().next().map(|a| a.id);
            let settled = world.task.settled.keys().next().copied();
            let approval = known.or(settled).unwrap_or(ApprovalId(id(77)));
            let command = match name {
                "pause" => Command::PauseAgent { agent },
                "resume" => Command::ResumeAgent { agent },
                "cancel" => Command::CancelAgent { agent },
                "guide" => Command::GuideAgent { agent, message: "left".into() },
                "approve" => Command::Decide {
                    agent,
                    approval,
                    decision: Decision::Approve { replacement: None, reason: None },
                },
                "reject" => Command::Decide { agent, approval, decision: Decision::Reject { reason: None } },
                other => panic!("no such call: {other}"),
            };
            assert_eq!(ask(&mut world, &command), expected, "{name} an agent that is {state}");
        }
    }
}

fn planning() -> World {
    let mut world = World::new(TaskConfig::default(), Settings::default());
    world.must(Command::Admit);
    world
}

fn concluding() -> World {
    let mut world = two();
    world.answer(0, "a", vec![]);
    world.answer(1, "b", vec![]);
    world
}

fn submit(world: &mut World) {
    let arguments = Ok(plan(&[("1", &[]), ("2", &[])]));
    world.must(Command::QuestionAnswered {
        question: Question::Plan,
        round: world.task.round(Question::Plan).unwrap_or_default(),
        arguments,
        model_call: model_call(),
    });
}

fn hold_agents(world: &mut World) {
    for agent in world.task.agents.iter().map(|a| a.id).collect::<Vec<_>>() {
        world.must(Command::Held { agent });
    }
}

fn task_in(state: &str) -> World {
    let mut world = match state {
        "pending" | "pending, held" => World::new(TaskConfig::default(), Settings::default()),
        "planning" | "planning, pause asked" | "paused before a plan" | "paused with a plan" => planning(),
        "concluding" | "publishing" | "paused at the end" => concluding(),
        "complete" => World::planned(&[("1", &[])]),
        _ => two(),
    };
    match state {
        "pending" | "planning" | "running" | "concluding" => {}
        "pending, held" | "planning, pause asked" | "pause asked" => drop(world.must(Command::PauseTask)),
        "paused before a plan" | "paused at the end" => {
            world.must(Command::PauseTask);
            world.must(Command::TaskHeld);
        }
        "paused with a plan" => {
            world.must(Command::PauseTask);
            submit(&mut world);
        }
        "paused" => {
            world.must(Command::PauseTask);
            hold_agents(&mut world);
        }
        "each agent paused" => {
            for n in 0..2 {
                let agent = world.agent(n);
                world.must(Command::PauseAgent { agent });
            }
            hold_agents(&mut world);
        }
        "publishing" => {
            let arguments = Ok(json!({"summary": "all", "deliverables": ["a.md"]}));
            world.must(Command::QuestionAnswered {
                question: Question::Conclude,
                round: world.task.round(Question::Conclude).unwrap_or_default(),
                arguments,
                model_call: model_call(),
            });
        }
        "being cancelled" => drop(world.must(Command::CancelTask)),
        "failing" => drop(world.must(Command::BudgetExhausted)),
        "complete" => {
            world.start(0);
            world.answer(0, "done", vec![]);
        }
        "failed" => {
            world.must(Command::BudgetExhausted);
            world.must(Command::AllStopped);
        }
        "cancelled" => {
            world.must(Command::CancelTask);
            world.must(Command::AllStopped);
        }
        other => panic!("no such state: {other}"),
    }
    world
}

#[test]
fn every_call_in_every_state_of_a_task() {
    for (state, cells) in rows(TASKS) {
        for (name, expected) in cells {
            let mut world = task_in(state);
            let command = match name {
                "shown as" => {
                    assert_eq!(world.task.status().as_str(), expected, "{state}");
                    continue;
                }
                "pause" => Command::PauseTask,
                "resume" => Command::ResumeTask,
                "cancel" => Command::CancelTask,
                "guide" => Command::GuideTask { message: "left".into() },
                "dial" => Command::SetAutonomy { autonomy_level: 7 },
                "budget" => Command::SetBudget { budget_cents: Some(1_000) },
                other => panic!("no such call: {other}"),
            };
            assert_eq!(ask(&mut world, &command), expected, "{name} a task that is {state}");
        }
    }
}

fn with(to: &str) -> Decision {
    let text = json!({ "to": to }).to_string();
    let input_sha256 = Sha256::of(text.as_bytes());
    Decision::Approve {
        replacement: Some(Replacement { input: text.into(), input_sha256, risk: Risk::High }),
        reason: None,
    }
}

#[test]
fn an_approval_is_decided_once() {
    for (state, cells) in rows(DECISIONS) {
        for (name, expected) in cells {
            let mut world = asking();
            let agent = world.agent(0);
            let open = world.task.approvals().next().unwrap().clone();
            let approval = open.id;
            let first = match state {
                "approved" => Some(Decision::Approve { replacement: None, reason: None }),
                "approved with a" => Some(with("a")),
                "rejected" => Some(Decision::Reject { reason: Some("no".into()) }),
                _ => None,
            };
            if let Some(decision) = first {
                world.must(Command::Decide { agent, approval, decision });
            }
            match state {
                "expired" => {
                    assert!(
                        matches!(world.say(Command::Expire { approval }), Err(Rejected::Stale)),
                        "too early"
                    );
                    world.now = open.expires_at;
                    world.must(Command::Expire { approval });
                }
                "cancelled" => {
                    world.must(Command::CancelAgent { agent });
                    world.must(Command::Stopped { agent });
                }
                _ => {}
            }
            let decision = match name {
                "approve" => Decision::Approve { replacement: None, reason: None },
                "approve with a" => with("a"),
                "approve with b" => with("b"),
                "reject" => Decision::Reject { reason: None },
                other => panic!("no such decision: {other}"),
            };
            let command = Command::Decide { agent, approval, decision };
            assert_eq!(ask(&mut world, &command), expected, "{name}: an approval that is {state}");
            let other = world.agent(1);
            let by_another =
                Command::Decide { agent: other, approval, decision: Decision::Reject { reason: None } };
            assert_eq!(answer(&mut world, by_another), "none", "it is asked for at its own agent");
        }
    }
}

#[test]
fn a_held_task_asks_its_planner_nothing_and_its_agents_start_held() {
    let mut world = World::new(TaskConfig::default(), Settings::default());
    world.must(Command::PauseTask);
    assert_eq!(world.task.status(), TaskStatus::Pending, "it keeps its place in the queue");
    world.must(Command::Admit);
    let owed: Vec<_> = world.task.pending().iter().map(|e| e.key()).collect();
    assert_eq!(owed, [miteos_core::pending::EffectKey::HoldTask]);
    world.must(Command::TaskHeld);
    assert_eq!((world.task.status(), world.task.pending()), (TaskStatus::Paused, vec![]));
    world.must(Command::ResumeTask);
    assert_eq!((world.task.status(), world.task.pending().len()), (TaskStatus::Planning, 1));
    // Now while the planner is asked: its answer counts, and nobody starts.
    world.must(Command::PauseTask);
    submit(&mut world);
    assert_eq!((world.task.status(), world.task.pending()), (TaskStatus::Paused, vec![]));
    let agent = world.agent(1);
    let events = world.must(Command::ResumeAgent { agent });
    let kinds: Vec<_> = events.iter().map(|e| e.kind()).collect();
    assert_eq!(kinds, ["internal.task_hold_lifted", "agent.resumed", "task.resumed"]);
    assert_eq!(world.task.pending().len(), 1, "only the agent that was resumed starts");
    world.check_replay();
}

#[test]
fn what_a_cancelled_call_may_have_done_is_said() {
    let mut world = two();
    world.answer(0, "", vec![call("write_file", &json!({"n": 1}))]);
    world.end_call(0, true, "written");
    world.answer(0, "", vec![call("code_exec", &json!({}))]);
    let (agent, started) = (world.agent(0), world.task.agents[0].calls()[0].name());
    world.must(Command::CallStarting { agent, call: started.call });
    world.must(Command::CancelTask);
    let events = world.must(Command::AllStopped);
    let Some(miteos_core::event::Event::TaskCancelled { took_effect, interrupted, .. }) = events.last()
    else {
        panic!("{events:?}")
    };
    assert_eq!(took_effect.iter().map(|c| c.tool.as_str()).collect::<Vec<_>>(), ["write_file"]);
    assert_eq!(interrupted, &[started]);
}
