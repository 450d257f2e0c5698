/**
 * One call over HTTP: its address, its headers, how often it is tried, and what an answer means. Knows nothing of what
 * the calls are for.
 */

import {
  ApiError,
  apiError,
  ConnectionError,
  isTransient,
  MiteosError,
  NotFoundError,
  ProtocolError,
  TimeoutError,
  UsageError,
} from "./errors.js";
import { pauseMs, retryAfterMs, sleep, sleepOrOnline } from "./retry.js";
import { SDK_VERSION } from "./version.js";

/** JSON answers are read up to this length; pages of events end at 4 MiB on the server. */
const MAX_JSON_BYTES = 64 * 1024 * 1024;
/** Of an error's body so much is read. */
const MAX_ERROR_BYTES = 64 * 1024;
/** Of an error page that is not ours so much is shown. */
const SHOWN_OF_FOREIGN_ERROR = 200;
/** Random bytes of an idempotency key. */
const IDEMPOTENCY_KEY_BYTES = 16;

/** Between two looks at whether a call that still runs has been answered. */
const TWIN_PAUSE_MS = 500;

/** What may be said of any call. */
export interface RequestOptions {
  /** Ends the call and its retries; it throws the signal's reason. What was sent may have taken effect. */
  signal?: AbortSignal | undefined;
  /** Milliseconds for each attempt; `Infinity`: no limit. Default: the client's. */
  timeout?: number | undefined;
  /** Attempts after the first one. Default: the client's. */
  maxRetries?: number | undefined;
}

/** What may be said of a call that does something. */
export interface WriteOptions extends RequestOptions {
  /**
   * Repeating a call with the same key and body gives the first answer and does nothing again, for 24 hours. Default: a
   * random one for each call, kept across its retries.
   */
  idempotencyKey?: string | undefined;
}

export type QueryValue = string | number | boolean | readonly string[] | null | undefined;
export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** A call as the resources describe it. */
export interface Call {
  method: Method;
  /** The parts of the path below `/v1`, not yet encoded. */
  path: readonly string[];
  query?: object | undefined;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is. Made anew for each attempt. */
  body?: (() => Body) | undefined;
  headers?: Readonly<Record<string, string>> | undefined;
  /** Statuses that are answers too, and no errors. */
  alsoFine?: readonly number[] | undefined;
}

/** A body that is no JSON. */
export interface Body {
  content: Blob | ReadableStream<Uint8Array>;
  type: string;
}

export type Fetch = (input: string, init?: RequestInit) => Promise<Response>;

export interface TransportOptions {
  /** Without `/v1`, without a slash at its end. */
  baseUrl: string;
  apiKey: string;
  fetch: Fetch;
  timeout: number;
  maxRetries: number;
}

/** An answer whose body is still to be read. `close` must be called. */
export interface Opened {
  response: Response;
  /** Breaks the connection off, if it is still there. */
  close(): void;
}

/** Answers of something in between, which knows nothing of what became of the call. */
const GATEWAY = new Set([502, 504]);

