import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { emptyView, fold, type TaskView } from "../../src/live/fold";
import type { Event } from "../../src/api/types";
import { agentRun, event, manyEvents, plan } from "./events";

const foldAll = (events: Event[]): TaskView => fold(emptyView("task_1"), events);

describe("fold", () => {
  it("gives the same view whatever the batches", () => {
    const events = [...plan(3), ...agentRun("agnt_1", "st_1", 10), ...agentRun("agnt_2", "st_2", 30)].map((each, index) => ({ ...each, seq: index + 1 }));
    const whole = foldAll(events);
    for (const size of [1, 2, 7, 13]) {
      let view = emptyView("task_1");
      for (let at = 0; at < events.length; at += size) view = fold(view, events.slice(at, at + size));
      expect(view).toEqual(whole);
    }
    expect(whole.rows.map((row) => row.seq)).toEqual(events.map((each) => each.seq));
  });

  it("leaves the view that it was given as it was", () => {
    const events = plan(2);
    const before = fold(emptyView("task_1"), events);
    const copy = structuredClone(before);
    fold(before, agentRun("agnt_1", "st_1", events.length + 1));
    expect(before).toEqual(copy);
  });

  it("passes over what it has, and stops before a gap", () => {
    const events = plan(2);
    const view = foldAll(events);
    expect(fold(view, events)).toBe(view);
    const late = event(view.lastSeq + 2, "task.paused", { status: "paused" });
    expect(fold(view, [late])).toBe(view);
    const next = event(view.lastSeq + 1, "task.running", { status: "running" });
    expect(fold(view, [next, event(view.lastSeq + 3, "task.paused", { status: "paused" })]).lastSeq).toBe(view.lastSeq + 1);
  });

  it("follows an agent through its states", () => {
    let view = fold(foldAll(plan(1)), [event(5, "agent.started", { subtask_id: "st_1", type: "builder", title: "Write" }, "agnt_1")]);
    expect(view.agents.agnt_1).toMatchObject({ state: "thinking", title: "Write", subtaskId: "st_1" });
    expect(view.subtasks[0]).toMatchObject({ status: "running", agent_id: "agnt_1" });
    view = fold(view, [event(6, "agent.thinking", { text: "I look.", usage: { input: 10, output: 5 }, model: "a/b", cost: 0.25, progress: 20 }, "agnt_1")]);
    expect(view.agents.agnt_1).toMatchObject({ tokens: 15, cost: 0.25, progress: 20, doing: "I look." });
    expect(view.models["a/b"]).toEqual({ model: "a/b", calls: 1, tokens: 15, cost: 0.25 });
    view = fold(view, [event(7, "agent.action", { call_id: "c1", tool: "write_file", input: { path: "a.md", content: "x" }, risk: "medium" }, "agnt_1")]);
    expect(view.agents.agnt_1).toMatchObject({ state: "acting", tool: "write_file" });
    expect(view.touched["a.md"]).toBe(7);
    view = fold(view, [event(8, "agent.paused", {}, "agnt_1")]);
    expect(view.agents.agnt_1!.state).toBe("paused");
    view = fold(view, [event(9, "agent.result", { call_id: "c1", tool: "write_file", ok: true, output: "wrote", duration_ms: 3 }, "agnt_1"), event(10, "agent.resumed", {}, "agnt_1")]);
    expect(view.agents.agnt_1).toMatchObject({ state: "thinking", tool: null });
    expect(view.filesVersion).toBe(9);
    view = fold(view, [event(11, "agent.complete", { subtask_id: "st_1", result: "Done", tokens_used: 20, cost: 0.5 }, "agnt_1")]);
    expect(view.agents.agnt_1).toMatchObject({ state: "complete", progress: 100, cost: 0.5, tokens: 20 });
    expect(view.subtasks[0]!.status).toBe("complete");
  });

  it("keeps approvals until they are settled, and what came of them", () => {
    const approval = { id: "appr_1", task_id: "task_1", agent_id: "agnt_1", tool: "send_email", input: { to: "a@b.c" }, risk: "high", summary: "Send it", status: "pending" };
    let view = fold(foldAll(plan(1)), [event(5, "agent.started", { subtask_id: "st_1", type: "email" }, "agnt_1"), event(6, "approval.required", approval, "agnt_1")]);
    expect(view.agents.agnt_1!.state).toBe("waiting");
    expect(view.approvals.appr_1!.status).toBe("pending");
    view = fold(view, [event(7, "approval.resolved", { ...approval, status: "rejected", reason: "not yet" }, "agnt_1")]);
    expect(view.approvals.appr_1).toMatchObject({ status: "rejected", reason: "not yet" });
    expect(view.agents.agnt_1!.state).toBe("thinking");
    expect(view.rows.at(-1)!.text).toBe("Rejected: not yet");
  });

  it("puts a new plan beside what was done", () => {
    const first = foldAll(plan(2));
    const done = fold(first, [event(5, "agent.error", { subtask_id: "st_1", error: "no", tokens_used: 1, cost: 0 }, "agnt_1")]);
    const fresh = { id: "st_9", agent_type: "builder", title: "Again", prompt: "p", status: "pending", depends_on: [], agent_id: null, tokens_used: 0, model_used: null };
    const view = fold(done, [event(6, "task.planned", { status: "running", subtasks: [fresh], replaces: ["st_1"] })]);
    expect(view.subtasks.map((each) => each.id)).toEqual(["st_1", "st_2", "st_9"]);
    expect(view.subtasks[0]!.status).toBe("failed");
  });

  it("takes events that it does not know", () => {
    const view = foldAll([event(1, "task.created", { status: "pending", prompt: "p" }), event(2, "weather.changed", { sky: "blue" })]);
    expect(view.lastSeq).toBe(2);
    expect(view.rows[1]!.type).toBe("weather.changed");
  });

  it("folds 20,000 events at once and one by one alike, and copies only what a batch touches", () => {
    const events = manyEvents(20_000);
    const whole = foldAll(events);
    expect(whole.lastSeq).toBe(20_000);
    expect(whole.rows).toHaveLength(20_000);
    let view = fold(emptyView("task_1"), events.slice(0, 19_800));
    // As live: a batch for each event.
    for (const each of events.slice(19_800)) {
      const next = fold(view, [each]);
      const touched = next.agentOrder.filter((id) => next.agents[id] !== view.agents[id]);
      expect(touched.length).toBeLessThanOrEqual(1);
      expect(next.rows[0]).toBe(view.rows[0]);
      expect(next.approvals).toBe(view.approvals);
      expect(next.deliverables).toBe(view.deliverables);
      view = next;
    }
    expect(view).toEqual(whole);
  });

  it("keeps lines and not what they were made of", () => {
    setFlagsFromString("--expose-gc");
    const gc = runInNewContext("gc") as () => void;
    const held = () => { gc(); return process.memoryUsage().heapUsed; };
    // As they come: each output a text of its own.
    const page = (from: number): Event[] => JSON.parse(JSON.stringify(Array.from({ length: 500 }, (_, index) =>
      event(from + index, "agent.result", { call_id: "c", tool: "search_files", ok: true, output: `${from + index} ${"some words of an output ".repeat(340)}`, duration_ms: 1 }, "agnt_1")))) as Event[];
    const before = held();
    let view = emptyView("task_1");
    for (let from = 1; from <= 5_000; from += 500) view = fold(view, page(from));
    expect(view.rows).toHaveLength(5_000);
    // Their outputs are 40 MB.
    expect(held() - before).toBeLessThan(12 * 1024 * 1024);
    expect(view.rows[0]!.text).toContain("some words");
  });

  it("keeps a bounded number of programs and pages", () => {
    const events = Array.from({ length: 900 }, (_, index) =>
      event(index + 1, "agent.action", { call_id: `c${index}`, tool: index % 2 ? "code_exec" : "web_fetch", input: { code: "x".repeat(50_000), language: "python", url: `https://e.x/${index}` }, risk: "low" }, "agnt_1"));
    const view = foldAll(events);
    expect(view.runs.length).toBeLessThanOrEqual(200);
    expect(view.runs[0]!.code.length).toBeLessThanOrEqual(20_000);
    expect(view.pages.length).toBeLessThanOrEqual(500);
  });
});
