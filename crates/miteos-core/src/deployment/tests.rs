//! Any order of commands keeps the invariants; replay equals live; what has ended owes nothing and takes nothing.

use proptest::prelude::*;
use serde_json::json;
use ulid::Ulid;

use super::*;
use crate::ids::{DeployConfigId, WorkspaceId, deployment_event_id, event_id};

fn created() -> Created {
    let about = About {
        workspace: WorkspaceId(Ulid::from_parts(1, 1)),
        target: Target::Netlify,
        config: Some(DeployConfigId(Ulid::from_parts(1, 2))),
        environment: Environment::Production,
        task: None,
        agent: None,
        call: None,
        deliverable: None,
        created_at: at(1),
    };
    let account = AccountId(Ulid::from_parts(1, 3));
    Created { account, live: true, about, wishes: BuildWishes::default() }
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn new() -> (Deployment, Event) {
    Deployment::create(DeploymentId(Ulid::from_parts(1, 4)), created())
}

fn built() -> Command {
    Command::Built(Built { digest: "d".into(), folder: "f".into(), files: 2, bytes: 10, manifest: None })
}

fn released() -> Command {
    Command::Released(Release {
        url: "https://x.example".into(),
        visibility: Visibility::Public,
        project: Some("p".into()),
        deployment: Some("d".into()),
        inspect_url: None,
        manifest: None,
    })
}

fn failed() -> Command {
    Command::Fail(Failure::new(FailureCode::ProviderError, FailureStep::Upload, "no"))
}

fn command(n: u8) -> Command {
    match n {
        0 | 1 => Command::Begin,
        2 | 3 => built(),
        4..=6 => Command::Progress { state: json!({ "n": n }) },
        7 => released(),
        8 => failed(),
        9 => Command::Cancel,
        10 => Command::Abandon(Failure::new(FailureCode::Interrupted, FailureStep::Upload, "restored")),
        11 => Command::RollBack,
        12 => Command::RolledBack,
        13 => Command::NotRolledBack { why: "no".into() },
        _ => Command::Stopped,
    }
}

fn run(commands: &[Command]) -> (Deployment, Vec<&'static str>) {
    let (mut one, first) = new();
    let mut kinds = vec![first.kind()];
    for command in commands {
        kinds.extend(one.handle(command.clone(), at(2)).unwrap().iter().map(Event::kind));
    }
    (one, kinds)
}

#[test]
fn the_usual_way_to_live() {
    let (mut one, kinds) = run(&[
        Command::Begin,
        built(),
        Command::Progress { state: json!(1) },
        Command::Progress { state: json!(1) },
        Command::Progress { state: json!(2) },
    ]);
    assert_eq!(one.pending(), Some(Effect::Step { state: Some(&json!(2)) }));
    assert_eq!(
        kinds,
        [
            "deployment.started",
            "deployment.building",
            "internal.deployment_built",
            "deployment.deploying",
            "internal.deployment_progressed",
            "internal.deployment_progressed",
        ]
    );
    one.handle(released(), at(3)).unwrap();
    assert_eq!((one.status(), one.seq, one.version), (Status::Live, 4, 7));
    assert_eq!(one.handle(Command::Cancel, at(4)), Err(Rejected::IsLive));
}

#[test]
fn what_was_begun_at_the_provider_is_ended_before_it_is_called_failed() {
    let (mut one, _) = run(&[Command::Begin, built(), Command::Progress { state: json!(1) }, failed()]);
    assert_eq!(one.status(), Status::Deploying);
    assert_eq!(one.pending(), Some(Effect::Stop { state: Some(&json!(1)) }));
    // A step that ended meanwhile is still taken in: the stop has to know the ids.
    one.handle(Command::Progress { state: json!(2) }, at(3)).unwrap();
    assert_eq!(one.pending(), Some(Effect::Stop { state: Some(&json!(2)) }));
    let mut late = one.clone();
    late.handle(released(), at(3)).unwrap();
    assert_eq!(late.status(), Status::Live, "the provider went on: what is live is not called failed");
    one.handle(Command::Stopped, at(4)).unwrap();
    assert!(matches!(&one.stage, Stage::Failed { failure } if failure.code == FailureCode::ProviderError));
    assert_eq!(one.handle(Command::Cancel, at(5)), Err(Rejected::HasFailed));
    let (one, _) = run(&[Command::Begin, built(), failed()]);
    assert_eq!(one.status(), Status::Failed, "nothing was begun");
}

#[test]
fn a_cancel_ends_it_at_every_place_and_can_be_repeated() {
    let (one, kinds) = run(&[Command::Cancel, Command::Cancel]);
    assert_eq!((one.status(), kinds.len()), (Status::Failed, 2));
    let (one, _) = run(&[Command::Begin, Command::Cancel, Command::Cancel]);
    assert_eq!((one.status(), one.pending()), (Status::Building, Some(Effect::Stop { state: None })));
    let (one, _) = run(&[Command::Begin, Command::Cancel, Command::Stopped, Command::Cancel]);
    assert!(matches!(&one.stage, Stage::Failed { failure } if failure.code == FailureCode::Canceled));
    let (one, _) = run(&[Command::Begin, built(), Command::Cancel, released()]);
    assert_eq!(one.status(), Status::Live, "it went live before it could be stopped");
}

#[test]
fn what_was_live_is_made_the_live_one_again_and_keeps_its_end() {
    let (mut one, _) = run(&[Command::Begin, built()]);
    assert_eq!(one.handle(Command::RollBack, at(3)), Err(Rejected::NotLive));
    one.handle(released(), at(3)).unwrap();
    let live = one.clone();
    let asked = one.handle(Command::RollBack, at(4)).unwrap();
    assert_eq!(asked, [Event::RollbackRequested]);
    assert!(
        matches!(one.pending(), Some(Effect::RollBack { release }) if release.url == "https://x.example")
    );
    assert_eq!((one.status(), one.is_under_way()), (Status::Live, true));
    assert_eq!(one.handle(Command::RollBack, at(5)), Ok(Vec::new()), "whoever asks again waits for the same");
    assert_eq!(one.handle(Command::Cancel, at(5)), Err(Rejected::IsLive));
    let done = one.handle(Command::RolledBack, at(6)).unwrap();
    assert_eq!((done[0].kind(), done[0].is_public(), one.seq), ("deployment.live", true, live.seq + 1));
    assert_eq!((&one.stage, one.completed_at), (&live.stage, Some(at(3))));
    // The provider refuses, or the server was restored and may not ask it.
    for end in [
        Command::NotRolledBack { why: "no".into() },
        Command::Abandon(Failure::new(FailureCode::Interrupted, FailureStep::Publish, "restored")),
    ] {
        let mut one = live.clone();
        one.handle(Command::RollBack, at(4)).unwrap();
        assert_eq!(one.handle(end, at(5)).unwrap().len(), 1);
        assert_eq!((&one.stage, one.seq, one.completed_at), (&live.stage, live.seq, Some(at(3))));
        assert_eq!(one.handle(Command::RolledBack, at(6)), Err(Rejected::Late));
    }
}

#[test]
fn long_messages_are_cut_and_ids_of_events_differ() {
    let long = "é".repeat(MAX_MESSAGE_BYTES);
    let failure = Failure::new(FailureCode::BuildFailed, FailureStep::Build, long);
    assert!(failure.message.len() <= MAX_MESSAGE_BYTES);
    let ulid = Ulid::from_parts(1, 5);
    let (dep, task) = (DeploymentId(ulid), crate::ids::TaskId(ulid));
    assert_ne!(deployment_event_id(dep, 1, at(1)), event_id(task, 1, at(1)));
    assert_ne!(deployment_event_id(dep, 1, at(1)), deployment_event_id(dep, 2, at(1)));
    for code in FailureCode::ALL {
        assert_eq!(FailureCode::parse(code.as_str()), Some(*code));
        assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_commands(choices in proptest::collection::vec(0..15_u8, 0..24)) {
        let (mut one, first) = new();
        let mut log = vec![(first, at(1))];
        for (n, choice) in (2_u64..).zip(choices) {
            let before = one.clone();
            match one.handle(command(choice), at(n)) {
                Ok(events) => {
                    // What was live can be made the live one again, and nothing else can follow an end.
                    let back = matches!(command(choice), Command::RollBack) || before.is_under_way();
                    prop_assert!(!before.is_finished() || back || events.is_empty(), "an end stays");
                    prop_assert!(!before.is_finished() || one.status() == before.status());
                    log.extend(events.into_iter().map(|event| (event, at(n))));
                }
                Err(_) => prop_assert_eq!(&one, &before),
            }
            prop_assert_eq!(one.problem(), None);
            prop_assert_eq!(one.version, log.len() as u64);
        }
        // As it is read back: through its text.
        let mut replayed: Option<Deployment> = None;
        for (event, at) in &log {
            let text = serde_json::to_string(event).unwrap();
            let event: Event = serde_json::from_str(&text).unwrap();
            match &mut replayed {
                None => replayed = Deployment::born(one.id, &event),
                Some(state) => state.apply(&event, *at),
            }
        }
        prop_assert_eq!(replayed.as_ref(), Some(&one));
        let stored = serde_json::to_string(&one).unwrap();
        prop_assert_eq!(serde_json::from_str::<Deployment>(&stored).unwrap(), one);
    }

    #[test]
    fn every_deployment_can_be_brought_to_its_end(choices in proptest::collection::vec(0..15_u8, 0..24)) {
        let (mut one, _) = new();
        for choice in choices {
            let _ = one.handle(command(choice), at(2));
        }
        for _ in 0..4 {
            let command = match one.pending() {
                Some(Effect::Begin) => Command::Begin,
                Some(Effect::Build) => built(),
                Some(Effect::Step { .. }) => released(),
                Some(Effect::Stop { .. }) => Command::Stopped,
                Some(Effect::RollBack { .. }) => Command::RolledBack,
                None => break,
            };
            one.handle(command, at(3)).unwrap();
        }
        prop_assert!(one.is_finished() && !one.is_under_way());
    }
}
