/**
 * Files as the body of an upload. Blobs and bytes make a body that knows its length and can be sent again; a stream makes
 * one that is sent while it comes. Knows nothing of workspaces.
 */

import { UsageError } from "./errors.js";
import type { Body } from "./transport.js";

/** A file to upload. */
export interface UploadFile {
  /** Where it goes, relative to the workspace, `/` between its parts. */
  path: string;
  data: UploadData;
}

type Streamed = ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;
type Kept = Blob | ArrayBuffer | ArrayBufferView | string;

/**
 * Its bytes; text becomes UTF-8. Blobs are read from disk as they are sent: `File` in a browser, `fs.openAsBlob` in Node. A
 * stream can be sent only once, so a connection that breaks is not tried again; a function that makes one can.
 */
export type UploadData = Kept | Streamed | (() => Streamed);

/** Anything that can be uploaded: a file with its path, or a browser's `File`, whose path is its name. */
export type Uploadable = UploadFile | File;

/** A body of all files, and whether it can be made again. */
export interface Upload {
  body: () => Body;
  repeatable: boolean;
}

/** Random bytes in the boundary, so that no file holds it. */
const BOUNDARY_BYTES = 16;

export function uploadOf(files: readonly Uploadable[]): Upload {
  if (files.length === 0) throw new UsageError("there is no file to upload");
  const random = crypto.getRandomValues(new Uint8Array(BOUNDARY_BYTES));
  const boundary = `miteos-${Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  const type = `multipart/form-data; boundary=${boundary}`;
  const named = files.map(normal);
  const end = `--${boundary}--\r\n`;
  if (named.every(isKept)) {
    const parts = named.flatMap(({ path, data }) => [headOf(boundary, path), data as BlobPart, "\r\n"]);
    const content = new Blob([...parts, end]);
    return { body: () => ({ content, type }), repeatable: true };
  }
  const repeatable = named.every((file) => isKept(file) || typeof file.data === "function");
  return { body: () => ({ content: readable(streamed(boundary, named, end)), type }), repeatable };
}

function normal(file: Uploadable): UploadFile {
  if (!(file instanceof Blob)) return file;
  return { path: file.webkitRelativePath || file.name, data: file };
}

function isKept(file: UploadFile): file is UploadFile & { data: Kept } {
  const { data } = file;
  return typeof data === "string" || data instanceof Blob || data instanceof ArrayBuffer || ArrayBuffer.isView(data);
}

/** As browsers do: only what would end the quotes or the line is escaped. */
function headOf(boundary: string, path: string): string {
  const quoted = path.replaceAll('"', "%22").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
  return (
    `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="${quoted}"\r\n` +
    "content-type: application/octet-stream\r\n\r\n"
  );
}

async function* streamed(
  boundary: string,
  files: readonly UploadFile[],
  end: string,
): AsyncGenerator<Uint8Array, void> {
  const encoder = new TextEncoder();
  for (const file of files) {
    yield encoder.encode(headOf(boundary, file.path));
    if (isKept(file)) yield* chunks(new Blob([file.data as BlobPart]).stream());
    else yield* chunks(typeof file.data === "function" ? file.data() : (file.data as Streamed));
    yield encoder.encode("\r\n");
  }
  yield encoder.encode(end);
}

async function* chunks(source: Streamed): AsyncGenerator<Uint8Array, void> {
  if (!("getReader" in source)) {
    yield* source;
    return;
  }
  // Not every browser lets a stream be iterated over.
  const reader = source.getReader();
  try {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) yield chunk.value;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function readable(source: AsyncGenerator<Uint8Array, void>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await source.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await source.return();
      },
    },
    { highWaterMark: 0 },
  );
}
