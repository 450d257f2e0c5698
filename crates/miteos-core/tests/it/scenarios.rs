//! Single rules, each told as a short story.

use miteos_core::agent::AgentStatus;
use miteos_core::chat::Turn;
use miteos_core::command::{Command, Decision, FailureKind, ModelFailure, Rejected, Replacement};
use miteos_core::content::{Content, Sha256};
use miteos_core::event::{Event, Question};
use miteos_core::pending::Effect;
use miteos_core::settings::{Settings, TaskConfig};
use miteos_core::task::{Stage, SubtaskStatus, TaskStatus};
use miteos_core::tool::Risk;
use serde_json::json;

use crate::world::{World, call, model_call, plan, trouble};

fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Event::kind).collect()
}

#[test]
fn one_node_needs_no_conclusion() {
    let mut world = World::planned(&[("1", &[])]);
    world.start(0);
    let events = world.answer(0, "42", vec![]);
    assert_eq!(kinds(&events), ["agent.thinking", "agent.complete", "task.complete"]);
    assert_eq!(world.task.stage, Stage::Complete { result: "42".into() });
    assert_eq!(world.task.totals().model_calls, 2);
    assert_eq!(world.task.cost().0, 6);
}

#[test]
fn parallel_nodes_start_as_far_as_there_are_places() {
    let mut world = World::new(TaskConfig { max_agents: 2, ..TaskConfig::default() }, Settings::default());
    world.must(Command::Admit);
    let arguments = Ok(plan(&[("1", &[]), ("2", &[]), ("3", &[]), ("4", &["1", "2"])]));
    world.must(Command::QuestionAnswered {
        question: Question::Plan,
        round: world.task.round(Question::Plan).unwrap_or_default(),
        arguments,
        model_call: model_call(),
    });
    assert_eq!(world.task.pending().len(), 2);
    world.start(0);
    world.start(1);
    assert!(world.task.pending().iter().all(|e| matches!(e, Effect::CallModel { .. })));
    world.answer(0, "a", vec![]);
    assert!(world.task.pending().contains(&Effect::StartAgent { agent: world.agent(2) }));
    world.answer(1, "b", vec![]);
    assert!(world.task.pending().contains(&Effect::StartAgent { agent: world.agent(3) }));
}

#[test]
fn a_plan_that_does_not_validate_goes_back_twice() {
    let mut world = World::new(TaskConfig::default(), Settings::default());
    world.must(Command::Admit);
    for _ in 0..2 {
        world.must(Command::QuestionAnswered {
            question: Question::Plan,
            round: world.task.round(Question::Plan).unwrap_or_default(),
            arguments: Ok(json!({})),
            model_call: model_call(),
        });
        assert_eq!(world.task.status(), TaskStatus::Planning);
    }
    world.must(Command::QuestionAnswered {
        question: Question::Plan,
        round: world.task.round(Question::Plan).unwrap_or_default(),
        arguments: Err("no call of submit_plan".into()),
        model_call: model_call(),
    });
    world.must(Command::AllStopped);
    let Stage::Failed { error } = &world.task.stage else { panic!() };
    assert!(error.contains("after 3 attempts: no call of submit_plan"), "{error}");
}

#[test]
fn a_failed_node_is_replaced_once() {
    let mut world = World::planned(&[("1", &[]), ("2", &["1"]), ("3", &[])]);
    world.start(0);
    world.start(2);
    let agent = world.agent(0);
    let failure = ModelFailure { kind: FailureKind::Refused, message: "a/a: no".into() };
    let events = world.must(Command::ModelErred { agent, step: 0, failure: failure.clone() });
    assert_eq!(kinds(&events), ["agent.error", "agent.cancelled", "internal.replan_asked"]);
    assert_eq!(world.task.subtasks[1].status, SubtaskStatus::Skipped);
    world.answer(2, "third", vec![]);
    assert_eq!(world.task.status(), TaskStatus::Running);
    let refused = Ok(plan(&[("3", &[])]));
    world.must(Command::QuestionAnswered {
        question: Question::Replan,
        round: world.task.round(Question::Replan).unwrap_or_default(),
        arguments: refused,
        model_call: model_call(),
    });
    let arguments = Ok(plan(&[("4", &["3"])]));
    world.must(Command::QuestionAnswered {
        question: Question::Replan,
        round: world.task.round(Question::Replan).unwrap_or_default(),
        arguments,
        model_call: model_call(),
    });
    world.start(3);
    let agent = world.agent(3);
    world.must(Command::ModelErred { agent, step: 0, failure });
    world.must(Command::AllStopped);
    let Stage::Failed { error } = &world.task.stage else { panic!("{:?}", world.task.stage) };
    assert_eq!(error, "subtask \"node 4\" failed: a/a: no");
    assert_eq!(world.task.subtasks[2].status, SubtaskStatus::Complete);
    world.check_replay();
}

