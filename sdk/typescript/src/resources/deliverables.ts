/**
 * Deliverables: the files that tasks handed over. They never change.
 */

import { type Download, type DownloadOptions, download } from "../download.js";
import { byOffset, Paged } from "../paged.js";
import type { RequestOptions, Transport, WriteOptions } from "../transport.js";
import type { Deliverable, Deployment, Share, SharedDeliverable, ShareList } from "../types.js";

export interface ShareOptions extends WriteOptions {
  /** Seconds from now. Without it the link works until it is revoked. */
  expiresIn?: number | undefined;
}

export interface ListShares {
  deliverable_id?: string | undefined;
  /** 1 to 100, default 20. When iterating: how many are fetched at once. */
  limit?: number | undefined;
  offset?: number | undefined;
}

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

  /** `POST /tasks/{id}/deliverables/{file_id}/share`: a link that anybody can download the file with. */
  share(taskId: string, file: string | Pick<Deliverable, "id">, options: ShareOptions = {}): Promise<Share> {
    const id = typeof file === "string" ? file : file.id;
    const { expiresIn, ...rest } = options;
    const path = ["tasks", taskId, "deliverables", id, "share"];
    return this.#transport.json({ method: "POST", path, json: { expires_in: expiresIn } }, rest);
  }

  /** `POST /tasks/{id}/deliverables/{file_id}/stage`: a page, or an archive of a site, at an address of its own. */
  stage(taskId: string, file: string | Pick<Deliverable, "id">, options?: WriteOptions): Promise<Deployment> {
    const id = typeof file === "string" ? file : file.id;
    return this.#transport.json({ method: "POST", path: ["tasks", taskId, "deliverables", id, "stage"] }, options);
  }

  /** `GET /shares`: the account's links that work, newest first, without what opens them. */
  shares(query: ListShares = {}, options?: RequestOptions): Paged<ShareList, SharedDeliverable> {
    const fetch = (offset = query.offset): Promise<ShareList> =>
      this.#transport.json({ method: "GET", path: ["shares"], query: { ...query, offset } }, options);
    return new Paged(
      () => fetch(),
      () => byOffset(fetch, (page) => page.shares, query.offset),
    );
  }

  /** `DELETE /tasks/{id}/deliverables/{file_id}/share`: no link to the file leads anywhere from then on. */
  revokeShares(taskId: string, file: string | Pick<Deliverable, "id">, options?: RequestOptions): Promise<void> {
    const id = typeof file === "string" ? file : file.id;
    return this.#transport.delete(["tasks", taskId, "deliverables", id, "share"], options);
  }

  /** `DELETE /shares/{id}`: the link leads nowhere from then on. */
  revokeShare(id: string, options?: RequestOptions): Promise<void> {
    return this.#transport.delete(["shares", id], options);
  }
}
