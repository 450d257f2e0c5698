/**
 * The client: who it is and where the server is, and a place for each kind of thing that the server has.
 */

import { UsageError } from "./errors.js";
import { Agents } from "./resources/agents.js";
import { Approvals } from "./resources/approvals.js";
import { Deliverables } from "./resources/deliverables.js";
import { DeployConfigs } from "./resources/deploy-configs.js";
import { Deployments } from "./resources/deployments.js";
import { Events } from "./resources/events.js";
import { Keys } from "./resources/keys.js";
import { Models } from "./resources/models.js";
import { Server } from "./resources/server.js";
import { Tasks } from "./resources/tasks.js";
import { UsageReports } from "./resources/usage.js";
import { Webhooks } from "./resources/webhooks.js";
import { Workspaces } from "./resources/workspaces.js";
import { DEFAULT_MAX_RETRIES } from "./retry.js";
import { type Fetch, Transport } from "./transport.js";

/** Where a server listens that nobody told otherwise. */
const DEFAULT_URL = "http://127.0.0.1:7700";
/** Milliseconds for each attempt of a call. */
const DEFAULT_TIMEOUT_MS = 60_000;

export interface MiteosOptions {
  /** `mt_live_…` or `mt_test_…`. Default: `MITEOS_API_KEY`. */
  apiKey?: string | undefined;
  /** Default: `MITEOS_URL`; in a browser the page's own address; else `http://127.0.0.1:7700`. */
  baseUrl?: string | undefined;
  /** In place of the global `fetch`. */
  fetch?: Fetch | undefined;
  /** Milliseconds for each attempt of a call; uploads, downloads and streams are not bound by it once they run. Default 60,000. */
  timeout?: number | undefined;
  /** Attempts of a call after the first one. Default 4. Streams have `maxReconnects`. */
  maxRetries?: number | undefined;
}

/**
 * A client of a Miteos server.
 *
 * ```ts
 * const client = new Miteos({ apiKey: "mt_test_…" });
 * const task = await client.tasks.createAndWait({ prompt: "Write a short note" });
 * ```
 */
export class Miteos {
  readonly tasks: Tasks;
  readonly agents: Agents;
  readonly approvals: Approvals;
  readonly deliverables: Deliverables;
  readonly workspaces: Workspaces;
  readonly events: Events;
  readonly deployments: Deployments;
  readonly deployConfigs: DeployConfigs;
  readonly webhooks: Webhooks;
  readonly keys: Keys;
  readonly usage: UsageReports;
  readonly models: Models;
  readonly server: Server;
  /** The server's address, without `/v1`. */
  readonly baseUrl: string;

  constructor(options: MiteosOptions = {}) {
    const transport = new Transport({
      baseUrl: parseBaseUrl(options.baseUrl ?? env("MITEOS_URL") ?? ownOrigin() ?? DEFAULT_URL),
      apiKey: parseKey(options.apiKey ?? env("MITEOS_API_KEY")),
      // Looked up at each call, and called without a receiver, as browsers demand.
      fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
      timeout: options.timeout ?? DEFAULT_TIMEOUT_MS,
      maxRetries: options.maxRetries ?? DEFAULT_MAX_RETRIES,
    });
    this.baseUrl = transport.baseUrl;
    this.tasks = new Tasks(transport);
    this.agents = new Agents(transport);
    this.approvals = new Approvals(transport);
    this.deliverables = new Deliverables(transport);
    this.workspaces = new Workspaces(transport);
    this.events = new Events(transport);
    this.deployments = new Deployments(transport);
    this.deployConfigs = new DeployConfigs(transport);
    this.webhooks = new Webhooks(transport);
    this.keys = new Keys(transport);
    this.usage = new UsageReports(transport);
    this.models = new Models(transport);
    this.server = new Server(transport);
  }
}

interface Surroundings {
  process?: { env?: Record<string, string | undefined> };
  document?: unknown;
  location?: { origin?: string };
}

function env(name: string): string | undefined {
  const { process }: Surroundings = globalThis as Surroundings;
  return process?.env?.[name] || undefined;
}

function ownOrigin(): string | undefined {
  const { document, location }: Surroundings = globalThis as Surroundings;
  const origin = document === undefined ? undefined : location?.origin;
  return origin?.startsWith("http") ? origin : undefined;
}

function parseKey(key: string | undefined): string {
  if (!key) throw new UsageError("there is no API key: give apiKey, or set MITEOS_API_KEY");
  if (!/^[\x21-\x7e]+$/.test(key)) throw new UsageError("the API key holds characters that no key has");
  return key;
}

function parseBaseUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text.trim());
  } catch (cause) {
    throw new UsageError(`"${text}" is no address of a server, such as ${DEFAULT_URL}`, { cause });
  }
  if (!/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "") {
    throw new UsageError("the server's address must be http:// or https://, without a name or password in it");
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "").replace(/\/v1$/, "");
}
