/**
 * API keys: making, listing, revoking them.
 */

import type { RequestOptions, Transport, WriteOptions } from "../transport.js";
import type { ApiKey, CreateApiKey, CreatedApiKey } from "../types.js";

export class Keys {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** `POST /api-keys`: the answer holds the key, this once. */
  create(key: CreateApiKey, options?: WriteOptions): Promise<CreatedApiKey> {
    return this.#transport.json({ method: "POST", path: ["api-keys"], json: key }, options);
  }

  /** `GET /api-keys`. */
  list(options?: RequestOptions): Promise<ApiKey[]> {
    return this.#transport.json({ method: "GET", path: ["api-keys"] }, options);
  }

  /** `DELETE /api-keys/{id}`: it opens nothing any more, at once. */
  revoke(id: string, options?: RequestOptions): Promise<void> {
    return this.#transport.delete(["api-keys", id], options);
  }
}
