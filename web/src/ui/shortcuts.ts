// Single keys, and two in a row, for whoever does not reach for the mouse. Silent while somebody writes or a dialog is open,
// and altogether where this browser was told so: speech input and unsteady hands press keys that nobody meant.

import { useEffect, useRef } from "react";
import { drop, keep, kept } from "../kept";

/** The second key of two has to come within this time (ms). */
const PAIR_MS = 1200;
const PLACE = "miteos.single-keys";

export const singleKeys = (): boolean => kept("browser", PLACE) !== "off";

export function setSingleKeys(on: boolean): void {
  if (on) drop("browser", PLACE);
  else keep("browser", PLACE, "off");
}

const writes = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

/** A key that is held acts once, unless `held` is said to act again: a list may be walked so, and nothing may be decided. */
export function useShortcuts(keys: Record<string, () => void>, held: "once" | "again" = "once"): void {
  const latest = useRef(keys);
  useEffect(() => {
    latest.current = keys;
  });
  useEffect(() => {
    let first = "";
    let at = Number.NEGATIVE_INFINITY;
    const pressed = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (event.repeat && held === "once") return;
      if (writes(event.target) || document.querySelector("dialog[open]") || !singleKeys()) return;
      const pair = `${first} ${event.key}`;
      // When they were pressed, and not when a busy page came to hear of it.
      const found = event.timeStamp - at < PAIR_MS ? latest.current[pair] : undefined;
      const run = found ?? latest.current[event.key];
      first = event.key;
      at = event.timeStamp;
      if (!run) return;
      event.preventDefault();
      first = "";
      run();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [held]);
}