#[test]
fn a_replacement_that_works_completes_the_task() {
    let mut world = World::planned(&[("1", &[])]);
    world.start(0);
    let agent = world.agent(0);
    world.must(Command::ModelErred {
        agent,
        step: 0,
        failure: ModelFailure { kind: FailureKind::Refused, message: "no".into() },
    });
    world.must(Command::QuestionAnswered {
        question: Question::Replan,
        round: world.task.round(Question::Replan).unwrap_or_default(),
        arguments: Ok(plan(&[("2", &[])])),
        model_call: model_call(),
    });
    world.start(1);
    world.answer(1, "second try", vec![]);
    let arguments = Ok(json!({"summary": "all done", "deliverables": ["a.md"]}));
    world.must(Command::QuestionAnswered {
        question: Question::Conclude,
        round: world.task.round(Question::Conclude).unwrap_or_default(),
        arguments,
        model_call: model_call(),
    });
    assert_eq!(world.task.pending(), [Effect::PublishFiles { paths: vec!["a.md".into()] }]);
    world.must(Command::Published { deliverables: vec![] });
    assert_eq!(world.task.stage, Stage::Complete { result: "all done".into() });
}

#[test]
fn reads_run_together_and_the_rest_in_order() {
    let mut world = World::planned(&[("1", &[])]);
    world.start(0);
    let events =
        world.answer(0, "", vec![call("read_file", &json!({"a": 1})), call("read_file", &json!({"a": 2}))]);
    assert_eq!(kinds(&events), ["agent.thinking", "agent.action", "agent.action"]);
    world.end_call(0, true, "1");
    assert_eq!(world.task.agents[0].status(), AgentStatus::Acting);
    world.end_call(0, true, "2");
    let events = world.answer(0, "", vec![call("write_file", &json!({})), call("read_file", &json!({}))]);
    assert_eq!(kinds(&events), ["agent.thinking", "agent.action"]);
    let events = world.end_call(0, true, "written");
    assert_eq!(kinds(&events), ["agent.result", "agent.action"]);
    world.end_call(0, true, "read");
    let Some(Turn::Results { results }) = world.task.agents[0].turns.last() else { panic!() };
    assert_eq!(results.iter().map(|r| r.tool.as_str()).collect::<Vec<_>>(), ["write_file", "read_file"]);
}

#[test]
fn a_bad_call_is_told_to_the_model() {
    let mut world = World::planned(&[("1", &[])]);
    world.start(0);
    let events = world.answer(0, "", vec![call("unknown", &json!({})), call("write_file", &json!({}))]);
    assert_eq!(kinds(&events), ["agent.thinking", "agent.action", "agent.result", "agent.action"]);
    world.end_call(0, true, "ok");
    let Some(Turn::Results { results }) = world.task.agents[0].turns.last() else { panic!() };
    assert!(!results[0].ok && results[1].ok);
}

#[test]
fn running_in_circles_gets_a_hint_and_then_ends() {
    let mut world = World::planned(&[("1", &[])]);
    world.start(0);
    for round in 1..=5 {
        world.answer(0, "", vec![call("read_file", &json!({"path": "a"}))]);
        let events = world.end_call(0, true, "same");
        let Event::CallFinished { hint, .. } = &events[0] else { panic!() };
        assert_eq!(hint.is_some(), round >= 3, "round {round}");
        assert_eq!(matches!(events.get(1), Some(Event::AgentFailed { .. })), round == 5, "round {round}");
    }
}

#[test]
fn a_circle_of_several_answers_is_one_too() {
    let mut world = World::planned(&[("1", &[])]);
    world.start(0);
    let mut hinted = Vec::new();
    for step in 1..=15 {
        let path = ["a", "b", "c"][step % 3];
        world.answer(0, "", vec![call("read_file", &json!({"path": path}))]);
        let events = world.end_call(0, true, "same");
        let Event::CallFinished { hint, .. } = &events[0] else { panic!() };
        hinted.push(hint.is_some());
        assert_eq!(matches!(events.get(1), Some(Event::AgentFailed { .. })), step == 15, "step {step}");
    }
    assert_eq!(hinted.iter().position(|hint| *hint), Some(8), "after three rounds of three");
}

