/**
 * Workspaces: the folders that tasks work in, and the files in them.
 */

import { type Download, type DownloadOptions, download } from "../download.js";
import type { RequestOptions, Transport, WriteOptions } from "../transport.js";
import type { CreateWorkspace, Deliverable, Workspace, WorkspaceFile } from "../types.js";
import { type Uploadable, uploadOf } from "../upload.js";

export interface ListFiles {
  /** A folder inside the workspace. Default: everything. */
  path?: string | undefined;
}

export class Workspaces {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** `POST /workspaces`. */
  create(workspace: CreateWorkspace, options?: WriteOptions): Promise<Workspace> {
    return this.#transport.json({ method: "POST", path: ["workspaces"], json: workspace }, options);
  }

  /** `GET /workspaces`. */
  list(options?: RequestOptions): Promise<Workspace[]> {
    return this.#transport.json({ method: "GET", path: ["workspaces"] }, options);
  }

  /** `GET /workspaces/{id}`. */
  get(id: string, options?: RequestOptions): Promise<Workspace> {
    return this.#transport.json({ method: "GET", path: ["workspaces", id] }, options);
  }

  /** `DELETE /workspaces/{id}`: refused while a task is not finished in it. */
  delete(id: string, options?: RequestOptions): Promise<void> {
    return this.#transport.delete(["workspaces", id], options);
  }

  /** `GET /workspaces/{id}/files`, sorted by path. */
  files(id: string, query: ListFiles = {}, options?: RequestOptions): Promise<WorkspaceFile[]> {
    return this.#transport.json({ method: "GET", path: ["workspaces", id, "files"], query }, options);
  }

  /**
   * `POST /workspaces/{id}/files`: each replaces the file of its name, whole or not at all. Has no time limit unless one is
   * given. Answers with the files it wrote.
   */
  upload(id: string, files: Uploadable | readonly Uploadable[], options: WriteOptions = {}): Promise<WorkspaceFile[]> {
    const { body, repeatable } = uploadOf("length" in files ? files : [files]);
    return this.#transport.json(
      { method: "POST", path: ["workspaces", id, "files"], body },
      {
        ...options,
        timeout: options.timeout ?? Number.POSITIVE_INFINITY,
        maxRetries: repeatable ? options.maxRetries : 0,
      },
    );
  }

  /** `GET /workspaces/{id}/files/{path}/download`. */
  download(id: string, path: string, options?: DownloadOptions): Promise<Download> {
    return download(this.#transport, ["workspaces", id, "files", ...path.split("/"), "download"], options);
  }

  /** `DELETE /workspaces/{id}/files/{path}`. */
  deleteFile(id: string, path: string, options?: RequestOptions): Promise<void> {
    return this.#transport.delete(["workspaces", id, "files", ...path.split("/")], options);
  }

  /** `GET /workspaces/{id}/deliverables`: those of all its tasks. */
  deliverables(id: string, options?: RequestOptions): Promise<Deliverable[]> {
    return this.#transport.json({ method: "GET", path: ["workspaces", id, "deliverables"] }, options);
  }
}
