// One task's log on this page: read in pages, then followed, folded in batches. It asks again where something is missing,
// and says nothing that is not in the log.

import type { Event } from "../api/types";
import type { Api } from "../api/api";
import { emptyView, fold, isOver, type TaskView } from "./fold";

/** Events of one page of the log. */
const PAGE = 1000;
/** A hidden page gives its place among the streams back after so long (ms); it resumes by its cursor. */
const HIDDEN_PATIENCE_MS = 30_000;
/** Batches are folded at most so often while the page is hidden and draws nothing (ms). */
const HIDDEN_BATCH_MS = 500;

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
  private hiding: ReturnType<typeof setTimeout> | null = null;
  private users = 0;

  constructor(private readonly api: Api, readonly id: string) {
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
    document.addEventListener("visibilitychange", this.visibility);
    this.follow();
  }

  private end(): void {
    document.removeEventListener("visibilitychange", this.visibility);
    if (this.hiding !== null) clearTimeout(this.hiding);
    this.hiding = null;
    this.stop?.abort();
    this.stop = null;
    this.flush();
  }

  private visibility = (): void => {
    if (document.visibilityState === "hidden") {
      this.hiding ??= setTimeout(() => { this.stop?.abort(); this.stop = null; }, HIDDEN_PATIENCE_MS);
    } else {
      if (this.hiding !== null) clearTimeout(this.hiding);
      this.hiding = null;
      if (this.stop === null && this.users > 0) this.follow();
    }
  };

  private follow(): void {
    if (this.stop !== null || isOver(this.state.view.status)) return;
    const stop = new AbortController();
    this.stop = stop;
    this.run(stop.signal).catch((error: unknown) => {
      if (stop.signal.aborted) return;
      this.stop = null;
      this.set({ ...this.state, error });
    });
  }

  private async run(signal: AbortSignal): Promise<void> {
    if (this.state.error !== null) this.set({ ...this.state, error: null });
    await this.backlog(signal);
    if (isOver(this.state.view.status)) return;
    for await (const event of this.api.followTask(this.id, this.state.view.lastSeq, signal)) {
      this.queue.push(event);
      this.schedule();
    }
    this.flush();
  }

  /** Reads the log to where it is now: faster than a stream, and it tells when that is done. */
  private async backlog(signal: AbortSignal): Promise<void> {
    for (;;) {
      const page = await this.api.taskEvents(this.id, this.state.view.lastSeq, PAGE, signal);
      const view = fold(this.state.view, page.events);
      const done = !page.has_more;
      this.set({ view, caughtUp: this.state.caughtUp || done, error: null });
      if (done || page.events.length === 0) return;
    }
  }

  private schedule(): void {
    if (this.scheduled !== null) return;
    this.scheduled = document.visibilityState === "hidden" ? setTimeout(this.flush, HIDDEN_BATCH_MS) : requestAnimationFrame(this.flush);
  }

  private flush = (): void => {
    if (typeof this.scheduled === "number") cancelAnimationFrame(this.scheduled);
    if (this.scheduled !== null) clearTimeout(this.scheduled);
    this.scheduled = null;
    if (this.queue.length === 0) return;
    const events = this.queue;
    this.queue = [];
    this.set({ ...this.state, view: fold(this.state.view, events) });
  };

  private set(state: FeedState): void {
    this.state = state;
    for (const listener of this.listeners) listener();
  }
}
