/**
 * Against the real server: streams that are cut at every event, and a server that is killed in their middle. What comes out
 * must be the log, event for event.
 */

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import type { Event } from "@miteos/sdk";
import { CuttingProxy } from "./support/proxy.js";
import { Server, until } from "./support/server.js";

let server: Server;

beforeEach(async () => {
  server = await Server.start();
});
afterEach(() => server.stop());

const PROMPT = { prompt: "Compare them [test:agents=3]" };

async function logOf(id: string): Promise<Event[]> {
  const events: Event[] = [];
  for await (const event of server.client().tasks.events(id)) events.push(event);
  return events;
}

/** The place behind the `n`th event in these bytes, if it is in them. */
function behindEvent(sent: Buffer, n: number): number | undefined {
  let at = -1;
  for (let found = 0; found < n; found += 1) {
    at = sent.indexOf("\nevent: ", at + 1);
    if (at === -1) return undefined;
  }
  const end = sent.indexOf("\n\n", at);
  return end === -1 ? undefined : end + 2;
}

test("cut behind every event and in the middle of every event, a stream is the log", async () => {
  const { id } = await server.client().tasks.createAndWait(PROMPT);
  const log = await logOf(id);
  for (const place of ["behind", "inside"] as const) {
    // Inside: half of the second event of a connection has come when it breaks.
    const proxy = await CuttingProxy.start(server.url, (sent) => {
      const first = behindEvent(sent, 1);
      if (first === undefined || place === "behind") return first;
      const second = behindEvent(sent, 2);
      return second === undefined ? undefined : Math.floor((first + second) / 2);
    });
    const events: Event[] = [];
    const stream = server.client({ baseUrl: proxy.url }).tasks.stream(id);
    for await (const event of stream) events.push(event);
    assert.deepEqual(events, log);
    assert(proxy.connections >= log.length - 1, `${proxy.connections} connections for ${log.length} events`);
    await proxy.stop();
  }
});

test("a running task is followed through cuts, by several readers at their own pace", async () => {
  const proxy = await CuttingProxy.start(server.url, (sent, connection) =>
    connection % 3 === 2 ? undefined : behindEvent(sent, 1),
  );
  const client = server.client({ baseUrl: proxy.url });
  const { id } = await server.client().tasks.create({ prompt: "Compare them [test:agents=5] [test:slow=200ms]" });
  const follow = async (pauseMs: number) => {
    const events: Event[] = [];
    for await (const event of client.tasks.stream(id)) {
      events.push(event);
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    return events;
  };
  const [one, two, three] = await Promise.all([follow(0), follow(1), follow(10)]);
  const log = await logOf(id);
  assert.deepEqual(one, log);
  assert.deepEqual(two, log);
  assert.deepEqual(three, log);
  await proxy.stop();
});

test("a server that is killed and started again loses and doubles nothing for those who follow", async () => {
  const client = server.client();
  const { id } = await client.tasks.create({ prompt: "Compare them [test:agents=5] [test:slow=500ms]" });
  const account = client.events.stream({ after: 0 });
  const seen: { events: Event[]; of: Event[] } = { events: [], of: [] };
  let kills = 0;
  const following = (async () => {
    for await (const event of client.tasks.stream(id)) seen.events.push(event);
  })();
  const watching = (async () => {
    for await (const event of account) {
      seen.of.push(event);
      if (event.type === "task.complete") return;
    }
  })();
  for (const at of [4, 12, 20]) {
    await until(`event ${at}`, async () => seen.events.length >= at);
    await server.kill();
    await server.start();
    kills += 1;
  }
  await Promise.all([following, watching]);
  assert.equal(kills, 3);
  const log = await logOf(id);
  assert.deepEqual(seen.events, log);
  assert.equal(log.at(-1)?.type, "task.complete");
  const bare = seen.of.map(({ cursor: _, ...event }) => event);
  assert.deepEqual(bare, log);
  const cursors = seen.of.map(({ cursor }) => cursor ?? 0);
  assert.deepEqual(
    cursors,
    [...cursors].sort((a, b) => a - b),
  );
  assert.equal(new Set(cursors).size, cursors.length);
});

test("an account is followed from now on, and what happens while the line is cut is not lost", async (context) => {
  const client = server.client();
  await client.tasks.createAndWait(PROMPT);
  // The first connection breaks as soon as it has told where it is, and nobody gets through before the next task is over.
  let cuts = 0;
  let over = false;
  const proxy = await CuttingProxy.start(server.url, (sent, connection) => {
    if (over) return undefined;
    cuts += 1;
    const at = sent.indexOf("\nid: ");
    return connection === 0 && at !== -1 ? sent.indexOf("\n\n", at) + 2 : 0;
  });
  const stream = server.client({ baseUrl: proxy.url }).events.stream();
  context.after(async () => {
    stream.close();
    await proxy.stop();
  });
  const first = stream.next();
  await until("the cut", async () => cuts > 0);
  const task = await client.tasks.createAndWait(PROMPT);
  over = true;
  const { value } = await first;
  assert(value !== undefined);
  const events: Event[] = [value];
  while (events.at(-1)?.type !== "task.complete") {
    const { value } = await stream.next();
    assert(value !== undefined);
    events.push(value);
  }
  assert.deepEqual(
    events.map(({ cursor: _, ...event }) => event),
    await logOf(task.id),
  );
});

test("a POST whose answer is lost makes one task", async () => {
  const proxy = await CuttingProxy.start(server.url, (_, connection) => (connection < 2 ? 0 : undefined));
  const task = await server.client({ baseUrl: proxy.url }).tasks.create(PROMPT);
  assert.equal(proxy.connections, 3);
  const { tasks, total } = await server.client().tasks.list();
  assert.deepEqual([total, tasks[0]?.id], [1, task.id]);
  await proxy.stop();
});

test("a file whose connection breaks again and again arrives whole", async () => {
  const { id } = await server.client().tasks.createAndWait({ prompt: "Write it [test:deliverable=3MB]" });
  const file = (await server.client().tasks.deliverables(id)).find(({ size_bytes }) => size_bytes === 3_000_000);
  assert(file !== undefined);
  const sent = new Map<number, number>();
  const proxy = await CuttingProxy.start(server.url, (chunk, connection) => {
    const before = sent.get(connection) ?? 0;
    sent.set(connection, before + chunk.length);
    return before + chunk.length > 700_000 ? Math.max(0, 700_000 - before) : undefined;
  });
  const client = server.client({ baseUrl: proxy.url });
  const cut = await (await client.deliverables.download(id, file)).bytes();
  assert.deepEqual(cut, await (await server.client().deliverables.download(id, file)).bytes());
  assert(proxy.connections >= 5);
  await proxy.stop();
});
