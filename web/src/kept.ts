// What the browser keeps for the page, by name: for this tab, or for the browser. A browser that keeps nothing, or has no
// room left, is no reason to fail: then it is simply not there the next time.

export type Place = "tab" | "browser";

function storage(place: Place): Storage | null {
  try {
    return place === "tab" ? sessionStorage : localStorage;
  } catch {
    return null;
  }
}

export function kept(place: Place, name: string): string | null {
  try {
    return storage(place)?.getItem(name) ?? null;
  } catch {
    return null;
  }
}

/** Whether it was kept. What was kept before under this name is gone in any case. */
export function keep(place: Place, name: string, text: string): boolean {
  try {
    const into = storage(place);
    into?.setItem(name, text);
    return into !== null;
  } catch {
    drop(place, name);
    return false;
  }
}

export function drop(place: Place, name: string): void {
  try {
    storage(place)?.removeItem(name);
  } catch {
    // What cannot be read is as good as gone.
  }
}

/** A value that was kept as JSON, as far as it is one. */
export function keptJson(place: Place, name: string): unknown {
  try {
    return JSON.parse(kept(place, name) ?? "null") as unknown;
  } catch {
    return null;
  }
}

/** What one person leaves behind in a browser, and the next one does not see. */
export const PERSONAL: [Place, string][] = [
  ["tab", "miteos.draft"], ["browser", "miteos.recent-prompts"], ["browser", "miteos.task-settings"], ["browser", "miteos.left"],
];

export function forgetPerson(): void {
  for (const [place, name] of PERSONAL) drop(place, name);
}
