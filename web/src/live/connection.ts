// How the page's connection is, as one word: what the streams tell, put together. Pure but for the set of listeners.

export type Connection = { state: "connecting" } | { state: "open" } | { state: "waiting"; since: number; again: number } | { state: "refused"; why: string };

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
    // An attempt after a cut is still the cut, until it succeeds.
    if (value.state === "connecting" && this.value.state === "waiting") return;
    if (value.state === "open" || value.state === "refused") this.brokenSince = null;
    this.value = value;
    for (const listener of this.listeners) listener();
  }
}
