//! A whole deployment, from a state to the end: the loop that a caller with a journal of its own writes itself, and the
//! example for it.

use std::time::Duration;

use async_trait::async_trait;

use crate::call::{Clock, Pace};
use crate::error::{DeployError, ErrorKind, Retry};
use crate::state::{Release, State, Step};
use crate::target::{Job, Next, Target};

/// Failures of one step in a row after which it is given up.
const MAX_FAILURES: u32 = 8;
/// The same while the provider is only waited for: what it does goes on meanwhile, so minutes without a network must not
/// end what the provider brings to its end. At the usual pace this is over half an hour.
const MAX_WAIT_FAILURES: u32 = 150;
/// It is given up all the same when it has not answered for so long (milliseconds).
const MAX_UNANSWERED_MS: u64 = 45 * 60 * 1000;
/// A provider that asks for a longer pause is not waited for (milliseconds).
const MAX_WAIT_MS: u64 = 15 * 60 * 1000;
/// A pause of so long is a rest (milliseconds).
const REST_MS: u64 = 5_000;

/// Where states are kept.
#[async_trait]
pub trait Keeper: Send + Sync {
    /// Returns when the state would survive a crash.
    async fn keep(&self, state: &State) -> Result<(), DeployError>;

    /// Nothing is done for a while, so that others may work.
    fn rests(&self) {}

    /// Returns when it may be gone on with.
    async fn goes_on(&self) {}
}

/// Takes steps until the deployment is live or cannot become so. Each new state is kept before the next step.
pub async fn drive(
    target: &dyn Target,
    mut state: State,
    job: &Job<'_>,
    keeper: &dyn Keeper,
    clock: &dyn Clock,
    pace: &Pace,
) -> Result<Release, DeployError> {
    let (mut failed, mut failing_since) = (0, None);
    loop {
        let wait = match target.next(&state, job).await {
            Ok(advance) => {
                (failed, failing_since) = (0, None);
                if advance.state != state {
                    keeper.keep(&advance.state).await?;
                    state = advance.state;
                }
                match advance.next {
                    Next::Done(release) => return Ok(release),
                    Next::Go => 0,
                    Next::WaitMs(ms) => ms,
                }
            }
            Err(error) => {
                failed += 1;
                let wait = match error.kind.retry() {
                    Retry::Never => return Err(error),
                    Retry::Soon => pace.pause_ms(failed, None),
                    Retry::At { ms } => ms.saturating_sub(clock.now_ms()),
                };
                let unanswered = clock.now_ms().saturating_sub(*failing_since.get_or_insert(clock.now_ms()));
                let most = if state.step == Step::Wait { MAX_WAIT_FAILURES } else { MAX_FAILURES };
                if failed >= most || unanswered > MAX_UNANSWERED_MS || wait > MAX_WAIT_MS {
                    return Err(error);
                }
                job.say(format!("{error}; the step is taken again"));
                wait
            }
        };
        let pause = async {
            let rests = wait >= REST_MS;
            if rests {
                keeper.rests();
            }
            tokio::time::sleep(Duration::from_millis(wait)).await;
            if rests {
                keeper.goes_on().await;
            }
        };
        tokio::select! {
            biased;
            () = job.cancel.cancelled() => {
                return Err(DeployError::new(ErrorKind::Cancelled, "the deployment was cancelled"));
            }
            () = pause => {}
        }
    }
}
