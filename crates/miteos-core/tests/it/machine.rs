//! Any order of commands keeps the invariants; replay equals live; every task can be brought to its end.

use std::collections::BTreeSet;

use miteos_core::command::{Command, Decision};
use miteos_core::event::Event;
use miteos_core::settings::{Settings, TaskConfig};
use proptest::prelude::*;

use crate::world::World;

/// Effects that any task needs at most, once the world is kind to it.
const ENOUGH: usize = 4000;
/// A choice by which every effect succeeds.
const KIND: u8 = 31;

#[derive(Debug, Clone)]
enum Step {
    Perform { which: usize, choice: u8 },
    Person { verb: u8, agent: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..40_usize, any::<u8>()).prop_map(|(which, choice)| Step::Perform { which, choice }),
        1 => (0..14_u8, 0..6_usize).prop_map(|(verb, agent)| Step::Person { verb, agent }),
    ]
}

fn person(world: &mut World, verb: u8, n: usize) {
    let agent =
        if world.task.agents.is_empty() { None } else { Some(world.agent(n % world.task.agents.len())) };
    let approval = world.task.approvals().nth(n % 2).map(|a| (a.agent, a.id));
    let command = match (verb, agent, approval) {
        (0, Some(agent), _) => Command::PauseAgent { agent },
        (1 | 2, Some(agent), _) => Command::ResumeAgent { agent },
        (3, Some(agent), _) => Command::CancelAgent { agent },
        (4, Some(agent), _) => Command::GuideAgent { agent, message: "go left".into() },
        (5, ..) => Command::PauseTask,
        (6 | 7, ..) => Command::ResumeTask,
        (8, ..) => Command::GuideTask { message: "all go left".into() },
        (9, ..) => Command::SetAutonomy { autonomy_level: u8::try_from(n * 20).unwrap() },
        (10, _, Some((agent, approval))) => {
            Command::Decide { agent, approval, decision: Decision::Approve { replacement: None } }
        }
        (11, _, Some((agent, approval))) => {
            Command::Decide { agent, approval, decision: Decision::Reject { reason: None } }
        }
        (12, ..) if n == 0 => Command::CancelTask,
        (13, ..) if n == 0 => Command::BudgetExhausted,
        _ => return,
    };
    let _ = world.say(command);
}

fn run(max_agents: u32, autonomy: u8, window: u64, steps: Vec<Step>) -> World {
    let config = TaskConfig { max_agents, autonomy_level: autonomy, ..TaskConfig::default() };
    let settings = Settings {
        max_model_calls: 8,
        window_tokens: window,
        models: vec!["a/a".into(), "b/b".into()],
        ..Settings::default()
    };
    let mut world = World::new(config, settings);
    world.must(Command::Admit);
    for step in steps {
        match step {
            Step::Perform { which, choice } => drop(world.perform(which, choice)),
            Step::Person { verb, agent } => person(&mut world, verb, agent),
        }
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, rng_seed: proptest::test_runner::RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_task_keeps_the_invariants_and_ends(
        max_agents in 1..4_u32,
        autonomy in 0..=100_u8,
        window in prop_oneof![Just(600_u64), Just(100_000)],
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut world = run(max_agents, autonomy, window, steps);
        world.check_replay();
        let _ = world.say(Command::ResumeTask);
        for agent in world.task.agents.iter().map(|a| a.id).collect::<Vec<_>>() {
            let _ = world.say(Command::ResumeAgent { agent });
        }
        for round in 0..ENOUGH {
            if !world.perform(round, KIND) {
                break;
            }
        }
        prop_assert!(world.task.is_finished(), "left as {:?}", world.task.stage);
        world.check_replay();
        once_calls_start_once(&world);
        let end = |e: &Event| matches!(e.kind(), "task.complete" | "task.failed" | "task.cancelled");
        prop_assert_eq!(world.journal.iter().filter(|(e, _)| end(e)).count(), 1);
        prop_assert!(end(&world.journal.last().unwrap().0));
    }
}

/// A second start of the same call needs a reset (it had not happened) or a person's word in between.
fn once_calls_start_once(world: &World) {
    let mut started = BTreeSet::new();
    for (event, _) in &world.journal {
        match event {
            Event::CallStarted { call, .. } => assert!(started.insert(*call), "{call} was started twice"),
            Event::CallReset { call, .. } | Event::CallAuthorised { call, .. } => drop(started.remove(call)),
            _ => {}
        }
    }
}
