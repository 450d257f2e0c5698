// How heavy the page is, and how it bears much: the size of what is loaded, the first view, a task with 20,000 events and a
// list of 500 tasks. Asserted is what the page does, which is the same on every machine; how long it takes is printed.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, Server, signIn, until } from "./harness.mjs";
import { assets, busiest, heap, madeAnew, scrollThrough } from "./measure.mjs";

const EVENTS = 20_000;
const TASKS = 500;
/** All that is sent, as it is sent (bytes). */
const MAX_ASSETS = 400 * 1024;
/** The most elements that one step of scrolling may make, with a screen full of lines that were not there before. */
const MAX_MADE_BY_STEP = 1_500;
/** The most elements that reading everything may make: some screens for each page of events, not a line for each event, which
 * has a dozen elements. */
const MAX_MADE_BY_READING = 3 * EVENTS;
/** The most files that are asked for before something is painted. */
const MAX_FILES_BEFORE_VIEW = 12;
/** What scrolling through everything may leave behind (bytes). */
const MAX_GROWTH = 16 * 1024 * 1024;

let server;
let browser;
before(async () => { [server, browser] = await Promise.all([Server.start(), launch()]); });
after(async () => { await browser?.close(); await server?.stop(); });

test("all that is loaded is small", () => {
  const { bytes, files } = assets();
  console.log(`assets: ${(bytes / 1024).toFixed(0)} KiB in ${files} files`);
  assert.ok(files > 5 && bytes < MAX_ASSETS, `${bytes} bytes`);
});

function events(task, from, limit) {
  const last = Math.min(EVENTS, from + limit);
  const list = [];
  for (let seq = from + 1; seq <= last; seq += 1) {
    const agent = `agnt_${(seq % 8) + 1}`;
    const kinds = [
      ["agent.thinking", { text: `Step ${seq}: I read the next part and decide what it means.`, usage: { input: 900, output: 60, cache_read: 0, cache_write: 0, reasoning: 0 }, model: "test/scripted", cost: 0.0002, progress: 40 }],
      ["agent.action", { call_id: `c${Math.floor(seq / 3)}`, tool: seq % 2 ? "code_exec" : "write_file", input: { language: "python", code: "print('x')\n".repeat(20), path: `notes/${seq % 60}.md`, content: "text" }, risk: "medium" }],
      ["agent.result", { call_id: `c${Math.floor(seq / 3)}`, tool: seq % 2 ? "write_file" : "code_exec", ok: seq % 50 !== 0, output: "\u001b[32mok\u001b[0m a line of output\n".repeat(30), duration_ms: 140 }],
    ];
    let [type, data] = kinds[seq % 3];
    let who = agent;
    if (seq === 1) [type, data, who] = ["task.created", { status: "pending", prompt: "A long task", workspace_id: null, config: {} }, null];
    else if (seq < 10) [type, data] = ["agent.started", { subtask_id: `st_${seq}`, type: "builder", title: `Part ${seq - 1}` }];
    else if (seq === EVENTS) [type, data, who] = ["task.complete", { status: "complete", result: "Done.", cost: 1.5, total_cost_cents: 150, total_tokens_used: 1000, deliverables_count: 0 }, null];
    list.push({ id: `evt_${seq}`, seq, type, task_id: task, agent_id: who, created_at: new Date(1.8e12 + seq * 500).toISOString(), data });
  }
  return { events: list, next_after: last, has_more: last < EVENTS };
}

