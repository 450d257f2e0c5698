// What hands do by mistake: typing before one looks, pressing twice, writing an amount as at home, closing by accident. And
// what several tabs of one browser do to each other.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, Server, signIn, until } from "./harness.mjs";

let server;
let browser;
before(async () => { [server, browser] = await Promise.all([Server.start({ env: { MITEOS_EGRESS_ALLOW: "127.0.0.0/8" } }), launch()]); });
after(async () => { await browser?.close(); await server?.stop(); });

test("what is typed after a key that opens a dialog is written in it", async () => {
  const page = await open(browser, server);
  await signIn(page, server.keys.test);
  const task = await server.start("Work slowly [test:slow=10m]");
  await page.goto(`${server.url}/#/task/${task.id}`);
  await page.getByRole("button", { name: "Guide" }).first().waitFor();
  await page.locator("main").press("m");
  await page.keyboard.type("keep it short, please");
  assert.equal(await page.getByLabel("Your words").inputValue(), "keep it short, please");

  // Neither a click beside it nor Escape takes that away unasked; nor does a selection that ends outside.
  const field = await page.getByLabel("Your words").boundingBox();
  await page.mouse.move(field.x + 20, field.y + 20);
  await page.mouse.down();
  await page.mouse.move(4, 4);
  await page.mouse.up();
  await page.getByRole("dialog").waitFor();
  assert.equal(await page.getByText("lose what you wrote").count(), 0);
  await page.keyboard.press("Escape");
  await page.getByText("lose what you wrote").waitFor();
  await page.getByRole("button", { name: "Go on writing" }).click();
  assert.equal(await page.getByLabel("Your words").inputValue(), "keep it short, please");
  await page.getByRole("button", { name: "Say it" }).click();
  await page.getByText("It is read at the next step").waitFor();
  const shown = await server.call("GET", `/tasks/${task.id}`);
  assert.notEqual(shown.status, "paused");

  // The focus goes back to what opened a dialog.
  const button = page.getByRole("button", { name: "Guide" }).first();
  await button.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(await button.evaluate((element) => element === document.activeElement), true);
  await server.call("POST", `/tasks/${task.id}/cancel`);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test("a webhook is made once, its secret is not changed by a slip, and what is said of it is said in its dialog", async () => {
  const page = await open(browser, server);
  await signIn(page, server.keys.test);
  await page.goto(`${server.url}/#/settings/webhooks`);
  await page.getByRole("button", { name: "New webhook" }).click();
  await page.getByLabel("Address").fill("http://127.0.0.1:9/hook");
  await page.getByRole("button", { name: "Make it" }).dblclick();
  await page.getByText("It is shown this once").waitFor();
  assert.equal((await server.call("GET", "/webhooks")).length, 1);
  // Nothing but its button puts it away.
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await page.mouse.click(4, 4);
  assert.match(await page.getByRole("dialog").locator("code").textContent(), /^whsec_/);
  await page.getByRole("button", { name: "I have it" }).click();
  await page.getByText("127.0.0.1:9").click();
  const dialog = page.getByRole("dialog");
  await page.route("**/v1/webhooks/*/test", (route) => route.fulfill({ json: { ok: true, response_status: 200, duration_ms: 3, error: null } }));
  await dialog.getByRole("button", { name: "Send a test" }).click();
  await dialog.getByText("It answered 200 in 3 ms").waitFor();
  let rotated = 0;
  page.on("request", (request) => { if (request.url().endsWith("/rotate-secret")) rotated += 1; });
  await dialog.getByRole("button", { name: "New secret" }).click();
  await page.getByRole("button", { name: "Keep as it is" }).click();
  assert.equal(rotated, 0);
  await page.context().close();
});

test("a key is made once, and no longer than the key that makes it", async () => {
  const page = await open(browser, server);
  const ends = new Date(Date.now() + 6.5 * 86_400_000).toISOString();
  const { key } = await server.call("POST", "/api-keys", { name: "as by the link", environment: "test", scopes: ["*"], tier: "enterprise", expires_at: ends });
  await signIn(page, key);
  await page.goto(`${server.url}/#/settings/keys`);
  await page.getByText("this browser", { exact: true }).waitFor();
  await page.getByRole("button", { name: "New key" }).click();
  await page.keyboard.type("for the build");
  assert.equal(await page.getByLabel("Name").inputValue(), "for the build");
  const choices = await page.getByLabel("Ends").locator("option").allTextContents();
  assert.deepEqual(choices, ["with this sign-in", "tomorrow"]);
  await page.getByRole("button", { name: "Make it" }).dblclick();
  await page.getByText("it is shown this once").waitFor();
  const made = (await server.call("GET", "/api-keys")).filter((each) => each.name === "for the build");
  assert.equal(made.length, 1);
  assert.deepEqual([made[0].tier, Date.parse(made[0].expires_at)], ["enterprise", Date.parse(ends)]);
  await page.context().close();
});

test("a comma is a decimal comma, and what could be a thousand is asked back", async () => {
  const page = await open(browser, server);
  await signIn(page, server.keys.test);
  await page.getByRole("button", { name: /3 agents/ }).click();
  await page.getByLabel("Budget in dollars").fill("1,234");
  await page.getByText("Write it as 2.50 or 2,50").waitFor();
  await page.getByLabel("What should be done?").fill("Work for little");
  assert.equal(await page.getByRole("button", { name: "Start" }).isDisabled(), true);
  await page.getByLabel("Budget in dollars").fill("2,50");
  await page.getByText("At most $2.50:").waitFor();
  await page.getByRole("button", { name: "Start" }).click();
  await page.getByRole("heading", { level: 1, name: "Work for little" }).waitFor();
  const task = (await page.evaluate(() => location.hash)).split("/").pop();
  assert.equal((await server.call("GET", `/tasks/${task}`)).config.budget_cents, 250);
  await page.context().close();
});

test("a number is what was typed, and a pause that is pressed twice is a pause", async () => {
  const page = await open(browser, server);
  await signIn(page, server.keys.test);
  await page.getByRole("button", { name: /3 agents/ }).click();
  const field = page.getByLabel("Agents at the same time");
  await field.focus();
  await page.keyboard.press("End");
  await page.keyboard.press("Backspace");
  await page.getByText("A whole number from 1 to 20").waitFor();
  await page.keyboard.type("5");
  assert.equal(await field.inputValue(), "5");
  await page.getByLabel("What should be done?").fill("Work slowly [test:slow=3s]");
  await page.getByRole("button", { name: "Start" }).click();
  await page.getByRole("heading", { level: 1, name: "Work slowly" }).waitFor();
  const task = (await page.evaluate(() => location.hash)).split("/").pop();
  assert.equal((await server.call("GET", `/tasks/${task}`)).config.max_agents, 5);
  const wheel = page.locator(".task-head .wheel");
  await wheel.getByRole("button", { name: "Pause" }).click();
  // As soon as it says the other thing.
  await wheel.getByRole("button", { name: "Resume" }).evaluate((button) => button.click());
  await page.getByText("Each agent holds").waitFor();
  assert.equal((await server.call("GET", `/tasks/${task}`)).status, "paused");
  await wheel.getByRole("button", { name: "Resume" }).and(page.locator(":not([aria-disabled])")).click();
  await server.until(task, (shown) => shown.status === "running");
  await server.call("POST", `/tasks/${task}/cancel`);
  await page.context().close();
});

test("words to an agent are not lost when agents change places", async () => {
  const page = await open(browser, server);
  await signIn(page, server.keys.test);
  // Both ask before each action; who waits stands before who does not.
  const task = await server.start("Work side by side [test:agents=3]", { autonomy_level: 0 });
  const waiting = await server.until(task.id, (shown) => shown.approvals.length >= 2);
  await page.goto(`${server.url}/#/task/${task.id}`);
  const cards = page.getByRole("article");
  await until("both cards", async () => (await cards.filter({ hasText: "Needs you" }).count()) >= 2);
  const first = await cards.first().getAttribute("aria-label");
  const { id: agent } = waiting.agents.find((each) => each.title === first) ?? waiting.agents[0];
  const asked = waiting.approvals.find((each) => each.agent_id === agent);
  await cards.first().getByRole("button", { name: "Guide" }).click();
  await page.keyboard.type("keep it ");
  await server.call("POST", `/agents/${agent}/approve/${asked.id}`, { approved: true });
  await server.until(task.id, (shown) => shown.approvals.some((each) => each.agent_id === agent && each.id !== asked.id));
  const journal = await server.events(task.id);
  await until("all of it on the page", async () => (await page.locator(".timeline-panel h2").textContent()).trim() === `Timeline ${journal.length}`);
  await page.keyboard.type("short");
  assert.equal(await page.getByLabel("Your words").inputValue(), "keep it short");
  assert.ok(await page.getByRole("dialog").evaluate((dialog) => dialog.matches(":modal")));
  await page.getByRole("button", { name: "Say it" }).click();
  await page.getByText("It is read at the next step").waitFor();
  await server.call("POST", `/tasks/${task.id}/cancel`);
  await page.context().close();
});

test("only what is changed in the dialog of the dial is sent", async () => {
  const page = await open(browser, server);
  await signIn(page, server.keys.test);
  const task = await server.start("Work slowly [test:slow=10m]");
  await page.goto(`${server.url}/#/task/${task.id}`);
  await page.locator("button.fact").filter({ hasText: "Dial" }).click();
  await page.getByLabel("Budget in dollars").fill("3");
  await server.call("PATCH", `/tasks/${task.id}`, { config: { autonomy_level: 0 } });
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("It holds from the next decision on").waitFor();
  const { config } = await server.call("GET", `/tasks/${task.id}`);
  assert.deepEqual([config.autonomy_level, config.budget_cents], [0, 300]);
  await server.call("POST", `/tasks/${task.id}/cancel`);
  await page.context().close();
});

test("when agents ask: only what the server takes is offered, and for whom it holds is said", async () => {
  const page = await open(browser, server);
  await signIn(page, server.keys.test);
  await page.goto(`${server.url}/#/settings/asking`);
  await page.getByText("keeps what it began with").waitFor();
  assert.equal(await page.getByRole("button", { name: "Save" }).isDisabled(), true);
  await page.getByRole("slider", { name: /^Low risk/ }).fill("60");
  // Looking away and back asks the server again, and throws nothing away.
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange", { bubbles: true })));
  await page.getByRole("group", { name: "High risk" }).getByRole("button", { name: "Always asks" }).click();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("started from now on ask like this").waitFor();
  const policy = await server.call("GET", "/approval-policy");
  assert.deepEqual([policy.low, policy.medium, policy.high, policy.critical], [60, 50, 101, 100]);
  assert.equal(await page.getByRole("slider", { name: /^Low risk/ }).getAttribute("min"), "20");
  await server.call("PUT", "/approval-policy", { low: 20, medium: 50, high: 100, critical: 100, tools: {} });
  await page.context().close();
});

test("signing out in one tab signs out the others with the same key, and leaves those with another", async () => {
  const first = await open(browser, server);
  await signIn(first, server.keys.test);
  await first.getByLabel("What should be done?").fill("A draft of the first person");
  await first.goto(`${server.url}/#/settings`);
  await first.getByLabel(/Remember the key/).check();
  const same = await first.context().newPage();
  await same.goto(server.url);
  await same.getByLabel("What should be done?").waitFor();
  // A tab with a key of its own: its signing out is its own.
  const { key } = await server.call("POST", "/api-keys", { name: "another", environment: "test", scopes: ["*"], tier: "pro" });
  const other = await first.context().newPage();
  await other.addInitScript((kept) => { if (!sessionStorage.getItem("seen")) { sessionStorage.setItem("seen", "1"); sessionStorage.setItem("miteos.session", kept); } }, JSON.stringify({ keys: { test: key }, world: "test", own: {} }));
  await other.goto(`${server.url}/#/settings`);
  await other.getByRole("button", { name: "Sign out" }).click();
  await other.getByLabel("What should be done?").or(other.getByLabel("API key")).waitFor();
  assert.ok(await first.evaluate(() => localStorage.getItem("miteos.session")), "the other tab's key is still remembered");
  await first.getByRole("button", { name: "Sign out" }).click();
  await first.getByLabel("API key").waitFor();
  await same.getByLabel("API key").waitFor();
  assert.equal(await first.evaluate(() => Object.values({ ...localStorage, ...sessionStorage }).join(" ").includes("first person")), false);
  await first.context().close();
});

const LARGE = 12 * 1024 * 1024;

test("a large file goes to disk as it comes, and is not held", async () => {
  const page = await open(browser, server);
  await page.addInitScript(() => {
    window.saved = { bytes: 0, held: 0, over: false };
    const into = () => new WritableStream({ write: (chunk) => { window.saved.bytes += chunk.byteLength; }, close: () => { window.saved.over = true; } });
    window.showSaveFilePicker = async ({ suggestedName }) => { window.saved.name = suggestedName; return { createWritable: async () => into() }; };
    URL.createObjectURL = () => { window.saved.held += 1; return ""; };
  });
  await page.reload();
  await signIn(page, server.keys.test);
  const workspace = await server.workspace("With a large file", { "data/large.bin": "x".repeat(LARGE) });
  await page.goto(`${server.url}/#/workspaces/${workspace.id}`);
  await page.getByRole("button", { name: /large\.bin/ }).first().click();
  await page.getByRole("dialog").getByRole("button", { name: "Download" }).click();
  await page.getByText("large.bin is saved").waitFor();
  assert.deepEqual(await page.evaluate(() => window.saved), { bytes: LARGE, held: 0, over: true, name: "large.bin" });

  // A deliverable has a link, which the browser follows by itself, without the key.
  const task = await server.ended((await server.start("Write it [test:deliverable=1MiB]")).id);
  await page.goto(`${server.url}/#/task/${task.id}`);
  const coming = page.waitForEvent("download");
  await page.locator(".file-line").first().getByRole("button", { name: /^Download/ }).click();
  const saved = await coming;
  assert.ok(saved.url().startsWith(`${server.url}/v1/`) && saved.url().includes("signature="), saved.url());
  assert.equal(await saved.failure(), null);
  assert.equal(await page.evaluate(() => window.saved.held), 0);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

/** As a browser does it when another tab is chosen. */
const show = (page, state) => page.evaluate((to) => {
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => to });
  document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
}, state);

test("a tab that is not seen gives its stream to the one that is", async () => {
  const first = await open(browser, server);
  await signIn(first, server.keys.test);
  await first.goto(`${server.url}/#/settings`);
  await first.getByLabel(/Remember the key/).check();
  await first.locator(".light[data-state='open']").waitFor();
  const gone = first.waitForEvent("requestfailed", (request) => request.headers().accept?.includes("text/event-stream") ?? false);
  await show(first, "hidden");
  const second = await first.context().newPage();
  await second.goto(server.url);
  await second.locator(".light[data-state='open']").waitFor();
  // Long before a hidden tab would let go by itself.
  await gone;
  await show(first, "visible");
  await first.locator(".light[data-state='open']").waitFor();
  await first.context().close();
});
