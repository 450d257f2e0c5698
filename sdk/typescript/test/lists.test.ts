/**
 * Lists that move while they are read, against a fake server.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Fake, json, type Seen } from "./support/fake.js";

/** A server's list of tasks, newest first, that something happens to after each page. */
function serve(ids: string[], after: (page: number) => void = () => undefined) {
  let page = 0;
  return new Fake((seen: Seen) => {
    const limit = Number(seen.query.get("limit") ?? 20);
    const offset = Number(seen.query.get("offset") ?? 0);
    const tasks = ids.slice(offset, offset + limit).map((id) => ({ id }));
    const answer = json({ tasks, total: ids.length, limit, offset });
    page += 1;
    after(page);
    return answer;
  });
}

const names = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => `task_${from + index}`);

async function all(fake: Fake, query = {}): Promise<string[]> {
  const found: string[] = [];
  for await (const { id } of fake.client().tasks.list(query)) found.push(id);
  return found;
}

test("awaited it is a page, iterated over it is all of it, and before that nothing is asked", async () => {
  const fake = serve(names(1, 45));
  const list = fake.client().tasks.list({ limit: 10, offset: 5, status: "complete" });
  assert.equal(fake.seen.length, 0);
  const page = await list;
  assert.deepEqual([page.tasks.length, page.tasks[0]?.id, page.total], [10, "task_6", 45]);
  assert.equal(fake.seen[0]?.query.get("status"), "complete");
  assert.deepEqual(await all(fake, { limit: 10 }), names(1, 45));
  assert.deepEqual(await all(fake, { limit: 10, offset: 40 }), names(41, 45));
  assert.deepEqual(await all(serve([])), []);
});

test("what is added meanwhile doubles nothing, and what is taken away hides nothing", async () => {
  const growing = names(10, 39);
  const grown = await all(
    serve(growing, (page) => page <= 3 && growing.unshift(`task_new_${page}`)),
    { limit: 10 },
  );
  assert.deepEqual(grown, names(10, 39));
  const shrinking = names(1, 40);
  const shrunk = await all(
    serve(shrinking, (page) => page === 2 && shrinking.splice(0, 10)),
    { limit: 10 },
  );
  assert.deepEqual(shrunk, names(1, 40));
});

test("what is public is iterated over, each thing once, whatever it is told apart by", async () => {
  const rows = names(1, 5);
  const fake = new Fake((seen: Seen) => {
    const limit = Number(seen.query.get("limit") ?? 20);
    const offset = Number(seen.query.get("offset") ?? 0);
    const of = seen.path === "/v1/previews" ? "deployment_id" : "id";
    const place = { total: rows.length, limit, offset };
    const page = rows.slice(offset, offset + limit).map((name) => ({ [of]: name }));
    return json({ ...place, previews: page, links: page, shares: page });
  });
  const { deliverables, deployments } = fake.client();
  const shares: string[] = [];
  for await (const { id } of deliverables.shares({ limit: 2, deliverable_id: "dlvr_1" })) shares.push(id);
  const previews: string[] = [];
  for await (const { deployment_id } of deployments.previews({ limit: 2 })) previews.push(deployment_id);
  const links: string[] = [];
  for await (const { id } of deployments.previewLinks("dep_1", { limit: 2 })) links.push(id);
  assert.deepEqual([shares, previews, links], [rows, rows, rows]);
  assert.equal(fake.seen[0]?.query.get("deliverable_id"), "dlvr_1");
  assert.equal(fake.seen.at(-1)?.path, "/v1/deployments/dep_1/preview/links");
});

test("events are iterated over by their cursor, through pages that are empty", async () => {
  const pages = [
    { events: [{ seq: 1 }, { seq: 2 }], next_after: 2, has_more: true },
    { events: [], next_after: 40, has_more: true },
    { events: [{ seq: 41 }], next_after: 41, has_more: false },
  ];
  const fake = new Fake(...pages.map((page) => json(page)));
  const found: number[] = [];
  for await (const { seq } of fake.client().tasks.events("task_1", { types: ["agent.error"] })) found.push(seq);
  assert.deepEqual(found, [1, 2, 41]);
  assert.deepEqual(
    fake.seen.map(({ query }) => query.get("after")),
    [null, "2", "40"],
  );
});
