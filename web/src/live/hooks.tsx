// The feeds as React sees them: one for the account, and one for each task that is open.

import { createContext, useContext, useEffect, useMemo, useState, useSyncExternalStore, type ReactNode } from "react";
import { useQueryClient } from "@tanstack/react-query";
import { useSession } from "../session";
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
  const [feed, setFeed] = useState<AccountFeed | null>(null);
  useEffect(() => {
    const dirty = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | null = null;
    const mark = (...names: string[]) => {
      for (const name of names) dirty.add(name);
      timer ??= setTimeout(() => {
        timer = null;
        const marked = [...dirty];
        dirty.clear();
        for (const name of marked) void queries.invalidateQueries({ queryKey: [world, name] });
      }, LIST_PAUSE_MS);
    };
    const heard = (event: Event) => {
      const type: string = event.type;
      if (type.startsWith("approval.")) mark("approvals");
      if (type.startsWith("deployment.")) mark("deployments");
      else mark("tasks");
      if (event.type === "deliverable.created") mark("deliverables");
      if (event.type === "task.complete" || event.type === "task.failed" || event.type === "task.cancelled") mark("usage", "workspaces", "approvals");
    };
    const made = new AccountFeed(api, heard, () => mark("approvals", "tasks", "task", "deployments"));
    setFeed(made);
    made.start();
    return () => {
      made.end();
      if (timer !== null) clearTimeout(timer);
    };
  }, [api, world, queries]);
  return <Feed value={feed}>{children}</Feed>;
}

const NOT_YET: Connection = { state: "connecting" };
const never = () => () => {};

export function useConnection(): Connection {
  const feed = useContext(Feed);
  return useSyncExternalStore(feed?.light.subscribe ?? never, () => feed?.light.get() ?? NOT_YET);
}

export function useTaskFeed(id: string): FeedState & { again: () => void } {
  const { api } = useSession();
  const feed = useMemo(() => new TaskFeed(api, id), [api, id]);
  const state = useSyncExternalStore(feed.subscribe, feed.get);
  return { ...state, again: feed.again };
}
