// Made from docs/openapi.json by scripts/generate.mjs. Do not edit it: npm run generate

export interface Queries {
  listTasks: "status" | "workspace_id" | "limit" | "offset";
  listCompletedTasks: "limit" | "offset";
  listTaskEvents: "after" | "limit" | "types";
  downloadDeliverable: "expires";
  listShares: "deliverable_id" | "limit" | "offset";
  streamEvents: "after" | "types";
  listAgents: "task_id";
  listApprovals: "status" | "task_id" | "limit" | "offset";
  listFiles: "path";
  getUsage: "from" | "to" | "group_by" | "limit" | "offset";
  listDeliveries: "limit" | "offset";
  listDeployments: "limit" | "offset" | "workspace_id";
  readDeploymentLog: "after";
  listPreviews: "limit" | "offset";
  listPreviewLinks: "limit" | "offset";
}
