// What is asked of the server, by name: each question's key begins with the world it was asked in.

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import type { TaskStatus } from "../api/types";
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
  return useQuery({ queryKey: [world, "tasks", filter], queryFn: () => api.tasks(filter), placeholderData: keepPreviousData });
}

export function useDeliverables(task: string, version: number) {
  const { api, world } = useSession();
  return useQuery({
    queryKey: [world, "deliverables", task, version], queryFn: () => api.deliverables(task), placeholderData: keepPreviousData,
    // Their links work for an hour.
    refetchInterval: 30 * 60_000,
  });
}
