/**
 * Deliverables: the files that tasks handed over. They never change.
 */

import { type Download, type DownloadOptions, download } from "../download.js";
import type { RequestOptions, Transport } from "../transport.js";
import type { Deliverable } from "../types.js";

export class Deliverables {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** `GET /tasks/{id}/deliverables`, with links that work for an hour. */
  list(taskId: string, options?: RequestOptions): Promise<Deliverable[]> {
    return this.#transport.json({ method: "GET", path: ["tasks", taskId, "deliverables"] }, options);
  }

  /** `GET /tasks/{id}/deliverables/{file_id}/download`; resumed where it broke off. */
  download(taskId: string, file: string | Pick<Deliverable, "id">, options?: DownloadOptions): Promise<Download> {
    const id = typeof file === "string" ? file : file.id;
    return download(this.#transport, ["tasks", taskId, "deliverables", id, "download"], options);
  }
}
