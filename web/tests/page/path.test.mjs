// A person's whole path in test mode, on a desk and on a phone: sign in, start, watch, guide, reject, edit and approve,
// download, share, deploy and open. Each step is seen on the page.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { DESKTOP, PHONE, launch, open, opened, overflow, serious, Server, signIn, until } from "./harness.mjs";

let server;
let browser;
before(async () => { [server, browser] = await Promise.all([Server.start(), launch()]); });
after(async () => { await browser?.close(); await server?.stop(); });

/** On a phone the panels stand behind tabs. */
async function look(page, narrow, tab) {
  if (narrow) await page.getByRole("tab", { name: tab }).click();
}

async function fine(page, where) {
  assert.equal(await overflow(page), 0, `${where}: something sticks out`);
  assert.deepEqual(await serious(page), [], where);
}

for (const [name, options, narrow] of [["desk", DESKTOP, false], ["phone", PHONE, true]]) {
  test(`the whole path on a ${name}`, async () => {
    const page = await open(browser, server, options);
    await page.getByLabel("API key").fill("mt_test_nobody_has_this_key_at_all_000000");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("the API key is not valid").waitFor();
    await fine(page, "the door");
    await signIn(page, server.keys.test);
    await fine(page, "the first page");

    // Three agents; the first asks before it does something of high risk.
    const prompt = `Compare three note-taking apps on a ${name} [test:agents=3] [test:approval] [test:slow=2s]`;
    await page.getByLabel("What should be done?").fill(prompt);
    await page.getByRole("button", { name: "Start" }).click();
    await page.getByRole("heading", { level: 1, name: prompt }).waitFor();
    const task = (await page.evaluate(() => location.hash)).split("/").pop();
    const agents = page.getByRole("article");
    await until("two agents at work", async () => (await agents.count()) >= 2);
    await fine(page, "a task that runs");

    // Guide one: the one that waits for a person is still there, however slow this machine is.
    await agents.filter({ hasText: "Needs you" }).first().getByRole("button", { name: "Guide" }).click();
    await page.getByLabel("Your words").fill("Keep it to one page");
    await page.getByRole("button", { name: "Say it" }).click();
    await page.getByText("It is read at the next step").waitFor();
    await look(page, narrow, "Timeline");
    await page.getByRole("listitem").filter({ hasText: "Guidance: Keep it to one page" }).waitFor();

    // It asks. Reject with a reason, in the inbox.
    const link = page.getByRole("link", { name: /^Inbox/ }).and(page.locator(":visible"));
    await until("the count in the title", async () => (await page.title()).startsWith("(1)"));
    await link.click();
    await page.getByRole("button", { name: /High risk/ }).first().waitFor();
    if (narrow) await page.getByRole("button", { name: /High risk/ }).first().click();
    await page.getByRole("button", { name: /^Approve/ }).waitFor();
    await fine(page, "the inbox");
    await page.getByRole("button", { name: /^Reject/ }).click();
    await page.getByLabel("Reason").fill("Not before the numbers are checked");
    await page.getByRole("button", { name: "Reject", exact: true }).click();
    await page.getByText("Nothing waits for you").waitFor();
    await until("no count in the title", async () => !(await page.title()).startsWith("("));
    const first = await server.ended(task);
    assert.equal(first.status, "complete");
    const resolved = (await server.events(task)).find((event) => event.type === "approval.resolved");
    assert.deepEqual([resolved.data.status, resolved.data.reason], ["rejected", "Not before the numbers are checked"]);

    // The next one is approved with other words.
    const second = await server.start(`Send the report on a ${name} [test:approval]`);
    await page.getByRole("button", { name: /High risk/ }).first().waitFor();
    if (narrow) await page.getByRole("button", { name: /High risk/ }).first().click();
    await page.getByRole("button", { name: /^Edit/ }).click();
    const field = page.locator(".decision textarea").last();
    const words = (await field.inputValue()).replace(/^/, "Changed by a person. ");
    await field.fill(words);
    await page.getByRole("button", { name: "Approve this" }).click();
    await page.getByText("Nothing waits for you").waitFor();
    const events = await server.events((await server.ended(second.id)).id);
    const action = events.find((event) => event.type === "agent.action" && JSON.stringify(event.data.input).includes("Changed by a person."));
    assert.ok(action, "the call ran with the changed words");

    // What came out of the first one: open it, download it.
    await page.goto(`${server.url}/#/task/${task}`);
    await page.getByText("Complete").first().waitFor();
    await look(page, narrow, /^Results/);
    const panel = page.locator(".deliverables-panel");
    const file = panel.locator(".file-line").first();
    await file.waitFor();
    const shownName = (await file.locator(".strong").textContent()).trim();
    await fine(page, "a finished task");
    await file.getByRole("button").first().click();
    await page.getByRole("dialog").getByRole("heading", { name: shownName }).waitFor();
    const coming = page.waitForEvent("download");
    await page.getByRole("dialog").getByRole("button", { name: "Download" }).click();
    const got = await coming;
    const listed = (await server.call("GET", `/tasks/${task}/deliverables`)).find((each) => each.name === shownName);
    const real = Buffer.from(await (await fetch(listed.download_url)).arrayBuffer());
    assert.deepEqual(await readFile(await got.path()), real);
    await page.keyboard.press("Escape");

    // A public link for somebody without a key: it works, and is taken back.
    await file.getByRole("button", { name: `Share ${shownName}` }).click();
    await page.getByRole("button", { name: "Make a link" }).click();
    const shared = (await page.locator("[data-share] code").textContent()).trim();
    await fine(page, "a shared file");
    assert.deepEqual(Buffer.from(await (await fetch(shared)).arrayBuffer()), real);
    // Whoever opens the dialog anew, in whatever browser, sees the link and can take it back.
    await page.keyboard.press("Escape");
    await file.getByRole("button", { name: `Share ${shownName}` }).click();
    await page.getByText("1 link that works").waitFor();
    await page.getByRole("button", { name: "Revoke" }).click();
    await page.getByText("leads nowhere from now on").waitFor();
    assert.equal((await fetch(shared)).status, 404);
    await page.keyboard.press("Escape");

    // Deploy it to a preview, and open that.
    await panel.getByRole("button", { name: "Deploy" }).click();
    await page.getByLabel("Where to").selectOption("preview");
    await fine(page, "a deployment to begin");
    await page.getByRole("dialog").getByRole("button", { name: "Deploy" }).click();
    await page.locator(".steps .past").nth(3).waitFor();
    await page.getByText("this is a test: nothing is pushed").waitFor();
    await fine(page, "a deployment");
    const deployment = await server.call("GET", `/deployments/${(await page.evaluate(() => location.hash)).split("/").pop()}`);
    assert.deepEqual([deployment.status, deployment.target], ["live", "preview"]);
    const tab = await opened(page, page.getByRole("link", { name: "Open it", exact: true }));
    assert.equal(tab.url(), deployment.url);
    assert.notEqual(new URL(tab.url()).origin, server.url);
    await tab.close();
    await page.goto(`${server.url}/#/deployments`);
    await page.locator(`[data-deployment="${deployment.id}"][data-status="live"]`).waitFor();
    await fine(page, "the list of deployments");
    await page.goto(`${server.url}/#/task/${task}`);
    await look(page, narrow, /^Results/);
    await panel.locator(`[data-deployment="${deployment.id}"]`).waitFor();

    // The timeline is the journal.
    await look(page, narrow, "Timeline");
    const journal = await server.events(task);
    await page.getByText(`Timeline ${journal.length}`).waitFor();
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });
}

test("a key stays in its tab unless asked, and signing out forgets it", async () => {
  const page = await open(browser, server);
  await signIn(page, server.keys.test);
  const stored = () => page.evaluate(() => [Object.values(localStorage).join(" "), Object.values(sessionStorage).join(" ")].map((text) => text.includes("mt_test_")));
  assert.deepEqual(await stored(), [false, true]);
  await page.reload();
  await page.getByLabel("What should be done?").waitFor();
  await page.goto(`${server.url}/#/settings`);
  await page.getByLabel(/Remember the key/).check();
  assert.deepEqual(await stored(), [true, false]);
  const other = await page.context().newPage();
  await other.goto(server.url);
  await other.getByLabel("What should be done?").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("API key").waitFor();
  assert.deepEqual(await stored(), [false, false]);
  await page.context().close();
});
