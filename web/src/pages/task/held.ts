// A brake that is pressed twice is still a brake: the button that pauses means to go on only after a moment.

import { useEffect, useRef, useState } from "react";

/** A second press comes within this time (ms). */
const TWICE_MS = 800;
/** Where a pause does not come about, the button can be pressed again after so long (ms). */
const PATIENCE_MS = 10_000;

/** `hold` is told of the press; `held` is true from then on until what is paused has been so for a moment. */
export function useHeld(paused: boolean): { held: boolean; hold: () => void } {
  const [held, setHeld] = useState(false);
  const at = useRef(0);
  useEffect(() => {
    if (!held) return;
    const wait = paused ? TWICE_MS : PATIENCE_MS - (Date.now() - at.current);
    const timer = setTimeout(() => setHeld(false), Math.max(0, wait));
    return () => clearTimeout(timer);
  }, [held, paused]);
  return { held, hold: () => { at.current = Date.now(); setHeld(true); } };
}
