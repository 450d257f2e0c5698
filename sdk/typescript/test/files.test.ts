/**
 * Downloads that break off and uploads that are sent again, against a fake server.
 */

import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { ConnectionError, ProtocolError, UsageError } from "@miteos/sdk";
import { Fake, json, refusal, type Seen } from "./support/fake.js";

const FILE = new TextEncoder().encode("0123456789".repeat(100));

/** Answers as the server does, and breaks off after so many bytes of each answer. */
function serve(
  breakAfter: number,
  more: { etag?: () => string; ranges?: boolean; headers?: Record<string, string> } = {},
) {
  return (seen: Seen): Response => {
    const etag = more.etag?.() ?? '"one"';
    const asked = /^bytes=(\d+)-(\d*)$/.exec(seen.headers.get("range") ?? "");
    const condition = seen.headers.get("if-range");
    const partial = more.ranges !== false && asked !== null && (condition === null || condition === etag);
    const from = partial ? Number(asked[1]) : 0;
    const to = partial && asked[2] ? Number(asked[2]) : FILE.length - 1;
    const bytes = FILE.subarray(from, to + 1);
    const passing = [bytes.subarray(0, breakAfter)];
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          const chunk = passing.shift();
          if (chunk !== undefined) controller.enqueue(chunk);
          else if (breakAfter < bytes.length) controller.error(new TypeError("terminated"));
          else controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    const headers = {
      etag,
      "content-type": "text/csv",
      "content-length": String(bytes.length),
      "content-disposition": "attachment; filename*=UTF-8''m%C3%A4rz%2Fsales.csv",
      ...(partial ? { "content-range": `bytes ${from}-${to}/${FILE.length}` } : {}),
      ...more.headers,
    };
    return new Response(body, { status: partial ? 206 : 200, headers });
  };
}

const download = (fake: Fake, options = {}) => fake.client().deliverables.download("task_1", "dlvr_1", options);

test("a file comes with what is known of it, in each way that it can be read", async () => {
  const fake = new Fake(serve(10_000));
  const file = await download(fake);
  assert.deepEqual([file.name, file.type, file.size, file.etag], ["märz/sales.csv", "text/csv", 1_000, '"one"']);
  assert.equal(await file.text(), new TextDecoder().decode(FILE));
  assert.deepEqual(await (await download(fake)).bytes(), FILE);
  assert.equal((await (await download(fake)).blob()).type, "text/csv");
  assert.deepEqual(new Uint8Array(await new Response((await download(fake)).body).arrayBuffer()), FILE);
  const chunks: Uint8Array[] = [];
  for await (const chunk of await download(fake)) chunks.push(chunk);
  assert.deepEqual(new Uint8Array(Buffer.concat(chunks)), FILE);
  assert.equal(fake.seen[0]?.path, "/v1/tasks/task_1/deliverables/dlvr_1/download");
});

test("a file that breaks off is taken up where it broke, and so is a part of one", async () => {
  const fake = new Fake(serve(300));
  assert.deepEqual(await (await download(fake)).bytes(), FILE);
  assert.deepEqual(
    fake.seen.map(({ headers }) => headers.get("range")),
    [null, "bytes=300-", "bytes=600-", "bytes=900-"],
  );
  assert.equal(fake.seen[1]?.headers.get("if-range"), '"one"');
  const part = new Fake(serve(300));
  assert.deepEqual(await (await download(part, { range: { start: 100, end: 499 } })).bytes(), FILE.subarray(100, 500));
  assert.equal(part.seen[1]?.headers.get("range"), "bytes=400-499");
});

test("a file that changed meanwhile, or that cannot be taken up, is an error and no mixture", async () => {
  let version = 0;
  const changed = new Fake(serve(300, { etag: () => `"${++version}"` }));
  await assert.rejects(
    download(changed).then((file) => file.bytes()),
    ProtocolError,
  );
  const weak = new Fake(serve(300, { etag: () => 'W/"one"' }));
  await assert.rejects(
    download(weak).then((file) => file.bytes()),
    ConnectionError,
  );
  assert.equal(weak.seen.length, 1);
  const whole = new Fake(serve(1_000, { ranges: false }));
  await assert.rejects(download(whole, { range: { start: 5 } }), ProtocolError);
  const short = new Fake(serve(1_000, { etag: () => 'W/"one"', headers: { "content-length": "1001" } }));
  await assert.rejects(
    download(short).then((file) => file.bytes()),
    /1000 bytes came, 1001 were promised/,
  );
});

test("it gives up after its retries, and at once when it is aborted or gone", async () => {
  const down = new Fake(serve(300), refusal(503, "the server is stopping"));
  await assert.rejects(
    download(down, { maxRetries: 2 }).then((file) => file.bytes()),
    { status: 503 },
  );
  assert.equal(down.seen.length, 3);
  const gone = new Fake(serve(300), refusal(404, "there is no such deliverable"));
  await assert.rejects(
    download(gone).then((file) => file.bytes()),
    { status: 404 },
  );
  const reason = new Error("enough");
  const aborting = new AbortController();
  const file = await download(new Fake(serve(300)), { signal: aborting.signal });
  await assert.rejects(async () => {
    for await (const _ of file) aborting.abort(reason);
  }, reason);
});

