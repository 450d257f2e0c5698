// A server of its own and a browser for each test of the page. Nothing is waited for by time; everything has an end.

import { spawn } from "node:child_process";
import { mkdtemp, rm, readFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

/** How long anything may take before a test fails (ms): generous, as the machine may be busy with something else. */
export const PATIENCE = 240_000;
const PROGRAM = process.env.MITEOS_PROGRAM;
const BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const APPS = ["/Applications/Chromium.app/Contents/MacOS/Chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"];

function browserPath() {
  const named = (process.env.PATH ?? "").split(delimiter).flatMap((folder) => BROWSERS.map((name) => join(folder, name)));
  const found = [...named, ...APPS].find((file) => existsSync(file));
  if (!found) throw new Error("chromium is missing; run: ./scripts/setup.sh --tests");
  return found;
}

/** A server in a folder of its own. It can be killed and started again over the same data, at the same address. */
export class Server {
  constructor(folder, { world = "test", env = {} } = {}) {
    this.folder = folder;
    this.address = "127.0.0.1:0";
    this.world = world;
    this.env = env;
  }

  /** `world`: whose key calls have; `env`: settings besides those of every test. */
  static async start(options) {
    if (!PROGRAM) throw new Error("MITEOS_PROGRAM names the program to test; run: ./scripts/test-page.sh");
    const server = new Server(await mkdtemp(join(tmpdir(), "miteos-page-")), options);
    await server.run();
    return server;
  }

  async run() {
    // Nothing of the machine's own settings: a model server that is found here would be asked.
    const { PATH, HOME } = process.env;
    this.child = spawn(PROGRAM, ["--json", "--data-dir", this.folder, "serve", "--listen", this.address], {
      env: { PATH, HOME, MITEOS_SANDBOX: "none", ...this.env }, stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    this.child.stderr.on("data", (chunk) => { said += chunk; });
    this.gone = new Promise((resolve) => this.child.once("exit", resolve));
    const lines = createInterface({ input: this.child.stdout });
    const banner = await Promise.race([
      new Promise((resolve) => {
        let text = "";
        lines.on("line", (line) => {
          text += line;
          try { resolve(JSON.parse(text)); } catch { /* more is to come */ }
        });
      }),
      this.gone.then((code) => { throw new Error(`the server ended with ${code}: ${said}`); }),
    ]);
    this.url = banner.url;
    this.address = new URL(banner.url).host;
    this.keys = JSON.parse(await readFile(join(this.folder, "keys.json"), "utf8"));
  }

  async kill() {
    this.child.kill("SIGKILL");
    await this.gone;
  }

  async stop() {
    this.child.kill("SIGTERM");
    await this.gone;
    await rm(this.folder, { recursive: true, force: true });
  }

  async call(method, path, body, key = this.keys[this.world]) {
    const response = await fetch(`${this.url}/v1${path}`, {
      method, headers: { authorization: `Bearer ${key}`, ...(body ? { "content-type": "application/json" } : {}) }, body: body ? JSON.stringify(body) : undefined,
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  }

  async text(path) {
    const response = await fetch(`${this.url}/v1${path}`, { headers: { authorization: `Bearer ${this.keys[this.world]}` } });
    const answer = await response.text();
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${answer}`);
    return answer;
  }

  start(prompt, config = {}, key = this.keys[this.world]) {
    return this.call("POST", "/tasks", { prompt, config }, key);
  }

  async events(task, key = this.keys[this.world]) {
    const all = [];
    for (let after = 0; ;) {
      const page = await this.call("GET", `/tasks/${task}/events?after=${after}&limit=1000`, undefined, key);
      all.push(...page.events);
      if (!page.has_more) return all;
      after = page.next_after;
    }
  }

  /** A workspace with these files. */
  async workspace(name, files, key = this.keys[this.world]) {
    const made = await this.call("POST", "/workspaces", { name }, key);
    const form = new FormData();
    for (const [path, text] of Object.entries(files)) form.append("file", new Blob([text]), path);
    const sent = await fetch(`${this.url}/v1/workspaces/${made.id}/files`, { method: "POST", body: form, headers: { authorization: `Bearer ${key}` } });
    if (!sent.ok) throw new Error(`upload: ${sent.status} ${await sent.text()}`);
    return made;
  }

  async until(task, good, key = this.keys[this.world], patience = PATIENCE) {
    return until(`the task ${task}`, async () => {
      const shown = await this.call("GET", `/tasks/${task}`, undefined, key);
      return good(shown) ? shown : undefined;
    }, patience);
  }

  ended(task, key = this.keys[this.world], patience = PATIENCE) {
    return this.until(task, (shown) => ["complete", "failed", "cancelled"].includes(shown.status), key, patience);
  }
}

/** Waits for something that is looked at again and again. */
export async function until(what, look, patience = PATIENCE) {
  const end = Date.now() + patience;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export function launch(options = {}) {
  return chromium.launch({
    executablePath: browserPath(), headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run", "--disable-quic", "--no-proxy-server"],
    ...options,
  });
}

export const DESKTOP = { viewport: { width: 1440, height: 900 } };
export const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

/** A page of its own profile. What the browser complains about, and any request that leaves the server, fails the test. */
export async function open(browser, server, options = DESKTOP) {
  const context = await browser.newContext({ reducedMotion: "reduce", ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(`error: ${error.stack ?? error}`));
  page.on("console", (message) => {
    const text = message.text();
    if (message.type() === "error" && !/Failed to load resource|net::ERR_/.test(text)) problems.push(`console: ${text}`);
    if (/Content Security Policy|Trusted ?Type/i.test(text)) problems.push(`policy: ${text}`);
  });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(server.url) && !url.startsWith("blob:") && !url.startsWith("data:")) problems.push(`a request to ${url}`);
  });
  page.problems = problems;
  await page.goto(server.url);
  return page;
}

export async function signIn(page, key) {
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByLabel("What should be done?").waitFor();
}

/** Waits until a link has opened its tab; what is opened has no hold on the page that opened it. */
export async function opened(page, link) {
  const [tab] = await Promise.all([page.context().waitForEvent("page"), link.click()]);
  await tab.waitForLoadState();
  if (await tab.evaluate(() => window.opener !== null)) throw new Error("the tab can reach the page that opened it");
  return tab;
}

const axeSource = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds that is serious, as lines to read. */
export async function serious(page) {
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations
    .filter((each) => each.impact === "serious" || each.impact === "critical")
    .map((each) => `${each.id}: ${each.help}: ${each.nodes.slice(0, 4).map((node) => `${node.target.join(" ")} (${node.failureSummary?.split("\n").slice(1, 3).join(" ")})`).join("; ")}`);
}

/** Whether something sticks out of the page sideways. */
export function overflow(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}
