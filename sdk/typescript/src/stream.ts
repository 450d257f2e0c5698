/**
 * A log of the server as an async iterable that survives cuts: resumed by its cursor, in order, each entry once, to the
 * end. Knows cursors and connections, and nothing of what the entries mean.
 */

import { ApiError, ConnectionError, isTransient, type MiteosError, ProtocolError } from "./errors.js";
import { readChunk, SilentError } from "./idle.js";
import { DEFAULT_MAX_RECONNECTS, pauseMs, sleep, sleepOrOnline } from "./retry.js";
import { type Frame, FrameParser, placeOf } from "./sse.js";
import type { Call, Opened, Transport } from "./transport.js";

/** The server says something every 15 s; a connection that is silent for three times as long is dead. */
const DEFAULT_IDLE_MS = 45_000;
/** After a connection that brought something the next one is opened within this time: not all readers at once. */
const SPREAD_MS = 100;
/**
 * A connection that was heard of for longer than this had worked: its end is no failed attempt. Proxies end a connection
 * after a minute or two, and a task may wait for a person for days.
 */
const LIVED_MS = 30_000;

/** What a stream is doing. */
export type ConnectionState =
  /** It opens a connection; `attempt` counts from 1 and begins again after something was heard. */
  | { state: "connecting"; attempt: number }
  /** Connected; entries come as they happen. */
  | { state: "open" }
  /** The connection was lost or refused; it will be opened again. */
  | { state: "waiting"; attempt: number; delayMs: number; error: MiteosError }
  /** Over: the log has ended, the reader has left, or it was given up. */
  | { state: "ended" };

export interface StreamOptions {
  /** The last cursor already seen; what follows it comes. */
  after?: number | undefined;
  /** Ends the stream; the iteration throws the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Told of every change of the connection, for a light or a line that shows it. */
  onConnection?: ((state: ConnectionState) => void) | undefined;
  /** Attempts in a row without hearing anything new, before it gives up. Default 40, about three minutes; `Infinity`: never. */
  maxReconnects?: number | undefined;
  /** Milliseconds of silence after which a connection counts as dead. Default 45,000. */
  idleTimeout?: number | undefined;
}

/** An entry of a log, as a frame held it. */
export interface Entry<T> {
  /** `undefined`: it has no place of its own, and comes whenever it is sent. */
  cursor: number | undefined;
  value: T;
  /** Whether nothing comes after it. */
  last: boolean;
}

/** How one kind of log is read. */
export interface Log<T> {
  path: readonly string[];
  query?: object | undefined;
  /** What a frame holds; `undefined`: nothing for the reader. Throws [`ProtocolError`] at what cannot be read. */
  read(frame: Frame): Entry<T> | undefined;
  /** Whether each cursor is the one before and 1, so that a missing entry is noticed. */
  gapless: boolean;
}

/**
 * Entries in order, none missing, none twice. Iterate over it once. Leaving the loop closes the connection; nothing on the
 * server is cancelled by that. At most one chunk of the network is held: a slow reader slows the sender.
 */
export class EventStream<T> implements AsyncIterableIterator<T> {
  readonly #transport: Transport;
  readonly #log: Log<T>;
  readonly #options: StreamOptions;
  readonly #entries: AsyncGenerator<T, undefined>;
  readonly #closing = new AbortController();
  #cursor: number | undefined;
  /** Attempts in a row without anything new or a connection that lived. */
  #failed = 0;

  constructor(transport: Transport, log: Log<T>, options: StreamOptions) {
    this.#transport = transport;
    this.#log = log;
    this.#options = options;
    this.#cursor = options.after;
    this.#entries = this.#run();
  }

  /** How far the log has been read. Give it as `after` to go on from here another time. */
  get cursor(): number | undefined {
    return this.#cursor;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return this.#entries.next();
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.close();
    await this.#entries.return(undefined);
    return { done: true, value: undefined };
  }

  /** Ends the stream from outside: a loop that waits in it ends as if the log had. */
  close(): void {
    this.#closing.abort();
  }

