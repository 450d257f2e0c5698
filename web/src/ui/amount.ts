// An amount of dollars as people write it, in cents. What could be read in two ways is not read. Pure.

/** Whole cents; `null` where it is no amount, or could mean two. */
export function readCents(text: string): number | null {
  const written = text.replace(/[$\s\u00a0\u202f]/g, "");
  const decimal = /^(\d*)(?:[.,](\d{1,2}))?$/.exec(written);
  // Both signs: the last one is the decimal one, and the others part thousands.
  const grouped = /^(\d{1,3}(?:,\d{3})+)\.(\d{1,2})$/.exec(written) ?? /^(\d{1,3}(?:\.\d{3})+),(\d{1,2})$/.exec(written);
  const [, whole = "", part = ""] = decimal ?? grouped ?? [];
  if (whole === "" && part === "") return null;
  const cents = Number(whole.replace(/[.,]/g, "")) * 100 + Number(part.padEnd(2, "0"));
  return Number.isSafeInteger(cents) ? cents : null;
}

/** What a field for a budget holds: none, an amount of at least a cent, or what is wrong with it. */
export function readBudget(text: string): { cents: number | null; wrong: string | null } {
  if (text.trim() === "") return { cents: null, wrong: null };
  const cents = readCents(text);
  if (cents === null) return { cents: null, wrong: "Write it as 2.50 or 2,50, and a thousand as 1000." };
  return cents < 1 ? { cents: null, wrong: "At least one cent; leave it empty for no limit." } : { cents, wrong: null };
}
