// What tasks like the one that is about to be started have cost so far. Pure. It tells what was, and invents nothing: where
// nothing is known it says nothing.

import type { TaskSummary } from "../api/types";
import type { Model } from "@miteos/sdk";
import { money, plural } from "../ui/format";

/** Tasks that are looked back at. */
export const LOOKED_BACK = 20;

export interface Like {
  /** `null`: the server's choice. */
  model: string | null;
  agents: number;
}

/** Whether what tasks on this model cost is known at all: calls without a known price count as nothing in their sums. */
export function isPriced(models: readonly Model[], model: string | null): boolean {
  const used = model === null ? models.filter((each) => each.roles.length > 0) : models.filter((each) => each.id === model);
  return used.length > 0 && used.every((each) => each.input_usd_per_mtok !== null && each.output_usd_per_mtok !== null);
}

/** "Your last 20 tasks like this cost $0.02 to $0.31." Tasks come newest first. */
export function costLine(tasks: readonly TaskSummary[], like: Like): string | null {
  const costs = tasks
    .filter((task) => task.status === "complete" && task.config.model === like.model && task.config.max_agents === like.agents)
    .slice(0, LOOKED_BACK)
    .map((task) => task.cost);
  if (costs.length === 0) return null;
  const least = money(Math.min(...costs));
  const most = money(Math.max(...costs));
  const who = costs.length === 1 ? "Your last task" : `Your last ${costs.length} tasks`;
  const with_ = `with ${plural(like.agents, "agent")} and ${like.model === null ? "the server's choice of model" : "this model"}`;
  if (Math.max(...costs) === 0) return `${who} ${with_} cost nothing.`;
  return `${who} ${with_} cost ${least === most ? least : `${least} to ${most}`}.`;
}
