// What is asked of the server, by name: each question's key begins with the world it was asked in.

import { useEffect } from "react";
import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient, type InfiniteData, type QueryClient } from "@tanstack/react-query";
import type { Event, TaskStatus, TaskSummary } from "../api/types";
import { useSession } from "../session";

export function usePending() {
  const { api, world } = useSession();
  return useQuery({
    queryKey: [world, "approvals", "pending"], queryFn: ({ signal }) => api.pendingApprovals(signal),
    // A hidden tab follows no stream, and its title tells all the same.
    refetchInterval: 60_000, refetchIntervalInBackground: true,
  });
}

export function useTask(id: string) {
  const { api, world } = useSession();
  return useQuery({ queryKey: [world, "task", id], queryFn: ({ signal }) => api.task(id, signal) });
}

export interface TaskFilter {
  status?: TaskStatus | undefined;
  workspace_id?: string | undefined;
  limit: number;
  offset?: number;
}

export function useTasks(filter: TaskFilter) {
  const { api, world } = useSession();
  return useQuery({ queryKey: [world, "tasks", filter], queryFn: ({ signal }) => api.tasks(filter, signal), placeholderData: keepPreviousData });
}

/** Tasks of one page of the long list. */
export const LIST_PAGE = 100;

interface TaskPage { tasks: TaskSummary[]; total: number; offset: number }

/**
 * All tasks of a state: the newest are asked for whenever something happens, those behind them once; what happens to one of
 * those is put into its row. So a list of thousands costs one question each time, and not fifty.
 */
export function useTaskList(status: "" | TaskStatus) {
  const { api, world } = useSession();
  const asked = status === "" ? undefined : status;
  const newest = useTasks({ status: asked, limit: LIST_PAGE, offset: 0 });
  const total = newest.data?.total ?? 0;
  useSeam(world, status, newest.isPlaceholderData ? undefined : newest.data?.tasks);
  const behind = useInfiniteQuery({
    queryKey: [world, "task-list", status], enabled: total > LIST_PAGE, staleTime: Number.POSITIVE_INFINITY,
    queryFn: ({ pageParam, signal }) => api.tasks({ status: asked, limit: LIST_PAGE, offset: pageParam }, signal),
    initialPageParam: LIST_PAGE,
    getNextPageParam: (last) => (last.offset + last.tasks.length < last.total && last.tasks.length > 0 ? last.offset + last.tasks.length : undefined),
  });
  return { newest, behind, total };
}

/**
 * What slid out behind the newest, as newer ones came: of the rows that were there before, those behind the last that is
 * there now. `null`: so much came that none of them is left, and what lies between is not known.
 */
export function slidOut(before: readonly TaskSummary[], now: readonly TaskSummary[]): TaskSummary[] | null {
  const last = now[now.length - 1];
  if (before.length === 0 || last === undefined) return [];
  const at = before.findIndex((task) => task.id === last.id);
  if (at >= 0) return before.slice(at + 1);
  const known = new Set(before.map((task) => task.id));
  // Fewer are there than were: the last one came from behind.
  return now.some((task) => known.has(task.id)) ? [] : null;
}

/** The newest as they were seen last, by list: also while nobody looks at it. */
const seams = new WeakMap<QueryClient, Map<string, readonly TaskSummary[]>>();

/** What slides out of the newest is kept with those behind them, where it would be if they were asked for now. */
function useSeam(world: string, status: string, newest: readonly TaskSummary[] | undefined): void {
  const queries = useQueryClient();
  useEffect(() => {
    if (newest === undefined) return;
    const known = seams.get(queries) ?? new Map<string, readonly TaskSummary[]>();
    seams.set(queries, known);
    const seam = `${world} ${status}`;
    const out = slidOut(known.get(seam) ?? [], newest);
    known.set(seam, newest);
    if (out === null) {
      void queries.invalidateQueries({ queryKey: [world, "task-list", status] });
    } else if (out.length > 0) {
      queries.setQueryData<InfiniteData<TaskPage>>([world, "task-list", status], (list) => {
        const [first, ...rest] = list?.pages ?? [];
        return list && first && { ...list, pages: [{ ...first, tasks: [...out, ...first.tasks] }, ...rest] };
      });
    }
  }, [queries, world, status, newest]);
}

/** A row of the long list as it is after an event. */
export function changeRow(queries: QueryClient, world: string, event: Event): void {
  const { status } = event.data as { status?: TaskStatus };
  if (event.task_id === null || status === undefined || !event.type.startsWith("task.")) return;
  queries.setQueriesData<TaskSummary[]>({ queryKey: [world, "open-tasks"] }, (list) => list?.map((task) => (task.id === event.task_id ? { ...task, status } : task)));
  queries.setQueriesData<InfiniteData<TaskPage>>({ queryKey: [world, "task-list"] }, (list) => {
    if (!list?.pages.some((page) => page.tasks.some((task) => task.id === event.task_id && task.status !== status))) return list;
    return { ...list, pages: list.pages.map((page) => ({ ...page, tasks: page.tasks.map((task) => (task.id === event.task_id ? { ...task, status } : task)) })) };
  });
}
