/**
 * A file that is being fetched. Where the server allows it, a connection that breaks is resumed where it broke.
 */

import { ConnectionError, isTransient, ProtocolError } from "./errors.js";
import { readChunk, SilentError } from "./idle.js";
import { pauseMs, sleepOrOnline } from "./retry.js";
import type { Call, Opened, RequestOptions, Transport } from "./transport.js";

/** A connection that brings nothing for so long, while somebody waits for it, is dead. */
const DEFAULT_IDLE_MS = 60_000;

export interface DownloadOptions extends RequestOptions {
  /** Only these bytes: from `start` to `end`, both included; without `end` to the last one. */
  range?: { start: number; end?: number | undefined } | undefined;
  /** Milliseconds of silence after which a connection counts as dead, and is resumed. Default 60,000. */
  idleTimeout?: number | undefined;
}

/** A file as a stream. Read it in one way, once. Its time limit ends with its beginning; the limit of silence and the signal hold to its end. */
export class Download implements AsyncIterable<Uint8Array> {
  /** The name that the server gives it. */
  readonly name: string | undefined;
  /** Its media type. */
  readonly type: string;
  /** Bytes that come, where that is known beforehand. */
  readonly size: number | undefined;
  readonly etag: string | undefined;
  readonly #source: Source;
  #body: ReadableStream<Uint8Array> | undefined;

  /** Made by `client.deliverables.download` and `client.workspaces.download`. */
  constructor(source: Source) {
    this.#source = source;
    const { headers } = source.response;
    this.name = nameOf(headers.get("content-disposition"));
    this.type = headers.get("content-type") ?? "application/octet-stream";
    this.size = source.size;
    this.etag = headers.get("etag") ?? undefined;
  }

  /** The bytes as a stream of the web; in Node `Readable.fromWeb` takes it. */
  get body(): ReadableStream<Uint8Array> {
    this.#body ??= streamOf(this.#source);
    return this.#body;
  }

  /** The bytes as they come, no more than a chunk ahead of the reader. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    try {
      for (let chunk = await this.#source.read(); chunk !== undefined; chunk = await this.#source.read()) {
        yield chunk;
      }
    } finally {
      this.#source.close();
    }
  }

  /** All of it, in memory. */
  async bytes(): Promise<Uint8Array> {
    return new Uint8Array(await (await this.blob()).arrayBuffer());
  }

  /** All of it as UTF-8, in memory. */
  async text(): Promise<string> {
    return (await this.blob()).text();
  }

  /** All of it as a blob with its type: for `URL.createObjectURL`. */
  async blob(): Promise<Blob> {
    const chunks: BlobPart[] = [];
    for await (const chunk of this) chunks.push(chunk as Uint8Array<ArrayBuffer>);
    return new Blob(chunks, { type: this.type });
  }

  /** Breaks it off. */
  close(): void {
    this.#source.close();
  }
}

/** Opens a download. */
export async function download(transport: Transport, path: string[], options: DownloadOptions = {}): Promise<Download> {
  const { range } = options;
  const headers: Record<string, string> = { accept: "*/*" };
  if (range !== undefined) headers["range"] = `bytes=${range.start}-${range.end ?? ""}`;
  const call: Call = { method: "GET", path, headers };
  const opened = await transport.open(call, options);
  if (range !== undefined && startOf(opened.response) !== range.start) {
    opened.close();
    throw new ProtocolError("a part of the file was asked for and another came");
  }
  return new Download(new Source(transport, call, opened, options));
}

/** Where the bytes come from: one connection after the other. */
class Source {
  readonly #transport: Transport;
  readonly #call: Call;
  readonly #options: DownloadOptions;
  readonly size: number | undefined;
  readonly #etag: string | undefined;
  #opened: Opened;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #read = 0;
  #failed = 0;
  #over = false;
  /** Ends pauses and attempts when it is closed, or when the caller's signal aborts. */
  readonly #closing = new AbortController();
  readonly #outerAborted = () => this.#closing.abort(this.#options.signal?.reason);

