// Folds a task's events into what the page shows. Pure: the same events give the same view, whatever the batches.
// It knows neither the network nor React, and keeps no whole event: rows are short, details are read again by number.

import type { Approval, Deliverable, Event, Risk, Subtask, TaskConfig, TaskStatus, AgentType } from "../api/types";
import { alone, asksTo, describe, kindOf, type RowKind } from "./describe";

/** Programs whose output is kept at hand; older ones are read again from the log. */
export const MAX_RUNS = 200;
/** Pages of the web that are listed. */
export const MAX_PAGES = 500;
/** Characters of a program that are kept. */
const MAX_CODE_CHARS = 20_000;

export type AgentState = "idle" | "thinking" | "acting" | "waiting" | "paused" | "complete" | "error" | "cancelled";

export interface AgentView {
  id: string;
  subtaskId: string | null;
  type: AgentType | "agent";
  title: string;
  state: AgentState;
  /** What it was before it was paused, to go back to. */
  before: AgentState;
  tool: string | null;
  doing: string;
  progress: number;
  tokens: number;
  cost: number;
  /** Set where the model has no known price. */
  unpriced: boolean;
  startedAt: number;
  endedAt: number | null;
  error: string | null;
  result: string | null;
  guided: number;
}

export interface Row {
  seq: number;
  type: string;
  kind: RowKind;
  agent: string | null;
  at: number;
  text: string;
  tool: string | null;
  ok: boolean | null;
  call: string | null;
  ms: number | null;
}

/** A program that an agent ran. */
export interface Run {
  call: string;
  seq: number;
  agent: string | null;
  language: string;
  code: string;
  output: string | null;
  outputPath: string | null;
  ok: boolean | null;
  ms: number | null;
}

export interface Page {
  call: string;
  seq: number;
  agent: string | null;
  what: "page" | "search";
  address: string;
  ok: boolean | null;
}

export interface ModelCost {
  model: string;
  calls: number;
  tokens: number;
  cost: number;
}

export interface TaskView {
  id: string;
  lastSeq: number;
  lastAt: number;
  status: TaskStatus | null;
  prompt: string;
  workspaceId: string | null;
  config: TaskConfig | null;
  subtasks: Subtask[];
  agents: Readonly<Record<string, AgentView>>;
  agentOrder: readonly string[];
  approvals: Readonly<Record<string, Approval>>;
  deliverables: readonly Deliverable[];
  result: string | null;
  error: string | null;
  rows: readonly Row[];
  runs: readonly Run[];
  pages: readonly Page[];
  models: Readonly<Record<string, ModelCost>>;
  /** Goes up when a call may have changed files. */
  filesVersion: number;
  /** Files by path: the number of the event that touched it last. */
  touched: Readonly<Record<string, number>>;
  creditLow: { left: number; budgetCents: number } | null;
  finalCost: number | null;
  finalTokens: number | null;
}

export function emptyView(id: string): TaskView {
  return {
    id, lastSeq: 0, lastAt: 0, status: null, prompt: "", workspaceId: null, config: null, subtasks: [], agents: {},
    agentOrder: [], approvals: {}, deliverables: [], result: null, error: null, rows: [], runs: [], pages: [], models: {},
    filesVersion: 0, touched: {}, creditLow: null, finalCost: null, finalTokens: null,
  };
}

export const isOver = (status: string | null | undefined): boolean =>
  status === "complete" || status === "failed" || status === "cancelled";

export const isAgentOver = (state: AgentState): boolean =>
  state === "complete" || state === "error" || state === "cancelled";

/** Tools that may change what lies in the workspace. */
const CHANGES_FILES = new Set(["write_file", "edit_file", "delete_file", "code_exec", "publish", "chart", "browser_screenshot"]);

/**
 * The view after these events. Events that it holds already are passed over; it stops before a gap, so that whoever
 * calls can see by `lastSeq` what is missing.
 */
export function fold(view: TaskView, events: readonly Event[]): TaskView {
  if (!events.some((event) => event.seq === view.lastSeq + 1)) return view;
  const draft = new Draft(view);
  for (const event of events) {
    if (event.seq <= draft.view.lastSeq) continue;
    if (event.seq !== draft.view.lastSeq + 1) break;
    draft.take(event);
  }
  return draft.view;
}

/** A view that is being changed: each part is copied once, when it is first touched. */
class Draft {
  view: { -readonly [K in keyof TaskView]: TaskView[K] };
  private copied = new Set<string>();

  constructor(view: TaskView) {
    this.view = { ...view };
  }

  take(event: Event): void {
    const at = Date.parse(event.created_at);
    const view = this.view;
    view.lastSeq = event.seq;
    view.lastAt = at;
    this.row(event, at);
    const dot = (event.type as string).indexOf(".");
    switch ((event.type as string).slice(0, dot)) {
      case "task": this.task(event); break;
      case "agent": this.agentEvent(event, at); break;
      case "approval": this.approval(event); break;
      case "deliverable": this.deliverable(event); break;
      case "billing": {
        const low = event.data as { left: number; budget_cents: number };
        view.creditLow = { left: low.left, budgetCents: low.budget_cents };
        break;
      }
    }
  }

