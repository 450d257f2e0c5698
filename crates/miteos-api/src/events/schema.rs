//! The schema of an event: its envelope, and by its type what stands in `data`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::data::{
    Action, ActionResult, AgentEnded, AgentStarted, CreditLow, Guided, Message, TaskData, Thinking,
};
use super::{Event, EventType};
use crate::{Approval, Deliverable, Deployment, text};

impl JsonSchema for EventType {
    fn schema_name() -> Cow<'static, str> {
        "EventType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = text::choice(Self::ALL.iter().map(Self::as_str));
        let about = "What happened. Newer servers may know more: pass over what you do not know.";
        schema.insert("description".to_owned(), about.into());
        schema.insert(text::EXTENSIBLE.to_owned(), true.into());
        schema
    }
}

/// What stands in the `data` of such an event.
fn payload(kind: &EventType, generator: &mut SchemaGenerator) -> Schema {
    use EventType as E;
    match kind {
        E::TaskCreated
        | E::TaskPlanning
        | E::TaskPlanned
        | E::TaskRunning
        | E::TaskPaused
        | E::TaskResumed
        | E::TaskComplete
        | E::TaskFailed
        | E::TaskCancelled => generator.subschema_for::<TaskData>(),
        E::AgentStarted => generator.subschema_for::<AgentStarted>(),
        E::AgentThinking => generator.subschema_for::<Thinking>(),
        E::AgentAction => generator.subschema_for::<Action>(),
        E::AgentResult => generator.subschema_for::<ActionResult>(),
        E::AgentMessage => generator.subschema_for::<Message>(),
        E::AgentGuided => generator.subschema_for::<Guided>(),
        E::AgentComplete | E::AgentError | E::AgentCancelled => generator.subschema_for::<AgentEnded>(),
        E::ApprovalRequired | E::ApprovalResolved => generator.subschema_for::<Approval>(),
        E::DeliverableCreated => generator.subschema_for::<Deliverable>(),
        E::BillingCreditLow => generator.subschema_for::<CreditLow>(),
        // These say all by their type.
        E::AgentPaused | E::AgentResumed => json_schema!({"type": "object"}),
        E::DeploymentStarted
        | E::DeploymentBuilding
        | E::DeploymentDeploying
        | E::DeploymentLive
        | E::DeploymentFailed => generator.subschema_for::<Deployment>(),
        E::TradingOrderPlaced | E::TradingKillTriggered | E::Other(_) => json_schema!({"type": "object"}),
    }
}

/// Types with the same payload together, in the order of the contract.
fn variants(generator: &mut SchemaGenerator) -> Vec<Value> {
    let mut groups: Vec<(Schema, Vec<&str>)> = Vec::new();
    for kind in EventType::ALL {
        let schema = payload(kind, generator);
        match groups.iter_mut().find(|(known, _)| *known == schema) {
            Some((_, kinds)) => kinds.push(kind.as_str()),
            None => groups.push((schema, vec![kind.as_str()])),
        }
    }
    groups
        .into_iter()
        .map(|(data, kinds)| json!({"properties": {"type": {"enum": kinds, (text::EXTENSIBLE): true}, "data": data}}))
        .collect()
}

impl JsonSchema for Event {
    fn schema_name() -> Cow<'static, str> {
        "Event".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let about = |mut schema: Schema, text: &str| {
            schema.insert("description".to_owned(), text.into());
            schema
        };
        let id = about(generator.subschema_for::<text::EventId>(), "The same on every transport.");
        let kind = generator.subschema_for::<EventType>();
        let task = generator.subschema_for::<Option<text::TaskId>>();
        let task = about(task, "The task whose log it stands in; null for an event of a deployment.");
        let deployment = generator.subschema_for::<text::DeploymentId>();
        let deployment = about(deployment, "The deployment whose log it stands in. Only there.");
        let agent =
            about(generator.subschema_for::<Option<text::AgentId>>(), "The agent it is about, if any.");
        let at = generator.subschema_for::<text::Time>();
        json_schema!({
            "description": "One event of the log of a task or a deployment. What `data` holds depends on `type`.",
            "type": "object",
            "properties": {
                "id": id,
                "seq": {
                    "type": "integer", "format": "uint64", "minimum": 1,
                    "description": "Counts from 1 within the task or the deployment, without a gap.",
                },
                "type": kind,
                "task_id": task,
                "deployment_id": deployment,
                "agent_id": agent,
                "created_at": at,
                "data": {"type": "object"},
                "cursor": {
                    "type": "integer", "format": "uint64", "minimum": 1,
                    "description": "Its place in the account's log. Only there.",
                },
            },
            "required": ["id", "seq", "type", "task_id", "agent_id", "created_at", "data"],
            "oneOf": variants(generator),
            (text::EXTENSIBLE): true,
        })
    }
}
