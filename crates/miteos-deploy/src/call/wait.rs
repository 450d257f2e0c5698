//! How long a provider asks to wait, in every form that providers write it. Pure.
//!
//! Seen: `Retry-After` in whole or broken seconds, as an HTTP date, and as `2022-01-27 22:20:17 UTC`;
//! `X-RateLimit-Reset` as seconds from now, as a Unix time in seconds or milliseconds, whole or broken, and as either
//! kind of date; `RateLimit` as a list of limits, each with what remains of it and the seconds until it is renewed.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use miteos_tools::http::header::HeaderMap;

/// The longest wait that is believed; a longer one is cut to it (milliseconds).
const MAX_WAIT_MS: u64 = 24 * 60 * 60 * 1000;
/// A number below this is seconds from now, one above it a time (2001 in seconds).
const FIRST_UNIX_SECOND: f64 = 1e9;
/// A number above this is a Unix time in milliseconds.
const FIRST_UNIX_MILLI: f64 = 1e12;
/// Looked at in this order: the standard's header is meant for exactly this.
const HEADERS: [&str; 3] = ["retry-after", "x-ratelimit-reset", "ratelimit-reset"];
/// Looked at after them: `"default";r=0;t=30`.
const LIMITS: &str = "ratelimit";

const TOO_MANY_REQUESTS: u16 = 429;

/// The wait in milliseconds; `None` when nothing readable was asked for. When an allowance is renewed stands in every
/// answer of some providers, and is a wait only where the allowance is what is used up.
pub(crate) fn asked_wait_ms(status: u16, headers: &HeaderMap, now_ms: u64) -> Option<u64> {
    let names = if status == TOO_MANY_REQUESTS { &HEADERS[..] } else { &HEADERS[..1] };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    // A date counts from the answer's own date, so that a wrong clock here does no harm.
    let now_ms = text("date").and_then(date_ms).unwrap_or(now_ms);
    let asked = names.iter().filter_map(|name| text(name)).find_map(|value| wait_ms(value, now_ms));
    let limits = || text(LIMITS).filter(|_| status == TOO_MANY_REQUESTS).and_then(renewed_ms);
    asked.or_else(limits)
}

/// The wait for a number, which is either one of seconds or a Unix time.
pub(super) fn number_ms(number: f64, now_ms: u64) -> Option<u64> {
    if !number.is_finite() || number < 0.0 {
        return None;
    }
    let until = |ms: u64| ms.saturating_sub(now_ms);
    // The range is checked, so nothing is lost but fractions of a millisecond.
    let wait = if number >= FIRST_UNIX_MILLI {
        until(number as u64)
    } else if number >= FIRST_UNIX_SECOND {
        until((number * 1000.0) as u64)
    } else {
        (number * 1000.0) as u64
    };
    Some(wait.min(MAX_WAIT_MS))
}

/// When the last of the limits that are used up is renewed; where none says so, the last of all.
fn renewed_ms(value: &str) -> Option<u64> {
    let limits = value.split(',').map(|limit| {
        let number = |name: &str| {
            let mut parts = limit.split(';').filter_map(|part| part.split_once('='));
            parts.find(|(key, _)| key.trim() == name)?.1.trim().parse::<f64>().ok()
        };
        (number("r"), number("t").and_then(|seconds| number_ms(seconds, 0)))
    });
    let (used_up, all): (Vec<_>, Vec<_>) = limits.partition(|(left, _)| *left == Some(0.0));
    let last = |list: Vec<(Option<f64>, Option<u64>)>| list.into_iter().filter_map(|(_, wait)| wait).max();
    last(used_up).or_else(|| last(all))
}

fn wait_ms(value: &str, now_ms: u64) -> Option<u64> {
    match value.parse::<f64>() {
        Ok(number) => number_ms(number, now_ms),
        Err(_) => date_ms(value).map(|ms| ms.saturating_sub(now_ms).min(MAX_WAIT_MS)),
    }
}

