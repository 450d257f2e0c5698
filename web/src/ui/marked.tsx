// A text with what cannot be seen in it made visible.

import { oddParts } from "./odd";

export function Marked({ text }: { text: string }) {
  const parts = oddParts(text);
  if (parts.length === 1 && !parts[0]!.odd) return text;
  return parts.map((part, index) => (part.odd ? <span key={index} className="odd" title="A character that is not seen, or that changes the order in which others are">{part.text}</span> : part.text));
}
