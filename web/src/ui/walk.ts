// A list of which only the lines in sight are on the page, walked by the keyboard: one stop for Tab, arrows from line to line,
// and a line that has the focus stays on the page however far the list is scrolled. It knows nothing of what the lines are.

import { useCallback, useLayoutEffect, useMemo, useRef, useState, type FocusEvent, type KeyboardEvent, type RefObject } from "react";
import { defaultRangeExtractor, type Range } from "@tanstack/react-virtual";
import { singleKeys } from "./shortcuts";

interface Walked<T> {
  items: readonly T[];
  /** Names a line, wherever in the list it stands. */
  keyOf: (item: T) => string | number;
  frame: RefObject<HTMLElement | null>;
  /** The height of a line (pixels). */
  row: number;
  /** Told of the line that is walked to. */
  walked?: (at: number) => void;
}

export interface Walk {
  /** For the frame that scrolls. */
  frameProps: { tabIndex: 0; onKeyDown: (event: KeyboardEvent) => void; onFocus: (event: FocusEvent) => void };
  /** For the list's choice of lines that are on the page. */
  rangeExtractor: (range: Range) => number[];
}

/** Where a key leads from `at` in a list of `count` lines, of which `page` are in sight; none: it is no key of a list. */
export function destination(key: string, at: number, count: number, page: number, letters: boolean): number | null {
  const by: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, ...(letters ? { j: 1, k: -1 } : {}) };
  const to = key === "Home" ? 0 : key === "End" ? count - 1 : Object.hasOwn(by, key) ? at + by[key]! : null;
  return to === null || count === 0 ? null : Math.max(0, Math.min(count - 1, to));
}

/** Each line says with `data-at` which one it is, and holds one link or button. */
export function useWalk<T>({ items, keyOf, frame, row, walked }: Walked<T>): Walk {
  const [key, setKey] = useState<string | number | null>(null);
  const latest = useRef({ items, keyOf, walked });
  useLayoutEffect(() => {
    latest.current = { items, keyOf, walked };
  });
  // eslint-disable-next-line react-hooks/exhaustive-deps -- how a line is named does not change
  const at = useMemo(() => (key === null ? -1 : items.findIndex((item) => keyOf(item) === key)), [items, key]);
  const wanted = useRef(false);
  useLayoutEffect(() => {
    if (!wanted.current || at < 0) return;
    wanted.current = false;
    frame.current?.querySelector<HTMLElement>(`[data-at="${at}"] :is(a, button)`)?.focus({ preventScroll: true });
  }, [at, key, frame]);

  const onKeyDown = useCallback((event: KeyboardEvent) => {
    const element = frame.current;
    if (!element || event.ctrlKey || event.metaKey || event.altKey) return;
    const { items, keyOf, walked } = latest.current;
    const page = Math.max(1, Math.floor(element.clientHeight / row) - 1);
    const first = Math.ceil(element.scrollTop / row);
    const last = Math.min(items.length - 1, first + page - 1);
    const line = (event.target as HTMLElement).closest<HTMLElement>("[data-at]");
    // From the frame one comes to the lines that are in sight.
    const from = line ? Number(line.dataset.at) : /^(ArrowUp|k)$/.test(event.key) ? last + 1 : first - 1;
    const to = destination(event.key, from, items.length, page, singleKeys());
    if (to === null) return;
    event.preventDefault();
    event.stopPropagation();
    wanted.current = true;
    setKey(keyOf(items[to]!));
    const top = to * row;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + row > element.scrollTop + element.clientHeight) element.scrollTop = top + row - element.clientHeight;
    walked?.(to);
  }, [frame, row]);
  const onFocus = useCallback((event: FocusEvent) => {
    const line = (event.target as HTMLElement).closest<HTMLElement>("[data-at]");
    const item = line ? latest.current.items[Number(line.dataset.at)] : undefined;
    if (item !== undefined) setKey(latest.current.keyOf(item));
  }, []);
  const rangeExtractor = useCallback((range: Range) => {
    const seen = defaultRangeExtractor(range);
    if (at < 0 || at >= range.count || (at >= (seen[0] ?? 0) && at <= (seen[seen.length - 1] ?? -1))) return seen;
    return at < (seen[0] ?? 0) ? [at, ...seen] : [...seen, at];
  }, [at]);
  return { frameProps: { tabIndex: 0, onKeyDown, onFocus }, rangeExtractor };
}
