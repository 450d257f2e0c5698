/**
 * Against the real server in test mode: what the contract says, as people would use it.
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  createReadStream,
  createWriteStream,
  mkdtempSync,
  openAsBlob,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { after, before, test } from "node:test";
import {
  type Event,
  type Miteos,
  RefusedError,
  UnauthorizedError,
  verifyWebhook,
  type WebhookMessage,
} from "@miteos/sdk";
import { Server, until } from "./support/server.js";

let server: Server;
let client: Miteos;

before(async () => {
  server = await Server.start();
  client = server.client();
});
after(() => server.stop());

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** Fails unless the events are the log, event for event. */
async function assertIsLog(events: Event[], id: string): Promise<void> {
  assert.deepEqual(events, await all(client.tasks.events(id, { limit: 7 })));
  assert.deepEqual(
    events.map(({ seq }) => seq),
    events.map((_, index) => index + 1),
  );
}

test("a task from its prompt to its file", async () => {
  const events: Event[] = [];
  const task = await client.tasks.createAndWait(
    { prompt: "Compare them [test:agents=3] [test:deliverable=100KB]", config: { max_agents: 3 } },
    { onEvent: (event) => void events.push(event) },
  );
  assert.equal(task.status, "complete");
  assert.equal(task.agents.length, 3);
  assert.deepEqual(task.approvals, []);
  await assertIsLog(events, task.id);
  const file = (await client.tasks.deliverables(task.id)).find(({ size_bytes }) => size_bytes === 100_000);
  assert(file !== undefined);
  const bytes = await (await client.deliverables.download(task.id, file)).bytes();
  assert.equal(createHash("sha256").update(bytes).digest("hex"), file.sha256);
  const part = await client.deliverables.download(task.id, file.id, { range: { start: 10, end: 19 } });
  assert.deepEqual(await part.bytes(), bytes.subarray(10, 20));
  assert.equal(part.name, file.name);
  const rows = await all(client.tasks.list({ limit: 1 }));
  assert(rows.some(({ id }) => id === task.id));
  assert((await client.tasks.listCompleted()).tasks.some(({ id }) => id === task.id));
  assert((await client.tasks.list({ status: "complete" })).total >= 1);
});

test("agents are guided, paused, resumed and cancelled", async () => {
  const task = await client.tasks.create({ prompt: "Take your time [test:slow=5m] [test:agents=3]" });
  const agents = await until("two agents at work", async () => {
    const found = await client.agents.list({ task_id: task.id });
    return found.length >= 2 && found;
  });
  const [one, two] = agents;
  assert(one !== undefined && two !== undefined);
  await client.agents.guide(one.id, "Keep it short");
  await client.agents.pause(one.id);
  await client.agents.pause(one.id);
  await client.agents.resume(one.id);
  await client.agents.cancel(two.id);
  await client.tasks.guide(task.id, "All of you");
  assert.equal(
    (await client.tasks.update(task.id, { autonomy_level: 10, budget_cents: 500 })).config.budget_cents,
    500,
  );
  await client.tasks.pause(task.id);
  await client.tasks.resume(task.id);
  await client.tasks.cancel(task.id);
  const ended = await client.tasks.wait(task.id);
  assert.equal(ended.status, "cancelled");
  const guided = await all(client.tasks.events(task.id, { types: ["agent.guided"] }));
  assert.equal(guided[0]?.data.message, "Keep it short");
  await assert.rejects(client.tasks.guide(task.id, "Too late"), RefusedError);
});

