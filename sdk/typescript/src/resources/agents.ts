/**
 * Agents: looking at one, and steering it.
 */

import type { RequestOptions, Transport, WriteOptions } from "../transport.js";
import type { Agent, DecideApproval } from "../types.js";

export interface ListAgents {
  /** Those of one task. Default: all. */
  task_id?: string | undefined;
}

export class Agents {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** `GET /agents`, in the order in which they began. */
  list(query: ListAgents = {}, options?: RequestOptions): Promise<Agent[]> {
    return this.#transport.json({ method: "GET", path: ["agents"], query }, options);
  }

  /** `GET /agents/{id}`. */
  get(id: string, options?: RequestOptions): Promise<Agent> {
    return this.#transport.json({ method: "GET", path: ["agents", id] }, options);
  }

  /** `POST /agents/{id}/pause`: the tool call under way finishes first. */
  pause(id: string, options?: WriteOptions): Promise<void> {
    return this.#transport.command({ method: "POST", path: ["agents", id, "pause"] }, options);
  }

  /** `POST /agents/{id}/resume`: goes on from where it was. */
  resume(id: string, options?: WriteOptions): Promise<void> {
    return this.#transport.command({ method: "POST", path: ["agents", id, "resume"] }, options);
  }

  /** `POST /agents/{id}/cancel`: final. The others go on; what depends on it is skipped. */
  cancel(id: string, options?: WriteOptions): Promise<void> {
    return this.#transport.command({ method: "POST", path: ["agents", id, "cancel"] }, options);
  }

  /** `POST /agents/{id}/guide`: words for its next model call. */
  guide(id: string, message: string, options?: WriteOptions): Promise<void> {
    return this.#transport.command({ method: "POST", path: ["agents", id, "guide"], json: { message } }, options);
  }

  /** `POST /agents/{id}/approve/{approval_id}`: the answer to what it waits for. See also `client.approvals`. */
  decide(id: string, approvalId: string, decision: DecideApproval, options?: WriteOptions): Promise<void> {
    const path = ["agents", id, "approve", approvalId];
    return this.#transport.command({ method: "POST", path, json: decision }, options);
  }
}
