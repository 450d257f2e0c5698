// A button that writes: it acts once, says so while it does, and tells what went wrong.

import { useCallback, useRef, useState } from "react";
import { told } from "../api/api";

export interface Action {
  busy: boolean;
  wrong: string | null;
  /** Does it, unless it is being done. What it throws is `wrong` from then on. Says whether it worked. */
  act: (call: () => Promise<unknown>) => Promise<boolean>;
}

export function useAction(): Action {
  // A second click comes before the first one has been drawn.
  const running = useRef(false);
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState<string | null>(null);
  const act = useCallback(async (call: () => Promise<unknown>) => {
    if (running.current) return false;
    running.current = true;
    setBusy(true);
    setWrong(null);
    try {
      await call();
      return true;
    } catch (error) {
      setWrong(told(error));
      return false;
    } finally {
      running.current = false;
      setBusy(false);
    }
  }, []);
  return { busy, wrong, act };
}
