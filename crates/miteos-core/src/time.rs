//! Points in time, in whole milliseconds since 1970. Core never asks what time it is: it is told.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const DAY_MS: u64 = 24 * 3600 * 1000;
/// Of `2026-11-22`.
const DATE_BYTES: usize = 10;

/// Milliseconds since 1970-01-01T00:00:00Z; shown as RFC 3339 in UTC with `Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// 9999-12-31, the last day RFC 3339 can name.
    const MAX_MILLIS: u64 = 253_402_207_200_000;

    pub fn from_millis(millis: u64) -> Self {
        Self(millis.min(Self::MAX_MILLIS))
    }

    pub fn millis(self) -> u64 {
        self.0
    }

    pub fn plus_ms(self, ms: u64) -> Self {
        Self::from_millis(self.0.saturating_add(ms))
    }

    /// Days since 1970-01-01, UTC.
    pub fn day(self) -> u64 {
        self.0 / DAY_MS
    }

    /// Midnight, UTC, at the start of a day.
    pub fn of_day(day: u64) -> Self {
        Self::from_millis(day.saturating_mul(DAY_MS))
    }

    /// `2026-11-22`, the day in UTC.
    pub fn date(self) -> String {
        self.to_string().chars().take(DATE_BYTES).collect()
    }

    /// Milliseconds from `earlier` to here; 0 if `earlier` is later.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is no time; one looks like 2026-11-22T10:00:00Z")]
pub struct InvalidTime {
    pub text: String,
}

impl FromStr for Timestamp {
    type Err = InvalidTime;

    /// RFC 3339, in any zone. A date alone is its midnight in UTC. What is before 1970 is taken for its beginning: nothing
    /// here is older.
    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let invalid = || InvalidTime { text: text.chars().take(64).collect() };
        let at = match text.parse::<jiff::Timestamp>() {
            Ok(at) => at.as_millisecond(),
            Err(_) => {
                if text.len() != DATE_BYTES {
                    return Err(invalid());
                }
                let date: jiff::civil::Date = text.parse().map_err(|_| invalid())?;
                let at = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| invalid())?;
                at.timestamp().as_millisecond()
            }
        };
        Ok(Self::from_millis(u64::try_from(at).unwrap_or(0)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0).unwrap_or(0);
        match jiff::Timestamp::from_millisecond(millis) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "9999-12-31T00:00:00.000Z"),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let at: jiff::Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        u64::try_from(at.as_millisecond()).map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_as_rfc_3339_with_z() {
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        let at = Timestamp::from_millis(1_736_936_624_120);
        assert_eq!(at.to_string(), "2025-01-15T10:23:44.120Z");
        let json = serde_json::to_string(&at).unwrap();
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), at);
        assert!(Timestamp::from_millis(u64::MAX).to_string().starts_with("9999-"));
    }

    #[test]
    fn times_and_dates_are_read() {
        let at = |text: &str| text.parse::<Timestamp>().map(Timestamp::millis);
        assert_eq!(at("2025-01-15T10:23:44.120Z"), Ok(1_736_936_624_120));
        assert_eq!(at("2025-01-15T12:23:44.120+02:00"), Ok(1_736_936_624_120));
        assert_eq!(at("1970-01-02"), Ok(DAY_MS));
        assert_eq!((at("1969-12-31T23:59:59Z"), at("0001-01-01")), (Ok(0), Ok(0)));
        for bad in ["", "now", "2025-13-01", "2025-01-15T10:23:44"] {
            assert!(at(bad).is_err(), "{bad}: {:?}", at(bad));
        }
        let day = Timestamp::from_millis(1_736_936_624_120);
        assert_eq!((day.day(), day.date().as_str()), (20_103, "2025-01-15"));
        assert_eq!(Timestamp::of_day(20_103).to_string(), "2025-01-15T00:00:00.000Z");
    }
}
