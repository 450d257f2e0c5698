// The page's way to the server: the SDK, and nothing beside it. What the page needs of it, by the page's own words.

import {
  ApiError, ForbiddenError, Miteos, UnauthorizedError, type ConnectionState, type CreateApiKey, type CreateDeployConfig, type CreateDeployment,
  type CreateWebhook, type EventType, type SetApprovalPolicy, type UpdateDeployConfig, type UpdatePreview,
} from "@miteos/sdk";
import type { CreateTask, Event, GroupBy, TaskStatus } from "./types";
import { Pace } from "./pace";

/** A page that stays open waits as long as it takes. */
const NEVER_GIVE_UP = Number.POSITIVE_INFINITY;
/** Files are shown up to this size; larger ones are downloaded. */
export const MAX_SHOWN_BYTES = 2 * 1024 * 1024;

export class Api {
  readonly client: Miteos;
  /** How often this key may ask by itself. */
  readonly pace = new Pace();
  private readonly expired: () => void;

  constructor(key: string, expired: () => void, requests: "end with the page" | "outlive the page" = "end with the page") {
    const asked = async (input: string, init?: RequestInit): Promise<Response> => {
      const answer = await fetch(input, requests === "outlive the page" ? { ...init, keepalive: true } : init);
      this.pace.heard(answer.headers);
      return answer;
    };
    this.client = new Miteos({ apiKey: key, baseUrl: location.origin, fetch: asked });
    this.expired = expired;
  }

  /** Whether the key opens this server at all; a lacking scope is no reason to stay outside. */
  async check(): Promise<void> {
    try {
      await this.client.tasks.list({ limit: 1 }, { maxRetries: 1 });
    } catch (error) {
      if (error instanceof ForbiddenError) return;
      throw error;
    }
  }

