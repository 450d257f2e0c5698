// What happens in the whole account, for the lists, the inbox and the light that shows the connection: one stream of the
// few kinds of events that matter there. What it hears makes queries ask again; it keeps no list of its own.

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
const HIDDEN_PATIENCE_MS = 30_000;

export class AccountFeed {
  readonly light = new ConnectionLight();
  private stop = new AbortController();
  private hiding: ReturnType<typeof setTimeout> | null = null;
  private after: number | undefined;

  constructor(private readonly api: Api, private readonly heard: (event: Event) => void, private readonly opened: () => void) {}

  start(): void {
    document.addEventListener("visibilitychange", this.visibility);
    void this.run(this.stop.signal);
  }

  end(): void {
    document.removeEventListener("visibilitychange", this.visibility);
    if (this.hiding !== null) clearTimeout(this.hiding);
    this.stop.abort();
  }

  private visibility = (): void => {
    if (document.visibilityState === "hidden") {
      this.hiding ??= setTimeout(() => this.stop.abort(), HIDDEN_PATIENCE_MS);
      return;
    }
    if (this.hiding !== null) clearTimeout(this.hiding);
    this.hiding = null;
    if (!this.stop.signal.aborted) return;
    this.stop = new AbortController();
    void this.run(this.stop.signal);
  };

  private async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const stream = this.api.followAccount(this.after, ACCOUNT_TYPES, signal, (state) => {
          if (!signal.aborted) this.told(state);
        });
        for await (const event of stream) {
          this.after = stream.cursor;
          this.heard(event);
        }
      } catch (error) {
        if (signal.aborted) return;
        this.light.set({ state: "refused", why: error instanceof Error ? error.message : String(error) });
      }
      if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, REFUSED_PAUSE_MS));
    }
  }

  private told(state: { state: string; delayMs?: number }): void {
    if (state.state === "open") {
      this.light.set({ state: "open" });
      // What was asked before the stream was there may be older than its beginning.
      this.opened();
    } else if (state.state === "waiting") {
      const now = Date.now();
      this.light.set({ state: "waiting", since: now, again: now + (state.delayMs ?? 0) });
    } else if (state.state === "connecting") {
      this.light.set({ state: "connecting" });
    }
  }
}
