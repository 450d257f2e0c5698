/**
 * A server that answers what a test has written down, through the client's `fetch`. No network, and every fault on demand.
 */

import { Miteos, type MiteosOptions } from "@miteos/sdk";

/** A request as the server would see it. */
export interface Seen {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: Headers;
  body: string;
  signal: AbortSignal;
}

export type Answer = Response | Error | ((seen: Seen) => Response | Promise<Response>);

export class Fake {
  readonly seen: Seen[] = [];
  readonly #answers: Answer[];

  /** Answers in turn; the last one again and again. */
  constructor(...answers: Answer[]) {
    this.#answers = answers;
  }

  client(options: MiteosOptions = {}): Miteos {
    return new Miteos({ apiKey: "mt_test_fake", baseUrl: "http://fake.invalid", fetch: this.fetch, ...options });
  }

  readonly fetch = async (input: string, init: RequestInit = {}): Promise<Response> => {
    const request = new Request(input, init as RequestInit);
    const url = new URL(request.url);
    const { method, headers } = request;
    // Not the request's own: it only follows this one, and may be collected before it does.
    const signal = init.signal ?? new AbortController().signal;
    const seen = { method, path: url.pathname, query: url.searchParams, headers, body: "", signal };
    signal.throwIfAborted();
    // Before anything is waited for: a time limit that ends meanwhile ends a call that was made.
    const nth = this.seen.push(seen);
    seen.body = await request.text();
    signal.throwIfAborted();
    const answer = this.#answers[Math.min(nth, this.#answers.length) - 1];
    if (answer === undefined) throw new Error("there is no answer to give");
    if (answer instanceof Error) throw answer;
    // A body is read once; whoever comes again gets a copy.
    return typeof answer === "function" ? answer(seen) : answer.clone();
  };
}

export function json(value: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(value), { status, headers: { "content-type": "application/json", ...headers } });
}

export function refusal(status: number, detail: string, headers: Record<string, string> = {}): Response {
  return json({ detail }, status, { "request-id": "req_1", ...headers });
}

/** An answer that never comes; it ends with the request's signal. */
export function never(seen: Seen): Promise<Response> {
  return new Promise((_, reject) => {
    seen.signal.addEventListener("abort", () => reject(seen.signal.reason));
  });
}

/** How a stream of chunks ends. */
export type End = "close" | "break" | "hang";

/** An event stream that sends these chunks and then ends. */
export function sse(chunks: readonly (string | Uint8Array)[], end: End = "close"): (seen: Seen) => Response {
  return (seen) => {
    const left = [...chunks];
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          const chunk = left.shift();
          if (chunk !== undefined)
            controller.enqueue(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
          else if (end === "close") controller.close();
          else if (end === "break") controller.error(new TypeError("terminated"));
          else return new Promise(() => undefined);
          return undefined;
        },
      },
      { highWaterMark: 0 },
    );
    const stream = body.pipeThrough(new TransformStream(), { signal: seen.signal });
    return new Response(stream, { headers: { "content-type": "text/event-stream" } });
  };
}

/** An event of a task as it goes over the wire. */
export function event(seq: number, type = "agent.message", more: object = {}): string {
  const value = {
    id: `evt_${seq}`,
    seq,
    type,
    task_id: "task_1",
    agent_id: null,
    created_at: "2026-11-22T10:00:00.000Z",
    data: { to: "all", text: `ä ${seq}` },
    ...more,
  };
  return `id: ${seq}\nevent: ${type}\ndata: ${JSON.stringify(value)}\n\n`;
}
