// Characters that are not seen, or that change where others are seen: what is shown for a decision names them. Pure.

/**
 * Controls, blanks without width, marks of direction, tags. Joiners are left alone where they join: after letters that are
 * not ASCII (scripts that need them) and within emoji. Line ends and tabs are seen as what they are.
 */
// eslint-disable-next-line no-control-regex
const ODD = /[\u0000-\u0008\u000b-\u000c\u000e-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]|(?<![^\u0000-\u007f])[\u200c\u200d]|\r(?!\n)/gu;

export interface Part {
  text: string;
  odd: boolean;
}

const named = (letter: string): string => `U+${(letter.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;

/** The text in parts; an odd character stands as its number. */
export function oddParts(text: string): Part[] {
  const parts: Part[] = [];
  let from = 0;
  for (const match of text.matchAll(ODD)) {
    if (match.index > from) parts.push({ text: text.slice(from, match.index), odd: false });
    parts.push({ text: named(match[0]), odd: true });
    from = match.index + match[0].length;
  }
  if (from < text.length || parts.length === 0) parts.push({ text: text.slice(from), odd: false });
  return parts;
}

/** The same as one text. */
export const visible = (text: string): string => oddParts(text).map((part) => (part.odd ? `⟨${part.text}⟩` : part.text)).join("");
