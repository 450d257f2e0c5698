/**
 * What others get: nothing but what they need, and everything of the contract.
 */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { SDK_VERSION } from "@miteos/sdk";
import { Fake, json } from "./support/fake.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** The packed package is not larger than this (bytes). */
const MAX_PACKED_BYTES = 64 * 1024;

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const manifest = JSON.parse(read("package.json"));

test("the package holds the built files, their types, its papers, and no more", async () => {
  const { stdout } = await promisify(execFile)("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    cwd: ROOT,
  });
  const [packed] = JSON.parse(stdout) as { files: { path: string }[]; size: number }[];
  assert(packed !== undefined);
  const sources = readdirSync(new URL("../../src", import.meta.url), { recursive: true, encoding: "utf8" });
  const built = sources
    .filter((name) => name.endsWith(".ts"))
    .flatMap((name) => {
      const stem = `dist/${name.slice(0, -".ts".length)}`;
      return [`${stem}.js`, `${stem}.d.ts`];
    });
  const expected = ["README.md", "LICENSE-APACHE", "LICENSE-MIT", "package.json", ...built].sort();
  assert.deepEqual(packed.files.map(({ path }) => path).sort(), expected);
  assert(packed.size <= MAX_PACKED_BYTES, `it is ${packed.size} bytes`);
});

test("it needs nothing at run time, and says its version rightly", () => {
  assert.equal(manifest.dependencies, undefined);
  assert.equal(manifest.peerDependencies, undefined);
  assert.equal(SDK_VERSION, manifest.version);
  for (const name of readdirSync(new URL("../../dist", import.meta.url), { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".js")) continue;
    const foreign = [...read(`dist/${name}`).matchAll(/from "([^"]+)"/g)].filter(([, from]) => !from?.startsWith("."));
    assert.deepEqual(foreign, [], name);
  }
});

/** Operations that are no calls of a client: the socket beside the streams, the document, the machine's own figures. */
const NOT_CALLED = ["openWebSocket", "openapi", "metrics"];

test("every operation of the contract has its call", async () => {
  const document = JSON.parse(read("../../docs/openapi.json"));
  const operations = new Map<string, { method: string; path: RegExp }>();
  for (const [path, methods] of Object.entries<Record<string, { operationId?: string }>>(document.paths)) {
    for (const [method, { operationId }] of Object.entries(methods)) {
      if (operationId === undefined) continue;
      const pattern = new RegExp(`^/v1${path.replaceAll(/\{\w+\}/g, "x")}$`);
      operations.set(operationId, { method: method.toUpperCase(), path: pattern });
    }
  }
  const called = await callEverything();
  const missing = [...operations].filter(
    ([id, { method, path }]) =>
      !NOT_CALLED.includes(id) && !called.some((call) => call.method === method && path.test(call.path)),
  );
  assert.deepEqual(
    missing.map(([id]) => id),
    [],
  );
  const strange = called.filter(
    (call) => ![...operations.values()].some(({ method, path }) => call.method === method && path.test(call.path)),
  );
  assert.deepEqual(strange, []);
  for (const id of NOT_CALLED) assert(operations.has(id), `there is no ${id} any more: take it off the list`);
});

/** Calls every method of every resource with `x` for every name, and gives what was asked for. */
async function callEverything(): Promise<{ method: string; path: string }[]> {
  const fake = new Fake(() => json({ success: true, events: [], agent_id: "x", id: "x" }));
  const client = fake.client({ maxRetries: 0 });
  const approval = { id: "x", agent_id: "x" };
  const special: Record<string, unknown[]> = {
    "approvals.approve": [approval],
    "approvals.reject": [approval],
    "approvals.list": [],
    "approvals.policy": [],
    "workspaces.upload": ["x", { path: "x", data: "x" }],
    "events.stream": [],
    "deployments.list": [],
    "deployConfigs.list": [],
    "tasks.list": [],
    "tasks.listCompleted": [],
  };
  for (const [noun, resource] of Object.entries(client)) {
    if (typeof resource !== "object") continue;
    for (const verb of Object.getOwnPropertyNames(Object.getPrototypeOf(resource))) {
      if (verb === "constructor") continue;
      const method = (resource as unknown as Record<string, (...values: unknown[]) => unknown>)[verb];
      const values = special[`${noun}.${verb}`] ?? ["x", "x"];
      const answer = method?.apply(resource, takesNames(noun, verb) ? values : values.filter((value) => value !== "x"));
      if (answer !== null && typeof answer === "object" && "next" in answer) {
        await (answer as AsyncIterator<unknown>).next().catch(() => undefined);
      } else {
        await (answer as Promise<unknown>)?.then?.(
          () => undefined,
          () => undefined,
        );
      }
    }
  }
  return fake.seen.map(({ method, path }) => ({ method, path }));
}

/** Whether a call is about one thing, and takes its name. */
function takesNames(noun: string, verb: string): boolean {
  const bare = ["list", "listCompleted", "create", "policy", "setPolicy", "health", "readiness"].includes(verb);
  return !(bare && noun !== "deliverables") && noun !== "usage";
}
