// What is asked of the server about deployments, and how one is followed: its log over a stream of its own, or asked for now
// and then where the key may have no second stream.

import { useEffect, useState } from "react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { isTransient, RateLimitError } from "@miteos/sdk";
import type { Api } from "../../api/api";
import type { Deployment } from "../../api/types";
import { useSession } from "../../session";
import { readLog, type LogLine } from "./log";
import { isDone } from "./words";

/** Deployments of a page of the list. */
const PAGE = 50;
/** Without a stream the log is asked for at most so often (ms). */
const ASK_EVERY_MS = 2_000;
/** A log that could not be read is read again after so long (ms). */
const AGAIN_MS = 2_000;
/** Lines are put on the page at most so often (ms). */
const BATCH_MS = 80;

export function useDeployments(workspace: string | undefined, limit = PAGE, offset = 0) {
  const { api, world } = useSession();
  return useQuery({
    queryKey: [world, "deployments", "list", workspace ?? "", limit, offset],
    queryFn: () => api.deployments({ workspace_id: workspace, limit, offset }),
  });
}

export const deploymentKey = (world: string, id: string) => [world, "deployments", "one", id] as const;

export function useDeployment(id: string) {
  const { api, world } = useSession();
  return useQuery({ queryKey: deploymentKey(world, id), queryFn: () => api.deployment(id) });
}

export function useDeployConfigs() {
  const { api, world } = useSession();
  return useQuery({ queryKey: [world, "deploy-configs"], queryFn: () => api.deployConfigs() });
}

export function useWorkspaces() {
  const { api, world } = useSession();
  return useQuery({ queryKey: [world, "workspaces"], queryFn: () => api.workspaces() });
}

/** The log as it grows. What it tells of the deployment's state is kept as the deployment. */
export function useDeploymentLog(id: string): { lines: readonly LogLine[]; error: unknown } {
  const { api, world } = useSession();
  const queries = useQueryClient();
  const [lines, setLines] = useState<readonly LogLine[]>([]);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    const stop = new AbortController();
    setLines([]);
    setError(null);
    const say = (deployment: Deployment) => {
      queries.setQueryData(deploymentKey(world, id), deployment);
      if (isDone(deployment)) void queries.invalidateQueries({ queryKey: [world, "deployments", "list"] });
    };
    const keepFollowing = async () => {
      while (!stop.signal.aborted) {
        try {
          return await follow(api, id, stop.signal, setLines, say);
        } catch (failed) {
          if (stop.signal.aborted) return undefined;
          // A server that is away comes back: what is known of the log stays meanwhile.
          if (!isTransient(failed)) return setError(failed);
          await new Promise((resolve) => setTimeout(resolve, api.pace.pause(AGAIN_MS)));
        }
      }
      return undefined;
    };
    void keepFollowing();
    return () => stop.abort();
  }, [api, world, queries, id]);
  return { lines, error };
}

async function follow(
  api: Api, id: string, signal: AbortSignal, show: (lines: readonly LogLine[]) => void, say: (deployment: Deployment) => void,
): Promise<void> {
  // What is over is read and not followed.
  if (isDone(await api.deployment(id))) return ask(api, id, signal, show, say);
  const lines: LogLine[] = [];
  let timer: ReturnType<typeof setTimeout> | null = null;
  const batch = () => {
    timer ??= setTimeout(() => { timer = null; if (!signal.aborted) show([...lines]); }, BATCH_MS);
  };
  const streaming = new AbortController();
  const left = () => streaming.abort();
  signal.addEventListener("abort", left);
  let crowded = false;
  try {
    const stream = api.followDeployment(id, undefined, streaming.signal, (state) => {
      if (state.state === "waiting" && state.error instanceof RateLimitError) {
        crowded = true;
        streaming.abort();
      }
    });
    for await (const news of stream) {
      if (news.type === "status") {
        say(news.deployment);
        continue;
      }
      lines.push({ no: news.no, at: Date.parse(news.at), text: news.text });
      batch();
    }
  } catch (error) {
    if (!crowded) throw error;
  } finally {
    signal.removeEventListener("abort", left);
  }
  if (crowded && !signal.aborted) await ask(api, id, signal, show, say);
}

/** The same without a stream. */
async function ask(
  api: Api, id: string, signal: AbortSignal, show: (lines: readonly LogLine[]) => void, say: (deployment: Deployment) => void,
): Promise<void> {
  for (;;) {
    const deployment = await api.deployment(id);
    const text = await api.deploymentLog(id);
    if (signal.aborted) return;
    show(readLog(text));
    say(deployment);
    if (isDone(deployment)) return;
    await new Promise((resolve) => setTimeout(resolve, api.pace.pause(ASK_EVERY_MS)));
    if (signal.aborted) return;
  }
}