  private list<T>(name: "rows" | "runs" | "pages" | "deliverables" | "agentOrder"): T[] {
    const view = this.view as unknown as Record<string, T[]>;
    if (!this.copied.has(name)) {
      this.copied.add(name);
      view[name] = (view[name] ?? []).slice();
    }
    return view[name] as T[];
  }

  private map<T>(name: "agents" | "approvals" | "models" | "touched"): Record<string, T> {
    const view = this.view as unknown as Record<string, Record<string, T>>;
    if (!this.copied.has(name)) {
      this.copied.add(name);
      view[name] = { ...view[name] };
    }
    return view[name] as Record<string, T>;
  }

  private row(event: Event, at: number): void {
    const data = event.data as { tool?: string; ok?: boolean; call_id?: string | null; duration_ms?: number };
    this.list<Row>("rows").push({
      seq: event.seq, type: event.type, kind: kindOf(event), agent: event.agent_id, at, text: describe(event),
      tool: data.tool ?? null, ok: data.ok ?? null, call: data.call_id ?? null, ms: data.duration_ms ?? null,
    });
  }

  private task(event: Event): void {
    const view = this.view;
    const data = event.data as {
      status: TaskStatus; prompt?: string; workspace_id?: string; config?: TaskConfig; subtasks?: Subtask[];
      result?: string; error?: string; cost?: number; total_tokens_used?: number;
    };
    view.status = data.status;
    if (data.prompt != null) view.prompt = data.prompt;
    if (data.workspace_id != null) view.workspaceId = data.workspace_id;
    if (data.config != null) view.config = data.config;
    if (data.subtasks != null) view.subtasks = this.merged(data.subtasks);
    if (data.result != null) view.result = data.result;
    if (data.error != null) view.error = data.error;
    if (isOver(data.status)) {
      view.finalCost = data.cost ?? null;
      view.finalTokens = data.total_tokens_used ?? null;
    }
  }

  /** A plan names each subtask's state when it was made; what was seen of it since holds. */
  private merged(plan: Subtask[]): Subtask[] {
    const known = new Map(this.view.subtasks.map((subtask) => [subtask.id, subtask]));
    const fresh = plan.map((subtask) => known.get(subtask.id) ?? subtask);
    const ids = new Set(plan.map((subtask) => subtask.id));
    return [...this.view.subtasks.filter((subtask) => !ids.has(subtask.id)), ...fresh];
  }

  private subtask(id: string | null, change: Partial<Subtask>): void {
    if (id === null) return;
    this.view.subtasks = this.view.subtasks.map((each) => (each.id === id ? { ...each, ...change } : each));
  }

  private agent(id: string, at: number): AgentView {
    const agents = this.map<AgentView>("agents");
    const mark = `agent ${id}`;
    const known = agents[id];
    if (known && this.copied.has(mark)) return known;
    this.copied.add(mark);
    if (!known) this.list<string>("agentOrder").push(id);
    const agent: AgentView = known
      ? { ...known }
      : {
          id, subtaskId: null, type: "agent", title: "", state: "idle", before: "thinking", tool: null, doing: "", progress: 0,
          tokens: 0, cost: 0, unpriced: false, startedAt: at, endedAt: null, error: null, result: null, guided: 0,
        };
    agents[id] = agent;
    return agent;
  }

  private agentEvent(event: Event, at: number): void {
    if (event.agent_id === null) return;
    const agent = this.agent(event.agent_id, at);
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    const data = event.data as Record<string, any>;
    const row = this.view.rows[this.view.rows.length - 1];
    switch (event.type) {
      case "agent.started":
        agent.subtaskId = data.subtask_id;
        agent.type = data.type;
        agent.title = data.title ?? "";
        agent.startedAt = at;
        this.now(agent, "thinking", "");
        this.subtask(agent.subtaskId, { status: "running", agent_id: agent.id });
        break;
      case "agent.thinking":
        this.thought(agent, data);
        break;
      case "agent.action":
        agent.tool = data.tool;
        this.now(agent, "acting", row?.text ?? "");
        this.began(event, data);
        break;
      case "agent.result":
        agent.tool = null;
        this.now(agent, "thinking", row?.text ?? "");
        this.ended(data, event.seq);
        break;
      case "agent.paused":
        if (agent.state !== "paused") agent.before = agent.state;
        agent.state = "paused";
        break;
      case "agent.resumed":
        agent.state = agent.before === "paused" ? "thinking" : agent.before;
        break;
      case "agent.guided":
        agent.guided += 1;
        break;
      case "agent.complete": this.over(agent, "complete", data, at); break;
      case "agent.error": this.over(agent, "error", data, at); break;
      case "agent.cancelled": this.over(agent, "cancelled", data, at); break;
    }
  }

