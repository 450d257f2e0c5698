//! A task with `auto_deploy`: its last agent's answer is followed by a deployment, under the dial like any call.

use miteos_core::agent::AgentStatus;
use miteos_core::command::{Command, Decision, ProposedCall};
use miteos_core::event::Event;
use miteos_core::pending::Effect;
use miteos_core::settings::TaskConfig;
use miteos_core::task::{Stage, TaskStatus};
use miteos_core::tool::Risk;
use serde_json::json;

use crate::world::{World, call};

fn deploying(autonomy_level: u8, nodes: &[(&str, &[&str])]) -> World {
    let config = TaskConfig {
        max_agents: 20,
        autonomy_level,
        auto_deploy: true,
        deploy_target: Some("preview".to_owned()),
        ..TaskConfig::default()
    };
    World::planned_with(config, nodes)
}

fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Event::kind).collect()
}

fn result(world: &World) -> String {
    match &world.task.stage {
        Stage::Complete { result } => result.abridged(),
        other => panic!("not complete: {other:?}"),
    }
}

#[test]
fn with_a_full_dial_the_output_is_deployed_before_the_task_is_complete() {
    let mut world = deploying(100, &[("1", &[])]);
    world.start(0);
    let events = world.answer(0, "the site is built", vec![]);
    assert_eq!(kinds(&events), ["agent.thinking", "internal.deploy_proposed", "agent.action"]);
    let Event::CallAuthorised { tool, input, risk, .. } = &events[2] else { panic!() };
    assert_eq!((tool.as_str(), *risk), ("deploy", Risk::Critical));
    assert_eq!(input.abridged(), r#"{"target":"preview"}"#);
    assert!(matches!(world.task.pending()[..], [Effect::StartCall { .. }]), "its start is recorded first");
    assert_eq!(world.task.status(), TaskStatus::Running);
    let events = world.end_call(0, true, "deployed: http://x.localhost/");
    assert_eq!(kinds(&events), ["agent.result", "agent.complete", "task.complete"]);
    assert_eq!(result(&world), "the site is built\n\ndeployed: http://x.localhost/");
    world.check_replay();
}

#[test]
fn below_it_a_person_is_asked_and_may_say_no() {
    for (decision, expected) in [
        (Decision::Approve { replacement: None, reason: Some("fine".to_owned()) }, "built\n\nlive"),
        (
            Decision::Reject { reason: Some("too early".to_owned()) },
            "built\n\nNot deployed: a person rejected it (too early)",
        ),
    ] {
        let mut world = deploying(99, &[("1", &[])]);
        world.start(0);
        let agent = world.agent(0);
        let events = world.answer(0, "built", vec![]);
        assert_eq!(kinds(&events)[1..], ["internal.deploy_proposed", "approval.required"]);
        assert_eq!(world.task.agents[0].status(), AgentStatus::Waiting);
        let approval = world.task.approvals().next().unwrap().id;
        let approved = matches!(decision, Decision::Approve { .. });
        world.must(Command::Decide { agent, approval, decision });
        if approved {
            world.end_call(0, true, "live");
        }
        assert_eq!(result(&world), expected);
        world.check_replay();
    }
}

/// What is prepared by then is what a person is asked, and what cannot be is told without asking.
#[test]
fn what_is_decided_by_then_is_what_a_person_agrees_to() {
    let mut world = deploying(99, &[("1", &[])]);
    world.start(0);
    let bound = json!({"target": "preview", "folder": "dist"});
    let closing = ProposedCall { risk: Risk::Critical, ..call("deploy", &bound) };
    let events = world.answer_closing(0, "built", vec![], Some(Box::new(closing.clone())));
    assert_eq!(kinds(&events)[1..], ["internal.deploy_proposed", "approval.required"]);
    let asked = world.task.approvals().next().unwrap();
    assert_eq!(
        (asked.input.abridged(), asked.input_sha256.clone()),
        (bound.to_string(), closing.input_sha256)
    );
    world.check_replay();

    let mut world = deploying(99, &[("1", &[])]);
    world.start(0);
    let closing = ProposedCall { problem: Some("no such place".to_owned()), ..call("deploy", &bound) };
    world.answer_closing(0, "built", vec![], Some(Box::new(closing)));
    assert_eq!(result(&world), "built\n\nNot deployed: no such place");

    // Others than the last do not deploy, whatever was prepared.
    let mut world = deploying(99, &[("1", &[]), ("2", &[])]);
    world.start(0);
    world.start(1);
    let events = world.answer_closing(0, "a", vec![], Some(Box::new(call("deploy", &bound))));
    assert_eq!(kinds(&events), ["agent.thinking", "agent.complete"]);
}

#[test]
fn a_deployment_that_fails_does_not_fail_the_task() {
    let mut world = deploying(100, &[("1", &[])]);
    world.start(0);
    world.answer(0, "built", vec![]);
    world.end_call(0, false, "the build failed");
    assert_eq!(result(&world), "built\n\nNot deployed: the build failed");
}

#[test]
fn only_the_last_agent_deploys_and_only_once() {
    let mut world = deploying(100, &[("1", &[]), ("2", &[])]);
    world.start(0);
    world.start(1);
    assert_eq!(kinds(&world.answer(0, "a", vec![])), ["agent.thinking", "agent.complete"]);
    assert_eq!(kinds(&world.answer(1, "b", vec![]))[1], "internal.deploy_proposed");
    let events = world.end_call(1, true, "live");
    assert_eq!(kinds(&events), ["agent.result", "agent.complete", "internal.conclusion_asked"]);

    // Where an agent has deployed by itself, nothing is left to do.
    let mut world = deploying(100, &[("1", &[])]);
    world.start(0);
    world.answer(0, "", vec![call("deploy", &json!({"target": "preview"}))]);
    world.end_call(0, true, "live");
    world.answer(0, "built and deployed", vec![]);
    assert_eq!(result(&world), "built and deployed");
    // One that failed does not count.
    let mut world = deploying(100, &[("1", &[])]);
    world.start(0);
    world.answer(0, "", vec![call("deploy", &json!({"target": "preview"}))]);
    world.end_call(0, false, "the build failed");
    assert_eq!(kinds(&world.answer(0, "mended", vec![]))[1], "internal.deploy_proposed");
}

#[test]
fn a_started_deployment_is_settled_after_a_crash() {
    let mut world = deploying(100, &[("1", &[])]);
    world.start(0);
    let agent = world.agent(0);
    world.answer(0, "built", vec![]);
    let Effect::StartCall { call, .. } = world.task.pending()[0] else { panic!() };
    world.must(Command::CallStarting { agent, call });
    assert_eq!(world.task.pending(), [Effect::RunCall { agent, call, started: true }]);
    world.must(Command::CallNotStarted { agent, call });
    assert_eq!(world.task.pending(), [Effect::StartCall { agent, call }]);
    world.must(Command::CallStarting { agent, call });
    world.must(Command::CallUnsettled { agent, call });
    let approval = world.task.approvals().next().unwrap().id;
    world.must(Command::Decide { agent, approval, decision: Decision::Reject { reason: None } });
    assert!(result(&world).contains("Not deployed: The server restarted"), "{}", result(&world));
}

#[test]
fn cancelling_stops_it() {
    let mut world = deploying(100, &[("1", &[])]);
    world.start(0);
    let agent = world.agent(0);
    world.answer(0, "built", vec![]);
    world.must(Command::CancelTask);
    assert!(world.say(Command::CancelAgent { agent }).is_err() || !world.task.is_finished());
    world.must(Command::AllStopped);
    assert_eq!(world.task.status(), TaskStatus::Cancelled);
    world.check_replay();
}

#[test]
fn a_paused_agent_deploys_when_it_goes_on() {
    let mut world = deploying(100, &[("1", &[])]);
    world.start(0);
    let agent = world.agent(0);
    world.must(Command::PauseAgent { agent });
    world.answer(0, "built", vec![]);
    world.must(Command::Held { agent });
    assert_eq!(world.task.pending(), []);
    let events = world.must(Command::ResumeAgent { agent });
    assert!(kinds(&events).contains(&"agent.action"), "{events:?}");
    world.end_call(0, true, "live");
    assert_eq!(result(&world), "built\n\nlive");
}
