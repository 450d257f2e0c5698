/**
 * The TypeScript SDK of Miteos: the HTTP contract as typed calls.
 *
 * It retries what may be retried, resumes what was cut, and says plainly what it could not do. It has no dependencies, and
 * runs wherever `fetch` does.
 */

export { Miteos, type MiteosOptions } from "./client.js";
export { Download, type DownloadOptions } from "./download.js";
export {
  ApiError,
  type ApiFailure,
  BadRequestError,
  ConflictError,
  ConnectionError,
  ForbiddenError,
  isTransient,
  MiteosError,
  NotFoundError,
  ProtocolError,
  RateLimitError,
  RefusedError,
  ServerError,
  TimeoutError,
  TooLargeError,
  UnauthorizedError,
  UsageError,
  WebhookVerificationError,
} from "./errors.js";
export type { EventData } from "./generated/events.js";
export type { components, operations, paths } from "./generated/openapi.js";
export { Paged } from "./paged.js";
export type { Agents, ListAgents } from "./resources/agents.js";
export type { ApprovalRef, Approvals, Approve, ListApprovals } from "./resources/approvals.js";
export type { Deliverables, ListShares, ShareOptions } from "./resources/deliverables.js";
export type { DeployConfigs } from "./resources/deploy-configs.js";
export type { DeploymentNews, Deployments, ListDeployments, ListPreviews } from "./resources/deployments.js";
export type { AccountStreamOptions, Events } from "./resources/events.js";
export type { Keys } from "./resources/keys.js";
export type { Models } from "./resources/models.js";
export type { Server } from "./resources/server.js";
export type { ListEvents, ListTasks, TaskStreamOptions, Tasks, WaitOptions } from "./resources/tasks.js";
export type { GetUsage, UsageReports } from "./resources/usage.js";
export type { ListDeliveries, Webhooks } from "./resources/webhooks.js";
export type { ListFiles, Workspaces } from "./resources/workspaces.js";
export { type ConnectionState, EventStream, type StreamOptions } from "./stream.js";
export type { Fetch, RequestOptions, WriteOptions } from "./transport.js";
export * from "./types.js";
export type { Uploadable, UploadData, UploadFile } from "./upload.js";
export { SDK_VERSION } from "./version.js";
export {
  type VerifyOptions,
  verifyWebhook,
  type WebhookEvent,
  type WebhookHeaders,
  type WebhookMessage,
  type WebhookPing,
} from "./webhook.js";
