/**
 * Streams that are cut, refused, silent, doubled and torn to pieces, against a fake server.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ConnectionError,
  type ConnectionState,
  type Event,
  isLast,
  ProtocolError,
  UnauthorizedError,
} from "@miteos/sdk";
import { event, Fake, never, refusal, type Seen, sse } from "./support/fake.js";

const gone = () => new Response(null, { status: 204 });
const LAST = "task.complete";

/** A log of five events, from what was asked for on. */
function log(seen: Seen): string[] {
  const after = Number(seen.query.get("after") ?? 0);
  return [1, 2, 3, 4, 5].filter((seq) => seq > after).map((seq) => event(seq, seq === 5 ? LAST : "agent.message"));
}

async function seqs(stream: AsyncIterable<Event>): Promise<number[]> {
  const found: number[] = [];
  for await (const { seq } of stream) found.push(seq);
  return found;
}

test("a stream is read to its last event, and asks no more", async () => {
  const fake = new Fake((seen) => sse(log(seen))(seen));
  const stream = fake.client().tasks.stream("task_1");
  assert.deepEqual(await seqs(stream), [1, 2, 3, 4, 5]);
  assert.equal(stream.cursor, 5);
  assert.equal(fake.seen.length, 1);
  assert.equal(fake.seen[0]?.headers.get("accept"), "text/event-stream");
  assert.equal(fake.seen[0]?.query.get("after"), null);
  assert.deepEqual(await stream.next(), { done: true, value: undefined });
});

test("cut at every byte, in either way, it is the same", async () => {
  const whole = new TextEncoder().encode(
    [1, 2, 3, 4, 5].map((seq) => event(seq, seq === 5 ? LAST : "agent.message")).join(""),
  );
  for (const end of ["close", "break"] as const) {
    // Each connection lives for as many bytes as an event and a half at least, and gives up at a place of its own.
    for (let bytes = 300; bytes < 600; bytes += 7) {
      const fake = new Fake((seen) => {
        const rest = new TextEncoder().encode(log(seen).join(""));
        return sse([rest.subarray(0, bytes)], bytes < rest.length ? end : "close")(seen);
      });
      assert.deepEqual(await seqs(fake.client().tasks.stream("task_1")), [1, 2, 3, 4, 5], `${end} after ${bytes}`);
    }
  }
  for (let cut = 0; cut <= whole.length; cut += 1) {
    const fake = new Fake(sse([whole.subarray(0, cut), whole.subarray(cut)]));
    assert.deepEqual(await seqs(fake.client().tasks.stream("task_1")), [1, 2, 3, 4, 5], `in two at ${cut}`);
  }
});

test("every line ending, comments, a mark at the start, letters in pieces", async () => {
  const text = `\u{feff}: hello\n\nretry: 1000\n\n${event(1)}${event(2).replaceAll("\n", "\r\n")}: still here\r\r${event(3).replaceAll("\n", "\r")}id: 4\nunknown: x\n${event(4).replace("id: 4\n", "").replace("data: ", "data:")}${event(5, LAST)}`;
  const bytes = new TextEncoder().encode(text);
  for (const size of [1, 2, 3, 7, 64, bytes.length]) {
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
    const texts: unknown[] = [];
    for await (const { data } of new Fake(sse(chunks)).client().tasks.stream("task_1")) texts.push(data);
    assert.deepEqual(
      texts.map((data) => (data as { text: string }).text),
      ["ä 1", "ä 2", "ä 3", "ä 4", "ä 5"],
    );
  }
});

test("what comes twice is shown once, and what is missing is read again", async () => {
  const doubled = new Fake(sse([event(1), event(1), event(2), event(1), event(2), event(3, LAST)]));
  assert.deepEqual(await seqs(doubled.client().tasks.stream("task_1")), [1, 2, 3]);
  const holed = new Fake(sse([event(1), event(3, LAST)]), sse([event(2), event(3, LAST)]));
  assert.deepEqual(await seqs(holed.client().tasks.stream("task_1")), [1, 2, 3]);
  assert.equal(holed.seen[1]?.query.get("after"), "1");
});

