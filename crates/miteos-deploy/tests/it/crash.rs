//! Crash everywhere: the driver is dropped at every single request, before the provider carries it out and after, and
//! goes on from the last state that was kept. There is never a second deployment, and none is lost.

use std::time::Duration;

use miteos_deploy::{DeployError, Release};

use crate::setup::Run;

/// More marks than any scenario has.
const MANY: u64 = 400;

/// What a scenario tells about itself.
#[async_trait::async_trait]
pub trait Scenario: Sized + Sync {
    /// A fresh provider and a run against it.
    async fn begin() -> (Self, Run);
    /// From now on the request at this mark gets no answer; ends when that happens.
    fn stop_at(&self, mark: u64) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
    fn go_on(&self);
    /// What must hold in the end, whatever happened before.
    fn check(&self, release: &Release, crashed: &str);
    /// Fewer crashes than this mean that the test looked at nothing.
    fn least_crashes() -> u64 {
        8
    }
}

/// Runs the scenario once without a crash, then once for each request and side of it.
pub async fn everywhere<S: Scenario>() {
    let (scenario, run) = S::begin().await;
    check(&scenario, &run, run.drive().await, "without a crash");
    for mark in 0..MANY {
        let (scenario, run) = S::begin().await;
        let stopped = scenario.stop_at(mark);
        tokio::select! {
            biased;
            ended = run.drive() => {
                check(&scenario, &run, ended, "behind the last mark");
                assert!(mark >= S::least_crashes(), "only {mark} crashes");
                return;
            }
            () = stopped => {}
        }
        scenario.go_on();
        let ended = tokio::time::timeout(Duration::from_secs(60), run.drive()).await;
        check(&scenario, &run, ended.expect("it goes on"), &format!("after a crash at mark {mark}"));
    }
    panic!("the scenario never ended before mark {MANY}");
}

fn check<S: Scenario>(scenario: &S, run: &Run, ended: Result<Release, DeployError>, when: &str) {
    let release = ended.unwrap_or_else(|error| panic!("{when}: {error}"));
    let states = run.journal.states();
    let last = states.last().expect("states were kept");
    assert_eq!(last.deployment_id.as_deref(), Some(release.deployment_id.as_str()), "{when}");
    // An id that was handed out is never taken back or changed.
    for pair in states.windows(2) {
        for (before, after) in
            [(&pair[0].deployment_id, &pair[1].deployment_id), (&pair[0].part_id, &pair[1].part_id)]
        {
            assert!(before.is_none() || before == after, "{when}: {before:?} became {after:?}");
        }
    }
    scenario.check(&release, when);
}
