// Made from docs/openapi.json by scripts/generate.mjs. Do not edit it: npm run generate

import type { components } from "./openapi.js";

type Schemas = components["schemas"];

/** What `data` of an event holds, by the event's type. */
export interface EventData {
  "task.created": Schemas["TaskData"];
  "task.planning": Schemas["TaskData"];
  "task.planned": Schemas["TaskData"];
  "task.running": Schemas["TaskData"];
  "task.paused": Schemas["TaskData"];
  "task.resumed": Schemas["TaskData"];
  "task.complete": Schemas["TaskData"];
  "task.failed": Schemas["TaskData"];
  "task.cancelled": Schemas["TaskData"];
  "agent.started": Schemas["AgentStarted"];
  "agent.thinking": Schemas["AgentThinking"];
  "agent.action": Schemas["AgentAction"];
  "agent.result": Schemas["AgentResult"];
  "agent.message": Schemas["AgentMessage"];
  "agent.paused": Record<string, unknown>;
  "agent.resumed": Record<string, unknown>;
  "agent.guided": Schemas["AgentGuided"];
  "agent.complete": Schemas["AgentEnded"];
  "agent.error": Schemas["AgentEnded"];
  "agent.cancelled": Schemas["AgentEnded"];
  "approval.required": Schemas["Approval"];
  "approval.resolved": Schemas["Approval"];
  "deliverable.created": Schemas["Deliverable"];
  "deployment.started": Schemas["Deployment"];
  "deployment.building": Schemas["Deployment"];
  "deployment.deploying": Schemas["Deployment"];
  "deployment.live": Schemas["Deployment"];
  "deployment.failed": Schemas["Deployment"];
  "trading.order_placed": Record<string, unknown>;
  "trading.kill_triggered": Record<string, unknown>;
  "billing.credit_low": Schemas["CreditLow"];
}
