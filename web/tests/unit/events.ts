// Events for tests, as a server sends them.

import type { Event } from "../../src/api/types";

const START = Date.parse("2026-11-22T10:00:00Z");

export function event(seq: number, type: string, data: object, agent: string | null = null): Event {
  return {
    id: `evt_${seq}`, seq, type, task_id: "task_1", agent_id: agent, created_at: new Date(START + seq * 100).toISOString(), data,
  } as unknown as Event;
}

/** A task that has its plan: four events. */
export function plan(steps: number): Event[] {
  const subtasks = Array.from({ length: steps }, (_, index) => ({
    id: `st_${index + 1}`, agent_type: "builder", title: `Step ${index + 1}`, prompt: "do it", status: "pending", depends_on: index === 0 ? [] : [`st_${index}`],
    agent_id: null, tokens_used: 0, model_used: null,
  }));
  return [
    event(1, "task.created", { status: "pending", prompt: "Do it", workspace_id: "ws_1", config: { autonomy_level: 50 } }),
    event(2, "task.planning", { status: "planning" }),
    event(3, "task.planned", { status: "running", subtasks, replaces: [] }),
    event(4, "task.running", { status: "running" }),
  ];
}

/** An agent from its first event to its last. */
export function agentRun(agent: string, subtask: string, from: number): Event[] {
  const list: [string, object][] = [
    ["agent.started", { subtask_id: subtask, type: "builder", title: "Work" }],
    ["agent.thinking", { text: "First", usage: { input: 5, output: 2 }, model: "test/scripted", cost: 0.001, progress: 10 }],
    ["agent.action", { call_id: `${agent}-1`, tool: "code_exec", input: { language: "python", code: "print(1)" }, risk: "medium" }],
    ["agent.result", { call_id: `${agent}-1`, tool: "code_exec", ok: true, output: "1\n", duration_ms: 12 }],
    ["deliverable.created", { id: `dlvr_${agent}`, name: "a.md", type: "text/markdown", size_bytes: 3, created_at: "" }],
    ["agent.complete", { subtask_id: subtask, result: "Done", tokens_used: 7, cost: 0.001 }],
  ];
  return list.map(([type, data], index) => event(from + index, type, data, agent));
}

/** A long task: ten agents that think, act and see what came of it. */
export function manyEvents(count: number): Event[] {
  const events = plan(10);
  for (let seq = events.length + 1; seq <= count; seq += 1) {
    const agent = `agnt_${(seq % 10) + 1}`;
    const call = `c${Math.floor(seq / 3)}`;
    const kind = seq % 3;
    if (seq < 16) events.push(event(seq, "agent.started", { subtask_id: `st_${(seq % 10) + 1}`, type: "builder", title: "Work" }, agent));
    else if (kind === 0) events.push(event(seq, "agent.thinking", { text: `Step ${seq}: I look at the next part and decide.`, usage: { input: 900, output: 40 }, model: "a/b", cost: 0.0001, progress: 5 }, agent));
    else if (kind === 1) events.push(event(seq, "agent.action", { call_id: call, tool: "write_file", input: { path: `notes/${seq % 50}.md`, content: "text" }, risk: "medium" }, agent));
    else events.push(event(seq, "agent.result", { call_id: call, tool: "write_file", ok: true, output: "wrote 4 bytes\n".repeat(8), duration_ms: 4 }, agent));
  }
  return events;
}