export class Transport {
  readonly #options: TransportOptions;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  get baseUrl(): string {
    return this.#options.baseUrl;
  }

  get maxRetries(): number {
    return this.#options.maxRetries;
  }

  /** Sends, and reads a JSON answer. */
  async json<T>(call: Call, options: WriteOptions = {}): Promise<T> {
    return this.#repeat(call, options, async (headers) => {
      const attempt = new Attempt(options.signal, options.timeout ?? this.#options.timeout);
      try {
        const response = await this.#send(call, headers, attempt);
        const text = await readText(response, MAX_JSON_BYTES, attempt);
        return parseJson(text) as T;
      } finally {
        attempt.close();
      }
    });
  }

  /** Sends a command whose answer says only that it worked. */
  async command(call: Call, options: WriteOptions = {}): Promise<void> {
    const answer = await this.json<{ success?: unknown }>(call, options);
    if (answer?.success !== true) throw new ProtocolError("the server's answer does not say success");
  }

  /** Deletes. If an attempt was lost on the way, finding nothing afterwards is what was wanted. */
  async delete(path: readonly string[], options: RequestOptions = {}): Promise<void> {
    let lost = false;
    const call: Call = { method: "DELETE", path };
    await this.#repeat(call, options, async (headers) => {
      const attempt = new Attempt(options.signal, options.timeout ?? this.#options.timeout);
      try {
        const response = await this.#send(call, headers, attempt);
        await readText(response, MAX_JSON_BYTES, attempt);
      } catch (error) {
        if (error instanceof NotFoundError && lost) return;
        // What the server refused was not done; without an answer of its own it may have been.
        lost ||= !(error instanceof ApiError) || GATEWAY.has(error.status);
        throw error;
      } finally {
        attempt.close();
      }
    });
  }

  /** Sends, with retries, until an answer begins. The time limit ends there; the signal holds for the body too. */
  async open(call: Call, options: WriteOptions = {}): Promise<Opened> {
    return this.#repeat(call, options, (headers) => this.#open(call, headers, options));
  }

  /** The same, but one attempt. */
  async openOnce(call: Call, options: RequestOptions = {}): Promise<Opened> {
    return this.#open(call, this.#headers(call, undefined), options);
  }

  async #open(call: Call, headers: Headers, options: RequestOptions): Promise<Opened> {
    const attempt = new Attempt(options.signal, options.timeout ?? this.#options.timeout);
    try {
      const response = await this.#send(call, headers, attempt);
      attempt.disarm();
      return { response, close: () => attempt.close() };
    } catch (error) {
      attempt.close();
      throw error;
    }
  }

  async #repeat<T>(call: Call, options: WriteOptions, once: (headers: Headers) => Promise<T>): Promise<T> {
    const key = call.method === "POST" ? checkedKey(options.idempotencyKey ?? randomKey()) : undefined;
    const maxRetries = options.maxRetries ?? this.#options.maxRetries;
    const timeout = options.timeout ?? this.#options.timeout;
    let twinSince: number | undefined;
    let attempts = 0;
    for (let failed = 0; ; ) {
      options.signal?.throwIfAborted();
      try {
        return await once(this.#headers(call, key));
      } catch (error) {
        if (options.signal?.aborted) throw options.signal.reason;
        attempts += 1;
        if (isTwinInFlight(error, key, attempts) && maxRetries > 0) {
          // A call that was given up here may still run there. Its answer is waited for as long as for any other.
          twinSince ??= Date.now();
          if (Date.now() - twinSince >= timeout) {
            throw new TimeoutError(`the call was still being answered after ${timeout} ms more`, { cause: error });
          }
          // The server is there: what failed before is no part of what may fail from now on.
          failed = 0;
          await sleep(Math.min(TWIN_PAUSE_MS, timeout), options.signal);
          continue;
        }
        failed += 1;
        if (failed > maxRetries || !isTransient(error)) throw error;
        const asked = error instanceof ApiError ? error.retryAfterMs : undefined;
        const pause = pauseMs(failed, asked);
        if (pause === undefined) throw error;
        await (asked === undefined ? sleepOrOnline : sleep)(pause, options.signal);
      }
    }
  }

  #headers(call: Call, idempotencyKey: string | undefined): Headers {
    const headers = new Headers({ accept: "application/json", ...call.headers });
    headers.set("authorization", `Bearer ${this.#options.apiKey}`);
    if (call.json !== undefined) headers.set("content-type", "application/json");
    if (idempotencyKey !== undefined) headers.set("idempotency-key", idempotencyKey);
    // Browsers name themselves, and would ask the server beforehand about a header of ours.
    if (!isBrowser()) headers.set("user-agent", `miteos-sdk-typescript/${SDK_VERSION}`);
    return headers;
  }

  async #send(call: Call, headers: Headers, attempt: Attempt): Promise<Response> {
    // A redirect is told and not followed: fetch would turn a POST into a GET.
    const init: RequestInit & { duplex?: "half" } = {
      method: call.method,
      headers,
      redirect: "manual",
      signal: attempt.signal,
    };
    if (call.json !== undefined) init.body = JSON.stringify(call.json);
    const body = call.body?.();
    if (body !== undefined) {
      headers.set("content-type", body.type);
      init.body = body.content as BodyInit;
      // With these two Node sends the body as it comes. Otherwise it keeps all of it, in case it is asked for it again.
      init.redirect = "error";
      init.window = null;
      if (!(body.content instanceof Blob)) init.duplex = "half";
    }
    let response: Response;
    try {
      response = await this.#options.fetch(this.url(call), init);
    } catch (error) {
      throw attempt.failure(error, `cannot reach the server at ${this.#options.baseUrl}`);
    }
    if (response.ok || call.alsoFine?.includes(response.status)) return response;
    throw await readError(call, response, attempt);
  }

  /** The whole address of a call. */
  url(call: Call): string {
    let url = `${this.#options.baseUrl}/v1`;
    for (const segment of call.path) url += `/${encodeSegment(segment)}`;
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries((call.query ?? {}) as Record<string, QueryValue>)) {
      if (value === undefined || value === null) continue;
      query.set(name, Array.isArray(value) ? value.join(",") : String(value));
    }
    const text = query.toString();
    return text === "" ? url : `${url}?${text}`;
  }
}

