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
    /// How often the provider was asked so far.
    fn asked(&self) -> usize;
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
    after_the_end(&scenario, &run).await;
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

/// Who comes back to a deployment that is live, because the note of its release was lost, is told the same again, and
/// nothing is asked or changed: somebody may have put something else live since.
async fn after_the_end<S: Scenario>(scenario: &S, run: &Run) {
    let (asked, states) = (scenario.asked(), run.journal.states());
    let first = run.drive().await.expect("it is told again");
    assert_eq!(first, run.drive().await.expect("and again"));
    assert_eq!((scenario.asked(), run.journal.states()), (asked, states));
    scenario.check(&first, "after the end");
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
