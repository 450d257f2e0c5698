/**
 * How often and how long to wait between attempts. Knows nothing of what is attempted.
 */

/** Attempts after the first one, of a call. */
export const DEFAULT_MAX_RETRIES = 4;
/** Attempts in a row to reopen a stream without hearing anything new: about three minutes of them. */
export const DEFAULT_MAX_RECONNECTS = 40;
/** The first pause; each later one is twice as long. */
const BASE_MS = 200;
/** The longest pause. */
const CAP_MS = 5_000;
/** A server that asks for a longer pause than this is not waited for; the caller is told instead. */
export const MAX_RETRY_AFTER_MS = 60_000;

/**
 * The pause before the attempt that follows `failed` failed ones: between half and the whole of the backoff, but at
 * least what the server asked for. `undefined`: it asked for too much.
 */
export function pauseMs(failed: number, askedMs: number | undefined): number | undefined {
  const full = Math.min(BASE_MS * 2 ** Math.min(failed - 1, 16), CAP_MS);
  const jittered = full * (0.5 + 0.5 * Math.random());
  if (askedMs === undefined) return jittered;
  return askedMs > MAX_RETRY_AFTER_MS ? undefined : Math.max(askedMs, jittered);
}

/** What `Retry-After` asks for: seconds, or a date. */
export function retryAfterMs(headers: Headers): number | undefined {
  const text = headers.get("retry-after")?.trim();
  if (!text) return undefined;
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

/** The part of `window` that tells when the network is back. */
interface Hearer {
  addEventListener?(type: "online", listener: () => void): void;
  removeEventListener?(type: "online", listener: () => void): void;
}

/** Waits. Throws the signal's reason when it aborts. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return wait(ms, signal, undefined);
}

/** The same, but ends early where a browser says that it is online again. Not for a pause that the server asked for. */
export function sleepOrOnline(ms: number, signal?: AbortSignal): Promise<void> {
  return wait(ms, signal, globalThis);
}

function wait(ms: number, signal: AbortSignal | undefined, hearer: Hearer | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const clean = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
      hearer?.removeEventListener?.("online", over);
    };
    const over = () => {
      clean();
      resolve();
    };
    const aborted = () => {
      clean();
      reject(signal?.reason);
    };
    const timer = setTimeout(over, ms);
    if (signal?.aborted) {
      aborted();
      return;
    }
    signal?.addEventListener("abort", aborted);
    hearer?.addEventListener?.("online", over);
  });
}
