/**
 * Connections that fall silent, calls that still run elsewhere, pauses that are somebody's wish. Against a fake server.
 */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import * as sdk from "@miteos/sdk";
import { Fake, json, never, refusal, type Seen } from "./support/fake.js";

const cut = new TypeError("fetch failed");
const FILE = new TextEncoder().encode("0123456789".repeat(10));

/** The first half of the file and then nothing; from its middle on, the rest. */
function halfThenSilence(seen: Seen): Response {
  const from = Number(/^bytes=(\d+)-/.exec(seen.headers.get("range") ?? "")?.[1] ?? 0);
  const chunks = from === 0 ? [FILE.subarray(0, 50)] : [FILE.subarray(from)];
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const chunk = chunks.shift();
        if (chunk !== undefined) controller.enqueue(chunk);
        else if (from > 0) controller.close();
        else return new Promise((_, reject) => seen.signal.addEventListener("abort", () => reject(seen.signal.reason)));
        return undefined;
      },
    },
    { highWaterMark: 0 },
  );
  const headers: Record<string, string> = { etag: '"one"', "content-length": String(FILE.length - from) };
  if (from > 0) headers["content-range"] = `bytes ${from}-${FILE.length - 1}/${FILE.length}`;
  return new Response(body, { status: from > 0 ? 206 : 200, headers });
}

test("a download whose connection falls silent is taken up", async () => {
  const fake = new Fake(halfThenSilence);
  const file = await fake.client().deliverables.download("task_1", "dlvr_1", { idleTimeout: 20 });
  assert.deepEqual(await file.bytes(), FILE);
  assert.deepEqual(
    fake.seen.map(({ headers }) => headers.get("range")),
    [null, "bytes=50-"],
  );
  assert.equal(fake.seen[0]?.signal.aborted, true);
});

test("a download that is closed in a pause, or while it is taken up, opens nothing and holds nothing open", async () => {
  const broken = (seen: Seen): Response => {
    const answer = halfThenSilence(seen);
    return new Response(new ReadableStream({ start: (controller) => controller.error(new TypeError("terminated")) }), {
      headers: answer.headers,
    });
  };
  const paused = new Fake(broken);
  const file = await paused.client().deliverables.download("task_1", "dlvr_1");
  const read = file.bytes().then(
    (bytes) => bytes.length,
    (error: unknown) => error,
  );
  await new Promise((resolve) => setImmediate(resolve));
  file.close();
  assert.equal(await read, 0);
  assert.equal(paused.seen.length, 1);

  const opening = new Fake(broken, never);
  const other = await opening.client().deliverables.download("task_1", "dlvr_1");
  const gone = other.bytes();
  while (opening.seen.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  other.close();
  assert.equal((await gone).length, 0);
  assert.equal(opening.seen[1]?.signal.aborted, true);
});

test("a call that still runs is waited for as long as any, and not by its retries", async () => {
  const running = refusal(409, "a request with this Idempotency-Key is being answered; send it again for its answer");
  const fake = new Fake(cut, running, running, running, json({ id: "task_1" }));
  assert.equal((await fake.client({ maxRetries: 1, timeout: 120_000 }).tasks.create({ prompt: "x" })).id, "task_1");
  assert.equal(fake.seen.length, 5);
  const forEver = new Fake(cut, running);
  await assert.rejects(forEver.client({ timeout: 30 }).tasks.create({ prompt: "x" }), (error) => {
    assert(error instanceof sdk.TimeoutError);
    assert(error.cause instanceof sdk.ConflictError);
    return true;
  });
});

test("a connection that breaks after long waiting for a call is tried again as any", async () => {
  const running = refusal(409, "a request with this Idempotency-Key is being answered; send it again for its answer");
  const fake = new Fake(cut, running, running, running, cut, json({ id: "task_1" }));
  assert.equal((await fake.client({ maxRetries: 2, timeout: 120_000 }).tasks.create({ prompt: "x" })).id, "task_1");
  assert.equal(fake.seen.length, 6);
});

test("a deletion that was refused before is not taken for one that was lost", async () => {
  const missing = refusal(404, "there is no such workspace");
  const busy = new Fake(refusal(503, "later"), missing);
  await assert.rejects(busy.client().workspaces.delete("ws_1"), sdk.NotFoundError);
  const gateway = new Fake(refusal(504, "no answer"), missing);
  await gateway.client().workspaces.delete("ws_1");
});

test("a download whose connection breaks behind its last byte is whole", async () => {
  const fake = new Fake(() => {
    let sent = false;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          if (sent) controller.error(new TypeError("terminated"));
          else controller.enqueue(FILE);
          sent = true;
        },
      },
      { highWaterMark: 0 },
    );
    return new Response(body, { headers: { etag: '"one"', "content-length": String(FILE.length) } });
  });
  assert.deepEqual(await (await fake.client().deliverables.download("task_1", "dlvr_1")).bytes(), FILE);
  assert.equal(fake.seen.length, 1);
});

