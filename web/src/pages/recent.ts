// The prompts of this browser, newest first.

import { drop, keep, keptJson } from "../kept";

const PLACE = "miteos.recent-prompts";
const MOST = 12;
const MAX_CHARS = 4_000;

export function recentPrompts(): string[] {
  const found = keptJson("browser", PLACE);
  return Array.isArray(found) ? found.filter((each): each is string => typeof each === "string").slice(0, MOST) : [];
}

export function rememberPrompt(prompt: string): void {
  if (prompt.length > MAX_CHARS) return;
  const next = [prompt, ...recentPrompts().filter((each) => each !== prompt)].slice(0, MOST);
  keep("browser", PLACE, JSON.stringify(next));
}

export const forgetPrompts = (): void => drop("browser", PLACE);
