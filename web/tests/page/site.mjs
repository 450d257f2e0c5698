// A task whose agent writes a small site, has it built with Vite and deploys it to the preview host. Packages come from
// the registry that this machine's npm is set to.

import { execFile } from "node:child_process";
import { lookup } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { Server, until } from "./harness.mjs";
import { Model } from "./model.mjs";

/** How long a build, with all that npm fetches for it, may take before a test fails (ms). */
const BUILD_PATIENCE = 900_000;
/** Versions that were tried, with every package's hash; the same that the tests of builds use. */
const LOCKED = new URL("../../../crates/miteos-deploy/tests/fixtures/vite-site/", import.meta.url);

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Harbour Bakery</title>
    <script type="module" src="/src/main.js"></script>
  </head>
  <body>
    <header>
      <p class="eyebrow">Since 1987, at the old harbour</p>
      <h1>Bread that was in the oven this morning</h1>
      <p>We bake at four and open at seven. What is left at five goes to the shelter next door.</p>
    </header>
    <main id="loaves"></main>
    <footer>Quay 12 · Tuesday to Sunday, 7 to 17</footer>
  </body>
</html>
`;

const SCRIPT = `import "./style.css";
import { loaves } from "./loaves.js";

document.querySelector("#loaves").innerHTML = loaves
  .map(({ name, about, price }) => \`<article><h2>\${name}</h2><p>\${about}</p><b>\${price}</b></article>\`)
  .join("");
`;

const LOAVES = `export const loaves = [
  { name: "Harbour loaf", about: "Wheat and rye, a night's rest, a dark crust.", price: "5.20" },
  { name: "Spelt and honey", about: "Soft, with honey from the roof.", price: "6.40" },
  { name: "Seed block", about: "Five seeds, no flour at all. Keeps for a week.", price: "6.90" },
];
`;

const STYLE = `:root { font-family: Georgia, "Liberation Serif", serif; color: #2b211a; background: #fbf6ee; }
body { margin: 0; }
header { padding: 88px 8vw 56px; background: #23323a; color: #fbf6ee; }
.eyebrow { margin: 0 0 12px; color: #e2b063; letter-spacing: 0.04em; }
h1 { margin: 0 0 16px; max-width: 18ch; font-size: clamp(36px, 5vw, 64px); line-height: 1.05; font-weight: 500; }
header p:last-child { max-width: 52ch; font-size: 20px; line-height: 1.5; }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); gap: 24px; padding: 48px 8vw; }
article { padding: 28px; border: 1px solid #e6dac8; border-radius: 6px; background: #fff; }
article h2 { margin: 0 0 8px; font-size: 24px; font-weight: 500; }
article p { margin: 0 0 20px; line-height: 1.5; }
article b { color: #9a5b1e; font-weight: 500; font-size: 20px; }
footer { padding: 0 8vw 48px; color: #7b6a5b; }
`;

/** Where packages come from may be a mirror inside a network: then the owner has to allow its address. */
async function registry() {
  const { stdout } = await promisify(execFile)("npm", ["config", "get", "registry"]);
  const found = await lookup(new URL(stdout.trim()).hostname, { all: true });
  return found.map(({ address, family }) => `${address}/${family === 6 ? 128 : 32}`).join(",");
}

export class Site {
  /** From the prompt to the approval that the agent waits for. */
  static async begin() {
    const locked = (name) => readFile(new URL(name, LOCKED), "utf8");
    const files = {
      "package.json": await locked("package.json"), "package-lock.json": await locked("package-lock.json"),
      "index.html": PAGE, "src/main.js": SCRIPT, "src/loaves.js": LOAVES, "src/style.css": STYLE,
    };
    const prompt = "Build a page for our bakery with Vite and deploy it as a preview";
    const site = new Site();
    site.model = await Model.start({
      plan: () => [["Build the site", prompt]],
      agent: (_part, turn, messages) => [
        Object.entries(files).map(([path, content]) => ["write_file", { path, content }]),
        [["deploy", { target: "preview" }]],
        `The page is live: ${messages.at(-1).content}`,
      ][turn],
    });
    try {
      const env = { ...site.model.env, MITEOS_SANDBOX: "auto", MITEOS_EGRESS_ALLOW: await registry() };
      site.server = await Server.start({ world: "live", env });
      const task = await site.server.start(prompt, { autonomy_level: 60 });
      const asked = await site.server.until(task.id, (shown) => ["complete", "failed", "cancelled"].includes(shown.status) || shown.approvals.length > 0);
      [site.task, site.approval] = [asked, asked.approvals[0]];
      return site;
    } catch (error) {
      await site.stop();
      throw error;
    }
  }

  /** The person says yes; the task goes to its end, and its deployment with it. */
  async approve() {
    await this.server.call("POST", `/agents/${this.approval.agent_id}/approve/${this.approval.id}`, { approved: true });
    this.task = await this.server.ended(this.task.id, undefined, BUILD_PATIENCE);
    const { data } = await this.server.call("GET", "/deployments");
    return data[0];
  }

  /** The same workspace again, without an agent. */
  async again() {
    const made = await this.server.call("POST", "/deployments", { workspace_id: this.task.workspace_id, target: "preview" });
    return until("the second deployment", async () => {
      const shown = await this.server.call("GET", `/deployments/${made.id}`);
      return ["live", "failed"].includes(shown.status) && shown;
    }, BUILD_PATIENCE);
  }

  log(deployment) {
    return this.server.text(`/deployments/${deployment.id}/logs`);
  }

  async stop() {
    await this.server?.stop();
    await this.model.stop();
  }
}
