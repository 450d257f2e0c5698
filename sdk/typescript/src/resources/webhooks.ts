/**
 * Webhooks: addresses that events are sent to, and what became of each event. What a receiver needs is in
 * `verifyWebhook`.
 */

import { byOffset, Paged } from "../paged.js";
import type { RequestOptions, Transport, WriteOptions } from "../transport.js";
import type {
  CreatedWebhook,
  CreateWebhook,
  Delivery,
  DeliveryList,
  RotatedSecret,
  UpdateWebhook,
  Webhook,
  WebhookTest,
} from "../types.js";

export interface ListDeliveries {
  /** 1 to 100, default 20. When iterating: how many are fetched at once. */
  limit?: number | undefined;
  offset?: number | undefined;
}

export class Webhooks {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** `POST /webhooks`: the answer holds the secret, this once. */
  create(webhook: CreateWebhook, options?: WriteOptions): Promise<CreatedWebhook> {
    return this.#transport.json({ method: "POST", path: ["webhooks"], json: webhook }, options);
  }

  /** `GET /webhooks`, newest first. */
  list(options?: RequestOptions): Promise<Webhook[]> {
    return this.#transport.json({ method: "GET", path: ["webhooks"] }, options);
  }

  /** `GET /webhooks/{id}`. */
  get(id: string, options?: RequestOptions): Promise<Webhook> {
    return this.#transport.json({ method: "GET", path: ["webhooks", id] }, options);
  }

  /** `PATCH /webhooks/{id}`: what is absent stays as it is. */
  update(id: string, change: UpdateWebhook, options?: RequestOptions): Promise<Webhook> {
    return this.#transport.json({ method: "PATCH", path: ["webhooks", id], json: change }, options);
  }

  /** `DELETE /webhooks/{id}`, with the list of its deliveries. */
  delete(id: string, options?: RequestOptions): Promise<void> {
    return this.#transport.delete(["webhooks", id], options);
  }

  /** `POST /webhooks/{id}/test`: sends one `webhook.ping` and says what came of it. */
  test(id: string, options?: WriteOptions): Promise<WebhookTest> {
    return this.#transport.json({ method: "POST", path: ["webhooks", id, "test"] }, options);
  }

  /** `POST /webhooks/{id}/rotate-secret`: for a day messages are signed with the old one, too. */
  rotateSecret(id: string, secret?: string, options?: WriteOptions): Promise<RotatedSecret> {
    return this.#transport.json({ method: "POST", path: ["webhooks", id, "rotate-secret"], json: { secret } }, options);
  }

  /** `GET /webhooks/{id}/deliveries`, newest first. */
  deliveries(id: string, query: ListDeliveries = {}, options?: RequestOptions): Paged<DeliveryList, Delivery> {
    const path = ["webhooks", id, "deliveries"];
    const fetch = (offset = query.offset): Promise<DeliveryList> =>
      this.#transport.json({ method: "GET", path, query: { ...query, offset } }, options);
    return new Paged(
      () => fetch(),
      () => byOffset(fetch, (page) => page.deliveries, query.offset),
    );
  }

  /** `POST /webhooks/{id}/deliveries/{delivery}/redeliver`: the event again, under its old id. */
  redeliver(id: string, deliveryId: string, options?: WriteOptions): Promise<Delivery> {
    const path = ["webhooks", id, "deliveries", deliveryId, "redeliver"];
    return this.#transport.json({ method: "POST", path }, options);
  }
}
