// Deciding: nothing is approved that nobody looked at, nothing that somebody began to write is lost, and what is approved is
// shown whole.

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { launch, open, Server, signIn, until } from "./harness.mjs";

let server;
let browser;
before(async () => { [server, browser] = await Promise.all([Server.start(), launch()]); });
after(async () => { await browser?.close(); await server?.stop(); });

const pending = async () => (await server.call("GET", "/approvals?status=pending&limit=100")).approvals;

/** Nothing of the test before waits. */
beforeEach(async () => {
  for (const each of await pending()) await server.call("POST", `/tasks/${each.task_id}/cancel`);
  await until("nothing waits", async () => (await pending()).length === 0);
});

/** So many decisions, and the inbox that shows them. */
async function inbox(count) {
  for (let each = 0; each < count; each += 1) await server.start(`Ask me, number ${each} [test:approval]`);
  await until("the questions", async () => (await pending()).length === count);
  const page = await open(browser, server);
  await signIn(page, server.keys.test);
  await page.goto(`${server.url}/#/inbox`);
  await page.locator(".decision[data-seen='true']").waitFor();
  return page;
}

test("a key that is held answers one decision", async () => {
  const page = await inbox(3);
  let sent = 0;
  page.on("request", (request) => { if (request.url().includes("/approve/")) sent += 1; });
  await page.locator("body").press("Shift");
  await page.keyboard.down("a");
  await until("one answer", async () => { await page.keyboard.down("a"); return (await pending()).length < 3; });
  await page.locator(".decision[data-seen='true']").waitFor();
  for (let more = 0; more < 20; more += 1) await page.keyboard.down("a");
  await page.keyboard.up("a");
  // Whatever was sent is answered by the time that this is.
  await page.keyboard.press("j");
  await page.evaluate(() => fetch("/healthz").then((answer) => answer.text()));
  assert.equal(sent, 1);
  assert.equal((await pending()).length, 2);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

/** Holds answers back until it is called. */
async function holdAnswers(page) {
  let let_go;
  const held = new Promise((resolve) => { let_go = resolve; });
  await page.route("**/approve/**", async (route) => { await held; await route.continue(); });
  return let_go;
}

test("an answer that comes late takes nobody away from what they went on to", async () => {
  const page = await inbox(3);
  const letGo = await holdAnswers(page);
  await page.locator("body").press("a");
  await page.getByRole("button", { name: /^Approve/ }).and(page.locator(":disabled")).waitFor();
  // The next one: the one that the page would go to by itself.
  await page.keyboard.press("j");
  await page.locator(".decision[data-seen='true']").waitFor();
  await page.keyboard.press("r");
  await page.keyboard.type("not before ");
  letGo();
  await until("the answer", async () => (await pending()).length === 2);
  await until("a shorter list", async () => (await page.locator("button.ask").count()) === 2);
  await page.keyboard.type("jak Monday");
  assert.equal(await page.getByLabel("Reason").inputValue(), "not before jak Monday");
  assert.equal((await pending()).length, 2);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test("an answer that comes late closes no dialog of another decision", async () => {
  const page = await open(browser, server);
  await signIn(page, server.keys.test);
  const tasks = [await server.start("Ask me, the first [test:approval]"), await server.start("Ask me, the second [test:approval]")];
  await until("the questions", async () => (await pending()).length === 2);
  const letGo = await holdAnswers(page);
  await page.goto(`${server.url}/#/task/${tasks[0].id}`);
  await page.getByRole("button", { name: "Decide" }).first().click();
  await page.locator(".decision[data-seen='true']").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: /^Approve/ }).click();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.goto(`${server.url}/#/task/${tasks[1].id}`);
  await page.getByRole("button", { name: "Decide" }).first().click();
  await page.getByRole("dialog").getByRole("button", { name: /^Reject/ }).click();
  await page.keyboard.type("not ");
  letGo();
  await server.ended(tasks[0].id);
  await page.keyboard.type("papa");
  assert.equal(await page.getByLabel("Reason").inputValue(), "not papa");
  assert.notEqual((await server.call("GET", `/tasks/${tasks[1].id}`)).status, "paused");
  await page.context().close();
});

test("a link to a decision that waits no more shows no other one", async () => {
  const page = await inbox(2);
  const gone = (await pending())[0];
  await server.call("POST", `/agents/${gone.agent_id}/approve/${gone.id}`, { approved: false });
  await page.goto("about:blank");
  await page.goto(`${server.url}/#/inbox?approval=${gone.id}`);
  await page.getByText("This waits no more").waitFor();
  await page.locator("body").press("a");
  assert.equal(await page.getByRole("button", { name: /^Approve/ }).count(), 0);
  assert.equal((await pending()).length, 1);
  await page.getByRole("button", { name: "Go on to the next" }).click();
  await page.getByRole("button", { name: /^Approve/ }).waitFor();
  await page.context().close();
});

test("what comes into view is not answered by the key that was meant for the one before", async () => {
  const page = await inbox(3);
  // A key that is pressed again and again, as fast as the page draws, also while the next decision has only just come.
  await page.evaluate(async () => {
    const press = () => document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "a", bubbles: true, cancelable: true }));
    const shown = () => document.querySelector(".decision h2")?.closest(".decision");
    const first = shown();
    const next = () => new Promise((resolve) => requestAnimationFrame(resolve));
    while (shown() === first) { press(); await next(); }
    const came = performance.now();
    while (performance.now() - came < 400) { press(); await next(); }
  });
  await page.locator(".decision[data-seen='true']").waitFor();
  assert.equal((await pending()).length, 2);
  await page.context().close();
});

