// One task's log on this page: read in pages, then fed by the account's stream, folded in batches. Where something is missing
// it reads the log again from what it has; it shows nothing that is not in the log.

import { isTransient, RefusedError } from "@miteos/sdk";
import type { Event } from "../api/types";
import type { Api } from "../api/api";
import type { AccountFeed } from "./account-feed";
import { emptyView, fold, isOver, type TaskView } from "./fold";

/** Events of one page of the log. */
const PAGE = 1000;
/** Events that are folded at once. */
const PIECE = 250;
/** Batches are folded at most so often while the page is hidden and draws nothing (ms). */
const HIDDEN_BATCH_MS = 500;
/** A log that could not be read is read again after so long (ms), if something is known to be missing. */
const AGAIN_MS = 2_000;

export interface FeedState {
  view: TaskView;
  /** Whether all that was in the log at the beginning has been read. */
  caughtUp: boolean;
  error: unknown;
}

export class TaskFeed {
  private state: FeedState;
  private listeners = new Set<() => void>();
  private queue: Event[] = [];
  private scheduled: number | ReturnType<typeof setTimeout> | null = null;
  private stop: AbortController | null = null;
  private leave: (() => void) | null = null;
  private reading = false;
  /** The log is to be read once more when it has been read. */
  private stale = false;
  private retrying: ReturnType<typeof setTimeout> | null = null;
  private users = 0;

  constructor(private readonly api: Api, private readonly account: Pick<AccountFeed, "watch">, readonly id: string) {
    this.state = { view: emptyView(id), caughtUp: false, error: null };
  }

  get = (): FeedState => this.state;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    this.users += 1;
    if (this.users === 1) this.begin();
    return () => {
      this.listeners.delete(listener);
      this.users -= 1;
      if (this.users === 0) this.end();
    };
  };

  again = (): void => {
    this.end();
    this.begin();
  };

  private begin(): void {
    this.stop = new AbortController();
    this.leave = this.account.watch(this.id, { heard: this.heard, look: this.look });
    this.look();
  }

  private end(): void {
    this.leave?.();
    this.leave = null;
    this.stop?.abort();
    this.stop = null;
    this.reading = false;
    this.stale = false;
    if (this.retrying !== null) clearTimeout(this.retrying);
    this.retrying = null;
    this.flush();
  }

  private heard = (event: Event): void => {
    if (event.seq <= this.state.view.lastSeq) return;
    this.queue.push(event);
    this.schedule();
  };

  /** Reads the log from what is known to where it is now. */
  private look = (): void => {
    if (this.stop === null || isOver(this.state.view.status)) return;
    if (this.reading) {
      this.stale = true;
      return;
    }
    const { signal } = this.stop;
    this.reading = true;
    this.read(signal).then(
      () => {
        if (signal.aborted) return;
        this.reading = false;
        // What came meanwhile and could not be joined on is in the log by now.
        this.flush();
        if (this.stale) this.look();
      },
      (error: unknown) => {
        if (signal.aborted) return;
        this.reading = false;
        this.stale = false;
        if (error instanceof RefusedError && this.state.view.lastSeq > 0) {
          // The log is shorter than what is known of it: it was brought back from a backup. What is shown begins anew.
          this.set({ view: emptyView(this.id), caughtUp: false, error: null });
          this.queue = [];
          this.look();
          return;
        }
        // A server that is away comes back: it is waited for as long as it takes, and the light says so meanwhile. Only a
        // log that is not there, or not for this key, is given up.
        if (isTransient(error) || this.state.caughtUp) this.retrying ??= setTimeout(() => { this.retrying = null; this.look(); }, this.api.pace.pause(AGAIN_MS));
        else this.set({ ...this.state, error });
      },
    );
  };

  private async read(signal: AbortSignal): Promise<void> {
    if (this.state.error !== null) this.set({ ...this.state, error: null });
    for (;;) {
      this.stale = false;
      const page = await this.api.taskEvents(this.id, this.state.view.lastSeq, PAGE, signal);
      if (signal.aborted) return;
      const view = await this.folded(page.events);
      if (signal.aborted) return;
      const done = !page.has_more;
      if (view !== this.state.view || !this.state.caughtUp) this.set({ view, caughtUp: this.state.caughtUp || done, error: null });
      if (done || page.events.length === 0) return;
    }
  }

  /** A page of the log in pieces, between which the browser does what else there is to do. */
  private async folded(events: readonly Event[]): Promise<TaskView> {
    let view = this.state.view;
    for (let at = 0; at < events.length; at += PIECE) {
      // A hidden page has nothing else to do, and its timers are slow.
      if (document.visibilityState !== "hidden") await new Promise((resolve) => setTimeout(resolve));
      view = fold(view, events.slice(at, at + PIECE));
    }
    return view;
  }

  private schedule(): void {
    if (this.scheduled !== null) return;
    this.scheduled = document.visibilityState === "hidden" ? setTimeout(this.flush, HIDDEN_BATCH_MS) : requestAnimationFrame(this.flush);
  }

  private flush = (): void => {
    if (typeof this.scheduled === "number") cancelAnimationFrame(this.scheduled);
    if (this.scheduled !== null) clearTimeout(this.scheduled);
    this.scheduled = null;
    // While the log is read, what comes waits for what is before it.
    if (this.queue.length === 0 || this.reading) return;
    const events = this.queue;
    this.queue = [];
    const view = fold(this.state.view, events);
    if (view !== this.state.view) this.set({ ...this.state, view });
    if ((events[events.length - 1]?.seq ?? 0) > view.lastSeq) this.look();
  };

  private set(state: FeedState): void {
    this.state = state;
    for (const listener of this.listeners) listener();
  }
}
