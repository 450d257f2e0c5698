// Pictures of the page from a real run in test mode. Into docs/images those that the documentation shows:
//   MITEOS_PROGRAM=… node tests/page/screenshots.mjs
// or all of them into a folder:
//   MITEOS_PROGRAM=… node tests/page/screenshots.mjs FOLDER

import { mkdir } from "node:fs/promises";
import { DESKTOP, PHONE, launch, open, Server, signIn, until } from "./harness.mjs";
import { Site } from "./site.mjs";

const everything = process.argv[2] !== undefined;
const folder = process.argv[2] ?? new URL("../../../docs/images", import.meta.url).pathname;
await mkdir(folder, { recursive: true });
/** What docs/ shows. */
const SHOWN = new Set(["page-empty", "page-now", "page-task", "page-task-dark", "page-inbox", "page-deployments", "page-deployment", "page-phone-now", "page-phone-task", "page-phone-decision", "deployed"]);
const [server, browser] = await Promise.all([Server.start(), launch()]);
const shoot = async (page, name) => {
  if (!everything && !SHOWN.has(name)) return;
  await page.mouse.move(0, 0);
  await page.evaluate(() => document.fonts.ready);
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  await page.screenshot({ path: `${folder}/${name}.png`, animations: "disabled" });
  console.log(name);
};

