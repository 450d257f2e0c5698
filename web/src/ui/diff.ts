// The difference of two texts, line by line, with the unchanged middle folded. Pure.

import { diffLines } from "diff";

export interface DiffLine {
  kind: "same" | "add" | "del" | "gap";
  text: string;
  /** The text ends with this line and no line end follows: a change of that alone is one, too. */
  open?: true;
}

/** Lines that stay around a change. */
const CONTEXT = 3;
/** Beyond these nothing is compared: the page stands still while it does, and nobody reads so many differences. */
const MAX_CHARS = 400_000;
const MAX_EDITS = 800;

/** The lines to show; null where the texts are too long or too different to compare. */
export function lineDiff(before: string, after: string): DiffLine[] | null {
  if (before.length + after.length > MAX_CHARS) return null;
  const changes = diffLines(before, after, { maxEditLength: MAX_EDITS });
  if (!changes) return null;
  const all: DiffLine[] = [];
  for (const change of changes) {
    const kind = change.added ? "add" : change.removed ? "del" : "same";
    const lines = change.value.split("\n");
    const last = lines.pop();
    for (const text of lines) all.push({ kind, text });
    if (last !== undefined && last !== "") all.push({ kind, text: last, open: true });
  }
  return folded(all);
}

function folded(all: DiffLine[]): DiffLine[] {
  const near = new Array<boolean>(all.length).fill(false);
  all.forEach((line, at) => {
    if (line.kind === "same") return;
    for (let each = Math.max(0, at - CONTEXT); each <= Math.min(all.length - 1, at + CONTEXT); each += 1) near[each] = true;
  });
  const shown: DiffLine[] = [];
  let hidden = 0;
  const close = () => {
    if (hidden > 0) shown.push({ kind: "gap", text: hidden === 1 ? "1 line as before" : `${hidden} lines as before` });
    hidden = 0;
  };
  all.forEach((line, at) => {
    if (near[at]) {
      close();
      shown.push(line);
    } else {
      hidden += 1;
    }
  });
  close();
  return shown;
}
