// Without a mouse: every place is reached, everything is done by keys alone, and where the focus is can be seen.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, Server, signIn, until } from "./harness.mjs";

let server;
let browser;
before(async () => { [server, browser] = await Promise.all([Server.start(), launch()]); });
after(async () => { await browser?.close(); await server?.stop(); });

/** More stops than any place has. */
const MOST_STOPS = 250;

/** Whether it has the focus. */
const has = (locator) => locator.evaluate((element) => element === document.activeElement);

/** Presses Tab until it has the focus, and sees that this can be seen. */
async function tabTo(page, locator, key = "Tab") {
  await locator.waitFor();
  for (let stop = 0; stop < MOST_STOPS; stop += 1) {
    if (await has(locator)) {
      const ring = await locator.evaluate((element) => getComputedStyle(element).outlineStyle);
      assert.notEqual(ring, "none", "the focus is seen");
      return;
    }
    await page.keyboard.press(key);
  }
  throw new Error(`${locator} is not reached by ${key}`);
}

async function enter(page, locator) {
  await tabTo(page, locator);
  await page.keyboard.press("Enter");
}

/** Two keys in a row, as quickly as the machine allows; where it was too slow, again. */
async function goTo(page, letter, hash) {
  await until(`the place of g ${letter}`, async () => {
    await page.keyboard.press("g");
    await page.keyboard.press(letter);
    return (await page.evaluate(() => location.hash)).startsWith(hash);
  });
}

/** While a dialog is open Tab leads to nothing behind it. */
async function isTrapped(page) {
  await page.getByRole("dialog").waitFor();
  for (let stop = 0; stop < 12; stop += 1) {
    await page.keyboard.press("Tab");
    assert.ok(await page.evaluate(() => document.activeElement === document.body || document.activeElement.closest("dialog") !== null), "the focus left the dialog");
  }
}

async function escape(page) {
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
}

/** The event whose line has the focus. */
const focusedEvent = (page) => page.evaluate(() => Number(document.activeElement.dataset.seq));