test("approvals are rejected with a reason and approved with another input", async () => {
  const waiting = async (id: string) => {
    for await (const { data } of client.tasks.stream(id, { types: ["approval.required"] })) return data;
    throw new Error("nothing was asked");
  };
  const task = await client.tasks.create({ prompt: "Send the report [test:approval]" });
  const approval = await waiting(task.id);
  assert((await client.approvals.list({ status: "pending" })).approvals.some(({ id }) => id === approval.id));
  await client.approvals.reject(approval, "not today");
  await client.approvals.reject(approval, "not today");
  await assert.rejects(client.approvals.approve(approval), RefusedError);
  const ended = await client.tasks.wait(task.id);
  assert.equal(ended.status, "complete");
  const [resolved] = await all(client.tasks.events(task.id, { types: ["approval.resolved"] }));
  assert.deepEqual([resolved?.data.status, resolved?.data.reason], ["rejected", "not today"]);

  const second = await client.tasks.create({ prompt: "Send the report [test:approval]" });
  const asked = await waiting(second.id);
  await client.approvals.approve(asked, { input: asked.input as Record<string, unknown>, reason: "go on" });
  assert.equal((await client.tasks.wait(second.id)).status, "complete");
  const policy = await client.approvals.policy();
  assert.deepEqual(await client.approvals.setPolicy({ ...policy, tools: { web_search: "always" } }), {
    ...policy,
    tools: { web_search: "always" },
  });
  await client.approvals.setPolicy({});
});