/** One attempt: what can end it before its time, and why it ended. */
class Attempt {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #onAbort: () => void;
  readonly #timeoutMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timedOut = false;

  constructor(outer: AbortSignal | undefined, timeoutMs: number) {
    this.#outer = outer;
    this.#timeoutMs = timeoutMs;
    this.#onAbort = () => this.#controller.abort(outer?.reason);
    if (outer?.aborted) this.#onAbort();
    else outer?.addEventListener("abort", this.#onAbort);
    if (Number.isFinite(timeoutMs)) {
      this.#timer = setTimeout(() => {
        this.#timedOut = true;
        this.#controller.abort();
      }, timeoutMs);
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Takes the time limit away. */
  disarm(): void {
    clearTimeout(this.#timer);
  }

  close(): void {
    this.disarm();
    this.#outer?.removeEventListener("abort", this.#onAbort);
    this.#controller.abort();
  }

  /** What is thrown when the connection failed with `error`. */
  failure(error: unknown, what: string): unknown {
    if (this.#outer?.aborted) return this.#outer.reason;
    if (this.#timedOut) return new TimeoutError(`${what}: no answer in ${this.#timeoutMs} ms`, { cause: error });
    if (error instanceof MiteosError) return error;
    return new ConnectionError(what, { cause: error });
  }
}

/**
 * A repeated POST whose first attempt was lost meets 409 because that attempt still runs; or because the caller gave a key
 * that was used for something else, which only the sentence tells. If that ever changes, waiting ends all the same.
 */
function isTwinInFlight(error: unknown, key: string | undefined, attempts: number): boolean {
  if (!(error instanceof ApiError) || error.status !== 409) return false;
  return key !== undefined && attempts > 1 && !error.detail.includes("another body");
}

function randomKey(): string {
  // Not randomUUID: browsers have that on https alone, and a server in the own network speaks http.
  const bytes = crypto.getRandomValues(new Uint8Array(IDEMPOTENCY_KEY_BYTES));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function checkedKey(key: string): string {
  if (/^[\x21-\x7e]{1,255}$/.test(key)) return key;
  throw new UsageError("an idempotency key must be 1 to 255 visible ASCII characters");
}

function encodeSegment(segment: string): string {
  if (typeof segment !== "string" || segment === "" || segment === "." || segment === "..") {
    throw new UsageError(`"${segment}" cannot be a part of an address`);
  }
  return encodeURIComponent(segment);
}

function isBrowser(): boolean {
  return "document" in globalThis || "WorkerGlobalScope" in globalThis;
}

async function readError(call: Call, response: Response, attempt: Attempt): Promise<unknown> {
  const { status } = response;
  // Browsers hide a redirect's status and address.
  if (status === 0 || (status >= 300 && status < 400)) {
    const to = response.headers.get("location");
    return new ProtocolError(`the server redirects${to ? ` to ${to}` : ""}; set baseUrl to its real address`);
  }
  let text: string;
  try {
    text = await readText(response, MAX_ERROR_BYTES, attempt);
  } catch (error) {
    if (isTransient(error)) text = "";
    else if (error instanceof ProtocolError) text = "";
    else return error;
  }
  return apiError({
    status,
    detail: detailOf(text) ?? foreignDetail(status, text),
    requestId: response.headers.get("request-id") ?? undefined,
    retryAfterMs: retryAfterMs(response.headers),
    method: call.method,
    path: `/v1/${call.path.join("/")}`,
  });
}

function detailOf(text: string): string | undefined {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown };
    return typeof detail === "string" ? detail : undefined;
  } catch {
    return undefined;
  }
}

function foreignDetail(status: number, text: string): string {
  const shown = text.slice(0, SHOWN_OF_FOREIGN_ERROR).trim();
  return shown === "" ? `the server answered ${status}` : `the server answered ${status}: ${shown}`;
}

async function readText(response: Response, maxBytes: number, attempt: Attempt): Promise<string> {
  if (response.body === null) return "";
  const reader: ReadableStreamDefaultReader<Uint8Array> = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return text + decoder.decode();
      size += value.byteLength;
      if (size > maxBytes) throw new ProtocolError("the server's answer is larger than any should be");
      text += decoder.decode(value, { stream: true });
    }
  } catch (error) {
    throw attempt.failure(error, "the connection broke before the answer was there");
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ProtocolError("the server's answer is no JSON; is baseUrl the address of a Miteos server?", {
      cause: error,
    });
  }
}
