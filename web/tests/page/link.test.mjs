// The link that the server prints on a terminal signs a browser in, once; signing out revokes what it gave.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { launch, open, until } from "./harness.mjs";

/** Python gives a program a terminal on every system; node does not. */
const ON_A_TERMINAL = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";

test("the link on the terminal signs in once", async () => {
  const folder = await mkdtemp(join(tmpdir(), "miteos-link-"));
  const { PATH, HOME } = process.env;
  const program = ["-c", ON_A_TERMINAL, process.env.MITEOS_PROGRAM, "--data-dir", folder, "serve", "--listen", "127.0.0.1:0"];
  const child = spawn("python3", program, { env: { PATH, HOME, MITEOS_SANDBOX: "none", TERM: "xterm" }, stdio: ["pipe", "pipe", "inherit"] });
  const gone = new Promise((resolve) => child.once("exit", resolve));
  let said = "";
  child.stdout.on("data", (chunk) => { said += chunk; });
  const browser = await launch();
  try {
    const link = await until("the link", () => /http:\/\/127\.0\.0\.1:\d+\/#code=[0-9a-f]{32}/.exec(said)?.[0]);
    const server = { url: link.split("/#")[0] };
    const page = await open(browser, server);
    await page.goto("about:blank");
    await page.goto(link);
    await page.getByLabel("What should be done?").waitFor();
    assert.equal(await page.evaluate(() => location.hash), "#/", "the code is not in the address any more");
    // Both worlds are open.
    await page.getByRole("button", { name: "Test", exact: true }).click();
    await page.getByText("A scripted model: no cost").waitFor();
    const kept = await page.evaluate(() => JSON.parse(sessionStorage.getItem("miteos.session")));
    assert.ok(kept.keys.live.startsWith("mt_live_") && kept.keys.test.startsWith("mt_test_"));

    const other = await open(browser, server);
    await other.goto("about:blank");
    await other.goto(link);
    await other.getByText("used already").waitFor();

    await page.goto(`${server.url}/#/settings`);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("API key").waitFor();
    const status = async (key) => (await fetch(`${server.url}/v1/tasks`, { headers: { authorization: `Bearer ${key}` } })).status;
    await until("the keys' end", async () => (await status(kept.keys.live)) === 401 && (await status(kept.keys.test)) === 401);
    assert.deepEqual(page.problems, []);
  } finally {
    await browser.close();
    // Ctrl-C on that terminal.
    child.stdin.write("\u0003");
    await gone;
    await rm(folder, { recursive: true, force: true });
  }
});