fn date_ms(value: &str) -> Option<u64> {
    if let Ok(at) = httpdate::parse_http_date(value) {
        let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
        return u64::try_from(since.as_millis()).ok();
    }
    let plain = value.strip_suffix(" UTC").unwrap_or(value).trim_end_matches('Z');
    let at = DateTime::strptime("%Y-%m-%d %H:%M:%S", plain)
        .or_else(|_| plain.parse::<DateTime>())
        .ok()?
        .to_zoned(TimeZone::UTC)
        .ok()?;
    u64::try_from(at.timestamp().as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use miteos_tools::http::header::{HeaderName, HeaderValue};

    /// 2022-01-27 22:20:17 UTC.
    const THEN_MS: u64 = 1_643_322_017_000;

    fn asked(pairs: &[(&'static str, &str)], now_ms: u64) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        asked_wait_ms(429, &headers, now_ms)
    }

    #[test]
    fn every_form_is_read() {
        let now = THEN_MS - 30_000;
        for (name, value, wait) in [
            ("retry-after", "7", 7_000),
            ("retry-after", "0", 0),
            ("retry-after", "2.5", 2_500),
            ("retry-after", "Thu, 27 Jan 2022 22:20:17 GMT", 30_000),
            ("retry-after", "2022-01-27 22:20:17 UTC", 30_000),
            ("retry-after", "2022-01-27T22:20:17Z", 30_000),
            ("x-ratelimit-reset", "1643322017", 30_000),
            ("x-ratelimit-reset", "1643322017.5", 30_500),
            ("x-ratelimit-reset", "1643322017000", 30_000),
            ("x-ratelimit-reset", "Thu, 27 Jan 2022 22:20:17 GMT", 30_000),
            ("x-ratelimit-reset", "2022-01-27 22:20:17 UTC", 30_000),
            ("x-ratelimit-reset", "45", 45_000),
            ("ratelimit-reset", "9", 9_000),
            ("ratelimit", "\"default\";r=0;t=30", 30_000),
            ("ratelimit", "\"burst\";r=7;t=900, \"default\"; r=0; t=12", 12_000),
            ("ratelimit", "\"burst\";r=7;t=900, \"default\";r=2;t=12", 900_000),
            ("x-ratelimit-reset", "1643321000", 0),
            ("retry-after", "99999999", MAX_WAIT_MS),
        ] {
            assert_eq!(asked(&[(name, value)], now), Some(wait), "{name}: {value}");
        }
    }

    #[test]
    fn only_a_limit_is_waited_for_until_it_is_renewed() {
        let mut headers = HeaderMap::new();
        headers.insert("x-ratelimit-reset", HeaderValue::from_static("300"));
        assert_eq!(asked_wait_ms(502, &headers, 0), None);
        headers.insert("retry-after", HeaderValue::from_static("2"));
        assert_eq!(asked_wait_ms(502, &headers, 0), Some(2_000));
    }

    #[test]
    fn what_cannot_be_read_asks_for_nothing() {
        for value in ["\"default\"", "t", "\"default\";r=0", "\"default\";r=0;t=soon", "a;t=-3"] {
            assert_eq!(asked(&[("ratelimit", value)], THEN_MS), None, "{value}");
        }
        for value in ["soon", "-1", "", "NaN", "inf", "2022-13-45 99:00:00 UTC"] {
            assert_eq!(asked(&[("retry-after", value)], THEN_MS), None, "{value}");
        }
        assert_eq!(asked(&[], THEN_MS), None);
    }

    #[test]
    fn the_standards_header_and_the_answers_own_date_count() {
        assert_eq!(asked(&[("retry-after", "3"), ("x-ratelimit-reset", "1643322017")], 0), Some(3_000));
        assert_eq!(asked(&[("retry-after", "soon"), ("ratelimit-reset", "4")], 0), Some(4_000));
        let pairs = [("retry-after", "2022-01-27 22:20:17 UTC"), ("date", "Thu, 27 Jan 2022 22:20:07 GMT")];
        assert_eq!(asked(&pairs, 0), Some(10_000));
    }
}
