// From a prompt to a page in a browser: an agent writes a site, a person approves, npm and Vite build it in the sandbox,
// and the preview host shows it. The same content again is published without storing anything.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DESKTOP, launch, PATIENCE } from "./harness.mjs";
import { Site } from "./site.mjs";

let site;
let browser;
before(async () => { [site, browser] = await Promise.all([Site.begin(), launch()]); });
after(async () => { await browser?.close(); await site?.stop(); });

/** What the browser shows there. A request to anywhere else, or an error, is a problem. */
async function look(url) {
  const context = await browser.newContext(DESKTOP);
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("request", (request) => { if (!request.url().startsWith(url)) problems.push(`a request to ${request.url()}`); });
  await page.goto(url);
  await page.getByRole("article").nth(2).waitFor();
  const shown = {
    title: await page.title(),
    heading: await page.getByRole("heading", { level: 1 }).textContent(),
    loaves: await page.getByRole("heading", { level: 2 }).allTextContents(),
    // That it is the built style, and no bare page.
    background: await page.locator("header").evaluate((header) => getComputedStyle(header).backgroundColor),
  };
  await context.close();
  assert.deepEqual(problems, [], url);
  return shown;
}

const EXPECTED = {
  title: "Harbour Bakery", heading: "Bread that was in the oven this morning",
  loaves: ["Harbour loaf", "Spelt and honey", "Seed block"], background: "rgb(35, 50, 58)",
};

test("a task builds a site with Vite, deploys it, and a browser sees it; again, nothing is uploaded", async () => {
  assert.deepEqual([site.approval?.tool, site.approval?.risk, site.approval?.input], ["deploy", "critical", { target: "preview" }], JSON.stringify(site.task));
  const first = await site.approve();
  const log = await site.log(first);
  assert.equal(first.status, "live", log);
  assert.equal(first.task_id, site.task.id);
  assert.equal(site.task.status, "complete");
  assert.ok(site.task.result.includes(first.url), site.task.result);
  for (const said of ["$ npm ci", "$ npm run build", "the output is dist"]) assert.ok(log.includes(said), `${said}\n${log}`);
  assert.ok(!log.includes("without isolation"), log);
  const [, fresh, files] = /(\d+) of (\d+) files are new \(\d+ bytes\); live at /.exec(log);
  assert.ok(Number(files) >= 3 && fresh === files, log);
  assert.match(first.url, /^http:\/\/[a-z2-7]{32}\.localhost:\d+\/$/);
  assert.deepEqual(await look(first.url), EXPECTED);

  const second = await site.again();
  const told = await site.log(second);
  assert.equal(second.status, "live", told);
  assert.ok(told.includes(`0 of ${files} files are new (0 bytes); live at ${second.url}`), told);
  assert.notEqual(second.url, first.url, "each deployment has an origin of its own");
  assert.deepEqual(await look(second.url), EXPECTED);
  assert.deepEqual(site.model.problems, []);
});
