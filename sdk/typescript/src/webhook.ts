/**
 * What a receiver of webhooks needs: whether a message is ours, and what it says. Follows Standard Webhooks. Needs
 * WebCrypto, which Node, Deno, Bun, edge runtimes and browsers on https have.
 */

import { UsageError, WebhookVerificationError } from "./errors.js";
import type { Event, EventType } from "./types.js";

/** Seconds that a message's time may lie from ours. */
const TOLERANCE_SECONDS = 300;
/** Signatures of one message that are looked at; a server sends two at the most. */
const MAX_SIGNATURES = 16;

/** A message with an event, or the test message. */
export type WebhookMessage = WebhookEvent | WebhookPing;

export interface WebhookEvent {
  /** The event's id, and the header `webhook-id`: the same on every attempt. Remember those you have seen. */
  id: string;
  type: EventType;
  /** When it happened. */
  timestamp: string;
  /** The event, as the task's log shows it. */
  data: Event;
}

export interface WebhookPing {
  id: string;
  type: "webhook.ping";
  timestamp: string;
  data: { webhook_id: string; message: string };
}

/** Headers as `fetch` or Node have them. */
export type WebhookHeaders = Headers | Readonly<Record<string, string | readonly string[] | undefined>>;

export interface VerifyOptions {
  /** Seconds that the message's time may lie before or behind ours. Default 300. */
  toleranceSeconds?: number | undefined;
  /** Ours. Default: the present. */
  now?: Date | undefined;
}

/**
 * Reads a message, if one of the secrets signed it and it is fresh; else throws [`WebhookVerificationError`]. `body` must
 * be what came, byte for byte, before anything was read from it.
 */
export async function verifyWebhook(
  body: string | ArrayBuffer | ArrayBufferView,
  headers: WebhookHeaders,
  secret: string | readonly string[],
  options: VerifyOptions = {},
): Promise<WebhookMessage> {
  const keys = (typeof secret === "string" ? [secret] : secret).map(secretBytes);
  if (keys.length === 0) throw new UsageError("there is no secret to verify with");
  const id = header(headers, "webhook-id");
  const timestamp = header(headers, "webhook-timestamp");
  checkTime(timestamp, options);
  const signed = new Blob([`${id}.${timestamp}.`, body as BlobPart]);
  const signatures = signaturesOf(header(headers, "webhook-signature"));
  if (!(await isSigned(await signed.arrayBuffer(), signatures, keys))) {
    throw new WebhookVerificationError("no signature of the message was made with this secret");
  }
  const text = typeof body === "string" ? body : new TextDecoder().decode(body);
  try {
    return JSON.parse(text) as WebhookMessage;
  } catch (cause) {
    throw new WebhookVerificationError("the message is signed, and no JSON", { cause });
  }
}

function header(headers: WebhookHeaders, name: string): string {
  let value: string | readonly string[] | null | undefined;
  // Not by its class: each library, and each realm, has a Headers of its own.
  if (isHeaders(headers)) value = headers.get(name);
  else value = headers[Object.keys(headers).find((key) => key.toLowerCase() === name) ?? name];
  if (typeof value === "string" && value !== "") return value;
  throw new WebhookVerificationError(`the header ${name} is missing`);
}

function isHeaders(headers: WebhookHeaders): headers is Headers {
  return typeof (headers as { get?: unknown }).get === "function";
}

function checkTime(timestamp: string, options: VerifyOptions): void {
  const seconds = /^\d{1,15}$/.test(timestamp) ? Number(timestamp) : Number.NaN;
  const now = (options.now?.getTime() ?? Date.now()) / 1000;
  const away = now - seconds;
  if (Math.abs(away) <= (options.toleranceSeconds ?? TOLERANCE_SECONDS)) return;
  if (Number.isNaN(away)) throw new WebhookVerificationError("the header webhook-timestamp holds no time");
  throw new WebhookVerificationError(away > 0 ? "the message is too old" : "the message is from the future");
}

/** Those of the version that is known here. */
function signaturesOf(text: string): Uint8Array<ArrayBuffer>[] {
  const parts = text.split(" ", MAX_SIGNATURES);
  return parts.flatMap((part) => {
    const bytes = part.startsWith("v1,") ? base64(part.slice(3)) : undefined;
    return bytes === undefined ? [] : [bytes];
  });
}

async function isSigned(
  signed: ArrayBuffer,
  signatures: Uint8Array<ArrayBuffer>[],
  secrets: Uint8Array<ArrayBuffer>[],
): Promise<boolean> {
  for (const secret of secrets) {
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("raw", secret, algorithm, false, ["verify"]);
    for (const signature of signatures) {
      // Compares in constant time.
      if (await crypto.subtle.verify("HMAC", key, signature, signed)) return true;
    }
  }
  return false;
}

function secretBytes(secret: string): Uint8Array<ArrayBuffer> {
  const bytes = secret.startsWith("whsec_") ? base64(secret.slice("whsec_".length)) : undefined;
  if (bytes === undefined || bytes.length === 0)
    throw new UsageError("a secret of a webhook is whsec_ and base64 behind it");
  return bytes;
}

function base64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    return undefined;
  }
}