test("a task by keys alone: started, watched, guided, decided", async () => {
  const page = await open(browser, server);
  await page.getByLabel("API key").waitFor();
  await page.keyboard.type(server.keys.test);
  await page.keyboard.press("Enter");
  await page.getByLabel("What should be done?").waitFor();
  await page.keyboard.press("?");
  await page.getByRole("heading", { name: "Keyboard" }).waitFor();
  await isTrapped(page);
  await escape(page);
  await page.keyboard.press("/");
  await page.keyboard.type("Write two letters [test:agents=3] [test:approval]");
  await page.keyboard.press("Control+Enter");
  await page.getByRole("heading", { level: 1, name: "Write two letters" }).waitFor();
  const task = (await page.evaluate(() => location.hash)).split("/").pop();
  await server.until(task, (shown) => shown.approvals.length > 0);
  await page.getByText("asks:").waitFor();

  // A step of the plan shows its agent's part of the timeline, and all of it again.
  const node = page.locator(".node.wait");
  await enter(page, node);
  assert.equal(await node.getAttribute("aria-pressed"), "true");
  await page.keyboard.press("Enter");
  assert.equal(await node.getAttribute("aria-pressed"), "false");

  // Said to the agent that waits; the focus is back where it was.
  const guide = page.getByRole("article").filter({ hasText: "Needs you" }).getByRole("button", { name: "Guide" });
  await tabTo(page, guide, "Shift+Tab");
  await page.keyboard.press("Enter");
  await page.getByLabel("Your words").waitFor();
  await page.keyboard.type("Keep it short");
  await page.keyboard.press("Control+Enter");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(await has(guide), true);

  // The timeline is one stop; arrows go from line to line, and a line opens.
  await page.getByText("Guidance: Keep it short").waitFor();
  const frame = page.getByRole("list", { name: "Events" });
  await tabTo(page, frame);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Home");
  await until("the first line", async () => (await focusedEvent(page)) === 1);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("j");
  await page.keyboard.press("k");
  await until("the second line", async () => (await focusedEvent(page)) === 2);
  await page.keyboard.press("Enter");
  await page.getByText(/^Event 2 of/).waitFor();
  await page.keyboard.press("ArrowRight");
  await page.getByText(/^Event 3 of/).waitFor();
  await escape(page);
  assert.equal(await focusedEvent(page), 2);
  await page.keyboard.press("End");
  const journal = await server.events(task);
  await until("the last line", async () => (await focusedEvent(page)) === journal.length);
  await page.keyboard.press("Tab");
  assert.ok(Number.isNaN(await focusedEvent(page)), "one stop and no more");

  // Tabs: one stop, arrows choose, and what they show says what it is.
  await tabTo(page, page.getByRole("tab", { name: "Files" }));
  await page.keyboard.press("ArrowRight");
  await page.getByRole("tab", { name: "Terminal", selected: true }).waitFor();
  await page.getByRole("tabpanel", { name: "Terminal" }).waitFor();
  await page.keyboard.press("End");
  await page.getByRole("tabpanel", { name: "Pictures" }).waitFor();
  await page.keyboard.press("Home");
  await page.getByRole("tabpanel", { name: "Files" }).waitFor();

  // The decision.
  await goTo(page, "i", "#/inbox");
  await page.locator(".decision[data-seen='true']").waitFor();
  await page.keyboard.press("r");
  await page.keyboard.type("Write it by hand");
  await page.keyboard.press("Control+Enter");
  await page.getByText("Nothing waits for you").waitFor();
  assert.equal((await server.ended(task)).status, "complete");
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test("every other place by keys alone", async () => {
  const task = (await server.ended((await server.start("Write a report")).id)).id;
  for (let more = 0; more < 3; more += 1) await server.ended((await server.start(`Another report, ${more}`)).id);
  await server.workspace("A small site", { "index.html": "<!doctype html><title>Tea</title><h1>Tea</h1>" });
  const page = await open(browser, server);
  await signIn(page, server.keys.test);

  // The list of tasks is one stop, too.
  await goTo(page, "t", "#/tasks");
  await tabTo(page, page.getByRole("list", { name: "Tasks" }));
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("End");
  await page.keyboard.press("ArrowUp");
  const focused = await until("a line", () => page.evaluate(() => document.activeElement.getAttribute("href")));
  await page.keyboard.press("Enter");
  await until("its task", async () => (await page.evaluate(() => location.hash)) === focused);

  // Files: looked at, shared.
  await page.goto(`${server.url}/#/task/${task}`);
  const file = page.locator(".deliverables-panel .file-line");
  await enter(page, file.getByRole("button").first());
  await isTrapped(page);
  await escape(page);
  assert.equal(await has(file.getByRole("button").first()), true);
  await enter(page, file.getByRole("button", { name: /^Share/ }));
  await enter(page, page.getByRole("button", { name: "Make a link" }));
  await page.locator("[data-share]").waitFor();
  await enter(page, page.getByRole("button", { name: "Revoke" }));
  await page.getByText("leads nowhere from now on").waitFor();
  await escape(page);

  // A folder, and how it is deployed.
  await goTo(page, "w", "#/workspaces");
  await enter(page, page.getByRole("link", { name: /A small site/ }));
  await enter(page, page.getByRole("button", { name: "Deploy", exact: true }));
  await enter(page, page.getByRole("dialog").getByRole("button", { name: "Deploy", exact: true }));
  await page.locator(".steps .past").nth(3).waitFor();
  await goTo(page, "d", "#/deployments");
  await enter(page, page.locator(".deployment-row .line-row").first());
  await tabTo(page, page.getByRole("log"));

  // What it cost, as a table.
  await goTo(page, "u", "#/usage");
  await enter(page, page.getByRole("group", { name: "By day as" }).getByRole("button", { name: "Table" }));
  await page.getByRole("columnheader", { name: "Model calls" }).waitFor();

  // Settings are places of their own; a dialog gives the focus back.
  await goTo(page, "s", "#/settings");
  const parts = page.getByRole("navigation", { name: "Settings" });
  for (const [name, part] of [["API keys", "keys"], ["Webhooks", "webhooks"], ["When agents ask", "asking"], ["Models", "models"], ["Deploy accounts", "accounts"]]) {
    await enter(page, parts.getByRole("link", { name }));
    await until(name, async () => (await page.evaluate(() => location.hash)) === `#/settings/${part}`);
  }
  const make = page.getByRole("button", { name: "New account" });
  await enter(page, make);
  await isTrapped(page);
  await escape(page);
  assert.equal(await has(make), true);

  // A menu does nothing before it is told to.
  await page.evaluate(() => localStorage.setItem("miteos.recent-prompts", JSON.stringify(["The newest prompt", "The one before"])));
  await goTo(page, "n", "#/");
  const recent = page.getByRole("button", { name: "Recent" });
  await enter(page, recent);
  await page.getByRole("menuitem", { name: "The newest prompt" }).waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Escape");
  assert.equal(await has(recent), true);
  assert.equal(await page.getByLabel("What should be done?").inputValue(), "");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("End");
  await page.keyboard.press("Enter");
  assert.equal(await page.getByLabel("What should be done?").inputValue(), "The one before");

  await page.goto(`${server.url}/#/settings`);
  await enter(page, page.getByRole("button", { name: "Sign out" }));
  await page.getByLabel("API key").waitFor();
  assert.deepEqual(page.problems, []);
  await page.context().close();
});
