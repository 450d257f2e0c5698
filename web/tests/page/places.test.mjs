// Every place of the page, empty and full, light and dark, on a desk and on a phone: nothing sticks out, nobody is kept out.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DESKTOP, PHONE, launch, open, overflow, serious, Server, signIn, until } from "./harness.mjs";

let server;
let browser;
before(async () => { [server, browser] = await Promise.all([Server.start({ env: { MITEOS_EGRESS_ALLOW: "127.0.0.0/8" } }), launch()]); });
after(async () => { await browser?.close(); await server?.stop(); });

const SIZES = [["desk", DESKTOP], ["phone", PHONE]];

/** Places that are there without anything: where, and what is waited for. */
const BARE = [
  ["#/", "Your first task"], ["#/inbox", "Nothing waits for you"], ["#/tasks", "No tasks yet"], ["#/workspaces", "No workspaces yet"],
  ["#/deployments", "Nothing was published yet"], ["#/usage", "Nothing was used in this time"], ["#/settings", "Sign out"], ["#/settings/keys", "this browser"],
  ["#/settings/webhooks", "No webhooks"], ["#/settings/asking", "Low risk"], ["#/settings/models", "Models"], ["#/settings/accounts", "No accounts yet"],
  ["#/nowhere", "There is nothing here"], ["#/task/task_nobody", "This task cannot be shown"], ["#/deployments/dep_nobody", "This deployment cannot be shown"],
  ["#/workspaces/ws_nobody", "There is no such workspace"],
];

async function fine(page, where) {
  assert.equal(await overflow(page), 0, `${where}: something sticks out`);
  assert.deepEqual(await serious(page), [], where);
}

/** Looks at each place, in both schemes. */
async function tour(options, name, places) {
  const page = await open(browser, server, options);
  await signIn(page, server.keys.test);
  for (const [hash, text] of places) {
    await page.goto(`${server.url}/${hash}`);
    await page.locator("main").getByText(text).and(page.locator(":visible")).first().waitFor();
    for (const scheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      await fine(page, `${hash}, ${name}, ${scheme}`);
    }
  }
  return page;
}

for (const [name, options] of SIZES) {
  test(`places without anything in them, on a ${name}`, async () => {
    const page = await tour(options, name, BARE);
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });
}

const LONG = "A_name_without_any_blank_".repeat(12);

/** One of each, with the longest words that come. */
async function furnish() {
  const done = await server.ended((await server.start(`Compare ${LONG}\n[test:agents=3]`)).id);
  const failed = await server.ended((await server.start("Translate the guide [test:fail]")).id);
  const asks = await server.start(`Send the report to ${LONG} [test:approval] [test:agents=4]`, { budget_cents: 500 });
  await server.until(asks.id, (shown) => shown.approvals.length > 0);
  const workspace = await server.workspace(LONG.slice(0, 100), { "index.html": "<!doctype html><h1>Tea</h1>", [`${LONG.slice(0, 200)}.md`]: "# Tea", "deep/in/a/folder/of/folders/data.csv": "a,b\n1,2\n" });
  const account = await server.call("POST", "/deploy-configs", { name: LONG.slice(0, 60), target: "netlify", credentials: { token: "nfp_0123456789abcdef" }, settings: { site: "tea-shop.netlify.app" } });
  const deployed = [];
  for (const [target, config] of [["preview", undefined], ["netlify", account.id]]) {
    const made = await server.call("POST", "/deployments", { workspace_id: workspace.id, target, config_id: config });
    deployed.push(await until("a deployment's end", async () => {
      const shown = await server.call("GET", `/deployments/${made.id}`);
      return ["live", "failed"].includes(shown.status) && shown;
    }));
  }
  await server.call("POST", "/webhooks", { url: `http://127.0.0.1:9/${LONG}`, events: ["task.complete"], description: LONG });
  return { done, failed, asks, workspace, deployed };
}

test("places with something in them", async () => {
  const { done, failed, asks, workspace, deployed } = await furnish();
  const places = [
    ["#/", "waits for you"], ["#/inbox", "High risk"], ["#/tasks", "Translate the guide"], [`#/task/${done.id}`, "Complete"], [`#/task/${failed.id}`, "Failed"],
    [`#/task/${asks.id}`, "asks:"], ["#/workspaces", "A_name"], [`#/workspaces/${workspace.id}`, "index.html"], ["#/deployments", "Live"],
    ...deployed.map((each) => [`#/deployments/${each.id}`, "About it"]), ["#/usage", "By model"], ["#/settings/keys", "this browser"], ["#/settings/webhooks", "A_name"],
    ["#/settings/accounts", "A_name"],
  ];
  for (const [name, options] of SIZES) {
    const page = await tour(options, name, places);
    // What stands behind tabs, in menus and dialogs.
    await page.goto(`${server.url}/#/task/${done.id}`);
    const tabs = name === "phone" ? ["Agents", "Timeline", "Plan", /^Results/, "Workspace"] : ["Files", /^Terminal/, /^Web/, /^Pictures/];
    for (const tab of tabs) {
      await page.getByRole("tab", { name: tab }).click();
      await fine(page, `${tab}, ${name}`);
    }
    if (name === "phone") await page.getByRole("tab", { name: "Timeline" }).click();
    await page.locator(".event").first().click();
    await page.getByRole("dialog").waitFor();
    await fine(page, `an event, ${name}`);
    await page.keyboard.press("Escape");
    await page.locator("button.fact").filter({ hasText: "Cost" }).click();
    await fine(page, `the cost, ${name}`);
    await page.goto(`${server.url}/#/usage`);
    await page.reload();
    await page.getByRole("button", { name: "Table" }).click();
    await fine(page, `usage as a table, ${name}`);
    await page.goto(`${server.url}/#/settings/keys`);
    await page.getByRole("button", { name: "New key" }).click();
    await fine(page, `a new key, ${name}`);
    assert.deepEqual(page.problems, []);
    await page.context().close();
  }
});
