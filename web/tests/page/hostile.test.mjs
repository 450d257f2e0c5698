// Text of others that would like to be more than text: in prompts, file names, outputs, deliverables. It stays text.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, Server, signIn } from "./harness.mjs";
import { Model } from "./model.mjs";

let server;
let browser;
before(async () => { [server, browser] = await Promise.all([Server.start(), launch()]); });
after(async () => { await browser?.close(); await server?.stop(); });

const NASTY = `<img src=x onerror="window.pwned=1"><script>window.pwned=1</script><svg onload=window.pwned=1>"'\`\${7*7}</textarea></title>`;

async function unharmed(page) {
  assert.equal(await page.evaluate(() => globalThis.pwned), undefined);
  assert.equal(await page.locator("#page script, #page iframe, #page img[src='x'], #page [onerror], #page [onload]").count(), 0);
  assert.deepEqual(page.problems, []);
}

test("prompts are text wherever they are shown", async () => {
  const page = await open(browser, server);
  await signIn(page, server.keys.test);
  const task = await server.start(`${NASTY} [test:approval] [test:agents=2]`);
  await page.getByText("<script>window.pwned=1</script>").first().waitFor();
  await unharmed(page);
  for (const place of ["tasks", `task/${task.id}`, "inbox", "usage", "workspaces"]) {
    await page.goto(`${server.url}/#/${place}`);
    await page.locator("main h1").first().waitFor();
    await unharmed(page);
  }
  await page.goto(`${server.url}/#/task/${task.id}`);
  await page.locator(".event[data-type='task.created']").click();
  await page.getByRole("dialog").getByText("onerror").first().waitFor();
  await unharmed(page);
  await page.context().close();
});

test("files are text: HTML, Markdown, pictures that are programs, and their names", async () => {
  const page = await open(browser, server);
  await signIn(page, server.keys.test);
  const workspace = await server.call("POST", "/workspaces", { name: NASTY.slice(0, 60) });
  const files = {
    "page.html": `<!doctype html><script>parent.pwned=1;window.pwned=1</script>${NASTY}`,
    "notes.md": `# Notes\n\n${NASTY}\n\n[click](javascript:window.pwned=1) ![remote](https://example.invalid/track.png) <iframe src="javascript:pwned=1"></iframe>\n\n[data](data:text/html,<script>pwned=1</script>)`,
    "drawing.svg": `<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20" onload="window.pwned=1"><script>window.pwned=1</script><rect width="20" height="20"/></svg>`,
    "table.csv": `a,b\n"${NASTY.replaceAll('"', '""')}",=cmd()\n`,
    "colours.log": "\u001b[31mred\u001b[0m\u001b]8;;javascript:pwned=1\u0007link\u001b]8;;\u0007",
    "<img src=x onerror=pwned=1>.txt": "named badly",
  };
  const form = new FormData();
  for (const [name, text] of Object.entries(files)) form.append("file", new Blob([text]), name);
  const sent = await fetch(`${server.url}/v1/workspaces/${workspace.id}/files`, { method: "POST", body: form, headers: { authorization: `Bearer ${server.keys.test}` } });
  assert.equal(sent.status, 201, await sent.text());
  await page.goto(`${server.url}/#/workspaces/${workspace.id}`);
  for (const name of Object.keys(files)) {
    await page.locator(".file-line .line-row").filter({ hasText: name }).click();
    const dialog = page.getByRole("dialog");
    await dialog.locator(".code, .prose, .picture img, table").first().waitFor();
    await unharmed(page);
    assert.equal(await dialog.locator("a[href^='javascript'], a[href^='data']").count(), 0, name);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
  }
  await page.context().close();
});

const LINK = "\u001b]8;;javascript:window.pwned=1\u0007link\u001b]8;;\u0007";
const MARKDOWN = `# ${NASTY}\n\n[click](javascript:window.pwned=1) ![x](https://example.invalid/x.png) <iframe src="javascript:pwned=1"></iframe>\n\n${NASTY}`;

test("what agents say, do, print, ask for and hand over is text", async () => {
  const name = "<img src=x onerror=pwned=1>.html";
  const model = await Model.start({
    plan: () => [[NASTY.slice(0, 80), NASTY]],
    agent: (_part, turn) => [
      [["code_exec", { language: "python", code: `# ${NASTY}\nprint(${JSON.stringify(NASTY + LINK)})` }]],
      [["write_file", { path: name, content: NASTY }]],
      [["publish", { path: name }]],
      [["delete_file", { path: name }]],
      MARKDOWN,
    ][turn],
    conclude: { summary: MARKDOWN, deliverables: [] },
  });
  const live = await Server.start({ world: "live", env: model.env });
  try {
    const task = await live.start(NASTY, { autonomy_level: 20 });
    const page = await open(browser, live);
    await signIn(page, live.keys.live);
    // Each thing it asks for: a program, a file, a deletion. The last one is refused in words of the same kind.
    for (const tool of ["code_exec", "write_file", "delete_file"]) {
      const asked = (await live.until(task.id, (shown) => shown.approvals.some((each) => each.tool === tool))).approvals[0];
      await page.goto(`${live.url}/#/inbox?approval=${asked.id}`);
      await page.locator(".decision[data-seen='true']").waitFor();
      await unharmed(page);
      await live.call("POST", `/agents/${asked.agent_id}/approve/${asked.id}`, tool === "delete_file" ? { approved: false, reason: NASTY } : { approved: true });
    }
    await live.ended(task.id);
    const journal = await live.events(task.id);
    assert.ok(journal.some((event) => event.type === "agent.result" && event.data.output.includes("onerror")), "an output is hostile");
    await page.goto(`${live.url}/#/task/${task.id}`);
    await page.getByText("Complete").first().waitFor();
    await page.locator(".outcome .prose").waitFor();
    await unharmed(page);
    // Every event, whole.
    await page.getByRole("list", { name: "Events" }).press("Home");
    await page.locator(".event[data-seq='1']").click();
    for (const { seq } of journal) {
      await page.getByText(`Event ${seq} of ${journal.length}`).waitFor();
      await page.locator(".sheet-body > :nth-child(2)").waitFor();
      await unharmed(page);
      assert.equal(await page.locator("dialog a[href^='javascript']").count(), 0);
      await page.keyboard.press("ArrowRight");
    }
    await page.keyboard.press("Escape");
    await page.getByRole("tab", { name: /^Terminal/ }).click();
    await page.locator(".run .terminal").waitFor();
    await unharmed(page);
    await page.locator(".deliverables-panel .file-line button").first().click();
    await page.getByRole("dialog").locator(".code").waitFor();
    await unharmed(page);
    await page.context().close();
    assert.deepEqual(model.problems, []);
  } finally {
    await live.stop();
    await model.stop();
  }
});