#[test]
fn the_same_calls_with_other_results_are_no_circle() {
    let mut world = World::planned(&[("1", &[])]);
    world.start(0);
    for step in 0..12 {
        world.answer(0, "", vec![call("read_file", &json!({"path": "log"}))]);
        let events = world.end_call(0, true, &format!("line {step}"));
        let Event::CallFinished { hint, .. } = &events[0] else { panic!() };
        assert!(hint.is_none() && events.len() == 1, "step {step}");
    }
}

#[test]
fn half_an_answer_is_no_result() {
    let mut world = World::planned(&[("1", &[])]);
    world.start(0);
    let agent = world.task.agents[0].id;
    let mut ends = Vec::new();
    for step in 0..3 {
        let events = world.must(Command::ModelAnswered {
            agent,
            step,
            heard: world.task.agents[0].inbox.len(),
            text: "half of a long".into(),
            calls: vec![],
            opaque: None,
            cut: true,
            closing: None,
            model_call: model_call(),
        });
        ends.push(kinds(&events).last().copied().unwrap_or_default().to_owned());
    }
    assert_eq!(ends[..2], ["internal.agent_hinted", "internal.agent_hinted"]);
    assert!(matches!(world.task.agents[0].phase, miteos_core::agent::Phase::Error { .. }), "{ends:?}");
}

#[test]
fn the_last_model_call_must_answer() {
    let mut world = World::new(TaskConfig::default(), Settings { max_model_calls: 2, ..Settings::default() });
    world.must(Command::Admit);
    world.must(Command::QuestionAnswered {
        question: Question::Plan,
        round: world.task.round(Question::Plan).unwrap_or_default(),
        arguments: Ok(plan(&[("1", &[])])),
        model_call: model_call(),
    });
    world.start(0);
    world.answer(0, "", vec![call("read_file", &json!({}))]);
    world.end_call(0, true, "x");
    assert!(matches!(world.task.pending()[0], Effect::CallModel { last: true, heard: 1, .. }));
    let events = world.answer(0, "what I have", vec![call("read_file", &json!({}))]);
    assert_eq!(kinds(&events), ["agent.thinking", "agent.complete", "task.complete"]);
}

#[test]
fn provider_trouble_waits_then_falls_back_then_errs() {
    let settings =
        Settings { max_attempts: 2, models: vec!["a/a".into(), "b/b".into()], ..Settings::default() };
    let mut world = World::new(TaskConfig::default(), settings);
    world.must(Command::Admit);
    world.must(Command::QuestionAnswered {
        question: Question::Plan,
        round: world.task.round(Question::Plan).unwrap_or_default(),
        arguments: Ok(plan(&[("1", &[])])),
        model_call: model_call(),
    });
    world.start(0);
    let agent = world.agent(0);
    world.must(Command::ModelErred { agent, step: 0, failure: trouble(Some(90_000)) });
    assert_eq!(world.task.next_wake(world.now), Some(world.now.plus_ms(90_000)));
    world.must(Command::ModelErred { agent, step: 0, failure: trouble(None) });
    let Effect::CallModel { retry, .. } = &world.task.pending()[0] else { panic!() };
    assert_eq!((retry.model, retry.not_before), (1, None));
    world.answer(0, "", vec![call("read_file", &json!({}))]);
    world.end_call(0, true, "x");
    let Effect::CallModel { retry, .. } = &world.task.pending()[0] else { panic!() };
    assert_eq!(retry.model, 1, "the fallback stays in use");
    world.must(Command::ModelErred { agent, step: 1, failure: trouble(None) });
    let events = world.must(Command::ModelErred { agent, step: 1, failure: trouble(None) });
    assert!(matches!(&events[0], Event::AgentFailed { error, .. } if error == "test/scripted: overloaded"));
}

