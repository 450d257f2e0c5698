/**
 * The server itself: whether it is up, and whether it can take work.
 */

import type { RequestOptions, Transport } from "../transport.js";
import type { Health, Readiness } from "../types.js";

export class Server {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** `GET /healthz`: the process is up, and which version it is. */
  health(options?: RequestOptions): Promise<Health> {
    return this.#transport.json({ method: "GET", path: ["healthz"] }, options);
  }

  /** `GET /readyz`: what works and what does not. */
  readiness(options?: RequestOptions): Promise<Readiness> {
    return this.#transport.json({ method: "GET", path: ["readyz"], alsoFine: [503] }, options);
  }
}
