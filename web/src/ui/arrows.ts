// Arrow keys inside a dialog, where the page's own keys are silent.

import { useEffect, useRef } from "react";

export function useShortcutsInDialog(keys: Record<string, () => unknown>): void {
  const latest = useRef(keys);
  useEffect(() => {
    latest.current = keys;
  });
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      // What can be scrolled is scrolled by them.
      if (event.target instanceof HTMLElement && (/^(INPUT|TEXTAREA|SELECT|PRE)$/.test(event.target.tagName) || event.target.closest(".diff"))) return;
      latest.current[event.key]?.();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}
