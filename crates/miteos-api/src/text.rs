//! How the texts and choices of the wire types look, for their schemas alone: the pattern of an id, the form of a time,
//! the words of a choice. Nothing of this is ever made; the fields themselves are plain texts.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::events::EventType;
use crate::keys::SCOPES;
use crate::words::{DeployTarget, TaskStatus};

/// Marks a list of words that will grow: clients pass over those they do not know.
pub const EXTENSIBLE: &str = "x-extensible";
/// At least one character that is no white space.
pub const NOT_BLANK: &str = r"\S";
/// Not blank, and without control characters.
pub const NAME: &str =
    r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$";
/// `whsec_` and base64 of 24 to 64 bytes, padded.
const WEBHOOK_SECRET: &str = concat!(
    "^whsec_(?:(?:[A-Za-z0-9+/]{4}){8,20}",
    "(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?",
    "|(?:[A-Za-z0-9+/]{4}){21}(?:[A-Za-z0-9+/][AQgw]==)?)$"
);

/// What can go wrong with a deployment, in one word for all hosts.
pub const DEPLOYMENT_ERROR_CODES: [&str; 17] = [
    "config_invalid",
    "auth",
    "permission",
    "quota",
    "name_taken",
    "no_output",
    "output_refused",
    "output_too_large",
    "file_too_large",
    "install_failed",
    "build_failed",
    "upload_failed",
    "provider_rejected",
    "provider_error",
    "timeout",
    "canceled",
    "interrupted",
];

/// A type that stands in a schema at the place where it is used, and has no entry of its own.
macro_rules! inline {
    ($($(#[$doc:meta])* $name:ident: $schema:expr;)+) => {$(
        $(#[$doc])*
        pub enum $name {}

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )+};
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)+) => {
        inline! {$(
            $(#[$doc])*
            $name: json_schema!({
                "type": "string",
                "pattern": concat!("^", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{25}$"),
                "examples": [concat!($prefix, "_01jd3k7x8m9p2q4r6s8t0v2w4y")],
            });
        )+}
    };
}

ids! {
    TaskId = "task";
    SubtaskId = "st";
    AgentId = "agnt";
    ApprovalId = "appr";
    EventId = "evt";
    DeliverableId = "dlvr";
    WorkspaceId = "ws";
    WebhookId = "wh";
    DeliveryId = "whd";
    KeyId = "key";
    ShareId = "shr";
    SkillId = "skl";
    DeployConfigId = "cfg";
    DeploymentId = "dep";
    /// A tool call.
    CallId = "call";
}

inline! {
    /// RFC 3339, UTC with `Z` where the server writes it.
    Time: json_schema!({"type": "string", "format": "date-time", "examples": ["2026-11-22T10:00:00.000Z"]});
    Day: json_schema!({"type": "string", "format": "date", "examples": ["2026-11-22"]});
    DayOrTime: json_schema!({
        "type": "string",
        "anyOf": [{"format": "date"}, {"format": "date-time"}],
        "examples": ["2026-11-22"],
    });
    Sha256: json_schema!({"type": "string", "pattern": "^[0-9a-f]{64}$"});
    /// An absolute address.
    Address: json_schema!({"type": "string", "format": "uri"});
    WebhookUrl: json_schema!({
        "type": "string",
        "format": "uri",
        "pattern": "^https?://",
        "maxLength": 2048,
        "examples": ["https://example.com/hooks/miteos"],
    });
    WebhookSecret: json_schema!({
        "type": "string",
        "pattern": WEBHOOK_SECRET,
        "examples": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    });
    /// `provider/model`.
    Model: json_schema!({
        "type": "string",
        "pattern": "^[A-Za-z0-9._-]+/[!-~]+$",
        "maxLength": 200,
        "examples": ["anthropic/claude-sonnet-4-5"],
    });
    /// A state to ask for: `completed` means `complete`.
    TaskStatusAsked: choice(TaskStatus::WORDS.iter().copied().chain(["completed"]));
    Scope: choice(SCOPES.into_iter().chain(["*"]));
    /// A target that needs an account with somebody.
    ProviderTarget: choice(
        DeployTarget::ALL.iter().filter(|one| **one != DeployTarget::Preview).map(|one| one.as_str())
    );
    /// What went wrong with a deployment.
    DeploymentErrorCode: extensible(choice(DEPLOYMENT_ERROR_CODES.into_iter()));
    /// An event type, or `*` for all.
    EventChoice: extensible(choice(EventType::ALL.iter().map(EventType::as_str).chain(["*"])));
    /// What a delivery carries: an event's type, or that of a test.
    DeliveredType: extensible(choice(EventType::ALL.iter().map(EventType::as_str).chain(["webhook.ping"])));
}

/// One of these words.
pub(crate) fn choice<'a>(words: impl Iterator<Item = &'a str>) -> Schema {
    json_schema!({"type": "string", "enum": words.map(Value::from).collect::<Vec<_>>()})
}

fn extensible(mut schema: Schema) -> Schema {
    schema.insert(EXTENSIBLE.to_owned(), true.into());
    schema
}
