// The lines of a deployment's log. Pure.

export interface LogLine {
  no: number;
  /** `null`: its time is not known. */
  at: number | null;
  text: string;
}

/** The log as text: each line begins with its time. */
export function readLog(text: string): LogLine[] {
  const lines = text.split("\n");
  if (lines[lines.length - 1] === "") lines.pop();
  return lines.map((line, index) => {
    const cut = line.indexOf(" ");
    const at = Date.parse(line.slice(0, Math.max(0, cut)));
    return Number.isNaN(at) ? { no: index + 1, at: null, text: line } : { no: index + 1, at, text: line.slice(cut + 1) };
  });
}
