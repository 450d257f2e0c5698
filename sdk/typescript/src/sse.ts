/**
 * Server-sent events as the HTML standard defines them: bytes in, frames out, one at a time. Knows nothing of HTTP or of
 * what the frames mean.
 */

import { ProtocolError } from "./errors.js";

/** A frame larger than this is refused; the largest real one is a few hundred kilobytes. */
const MAX_FRAME_CHARS = 16 * 1024 * 1024;

/** What stands between two empty lines. Comments alone make none. */
export interface Frame {
  id: string | undefined;
  event: string | undefined;
  /** `undefined`: a position, and no event. */
  data: string | undefined;
}

/** The frame's place in its log, if its id is one. */
export function placeOf({ id }: Frame): number | undefined {
  return id !== undefined && /^\d{1,15}$/.test(id) ? Number(id) : undefined;
}

/**
 * An incremental parser. It holds the last chunk and the beginning of one frame, and cuts a frame out only when it is
 * asked for one. A frame without its empty line is never handed out: the connection broke inside it.
 */
export class FrameParser {
  readonly #decoder = new TextDecoder();
  #chunk = "";
  #at = 0;
  /** The beginning of a line whose end is in a later chunk. */
  #begun: string[] = [];
  #size = 0;
  #afterReturn = false;
  #id: string | undefined;
  #event: string | undefined;
  #data: string[] | undefined;

  /** Adds a chunk. The one before must be used up: `next` has said `undefined`. */
  push(bytes: Uint8Array): void {
    this.#chunk = this.#decoder.decode(bytes, { stream: true });
    this.#at = 0;
  }

  /** The next frame; `undefined`: another chunk is needed. */
  next(): Frame | undefined {
    for (;;) {
      const line = this.#line();
      if (line === undefined) return undefined;
      if (line !== "") {
        this.#take(line);
        continue;
      }
      const frame = { id: this.#id, event: this.#event, data: this.#data?.join("\n") };
      this.#id = this.#event = this.#data = undefined;
      this.#size = 0;
      if (frame.id !== undefined || frame.data !== undefined) return frame;
    }
  }

  #line(): string | undefined {
    const text = this.#chunk;
    if (this.#afterReturn && this.#at < text.length) {
      if (text[this.#at] === "\n") this.#at += 1;
      this.#afterReturn = false;
    }
    const end = endOfLine(text, this.#at);
    const part = text.slice(this.#at, end);
    this.#size += part.length;
    if (this.#size > MAX_FRAME_CHARS) {
      throw new ProtocolError("an event of the stream is larger than any should be");
    }
    if (end === text.length) {
      if (part !== "") this.#begun.push(part);
      this.#at = end;
      return undefined;
    }
    this.#afterReturn = text[end] === "\r";
    this.#at = end + 1;
    if (this.#begun.length === 0) return part;
    this.#begun.push(part);
    const line = this.#begun.join("");
    this.#begun = [];
    return line;
  }

  #take(line: string): void {
    const colon = line.indexOf(":");
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "data") {
      this.#data ??= [];
      this.#data.push(value);
    } else if (name === "event") {
      this.#event = value;
    } else if (name === "id" && !value.includes("\0")) {
      this.#id = value;
    }
    // Anything else is a comment (no name), `retry` (our own backoff decides) or something new.
  }
}

function endOfLine(text: string, from: number): number {
  for (let at = from; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 10 || code === 13) return at;
  }
  return text.length;
}
