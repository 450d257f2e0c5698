// Where in the page we are. It stands behind the # of the address, which is never sent to the server.

import { useSyncExternalStore } from "react";

export interface Route {
  page: string;
  id: string | null;
  query: URLSearchParams;
}

export function parse(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [page = "", id = null] = path.split("/").filter((part) => part !== "").map(decoded);
  return { page, id, query: new URLSearchParams(query) };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

let known: { hash: string; route: Route } | null = null;

function current(): Route {
  if (known?.hash !== location.hash) known = { hash: location.hash, route: parse(location.hash) };
  return known.route;
}

function listen(changed: () => void): () => void {
  addEventListener("hashchange", changed);
  return () => removeEventListener("hashchange", changed);
}

export const useRoute = (): Route => useSyncExternalStore(listen, current);

export const to = (page: string, id?: string): string => `#/${[page, id].filter(Boolean).map((part) => encodeURIComponent(part!)).join("/")}`;

export function go(address: string): void {
  location.hash = address;
}
