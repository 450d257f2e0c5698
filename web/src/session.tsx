// Who is signed in, and in which world. A key lives in this tab alone; the browser keeps it only if asked to. The page's
// only request beside the API is here: the code of the link that `miteos serve` prints, exchanged for keys.

import { createContext, Fragment, useCallback, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { Api } from "./api/api";
import { drop, forgetPerson, keep, kept } from "./kept";

export type World = "live" | "test";
const WORLDS: World[] = ["live", "test"];

interface Kept {
  keys: Partial<Record<World, string>>;
  world: World;
  /** The keys were made for this sign-in alone: signing out revokes them. */
  own: Partial<Record<World, string>>;
}

export interface Session {
  api: Api;
  world: World;
  worlds: World[];
  remembered: boolean;
  /** The key of this world. */
  key: string;
  /** What went wrong with a link that was opened beside this session. */
  notice: string | null;
  hush: () => void;
  setWorld: (world: World) => void;
  remember: (yes: boolean) => void;
  signOut: () => Promise<void>;
}

const PLACE = "miteos.session";
/** How the address of a sign-in link ends. */
const CODE = /^#code=([0-9a-z]{20,64})$/;

const Context = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(Context);
  if (!session) throw new Error("nobody is signed in");
  return session;
}

export const useApi = (): Api => useSession().api;

interface Known {
  kept: Kept;
  remembered: boolean;
}

function parsed(text: string | null): Kept | null {
  try {
    const kept = JSON.parse(text ?? "null") as Kept | null;
    return kept?.keys.live || kept?.keys.test ? { ...kept, own: kept.own ?? {} } : null;
  } catch {
    return null;
  }
}

/** This tab's own keys come before those that the browser remembers. */
function read(): Known | null {
  const own = parsed(kept("tab", PLACE));
  if (own) return { kept: own, remembered: false };
  const shared = parsed(kept("browser", PLACE));
  return shared && { kept: shared, remembered: true };
}

const sameKeys = (one: Kept, other: Kept | null): boolean => one.keys.live === other?.keys.live && one.keys.test === other?.keys.test;

/**
 * What this tab keeps from now on. Keys that another tab remembered since are not its to forget; and what is written again is
 * not taken away first, as the other tabs would see that, and sign out.
 */
function write(next: Known | null, before: Known | null): void {
  const place = next && (next.remembered ? "browser" : "tab");
  if (next && place) keep(place, PLACE, JSON.stringify(next.kept));
  if (place !== "tab") drop("tab", PLACE);
  if (place !== "browser" && before?.remembered && sameKeys(before.kept, parsed(kept("browser", PLACE)))) drop("browser", PLACE);
}

export const worldOf = (key: string): World | null =>
  key.startsWith("mt_live_") ? "live" : key.startsWith("mt_test_") ? "test" : null;

export type Door =
  | { state: "opening" }
  | { state: "closed"; why: string | null; signIn: (key: string, remember: boolean) => Promise<void> };

/** Taken from the address at once, so that it is neither in the history nor on the screen. */
function takeCode(): string | null {
  const code = CODE.exec(location.hash)?.[1] ?? null;
  if (code !== null) history.replaceState(null, "", "#/");
  return code;
}

interface Exchanged { live?: { id: string; key: string }; test?: { id: string; key: string } }

async function exchange(code: string): Promise<Kept> {
  const answer = await fetch("/sign-in", {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ code }), credentials: "omit", cache: "no-store",
  });
  const said = (await answer.json().catch(() => ({}))) as Exchanged & { detail?: string };
  if (!answer.ok) throw new Error(said.detail ?? "the link could not be used");
  const kept: Kept = { keys: {}, own: {}, world: "live" };
  for (const world of WORLDS) {
    const made = said[world];
    if (made) {
      kept.keys[world] = made.key;
      kept.own[world] = made.id;
    }
  }
  return kept;
}

