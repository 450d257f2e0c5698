//! Looking for what may have been made: a call that makes something broke off, and it is carried out all the same, perhaps
//! some seconds later. Until it is listed, nobody may say that it is not there, or make it again. Knows no provider.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::call::Pace;
use crate::error::{DeployError, ErrorKind};

/// Pauses before it is made again (milliseconds).
const BEFORE_MAKING: [u64; 4] = [1_000, 2_000, 4_000, 8_000];
/// Pauses before it is said that nothing is there to be ended. What a cancel met under way was waited for already.
const BEFORE_ENDING: [u64; 2] = [1_000, 2_000];

/// What came of a call that makes something: an answer counts, a refusal too; otherwise it is looked for.
pub(crate) async fn made_after<T, F>(
    made: Result<T, DeployError>,
    pace: &Pace,
    cancel: &CancellationToken,
    look: impl FnMut() -> F,
) -> Result<T, DeployError>
where
    F: Future<Output = Result<Option<T>, DeployError>>,
{
    match made {
        Err(error) if is_unknown(error.kind) => late(&BEFORE_MAKING, pace, cancel, look).await?.ok_or(error),
        made => made,
    }
}

/// Whether there is something to be ended.
pub(crate) async fn left_behind<T, F>(
    pace: &Pace,
    cancel: &CancellationToken,
    look: impl FnMut() -> F,
) -> Result<Option<T>, DeployError>
where
    F: Future<Output = Result<Option<T>, DeployError>>,
{
    late(&BEFORE_ENDING, pace, cancel, look).await
}

async fn late<T, F>(
    pauses_ms: &[u64],
    pace: &Pace,
    cancel: &CancellationToken,
    mut look: impl FnMut() -> F,
) -> Result<Option<T>, DeployError>
where
    F: Future<Output = Result<Option<T>, DeployError>>,
{
    for pause_ms in pauses_ms {
        if let Some(found) = look().await? {
            return Ok(Some(found));
        }
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(DeployError::cancelled()),
            () = tokio::time::sleep(Duration::from_millis((*pause_ms).min(pace.max_poll_ms))) => {}
        }
    }
    look().await
}

/// Whether it may have been carried out for all that the error says.
fn is_unknown(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Network | ErrorKind::Unavailable => true,
        ErrorKind::Config
        | ErrorKind::BadCredentials
        | ErrorKind::Forbidden
        | ErrorKind::NotFound
        | ErrorKind::NameTaken
        | ErrorKind::Quota
        | ErrorKind::RateLimited { .. }
        | ErrorKind::RejectedFile
        | ErrorKind::FileChanged
        | ErrorKind::ProviderFailed
        | ErrorKind::Rejected
        | ErrorKind::TimedOut
        | ErrorKind::Cancelled => false,
    }
}
