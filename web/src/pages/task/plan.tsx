// The plan as a graph: what needs what, and what runs. A node is a button that shows its agent's part of the timeline.

import { useMemo } from "react";
import type { Subtask } from "../../api/types";
import { NODE_HEIGHT, NODE_WIDTH, place } from "../../live/layout";
import type { TaskView } from "../../live/fold";
import { Panel } from "../../ui/parts";
import { Icon } from "../../ui/icons";
import { AGENT_ICON, agentName, nameOfSubtask, toneOfAgent, toneOfSubtask } from "../../ui/status";

export function Plan({ view, chosen, choose }: { view: TaskView; chosen: string | null; choose: (agent: string | null) => void }) {
  const shape = view.subtasks.map((each) => `${each.id}:${each.depends_on.join(",")}`).join(";");
  // eslint-disable-next-line react-hooks/exhaustive-deps -- the places depend on the shape alone
  const placed = useMemo(() => place(view.subtasks), [shape]);
  const byId = new Map(view.subtasks.map((subtask) => [subtask.id, subtask]));
  const done = view.subtasks.filter((subtask) => subtask.status === "complete").length;
  return (
    <Panel title="Plan" flush className="plan-panel" tools={<span className="small faint number">{done} of {view.subtasks.length} steps done</span>}>
      <div className="plan" style={{ width: placed.width, height: placed.height }}>
        <svg width={placed.width} height={placed.height} aria-hidden="true">
          {placed.edges.map((edge) => (
            <path key={`${edge.from}-${edge.to}`} d={edge.path} className={`edge ${byId.get(edge.from)?.status === "complete" ? "past" : ""} ${byId.get(edge.to)?.status === "running" ? "now" : ""}`} />
          ))}
        </svg>
        {placed.nodes.map((node) => {
          const subtask = byId.get(node.id);
          if (!subtask) return null;
          return (
            <PlanNode
              key={node.id} subtask={subtask} view={view} chosen={chosen !== null && subtask.agent_id === chosen}
              choose={() => subtask.agent_id !== null && choose(chosen === subtask.agent_id ? null : subtask.agent_id)}
              style={{ left: node.x, top: node.y, width: NODE_WIDTH, height: NODE_HEIGHT }}
            />
          );
        })}
      </div>
    </Panel>
  );
}

function PlanNode(props: { subtask: Subtask; view: TaskView; chosen: boolean; choose: () => void; style: React.CSSProperties }) {
  const { subtask, view } = props;
  const agent = subtask.agent_id === null ? undefined : view.agents[subtask.agent_id];
  const running = subtask.status === "running" && agent;
  const tone = running ? toneOfAgent(agent.state) : toneOfSubtask(subtask.status);
  const needs = subtask.depends_on.map((id) => view.subtasks.find((each) => each.id === id)?.title).filter((each) => each !== undefined && each !== "");
  const state = running && agent.state === "waiting" ? "Needs you" : running && agent.state === "paused" ? "Paused" : nameOfSubtask(subtask.status);
  return (
    <button
      type="button" className={`node ${tone} ${props.chosen ? "chosen" : ""}`} style={props.style} onClick={props.choose} disabled={!agent}
      title={subtask.prompt.slice(0, 600)} aria-pressed={props.chosen}
    >
      <span className={`badge ${tone}`}><Icon name={AGENT_ICON[subtask.agent_type] ?? "robot"} /></span>
      <span className="grow">
        <span className="clip block strong">{subtask.title || agentName(subtask.agent_type)}</span>
        <span className="clip block small quiet">{agentName(subtask.agent_type)} · {state}</span>
        {needs.length > 0 && <span className="only-read">Needs: {needs.join(", ")}</span>}
      </span>
    </button>
  );
}
