// How long a new key may last: no key makes one that outlives it. Pure.

import type { ApiKey } from "../../api/types";

const DAY_MS = 86_400_000;
/** The end of one's own key is chosen as what it is, and not by days. */
const OWN = "own";

export interface Expiry {
  id: string;
  name: string;
  /** When the key ends; `null`: never. */
  at: (now: number) => string | null;
}

/** The key that is signed in with, among those of the account. */
export const ownKey = (all: readonly ApiKey[], key: string): ApiKey | undefined =>
  all.find((each) => each.prefix !== "" && key.startsWith(each.prefix));

const inDays = (days: number, name: string): Expiry => ({ id: String(days), name, at: (now) => new Date(now + days * DAY_MS).toISOString() });
const DAYS: [number, string][] = [[1, "tomorrow"], [7, "in 7 days"], [90, "in 90 days"], [365, "in a year"]];

/** What the server takes from a key that ends at `own`, the longest that is usual first to choose. */
export function expiries(own: string | null, now: number): Expiry[] {
  const end = own === null ? Number.POSITIVE_INFINITY : Date.parse(own);
  // A day that ends with one's own key would be past it by the time that the server looks.
  const days = DAYS.filter(([each]) => now + each * DAY_MS < end).map(([each, name]) => inDays(each, name));
  if (own === null) return [...days.filter((each) => each.id !== "1"), { id: "", name: "never", at: () => null }];
  return [{ id: OWN, name: "with this sign-in", at: () => own }, ...days];
}

export const usualExpiry = (choices: readonly Expiry[]): string => (choices.some((each) => each.id === "90") ? "90" : choices[0]!.id);
