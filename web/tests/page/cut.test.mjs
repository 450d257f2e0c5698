// The server is killed in the middle of a task and started again: the page says so, comes back by itself, and its
// timeline is the journal, event for event.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, Server, signIn, until } from "./harness.mjs";

let server;
let browser;
before(async () => { [server, browser] = await Promise.all([Server.start(), launch()]); });
after(async () => { await browser?.close(); await server?.stop(); });

/** Every line of the timeline, read by scrolling through it. */
async function timeline(page) {
  const seen = new Map();
  const frame = page.locator(".rows-frame");
  await frame.evaluate((element) => { element.scrollTop = 0; });
  for (;;) {
    const rows = await page.locator(".event").evaluateAll((all) => all.map((row) => [Number(row.dataset.seq), row.dataset.type]));
    for (const [seq, type] of rows) seen.set(seq, type);
    const done = await frame.evaluate((element) => {
      const end = element.scrollTop + element.clientHeight >= element.scrollHeight - 1;
      element.scrollTop += element.clientHeight / 2;
      return end;
    });
    if (done) return [...seen].sort(([a], [b]) => a - b);
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  }
}

test("a killed server is waited for, and nothing is missing afterwards", async () => {
  const page = await open(browser, server);
  await signIn(page, server.keys.test);
  const task = await server.start("Work for a while [test:agents=4] [test:slow=3s]");
  await page.goto(`${server.url}/#/task/${task.id}`);
  await page.locator(".event[data-type='agent.started']").first().waitFor();
  await server.kill();
  await page.getByText("out of reach").waitFor();
  await server.run();
  await page.getByText("out of reach").waitFor({ state: "detached" });
  await page.locator(".light[data-state='open']").waitFor();
  await server.ended(task.id);
  const journal = (await server.events(task.id)).map((event) => [event.seq, event.type]);
  await until("the whole journal on the page", async () => (await page.locator(".timeline-panel h2").textContent()).trim() === `Timeline ${journal.length}`);
  assert.deepEqual(await timeline(page), journal);
  await page.getByText("Complete").first().waitFor();
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test("an approval that came while the server was away is in the inbox", async () => {
  const page = await open(browser, server);
  await signIn(page, server.keys.test);
  await page.goto(`${server.url}/#/inbox`);
  await page.getByText("Nothing waits for you").waitFor();
  await page.locator(".light[data-state='open']").waitFor();
  const task = await server.start("Ask me something [test:approval] [test:slow=2s]");
  await server.kill();
  await page.locator(".light[data-state='waiting']").waitFor();
  await server.run();
  await server.until(task.id, (shown) => shown.approvals.length === 1);
  await page.getByRole("button", { name: /^Approve/ }).click();
  assert.equal((await server.ended(task.id)).status, "complete");
  await page.context().close();
});
