// The objects of the API, as the SDK knows them.

export type {
  Agent, AgentType, ApiKey, Approval, ApprovalPolicy, CreatedApiKey, CreatedWebhook, CreateTask, Deliverable, Delivery, Event, GroupBy, Risk,
  Subtask, Task, TaskConfig, TaskStatus, TaskSummary, Tier, Usage, UsageRow, Webhook, Workspace, WorkspaceFile,
} from "@miteos/sdk";
