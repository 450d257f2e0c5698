/**
 * Models: what a task can run on, and what that costs.
 */

import type { RequestOptions, Transport } from "../transport.js";
import type { ModelList } from "../types.js";

export class Models {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** `GET /models`: those that the server has set up. A price that is not known is null, and not nothing. */
  list(options?: RequestOptions): Promise<ModelList> {
    return this.#transport.json({ method: "GET", path: ["models"] }, options);
  }
}
