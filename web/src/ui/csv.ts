// A table in a text file (RFC 4180), its first rows. Pure.

const MOST_ROWS = 500;
const MOST_COLUMNS = 60;

export function readTable(text: string, separator: string): { rows: string[][]; more: number } {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = "";
  let quoted = false;
  let at = 0;
  const endCell = () => {
    if (row.length < MOST_COLUMNS) row.push(cell);
    cell = "";
  };
  const endRow = () => {
    endCell();
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
  };
  for (; at < text.length && rows.length < MOST_ROWS; at += 1) {
    const letter = text[at]!;
    if (quoted) {
      if (letter !== '"') cell += letter;
      else if (text[at + 1] === '"') { cell += '"'; at += 1; } else quoted = false;
    } else if (letter === '"' && cell === "") quoted = true;
    else if (letter === separator) endCell();
    else if (letter === "\n") endRow();
    else if (letter !== "\r") cell += letter;
  }
  if (cell !== "" || row.length > 0) endRow();
  const rest = text.slice(at).trim();
  return { rows, more: rest === "" ? 0 : rest.split("\n").length };
}