test("a decision that is answered elsewhere stays, with what was being written", async () => {
  const page = await inbox(2);
  const shown = (await pending()).reverse()[0];
  await page.keyboard.press("r");
  await page.keyboard.type("alre");
  await server.call("POST", `/agents/${shown.agent_id}/approve/${shown.id}`, { approved: false, reason: "by somebody else" });
  await page.getByText("This waits no more").waitFor();
  await page.keyboard.type("ady a a a done");
  assert.equal(await page.getByLabel("Reason").inputValue(), "already a a a done");
  assert.equal((await pending()).length, 1);
  await page.getByRole("button", { name: "Go on to the next" }).click();
  await page.getByRole("button", { name: /^Approve/ }).click();
  await page.getByText("Nothing waits for you").waitFor();
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test("what was begun is there again after another decision was looked at", async () => {
  const page = await inbox(2);
  await page.keyboard.press("r");
  await page.keyboard.type("not before Monday");
  await page.locator("button.ask").nth(1).click();
  await page.getByRole("button", { name: /^Approve/ }).waitFor();
  await page.locator("button.ask").nth(0).click();
  assert.equal(await page.getByLabel("Reason").inputValue(), "not before Monday");
  await page.context().close();
});

test("single keys can be turned off", async () => {
  const page = await inbox(1);
  await page.goto(`${server.url}/#/settings`);
  await page.getByLabel(/Single keys/).uncheck();
  await page.goto(`${server.url}/#/inbox`);
  await page.locator(".decision[data-seen='true']").waitFor();
  await page.locator("body").press("r");
  assert.equal(await page.getByLabel("Reason").count(), 0);
  await page.goto(`${server.url}/#/settings`);
  await page.getByLabel(/Single keys/).check();
  await page.goto(`${server.url}/#/inbox`);
  await page.locator(".decision[data-seen='true']").waitFor();
  await page.locator("body").press("r");
  await page.getByLabel("Reason").waitFor();
  await page.context().close();
});

/** The inbox with one decision of these arguments in place of the real one. */
async function shows(tool, input, before) {
  const page = await open(browser, server);
  const [real] = await (async () => { await server.start("Ask me [test:approval]"); return until("the question", async () => { const all = await pending(); return all.length > 0 && all; }); })();
  await page.route("**/v1/approvals?*", (route) => route.fulfill({ json: { approvals: [{ ...real, tool, input, summary: "Do it" }], total: 1, limit: 100, offset: 0 } }));
  if (before !== undefined) await page.route("**/v1/workspaces/*/files/**", (route) => route.fulfill({ body: before, contentType: "text/plain" }));
  await signIn(page, server.keys.test);
  await page.goto(`${server.url}/#/inbox`);
  await page.locator(".decision[data-seen='true']").waitFor();
  return page;
}

const sideways = (page, where) => page.locator(where).first().evaluate((element) => element.scrollWidth - element.clientWidth);

test("a file that is wholly different is shown whole", async () => {
  const lines = (word) => Array.from({ length: 5_000 }, (_, index) => `${word} ${index} ${index * 7919 % 9973}`).join("\n");
  const page = await shows("write_file", { path: "report.txt", content: `${lines("new")}\nthe very end of it\n` }, lines("old"));
  await page.getByText("This is the whole new text").waitFor();
  await page.getByText("the very end of it").waitFor();
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test("the end of a long program is a click away, and is said to be there", async () => {
  const page = await shows("code_exec", { language: "text", code: `# harmless\n${"x = 1\n".repeat(60_000)}import os; os.remove('all')\n` });
  const code = page.locator(".decision .code").first();
  assert.equal((await code.textContent()).includes("os.remove"), false);
  // What was not on the page is not approved.
  const approve = page.getByRole("button", { name: /^Approve/ });
  assert.equal(await approve.isDisabled(), true);
  await page.locator("body").press("a");
  while ((await page.getByRole("button", { name: "Show more" }).count()) > 0) await page.getByRole("button", { name: "Show more" }).click();
  await page.getByText("os.remove('all')").first().waitFor();
  await approve.and(page.locator(":enabled")).waitFor();
  assert.ok((await pending()).length > 0);
  await page.context().close();
});

test("nothing of what is decided stands beyond the right edge, and what cannot be seen is named", async () => {
  const page = await shows("code_exec", { language: "bash", code: `echo fine${" ".repeat(400)}; rm -rf everything \u202Etxt.exe\u200B` });
  await page.getByText("rm -rf everything").first().waitFor();
  assert.equal(await sideways(page, ".decision .code"), 0);
  assert.deepEqual(await page.locator(".decision .odd").allTextContents(), ["U+202E", "U+200B"]);
  await page.context().close();
  const changed = await shows("edit_file", { path: "invoice\u202Efdp.exe", old: `a${" ".repeat(500)}b`, new: `a${" ".repeat(500)}c` });
  await changed.locator(".diff .add").waitFor();
  assert.equal(await sideways(changed, ".decision .diff"), 0);
  assert.ok((await changed.locator(".decision h2").textContent()).includes("⟨U+202E⟩"));
  await changed.context().close();
});

test("a number that a browser cannot hold is said, and cannot be changed here", async () => {
  const page = await open(browser, server);
  await server.start("Ask me [test:approval]");
  const [real] = await until("the question", async () => { const all = await pending(); return all.length > 0 && all; });
  const text = JSON.stringify({ approvals: [{ ...real, tool: "send_email", input: { to: ["a@b.c"], subject: "Hi", account: "N" } }], total: 1, limit: 100, offset: 0 }).replace('"N"', "9007199254740993");
  await page.route("**/v1/approvals?*", (route) => route.fulfill({ body: text, contentType: "application/json" }));
  await signIn(page, server.keys.test);
  await page.goto(`${server.url}/#/inbox`);
  await page.getByText("larger than a browser can show exactly").waitFor();
  await page.locator(".decision[data-seen='true']").waitFor();
  assert.equal(await page.getByRole("button", { name: /^Edit/ }).isDisabled(), true);
  assert.equal(await page.getByRole("button", { name: /^Approve/ }).isDisabled(), false);
  await page.context().close();
});
