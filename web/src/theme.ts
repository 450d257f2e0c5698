// Light or dark: as the system says, unless this browser was told.

export type Theme = "system" | "light" | "dark";

const PLACE = "miteos.theme";

export function theme(): Theme {
  const kept = localStorage.getItem(PLACE);
  return kept === "light" || kept === "dark" ? kept : "system";
}

export function applyTheme(chosen: Theme = theme()): void {
  if (chosen === "system") {
    localStorage.removeItem(PLACE);
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem(PLACE, chosen);
    document.documentElement.dataset.theme = chosen;
  }
}
