/**
 * Messages of webhooks: ours, old ones, altered ones, and signatures by more than one secret.
 */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { UsageError, verifyWebhook, WebhookVerificationError } from "@miteos/sdk";

const SECRET = `whsec_${Buffer.alloc(32, 1).toString("base64")}`;
const OTHER = `whsec_${Buffer.alloc(32, 2).toString("base64")}`;
const NOW = new Date("2026-11-22T10:00:00Z");
const BODY = JSON.stringify({ id: "evt_1", type: "task.complete", timestamp: NOW.toISOString(), data: { text: "ä" } });

function sign(secret: string, body = BODY, id = "evt_1", at = NOW): string {
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const signed = `${id}.${at.getTime() / 1000}.${body}`;
  return `v1,${createHmac("sha256", key).update(signed).digest("base64")}`;
}

function headers(signature: string, id = "evt_1", at = NOW): Record<string, string> {
  const timestamp = String(at.getTime() / 1000);
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature };
}

const refused = (promise: Promise<unknown>, why: RegExp) =>
  assert.rejects(promise, (error) => error instanceof WebhookVerificationError && why.test(error.message));

test("a message is read, whatever its body and headers are held in", async () => {
  const ours = headers(sign(SECRET));
  const upper = Object.fromEntries(Object.entries(ours).map(([name, value]) => [name.toUpperCase(), value]));
  for (const each of [ours, upper, new Headers(ours)]) {
    for (const body of [BODY, Buffer.from(BODY), new TextEncoder().encode(BODY).buffer as ArrayBuffer]) {
      const message = await verifyWebhook(body, each, SECRET, { now: NOW });
      assert.deepEqual(message, JSON.parse(BODY));
    }
  }
});

test("one of several signatures and one of several secrets is enough", async () => {
  const both = headers(`v2,abc ${sign(OTHER)} nonsense v1,% ${sign(SECRET)}`);
  await verifyWebhook(BODY, both, SECRET, { now: NOW });
  await verifyWebhook(BODY, both, OTHER, { now: NOW });
  await verifyWebhook(BODY, headers(sign(SECRET)), [OTHER, SECRET], { now: NOW });
  await refused(verifyWebhook(BODY, headers(sign(OTHER)), SECRET, { now: NOW }), /no signature/);
});

test("what was altered, cut or signed for another is refused", async () => {
  const ours = headers(sign(SECRET));
  const verify = (body: string, head: Record<string, string>) => verifyWebhook(body, head, SECRET, { now: NOW });
  await refused(verify(`${BODY} `, ours), /no signature/);
  await refused(verify(BODY, { ...ours, "webhook-id": "evt_2" }), /no signature/);
  await refused(verify(BODY, headers(sign(SECRET), "evt_1", new Date(NOW.getTime() + 1_000))), /no signature/);
  for (const signature of ["v1,", "v1", "", "v1,AAAA", sign(SECRET).replace("v1,", "v2,"), sign(SECRET).slice(0, -8)]) {
    await refused(verify(BODY, { ...ours, "webhook-signature": signature }), /no signature|missing/);
  }
  for (const name of Object.keys(ours)) {
    await refused(verify(BODY, { ...ours, [name]: "" }), new RegExp(`${name} is missing`));
  }
  const many = `${"v1,AAAA ".repeat(40)}${sign(SECRET)}`;
  await refused(verify(BODY, { ...ours, "webhook-signature": many }), /no signature/);
  await refused(verify("no json", headers(sign(SECRET, "no json"))), /no JSON/);
});

test("a message is good for five minutes, or for as long as one says", async () => {
  const at = (seconds: number) => new Date(NOW.getTime() + seconds * 1_000);
  const ours = headers(sign(SECRET));
  await verifyWebhook(BODY, ours, SECRET, { now: at(300) });
  await verifyWebhook(BODY, ours, SECRET, { now: at(-300) });
  await refused(verifyWebhook(BODY, ours, SECRET, { now: at(301) }), /too old/);
  await refused(verifyWebhook(BODY, ours, SECRET, { now: at(-301) }), /from the future/);
  await refused(verifyWebhook(BODY, ours, SECRET, { now: at(11), toleranceSeconds: 10 }), /too old/);
  await refused(verifyWebhook(BODY, ours, SECRET), /too old|from the future/);
  await refused(verifyWebhook(BODY, { ...ours, "webhook-timestamp": "now" }, SECRET), /holds no time/);
});

test("a secret that is none is a mistake of the program", async () => {
  for (const secret of ["", "whsec_", "c2VjcmV0", "whsec_%%"]) {
    await assert.rejects(verifyWebhook(BODY, headers(sign(SECRET)), secret, { now: NOW }), UsageError);
  }
  await assert.rejects(verifyWebhook(BODY, headers(sign(SECRET)), [], { now: NOW }), UsageError);
});
