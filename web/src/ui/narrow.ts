// Whether the page is as narrow as a phone: then panels stand behind tabs.

import { useSyncExternalStore } from "react";

const query = matchMedia("(max-width: 860px)");

function listen(changed: () => void): () => void {
  query.addEventListener("change", changed);
  return () => query.removeEventListener("change", changed);
}

export const useNarrow = (): boolean => useSyncExternalStore(listen, () => query.matches);
