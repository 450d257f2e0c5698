// Who is signed in, and in which world. A key lives in this tab alone; the browser keeps it only if asked to. The page's
// only request beside the API is here: the code of the link that `miteos serve` prints, exchanged for keys.

import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import { Api } from "./api/api";

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

function read(): { kept: Kept; remembered: boolean } | null {
  for (const [storage, remembered] of [[sessionStorage, false], [localStorage, true]] as const) {
    const text = storage.getItem(PLACE);
    if (text === null) continue;
    try {
      const kept = JSON.parse(text) as Kept;
      if (kept.keys.live || kept.keys.test) return { kept: { ...kept, own: kept.own ?? {} }, remembered };
    } catch {
      storage.removeItem(PLACE);
    }
  }
  return null;
}

function write(kept: Kept | null, remembered: boolean): void {
  localStorage.removeItem(PLACE);
  sessionStorage.removeItem(PLACE);
  if (kept) (remembered ? localStorage : sessionStorage).setItem(PLACE, JSON.stringify(kept));
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

export function Gate(props: { children: ReactNode; door: (door: Door) => ReactNode; left: () => void }) {
  const [known, setKnown] = useState(read);
  const [code, setCode] = useState(takeCode);
  const [why, setWhy] = useState<string | null>(null);

  useEffect(() => {
    const changed = () => {
      const found = takeCode();
      if (found) setCode(found);
    };
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);

  useEffect(() => {
    if (code === null) return;
    exchange(code).then(
      (kept) => { write(kept, false); setKnown({ kept, remembered: false }); },
      (error: unknown) => setWhy(error instanceof Error ? error.message : String(error)),
    ).finally(() => setCode(null));
  }, [code]);

  // Whoever signs in next is shown nothing of what the one before was.
  const { left } = props;
  useEffect(() => {
    if (!known) left();
  }, [known, left]);

  const keep = useCallback((kept: Kept | null, remembered: boolean) => {
    write(kept, remembered);
    setKnown(kept ? { kept, remembered } : null);
  }, []);

  const expired = useCallback(() => {
    setWhy("Your key does not open this server any more: it has expired or was revoked.");
    keep(null, false);
  }, [keep]);

  const session = useMemo<Session | null>(() => {
    if (!known) return null;
    const { kept, remembered } = known;
    const worlds = WORLDS.filter((world) => kept.keys[world]);
    const world = worlds.includes(kept.world) ? kept.world : worlds[0]!;
    const api = new Api(kept.keys[world]!, expired);
    return {
      api, world, worlds, remembered,
      setWorld: (chosen) => keep({ ...kept, world: chosen }, remembered),
      remember: (yes) => keep(kept, yes),
      signOut: async () => {
        // A key that was made for this browser ends with it. One that was pasted is its owner's.
        const ids = WORLDS.flatMap((each) => kept.own[each] ?? []);
        const revoking = ids.map((id) => new Api(kept.keys.live ?? kept.keys[world]!, () => {}).revokeKey(id).catch(() => undefined));
        keep(null, false);
        setWhy(null);
        await Promise.all(revoking);
      },
    };
  }, [known, keep, expired]);

  if (session) return <Context value={session}>{props.children}</Context>;
  if (code !== null) return <>{props.door({ state: "opening" })}</>;
  const signIn = async (key: string, remember: boolean) => {
    const world = worldOf(key);
    if (world === null) throw new Error("A key begins with mt_live_ or mt_test_.");
    await new Api(key, () => {}).check();
    setWhy(null);
    keep({ keys: { [world]: key }, own: {}, world }, remember);
  };
  return <>{props.door({ state: "closed", why, signIn })}</>;
}
