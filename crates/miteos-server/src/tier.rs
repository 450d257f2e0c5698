//! What each tier allows.

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
