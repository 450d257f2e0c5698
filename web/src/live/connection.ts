// How the page's connection is, as one word: what the stream tells. Pure but for the set of listeners.

export type Connection =
  | { state: "connecting" }
  | { state: "open" }
  /** All streams of the account are in use elsewhere: the page asks now and then instead. */
  | { state: "asking" }
  | { state: "waiting"; since: number; again: number }
  | { state: "refused"; why: string };

export class ConnectionLight {
  private value: Connection = { state: "connecting" };
  private listeners = new Set<() => void>();
  private brokenSince: number | null = null;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  get = (): Connection => this.value;

  set(value: Connection): void {
    if (value.state === "waiting") {
      this.brokenSince ??= value.since;
      value = { ...value, since: this.brokenSince };
    }
    // An attempt after a cut is still the cut, until it succeeds; one of a page that asks instead changes nothing.
    if (value.state === "connecting" && (this.value.state === "waiting" || this.value.state === "asking")) return;
    if (value.state === "open" || value.state === "refused" || value.state === "asking") this.brokenSince = null;
    this.value = value;
    for (const listener of this.listeners) listener();
  }
}