test("a list that failed is asked for again", async () => {
  const fake = new Fake(refusal(403, "no"), json({ tasks: [], total: 0, limit: 20, offset: 0 }));
  const list = fake.client().tasks.list();
  await assert.rejects(async () => await list, sdk.ForbiddenError);
  assert.equal((await list).total, 0);
});

test("a key that was used for something else is said at once", async () => {
  const other = refusal(409, "this Idempotency-Key was used for a request with another body; use a new one");
  const fake = new Fake(cut, other);
  await assert.rejects(fake.client().tasks.create({ prompt: "x" }, { idempotencyKey: "mine" }), sdk.ConflictError);
  assert.equal(fake.seen.length, 2);
});

/** As a browser: what listens for its network coming back. */
async function online(run: (back: () => void) => Promise<void>): Promise<void> {
  const target = new EventTarget();
  const add = target.addEventListener.bind(target);
  const remove = target.removeEventListener.bind(target);
  Object.assign(globalThis, { addEventListener: add, removeEventListener: remove });
  try {
    await run(() => target.dispatchEvent(new Event("online")));
  } finally {
    for (const name of ["addEventListener", "removeEventListener"]) Reflect.deleteProperty(globalThis, name);
  }
}

test("a network that comes back ends a pause of ours, and none that the server asked for", async () => {
  await online(async (back) => {
    const asked = new Fake(refusal(429, "too many", { "retry-after": "1" }), json({ id: "task_1" }));
    const began = Date.now();
    const call = asked.client().tasks.get("task_1");
    const nudge = setInterval(back, 10);
    await call;
    clearInterval(nudge);
    assert(Date.now() - began >= 900, `it came after ${Date.now() - began} ms`);
  });
});

test("a list that is awaited twice is asked for once", async () => {
  const fake = new Fake(json({ tasks: [], total: 0, limit: 20, offset: 0 }));
  const list = fake.client().tasks.list();
  const [one, two] = await Promise.all([list, list]);
  assert.equal(one, two);
  await list.finally(() => undefined);
  assert.equal(fake.seen.length, 1);
});

test("the headers of any library are read", async () => {
  const secret = Buffer.from("a secret of some length");
  const body = JSON.stringify({ id: "evt_1", type: "task.complete", timestamp: "2026-11-22T10:00:00Z", data: {} });
  const now = Math.floor(Date.now() / 1000);
  const signature = createHmac("sha256", secret).update(`evt_1.${now}.${body}`).digest("base64");
  const values = new Map([
    ["webhook-id", "evt_1"],
    ["webhook-timestamp", String(now)],
    ["webhook-signature", `v1,${signature}`],
  ]);
  // As those of another realm: a Headers by what it does, and not by its class.
  const foreign = { get: (name: string) => values.get(name.toLowerCase()) ?? null } as unknown as Headers;
  const message = await sdk.verifyWebhook(body, foreign, `whsec_${secret.toString("base64")}`);
  assert.equal(message.type, "task.complete");
});
