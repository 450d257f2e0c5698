/**
 * What the compiler says. Most of this file is checked by compiling it; what runs is little.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import type {
  Event,
  EventOf,
  EventStream,
  GetUsage,
  ListAgents,
  ListApprovals,
  ListDeliveries,
  ListDeployments,
  ListEvents,
  ListFiles,
  ListTasks,
  Miteos,
  Task,
  TaskSummary,
} from "@miteos/sdk";
import type { Queries } from "./generated/queries.js";

/** Fails to compile unless the two are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <_ extends true>() => undefined;

export function queriesHaveTheNamesOfTheContract(): void {
  same<Same<keyof ListTasks, Queries["listTasks"]>>();
  same<Same<"limit" | "offset", Queries["listCompletedTasks"]>>();
  same<Same<keyof ListEvents, Queries["listTaskEvents"]>>();
  same<Same<"after" | "types", Queries["streamEvents"]>>();
  same<Same<keyof ListAgents, Queries["listAgents"]>>();
  same<Same<keyof ListApprovals, Queries["listApprovals"]>>();
  same<Same<keyof ListDeliveries, Queries["listDeliveries"]>>();
  same<Same<keyof ListDeployments, Queries["listDeployments"]>>();
  same<Same<keyof ListFiles, Queries["listFiles"]>>();
  same<Same<keyof GetUsage, Queries["getUsage"]>>();
}

export function eventsAreToldApartByTheirType(event: Event): string | null | undefined {
  switch (event.type) {
    case "agent.action":
      return event.data.tool;
    case "agent.result":
      return event.data.output_path;
    case "agent.thinking":
      return String(event.data.usage.input);
    case "approval.required":
      return event.data.summary;
    case "deliverable.created":
      return event.data.name;
    case "deployment.live":
      return event.data.url ?? event.deployment_id;
    case "task.failed":
      // @ts-expect-error: a task's event has no tool.
      return event.data.tool;
    // @ts-expect-error: there is no such type.
    case "task.dreaming":
      return undefined;
    default:
      return event.task_id;
  }
}

export function aChoiceOfTypesChoosesTheEvents(client: Miteos): void {
  const some = client.tasks.stream("task_1", { types: ["agent.action", "agent.result"] });
  same<Same<typeof some, EventStream<EventOf<"agent.action" | "agent.result">>>>();
  const all = client.tasks.stream("task_1");
  same<Same<typeof all, EventStream<Event>>>();
  // @ts-expect-error: there is no such type.
  client.tasks.stream("task_1", { types: ["task.dreaming"] });
}

export function whatAlwaysIsThereIsThere(task: Task, row: TaskSummary): number {
  // @ts-expect-error: rows of a list have no agents.
  row.agents;
  return task.agents.length + task.subtasks.length + task.approvals.length;
}

export async function requestsAskForWhatIsNeeded(client: Miteos): Promise<void> {
  await client.tasks.create({ prompt: "x" });
  await client.tasks.create({ prompt: "x", config: { autonomy_level: 10, budget_cents: null } });
  // @ts-expect-error: a task has a prompt.
  await client.tasks.create({});
  // @ts-expect-error: there is no such setting.
  await client.tasks.create({ prompt: "x", config: { max_agent: 3 } });
  // @ts-expect-error: there is no such state.
  await client.tasks.list({ status: "done" });
}

test("an event's type leads to its data", () => {
  const event = { type: "agent.action", data: { tool: "web_search" } } as EventOf<"agent.action">;
  assert.equal(eventsAreToldApartByTheirType(event), "web_search");
});
