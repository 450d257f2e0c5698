/**
 * The programs of README.md, each run against a real server. What they print must be what stands there.
 */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Server } from "./support/server.js";

const EXAMPLES = new URL("../../test/examples/", import.meta.url);
const BUILT = new URL("./examples/", import.meta.url);
/** A program that takes longer hangs, also on a machine that is busy with something else (ms). */
const PATIENCE_MS = 240_000;

let server: Server;
before(async () => {
  server = await Server.start();
});
after(() => server.stop());

const names = readdirSync(EXAMPLES).filter((name) => name.endsWith(".ts"));
assert(names.length >= 7);

for (const name of names.map((each) => each.slice(0, -".ts".length))) {
  test(`example ${name} prints what the README says`, async () => {
    const expected = readFileSync(new URL(`${name}.txt`, EXAMPLES), "utf8");
    assert.notEqual(expected, "", "an example says what it prints");
    const env = { PATH: process.env["PATH"], MITEOS_URL: server.url, MITEOS_API_KEY: server.key };
    const program = new URL(`${name}.js`, BUILT).pathname;
    const { stdout } = await promisify(execFile)(process.execPath, [program], { env, timeout: PATIENCE_MS });
    assert(pattern(expected).test(stdout), `it printed\n${stdout}\nwhere the README says\n${expected}`);
  });
}

/** The text, with `…` for anything within a line. */
function pattern(text: string): RegExp {
  const parts = text.split("…").map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`);
}