  /** What went wrong, told to whoever asked; a key that opens nothing any more ends the session. */
  async of<T>(call: PromiseLike<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      if (error instanceof UnauthorizedError) this.expired();
      throw error;
    }
  }

  createTask(task: CreateTask) {
    return this.of(this.client.tasks.create(task));
  }

  tasks(query: { status?: TaskStatus | undefined; workspace_id?: string | undefined; limit: number; offset?: number }, signal?: AbortSignal) {
    return this.of(this.client.tasks.list(query, { signal }));
  }

  task(id: string, signal?: AbortSignal) {
    return this.of(this.client.tasks.get(id, { signal }));
  }

  async taskEvents(id: string, after: number, limit: number, signal?: AbortSignal) {
    const page = await this.of(this.client.tasks.events(id, { after, limit }, { signal }));
    return page as { events: Event[]; next_after: number; has_more: boolean };
  }

  /** One event of a task's log, whole. */
  async event(id: string, seq: number): Promise<Event | null> {
    const page = await this.taskEvents(id, seq - 1, 1);
    return page.events[0] ?? null;
  }

  /** The one stream that a page holds open. Without types it is everything that happens in the account. */
  followAccount(
    after: number | undefined, types: readonly string[] | undefined, signal: AbortSignal, onConnection: (state: ConnectionState) => void,
  ) {
    return this.client.events.stream({ after, types: types as EventType[] | undefined, signal, onConnection, maxReconnects: NEVER_GIVE_UP });
  }

  pendingApprovals(signal?: AbortSignal) {
    return this.of(this.client.approvals.list({ status: "pending", limit: 100 }, { signal }));
  }

  approve(approval: { id: string; agent_id: string }, input?: Record<string, unknown>) {
    return this.of(this.client.approvals.approve(approval, { input }));
  }

  reject(approval: { id: string; agent_id: string }, reason: string) {
    return this.of(this.client.approvals.reject(approval, reason === "" ? undefined : reason));
  }

  guideTask(id: string, message: string) {
    return this.of(this.client.tasks.guide(id, message));
  }

  pauseTask(id: string) {
    return this.of(this.client.tasks.pause(id));
  }

  resumeTask(id: string) {
    return this.of(this.client.tasks.resume(id));
  }

  cancelTask(id: string) {
    return this.of(this.client.tasks.cancel(id));
  }

  updateTask(id: string, change: { autonomy_level?: number; budget_cents?: number | null }) {
    return this.of(this.client.tasks.update(id, change));
  }

  guideAgent(id: string, message: string) {
    return this.of(this.client.agents.guide(id, message));
  }

  pauseAgent(id: string) {
    return this.of(this.client.agents.pause(id));
  }

  resumeAgent(id: string) {
    return this.of(this.client.agents.resume(id));
  }

  cancelAgent(id: string) {
    return this.of(this.client.agents.cancel(id));
  }

  deliverables(task: string) {
    return this.of(this.client.tasks.deliverables(task));
  }

  async deliverableBlob(task: string, file: string): Promise<Blob> {
    return (await this.of(this.client.deliverables.download(task, file))).blob();
  }

  share(task: string, file: string, expiresIn: number | undefined) {
    return this.of(this.client.deliverables.share(task, file, { expiresIn }));
  }

  revokeShare(id: string) {
    return this.of(this.client.deliverables.revokeShare(id));
  }

  /** The links to a file that work, newest first. */
  shares(file: string) {
    return this.of(this.client.deliverables.shares({ deliverable_id: file, limit: 100 }));
  }

  revokeShares(task: string, file: string) {
    return this.of(this.client.deliverables.revokeShares(task, file));
  }

  stage(task: string, file: string) {
    return this.of(this.client.deliverables.stage(task, file));
  }

  deployments(query: { workspace_id?: string | undefined; limit: number; offset?: number }) {
    return this.of(this.client.deployments.list(query));
  }

  deployment(id: string) {
    return this.of(this.client.deployments.get(id));
  }

  createDeployment(deployment: CreateDeployment) {
    return this.of(this.client.deployments.create(deployment));
  }

  deploymentLog(id: string) {
    return this.of(this.client.deployments.log(id));
  }

  followDeployment(id: string, after: number | undefined, signal: AbortSignal, onConnection: (state: ConnectionState) => void) {
    return this.client.deployments.stream(id, { after, signal, onConnection, maxReconnects: NEVER_GIVE_UP });
  }

  cancelDeployment(id: string) {
    return this.of(this.client.deployments.cancel(id));
  }

  rollBack(id: string) {
    return this.of(this.client.deployments.rollback(id));
  }

  preview(id: string) {
    return this.of(this.client.deployments.preview(id));
  }

  updatePreview(id: string, change: UpdatePreview) {
    return this.of(this.client.deployments.updatePreview(id, change));
  }

  deletePreview(id: string) {
    return this.of(this.client.deployments.deletePreview(id));
  }

  createPreviewLink(id: string, expiresIn: number) {
    return this.of(this.client.deployments.createPreviewLink(id, { expires_in: expiresIn }));
  }

  /** The links to a preview that work, newest first. */
  previewLinks(id: string) {
    return this.of(this.client.deployments.previewLinks(id, { limit: 100 }));
  }

  revokePreviewLink(id: string, link: string) {
    return this.of(this.client.deployments.revokePreviewLink(id, link));
  }

  revokePreviewLinks(id: string) {
    return this.of(this.client.deployments.revokePreviewLinks(id));
  }

  deployConfigs() {
    return this.of(this.client.deployConfigs.list());
  }

  createDeployConfig(config: CreateDeployConfig) {
    return this.of(this.client.deployConfigs.create(config));
  }

  updateDeployConfig(id: string, change: UpdateDeployConfig) {
    return this.of(this.client.deployConfigs.update(id, change));
  }

  deleteDeployConfig(id: string) {
    return this.of(this.client.deployConfigs.delete(id));
  }

  workspaces() {
    return this.of(this.client.workspaces.list());
  }

  createWorkspace(name: string, description?: string) {
    return this.of(this.client.workspaces.create({ name, description: description ?? null }));
  }

  deleteWorkspace(id: string) {
    return this.of(this.client.workspaces.delete(id));
  }

  files(workspace: string, signal?: AbortSignal) {
    return this.of(this.client.workspaces.files(workspace, {}, { signal }));
  }

  upload(workspace: string, files: File[]) {
    return this.of(this.client.workspaces.upload(workspace, files));
  }

  async fileBlob(workspace: string, path: string): Promise<Blob> {
    return (await this.of(this.client.workspaces.download(workspace, path))).blob();
  }

  async fileStream(workspace: string, path: string): Promise<ReadableStream<Uint8Array>> {
    return (await this.of(this.client.workspaces.download(workspace, path))).body;
  }

  /** A file as text; none where it is larger than `most`, of which nothing is read then. */
  async fileText(workspace: string, path: string, most: number): Promise<string | null> {
    const file = await this.of(this.client.workspaces.download(workspace, path));
    let read = 0;
    const chunks: BlobPart[] = [];
    try {
      if ((file.size ?? 0) > most) return null;
      for await (const chunk of file) {
        read += chunk.byteLength;
        // Not every proxy says how much there is.
        if (read > most) return null;
        chunks.push(chunk as Uint8Array<ArrayBuffer>);
      }
    } finally {
      file.close();
    }
    return new Blob(chunks).text();
  }

  deleteFile(workspace: string, path: string) {
    return this.of(this.client.workspaces.deleteFile(workspace, path));
  }

  usage(query: { from?: string; to?: string; group_by: GroupBy }) {
    return this.of(this.client.usage.get(query));
  }

  models() {
    return this.of(this.client.models.list());
  }

  keys() {
    return this.of(this.client.keys.list());
  }

  createKey(key: CreateApiKey) {
    return this.of(this.client.keys.create(key));
  }

  revokeKey(id: string) {
    return this.client.keys.revoke(id);
  }

  webhooks() {
    return this.of(this.client.webhooks.list());
  }

  createWebhook(url: string, events: string[], description: string) {
    return this.of(this.client.webhooks.create({ url, events: events as CreateWebhook["events"], description: description || null }));
  }

  setWebhook(id: string, status: "enabled" | "disabled") {
    return this.of(this.client.webhooks.update(id, { status }));
  }

  deleteWebhook(id: string) {
    return this.of(this.client.webhooks.delete(id));
  }

  testWebhook(id: string) {
    return this.of(this.client.webhooks.test(id));
  }

  rotateWebhook(id: string) {
    return this.of(this.client.webhooks.rotateSecret(id));
  }

  deliveries(id: string) {
    return this.of(this.client.webhooks.deliveries(id, { limit: 50 }));
  }

  redeliver(id: string, delivery: string) {
    return this.of(this.client.webhooks.redeliver(id, delivery));
  }

  policy() {
    return this.of(this.client.approvals.policy());
  }

  setPolicy(policy: SetApprovalPolicy) {
    return this.of(this.client.approvals.setPolicy(policy));
  }

  health() {
    return this.client.server.health();
  }
}

/** The server's own sentence where there is one. */
export function told(error: unknown): string {
  if (error instanceof ApiError) return error.detail;
  return error instanceof Error ? error.message : String(error);
}