test("files go into a workspace and come out of it, from memory, disk and streams", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "miteos-sdk-files-"));
  try {
    const big = path.join(folder, "big.bin");
    const content = Buffer.alloc(3_000_000, "0123456789abcdef");
    writeFileSync(big, content);
    const workspace = await client.workspaces.create({ name: `files ${Date.now()}` });
    const written = await client.workspaces.upload(workspace.id, [
      { path: "notes/ä ?#%25.txt", data: "hello" },
      { path: "disk.bin", data: await openAsBlob(big) },
    ]);
    assert.deepEqual(written.map((file) => [file.path, file.size_bytes]).sort(), [
      ["disk.bin", 3_000_000],
      ["notes/ä ?#%25.txt", 5],
    ]);
    await client.workspaces.upload(workspace.id, { path: "streamed.bin", data: createReadStream(big) });
    await client.workspaces.upload(workspace.id, { path: "again.bin", data: () => createReadStream(big) });
    const paths = (await client.workspaces.files(workspace.id)).map((file) => file.path);
    assert.deepEqual(paths, ["again.bin", "disk.bin", "notes", "notes/ä ?#%25.txt", "streamed.bin"]);
    assert.equal((await client.workspaces.files(workspace.id, { path: "notes" })).length, 1);
    assert.equal(await (await client.workspaces.download(workspace.id, "notes/ä ?#%25.txt")).text(), "hello");
    for (const name of ["disk.bin", "streamed.bin", "again.bin"]) {
      const file = await client.workspaces.download(workspace.id, name);
      const copy = path.join(folder, "copy");
      await pipeline(Readable.fromWeb(file.body as import("node:stream/web").ReadableStream), createWriteStream(copy));
      assert(readFileSync(copy).equals(content), name);
    }
    await client.workspaces.deleteFile(workspace.id, "notes/ä ?#%25.txt");
    assert.equal((await client.workspaces.files(workspace.id, { path: "notes" })).length, 0);
    assert.deepEqual(await client.workspaces.deliverables(workspace.id), []);
    assert.equal((await client.workspaces.get(workspace.id)).file_count, 3);
    assert((await client.workspaces.list()).some(({ id }) => id === workspace.id));
    await client.workspaces.delete(workspace.id);
    await assert.rejects(client.workspaces.get(workspace.id), { status: 404 });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("messages of webhooks are verified, also after the secret was changed", async () => {
  const received: { body: Buffer; headers: import("node:http").IncomingHttpHeaders }[] = [];
  const receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      received.push({ body: Buffer.concat(chunks), headers: request.headers });
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  try {
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
    const made = await client.webhooks.create({ url, events: ["task.complete"], description: "tests" });
    assert((await client.webhooks.test(made.id)).ok);
    const { secret } = await client.webhooks.rotateSecret(made.id);
    const task = await client.tasks.createAndWait({ prompt: "Write a short note" });
    await until("the event arrives", async () => received.length >= 2);
    const messages: WebhookMessage[] = [];
    for (const { body, headers } of received) {
      messages.push(await verifyWebhook(body, headers, [made.secret]));
    }
    assert.deepEqual(messages.map(({ type }) => type).sort(), ["task.complete", "webhook.ping"]);
    const [last] = received.slice(-1);
    assert(last !== undefined);
    const message = await verifyWebhook(last.body, last.headers, secret);
    assert(message.type === "task.complete" && message.data.task_id === task.id);
    const [delivery] = await all(client.webhooks.deliveries(made.id));
    assert.equal(delivery?.event_id, message.id);
    await client.webhooks.redeliver(made.id, delivery?.id ?? "");
    await until("it comes again", async () => received.length >= 3);
    assert.equal((await client.webhooks.update(made.id, { status: "disabled" })).status, "disabled");
    assert.equal((await client.webhooks.get(made.id)).description, "tests");
    assert.equal((await client.webhooks.list()).length, 1);
    await client.webhooks.delete(made.id);
  } finally {
    receiver.close();
  }
});

test("keys are made and revoked, usage is counted, the server says how it is", async () => {
  const made = await client.keys.create({ name: "reader", environment: "test", scopes: ["tasks.read"], tier: "pro" });
  const reader = server.client({ apiKey: made.key });
  await reader.tasks.list();
  await assert.rejects(reader.tasks.create({ prompt: "x" }), { status: 403, scope: "tasks.write" });
  await client.keys.revoke(made.id);
  await assert.rejects(reader.tasks.list(), UnauthorizedError);
  assert(!(await client.keys.list()).some(({ id }) => id === made.id));
  const usage = await client.usage.get({ group_by: "model" });
  assert.equal(usage.group_by, "model");
  assert.equal((await client.server.health()).status, "ok");
  assert.equal((await client.server.readiness()).status, "ready");
});

test("refusals say which field they are about", async () => {
  await assert.rejects(client.tasks.create({ prompt: "x", config: { max_agents: 21 } }), {
    name: "RefusedError",
    param: "config.max_agents",
  });
  await assert.rejects(client.tasks.list({ limit: 0 }), { name: "RefusedError", param: "limit" });
  await assert.rejects(client.tasks.create({} as { prompt: string }), { name: "BadRequestError", param: "prompt" });
});

test("a POST that is repeated with its key does nothing twice", async () => {
  const first = await client.tasks.create({ prompt: "Only one" }, { idempotencyKey: "only-one" });
  const second = await client.tasks.create({ prompt: "Only one" }, { idempotencyKey: "only-one" });
  assert.equal(second.id, first.id);
  await assert.rejects(client.tasks.create({ prompt: "Another" }, { idempotencyKey: "only-one" }), { status: 409 });
});

test("a deployment is followed through its states and its log", async () => {
  const workspace = await client.workspaces.create({ name: "site" });
  await client.workspaces.upload(workspace.id, { path: "index.html", data: "<h1>hello</h1>" });
  const config = await client.deployConfigs.create({
    name: "our site",
    target: "netlify",
    credentials: { token: "nfp_test" },
    settings: { site: "our-site" },
  });
  const account = client.events.stream({ after: 0, types: ["deployment.live"] });
  const made = await client.deployments.create({ workspace_id: workspace.id, target: "netlify", config_id: config.id });
  const states: string[] = [];
  const lines: string[] = [];
  for await (const news of client.deployments.stream(made.id)) {
    if (news.type === "log") lines.push(news.text);
    else states.push(news.deployment.status);
  }
  assert.equal(states.at(-1), "live");
  const log = await client.deployments.log(made.id);
  assert(lines.every((line) => log.includes(line)));
  const { value: live } = await account.next();
  assert(live?.type === "deployment.live" && live.task_id === null && live.deployment_id === made.id);
  account.close();
  assert.deepEqual(live.data, await client.deployments.get(made.id));
  assert.deepEqual(
    (await all(client.deployments.list({ limit: 1 }))).map(({ id }) => id),
    [made.id],
  );
  await assert.rejects(client.deployments.cancel(made.id), RefusedError);
  assert.equal((await client.deployConfigs.update(config.id, { name: "another" })).name, "another");
  assert.equal((await client.deployConfigs.get(config.id)).name, "another");
  await client.deployConfigs.delete(config.id);
  assert.deepEqual(await client.deployConfigs.list(), []);
});