  /** A paused agent holds: what it does then is what it goes back to. */
  private now(agent: AgentView, state: AgentState, doing: string): void {
    if (agent.state === "paused") agent.before = state;
    else agent.state = state;
    if (doing !== "") agent.doing = doing;
  }

  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  private thought(agent: AgentView, data: Record<string, any>): void {
    const usage = data.usage ?? { input: 0, output: 0 };
    const tokens = usage.input + usage.output;
    agent.tokens += tokens;
    if (data.cost == null) agent.unpriced = true;
    else agent.cost += data.cost;
    if (data.progress != null) agent.progress = Math.max(agent.progress, data.progress);
    if (typeof data.text === "string" && data.text.trim() !== "") agent.doing = alone(data.text.trim().split("\n")[0]!.slice(0, 200));
    const name = data.model ?? "unknown";
    const models = this.map<ModelCost>("models");
    const known = models[name] ?? { model: name, calls: 0, tokens: 0, cost: 0 };
    models[name] = { model: name, calls: known.calls + 1, tokens: known.tokens + tokens, cost: known.cost + (data.cost ?? 0) };
    this.subtask(agent.subtaskId, { tokens_used: agent.tokens, model_used: data.model ?? null });
  }

  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  private began(event: Event, data: Record<string, any>): void {
    const input = (data.input ?? {}) as Record<string, unknown>;
    const common = { call: data.call_id as string, seq: event.seq, agent: event.agent_id };
    if (data.tool === "code_exec") {
      const runs = this.list<Run>("runs");
      runs.push({
        ...common, language: String(input.language ?? "text"), code: cut(String(input.code ?? ""), MAX_CODE_CHARS),
        output: null, outputPath: null, ok: null, ms: null,
      });
      if (runs.length > MAX_RUNS) runs.splice(0, runs.length - MAX_RUNS);
    }
    const address = input.url ?? input.query;
    if ((data.tool === "web_fetch" || data.tool === "web_search" || data.tool === "browser_navigate") && typeof address === "string") {
      const pages = this.list<Page>("pages");
      pages.push({ ...common, what: data.tool === "web_search" ? "search" : "page", address, ok: null });
      if (pages.length > MAX_PAGES) pages.splice(0, pages.length - MAX_PAGES);
    }
    if (CHANGES_FILES.has(data.tool) && typeof input.path === "string") {
      this.map<number>("touched")[input.path] = event.seq;
    }
  }

  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  private ended(data: Record<string, any>, seq: number): void {
    if (CHANGES_FILES.has(data.tool)) this.view.filesVersion = seq;
    if (data.tool === "code_exec") {
      const runs = this.list<Run>("runs");
      const index = runs.findLastIndex((run) => run.call === data.call_id);
      const run = runs[index];
      if (run) runs[index] = { ...run, output: data.output, outputPath: data.output_path ?? null, ok: data.ok, ms: data.duration_ms };
    }
    if (data.tool === "web_fetch" || data.tool === "web_search" || data.tool === "browser_navigate") {
      const pages = this.list<Page>("pages");
      const index = pages.findLastIndex((page) => page.call === data.call_id);
      const page = pages[index];
      if (page) pages[index] = { ...page, ok: data.ok };
    }
  }

  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  private over(agent: AgentView, state: "complete" | "error" | "cancelled", data: Record<string, any>, at: number): void {
    agent.state = state;
    agent.tool = null;
    agent.endedAt = at;
    agent.cost = data.cost ?? agent.cost;
    agent.tokens = data.tokens_used ?? agent.tokens;
    agent.subtaskId ??= data.subtask_id ?? null;
    agent.result = data.result ?? null;
    agent.error = data.error ?? null;
    if (state === "complete") agent.progress = 100;
    if (agent.title === "") agent.title = this.view.subtasks.find((each) => each.id === agent.subtaskId)?.title ?? "";
    const status = state === "complete" ? "complete" : state === "error" ? "failed" : data.skipped ? "skipped" : "cancelled";
    this.subtask(agent.subtaskId, { status, agent_id: agent.id });
  }

  private approval(event: Event): void {
    const approval = event.data as unknown as Approval;
    this.map<Approval>("approvals")[approval.id] = approval;
    const agent = this.view.agents[approval.agent_id];
    if (!agent || isAgentOver(agent.state)) return;
    const changed = this.agent(approval.agent_id, agent.startedAt);
    if (event.type === "approval.required") {
      this.now(changed, "waiting", asksTo(approval));
    } else {
      this.now(changed, "thinking", "");
    }
  }

  private deliverable(event: Event): void {
    const deliverable = event.data as unknown as Deliverable;
    const all = this.list<Deliverable>("deliverables");
    if (!all.some((known) => known.id === deliverable.id)) all.push(deliverable);
  }
}

const cut = (text: string, most: number): string => (text.length > most ? alone(text.slice(0, most)) : text);

export const RISKS: Risk[] = ["low", "medium", "high", "critical"];
