// Where somebody left off: the number of the last event that was on the page when it was hidden or left.

import { useEffect, useRef, useState } from "react";
import { keep, keptJson } from "../../kept";

const PLACE = "miteos.left";
/** Tasks whose place is remembered. */
const MOST = 200;

function all(): Record<string, number> {
  return { ...(keptJson("browser", PLACE) as Record<string, number> | null) };
}

function store(task: string, seq: number): void {
  const kept = all();
  delete kept[task];
  const next = Object.fromEntries([...Object.entries(kept), [task, seq]].slice(-MOST));
  keep("browser", PLACE, JSON.stringify(next));
}

/** The number of the last event seen the last time, where more has come since. */
export function useLeft(task: string, lastSeq: number, caughtUp: boolean): number | null {
  const [left, setLeft] = useState<number | null>(() => all()[task] ?? null);
  const latest = useRef({ lastSeq, caughtUp });
  useEffect(() => {
    latest.current = { lastSeq, caughtUp };
  });
  useEffect(() => {
    const leave = () => {
      if (latest.current.caughtUp) store(task, latest.current.lastSeq);
    };
    const changed = () => {
      if (document.visibilityState === "hidden") {
        leave();
        setLeft(latest.current.lastSeq);
      }
    };
    document.addEventListener("visibilitychange", changed);
    addEventListener("pagehide", leave);
    return () => {
      leave();
      document.removeEventListener("visibilitychange", changed);
      removeEventListener("pagehide", leave);
    };
  }, [task]);
  return left !== null && left > 0 && left < lastSeq ? left : null;
}
