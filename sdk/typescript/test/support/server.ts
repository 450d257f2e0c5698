/**
 * A real server in a folder of its own: `MITEOS_BIN`, the program that the workspace has built.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Miteos, type MiteosOptions } from "@miteos/sdk";

/** A server that does not start or stop within this time is taken for dead. */
const PATIENCE_MS = 180_000;

interface Started {
  url: string;
  keys: { live: string; test: string } | null;
}

export class Server {
  readonly #folder = mkdtempSync(path.join(tmpdir(), "miteos-sdk-"));
  #process: ChildProcess | undefined;
  url = "";
  key = "";

  static async start(): Promise<Server> {
    const server = new Server();
    await server.start();
    return server;
  }

  /** Starts it, again on the port that it had. */
  async start(): Promise<void> {
    const program = process.env["MITEOS_BIN"];
    if (!program) throw new Error("MITEOS_BIN names no server; scripts/sdk.sh does");
    // Nothing of the machine's own settings: no providers, no proxies.
    const env = {
      PATH: process.env["PATH"],
      HOME: this.#folder,
      MITEOS_DATA_DIR: path.join(this.#folder, "data"),
      MITEOS_LISTEN: this.url === "" ? "127.0.0.1:0" : new URL(this.url).host,
      MITEOS_EGRESS_ALLOW: "127.0.0.1/32",
      MITEOS_LOG: "warn",
    };
    const log = openSync(path.join(this.#folder, "server.log"), "a");
    const child = spawn(program, ["serve", "--json"], { env, cwd: this.#folder, stdio: ["ignore", "pipe", log] });
    closeSync(log);
    this.#process = child;
    const started = await this.#started(child);
    this.url = started.url;
    const keys = started.keys ?? JSON.parse(readFileSync(path.join(this.#folder, "data", "keys.json"), "utf8"));
    this.key = keys.test;
  }

  async #started(child: ChildProcess): Promise<Started> {
    const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
    try {
      let text = "";
      for await (const chunk of child.stdout ?? []) {
        text += chunk;
        try {
          return JSON.parse(text) as Started;
        } catch {
          // Not all of it is there yet.
        }
      }
      throw new Error(`the server did not start:\n${this.log()}`);
    } finally {
      clearTimeout(timer);
    }
  }

  log(): string {
    return readFileSync(path.join(this.#folder, "server.log"), "utf8");
  }

  /** The process is gone from one moment to the next. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.#end("SIGTERM");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }

  client(options: MiteosOptions = {}): Miteos {
    return new Miteos({ apiKey: this.key, baseUrl: this.url, ...options });
  }
}

/** Waits until something holds; fails after a while. */
export async function until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  const end = Date.now() + PATIENCE_MS;
  while (Date.now() < end) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`it did not come about: ${what}`);
}
