// While the server is away nothing that is on the page is given up: not a task, not an answer that is being written, not a part
// of the page that was never loaded.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, Server, signIn, until } from "./harness.mjs";

let server;
let browser;
before(async () => { [server, browser] = await Promise.all([Server.start(), launch()]); });
after(async () => { await browser?.close(); await server?.stop(); });

test("a task that is opened while the server is away is waited for", async () => {
  const task = await server.start("Work for somebody who is patient");
  await server.ended(task.id);
  const page = await open(browser, server);
  await signIn(page, server.keys.test);
  // So that its part of the page is there.
  await page.goto(`${server.url}/#/task/${task.id}`);
  await page.locator(".event").first().waitFor();
  const other = await server.start("Work again");
  await server.ended(other.id);
  await server.kill();
  await page.evaluate((id) => { location.hash = `#/task/${id}`; }, other.id);
  // Longer than the client tries by itself.
  await page.locator(".light[data-state='waiting']").waitFor();
  await page.getByText("out of reach").waitFor();
  let failed = 0;
  page.on("requestfailed", (request) => { if (request.url().includes(`/tasks/${other.id}/events`)) failed += 1; });
  await until("more attempts than one call makes", () => failed > 6);
  assert.equal(await page.getByText("This task cannot be shown").count(), 0);
  await server.run();
  await page.getByText("Complete").first().waitFor();
  const journal = await server.events(other.id);
  await until("the whole journal", async () => (await page.locator(".timeline-panel h2").textContent()).trim() === `Timeline ${journal.length}`);
  await page.context().close();
});

test("an answer that is being written outlasts the server", async () => {
  const page = await open(browser, server);
  await signIn(page, server.keys.test);
  const task = await server.start("Ask me [test:approval]");
  await page.goto(`${server.url}/#/inbox`);
  await page.locator(".decision[data-seen='true']").waitFor();
  await page.keyboard.press("r");
  await page.keyboard.type("Not before ");
  await server.kill();
  await page.getByText("out of reach").waitFor();
  // As when somebody comes back to the window: the list is asked for, and does not come.
  await until("the list that does not come", async () => {
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange", { bubbles: true })));
    return (await page.getByText("This is of").count()) > 0;
  });
  await page.keyboard.type("Monday");
  assert.equal(await page.getByLabel("Reason").inputValue(), "Not before Monday");
  await server.run();
  await page.locator(".light[data-state='open']").waitFor();
  await page.getByText("This is of").waitFor({ state: "detached" });
  assert.equal(await page.getByLabel("Reason").inputValue(), "Not before Monday");
  await page.getByRole("button", { name: "Reject", exact: true }).click();
  await page.getByText("Nothing waits for you").waitFor();
  const resolved = (await server.events((await server.ended(task.id)).id)).find((event) => event.type === "approval.resolved");
  assert.equal(resolved.data.reason, "Not before Monday");
  await page.context().close();
});

test("a part that could not be loaded says so, and comes by a click or by itself", async () => {
  const page = await open(browser, server);
  await signIn(page, server.keys.test);
  await page.route("**/assets/inbox-*.js", (route) => route.abort());
  await page.getByRole("link", { name: "Inbox" }).and(page.locator(":visible")).click();
  await page.getByText("This part of the page could not be shown").waitFor();
  // The rest goes on.
  await page.locator(".light[data-state='open']").waitFor();
  await page.unroute("**/assets/inbox-*.js");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByText("Nothing waits for you").waitFor();

  await page.route("**/assets/usage-*.js", (route) => route.abort());
  await page.getByRole("link", { name: "Usage" }).and(page.locator(":visible")).click();
  await page.getByText("This part of the page could not be shown").waitFor();
  await page.unroute("**/assets/usage-*.js");
  await server.kill();
  await page.locator(".light[data-state='waiting']").waitFor();
  await server.run();
  await page.getByRole("heading", { level: 1, name: "Usage" }).waitFor();
  await page.context().close();
});

test("a browser that keeps nothing, or has no room, is no reason to show nothing", async () => {
  const page = await open(browser, server);
  await page.addInitScript(() => {
    const refuse = () => { throw new DOMException("no", "SecurityError"); };
    Object.defineProperty(globalThis, "localStorage", { get: refuse });
    Object.defineProperty(globalThis, "sessionStorage", { get: refuse });
  });
  await page.reload();
  await signIn(page, server.keys.test);
  await page.getByLabel("What should be done?").fill("Work without memory");
  await page.getByRole("button", { name: "Start" }).click();
  await page.getByText("Complete").first().waitFor();
  await page.context().close();
});
