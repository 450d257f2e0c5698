/**
 * Deploy configurations: whose account at which host. Their credentials are never shown again.
 */

import type { RequestOptions, Transport, WriteOptions } from "../transport.js";
import type { CreateDeployConfig, DeployConfig, UpdateDeployConfig } from "../types.js";

export class DeployConfigs {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** `POST /deploy-configs`: stored if the provider takes the credentials. */
  create(config: CreateDeployConfig, options?: WriteOptions): Promise<DeployConfig> {
    return this.#transport.json({ method: "POST", path: ["deploy-configs"], json: config }, options);
  }

  /** `GET /deploy-configs`, newest first. */
  list(options?: RequestOptions): Promise<DeployConfig[]> {
    return this.#transport.json({ method: "GET", path: ["deploy-configs"] }, options);
  }

  /** `GET /deploy-configs/{id}`. */
  get(id: string, options?: RequestOptions): Promise<DeployConfig> {
    return this.#transport.json({ method: "GET", path: ["deploy-configs", id] }, options);
  }

  /** `PATCH /deploy-configs/{id}`: what is absent stays as it is. */
  update(id: string, change: UpdateDeployConfig, options?: RequestOptions): Promise<DeployConfig> {
    return this.#transport.json({ method: "PATCH", path: ["deploy-configs", id], json: change }, options);
  }

  /** `DELETE /deploy-configs/{id}`: refused while a deployment uses it. */
  delete(id: string, options?: RequestOptions): Promise<void> {
    return this.#transport.delete(["deploy-configs", id], options);
  }
}
