// Single keys, and two in a row, for whoever does not reach for the mouse. Silent while somebody writes or a dialog is open.

import { useEffect, useRef } from "react";

/** The second key of two has to come within this time (ms). */
const PAIR_MS = 1200;

const writes = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

export function useShortcuts(keys: Record<string, () => void>): void {
  const latest = useRef(keys);
  useEffect(() => {
    latest.current = keys;
  });
  useEffect(() => {
    let first = "";
    let at = 0;
    const pressed = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (writes(event.target) || document.querySelector("dialog[open]")) return;
      const pair = `${first} ${event.key}`;
      const found = Date.now() - at < PAIR_MS ? latest.current[pair] : undefined;
      const run = found ?? latest.current[event.key];
      first = event.key;
      at = Date.now();
      if (!run) return;
      event.preventDefault();
      first = "";
      run();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}
