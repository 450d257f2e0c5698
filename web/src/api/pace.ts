// How often the page may ask by itself, so that what a key may ask in a minute is left for the person. The server says with
// every answer how much that is. Pure but for what it was told last.

/** Asking by itself may take so much of what the key may ask. */
const OWN_PART = 0.5;
/** Questions that one turn of asking comes to: a list, the open task, what waits for an answer. */
const QUESTIONS = 3;
const MINUTE_MS = 60_000;
/** With less than this part of the minute's requests left the page holds back. */
const LOW_PART = 0.15;
/** So much slower it is then. */
const HOLD_BACK = 3;

export class Pace {
  private limit = Number.POSITIVE_INFINITY;
  private left = Number.POSITIVE_INFINITY;

  heard(headers: Headers): void {
    const limit = Number(headers.get("x-ratelimit-limit") ?? Number.NaN);
    const left = Number(headers.get("x-ratelimit-remaining") ?? Number.NaN);
    if (limit > 0) this.limit = limit;
    if (left >= 0) this.left = left;
  }

  /** The pause between two turns (ms): what would be good, or what the key allows. */
  pause(wanted: number): number {
    const allowed = (MINUTE_MS * QUESTIONS) / (this.limit * OWN_PART);
    const slow = this.left < this.limit * LOW_PART ? HOLD_BACK : 1;
    return Math.max(wanted, allowed * slow);
  }
}