  constructor(transport: Transport, call: Call, opened: Opened, options: DownloadOptions) {
    options.signal?.addEventListener("abort", this.#outerAborted);
    this.#transport = transport;
    this.#call = call;
    this.#options = options;
    this.#opened = opened;
    this.#reader = opened.response.body?.getReader();
    const { headers } = opened.response;
    // What a proxy compressed has another length, and cannot be taken up in its middle.
    const asStored = !headers.has("content-encoding");
    const length = headers.get("content-length");
    this.size = asStored && length !== null ? Number(length) : undefined;
    const etag = headers.get("etag");
    this.#etag = asStored && etag?.startsWith('"') ? etag : undefined;
  }

  get response(): Response {
    return this.#opened.response;
  }

  /** The next bytes; `undefined`: that was all. */
  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#over) return undefined;
      try {
        const idleMs = this.#options.idleTimeout ?? DEFAULT_IDLE_MS;
        const chunk = this.#reader && (await readChunk(this.#reader, idleMs, () => this.#opened.close()));
        if (chunk !== undefined) {
          this.#failed = 0;
          this.#read += chunk.byteLength;
          return chunk;
        }
        if (this.size !== undefined && this.#read !== this.size) {
          throw new ConnectionError(`${this.#read} bytes came, ${this.size} were promised`);
        }
        this.close();
      } catch (error) {
        if (this.size !== undefined && this.#read === this.size) {
          // All of it has come; how the connection ended makes no difference.
          this.close();
          return undefined;
        }
        try {
          await this.#resume(error);
        } catch (final) {
          this.#options.signal?.removeEventListener("abort", this.#outerAborted);
          this.#opened.close();
          throw final;
        }
      }
    }
  }

  close(): void {
    this.#over = true;
    this.#options.signal?.removeEventListener("abort", this.#outerAborted);
    this.#closing.abort();
    this.#opened.close();
  }

  async #resume(cause: unknown): Promise<void> {
    const { signal, maxRetries } = this.#options;
    this.#opened.close();
    if (signal?.aborted) throw signal.reason;
    if (this.#over) return;
    let error: unknown = cause;
    if (!(cause instanceof ConnectionError)) {
      const what = cause instanceof SilentError ? cause.message : "the connection broke";
      error = new ConnectionError(`the download was cut in the middle of the file: ${what}`, { cause });
    }
    for (;;) {
      this.#failed += 1;
      const pause = pauseMs(this.#failed, undefined);
      const given = this.#etag === undefined || this.#failed > (maxRetries ?? this.#transport.maxRetries);
      if (given || pause === undefined) throw error;
      try {
        await sleepOrOnline(pause, this.#closing.signal);
        const opened = await this.#transport.openOnce(this.#rest(), { ...this.#options, signal: this.#closing.signal });
        this.#opened = opened;
        if (this.#over) opened.close();
        break;
      } catch (again) {
        if (this.#over) return;
        if (signal?.aborted || !isTransient(again)) throw again;
        error = again;
      }
    }
    if (this.#over) return;
    if (startOf(this.#opened.response) !== this.#start() + this.#read) {
      this.close();
      throw new ProtocolError("the file changed while it was downloaded");
    }
    this.#reader = this.#opened.response.body?.getReader();
  }

  #start(): number {
    return this.#options.range?.start ?? 0;
  }

  #rest(): Call {
    const from = this.#start() + this.#read;
    const range = `bytes=${from}-${this.#options.range?.end ?? ""}`;
    return { ...this.#call, headers: { ...this.#call.headers, range, "if-range": this.#etag ?? "" } };
  }
}

/** Where the bytes of a partial answer begin; `undefined`: it is no partial one. */
function startOf(response: Response): number | undefined {
  const range = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "");
  return response.status === 206 && range !== null ? Number(range[1]) : undefined;
}

function streamOf(source: Source): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const chunk = await source.read();
        if (chunk === undefined) controller.close();
        else controller.enqueue(chunk);
      },
      cancel: () => source.close(),
    },
    // Nothing is read before somebody asks.
    { highWaterMark: 0 },
  );
}

function nameOf(disposition: string | null): string | undefined {
  const encoded = /filename\*=UTF-8''([^;]+)/i.exec(disposition ?? "")?.[1];
  if (encoded === undefined) return undefined;
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}
