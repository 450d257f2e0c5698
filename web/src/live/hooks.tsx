// The feeds as React sees them: one for the account, which holds the page's only stream, and one for each task that is open.

import { createContext, useContext, useEffect, useMemo, useSyncExternalStore, type ReactNode } from "react";
import { useQueryClient } from "@tanstack/react-query";
import { useSession } from "../session";
import { changeRow } from "./queries";
import type { Event } from "../api/types";
import { AccountFeed } from "./account-feed";
import type { Connection } from "./connection";
import { TaskFeed, type FeedState } from "./task-feed";

/** Lists are asked for again at most so often, however much happens (ms). */
const LIST_PAUSE_MS = 400;

const Feed = createContext<AccountFeed | null>(null);

/** Follows the account while it is there, and makes what is shown of lists current. */
export function Following({ children }: { children: ReactNode }) {
  const { api, world } = useSession();
  const queries = useQueryClient();
  const feed = useMemo(() => new AccountFeed(api), [api]);
  useEffect(() => {
    const dirty = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | null = null;
    let last = 0;
    let over = false;
    let turns = 0;
    const turn = async () => {
      turns += 1;
      const mine = turns;
      last = Date.now();
      const marked = [...dirty];
      dirty.clear();
      // Never again before this is answered: on a slow line a list would be thrown away half read, again and again.
      await Promise.all(marked.map((name) => queries.invalidateQueries({ queryKey: [world, name] })));
      if (mine !== turns || over) return;
      timer = null;
      if (dirty.size > 0) plan();
    };
    const plan = () => {
      timer ??= setTimeout(() => void turn(), Math.max(LIST_PAUSE_MS, last + api.pace.pause(LIST_PAUSE_MS) - Date.now()));
    };
    const mark = (...names: string[]) => {
      for (const name of names) dirty.add(name);
      plan();
    };
    const heard = (event: Event) => {
      const type: string = event.type;
      if (type.startsWith("approval.")) mark("approvals");
      if (type.startsWith("deployment.")) mark("deployments");
      else mark("tasks");
      changeRow(queries, world, event);
      if (event.type === "task.complete" || event.type === "task.failed" || event.type === "task.cancelled") mark("usage", "workspaces", "approvals", "files");
    };
    feed.start(heard, () => {
      // At once, and not behind what was asked over a connection that is dead by now.
      if (timer !== null) clearTimeout(timer);
      timer = setTimeout(() => void turn(), 0);
      mark("approvals", "tasks", "task-list", "task", "deployments", "usage", "workspaces");
      // What could not be read while the server was away.
      void queries.invalidateQueries({ predicate: (query) => query.state.status === "error" });
    });
    return () => {
      over = true;
      feed.end();
      if (timer !== null) clearTimeout(timer);
    };
  }, [feed, api, world, queries]);
  return <Feed value={feed}>{children}</Feed>;
}

const NOT_YET: Connection = { state: "connecting" };
const never = () => () => {};

export function useConnection(): Connection {
  const feed = useContext(Feed);
  return useSyncExternalStore(feed?.light.subscribe ?? never, () => feed?.light.get() ?? NOT_YET);
}

/** Whether the server answers. */
export function useReachable(): boolean {
  const { state } = useConnection();
  return state === "open" || state === "asking";
}

export function useTaskFeed(id: string): FeedState & { again: () => void } {
  const { api } = useSession();
  const account = useContext(Feed);
  if (!account) throw new Error("nobody follows the account");
  const feed = useMemo(() => new TaskFeed(api, account, id), [api, account, id]);
  const state = useSyncExternalStore(feed.subscribe, feed.get);
  return { ...state, again: feed.again };
}