const EXPIRED = "Your key does not open this server any more: it has expired or was revoked.";

export function Gate(props: { children: ReactNode; door: (door: Door) => ReactNode; left: () => void }) {
  const { left } = props;
  const [known, setKnown] = useState(read);
  const [code, setCode] = useState(takeCode);
  const [why, setWhy] = useState<string | null>(null);
  const latest = useRef(known);

  /** Whoever is in from now on. Nobody is shown anything of what somebody else was. */
  const enter = useCallback((next: Known | null) => {
    const before = latest.current;
    latest.current = next;
    if (!next || !before || !sameKeys(next.kept, before.kept)) left();
    setKnown(next);
  }, [left]);

  const change = useCallback((next: Known | null) => {
    write(next, latest.current);
    enter(next);
  }, [enter]);

  useEffect(() => {
    const changed = () => {
      const found = takeCode();
      if (found) setCode(found);
    };
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);

  // Another tab signed out, or somebody else in, with the keys that this browser remembers.
  useEffect(() => {
    const changed = (event: StorageEvent) => {
      if (event.key !== null && event.key !== PLACE) return;
      const now = latest.current;
      if (!now?.remembered) return;
      const shared = parsed(kept("browser", PLACE));
      if (sameKeys(now.kept, shared)) return;
      drop("tab", "miteos.draft");
      enter(shared && { kept: shared, remembered: true });
    };
    addEventListener("storage", changed);
    return () => removeEventListener("storage", changed);
  }, [enter]);

  useEffect(() => {
    if (code === null) return;
    exchange(code).then(
      (kept) => { setWhy(null); change({ kept, remembered: false }); },
      (error: unknown) => setWhy(error instanceof Error ? error.message : String(error)),
    ).finally(() => setCode(null));
  }, [code, change]);

  const keys = known?.kept.keys;
  const worlds = WORLDS.filter((each) => keys?.[each]);
  const world = known && worlds.includes(known.kept.world) ? known.kept.world : worlds[0];
  const key = world && keys?.[world];
  // A late answer to a key of before ends nobody else's session.
  const api = useMemo(() => key && new Api(key, () => {
    const now = latest.current;
    if (!now || !Object.values(now.kept.keys).includes(key)) return;
    setWhy(EXPIRED);
    change(null);
  }), [key, change]);

  const session = useMemo<Session | null>(() => {
    if (!known || !api || !world) return null;
    const { kept, remembered } = known;
    return {
      api, world, worlds: WORLDS.filter((each) => kept.keys[each]), remembered, key: kept.keys[world]!,
      notice: why, hush: () => setWhy(null),
      setWorld: (chosen) => change({ kept: { ...kept, world: chosen }, remembered }),
      remember: (yes) => change({ kept, remembered: yes }),
      signOut: async () => {
        // A key that was made for this browser ends with it, by itself. One that was pasted is its owner's.
        const revoking = WORLDS.map((each) => {
          const [own, id] = [kept.keys[each], kept.own[each]];
          return own && id ? new Api(own, () => {}, "outlive the page").revokeKey(id).catch(() => undefined) : undefined;
        });
        setWhy(null);
        forgetPerson();
        change(null);
        await Promise.all(revoking);
      },
    };
  }, [known, api, world, why, change]);

  if (code !== null) return <>{props.door({ state: "opening" })}</>;
  // Nothing that was written, chosen or shown for one key is taken over to another.
  if (session) return <Context value={session}><Fragment key={session.key}>{props.children}</Fragment></Context>;
  const signIn = async (key: string, remember: boolean) => {
    const world = worldOf(key);
    if (world === null) throw new Error("A key begins with mt_live_ or mt_test_.");
    await new Api(key, () => {}).check();
    setWhy(null);
    change({ kept: { keys: { [world]: key }, own: {}, world }, remembered: remember });
  };
  return <>{props.door({ state: "closed", why, signIn })}</>;
}
