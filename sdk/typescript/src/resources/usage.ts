/**
 * Usage: tokens, cost and tasks by day, task or model.
 */

import type { RequestOptions, Transport } from "../transport.js";
import type { GroupBy, Usage } from "../types.js";

export interface GetUsage {
  /** The first day, as `2026-11-22` or a time. Default: 30 days in all. */
  from?: string | undefined;
  /** The last day, included. Default: today. */
  to?: string | undefined;
  /** Default `day`. */
  group_by?: GroupBy | undefined;
  /** How many rows, of `group_by: "task"` alone. 1 to 100, default 20. */
  limit?: number | undefined;
  offset?: number | undefined;
}

export class UsageReports {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** `GET /usage`. */
  get(query: GetUsage = {}, options?: RequestOptions): Promise<Usage> {
    return this.#transport.json({ method: "GET", path: ["usage"], query }, options);
  }
}