test("it begins where it is told, and says how far it is", async () => {
  const fake = new Fake((seen) => sse(log(seen))(seen));
  const stream = fake.client().tasks.stream("task_1", { after: 3 });
  assert.deepEqual(await seqs(stream), [4, 5]);
  assert.equal(fake.seen[0]?.query.get("after"), "3");
});

test("with some types alone, positions move the cursor and the end is found out by asking", async () => {
  const fake = new Fake(sse([event(2), "id: 70\n\n", event(90)]), gone);
  const stream = fake.client().tasks.stream("task_1", { types: ["agent.message", "agent.result"] });
  assert.deepEqual(await seqs(stream), [2, 90]);
  assert.equal(fake.seen[0]?.query.get("types"), "agent.message,agent.result");
  assert.equal(fake.seen[1]?.query.get("after"), "90");
  const quiet = new Fake(sse(["id: 70\n\n"], "break"), gone);
  assert.deepEqual(await seqs(quiet.client().tasks.stream("task_1", { types: ["agent.error"] })), []);
  assert.equal(quiet.seen[1]?.query.get("after"), "70");
});

test("the account's log goes on by its own cursor and has no end", async () => {
  const fake = new Fake(
    sse([event(7, LAST, { cursor: 31 })]),
    refusal(503, "the server is stopping"),
    sse([event(1, "agent.message", { cursor: 32, task_id: "task_2" })], "hang"),
  );
  const found: [string | null, number | undefined][] = [];
  for await (const { task_id, cursor } of fake.client().events.stream({ after: 30 })) {
    found.push([task_id, cursor]);
    if (found.length === 2) break;
  }
  assert.deepEqual(found, [
    ["task_1", 31],
    ["task_2", 32],
  ]);
  assert.deepEqual(
    fake.seen.map(({ query }) => query.get("after")),
    ["30", "31", "31"],
  );
});

test("what will not change is thrown at once: the key, the task, an answer that is no stream", async () => {
  const fake = new Fake(sse([event(1)]), refusal(401, "this key was revoked"));
  const stream = fake.client().tasks.stream("task_1");
  const found: number[] = [];
  await assert.rejects(async () => {
    for await (const { seq } of stream) found.push(seq);
  }, UnauthorizedError);
  assert.deepEqual(found, [1]);
  assert.equal(stream.cursor, 1);
  await assert.rejects(seqs(new Fake(refusal(404, "there is no such task")).client().tasks.stream("task_1")), {
    status: 404,
  });
  await assert.rejects(seqs(new Fake(new Response("{}")).client().tasks.stream("task_1")), ProtocolError);
  await assert.rejects(seqs(new Fake(sse(["data: no json\n\n"])).client().tasks.stream("task_1")), ProtocolError);
  await assert.rejects(seqs(new Fake(sse(["data: {}\n\n"])).client().tasks.stream("task_1")), ProtocolError);
});

test("a frame without end is refused before it fills the memory", async () => {
  const piece = new TextEncoder().encode("a".repeat(1024 * 1024));
  const fake = new Fake(sse(new Array(64).fill(piece)));
  await assert.rejects(seqs(fake.client().tasks.stream("task_1")), /larger than any should be/);
});

test("the connection's states are told, and too many failures in a row end it", async () => {
  const states: ConnectionState[] = [];
  const fake = new Fake(
    sse([event(1)], "break"),
    new TypeError("refused"),
    refusal(429, "streams", { "retry-after": "0" }),
  );
  const stream = fake
    .client()
    .tasks.stream("task_1", { maxReconnects: 2, onConnection: (state) => states.push(state) });
  await assert.rejects(seqs(stream), { status: 429 });
  assert.deepEqual(
    states.map((each) => ("attempt" in each ? `${each.state} ${each.attempt}` : each.state)),
    ["connecting 1", "open", "connecting 1", "waiting 1", "connecting 2", "waiting 2", "connecting 3", "ended"],
  );
  const waiting = states.find((each) => each.state === "waiting");
  assert(waiting?.state === "waiting" && waiting.error instanceof ConnectionError && waiting.delayMs >= 100);
});

