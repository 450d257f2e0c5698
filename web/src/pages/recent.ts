// The prompts of this browser, newest first.

const PLACE = "miteos.recent-prompts";
const MOST = 12;
const MAX_CHARS = 4_000;

export function recentPrompts(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(PLACE) ?? "[]");
    return Array.isArray(kept) ? kept.filter((each): each is string => typeof each === "string").slice(0, MOST) : [];
  } catch {
    return [];
  }
}

export function rememberPrompt(prompt: string): void {
  if (prompt.length > MAX_CHARS) return;
  const next = [prompt, ...recentPrompts().filter((each) => each !== prompt)].slice(0, MOST);
  localStorage.setItem(PLACE, JSON.stringify(next));
}

export const forgetPrompts = (): void => localStorage.removeItem(PLACE);
