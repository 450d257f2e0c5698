// Deploying in the live world: an agent writes a page, it is really served by the preview host, and opened in the browser on
// its own origin. Who may look, links, deletion; what cannot be published; accounts at hosts.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, opened, overflow, serious, Server, signIn, until } from "./harness.mjs";
import { Model } from "./model.mjs";

const PAGE = `<!doctype html><html lang="en"><title>Made by an agent</title><h1>Hello from the preview</h1><p id="p">…</p>
<script>document.getElementById("p").textContent = "It ran on " + location.host;</script></html>`;

let model;
let server;
let browser;
before(async () => {
  model = await Model.start({
    plan: () => [["Write the page", "Write a page and hand it over"]],
    agent: (_part, turn) => [[["write_file", { path: "index.html", content: PAGE }]], [["publish", { path: "index.html" }]], "The page is there."][turn],
    conclude: { summary: "The page is there.", deliverables: [] },
  });
  [server, browser] = await Promise.all([Server.start({ env: model.env }), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await model?.stop();
  assert.deepEqual(model?.problems, []);
});

async function fine(page, where) {
  assert.equal(await overflow(page), 0, `${where}: something sticks out`);
  assert.deepEqual(await serious(page), [], where);
}

/** Whether a tab shows the agent's page. */
const shows = (tab) => tab.getByRole("heading", { name: "Hello from the preview" });

test("a page that an agent wrote is opened on an origin of its own", async () => {
  const page = await open(browser, server);
  await signIn(page, server.keys.live);
  await page.getByLabel("What should be done?").fill("Make a page that says hello");
  await page.getByRole("button", { name: "Start" }).click();
  const panel = page.locator(".deliverables-panel");
  await panel.locator(".file-line").filter({ hasText: "index.html" }).waitFor();
  await page.getByText("Complete").first().waitFor();
  const task = (await page.evaluate(() => location.hash)).split("/").pop();

  // In the page of this server it is text.
  await panel.locator(".file-line .line-row").first().click();
  await page.getByRole("dialog").locator(".code").getByText("Hello from the preview").waitFor();
  assert.equal(await page.getByRole("heading", { name: "Hello from the preview" }).count(), 0);

  // As a page it has its own address.
  await page.getByRole("dialog").getByRole("button", { name: "Show as a page" }).click();
  const link = page.getByRole("link", { name: "Open it", exact: true });
  await link.waitFor();
  await fine(page, "a staged deliverable");
  assert.equal(await link.getAttribute("rel"), "noopener noreferrer");
  const tab = await opened(page, link);
  await shows(tab).waitFor();
  await tab.getByText(`It ran on ${new URL(tab.url()).host}`).waitFor();
  assert.notEqual(new URL(tab.url()).origin, new URL(server.url).origin);
  // Nothing of this page can be reached from there: no storage, no answer of the API.
  assert.equal(await tab.evaluate(() => localStorage.length + sessionStorage.length), 0);
  assert.equal(await tab.evaluate((url) => fetch(`${url}/v1/healthz`).then((answer) => answer.status, () => "refused"), server.url), "refused");
  await tab.close();

  // The whole workspace, deployed from the task.
  await page.keyboard.press("Escape");
  await panel.getByRole("button", { name: "Deploy" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Deploy" }).click();
  await page.locator(".steps .past").nth(3).waitFor();
  await page.getByText(/\d+ of \d+ files are new \(\d+ bytes\); live at/).waitFor();
  const again = await opened(page, page.getByRole("link", { name: "Open it", exact: true }));
  await shows(again).waitFor();
  assert.equal((await server.call("GET", `/deployments?limit=100`, undefined, server.keys.live)).data.filter((each) => each.status === "live").length, 2);

  // Only with a link: the address alone opens nothing any more.
  await page.getByRole("button", { name: "Only with a link" }).click();
  await page.getByText("Only links open it now").waitFor();
  await again.reload();
  assert.equal(await shows(again).count(), 0);
  await page.getByRole("button", { name: "Make a link" }).click();
  const byLink = await opened(page, page.locator("[data-link]").getByRole("link", { name: "Open" }));
  await shows(byLink).waitFor();
  await fine(page, "a preview");
  await page.getByRole("button", { name: "Revoke all" }).click();
  await page.getByRole("button", { name: "Revoke them" }).click();
  await page.getByText("No link that was made so far works any more").waitFor();
  await byLink.reload();
  assert.equal(await shows(byLink).count(), 0);

  // Until when, and its end.
  await page.getByRole("button", { name: "Let it end" }).click();
  await page.getByRole("menuitem", { name: "In a day" }).click();
  await page.getByText(/It ends in 2[34] h|It ends in 1 day/).waitFor();
  await page.getByRole("button", { name: "Delete the preview" }).click();
  await page.getByRole("button", { name: "Delete it" }).click();
  await page.getByText("nothing is at its address any more").waitFor();
  await again.reload();
  assert.equal(await shows(again).count(), 0);
  assert.ok((await server.call("GET", `/tasks/${task}`, undefined, server.keys.live)).status === "complete");
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test("a plain folder is deployed, and one with nothing to show says what would be right", async () => {
  const page = await open(browser, server);
  await signIn(page, server.keys.live);
  const [good, bad] = [await server.workspace("A plain folder", { "index.html": PAGE, "style.css": "body{}" }, server.keys.live), await server.workspace("No page in it", { "notes.md": "# Notes" }, server.keys.live)];
  for (const [workspace, selector] of [[good, ".steps .past >> nth=3"], [bad, ".steps .failed"]]) {
    await page.goto(`${server.url}/#/deployments`);
    await page.getByRole("button", { name: "Deploy", exact: true }).click();
    await page.getByLabel("Workspace").selectOption(workspace.id);
    await page.getByRole("dialog").getByRole("button", { name: "Deploy" }).click();
    await page.locator(selector).waitFor();
  }
  await page.getByText("There is nothing to publish", { exact: true }).waitFor();
  await page.locator(".note.bad").getByText("index.html").first().waitFor();
  await fine(page, "a failed deployment");
  await page.getByRole("button", { name: "Deploy again" }).waitFor();
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

/** Answers for deployments that no test can really make: at a host. */
async function pretend(page, deployment) {
  const state = { deployment, calls: [] };
  await page.route(`**/v1/deployments/${deployment.id}**`, async (route) => {
    const request = route.request();
    const path = new URL(request.url()).pathname.split(`/${deployment.id}`)[1];
    if (request.method() === "POST") {
      state.calls.push(path);
      if (path === "/cancel") state.deployment = { ...state.deployment, status: "failed", completed_at: new Date().toISOString(), error: { code: "canceled", message: "somebody cancelled it", step: "build" } };
      return route.fulfill({ json: path === "/rollback" ? state.deployment : { success: true } });
    }
    if (path === "/logs") {
      const lines = Array.from({ length: 400 }, (_, index) => `id: ${index + 1}\nevent: log\ndata: ${JSON.stringify({ at: "2026-11-22T10:00:00.000Z", text: `\u001b[32mstep ${index + 1}\u001b[0m <b>bold</b>` })}\n\n`);
      if (request.headers().accept?.includes("event-stream")) return route.fulfill({ contentType: "text/event-stream", body: lines.join("") });
      return route.fulfill({ contentType: "text/plain", body: Array.from({ length: 400 }, (_, index) => `2026-11-22T10:00:00.000Z step ${index + 1}\n`).join("") });
    }
    return route.fulfill({ json: state.deployment });
  });
  return state;
}

test("one under way at a host is followed and cancelled; one that is live is made live again", async () => {
  const page = await open(browser, server);
  await signIn(page, server.keys.live);
  const base = {
    id: "dep_01jd3k7x8m9p2q4r6s8t0v2w4y", workspace_id: "ws_01jd3k7x8m9p2q4r6s8t0v2w4y", target: "netlify", status: "building", url: null, created_at: new Date().toISOString(),
    completed_at: null, config_id: "cfg_01jd3k7x8m9p2q4r6s8t0v2w4y", environment: "production", task_id: null, deliverable_id: null, visibility: null, inspect_url: null, error: null, log_url: "",
  };
  const state = await pretend(page, base);
  await page.goto(`${server.url}/#/deployments/${base.id}`);
  // The log follows its end, and what it says is text.
  await page.locator(".log-line").filter({ hasText: "step 400 <b>bold</b>" }).waitFor();
  assert.equal(await page.locator(".log-line b").count(), 0);
  await page.locator(".steps .now").filter({ hasText: "Building" }).waitFor();
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await page.getByRole("button", { name: "Cancel it" }).click();
  await page.getByText("It was cancelled").waitFor();
  assert.deepEqual(state.calls, ["/cancel"]);
  await fine(page, "a cancelled deployment");

  state.deployment = { ...base, status: "failed", error: { code: "auth", message: "Netlify does not take the token; store a new one", step: "publish" }, completed_at: base.created_at };
  await page.reload();
  await page.getByText("The host does not accept the token").waitFor();
  await page.getByText("Netlify does not take the token; store a new one").waitFor();
  assert.equal(await page.getByRole("link", { name: "Change the account's settings" }).getAttribute("href"), "#/settings/accounts");

  // What a host says is an address is opened only if it is one.
  state.deployment = { ...base, status: "live", url: "javascript:alert(1)", inspect_url: "javascript:alert(2)", visibility: "public", completed_at: base.created_at };
  await page.reload();
  await page.getByText("javascript:alert(1)").waitFor();
  assert.equal(await page.locator("a[href^='javascript']").count(), 0);
  state.deployment = { ...state.deployment, url: "https://shop.example/" };
  await page.reload();
  assert.equal(await page.getByRole("link", { name: "Open it", exact: true }).getAttribute("href"), "https://shop.example/");
  await page.getByRole("button", { name: "Make it live again" }).click();
  await page.getByRole("button", { name: "Make it live", exact: true }).click();
  await page.getByText("It is the live one again").waitFor();
  assert.deepEqual(state.calls, ["/cancel", "/rollback"]);
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test("an account at a host is stored, changed and deleted, and its token is never shown again", async () => {
  const page = await open(browser, server);
  await signIn(page, server.keys.test);
  await page.goto(`${server.url}/#/settings/accounts`);
  await page.getByText("No accounts yet").waitFor();
  await page.getByRole("button", { name: "New account" }).click();
  await page.getByLabel("Name", { exact: true }).fill("Our site");
  await page.getByLabel("Token (needed)").fill("nfp_a-very-secret-token-of-netlify");
  await page.getByLabel("Site", { exact: true }).fill("shop.netlify.app");
  await fine(page, "a new account");

  // What the host says when it does not take it is shown, and nothing that was filled in is lost.
  await page.route("**/v1/deploy-configs", (route) => (route.request().method() === "POST" ? route.fulfill({ status: 422, json: { detail: "Netlify does not accept the token: 401 Unauthorized" } }) : route.continue()));
  await page.getByRole("button", { name: "Store it" }).click();
  await page.getByText("Netlify does not accept the token: 401 Unauthorized").waitFor();
  assert.equal(await page.getByLabel("Site", { exact: true }).inputValue(), "shop.netlify.app");
  await page.unroute("**/v1/deploy-configs");
  await page.getByRole("button", { name: "Store it" }).click();
  const row = page.locator(".line-row").filter({ hasText: "Our site" });
  await row.waitFor();
  assert.equal((await page.content()).includes("a-very-secret-token"), false);

  await row.click();
  await page.getByText("The token is stored, and is not shown.").waitFor();
  await page.getByLabel("Name", { exact: true }).fill("Our shop");
  await page.getByLabel("Site", { exact: true }).fill("");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator(".line-row").filter({ hasText: "Our shop" }).waitFor();
  const [config] = await server.call("GET", "/deploy-configs");
  assert.deepEqual([config.name, config.target, "site" in config.settings], ["Our shop", "netlify", false]);

  // It is offered where something is deployed.
  const workspace = await server.workspace("For the shop", { "index.html": PAGE });
  await page.goto(`${server.url}/#/workspaces/${workspace.id}`);
  await page.getByRole("button", { name: "Deploy", exact: true }).click();
  await page.getByLabel("Where to").selectOption("vercel");
  await page.getByText("No account at Vercel is stored here yet").waitFor();
  await page.getByLabel("Where to").selectOption("netlify");
  await page.getByLabel("Account").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Deploy" }).click();
  await page.locator(".steps .past").nth(3).waitFor();
  await page.getByText("Netlify, Our shop").waitFor();

  await page.goto(`${server.url}/#/settings/accounts`);
  await page.locator(".line-row").filter({ hasText: "Our shop" }).click();
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).last().click();
  await page.getByText("No accounts yet").waitFor();
  assert.deepEqual(page.problems, []);
  await page.context().close();
});

test("models are listed with their prices, and what tasks cost is told where it is known", async () => {
  const page = await open(browser, server);
  await signIn(page, server.keys.live);
  await page.goto(`${server.url}/#/settings/models`);
  const row = page.locator("tr").filter({ hasText: "openai/scripted-1" });
  await row.waitFor();
  await row.getByText("not known").first().waitFor();
  await fine(page, "the models");
  // An unknown price makes sums too small: nothing is claimed.
  await page.goto(`${server.url}/#/`);
  await until("finished tasks", async () => (await page.locator(".done-row").count()) > 0);
  assert.equal(await page.locator(".cost-before").count(), 0);
  await page.route("**/v1/models", async (route) => {
    const answer = await (await route.fetch()).json();
    for (const each of answer.data) Object.assign(each, { input_usd_per_mtok: 1, output_usd_per_mtok: 2 });
    return route.fulfill({ json: answer });
  });
  await page.reload();
  await page.locator(".cost-before").getByText(/^Your last task/).waitFor();
  await page.context().close();
});
