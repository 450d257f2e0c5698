// The objects of the API, as the SDK knows them.

export type {
  Agent, AgentType, ApiKey, Approval, ApprovalPolicy, CreatedApiKey, CreatedWebhook, CreateTask, Deliverable, Delivery,
  DeployConfig, Deployment, DeployTarget, Event, GroupBy, Preview, Risk,
  Subtask, Task, TaskConfig, TaskStatus, TaskSummary, Tier, Usage, UsageRow, Webhook, Workspace, WorkspaceFile,
} from "@miteos/sdk";
