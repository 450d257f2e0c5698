// States as words with a colour: the same word and colour everywhere.

import { Chip } from "./parts";
import type { IconName } from "./icons";
import type { AgentState } from "../live/fold";

type Tone = "work" | "wait" | "good" | "bad" | "hold" | "off";

const TASK: Record<string, [string, Tone]> = {
  pending: ["Waiting for its turn", "off"],
  planning: ["Planning", "work"],
  running: ["Running", "work"],
  paused: ["Paused", "hold"],
  complete: ["Complete", "good"],
  failed: ["Failed", "bad"],
  cancelled: ["Cancelled", "off"],
};

const AGENT: Record<AgentState, [string, Tone]> = {
  idle: ["Idle", "off"],
  thinking: ["Thinking", "work"],
  acting: ["Acting", "work"],
  waiting: ["Needs you", "wait"],
  paused: ["Paused", "hold"],
  complete: ["Done", "good"],
  error: ["Error", "bad"],
  cancelled: ["Cancelled", "off"],
};

const SUBTASK: Record<string, [string, Tone]> = {
  pending: ["Not begun", "off"],
  running: ["Running", "work"],
  complete: ["Done", "good"],
  failed: ["Failed", "bad"],
  cancelled: ["Cancelled", "off"],
  skipped: ["Skipped", "off"],
};

const RISK: Record<string, [string, Tone]> = {
  low: ["Low risk", "off"],
  medium: ["Medium risk", "hold"],
  high: ["High risk", "wait"],
  critical: ["Critical", "bad"],
};

export const toneOfAgent = (state: AgentState): Tone => AGENT[state][1];
export const toneOfSubtask = (status: string): Tone => SUBTASK[status]?.[1] ?? "off";
export const nameOfSubtask = (status: string): string => SUBTASK[status]?.[0] ?? status;
export const nameOfTask = (status: string): string => TASK[status]?.[0] ?? status;

export function TaskStatusChip({ status, waits = 0 }: { status: string; waits?: number }) {
  const [name, tone] = TASK[status] ?? [status, "off" as Tone];
  if (waits > 0 && (status === "running" || status === "paused")) return <Chip tone="wait" dot>Needs you</Chip>;
  return <Chip tone={tone} dot>{name}</Chip>;
}

export function AgentChip({ state, doing }: { state: AgentState; doing?: string | undefined }) {
  const [name, tone] = AGENT[state];
  return <Chip tone={tone} dot>{doing ?? name}</Chip>;
}

export function RiskChip({ risk }: { risk: string }) {
  const [name, tone] = RISK[risk] ?? [risk, "off" as Tone];
  return <Chip tone={tone}>{name}</Chip>;
}

export const AGENT_ICON: Record<string, IconName> = {
  researcher: "search", builder: "terminal", analyst: "chart", trader: "usage", email: "mail", social: "share", agent: "robot",
};

export const agentName = (type: string): string => type.charAt(0).toUpperCase() + type.slice(1);