#[test]
fn a_risky_call_waits_for_a_person() {
    let mut world = World::planned(&[("1", &[])]);
    world.start(0);
    let agent = world.agent(0);
    let events = world.answer(0, "", vec![call("send_email", &json!({"to": "a@example.org"}))]);
    assert_eq!(kinds(&events), ["agent.thinking", "approval.required"]);
    assert_eq!(world.task.agents[0].status(), AgentStatus::Waiting);
    let approval = world.task.approvals().next().unwrap().id;
    assert_eq!(world.task.pending().len(), 1, "only its expiry is owed");
    world.must(Command::GuideAgent { agent, message: "hurry".into() });
    assert_eq!(world.task.agents[0].status(), AgentStatus::Waiting, "guiding answers nothing");
    let input = Content::from("{\"to\":\"b@example.org\"}");
    let replacement = Some(Replacement {
        input_sha256: Sha256::of(b"{\"to\":\"b@example.org\"}"),
        input: input.clone(),
        risk: Risk::High,
    });
    let reason = Some("to b, not to a".to_owned());
    let decision = Decision::Approve { replacement: replacement.clone(), reason: Some("x".repeat(100_000)) };
    assert!(matches!(world.say(Command::Decide { agent, approval, decision }), Err(Rejected::WrongState(_))));
    let events =
        world.must(Command::Decide { agent, approval, decision: Decision::Approve { replacement, reason } });
    assert_eq!(kinds(&events), ["approval.resolved", "agent.guided", "agent.action"]);
    let Event::ApprovalResolved { approval: resolved } = &events[0] else { panic!() };
    assert_eq!(resolved.reason.as_deref(), Some("to b, not to a"));
    let Event::AgentGuided { message, .. } = &events[1] else { panic!() };
    assert!(message.contains("send_email") && message.contains("to b, not to a"), "{message}");
    let Event::CallAuthorised { input: runs_with, .. } = &events[2] else { panic!() };
    assert_eq!(runs_with, &input);
    assert!(
        matches!(world.task.pending()[0], Effect::StartCall { .. }),
        "a once call records its start first"
    );
    let again =
        Command::Decide { agent, approval, decision: Decision::Approve { replacement: None, reason: None } };
    assert_eq!(world.must(again), vec![], "the same decision again is the same answer");
    let other = Command::Decide { agent, approval, decision: Decision::Reject { reason: None } };
    assert!(matches!(world.say(other), Err(Rejected::WrongState(_))));
}

#[test]
fn a_rejection_is_a_result_that_the_model_can_use() {
    let mut world = World::planned(&[("1", &[])]);
    world.start(0);
    let agent = world.agent(0);
    world.answer(0, "", vec![call("send_email", &json!({})), call("write_file", &json!({}))]);
    let approval = world.task.approvals().next().unwrap().id;
    let decision = Decision::Reject { reason: Some("wrong person".into()) };
    let events = world.must(Command::Decide { agent, approval, decision });
    assert_eq!(kinds(&events), ["approval.resolved", "agent.result", "agent.action"]);
    let Event::CallFinished { output, ok: false, .. } = &events[1] else { panic!() };
    assert!(output.abridged().contains("wrong person"));
}

#[test]
fn an_approval_expires() {
    let mut world = World::planned(&[("1", &[])]);
    world.start(0);
    world.answer(0, "", vec![call("send_email", &json!({}))]);
    let approval = world.task.approvals().next().unwrap().id;
    assert_eq!(world.say(Command::Expire { approval }), Err(Rejected::Stale), "not before its time");
    world.now = world.now.plus_ms(8 * 24 * 3600 * 1000);
    let events = world.must(Command::Expire { approval });
    assert_eq!(kinds(&events), ["approval.resolved", "agent.result"]);
}

#[test]
fn a_pause_takes_hold_when_what_runs_has_ended() {
    let mut world = World::planned(&[("1", &[]), ("2", &[])]);
    world.start(0);
    let agent = world.agent(0);
    world.answer(0, "", vec![call("write_file", &json!({})), call("write_file", &json!({"b": 1}))]);
    world.must(Command::PauseTask);
    assert_eq!(world.task.agents[0].status(), AgentStatus::Acting);
    assert_eq!(world.must(Command::PauseTask), vec![], "twice is the same answer");
    let calls: Vec<_> = world.task.agents[0].calls().iter().map(|c| c.facts.call).collect();
    let events = world.must(Command::CallEnded {
        agent,
        call: calls[0],
        ok: true,
        output: "w".into(),
        effects: vec![],
        duration_ms: 1,
    });
    assert_eq!(kinds(&events), ["agent.result"], "the next call does not begin");
    let other = world.agent(1);
    world.must(Command::Held { agent: other });
    let events = world.must(Command::Held { agent });
    assert_eq!(kinds(&events), ["agent.paused", "task.paused"]);
    assert_eq!(world.task.status(), TaskStatus::Paused);
    assert_eq!(world.task.pending(), []);
    let events = world.must(Command::ResumeTask);
    assert_eq!(
        kinds(&events),
        ["internal.task_hold_lifted", "agent.resumed", "agent.action", "agent.resumed", "task.resumed"]
    );
}