try {
  const empty = await open(browser, server, { ...DESKTOP, colorScheme: "light" });
  await shoot(empty, "page-sign-in");
  await signIn(empty, server.keys.test);
  await empty.getByText("Your first task").waitFor();
  await shoot(empty, "page-empty");
  if (everything) {
    for (const place of ["inbox", "tasks", "workspaces", "deployments", "usage", "settings/webhooks", "settings/accounts", "nowhere"]) {
      await empty.goto(`${server.url}/#/${place}`);
      await empty.locator(".empty").first().waitFor();
      await shoot(empty, `empty-${place.replace("/", "-")}`);
    }
  }
  await empty.context().close();

  const done = [
    ["Summarise the quarter's support tickets by topic\n[test:agents=2]", {}],
    ["Draft a release note for version 2.4 in plain words", {}],
    ["Check which of our dependencies have a new major version\n[test:agents=4]", {}],
    ["Convert sales.csv into a chart of revenue by region", {}],
    ["Translate the onboarding guide into French\n[test:fail]", {}],
  ];
  let failed;
  for (const [prompt, config] of done) failed = await server.ended((await server.start(prompt, config)).id);
  const long = await server.start("Compare five note-taking apps for a small team: features, price, export, privacy. Write a table and a recommendation.\n[test:agents=6] [test:slow=10m]", { max_agents: 4 });
  const asks = await server.start("Send the weekly report to the team\n[test:approval]", {});
  await server.start("Rewrite notes.md for newcomers", { autonomy_level: 20 });
  await server.until(asks.id, (task) => task.approvals.length > 0);
  await until("the plan at work", async () => (await server.call("GET", `/tasks/${long.id}`)).agents.length >= 4);

  // A run that is half done: its first part is complete, the last waits for a person.
  const graph = await server.start("Plan the move of our blog to a new host: inventory, redirects, a dry run, and a checklist\n[test:agents=5] [test:approval]", { max_agents: 4 });
  await server.until(graph.id, (task) => task.approvals.length > 0 && task.agents.filter((agent) => agent.status === "complete").length >= 3);

  // Sites that were published, one with a mistake.
  const shop = { "index.html": "<!doctype html><title>Tea shop</title><h1>Tea</h1>", "menu.html": "<!doctype html><h1>Menu</h1>", "style.css": "h1 { font-weight: 400 }" };
  const deploy = async (name, files, target = "preview", config = undefined, key = server.keys.test) => {
    const workspace = await server.workspace(name, files, key);
    const made = await server.call("POST", "/deployments", { workspace_id: workspace.id, target, config_id: config }, key);
    return until("a deployment's end", async () => {
      const shown = await server.call("GET", `/deployments/${made.id}`, undefined, key);
      return ["live", "failed"].includes(shown.status) ? shown : undefined;
    });
  };
  const account = await server.call("POST", "/deploy-configs", { name: "Tea shop", target: "netlify", credentials: { token: "nfp_0123456789abcdef" }, settings: { site: "tea-shop.netlify.app" } });
  await deploy("Tea shop", shop, "netlify", account.id);
  // These are really published.
  const live = server.keys.live;
  await deploy("Handbook for newcomers", { ...shop, "index.html": "<!doctype html><title>Handbook</title>" }, "preview", undefined, live);
  await deploy("Release notes 2.4", shop, "preview", undefined, live);
  await deploy("Notes of the meeting", { "notes.md": "# Notes" }, "preview", undefined, live);
  const shown = await deploy("Tea shop, new menu", { ...shop, ".drafts/new.html": "x" }, "preview", undefined, live);

  for (const [scheme, suffix] of [["light", ""], ["dark", "-dark"]]) {
    const page = await open(browser, server, { ...DESKTOP, colorScheme: scheme });
    await signIn(page, server.keys.test);
    await page.getByText(/decisions wait/).waitFor();
    await page.locator(".light[data-state='open']").waitFor();
    await shoot(page, `page-now${suffix}`);
    await page.goto(`${server.url}/#/task/${graph.id}`);
    await page.locator(".deliverables-panel .file-line").first().waitFor();
    await page.locator(".node.wait").waitFor();
    await shoot(page, `page-task${suffix}`);
    await page.goto(`${server.url}/#/inbox`);
    await page.getByRole("button", { name: /^Approve/ }).waitFor();
    await page.locator(".decision[data-seen='true']").waitFor();
    await shoot(page, `page-inbox${suffix}`);
    const owner = await open(browser, server, { ...DESKTOP, colorScheme: scheme });
    await signIn(owner, live);
    await owner.goto(`${server.url}/#/deployments`);
    await owner.locator(".deployment-row").nth(3).waitFor();
    await owner.locator(".light[data-state='open']").waitFor();
    await shoot(owner, `page-deployments${suffix}`);
    await owner.goto(`${server.url}/#/deployments/${shown.id}`);
    await owner.locator(".log-line").first().waitFor();
    await owner.locator(".preview-panel h3").waitFor();
    await shoot(owner, `page-deployment${suffix}`);
    await owner.context().close();
    if (scheme === "light") {
      await page.goto(`${server.url}/#/settings/accounts`);
      await page.locator(".line-row").filter({ hasText: "Tea shop" }).waitFor();
      await shoot(page, "page-accounts");
      await page.getByRole("button", { name: "New account" }).click();
      await shoot(page, "page-account");
      await page.goto(`${server.url}/#/settings/models`);
      await page.locator("table.data tbody tr").first().waitFor();
      await shoot(page, "page-models");
      await page.goto(`${server.url}/#/tasks`);
      await page.locator("a.task-row").first().waitFor();
      await shoot(page, "page-tasks");
      await page.goto(`${server.url}/#/usage`);
      await page.getByText("By model").waitFor();
      await shoot(page, "page-usage");
      await page.getByRole("button", { name: "Table" }).click();
      await shoot(page, "page-usage-table");
      await page.goto(`${server.url}/#/settings/keys`);
      await page.locator("table.data tbody tr").first().waitFor();
      await shoot(page, "page-settings");
      await page.getByRole("button", { name: "New key" }).click();
      await shoot(page, "page-new-key");
      for (const [place, ready] of [["settings", "Sign out"], ["settings/asking", "Low risk"], ["workspaces", "Tea shop"]]) {
        await page.goto(`${server.url}/#/${place}`);
        await page.locator("main").getByText(ready).first().waitFor();
        await shoot(page, `page-${place.replace("/", "-")}-place`);
      }
      await page.goto(`${server.url}/#/task/${graph.id}`);
      await page.locator(".event[data-type='agent.action']").first().click();
      await page.getByRole("dialog").locator(".facts, .code").first().waitFor();
      await shoot(page, "page-event");
      await page.keyboard.press("Escape");
      await page.locator(".deliverables-panel").getByRole("button", { name: /^Share/ }).first().click();
      await page.getByRole("button", { name: "Make a link" }).click();
      await page.locator("[data-share]").waitFor();
      await shoot(page, "page-share");
      await page.keyboard.press("Escape");
      await page.locator("button.fact").filter({ hasText: "Dial" }).click();
      await shoot(page, "page-dial");
      await page.keyboard.press("Escape");
      await page.goto(`${server.url}/#/task/${failed.id}`);
      await page.getByText("Why it failed").waitFor();
      await shoot(page, "page-failed");
      await page.keyboard.press("?");
      await shoot(page, "page-keyboard");
    }
    await page.context().close();
  }

  const phone = await open(browser, server, { ...PHONE, colorScheme: "light" });
  await signIn(phone, server.keys.test);
  await phone.getByText(/decisions wait/).waitFor();
  await shoot(phone, "page-phone-now");
  await phone.goto(`${server.url}/#/task/${graph.id}`);
  await phone.getByRole("article").first().waitFor();
  await shoot(phone, "page-phone-task");
  await phone.goto(`${server.url}/#/inbox`);
  await phone.getByRole("button", { name: /risk/ }).first().click();
  await phone.getByRole("button", { name: /^Approve/ }).waitFor();
  await shoot(phone, "page-phone-decision");
  await phone.context().close();
  const phoneLive = await open(browser, server, { ...PHONE, colorScheme: "light" });
  await signIn(phoneLive, live);
  await phoneLive.goto(`${server.url}/#/deployments/${shown.id}`);
  await phoneLive.locator(".preview-panel h3").waitFor();
  await shoot(phoneLive, "page-phone-deployment");
  await phoneLive.goto(`${server.url}/#/deployments`);
  await phoneLive.locator(".deployment-row").nth(3).waitFor();
  await shoot(phoneLive, "page-phone-deployments");
  await phoneLive.getByRole("button", { name: "More" }).click();
  await shoot(phoneLive, "page-phone-more");
  await phoneLive.context().close();

  const site = await Site.begin();
  try {
    const { url } = await site.approve();
    const page = await (await browser.newContext(DESKTOP)).newPage();
    await page.goto(url);
    await page.getByRole("article").nth(2).waitFor();
    await shoot(page, "deployed");
  } finally {
    await site.stop();
  }
} finally {
  await browser.close();
  await server.stop();
}
