// The page's way to the server: the SDK, and nothing beside it. What the page needs of it, by the page's own words.

import {
  ApiError, Miteos, UnauthorizedError, type ConnectionState, type CreateApiKey, type CreateWebhook, type EventType, type SetApprovalPolicy,
} from "@miteos/sdk";
import type { CreateTask, Event, GroupBy, TaskStatus } from "./types";

/** A page that stays open waits as long as it takes. */
const NEVER_GIVE_UP = Number.POSITIVE_INFINITY;
/** Files are shown up to this size; larger ones are downloaded. */
export const MAX_SHOWN_BYTES = 2 * 1024 * 1024;

export class Api {
  readonly client: Miteos;
  private readonly expired: () => void;

  constructor(key: string, expired: () => void) {
    this.client = new Miteos({ apiKey: key, baseUrl: location.origin });
    this.expired = expired;
  }

  /** Whether the key opens this server at all; a lacking scope is no reason to stay outside. */
  async check(): Promise<void> {
    try {
      await this.client.tasks.list({ limit: 1 }, { maxRetries: 1 });
    } catch (error) {
      if (error instanceof ApiError && error.status === 403) return;
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

  tasks(query: { status?: TaskStatus | undefined; workspace_id?: string | undefined; limit: number; offset?: number }) {
    return this.of(this.client.tasks.list(query));
  }

  task(id: string) {
    return this.of(this.client.tasks.get(id));
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

  followTask(id: string, after: number, signal: AbortSignal): AsyncIterable<Event> {
    return this.client.tasks.stream(id, { after, signal, maxReconnects: NEVER_GIVE_UP });
  }

  followAccount(
    after: number | undefined, types: readonly string[], signal: AbortSignal, onConnection: (state: ConnectionState) => void,
  ) {
    return this.client.events.stream({ after, types: types as EventType[], signal, onConnection, maxReconnects: NEVER_GIVE_UP });
  }

  pendingApprovals() {
    return this.of(this.client.approvals.list({ status: "pending", limit: 100 }));
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

  workspaces() {
    return this.of(this.client.workspaces.list());
  }

  createWorkspace(name: string, description?: string) {
    return this.of(this.client.workspaces.create({ name, description: description ?? null }));
  }

  deleteWorkspace(id: string) {
    return this.of(this.client.workspaces.delete(id));
  }

  files(workspace: string) {
    return this.of(this.client.workspaces.files(workspace));
  }

  upload(workspace: string, files: File[]) {
    return this.of(this.client.workspaces.upload(workspace, files));
  }

  async fileBlob(workspace: string, path: string): Promise<Blob> {
    return (await this.of(this.client.workspaces.download(workspace, path))).blob();
  }

  deleteFile(workspace: string, path: string) {
    return this.of(this.client.workspaces.deleteFile(workspace, path));
  }

  usage(query: { from?: string; to?: string; group_by: GroupBy }) {
    return this.of(this.client.usage.get(query));
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