  async *#run(): AsyncGenerator<T, undefined> {
    const { signal } = this.#options;
    const outerAborted = () => this.#closing.abort();
    signal?.addEventListener("abort", outerAborted);
    try {
      signal?.throwIfAborted();
      while (!this.#closing.signal.aborted) {
        const ended = yield* this.#connection();
        if (ended) return undefined;
      }
      signal?.throwIfAborted();
      return undefined;
    } finally {
      signal?.removeEventListener("abort", outerAborted);
      this.#closing.abort();
      this.#tell({ state: "ended" });
    }
  }

  /** One connection, and the pause after it. Returns whether the log has ended. */
  async *#connection(): AsyncGenerator<T, boolean> {
    let connection: Connection | undefined;
    let error: unknown;
    let progressed = false;
    try {
      this.#tell({ state: "connecting", attempt: this.#failed + 1 });
      connection = await this.#connect();
      // 204: the log has ended, and all of it has been read.
      if (connection === undefined) return true;
      this.#tell({ state: "open" });
      for (let frame = await connection.next(); frame !== undefined; frame = await connection.next()) {
        const entry = this.#accept(frame);
        if (entry === "nothing") continue;
        if (entry === "moved" || entry.cursor !== undefined) {
          progressed = true;
          this.#failed = 0;
        }
        if (entry === "moved") continue;
        yield entry.value;
        if (entry.last) return true;
        if (this.#closing.signal.aborted) return false;
      }
      error = new ConnectionError("the event stream ended before the log did");
    } catch (caught) {
      error = caught;
    } finally {
      connection?.close();
    }
    if (!this.#closing.signal.aborted) await this.#pause(error, progressed, connection?.lived() ?? false);
    return false;
  }

  async #connect(): Promise<Connection | undefined> {
    const call: Call = {
      method: "GET",
      path: this.#log.path,
      query: { ...this.#log.query, after: this.#cursor },
      headers: { accept: "text/event-stream" },
    };
    const opened = await this.#transport.openOnce(call, { signal: this.#closing.signal });
    if (opened.response.status === 204) {
      opened.close();
      return undefined;
    }
    if (!opened.response.headers.get("content-type")?.startsWith("text/event-stream")) {
      opened.close();
      throw new ProtocolError("an event stream was asked for and none came");
    }
    return new Connection(opened, this.#options.idleTimeout ?? DEFAULT_IDLE_MS);
  }

  /** What a frame brings: an entry, a new position alone, or nothing that is not known. */
  #accept(frame: Frame): Entry<T> | "moved" | "nothing" {
    const entry = frame.data === undefined ? undefined : this.#log.read(frame);
    // Without a choice of types every entry is sent, and only entries move the cursor.
    const cursor = entry === undefined && !this.#log.gapless ? placeOf(frame) : entry?.cursor;
    if (cursor === undefined) return entry ?? "nothing";
    if (cursor <= (this.#cursor ?? -1)) return "nothing";
    if (entry !== undefined && this.#log.gapless && cursor !== (this.#cursor ?? 0) + 1) {
      // Something is missing on this connection. The log itself has no gap, so it is read again from the cursor.
      throw new ConnectionError(`entry ${cursor} came where ${(this.#cursor ?? 0) + 1} was due`);
    }
    this.#cursor = cursor;
    return entry ?? "moved";
  }

  /** Waits for the next attempt; throws if there is none to be made. */
  async #pause(error: unknown, progressed: boolean, lived: boolean): Promise<void> {
    if (!isTransient(error)) throw error;
    if (progressed) {
      await sleep(Math.random() * SPREAD_MS, this.#closing.signal).catch(() => undefined);
      return;
    }
    if (lived) this.#failed = 0;
    this.#failed += 1;
    if (this.#failed > (this.#options.maxReconnects ?? DEFAULT_MAX_RECONNECTS)) throw error;
    const asked = error instanceof ApiError ? error.retryAfterMs : undefined;
    const delayMs = pauseMs(this.#failed, asked);
    if (delayMs === undefined) throw error;
    this.#tell({ state: "waiting", attempt: this.#failed, delayMs, error });
    const pause = asked === undefined ? sleepOrOnline : sleep;
    await pause(delayMs, this.#closing.signal).catch(() => undefined);
  }

  #tell(state: ConnectionState): void {
    this.#options.onConnection?.(state);
  }
}

/** An open connection, read a frame at a time. */
class Connection {
  readonly #opened: Opened;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #parser = new FrameParser();
  readonly #idleMs: number;
  readonly #openedAt = Date.now();
  #heardAt = this.#openedAt;

  constructor(opened: Opened, idleMs: number) {
    this.#opened = opened;
    this.#idleMs = idleMs;
    if (opened.response.body === null) throw new ProtocolError("an event stream was asked for and nothing came");
    this.#reader = opened.response.body.getReader();
  }

  /** The next frame; `undefined`: the server closed the stream in good order. */
  async next(): Promise<Frame | undefined> {
    for (;;) {
      const frame = this.#parser.next();
      if (frame !== undefined) return frame;
      const chunk = await this.#read();
      if (chunk === undefined) return undefined;
      this.#parser.push(chunk);
    }
  }

  /** Whether it was heard of for so long that its end is nothing special. */
  lived(): boolean {
    return this.#heardAt - this.#openedAt > LIVED_MS;
  }

  close(): void {
    this.#opened.close();
  }

  async #read(): Promise<Uint8Array | undefined> {
    try {
      const chunk = await readChunk(this.#reader, this.#idleMs, () => this.#opened.close());
      if (chunk !== undefined) this.#heardAt = Date.now();
      return chunk;
    } catch (cause) {
      const what = cause instanceof SilentError ? cause.message : "the connection broke";
      throw new ConnectionError(`the event stream was cut: ${what}`, { cause });
    }
  }
}