#[test]
fn cancel_ends_when_everything_is_dead() {
    let mut world = World::planned(&[("1", &[]), ("2", &["1"])]);
    world.start(0);
    world.answer(0, "", vec![call("write_file", &json!({}))]);
    world.end_call(0, true, "w");
    world.answer(0, "", vec![call("send_email", &json!({}))]);
    world.must(Command::CancelTask);
    assert_eq!(world.task.status(), TaskStatus::Running);
    assert_eq!(world.task.pending(), [Effect::StopAll]);
    assert_eq!(world.must(Command::CancelTask), vec![]);
    let events = world.must(Command::AllStopped);
    assert_eq!(kinds(&events), ["approval.resolved", "agent.cancelled", "agent.cancelled", "task.cancelled"]);
    let Some(Event::TaskCancelled { took_effect, .. }) = events.last() else { panic!() };
    assert_eq!(took_effect.len(), 1);
    assert!(matches!(world.say(Command::PauseTask), Err(Rejected::WrongState(_))));
    assert_eq!(world.must(Command::CancelTask), vec![], "cancelling a cancelled task is the same answer");
}

#[test]
fn a_cancelled_agent_takes_its_dependants_along_but_not_the_others() {
    let mut world = World::planned(&[("1", &[]), ("2", &["1"]), ("3", &[])]);
    world.start(0);
    world.start(2);
    let agent = world.agent(0);
    world.must(Command::CancelAgent { agent });
    world.must(Command::Stopped { agent });
    assert_eq!(world.task.subtasks[1].status, SubtaskStatus::Skipped);
    assert_eq!(world.task.subtasks[0].status, SubtaskStatus::Cancelled);
    world.answer(2, "mine", vec![]);
    assert!(matches!(world.task.stage, Stage::Concluding { .. }));
}

#[test]
fn guidance_during_the_last_answer_is_heard() {
    let mut world = World::planned(&[("1", &[])]);
    world.start(0);
    let agent = world.agent(0);
    world.must(Command::GuideAgent { agent, message: "in French".into() });
    let command = Command::ModelAnswered {
        agent,
        step: 0,
        heard: 0,
        text: "done".into(),
        calls: vec![],
        opaque: None,
        cut: false,
        closing: None,
        model_call: model_call(),
    };
    let events = world.must(command);
    assert_eq!(kinds(&events), ["agent.thinking"], "it was not asked with the guidance yet");
    assert!(matches!(world.task.pending()[0], Effect::CallModel { heard: 1, step: 1, .. }));
    world.answer(0, "fini", vec![]);
    assert_eq!(world.task.stage, Stage::Complete { result: "fini".into() });
}

#[test]
fn long_history_is_stubbed_then_summarised_and_guidance_stays() {
    let settings = Settings { window_tokens: 4_000, ..Settings::default() };
    let mut world = World::new(TaskConfig::default(), settings);
    world.must(Command::Admit);
    world.must(Command::QuestionAnswered {
        question: Question::Plan,
        round: world.task.round(Question::Plan).unwrap_or_default(),
        arguments: Ok(plan(&[("1", &[])])),
        model_call: model_call(),
    });
    world.start(0);
    let agent = world.agent(0);
    world.must(Command::GuideAgent { agent, message: "remember the milk".into() });
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..24 {
        if let Effect::Summarise { step, turns, .. } = world.task.pending()[0] {
            world.must(Command::SummaryAnswered {
                agent,
                step,
                turns,
                summary: "so far: much".into(),
                model_call: model_call(),
            });
        }
        world.answer(0, &"words ".repeat(100), vec![call("read_file", &json!({"round": round}))]);
        for event in world.end_call(0, true, &format!("{round} {}", "x".repeat(3_000))) {
            seen.insert(event.kind());
        }
        assert!(world.task.agents[0].context_tokens < 4_000 + 3_000);
    }
    assert!(seen.contains("internal.history_stubbed") && seen.contains("internal.summary_asked"), "{seen:?}");
    let turns = format!("{:?}", world.task.agents[0].turns);
    assert_eq!(turns.matches("so far: much").count(), 1, "a summary takes the earlier one in");
    assert!(turns.contains("remember the milk") && turns.contains("brief") && turns.contains("so far: much"));
    world.check_replay();
}

#[test]
fn a_started_once_call_is_settled_not_repeated() {
    let mut world = World::planned(&[("1", &[])]);
    world.start(0);
    let agent = world.agent(0);
    world.answer(0, "", vec![call("code_exec", &json!({}))]);
    let Effect::StartCall { call, .. } = world.task.pending()[0] else { panic!() };
    world.must(Command::CallStarting { agent, call });
    assert_eq!(world.task.pending(), [Effect::RunCall { agent, call, started: true }]);
    let events = world.must(Command::CallUnsettled { agent, call });
    assert_eq!(kinds(&events), ["approval.required"]);
    let approval = world.task.approvals().next().unwrap().id;
    world.must(Command::Decide { agent, approval, decision: Decision::Reject { reason: None } });
    assert!(matches!(world.task.pending()[0], Effect::CallModel { .. }));
}
