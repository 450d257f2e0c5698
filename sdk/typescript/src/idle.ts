/**
 * Reading from a connection that may fall silent. Knows nothing of what is read.
 */

/** How often a silent connection is looked at: so soon a machine that slept notices. */
const LOOK_EVERY_MS = 5_000;

/** The connection was silent for too long, and was broken off. */
export class SilentError extends Error {
  constructor(idleMs: number, cause: unknown) {
    super(`nothing was heard for ${idleMs} ms`, { cause });
    this.name = "SilentError";
  }
}

/**
 * Reads a chunk; `undefined` at the end. Silence is measured while it is waited for, by the clock: timers stand still in a
 * machine that sleeps. After `idleMs` of it `cut` is called, which has to make the read fail.
 */
export async function readChunk(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  idleMs: number,
  cut: () => void,
): Promise<Uint8Array | undefined> {
  const since = Date.now();
  let silent = false;
  const look = () => {
    if (Date.now() - since < idleMs) return;
    silent = true;
    cut();
  };
  const timer = setInterval(look, Math.min(LOOK_EVERY_MS, idleMs));
  try {
    const { done, value } = await reader.read();
    return done ? undefined : value;
  } catch (cause) {
    throw silent ? new SilentError(idleMs, cause) : cause;
  } finally {
    clearInterval(timer);
  }
}
