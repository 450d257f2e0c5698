// Whether all of something has been put on the page. Texts that show their rest only when asked say so to whoever wants to know.

import { createContext, useCallback, useContext, useId, useLayoutEffect, useState } from "react";

type Tell = (part: string, rest: boolean) => void;

/** None: nobody wants to know. */
export const Unseen = createContext<Tell | null>(null);

/** Told by a text of which a rest is not on the page. */
export function useRest(rest: boolean): void {
  const id = useId();
  const tell = useContext(Unseen);
  useLayoutEffect(() => {
    tell?.(id, rest);
    return () => tell?.(id, false);
  }, [tell, id, rest]);
}

/** How many texts inside have a rest that was not shown, and what they tell it with. */
export function useUnseen(): { unseen: number; tell: Tell } {
  const [parts, setParts] = useState<ReadonlySet<string>>(new Set());
  const tell = useCallback<Tell>((part, rest) => setParts((known) => {
    if (known.has(part) === rest) return known;
    const next = new Set(known);
    if (rest) next.add(part);
    else next.delete(part);
    return next;
  }), []);
  return { unseen: parts.size, tell };
}