test("leaving a download breaks it off", async () => {
  const fake = new Fake(serve(300));
  for await (const _ of await download(fake)) break;
  await (await download(fake)).body.cancel();
  (await download(fake)).close();
  assert.equal(fake.seen.length, 3);
  assert(fake.seen.every(({ signal }) => signal.aborted));
});

const HEAD = 'content-disposition: form-data; name="file"; filename=';

test("files keep their folders, cannot break out of their headers, and are sent again as they were", async () => {
  const fake = new Fake(new TypeError("fetch failed"), json([], 201));
  const bytes = new Uint8Array([9, 104, 105, 9]).subarray(1, 3);
  await fake
    .client()
    .workspaces.upload("ws_1", [
      { path: 'a/ü "1".txt', data: "one" },
      { path: "x\r\ny", data: bytes },
      new File(["three"], "three.txt"),
    ]);
  const [first, second] = fake.seen;
  assert.equal(first?.body, second?.body);
  assert.equal(first?.headers.get("idempotency-key"), second?.headers.get("idempotency-key"));
  const boundary = /boundary=(.+)$/.exec(second?.headers.get("content-type") ?? "")?.[1];
  const part = (name: string, data: string) =>
    `--${boundary}\r\n${HEAD}"${name}"\r\ncontent-type: application/octet-stream\r\n\r\n${data}\r\n`;
  assert.equal(
    second?.body,
    `${part("a/ü %221%22.txt", "one")}${part("x%0D%0Ay", "hi")}${part("three.txt", "three")}--${boundary}--\r\n`,
  );
});

test("a stream is sent once, one that can be made anew is sent again", async () => {
  const make = () => Readable.from([Buffer.from("on"), Buffer.from("e")]);
  const once = new Fake(new TypeError("fetch failed"));
  await assert.rejects(once.client().workspaces.upload("ws_1", { path: "a", data: make() }), ConnectionError);
  assert.equal(once.seen.length, 1);
  assert.match(once.seen[0]?.body ?? "", /\r\n\r\none\r\n--/);
  const anew = new Fake(new TypeError("fetch failed"), json([], 201));
  await anew.client().workspaces.upload("ws_1", { path: "a", data: make });
  assert.equal(anew.seen.length, 2);
  assert.equal(anew.seen[0]?.body, anew.seen[1]?.body);
  const web = new Fake(json([], 201));
  await web.client().workspaces.upload("ws_1", [
    { path: "a", data: new Blob(["one"]).stream() },
    { path: "b", data: "two" },
  ]);
  assert.match(web.seen[0]?.body ?? "", /one\r\n--.*two\r\n--/s);
  await assert.rejects(async () => web.client().workspaces.upload("ws_1", []), UsageError);
});

const CHUNK = 1024 * 1024;
const CHUNKS = 96;
/** What a file of 96 MiB may keep in memory on its way (bytes). */
const MAX_HELD = 40 * CHUNK;

/** Bytes of buffers that are still used. */
function held(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().arrayBuffers;
}

async function listening(listener: RequestListener, work: (baseUrl: string) => Promise<void>): Promise<void> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test("a large file goes up as it comes and is not kept", async () => {
  let received = 0;
  const take: RequestListener = (request, response) => {
    request.on("data", (chunk: Buffer) => {
      received += chunk.length;
    });
    request.on("end", () => response.writeHead(201, { "content-type": "application/json" }).end("[]"));
  };
  await listening(take, async (baseUrl) => {
    const before = held();
    let most = 0;
    async function* data() {
      for (let chunk = 0; chunk < CHUNKS; chunk += 1) {
        yield Buffer.alloc(CHUNK, chunk);
        if (chunk % 16 === 15) most = Math.max(most, held() - before);
      }
    }
    await new Fake().client({ baseUrl, fetch }).workspaces.upload("ws_1", { path: "big", data });
    assert(received > CHUNKS * CHUNK);
    assert(most < MAX_HELD, `${most} bytes were held`);
  });
});

test("a large file comes down as it is read and is not kept", async () => {
  const give: RequestListener = (_, response) => {
    response.writeHead(200, { "content-length": CHUNKS * CHUNK });
    Readable.from(
      (function* () {
        for (let chunk = 0; chunk < CHUNKS; chunk += 1) yield Buffer.alloc(CHUNK, chunk);
      })(),
    ).pipe(response);
  };
  await listening(give, async (baseUrl) => {
    const before = held();
    let [most, read, next] = [0, 0, 0];
    for await (const chunk of await new Fake().client({ baseUrl, fetch }).workspaces.download("ws_1", "big")) {
      read += chunk.length;
      if (read < next) continue;
      next = read + 16 * CHUNK;
      most = Math.max(most, held() - before);
    }
    assert.equal(read, CHUNKS * CHUNK);
    assert(most < MAX_HELD, `${most} bytes were held`);
  });
});
