/**
 * Deployments: a workspace's output on its way to a host.
 */

import { download } from "../download.js";
import { ProtocolError } from "../errors.js";
import { byOffset, Paged } from "../paged.js";
import { type Frame, placeOf } from "../sse.js";
import { EventStream, type Log, type StreamOptions } from "../stream.js";
import type { RequestOptions, Transport, WriteOptions } from "../transport.js";
import type {
  CreateDeployment,
  CreatePreviewLink,
  Deployment,
  DeploymentList,
  DeploymentLogLine,
  ListedPreviewLink,
  Preview,
  PreviewLink,
  PreviewLinkList,
  PreviewList,
  UpdatePreview,
} from "../types.js";

export interface ListDeployments {
  workspace_id?: string | undefined;
  /** 1 to 100, default 20. When iterating: how many are fetched at once. */
  limit?: number | undefined;
  offset?: number | undefined;
}

/** Of previews, or of the links to one. */
export interface ListPreviews {
  /** 1 to 100, default 20. When iterating: how many are fetched at once. */
  limit?: number | undefined;
  offset?: number | undefined;
}

/** What a deployment's log brings: a line, or the deployment in a new state. */
export type DeploymentNews =
  | ({ type: "log"; no: number } & DeploymentLogLine)
  | { type: "status"; deployment: Deployment };

export class Deployments {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** `POST /deployments`. */
  create(deployment: CreateDeployment, options?: WriteOptions): Promise<Deployment> {
    return this.#transport.json({ method: "POST", path: ["deployments"], json: deployment }, options);
  }

  /** `GET /deployments`, newest first. */
  list(query: ListDeployments = {}, options?: RequestOptions): Paged<DeploymentList, Deployment> {
    const fetch = (offset = query.offset): Promise<DeploymentList> =>
      this.#transport.json({ method: "GET", path: ["deployments"], query: { ...query, offset } }, options);
    async function* items(): AsyncGenerator<Deployment, void> {
      const seen = new Set<string>();
      for (let offset = query.offset ?? 0; ; ) {
        const page = await fetch(offset);
        for (const item of page.data) {
          if (!seen.has(item.id)) yield item;
          seen.add(item.id);
        }
        offset += page.data.length;
        if (!page.has_more || page.data.length === 0) return;
      }
    }
    return new Paged(() => fetch(), items);
  }

  /** `GET /deployments/{id}`. */
  get(id: string, options?: RequestOptions): Promise<Deployment> {
    return this.#transport.json({ method: "GET", path: ["deployments", id] }, options);
  }

  /** `GET /deployments/{id}/logs`: the log so far, as text. */
  async log(id: string, options?: RequestOptions): Promise<string> {
    return (await download(this.#transport, ["deployments", id, "logs"], options)).text();
  }

  /**
   * `GET /deployments/{id}/logs` as it grows: lines, each once, and the deployment whenever its state has changed, to its
   * last state. Resumes by itself; after a cut the present state comes again.
   */
  stream(id: string, options: StreamOptions = {}): EventStream<DeploymentNews> {
    return new EventStream(this.#transport, deploymentLog(id), options);
  }

  /** `POST /deployments/{id}/cancel`: answers when its build is dead and the provider was told. */
  cancel(id: string, options?: WriteOptions): Promise<void> {
    return this.#transport.command({ method: "POST", path: ["deployments", id, "cancel"] }, options);
  }

  /** `POST /deployments/{id}/rollback`: makes an older one the live one again, without building. */
  rollback(id: string, options?: WriteOptions): Promise<Deployment> {
    return this.#transport.json({ method: "POST", path: ["deployments", id, "rollback"] }, options);
  }

  /** `GET /previews`: everything that this server shows of the account now, newest first. */
  previews(query: ListPreviews = {}, options?: RequestOptions): Paged<PreviewList, Preview> {
    const fetch = (offset = query.offset): Promise<PreviewList> =>
      this.#transport.json({ method: "GET", path: ["previews"], query: { ...query, offset } }, options);
    return new Paged(
      () => fetch(),
      () =>
        byOffset(
          fetch,
          (page) => page.previews,
          query.offset,
          (preview) => preview.deployment_id,
        ),
    );
  }

  /** `GET /deployments/{id}/preview`: what the server itself shows of a deployment with target `preview`. */
  preview(id: string, options?: RequestOptions): Promise<Preview> {
    return this.#transport.json({ method: "GET", path: ["deployments", id, "preview"] }, options);
  }

  /** `PATCH /deployments/{id}/preview`: who sees it, and until when. */
  updatePreview(id: string, changes: UpdatePreview, options?: WriteOptions): Promise<Preview> {
    return this.#transport.json({ method: "PATCH", path: ["deployments", id, "preview"], json: changes }, options);
  }

  /** `DELETE /deployments/{id}/preview`: nothing is at its address from then on. */
  deletePreview(id: string, options?: RequestOptions): Promise<void> {
    return this.#transport.delete(["deployments", id, "preview"], options);
  }

  /** `POST /deployments/{id}/preview/links`: a link that opens it, for seven days unless told otherwise. */
  createPreviewLink(id: string, link: CreatePreviewLink = {}, options?: WriteOptions): Promise<PreviewLink> {
    const path = ["deployments", id, "preview", "links"];
    return this.#transport.json({ method: "POST", path, json: link }, options);
  }

  /** `GET /deployments/{id}/preview/links`: those that work, newest first, without what opens them. */
  previewLinks(
    id: string,
    query: ListPreviews = {},
    options?: RequestOptions,
  ): Paged<PreviewLinkList, ListedPreviewLink> {
    const path = ["deployments", id, "preview", "links"];
    const fetch = (offset = query.offset): Promise<PreviewLinkList> =>
      this.#transport.json({ method: "GET", path, query: { ...query, offset } }, options);
    return new Paged(
      () => fetch(),
      () => byOffset(fetch, (page) => page.links, query.offset),
    );
  }

  /** `DELETE /deployments/{id}/preview/links/{link}`: neither it nor a browser that followed it opens the preview. */
  revokePreviewLink(id: string, link: string | Pick<PreviewLink, "id">, options?: RequestOptions): Promise<void> {
    const path = ["deployments", id, "preview", "links", typeof link === "string" ? link : link.id];
    return this.#transport.delete(path, options);
  }

  /** `DELETE /deployments/{id}/preview/links`: no link that was made so far opens it any more. */
  revokePreviewLinks(id: string, options?: RequestOptions): Promise<void> {
    return this.#transport.delete(["deployments", id, "preview", "links"], options);
  }
}

function deploymentLog(id: string): Log<DeploymentNews> {
  return {
    path: ["deployments", id, "logs"],
    gapless: false,
    read(frame) {
      const cursor = placeOf(frame);
      if (frame.event === "log" && cursor !== undefined) {
        return { cursor, value: { type: "log", no: cursor, ...parsed<DeploymentLogLine>(frame) }, last: false };
      }
      // A newer server may tell more.
      if (frame.event !== "status") return undefined;
      const deployment = parsed<Deployment>(frame);
      const last = deployment.status === "live" || deployment.status === "failed";
      return { cursor, value: { type: "status", deployment }, last };
    },
  };
}

function parsed<T>(frame: Frame): T {
  try {
    return JSON.parse(frame.data ?? "") as T;
  } catch (cause) {
    throw new ProtocolError("a deployment's log brings what is no JSON", { cause });
  }
}
