// States as words with a colour: the same word and colour everywhere.

import { Chip } from "./parts";
import type { IconName } from "./icons";
import type { AgentState } from "../live/fold";

type Tone = "work" | "wait" | "good" | "bad" | "hold" | "off";

const TASK: Record<string, [string, Tone]> = {
  pending: ["Queued", "off"],
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

/** A word, a colour, and how many of four bars are filled: whoever sees no colours sees the bars. */
const RISK: Record<string, [string, Tone, number]> = {
  low: ["Low risk", "off", 1],
  medium: ["Medium risk", "wait", 2],
  high: ["High risk", "bad", 3],
  critical: ["Critical risk", "bad", 4],
};

export const toneOfAgent = (state: AgentState): Tone => AGENT[state][1];
export const toneOfSubtask = (status: string): Tone => SUBTASK[status]?.[1] ?? "off";
export const nameOfSubtask = (status: string): string => SUBTASK[status]?.[0] ?? status;
export const toneOfTask = (status: string): Tone => TASK[status]?.[1] ?? "off";
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

function Bars({ filled, of }: { filled: number; of: number }) {
  return (
    <svg className="bars" viewBox={`0 0 ${of * 3 - 1} 10`} width={of * 3 - 1} height="10" aria-hidden="true">
      {Array.from({ length: of }, (_, at) => {
        const height = 4 + (at * 6) / (of - 1);
        return <rect key={at} x={at * 3} y={10 - height} width="2" height={height} rx="0.6" opacity={at < filled ? 1 : 0.28} />;
      })}
    </svg>
  );
}

export function RiskChip({ risk }: { risk: string }) {
  const [name, tone, bars] = RISK[risk] ?? [risk, "off" as Tone, 0];
  return <Chip tone={tone} strong={risk === "critical"}><Bars filled={bars} of={4} />{name}</Chip>;
}

export const AGENT_ICON: Record<string, IconName> = {
  researcher: "search", builder: "terminal", analyst: "chart", trader: "usage", email: "mail", social: "share", agent: "robot",
};

export const agentName = (type: string): string => type.charAt(0).toUpperCase() + type.slice(1);
