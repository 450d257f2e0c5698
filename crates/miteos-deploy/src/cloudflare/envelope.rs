//! Cloudflare's envelope: `{"success":false,"errors":[{"code":10000,"message":"…"}]}`, with any status.

use serde_json::Value;

use crate::call::Refusal;
use crate::error::ErrorKind;

/// The project is not there.
pub(super) const NO_PROJECT: &str = "8000007";
/// The upload's token has expired.
pub(super) const TOKEN_EXPIRED: &str = "8000013";
/// The provider asks to try the same again.
pub(super) const TRY_AGAIN: &str = "8000000";
/// The script, or the account's name below workers.dev, is not there.
pub(super) const NOT_THERE: &str = "10007";
/// The token is not accepted for this account and product.
const NOT_AUTHENTICATED: &str = "10000";

pub(super) fn read_refusal(refusal: &mut Refusal) {
    let error = refusal.body.pointer("/errors/0").cloned().unwrap_or(Value::Null);
    refusal.code = match error.get("code") {
        Some(Value::Number(code)) => code.to_string(),
        Some(Value::String(code)) => code.clone(),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => String::new(),
    };
    refusal.said = error.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
    match refusal.code.as_str() {
        NO_PROJECT => refusal.kind = ErrorKind::NotFound,
        NOT_THERE if refusal.status < 500 => refusal.kind = ErrorKind::NotFound,
        TRY_AGAIN => refusal.kind = ErrorKind::Unavailable,
        NOT_AUTHENTICATED => {
            refusal.mend = Some(
                "check that the token is whole and not expired, belongs to this account, and may edit Workers \
                 Scripts (or Cloudflare Pages)",
            );
        }
        _ => {}
    }
}
