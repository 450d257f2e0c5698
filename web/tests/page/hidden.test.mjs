// A tab that nobody looks at lets go of its stream and goes on telling by its title; when it is looked at again, everything is
// there. Whoever signs in after somebody else sees nothing of what that one was shown.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, Server, signIn, until } from "./harness.mjs";

let server;
let browser;
before(async () => { [server, browser] = await Promise.all([Server.start(), launch()]); });
after(async () => { await browser?.close(); await server?.stop(); });

/** As a browser does it when another tab is chosen. */
const show = (page, state) => page.evaluate((to) => {
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => to });
  Object.defineProperty(document, "hidden", { configurable: true, get: () => to === "hidden" });
  document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
}, state);

/** Streams that the page holds open. */
function streams(page) {
  const held = new Set();
  const isStream = (request) => request.headers().accept?.includes("text/event-stream");
  page.on("request", (request) => { if (isStream(request)) held.add(request); });
  for (const over of ["requestfinished", "requestfailed"]) page.on(over, (request) => held.delete(request));
  return held;
}

test("a hidden tab lets go of its stream, tells by its title, and has everything when it is seen again", async () => {
  const page = await open(browser, server);
  await page.clock.install();
  await page.reload();
  const held = streams(page);
  await signIn(page, server.keys.test);
  const task = await server.start("Work while nobody looks [test:slow=10m]");
  await page.goto(`${server.url}/#/task/${task.id}`);
  await page.locator(".event[data-type='agent.started']").first().waitFor();
  await page.locator(".light[data-state='open']").waitFor();
  await until("one stream", () => held.size === 1);
  await show(page, "hidden");
  await page.clock.fastForward(31_000);
  await until("no stream", () => held.size === 0);
  // Nobody is told: there is no stream.
  await server.call("POST", `/tasks/${task.id}/guide`, { message: "Said while nobody looked" });
  const other = await server.start("Ask while nobody looks [test:approval]");
  await server.until(other.id, (shown) => shown.approvals.length === 1);
  await until("the title", async () => {
    await page.clock.fastForward(61_000);
    return (await page.title()).startsWith("(1)");
  });
  assert.equal(held.size, 0);
  assert.equal(await page.getByText("Said while nobody looked").count(), 0);
  await show(page, "visible");
  await until("a stream again", () => held.size === 1);
  await page.getByText("Guidance: Said while nobody looked").waitFor();
  const journal = await server.events(task.id);
  await until("the whole journal on the page", async () => (await page.locator(".timeline-panel h2").textContent()).trim() === `Timeline ${journal.length}`);
  await page.getByText("since you left").or(page.getByRole("button", { name: "Since you left" })).first().waitFor();
  assert.deepEqual(page.problems, []);
  for (const each of [task, other]) await server.call("POST", `/tasks/${each.id}/cancel`);
  await page.context().close();
});

test("who signs in next is shown nothing of what the one before saw", async () => {
  const page = await open(browser, server);
  await signIn(page, server.keys.test);
  const task = await server.start("A secret plan of the first person");
  await server.ended(task.id);
  await page.locator(".done-row").filter({ hasText: "A secret plan" }).waitFor();
  await page.goto(`${server.url}/#/settings`);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("API key").waitFor();
  assert.equal((await page.content()).includes("A secret plan"), false);

  // The next one's lists do not come: what is shown meanwhile is nothing.
  const { key } = await server.call("POST", "/api-keys", { name: "the next one", environment: "live", scopes: ["*"], tier: "pro" }, server.keys.live);
  let let_go;
  const held = new Promise((resolve) => { let_go = resolve; });
  await page.route("**/v1/tasks?*", async (route) => {
    // The door asks for one task alone, and opens by that.
    if (!route.request().url().includes("limit=1&") && !route.request().url().endsWith("limit=1")) await held;
    await route.continue();
  });
  await page.goto(`${server.url}/#/`);
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByLabel("What should be done?").waitFor();
  assert.equal((await page.content()).includes("A secret plan"), false);
  let_go();
  await page.getByText("Your first task").waitFor();
  assert.equal((await page.content()).includes("A secret plan"), false);
  assert.equal(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }).includes("mt_test_")), false);
  await page.context().close();
});
