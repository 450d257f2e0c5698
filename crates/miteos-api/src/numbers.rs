//! Whole numbers as JSON has them: `100.0` is one, too. Used for what clients send.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Number;

/// Beyond this a floating-point number does not stand for one whole number any more.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A whole number, or null. One that is too large becomes the largest there is, so that it can be told out of range.
pub fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let Some(number) = Option::<Number>::deserialize(deserializer)? else { return Ok(None) };
    if let Some(whole) = number.as_i64() {
        return Ok(Some(whole));
    }
    match number.as_f64() {
        Some(value) if value >= EXACT => Ok(Some(i64::MAX)),
        Some(value) if value <= -EXACT => Ok(Some(i64::MIN)),
        // Exact, since it is small and has no fraction.
        Some(value) if value.fract() == 0.0 => Ok(Some(value as i64)),
        Some(_) | None => Err(D::Error::custom(format!("{number} is no whole number"))),
    }
}

/// The same where null means something else than absent: `Some(None)`, and `None` by `default`.
pub fn whole_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<i64>>, D::Error> {
    whole(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<i64>, String> {
        whole(&mut serde_json::Deserializer::from_str(text)).map_err(|error| error.to_string())
    }

    #[test]
    fn whole_numbers_in_every_spelling() {
        for (text, expected) in [
            ("null", None),
            ("0", Some(0)),
            ("-7", Some(-7)),
            ("100.0", Some(100)),
            ("1e2", Some(100)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", Some(i64::MAX)),
            ("1e300", Some(i64::MAX)),
            ("-1e300", Some(i64::MIN)),
        ] {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
        assert_eq!(read("1.5"), Err("1.5 is no whole number".to_owned()));
        for bad in ["\"1\"", "true", "[]", "{}"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