test("a task with 20,000 events is read and scrolled without a hitch", async () => {
  const task = (await server.ended((await server.start("A long task")).id)).id;
  const page = await open(browser, server);
  await page.route(`**/v1/tasks/${task}/events?*`, (route) => {
    const query = new URL(route.request().url()).searchParams;
    return route.fulfill({ json: events(task, Number(query.get("after") ?? 0), Number(query.get("limit") ?? 100)) });
  });
  await signIn(page, server.keys.test);
  let read;
  const reading = await busiest(browser, page, async () => {
    read = await madeAnew(page, async () => {
      await page.goto(`${server.url}/#/task/${task}`);
      await until("all of it", async () => (await page.locator(".timeline-panel h2").textContent().catch(() => "")).includes("20K"));
    });
  });
  await scrollThrough(page, ".rows-frame", 40);
  const before = await heap(page);
  let scrolled;
  const scrolling = await busiest(browser, page, async () => {
    scrolled = await madeAnew(page, () => scrollThrough(page, ".rows-frame", 400));
  });
  const after = await heap(page);
  const rows = await page.locator(".event").count();
  console.log(`20,000 events: busy at most ${reading.toFixed(0)} ms while reading, ${scrolling.toFixed(0)} ms while scrolling; heap ${(before / 2 ** 20).toFixed(1)} to ${(after / 2 ** 20).toFixed(1)} MiB; ${rows} lines on the page`);
  console.log(`made anew: ${read.sum} elements while reading; ${scrolled.most} at most by a step of scrolling`);
  assert.ok(rows < 120, `${rows} lines`);
  assert.ok(read.sum > 0 && read.sum < MAX_MADE_BY_READING, `${read.sum} elements`);
  assert.ok(scrolled.most > 0 && scrolled.most < MAX_MADE_BY_STEP, `${scrolled.most} elements`);
  assert.ok(after - before < MAX_GROWTH, `${after - before} bytes more`);

  // A line that has the focus keeps it, however far the list is scrolled, and its neighbour is one key away.
  const frame = page.getByRole("list", { name: "Events" });
  const focused = () => page.evaluate(() => Number(document.activeElement.dataset.seq));
  await frame.press("End");
  await until("the last line", async () => (await focused()) === EVENTS);
  await page.keyboard.press("PageUp");
  const line = await until("a line above", async () => { const at = await focused(); return at < EVENTS && at; });
  await frame.evaluate((element) => { element.scrollTop = 0; });
  await page.locator(".event[data-seq='1']").waitFor();
  assert.equal(await focused(), line);
  await page.keyboard.press("ArrowUp");
  await until("its neighbour", async () => (await focused()) === line - 1);
  assert.ok(await page.locator(`.event[data-seq='${line - 1}']`).isVisible());

  await page.getByLabel("Filter by words").fill("Step 19998");
  await page.locator(".event").first().waitFor();
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test("a list of 500 tasks scrolls without a hitch", async () => {
  const page = await open(browser, server);
  const one = await server.ended((await server.start("One of many")).id);
  await page.route("**/v1/tasks?*", (route) => {
    const query = new URL(route.request().url()).searchParams;
    const [limit, offset] = [Number(query.get("limit") ?? 20), Number(query.get("offset") ?? 0)];
    const tasks = Array.from({ length: Math.max(0, Math.min(limit, TASKS - offset)) }, (_, index) => ({ ...one, id: `task_${offset + index}`, prompt: `Task number ${offset + index} of many` }));
    return route.fulfill({ json: { tasks, total: TASKS, limit, offset } });
  });
  await signIn(page, server.keys.test);
  await page.goto(`${server.url}/#/tasks`);
  await page.locator("a.task-row").first().waitFor();
  await until("all pages", async () => {
    await scrollThrough(page, ".task-table .scroll", 20);
    return page.evaluate(() => document.querySelector(".task-table .scroll").scrollHeight > 490 * 44);
  });
  const before = await heap(page);
  let scrolled;
  const busy = await busiest(browser, page, async () => {
    scrolled = await madeAnew(page, () => scrollThrough(page, ".task-table .scroll", 200));
  });
  const after = await heap(page);
  console.log(`500 tasks: busy at most ${busy.toFixed(0)} ms while scrolling; heap ${(before / 2 ** 20).toFixed(1)} to ${(after / 2 ** 20).toFixed(1)} MiB; ${scrolled.most} elements at most by a step`);
  assert.ok(scrolled.most > 0 && scrolled.most < MAX_MADE_BY_STEP, `${scrolled.most} elements`);
  assert.ok(after - before < MAX_GROWTH, `${after - before} bytes more`);
  assert.ok((await page.locator("a.task-row").count()) < 80);
  await page.getByLabel("Search prompts").fill("number 499 of");
  await page.getByText("Task number 499 of many").waitFor();
  await page.context().close();
});

test("the first view waits for few files, and all of them are ours", async () => {
  const page = await open(browser, server);
  await page.getByLabel("API key").waitFor();
  const { seen, before } = await page.evaluate(() => {
    const first = performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
    return { seen: first, before: performance.getEntriesByType("resource").filter((each) => each.startTime < first).map((each) => each.name) };
  });
  console.log(`first view: ${seen?.toFixed(0)} ms, ${before.length} files`);
  assert.ok(before.length > 0 && before.length <= MAX_FILES_BEFORE_VIEW, before.join("\n"));
  assert.deepEqual(before.filter((each) => !each.startsWith(`${server.url}/`) || each.includes("/v1/")), []);
  await page.context().close();
});
