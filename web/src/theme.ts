// Light or dark: as the system says, unless this browser was told.

import { drop, keep, kept } from "./kept";

export type Theme = "system" | "light" | "dark";

const PLACE = "miteos.theme";

export function theme(): Theme {
  const found = kept("browser", PLACE);
  return found === "light" || found === "dark" ? found : "system";
}

export function applyTheme(chosen: Theme = theme()): void {
  if (chosen === "system") {
    drop("browser", PLACE);
    delete document.documentElement.dataset.theme;
  } else {
    keep("browser", PLACE, chosen);
    document.documentElement.dataset.theme = chosen;
  }
}
