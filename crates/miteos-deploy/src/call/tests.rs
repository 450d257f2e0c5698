//! What needs no server: pauses, addresses, and how refusals are told.

use serde_json::json;

use super::*;
use crate::error::Retry;

#[test]
fn pauses_grow_to_the_cap_and_honour_the_provider() {
    let pace = Pace::default();
    for failed in 1..40 {
        let full = pace.base_ms.saturating_mul(1 << (failed - 1).min(16)).min(pace.cap_ms);
        let pause = pace.pause_ms(failed, None);
        assert!(pause <= full && pause >= full / 2, "{failed}: {pause}");
    }
    assert_eq!(pace.pause_ms(1, Some(50_000)), 50_000);
    assert_eq!(
        [0, 20_000, 100_000, 1_000_000].map(|waited| pace.poll_ms(waited)),
        [1_000, 5_000, 15_000, 30_000]
    );
}

#[test]
fn bases_are_addresses_and_only_some_targets_have_one() {
    let bases = Bases::default();
    assert_eq!(bases.of(TargetKind::Netlify).unwrap().url.as_str(), "https://api.netlify.com/api/v1/");
    let other = bases.with(TargetKind::Netlify, "http://127.0.0.1:1/api").unwrap();
    assert_eq!(other.of(TargetKind::Netlify).unwrap().url.as_str(), "http://127.0.0.1:1/api/");
    assert!(other.clone().with(TargetKind::Expo, "http://127.0.0.1:1").is_none());
    assert!(other.with(TargetKind::Vercel, "ftp://x").is_none());
}

#[test]
fn statuses_have_their_kinds() {
    for (status, kind, retry) in [
        (400, ErrorKind::Rejected, Retry::Never),
        (401, ErrorKind::BadCredentials, Retry::Never),
        (402, ErrorKind::Quota, Retry::Never),
        (403, ErrorKind::Forbidden, Retry::Never),
        (404, ErrorKind::NotFound, Retry::Never),
        (408, ErrorKind::Unavailable, Retry::Soon),
        (413, ErrorKind::RejectedFile, Retry::Never),
        (429, ErrorKind::RateLimited { until_ms: 8_000 }, Retry::At { ms: 8_000 }),
        (500, ErrorKind::Unavailable, Retry::Soon),
        (502, ErrorKind::Unavailable, Retry::Soon),
        (503, ErrorKind::RateLimited { until_ms: 8_000 }, Retry::At { ms: 8_000 }),
    ] {
        let refusal = Refusal::new(TargetKind::Vercel, status, json!({}), Some(3_000), 5_000);
        assert_eq!((refusal.kind, refusal.kind.retry()), (kind, retry), "{status}");
        let message = refusal.into_error().message;
        assert!(message.starts_with("Vercel ") && message.contains(&status.to_string()), "{message}");
    }
}

#[test]
fn without_a_time_a_fault_of_the_provider_is_asked_again_soon() {
    let refusal = Refusal::new(TargetKind::Vercel, 503, json!({}), None, 5_000);
    assert_eq!((refusal.kind, refusal.kind.retry()), (ErrorKind::Unavailable, Retry::Soon));
}

#[test]
fn a_big_body_has_the_time_that_a_slow_line_needs() {
    assert_eq!(upload_timeout(0), CALL_TIMEOUT);
    assert_eq!(upload_timeout(6 << 20), CALL_TIMEOUT + Duration::from_secs(192));
    assert_eq!(upload_timeout(u64::MAX), MAX_UPLOAD_TIMEOUT);
}
