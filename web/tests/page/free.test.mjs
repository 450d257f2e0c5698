// A key of the smallest tier may hold one stream and ask sixty times a minute. With that everything works; and where even the
// one stream is in use elsewhere, the page asks now and then, and says so.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, Server, signIn, until } from "./harness.mjs";

let server;
let browser;
let free;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
  free = (await server.call("POST", "/api-keys", { name: "free", environment: "test", scopes: ["*"], tier: "free" })).key;
});
after(async () => { await browser?.close(); await server?.stop(); });

/** What the server answered that the page should not have asked for: too often, or one stream too many. */
function refusals(page) {
  const found = [];
  page.on("response", (answer) => { if (answer.status() === 429) found.push(answer.url()); });
  return found;
}

test("one stream is enough for a task, the inbox and the lists", async () => {
  const page = await open(browser, server);
  const refused = refusals(page);
  await signIn(page, free);
  await page.getByLabel("What should be done?").fill("Work and ask [test:agents=2] [test:approval] [test:slow=1s]");
  await page.getByRole("button", { name: "Start" }).click();
  await page.locator(".light[data-state='open']").waitFor();
  await until("the count in the title", async () => (await page.title()).startsWith("(1)"));
  const task = (await page.evaluate(() => location.hash)).split("/").pop();
  await page.getByRole("button", { name: "Decide" }).first().click();
  await page.getByRole("dialog").getByRole("button", { name: /^Approve/ }).click();
  await page.getByText("Complete").first().waitFor();
  const journal = await server.events(task);
  await until("the whole journal on the page", async () => (await page.locator(".timeline-panel h2").textContent()).trim() === `Timeline ${journal.length}`);
  // The log of a deployment needs a stream, too: here it is asked for instead.
  await page.locator(".deliverables-panel").getByRole("button", { name: "Deploy" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Deploy" }).click();
  await page.getByText("this is a test: nothing is pushed").waitFor();
  await page.locator(".steps .past").nth(3).waitFor();
  const others = refused.filter((url) => !url.includes("/logs") && !url.includes("/events"));
  assert.deepEqual(others, []);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test("where the stream is in use elsewhere, the page asks, and says so", async () => {
  const elsewhere = new AbortController();
  // The minute of the test before is over, or it is waited for.
  const taken = await until("the one stream", async () => {
    const answer = await fetch(`${server.url}/v1/events`, { headers: { authorization: `Bearer ${free}`, accept: "text/event-stream" }, signal: elsewhere.signal });
    if (answer.status === 200) return answer;
    await answer.body?.cancel();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return undefined;
  });
  const page = await open(browser, server);
  await signIn(page, free);
  await page.getByText("Looks every few seconds").waitFor();
  const task = await server.start("Work unseen [test:agents=2]");
  await page.goto(`${server.url}/#/task/${task.id}`);
  await page.getByText("Complete").first().waitFor();
  const journal = await server.events(task.id);
  await until("the whole journal on the page", async () => (await page.locator(".timeline-panel h2").textContent()).trim() === `Timeline ${journal.length}`);
  elsewhere.abort();
  await taken.body?.cancel().catch(() => {});
  await page.locator(".light[data-state='open']").waitFor();
  assert.deepEqual(page.problems, []);
  await page.context().close();
});
