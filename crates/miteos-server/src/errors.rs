//! How errors are written into logs: with all their causes.

use std::error::Error;
use std::fmt::Write;

/// `what failed: why: why`, without repeating a cause that a message already ends with.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.ends_with(&words) {
            let _ = write!(text, ": {words}");
        }
        cause = inner.source();
    }
    text
}
