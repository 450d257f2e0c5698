// What happens in the account, over the one stream that a page holds: for the lists, the inbox, the light that shows the
// connection, and the tasks that are open. While no task is open it brings the few kinds of events that lists need; with
// one it brings them all. It begins with what happens from then on: what was before is read from lists and logs, each time
// that a stream opens. A key whose streams are all in use elsewhere gets none: then the page asks now and then instead.

import { RateLimitError, type ConnectionState } from "@miteos/sdk";
import type { Api } from "../api/api";
import type { Event } from "../api/types";
import { ConnectionLight } from "./connection";

/** Kinds that change a list, the inbox or a figure. */
export const ACCOUNT_TYPES = [
  "task.created", "task.planning", "task.running", "task.paused", "task.resumed", "task.complete", "task.failed", "task.cancelled",
  "approval.required", "approval.resolved", "deliverable.created", "deployment.started", "deployment.building", "deployment.deploying",
  "deployment.live", "deployment.failed", "billing.credit_low",
];
/** A refused stream is asked for again after so long (ms). */
const REFUSED_PAUSE_MS = 15_000;
/** A hidden page lets go of its stream after so long (ms): browsers open six connections to a server, for all tabs together. */
export const HIDDEN_PATIENCE_MS = 30_000;
/** Without a stream the page asks at most so often (ms). */
const ASK_EVERY_MS = 3_000;
/** All kinds go on coming for so long after the last open task was left (ms): people go back and forth. */
const LINGER_MS = 60_000;

/** Who reads the log of one task. */
export interface Watcher {
  /** Events of the task, in order; there may be a gap before them. */
  heard: (event: Event) => void;
  /** Something may have been missed: the log itself knows. */
  look: () => void;
}

export class AccountFeed {
  readonly light = new ConnectionLight();
  private stop: AbortController | null = null;
  private hiding: ReturnType<typeof setTimeout> | null = null;
  private asking: ReturnType<typeof setTimeout> | null = null;
  private lingering: ReturnType<typeof setTimeout> | null = null;
  private watchers = new Map<string, Set<Watcher>>();
  /** Whether the stream brings everything. */
  private whole = false;
  private started = false;
  private others: BroadcastChannel | null = null;
  private heard: (event: Event) => void = () => {};
  private opened: () => void = () => {};

  constructor(private readonly api: Api) {}

  /** `heard` is told of events that lists need, `opened` when something may have been missed. */
  start(heard: (event: Event) => void, opened: () => void): void {
    this.heard = heard;
    this.opened = opened;
    this.started = true;
    document.addEventListener("visibilitychange", this.visibility);
    this.meet();
    if (document.visibilityState !== "hidden") this.open();
  }

  end(): void {
    this.started = false;
    document.removeEventListener("visibilitychange", this.visibility);
    for (const timer of [this.hiding, this.lingering]) if (timer !== null) clearTimeout(timer);
    this.hiding = null;
    this.lingering = null;
    this.others?.close();
    this.others = null;
    this.close();
  }

  /** Brings the events of a task from now on. Returns how to end that. */
  watch(task: string, watcher: Watcher): () => void {
    const known = this.watchers.get(task) ?? new Set();
    known.add(watcher);
    this.watchers.set(task, known);
    if (this.lingering !== null) clearTimeout(this.lingering);
    this.lingering = null;
    if (!this.whole) {
      this.whole = true;
      this.again();
    }
    return () => {
      known.delete(watcher);
      if (known.size === 0 && this.watchers.get(task) === known) this.watchers.delete(task);
      if (this.watchers.size > 0 || !this.started) return;
      this.lingering ??= setTimeout(() => {
        this.lingering = null;
        this.whole = false;
        this.again();
      }, LINGER_MS);
    };
  }

  private visibility = (): void => {
    if (document.visibilityState === "hidden") {
      this.hiding ??= setTimeout(() => this.close(), HIDDEN_PATIENCE_MS);
      return;
    }
    if (this.hiding !== null) clearTimeout(this.hiding);
    this.hiding = null;
    this.open();
  };

  /**
   * The tabs of a browser share six connections, and those of a key its streams. One that is looked at says so, and those
   * that nobody sees give theirs back at once.
   */
  private meet(): void {
    if (typeof BroadcastChannel === "undefined") return;
    this.others = new BroadcastChannel("miteos.looked-at");
    this.others.onmessage = () => {
      if (document.visibilityState === "hidden") this.close();
    };
  }

  private open(): void {
    if (this.stop !== null || !this.started) return;
    this.others?.postMessage(null);
    this.stop = new AbortController();
    void this.run(this.stop.signal);
  }

  private close(): void {
    this.stop?.abort();
    this.stop = null;
    this.askNoMore();
  }

  /** The stream anew, from where it was, if there is one. */
  private again(): void {
    if (this.stop === null) return;
    this.close();
    this.open();
  }

  private async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const stream = this.api.followAccount(undefined, this.whole ? undefined : ACCOUNT_TYPES, signal, (state) => {
        if (!signal.aborted) this.told(state);
      });
      try {
        for await (const event of stream) {
          if (signal.aborted) return;
          this.take(event as Event);
        }
      } catch (error) {
        if (!signal.aborted) this.light.set({ state: "refused", why: error instanceof Error ? error.message : String(error) });
      }
      if (signal.aborted) return;
      await new Promise((resolve) => setTimeout(resolve, REFUSED_PAUSE_MS));
    }
  }

  private take(event: Event): void {
    if (event.task_id !== null) for (const watcher of this.watchers.get(event.task_id) ?? []) watcher.heard(event);
    if (ACCOUNT_TYPES.includes(event.type)) this.heard(event);
  }

  private told(state: ConnectionState): void {
    if (state.state === "open") {
      this.askNoMore();
      this.light.set({ state: "open" });
      // What was asked before the stream was there may be older than its beginning.
      this.look();
    } else if (state.state === "waiting" && state.error instanceof RateLimitError) {
      this.light.set({ state: "asking" });
      this.ask();
    } else if (state.state === "waiting") {
      const now = Date.now();
      this.light.set({ state: "waiting", since: now, again: now + state.delayMs });
    } else if (state.state === "connecting") {
      this.light.set({ state: "connecting" });
    }
  }

  private look(): void {
    this.opened();
    for (const watchers of this.watchers.values()) for (const watcher of watchers) watcher.look();
  }

  /** Asks now and then, as often as the key allows, until there is a stream. */
  private ask(): void {
    this.asking ??= setTimeout(() => {
      this.asking = null;
      this.look();
      this.ask();
    }, this.api.pace.pause(ASK_EVERY_MS));
  }

  private askNoMore(): void {
    if (this.asking !== null) clearTimeout(this.asking);
    this.asking = null;
  }
}