test("a silent connection is given up and opened anew", async () => {
  const fake = new Fake(sse([event(1)], "hang"), (seen) => sse(log(seen))(seen));
  assert.deepEqual(await seqs(fake.client().tasks.stream("task_1", { idleTimeout: 40 })), [1, 2, 3, 4, 5]);
  const refused = new Fake(never, sse([event(1, LAST)]));
  assert.deepEqual(await seqs(refused.client({ timeout: 40 }).tasks.stream("task_1")), [1]);
});

test("leaving the loop, close and an abort break the connection off, each in its way", async () => {
  const fake = new Fake(sse([event(1), event(2)], "hang"));
  for await (const { seq } of fake.client().tasks.stream("task_1")) if (seq === 2) break;
  assert(fake.seen[0]?.signal.aborted);
  const closed = fake.client().tasks.stream("task_1");
  await closed.next();
  await closed.next();
  const afterClose = closed.next();
  closed.close();
  assert.deepEqual(await afterClose, { done: true, value: undefined });
  const reason = new Error("enough");
  const aborting = new AbortController();
  const aborted = fake.client().tasks.stream("task_1", { signal: aborting.signal });
  await aborted.next();
  await aborted.next();
  const afterAbort = aborted.next();
  aborting.abort(reason);
  await assert.rejects(afterAbort, reason);
  await assert.rejects(seqs(fake.client().tasks.stream("task_1", { signal: AbortSignal.abort(reason) })), reason);
  assert(fake.seen.every(({ signal }) => signal.aborted));
  const down = new Fake(new TypeError("refused"));
  const between = new AbortController();
  setTimeout(() => between.abort(reason), 250);
  await assert.rejects(seqs(down.client().tasks.stream("task_1", { signal: between.signal })), reason);
});

test("a slow reader slows the sender: no more than a chunk is held", async () => {
  let handedOut = 0;
  const endless = (seen: Seen) => {
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          handedOut += 1;
          controller.enqueue(new TextEncoder().encode(event(handedOut)));
        },
      },
      { highWaterMark: 0 },
    );
    seen.signal.addEventListener("abort", () => undefined);
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  const stream = new Fake(endless).client().tasks.stream("task_1");
  for (let taken = 1; taken <= 50; taken += 1) {
    await stream.next();
    await new Promise((resolve) => setImmediate(resolve));
    assert(handedOut <= taken + 2, `${handedOut} were handed out when ${taken} were taken`);
  }
  await stream.return();
});

test("createAndWait hands over each event and gives the task as it is in the end", async () => {
  const task = { id: "task_1", status: "complete" };
  const fake = new Fake((seen) => {
    if (seen.path.endsWith("/events")) return sse(log(seen))(seen);
    return Response.json(task, { status: seen.method === "POST" ? 201 : 200 });
  });
  const found: Event[] = [];
  const ended = await fake.client().tasks.createAndWait({ prompt: "x" }, { onEvent: (each) => void found.push(each) });
  assert.deepEqual(ended, task);
  assert.equal(found.length, 5);
  assert(found.slice(0, 4).every((each) => !isLast(each)) && found.slice(4).every(isLast));
  await fake.client().tasks.wait("task_1");
  assert.equal(fake.seen.at(-2)?.query.get("types"), "task.complete,task.failed,task.cancelled");
});

test("a deployment's log brings each line once, and every change of its state, through cuts", async () => {
  const line = (no: number) => `id: ${no}\nevent: log\ndata: {"at":"x","text":"line ${no}"}\n\n`;
  const state = (status: string, no?: number) =>
    `${no === undefined ? "" : `id: ${no}\n`}event: status\ndata: {"status":"${status}"}\n\n`;
  const fake = new Fake(
    sse([line(1), state("building"), "event: later\ndata: {}\n\n"], "break"),
    sse([state("building")], "break"),
    sse([line(2), state("deploying"), line(3), state("live", 4)]),
  );
  const news: string[] = [];
  for await (const each of fake.client().deployments.stream("dep_1")) {
    news.push(each.type === "log" ? `${each.no} ${each.text}` : each.deployment.status);
  }
  assert.deepEqual(news, ["1 line 1", "building", "building", "2 line 2", "deploying", "3 line 3", "live"]);
  assert.deepEqual(
    fake.seen.map(({ query }) => query.get("after")),
    [null, "1", "1"],
  );
});
