/**
 * Approvals: what agents wait for a person to say, and when they ask at all.
 */

import { byOffset, Paged } from "../paged.js";
import type { RequestOptions, Transport, WriteOptions } from "../transport.js";
import type { Approval, ApprovalList, ApprovalPolicy, ApprovalStatus, SetApprovalPolicy } from "../types.js";

export interface ListApprovals {
  status?: ApprovalStatus | undefined;
  task_id?: string | undefined;
  /** 1 to 100, default 20. When iterating: how many are fetched at once. */
  limit?: number | undefined;
  offset?: number | undefined;
}

/** An approval, or as much of it as names it. */
export type ApprovalRef = Pick<Approval, "id" | "agent_id">;

export interface Approve {
  /** Arguments in place of the proposed ones. */
  input?: Record<string, unknown> | undefined;
  /** Told to the agent. */
  reason?: string | undefined;
}

export class Approvals {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** `GET /approvals`, newest first. */
  list(query: ListApprovals = {}, options?: RequestOptions): Paged<ApprovalList, Approval> {
    const fetch = (offset = query.offset): Promise<ApprovalList> =>
      this.#transport.json({ method: "GET", path: ["approvals"], query: { ...query, offset } }, options);
    return new Paged(
      () => fetch(),
      () => byOffset(fetch, (page) => page.approvals, query.offset),
    );
  }

  /** Lets the agent do what it asks for, or the same with other arguments. */
  approve(approval: ApprovalRef, how: Approve = {}, options?: WriteOptions): Promise<void> {
    return this.#decide(approval, { approved: true, ...how }, options);
  }

  /** Refuses; the agent is told why and goes on without. */
  reject(approval: ApprovalRef, reason?: string, options?: WriteOptions): Promise<void> {
    return this.#decide(approval, { approved: false, reason }, options);
  }

  /** `GET /approval-policy`: from which setting of the dial on each risk runs without asking. */
  policy(options?: RequestOptions): Promise<ApprovalPolicy> {
    return this.#transport.json({ method: "GET", path: ["approval-policy"] }, options);
  }

  /** `PUT /approval-policy`. What is absent gets its default. */
  setPolicy(policy: SetApprovalPolicy, options?: RequestOptions): Promise<ApprovalPolicy> {
    return this.#transport.json({ method: "PUT", path: ["approval-policy"], json: policy }, options);
  }

  #decide({ agent_id, id }: ApprovalRef, decision: object, options?: WriteOptions): Promise<void> {
    return this.#transport.command(
      { method: "POST", path: ["agents", agent_id, "approve", id], json: decision },
      options,
    );
  }
}
