//! Numbers as people read them.

use std::time::Duration;

/// `950`, `4.5k`, `1.2M`.
pub fn count(n: u64) -> String {
    match n {
        0..1_000 => n.to_string(),
        1_000..100_000 => format!("{}.{}k", n / 1_000, n % 1_000 / 100),
        100_000..1_000_000 => format!("{}k", n / 1_000),
        _ => format!("{}.{}M", n / 1_000_000, n % 1_000_000 / 100_000),
    }
}

/// `$0`, `$0.0042`, `$0.042`, `$1.25`. Never rounded to nothing.
pub fn dollars(amount: f64) -> String {
    if !amount.is_finite() || amount <= 0.0 {
        "$0".to_owned()
    } else if amount < 0.0001 {
        "<$0.0001".to_owned()
    } else if amount < 0.01 {
        format!("${amount:.4}")
    } else if amount < 1.0 {
        format!("${amount:.3}")
    } else {
        format!("${amount:.2}")
    }
}

/// `512 B`, `14.5 KB`, `2.0 GB`; powers of 1,000.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["KB", "MB", "GB", "TB", "PB"];
    if n < 1_000 {
        return format!("{n} B");
    }
    let mut tenths = n / 100;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1_000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// `340 ms`, `4.2 s`, `1m 05s`, `2h 10m`, `3d 4h`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{} ms", time.subsec_millis()),
        1..60 => format!("{}.{} s", seconds, time.subsec_millis() / 100),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {:02}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// `0:04`, `12:30`, `1:02:03`: a running clock.
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 3_600 {
        format!("{}:{:02}", seconds / 60, seconds % 60)
    } else {
        format!("{}:{:02}:{:02}", seconds / 3_600, seconds % 3_600 / 60, seconds % 60)
    }
}

/// The time between two RFC 3339 texts; nothing if either is none or they are the wrong way round.
pub fn between(from: &str, to: &str) -> Option<Duration> {
    let from: jiff::Timestamp = from.parse().ok()?;
    let to: jiff::Timestamp = to.parse().ok()?;
    Duration::try_from(to.duration_since(from)).ok()
}

/// `2026-11-22 10:00` of an RFC 3339 text; the text itself if it is none.
pub fn day_and_minute(time: &str) -> String {
    match time.parse::<jiff::Timestamp>() {
        Ok(_) if time.is_ascii() && time.len() >= 16 => time[..16].replace('T', " "),
        Ok(_) | Err(_) => super::text::line(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let counts: Vec<_> = [0, 999, 1_000, 4_521, 99_999, 100_000, 1_250_000].map(count).into();
        assert_eq!(counts, ["0", "999", "1.0k", "4.5k", "99.9k", "100k", "1.2M"]);
        let money: Vec<_> = [0.0, 0.00001, 0.0042, 0.042, 1.25, f64::NAN].map(dollars).into();
        assert_eq!(money, ["$0", "<$0.0001", "$0.0042", "$0.042", "$1.25", "$0"]);
        let sizes: Vec<_> = [0, 999, 1_000, 14_823, 2_000_000_000, u64::MAX].map(bytes).into();
        assert_eq!(sizes, ["0 B", "999 B", "1.0 KB", "14.8 KB", "2.0 GB", "18446.7 PB"]);
    }

    #[test]
    fn times() {
        let times: Vec<_> =
            [340, 4_250, 65_000, 7_800_000, 273_600_000].map(|ms| duration(Duration::from_millis(ms))).into();
        assert_eq!(times, ["340 ms", "4.2 s", "1m 05s", "2h 10m", "3d 4h"]);
        assert_eq!(clock(Duration::from_secs(3_723)), "1:02:03");
        let start = "2026-11-22T10:00:00Z";
        assert_eq!(between(start, "2026-11-22T10:00:01.5Z"), Some(Duration::from_millis(1_500)));
        assert_eq!(between("2026-11-22T10:00:01Z", start), None);
        assert_eq!(between("yesterday", start), None);
        assert_eq!(day_and_minute(start), "2026-11-22 10:00");
        assert_eq!(day_and_minute("\x1b[31m"), "␛[31m");
    }
}
