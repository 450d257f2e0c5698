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

export class AccountFeed {
  readonly light = new ConnectionLight();
  private stop = new AbortController();

  constructor(private readonly api: Api, private readonly heard: (event: Event) => void, private readonly opened: () => void) {}

  start(): void {
    void this.run();
  }

  end(): void {
    this.stop.abort();
  }

  private async run(): Promise<void> {
    const { signal } = this.stop;
    let after: number | undefined;
    while (!signal.aborted) {
      try {
        const stream = this.api.followAccount(after, ACCOUNT_TYPES, signal, (state) => this.told(state));
        for await (const event of stream) {
          if (event.cursor !== undefined) after = event.cursor;
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
