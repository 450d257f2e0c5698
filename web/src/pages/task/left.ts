// Where somebody left off: the number of the last event that was on the page when it was hidden or left.

import { useEffect, useRef, useState } from "react";

const PLACE = "miteos.left";
/** Tasks whose place is remembered. */
const MOST = 200;

function all(): Record<string, number> {
  try {
    return JSON.parse(localStorage.getItem(PLACE) ?? "{}") as Record<string, number>;
  } catch {
    return {};
  }
}

function keep(task: string, seq: number): void {
  const kept = all();
  delete kept[task];
  const next = Object.fromEntries([...Object.entries(kept), [task, seq]].slice(-MOST));
  localStorage.setItem(PLACE, JSON.stringify(next));
}

/** The number of the last event seen the last time, where more has come since. */
export function useLeft(task: string, lastSeq: number, caughtUp: boolean): number | null {
  const [left, setLeft] = useState<number | null>(() => all()[task] ?? null);
  const latest = useRef({ lastSeq, caughtUp });
  useEffect(() => {
    latest.current = { lastSeq, caughtUp };
  });
  useEffect(() => {
    const store = () => {
      if (latest.current.caughtUp) keep(task, latest.current.lastSeq);
    };
    const changed = () => {
      if (document.visibilityState === "hidden") {
        store();
        setLeft(latest.current.lastSeq);
      }
    };
    document.addEventListener("visibilitychange", changed);
    addEventListener("pagehide", store);
    return () => {
      store();
      document.removeEventListener("visibilitychange", changed);
      removeEventListener("pagehide", store);
    };
  }, [task]);
  return left !== null && left > 0 && left < lastSeq ? left : null;
}
