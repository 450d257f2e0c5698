//! Whose a build upload is that waits for its file: told by the names of the files that were announced for it. Makes no
//! call.

use serde_json::Value;

use super::ipa::Ipa;
use crate::error::{DeployError, ErrorKind};
use crate::target::Order;

/// An upload that waits for its file for so long is gone on with by nobody (milliseconds).
const LEFT_BEHIND_MS: u64 = 24 * 60 * 60 * 1000;
/// Before the mark in the name of a file.
const NAME_START: &str = "miteos-";

/// Whose a build upload is.
pub(super) enum Owner {
    /// It has no file yet, or this order's.
    ThisOrder,
    /// An earlier build of this order's.
    EarlierOfThisOrder,
    /// Another order of this server or another one, which may just be at it.
    AnotherOrder,
    SomebodyElse,
}

/// The name of this order's file.
pub(super) fn file_name(order: &Order) -> String {
    format!("{NAME_START}{}.ipa", order.key)
}

/// Judged by what was announced for the upload.
pub(super) fn owner(files: &[Value], ipa: &Ipa, order: &Order) -> Owner {
    let own = file_name(order);
    let name = |file: &Value| {
        file.pointer("/attributes/fileName").and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let size = |file: &Value| file.pointer("/attributes/fileSize").and_then(Value::as_u64);
    match files {
        [] => Owner::ThisOrder,
        [file] if name(file) == own && size(file) == Some(ipa.bytes) => Owner::ThisOrder,
        files if files.iter().all(|file| name(file) == own) => Owner::EarlierOfThisOrder,
        files if files.iter().all(|file| name(file).starts_with(NAME_START)) => Owner::AnotherOrder,
        _ => Owner::SomebodyElse,
    }
}

/// Whether an upload is so old that its order is over. One that does not tell its age is not.
pub(super) fn is_left_behind(upload: &Value, now_ms: u64) -> bool {
    let created = upload.pointer("/attributes/createdDate").and_then(Value::as_str);
    let created = created.and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let created = created.and_then(|at| u64::try_from(at.as_millisecond()).ok());
    created.is_some_and(|at_ms| now_ms.saturating_sub(at_ms) > LEFT_BEHIND_MS)
}

/// Why an upload of another deployment is not touched.
pub(super) fn under_way(ipa: &Ipa) -> DeployError {
    let message = format!(
        "another deployment uploads build {} of version {} to App Store Connect, or has left it behind within the last day; \
         wait for that one, raise the build number (CFBundleVersion), or end that upload there",
        ipa.build, ipa.version
    );
    DeployError::new(ErrorKind::NameTaken, message)
}

/// Why an upload of somebody else is not touched.
pub(super) fn foreign(ipa: &Ipa) -> DeployError {
    let message = format!(
        "somebody else uploads build {} of version {} to App Store Connect; raise the build number (CFBundleVersion), \
         or end that upload there",
        ipa.build, ipa.version
    );
    DeployError::new(ErrorKind::NameTaken, message)
}
