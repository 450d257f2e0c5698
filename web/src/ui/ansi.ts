// A terminal's output as pieces of text with names of styles. The library reads the codes; anything else that a terminal
// would obey (cursor moves, titles, links) is left out.

import Anser from "anser";

export interface Piece {
  text: string;
  names: string;
}

// eslint-disable-next-line no-control-regex
const OTHER_CODES = /\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)|\u001b\[[0-9;?]*[A-LN-Za-ln-z]|\u001b[()][A-Z0-9]|[\u0000-\u0008\u000b\u000c\u000e-\u001a]/g;

export function ansiPieces(text: string): Piece[] {
  const clean = overwritten(text.replace(OTHER_CODES, ""));
  // eslint-disable-next-line no-control-regex
  if (!clean.includes("\u001b")) return clean === "" ? [] : [{ text: clean, names: "" }];
  return Anser.ansiToJson(clean, { use_classes: true, remove_empty: true }).map((piece) => {
    const names: string[] = [];
    if (typeof piece.fg === "string" && /^ansi-[a-z-]+$/.test(piece.fg)) names.push(`${piece.fg}-fg`);
    if (typeof piece.bg === "string" && /^ansi-[a-z-]+$/.test(piece.bg)) names.push(`${piece.bg}-bg`);
    for (const word of piece.decorations ?? []) names.push(`ansi-${word}`);
    // eslint-disable-next-line no-control-regex
    return { text: piece.content.replaceAll("\u001b", ""), names: names.join(" ") };
  });
}

/** A carriage return begins its line again, as progress bars do. */
function overwritten(text: string): string {
  if (!text.includes("\r")) return text;
  return text
    .replaceAll("\r\n", "\n")
    .split("\n")
    .map((line) => {
      const last = line.endsWith("\r") ? line.slice(0, -1) : line;
      return last.slice(last.lastIndexOf("\r") + 1);
    })
    .join("\n");
}
