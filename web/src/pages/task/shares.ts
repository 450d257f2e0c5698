// Public links that were made in this browser, so that it can take them back. Only their names are kept: a link itself is
// shown once, and whoever reads this browser's storage opens nothing with it.

import { keep, keptJson } from "../../kept";

const PLACE = "miteos.shares";
/** Links that are remembered. */
const MOST = 200;

export interface MadeShare {
  id: string;
  file: string;
  madeAt: number;
  expiresAt: string | null;
}

function all(): MadeShare[] {
  const found = keptJson("browser", PLACE);
  return Array.isArray(found) ? (found as MadeShare[]).filter((each) => typeof each?.id === "string" && typeof each.file === "string") : [];
}

/** Those of a file that may still work, newest first. */
export function madeShares(file: string, now = Date.now()): MadeShare[] {
  return all().filter((each) => each.file === file && (each.expiresAt === null || Date.parse(each.expiresAt) > now));
}

export function rememberShare(share: MadeShare): void {
  keep("browser", PLACE, JSON.stringify([share, ...all().filter((each) => each.id !== share.id)].slice(0, MOST)));
}

export function forgetShare(id: string): void {
  keep("browser", PLACE, JSON.stringify(all().filter((each) => each.id !== id)));
}
