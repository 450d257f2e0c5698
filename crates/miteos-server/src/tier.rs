//! What each tier allows.

/// What a key without a limit is said to have: more than any machine answers in a minute.
pub const UNLIMITED: u64 = 1_000_000_000;

/// Tasks running at once, or `None` without limit.
pub fn concurrent_tasks(tier: &str) -> Option<u64> {
    match tier {
        "free" => Some(1),
        "pro" => Some(5),
        "power" => Some(20),
        "business" | "enterprise" => None,
        // A tier of a newer binary: the least that any tier has.
        _ => Some(1),
    }
}

/// Requests in a minute, for a key that has no number of its own.
pub fn requests_per_minute(tier: &str) -> u64 {
    match tier {
        "free" => 60,
        "pro" => 300,
        "power" => 1_000,
        "business" => 5_000,
        "enterprise" => UNLIMITED,
        _ => 60,
    }
}

/// Event streams (SSE and WebSocket) open at once, or `None` without limit.
pub fn connections(tier: &str) -> Option<u32> {
    match tier {
        "free" => Some(1),
        "pro" => Some(5),
        "power" => Some(20),
        "business" => Some(100),
        "enterprise" => None,
        // A tier of a newer binary: the least that any tier has.
        _ => Some(1),
    }
}
