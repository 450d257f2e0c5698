/**
 * One call with everything that can happen to it: retries, pauses, time limits, aborts, errors. Against a fake server.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import * as sdk from "@miteos/sdk";
import { Fake, json, never, refusal, sse } from "./support/fake.js";

const { Miteos } = sdk;
const ok = json({ success: true });
const cut = new TypeError("fetch failed");

test("a POST keeps its idempotency key across retries, and each call has its own", async () => {
  const fake = new Fake(cut, refusal(503, "the server is stopping"), json({ id: "task_1" }));
  const client = fake.client();
  await client.tasks.create({ prompt: "x" });
  await client.tasks.create({ prompt: "x" });
  const keys = fake.seen.map(({ headers }) => headers.get("idempotency-key"));
  assert.equal(keys.length, 4);
  assert.match(keys[0] ?? "", /^[0-9a-f]{32}$/);
  assert.deepEqual(keys.slice(0, 3), [keys[0], keys[0], keys[0]]);
  assert.notEqual(keys[3], keys[0]);
  await client.tasks.create({ prompt: "x" }, { idempotencyKey: "mine" });
  assert.equal(fake.seen.at(-1)?.headers.get("idempotency-key"), "mine");
  await assert.rejects(client.tasks.create({ prompt: "x" }, { idempotencyKey: "ä" }), sdk.UsageError);
});

test("only a POST has an idempotency key", async () => {
  const fake = new Fake(ok);
  const client = fake.client();
  await client.tasks.get("task_1");
  await client.tasks.update("task_1", { autonomy_level: 10 });
  await client.workspaces.delete("ws_1");
  assert.deepEqual(
    fake.seen.map(({ method, headers }) => [method, headers.get("idempotency-key")]),
    [
      ["GET", null],
      ["PATCH", null],
      ["DELETE", null],
    ],
  );
});

test("what may pass is tried again, and nothing else", async () => {
  for (const status of [408, 429, 500, 502, 503, 504]) {
    const fake = new Fake(refusal(status, "a moment"), json({ id: "task_1" }));
    await fake.client().tasks.get("task_1");
    assert.equal(fake.seen.length, 2, String(status));
  }
  for (const status of [400, 401, 403, 404, 409, 413, 422]) {
    const fake = new Fake(refusal(status, "no"));
    await assert.rejects(fake.client().tasks.create({ prompt: "x" }), { status });
    assert.equal(fake.seen.length, 1, String(status));
  }
});

test("a twin that is still being answered is waited for, but only after an attempt was lost", async () => {
  const fake = new Fake(
    cut,
    refusal(409, "a request with this Idempotency-Key is being answered"),
    json({ id: "task_1" }),
  );
  assert.equal((await fake.client().tasks.create({ prompt: "x" })).id, "task_1");
  assert.equal(fake.seen.length, 3);
});

test("it gives up after its retries and says why", async () => {
  const fake = new Fake(cut);
  await assert.rejects(fake.client({ maxRetries: 2 }).tasks.get("task_1"), (error) => {
    assert(error instanceof sdk.ConnectionError);
    assert.equal(error.cause, cut);
    return true;
  });
  assert.equal(fake.seen.length, 3);
  await assert.rejects(fake.client({ maxRetries: 2 }).tasks.get("task_1", { maxRetries: 0 }), sdk.ConnectionError);
  assert.equal(fake.seen.length, 4);
});

test("Retry-After is waited for, in seconds and as a date, unless it is too long", async () => {
  const began = Date.now();
  const soon = new Date(Date.now() + 2_000).toUTCString();
  const fake = new Fake(
    refusal(429, "try again in 1 s", { "retry-after": "1" }),
    refusal(429, "try again", { "retry-after": soon }),
    json({ id: "task_1" }),
  );
  await fake.client().tasks.get("task_1");
  // A timer may ring a moment early.
  assert(Date.now() - began >= 950);
  const long = new Fake(refusal(429, "try again in an hour", { "retry-after": "3600" }));
  await assert.rejects(long.client().tasks.get("task_1"), { name: "RateLimitError", retryAfterMs: 3_600_000 });
  assert.equal(long.seen.length, 1);
});

test("an attempt that takes too long is ended and tried again", async () => {
  const fake = new Fake(never, json({ id: "task_1" }));
  assert.equal((await fake.client({ timeout: 20 }).tasks.get("task_1")).id, "task_1");
  const silent = new Fake(never);
  await assert.rejects(silent.client().tasks.get("task_1", { timeout: 20, maxRetries: 1 }), sdk.TimeoutError);
  assert.equal(silent.seen.length, 2);
  const halfway = new Fake(sse(['{"id":'], "hang"));
  await assert.rejects(halfway.client().tasks.get("task_1", { timeout: 20, maxRetries: 0 }), sdk.TimeoutError);
});

test("an abort ends a call before it is sent, while it is answered and between its attempts", async () => {
  const reason = new Error("enough");
  const fake = new Fake(never);
  await assert.rejects(fake.client().tasks.get("task_1", { signal: AbortSignal.abort(reason) }), reason);
  assert.equal(fake.seen.length, 0);
  const during = new AbortController();
  const answered = fake.client().tasks.get("task_1", { signal: during.signal });
  setTimeout(() => during.abort(reason), 10);
  await assert.rejects(answered, reason);
  const between = new AbortController();
  const waiting = new Fake(() => {
    setTimeout(() => between.abort(reason), 10);
    return refusal(429, "later", { "retry-after": "30" });
  });
  await assert.rejects(waiting.client().tasks.get("task_1", { signal: between.signal }), reason);
});

test("a deletion whose answer was lost is done when nothing is there any more", async () => {
  const lost = new Fake(cut, refusal(404, "there is no such workspace"));
  await lost.client().workspaces.delete("ws_1");
  const missing = new Fake(refusal(404, "there is no such workspace"));
  await assert.rejects(missing.client().workspaces.delete("ws_1"), sdk.NotFoundError);
});

test("each status has its class, with everything that the server said", async () => {
  const classes = {
    400: sdk.BadRequestError,
    401: sdk.UnauthorizedError,
    403: sdk.ForbiddenError,
    404: sdk.NotFoundError,
    409: sdk.ConflictError,
    413: sdk.TooLargeError,
    422: sdk.RefusedError,
    429: sdk.RateLimitError,
    500: sdk.ServerError,
    503: sdk.ServerError,
    418: sdk.ApiError,
  };
  for (const [status, type] of Object.entries(classes)) {
    const fake = new Fake(refusal(Number(status), "this key lacks the scope tasks.read"));
    await assert.rejects(fake.client({ maxRetries: 0 }).tasks.get("task_1"), (error) => {
      assert(error instanceof type && error instanceof sdk.ApiError && error instanceof sdk.MiteosError, status);
      assert.equal(error.status, Number(status));
      assert.equal(error.detail, "this key lacks the scope tasks.read");
      assert.equal(error.requestId, "req_1");
      assert.equal(error.method, "GET");
      assert.equal(error.path, "/v1/tasks/task_1");
      assert.equal(error.message, `this key lacks the scope tasks.read (${status}, req_1)`);
      if (error instanceof sdk.ForbiddenError) assert.equal(error.scope, "tasks.read");
      return true;
    });
  }
});

test("the field that a refusal is about is read from its sentence", async () => {
  const cases: [string, string | undefined, number?][] = [
    ["config.max_agents is 21; it must be 1 to 20", "config.max_agents"],
    ["limit is 0; it must be 1 to 100", "limit"],
    ["url: 10.0.0.7 is a private address", "url"],
    ["secret must be whsec_ and then base64", "secret"],
    ["the body is not as expected: missing field `prompt` at line 1 column 2", "prompt", 400],
    ["the query is not as expected: limit: invalid digit found in string", "limit", 400],
    ["the task is complete; it cannot be changed any more", undefined],
    ["there is already a workspace with the name x", undefined],
    ["agent agnt_1 is complete", undefined],
    ["limit is 0", undefined, 404],
  ];
  for (const [detail, param, status = 422] of cases) {
    await assert.rejects(new Fake(refusal(status, detail)).client().tasks.get("task_1"), { detail, param });
  }
});

test("answers that are none of ours are said to be so", async () => {
  const page = new Fake(new Response("<html>Bad gateway</html>", { status: 404 }));
  await assert.rejects(page.client().tasks.get("task_1"), {
    detail: "the server answered 404: <html>Bad gateway</html>",
  });
  const text = new Fake(new Response("<html>hello</html>"));
  await assert.rejects(text.client().tasks.get("task_1"), sdk.ProtocolError);
  const moved = new Fake(new Response(null, { status: 301, headers: { location: "https://else.invalid/" } }));
  await assert.rejects(moved.client().tasks.create({ prompt: "x" }), (error) => {
    assert(error instanceof sdk.ProtocolError);
    assert.match(error.message, /redirects to https:\/\/else\.invalid\//);
    return true;
  });
  assert.equal(moved.seen.length, 1);
  const unsuccessful = new Fake(json({ success: false }));
  await assert.rejects(unsuccessful.client().tasks.pause("task_1"), sdk.ProtocolError);
});

test("names cannot climb out of their place in an address", async () => {
  const fake = new Fake(ok);
  await fake.client().tasks.cancel("a/../b?c#d");
  assert.equal(fake.seen[0]?.path, "/v1/tasks/a%2F..%2Fb%3Fc%23d/cancel");
  for (const bad of ["", ".", ".."]) await assert.rejects(fake.client().tasks.cancel(bad), sdk.UsageError);
  await assert.rejects(fake.client().workspaces.download("ws_1", "a/../b"), sdk.UsageError);
  assert.equal(fake.seen.length, 1);
});

test("the client takes its settings from where they are, and refuses what cannot be right", () => {
  const env = { ...process.env };
  try {
    delete process.env["MITEOS_URL"];
    delete process.env["MITEOS_API_KEY"];
    assert.throws(() => new Miteos(), sdk.UsageError);
    process.env["MITEOS_API_KEY"] = "mt_test_env";
    assert.equal(new Miteos().baseUrl, "http://127.0.0.1:7700");
    process.env["MITEOS_URL"] = "https://miteos.example/base/v1/";
    assert.equal(new Miteos().baseUrl, "https://miteos.example/base");
    for (const baseUrl of ["", "h:1", "ftp://h", "http://user:pw@h"]) {
      assert.throws(() => new Miteos({ baseUrl }), sdk.UsageError, baseUrl);
    }
    assert.throws(() => new Miteos({ apiKey: "mt_live_\n" }), sdk.UsageError);
  } finally {
    process.env = env;
  }
});

test("the key is sent as a header and shown nowhere", async () => {
  const fake = new Fake(json({ id: "task_1" }), refusal(404, "no"));
  const client = fake.client({ apiKey: "mt_test_secret" });
  await client.tasks.get("task_1");
  assert.equal(fake.seen[0]?.headers.get("authorization"), "Bearer mt_test_secret");
  const error = await client.tasks.get("task_1").catch((error: unknown) => error);
  assert.doesNotMatch(inspect(client, { depth: 9, showHidden: true }) + inspect(error, { depth: 9 }), /secret/);
  assert.equal(JSON.stringify(client).includes("secret"), false);
});

test("a server that is not ready says what is wrong, and that is no error", async () => {
  const checks = [{ name: "storage", ok: false, detail: "it does not take writes" }];
  const fake = new Fake(json({ status: "unavailable", checks }, 503));
  assert.deepEqual(await fake.client().server.readiness(), { status: "unavailable", checks });
  assert.equal(fake.seen.length, 1);
});
