/**
 * The objects of the contract by their names. All of them come from the OpenAPI document; where the document says less
 * than the contract does, this file says more.
 */

import type { EventData } from "./generated/events.js";
import type { components } from "./generated/openapi.js";

type Schemas = components["schemas"];

export type Agent = Schemas["Agent"];
export type AgentStatus = Schemas["AgentStatus"];
export type AgentType = Schemas["AgentType"];
export type ApiKey = Schemas["ApiKey"];
export type Approval = Schemas["Approval"];
export type ApprovalList = Schemas["ApprovalList"];
export type ApprovalPolicy = Schemas["ApprovalPolicy"];
export type ApprovalStatus = Schemas["ApprovalStatus"];
export type CallName = Schemas["CallName"];
export type CompletedTask = Omit<Schemas["CompletedTask"], TaskParts>;
export type CreateApiKey = Schemas["CreateApiKey"];
export type CreateDeployConfig = Schemas["CreateDeployConfig"];
export type CreateDeployment = Schemas["CreateDeployment"];
export type CreateTask = Schemas["CreateTask"];
export type CreateTaskConfig = Schemas["CreateTaskConfig"];
export type CreateWebhook = Schemas["CreateWebhook"];
export type CreateWorkspace = Schemas["CreateWorkspace"];
export type CreatedApiKey = Schemas["CreatedApiKey"];
export type CreatedWebhook = Schemas["CreatedWebhook"];
export type DecideApproval = Schemas["DecideApproval"];
export type Deliverable = Schemas["Deliverable"];
export type Delivery = Schemas["Delivery"];
export type DeliveryList = Schemas["DeliveryList"];
export type DeliveryStatus = Schemas["DeliveryStatus"];
export type DeployConfig = Schemas["DeployConfig"];
export type DeployEnvironment = Schemas["DeployEnvironment"];
export type DeployTarget = Schemas["DeployTarget"];
export type DeployVisibility = Schemas["DeployVisibility"];
export type Deployment = Schemas["Deployment"];
export type DeploymentError = Schemas["DeploymentError"];
export type DeploymentList = Schemas["DeploymentList"];
export type DeploymentLogLine = Schemas["DeploymentLogLine"];
export type DeploymentStatus = Schemas["DeploymentStatus"];
export type Environment = Schemas["Environment"];
export type FileKind = Schemas["FileKind"];
export type GroupBy = Schemas["GroupBy"];
export type Health = Schemas["Health"];
export type Model = Schemas["Model"];
export type ModelList = Schemas["ModelList"];
export type Readiness = Schemas["Readiness"];
export type Risk = Schemas["Risk"];
export type RotatedSecret = Schemas["RotatedSecret"];
export type Scope = CreateApiKey["scopes"][number];
export type SetApprovalPolicy = Schemas["SetApprovalPolicy"];
export type Share = Schemas["Share"];
export type SharedDeliverable = Schemas["SharedDeliverable"];
export type ShareList = Schemas["ShareList"];
export type Preview = Schemas["Preview"];
export type UpdatePreview = Schemas["UpdatePreview"];
export type CreatePreviewLink = Schemas["CreatePreviewLink"];
export type PreviewLink = Schemas["PreviewLink"];
export type PreviewList = Schemas["PreviewList"];
export type ListedPreviewLink = Schemas["ListedPreviewLink"];
export type PreviewLinkList = Schemas["PreviewLinkList"];
export type Subtask = Schemas["Subtask"];
export type SubtaskStatus = Schemas["SubtaskStatus"];
export type TaskConfig = Schemas["TaskConfig"];
export type TaskStatus = Schemas["TaskStatus"];
export type Tier = Schemas["Tier"];
export type TokenUsage = Schemas["TokenUsage"];
export type UpdateDeployConfig = Schemas["UpdateDeployConfig"];
export type UpdateTaskConfig = Schemas["UpdateTaskConfig"];
export type UpdateWebhook = Schemas["UpdateWebhook"];
export type Usage = Schemas["Usage"];
export type UsageRow = Schemas["UsageRow"];
export type Webhook = Schemas["Webhook"];
export type WebhookStatus = Schemas["WebhookStatus"];
export type WebhookTest = Schemas["WebhookTest"];
export type Workspace = Schemas["Workspace"];
export type WorkspaceFile = Schemas["WorkspaceFile"];

type TaskParts = "agents" | "subtasks" | "approvals";

/** A task as lists show it. */
export type TaskSummary = Omit<Schemas["Task"], TaskParts>;

/** A task with its agents (oldest first), its plan, and the approvals that wait for an answer. */
export interface Task extends TaskSummary {
  agents: Agent[];
  subtasks: Subtask[];
  approvals: Approval[];
}

/** A page of `GET /tasks`. */
export interface TaskList extends Omit<Schemas["TaskList"], "tasks"> {
  tasks: TaskSummary[];
}

/** A page of `GET /tasks/completed`. */
export interface CompletedTaskList extends Omit<Schemas["CompletedTaskList"], "tasks"> {
  tasks: CompletedTask[];
}

/** The types of events that this version of the package knows. */
export type EventType = keyof EventData;

/** Those that stand in the account's log alone. */
export type DeploymentEventType = Extract<EventType, `deployment.${string}`>;

/** An event of one type, or of one of several. */
export type EventOf<T extends EventType> = {
  [Type in T]: {
    /** The same on every transport, and as `webhook-id`. */
    id: string;
    /** Counts from 1 within the task, or the deployment, without a gap. */
    seq: number;
    type: Type;
    /** The task whose log it stands in; an event of a deployment stands in none. */
    task_id: Type extends DeploymentEventType ? null : string;
    /** Of an event of a deployment: which one. */
    deployment_id?: Type extends DeploymentEventType ? string : null;
    /** The agent it is about, if any. */
    agent_id: string | null;
    created_at: string;
    data: EventData[Type];
    /** Its place in the account's log. Only there. */
    cursor?: number;
  };
}[T];

/**
 * An event of a task's log: a union by `type`, so that `event.type === "agent.action"` narrows `event.data`. A newer
 * server may send types that are not listed; pass over what you do not know.
 */
export type Event = EventOf<EventType>;

/** A page of a task's log. With `types` it may be empty and still have more behind it. */
export interface EventPage<T extends EventType = EventType> {
  events: EventOf<T>[];
  /** Give this as `after` for the next page. */
  next_after: number;
  has_more: boolean;
}

/** The states that a task does not leave. */
export type FinalStatus = "complete" | "failed" | "cancelled";

/** Whether a task is over. */
export function isFinal(status: TaskStatus): status is FinalStatus {
  return status === "complete" || status === "failed" || status === "cancelled";
}

/** Whether an event is the last of its task. */
export function isLast(event: Event): event is EventOf<`task.${FinalStatus}`> {
  return event.type === "task.complete" || event.type === "task.failed" || event.type === "task.cancelled";
}
