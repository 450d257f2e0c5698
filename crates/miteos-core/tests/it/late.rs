//! What comes late or too often: answers to questions that have changed, timers beside calls in the air, stubs of
//! stubs, more words than an agent reads.

use miteos_core::chat::Turn;
use miteos_core::command::{CallEffect, Command, FailureKind, ModelFailure, Rejected};
use miteos_core::content::Content;
use miteos_core::event::{Event, Question, Recipient};
use miteos_core::money::MicroUsd;
use miteos_core::pending::Effect;
use miteos_core::task::{Replan, Stage, SubtaskStatus};
use serde_json::json;

use crate::world::{World, call, model_call, plan, trouble};

fn refused() -> ModelFailure {
    ModelFailure { kind: FailureKind::Refused, message: "a/a: no".into() }
}

/// Two nodes at work; the first has failed, and its replacement is asked for.
fn asking_for_a_replacement() -> (World, u32) {
    let mut world = World::planned(&[("1", &[]), ("2", &[])]);
    world.start(0);
    world.start(1);
    let agent = world.agent(0);
    world.must(Command::ModelErred { agent, step: 0, failure: refused() });
    let round = world.task.round(Question::Replan).unwrap();
    (world, round)
}

#[test]
fn a_plan_for_one_failed_part_does_not_replace_another() {
    let (mut world, old) = asking_for_a_replacement();
    let agent = world.agent(1);
    // The answer for the first is on its way when the second fails.
    world.must(Command::ModelErred { agent, step: 0, failure: refused() });
    let late = |world: &mut World, round| {
        world.must(Command::QuestionAnswered {
            question: Question::Replan,
            round,
            arguments: Ok(plan(&[("3", &[])])),
            model_call: model_call(),
        })
    };
    let before = world.task.cost();
    let events = late(&mut world, old);
    assert!(matches!(&events[..], [Event::ModelUnanswered { agent: None, .. }]), "{events:?}");
    assert!(world.task.cost() > before, "it was paid for all the same");
    let Stage::Working { replan: Replan::Asking { failed, .. } } = &world.task.stage else { panic!() };
    assert_eq!(failed.len(), 2, "both are still asked for");
    let stale = Command::QuestionErred { question: Question::Replan, round: old, failure: trouble(None) };
    assert_eq!(world.say(stale), Err(Rejected::Stale));
    let stale = Command::QuestionErred { question: Question::Replan, round: old, failure: refused() };
    assert_eq!(world.say(stale), Err(Rejected::Stale), "it does not end the task");

    let Some(Effect::Ask { round, .. }) = world.task.pending().pop() else { panic!() };
    assert_ne!(round, old);
    late(&mut world, round);
    assert!(world.task.subtasks.iter().all(|s| s.replaced == (s.status == SubtaskStatus::Failed)));
    world.check_replay();
}

#[test]
fn each_refused_answer_is_another_round_and_a_retry_is_the_same() {
    let (mut world, first) = asking_for_a_replacement();
    let question = Question::Replan;
    world.must(Command::QuestionErred { question, round: first, failure: trouble(Some(5)) });
    assert_eq!(world.task.round(question), Some(first));
    let nonsense = |round| Command::QuestionAnswered {
        question,
        round,
        arguments: Ok(json!({})),
        model_call: model_call(),
    };
    world.must(nonsense(first));
    let second = world.task.round(question).unwrap();
    assert_ne!(second, first);
    let events = world.must(nonsense(first));
    assert!(matches!(&events[..], [Event::ModelUnanswered { .. }]), "{events:?}");
    assert_eq!(world.task.round(question), Some(second));
    assert_eq!(world.task.round(Question::Plan), None);
}

#[test]
fn a_call_in_the_air_does_not_hide_the_timer_of_another() {
    let mut world = World::planned(&[("1", &[]), ("2", &[])]);
    for (n, wait) in [(0, 1_000), (1, 2_000)] {
        world.start(n);
        let agent = world.agent(n);
        world.must(Command::ModelErred { agent, step: 0, failure: trouble(Some(wait)) });
    }
    let times: Vec<_> = world.task.pending().iter().filter_map(Effect::not_before).collect();
    let [first, second] = times[..] else { panic!("{times:?}") };
    assert_eq!(world.task.next_wake(world.now), Some(first));
    // The first one's attempt has begun; until it ends, the state says what it said before.
    assert_eq!(world.task.next_wake(first), Some(second));
    assert_eq!(world.task.next_wake(second), None);
}

#[test]
fn a_stub_is_not_stubbed_again() {
    let mut world = World::planned(&[("1", &[])]);
    world.start(0);
    let agent = world.agent(0);
    let path = "a/folder/with/a/long/name/and/in/it/a/file/of/the/same.txt";
    let text = format!("{}\nand more", "long ".repeat(4_000));
    world.answer(0, "", vec![call("read_file", &json!({}))]);
    let id = world.task.agents[0].calls()[0].facts.call;
    world.must(Command::CallEnded {
        agent,
        call: id,
        ok: true,
        output: Content::stored(&text, Some(path.into())),
        effects: vec![],
        duration_ms: 1,
    });
    let mut task = world.task.clone();
    let turns = task.agents[0].turns.len();
    let output = |task: &miteos_core::task::Task| {
        let Some(Turn::Results { results }) = task.agents[0].turns.last() else { panic!() };
        results[0].output.clone()
    };
    task.apply(&Event::HistoryStubbed { agent, turns }, world.now);
    let once = output(&task);
    assert!(once.bytes() > 160 && once.abridged().contains(path), "{once:?}");
    let weight = task.agents[0].context_tokens;
    task.apply(&Event::HistoryStubbed { agent, turns }, world.now);
    assert_eq!((output(&task), task.agents[0].context_tokens), (once, weight));
}

#[test]
fn messages_of_agents_are_bounded_like_guidance() {
    let mut world = World::planned(&[("1", &[]), ("2", &[])]);
    world.start(0);
    world.start(1);
    let (from, to) = (world.agent(0), world.agent(1));
    let send = |world: &mut World, to| {
        world.answer(0, "", vec![call("send_message", &json!({"n": world.task.version}))]);
        let id = world.task.agents[0].calls()[0].facts.call;
        let effects = vec![CallEffect::Message { to, text: "hi".into() }];
        let (call, output) = (id, "sent".into());
        let events =
            world.must(Command::CallEnded { agent: from, call, ok: true, output, effects, duration_ms: 1 });
        events.iter().any(|event| matches!(event, Event::MessageSent { .. }))
    };
    world.task.settings.max_model_calls = 1_000;
    for n in 0..256 {
        assert!(send(&mut world, Recipient::Agent(to)), "{n}");
    }
    assert!(!send(&mut world, Recipient::Agent(to)));
    assert!(!send(&mut world, Recipient::All));
    assert_eq!(world.task.agents[1].inbox.len(), 256);
    let Some(Turn::Results { results }) = world.task.agents[0].turns.last() else { panic!() };
    assert!(!results[0].ok && results[0].output.abridged().contains("has not read"), "{results:?}");
    world.answer(1, "", vec![call("read_file", &json!({}))]);
    assert!(send(&mut world, Recipient::All), "it has read them");
    assert!(world.task.uncertain == MicroUsd::ZERO);
}
