import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RateLimitError } from "@miteos/sdk";
import type { Api } from "../../src/api/api";
import type { Event } from "../../src/api/types";
import { AccountFeed, ACCOUNT_TYPES, HIDDEN_PATIENCE_MS, type Watcher } from "../../src/live/account-feed";
import { TaskFeed } from "../../src/live/task-feed";
import { agentRun, event, plan } from "./events";

let visibility: "visible" | "hidden" = "visible";
let listeners: (() => void)[] = [];

beforeEach(() => {
  vi.useFakeTimers();
  visibility = "visible";
  listeners = [];
  vi.stubGlobal("document", {
    get visibilityState() { return visibility; },
    addEventListener: (_type: string, listener: () => void) => listeners.push(listener),
    removeEventListener: (_type: string, listener: () => void) => { listeners = listeners.filter((each) => each !== listener); },
  });
  vi.stubGlobal("requestAnimationFrame", (run: () => void) => setTimeout(run, 16));
  vi.stubGlobal("cancelAnimationFrame", (id: number) => clearTimeout(id));
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const look = (to: "visible" | "hidden") => {
  visibility = to;
  for (const listener of listeners) listener();
};
const turn = () => vi.advanceTimersByTimeAsync(50);

/** A log that grows, and how often it was read. */
class Journal {
  reads = 0;
  fail = false;
  constructor(readonly events: Event[]) {}
  readonly pace = { pause: (wanted: number) => wanted };
  taskEvents = async (_id: string, after: number, limit: number) => {
    this.reads += 1;
    if (this.fail) throw new Error("no answer");
    const rest = this.events.filter((each) => each.seq > after);
    return { events: rest.slice(0, limit), next_after: after, has_more: rest.length > limit };
  };
}

function watched(journal: Journal) {
  let watcher: Watcher | null = null;
  const account = { watch: (_task: string, given: Watcher) => { watcher = given; return () => { watcher = null; }; } };
  const feed = new TaskFeed(journal as unknown as Api, account, "task_1");
  const leave = feed.subscribe(() => {});
  return { feed, leave, tell: (each: Event) => watcher?.heard(each), look: () => watcher?.look(), isWatched: () => watcher !== null };
}

const log = (): Event[] => [...plan(2), ...agentRun("agnt_1", "st_1", 5)].map((each, index) => ({ ...each, seq: index + 1 }));

describe("the log of a task", () => {
  it("is read, then fed, each event once", async () => {
    const all = log();
    const journal = new Journal(all.slice(0, 6));
    const { feed, leave, tell, isWatched } = watched(journal);
    await turn();
    expect([feed.get().caughtUp, feed.get().view.lastSeq]).toEqual([true, 6]);
    for (const each of [all[5]!, all[6]!, all[6]!, all[7]!]) tell(each);
    await turn();
    expect(feed.get().view.rows.map((row) => row.seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(journal.reads).toBe(1);
    leave();
    expect(isWatched()).toBe(false);
  });

  it("is read again where something is missing", async () => {
    const all = log();
    const journal = new Journal(all.slice(0, 4));
    const { feed, tell, leave } = watched(journal);
    await turn();
    journal.events.push(...all.slice(4));
    tell(all[8]!);
    await turn();
    expect(feed.get().view.lastSeq).toBe(all.length);
    leave();
  });

  it("joins on what came while it was read", async () => {
    const all = log();
    const journal = new Journal(all.slice(0, 3));
    const { feed, tell, leave } = watched(journal);
    for (const each of all.slice(3, 6)) tell(each);
    await turn();
    expect(feed.get().view.lastSeq).toBe(6);
    leave();
  });

  it("is asked for again when it could not be read, and says so only if nothing is there", async () => {
    const all = log();
    const journal = new Journal(all.slice(0, 4));
    const { feed, look: missed, leave } = watched(journal);
    await turn();
    journal.fail = true;
    missed();
    await turn();
    expect([feed.get().error, feed.get().view.lastSeq]).toEqual([null, 4]);
    journal.fail = false;
    journal.events.push(...all.slice(4));
    await vi.advanceTimersByTimeAsync(3_000);
    expect(feed.get().view.lastSeq).toBe(all.length);
    leave();
    const broken = new Journal([]);
    broken.fail = true;
    const other = watched(broken);
    await turn();
    expect(other.feed.get().error).toBeInstanceOf(Error);
    other.leave();
  });
});

/** A server's stream: what was asked for, and a hand to send with. */
class Streams {
  asked: { types: readonly string[] | undefined; signal: AbortSignal; tell: (state: object) => void; send: (event: Event) => void }[] = [];
  readonly pace = { pause: (wanted: number) => wanted };
  followAccount = (_after: undefined, types: readonly string[] | undefined, signal: AbortSignal, tell: (state: object) => void) => {
    const queue: Event[] = [];
    let wake = () => {};
    signal.addEventListener("abort", () => wake());
    this.asked.push({ types, signal, tell, send: (each) => { queue.push(each); wake(); } });
    return {
      async *[Symbol.asyncIterator]() {
        while (!signal.aborted) {
          while (queue.length > 0) yield queue.shift()!;
          await new Promise<void>((resolve) => { wake = resolve; });
        }
      },
    };
  };
  get open() { return this.asked.filter((each) => !each.signal.aborted); }
}

function followed() {
  const streams = new Streams();
  const feed = new AccountFeed(streams as unknown as Api);
  const heard: string[] = [];
  const counts = { opened: 0 };
  feed.start((each) => heard.push(each.type), () => { counts.opened += 1; });
  return { streams, feed, heard, counts };
}

describe("the account's one stream", () => {
  it("brings everything while a task is open, and then only what lists need", async () => {
    const { streams, feed, heard } = followed();
    expect(streams.open.map((each) => each.types)).toEqual([ACCOUNT_TYPES]);
    const got: number[] = [];
    const leave = feed.watch("task_1", { heard: (each) => got.push(each.seq), look: () => {} });
    expect(streams.open.map((each) => each.types)).toEqual([undefined]);
    streams.open[0]!.send(event(7, "agent.thinking", {}, "agnt_1"));
    streams.open[0]!.send({ ...event(1, "task.created", {}), task_id: "task_2" } as Event);
    await turn();
    expect([got, heard]).toEqual([[7], ["task.created"]]);
    leave();
    expect(streams.open.map((each) => each.types)).toEqual([undefined]);
    await vi.advanceTimersByTimeAsync(61_000);
    expect(streams.open.map((each) => each.types)).toEqual([ACCOUNT_TYPES]);
    feed.end();
    expect(streams.open).toEqual([]);
  });

  it("is one, whoever comes and goes", async () => {
    const { streams, feed } = followed();
    const leaves = ["task_1", "task_1", "task_2"].map((task) => feed.watch(task, { heard: () => {}, look: () => {} }));
    expect(streams.open).toHaveLength(1);
    for (const leave of leaves) leave();
    feed.watch("task_3", { heard: () => {}, look: () => {} });
    await vi.advanceTimersByTimeAsync(61_000);
    expect(streams.open.map((each) => each.types)).toEqual([undefined]);
    feed.end();
  });

  it("is let go of by a hidden page, and all is looked at again when it is back", async () => {
    const { streams, feed, counts } = followed();
    let looked = 0;
    feed.watch("task_1", { heard: () => {}, look: () => { looked += 1; } });
    streams.open[0]!.tell({ state: "open" });
    expect([counts.opened, looked]).toEqual([1, 1]);
    look("hidden");
    await vi.advanceTimersByTimeAsync(HIDDEN_PATIENCE_MS - 1_000);
    expect(streams.open).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(streams.open).toHaveLength(0);
    look("visible");
    expect(streams.open).toHaveLength(1);
    streams.open[0]!.tell({ state: "open" });
    expect([counts.opened, looked]).toEqual([2, 2]);
    feed.end();
  });

  it("is done without where all streams are in use: then the page asks", async () => {
    const { streams, feed, counts } = followed();
    const error = new RateLimitError({ status: 429, detail: "all are open", requestId: undefined, retryAfterMs: 5_000, method: "GET", path: "/v1/events" });
    streams.open[0]!.tell({ state: "waiting", attempt: 1, delayMs: 5_000, error });
    expect(feed.light.get()).toEqual({ state: "asking" });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(counts.opened).toBe(3);
    streams.open[0]!.tell({ state: "connecting", attempt: 2 });
    expect(feed.light.get()).toEqual({ state: "asking" });
    streams.open[0]!.tell({ state: "open" });
    expect(feed.light.get()).toEqual({ state: "open" });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(counts.opened).toBe(4);
    feed.end();
  });
});
