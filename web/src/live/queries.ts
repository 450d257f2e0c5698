// What is asked of the server, by name: each question's key begins with the world it was asked in.

import { keepPreviousData, useInfiniteQuery, useQuery, type InfiniteData, type QueryClient } from "@tanstack/react-query";
import type { Event, TaskStatus, TaskSummary } from "../api/types";
import { useSession } from "../session";

export function usePending() {
  const { api, world } = useSession();
  return useQuery({
    queryKey: [world, "approvals", "pending"], queryFn: () => api.pendingApprovals(),
    // A hidden tab follows no stream, and its title tells all the same.
    refetchInterval: 60_000, refetchIntervalInBackground: true,
  });
}

export function useTask(id: string) {
  const { api, world } = useSession();
  return useQuery({ queryKey: [world, "task", id], queryFn: () => api.task(id) });
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
  const behind = useInfiniteQuery({
    queryKey: [world, "task-list", status], enabled: total > LIST_PAGE, staleTime: Number.POSITIVE_INFINITY,
    queryFn: ({ pageParam, signal }) => api.tasks({ status: asked, limit: LIST_PAGE, offset: pageParam }, signal),
    initialPageParam: LIST_PAGE,
    getNextPageParam: (last) => (last.offset + last.tasks.length < last.total && last.tasks.length > 0 ? last.offset + last.tasks.length : undefined),
  });
  return { newest, behind, total };
}

/** A row of the long list as it is after an event. */
export function changeRow(queries: QueryClient, world: string, event: Event): void {
  const { status } = event.data as { status?: TaskStatus };
  if (event.task_id === null || status === undefined || !event.type.startsWith("task.")) return;
  queries.setQueriesData<InfiniteData<TaskPage>>({ queryKey: [world, "task-list"] }, (list) => {
    if (!list?.pages.some((page) => page.tasks.some((task) => task.id === event.task_id && task.status !== status))) return list;
    return { ...list, pages: list.pages.map((page) => ({ ...page, tasks: page.tasks.map((task) => (task.id === event.task_id ? { ...task, status } : task)) })) };
  });
}

export function useDeliverables(task: string, version: number) {
  const { api, world } = useSession();
  return useQuery({
    queryKey: [world, "deliverables", task, version], queryFn: () => api.deliverables(task), placeholderData: keepPreviousData,
    // Their links work for an hour.
    refetchInterval: 30 * 60_000,
  });
}
