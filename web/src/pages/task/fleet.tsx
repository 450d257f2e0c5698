// The fleet: every agent with what it does now, how far it is, what it cost, and what can be said to it.

import { useLayoutEffect, useState } from "react";
import type { Task } from "../../api/types";
import { told } from "../../api/api";
import { isAgentOver, type AgentView, type TaskView } from "../../live/fold";
import { toolName } from "../../live/describe";
import { useSession } from "../../session";
import { Button, Empty, Meter, Panel } from "../../ui/parts";
import { Icon } from "../../ui/icons";
import { useSay } from "../../ui/dialog";
import { AGENT_ICON, AgentChip, agentName, toneOfAgent } from "../../ui/status";
import { count, money } from "../../ui/format";
import { GuideDialog } from "./guide";
import { useHeld } from "./held";

interface FleetProps {
  view: TaskView;
  task: Task | null;
  chosen: string | null;
  choose: (agent: string | null) => void;
  decide: (approval: string) => void;
}

const nameOf = (agent: AgentView): string => agent.title || agentName(agent.type);

/** Where cards change places, browsers take the focus from what is in one of them: it is given back. */
function useKeptFocus(order: string): void {
  const before = document.activeElement;
  useLayoutEffect(() => {
    if (document.activeElement === document.body && before instanceof HTMLElement && before !== document.body && before.isConnected) before.focus({ preventScroll: true });
  // eslint-disable-next-line react-hooks/exhaustive-deps -- what had the focus before this very change of places
  }, [order]);
}

export function Fleet({ view, chosen, choose, decide }: FleetProps) {
  const { api } = useSession();
  const all = view.agentOrder.map((id) => view.agents[id]!);
  // Who waits for a decision stands first; otherwise nobody changes places.
  const agents = [...all.filter((agent) => agent.state === "waiting"), ...all.filter((agent) => agent.state !== "waiting")];
  const [guided, setGuided] = useState<string | null>(null);
  useKeptFocus(agents.map((agent) => agent.id).join(" "));
  const guiding = guided === null ? undefined : view.agents[guided];
  const active = agents.filter((agent) => !isAgentOver(agent.state)).length;
  const waiting = agents.filter((agent) => agent.state === "waiting").length;
  const standing = [active > waiting && `${active - waiting} at work`, waiting > 0 && `${waiting} waiting for you`].filter(Boolean).join(", ") || ended(agents);
  return (
    <Panel title="Agents" flush tools={agents.length > 0 && <span className="small faint number">{standing}</span>}>
      {agents.length === 0 ? <NoAgents view={view} /> : (
        <ul className="lines">
          {agents.map((agent) => (
            <li key={agent.id}>
              <AgentCard agent={agent} view={view} chosen={chosen === agent.id} choose={() => choose(chosen === agent.id ? null : agent.id)} decide={decide} guide={() => setGuided(agent.id)} />
            </li>
          ))}
        </ul>
      )}
      {/* Not in the card: who changes places takes along what is in it, and a dialog does not survive that. */}
      {guiding && <GuideDialog name={nameOf(guiding)} send={(text) => api.guideAgent(guiding.id, text)} close={() => setGuided(null)} />}
    </Panel>
  );
}

/** What became of agents that are all over. */
function ended(agents: AgentView[]): string {
  const of = (state: AgentView["state"], word: string) => {
    const number = agents.filter((agent) => agent.state === state).length;
    return number > 0 && `${number} ${word}`;
  };
  return [of("complete", "done"), of("error", "failed"), of("cancelled", "cancelled")].filter(Boolean).join(", ");
}

function NoAgents({ view }: { view: TaskView }) {
  if (view.status === "pending") return <Empty icon="clock" title="Waiting for its turn">It starts as soon as fewer tasks run than this account may have at once.</Empty>;
  if (view.status === "planning") return <Empty icon="plan" title="Making a plan">The agents appear as soon as it is clear who does what.</Empty>;
  if (view.status === "paused") return <Empty icon="pause" title="Paused before its agents began" />;
  return <Empty icon="robot" title="No agent has begun" />;
}

function AgentCard(props: { agent: AgentView; view: TaskView; chosen: boolean; choose: () => void; decide: (approval: string) => void; guide: () => void }) {
  const { agent, view } = props;
  const { api } = useSession();
  const say = useSay();
  const over = isAgentOver(agent.state);
  const name = nameOf(agent);
  const { held, hold } = useHeld(agent.state === "paused");
  const act = (call: Promise<unknown>, done: string) => void call.then(() => say.say(done), (error: unknown) => say.trouble(new Error(told(error))));
  const cancel = async () => {
    const sure = await say.sure(`Cancel “${name}”?`, "This agent stops for good. Steps that need its result are skipped; the others go on.", "Cancel this agent", true);
    if (sure) act(api.cancelAgent(agent.id), "Cancelled");
  };
  const open = Object.values(view.approvals).find((approval) => approval.agent_id === agent.id && approval.status === "pending");
  const doing = agent.state === "acting" && agent.tool ? capital(toolName(agent.tool)) : undefined;
  return (
    <article className={`agent ${props.chosen ? "chosen" : ""}`} aria-label={name}>
      <button type="button" className="agent-main" aria-pressed={props.chosen} onClick={props.choose} title="Show only this agent in the timeline">
        <span className={`badge ${toneOfAgent(agent.state)}`}><Icon name={AGENT_ICON[agent.type] ?? "robot"} /></span>
        <span className="grow stack" style={{ gap: 3 }}>
          <span className="clip strong">{name}</span>
          <span className="row"><AgentChip state={agent.state} doing={doing} /></span>
        </span>
        <span className="figures small number"><span>{money(agent.cost)}</span><span className="faint">{count(agent.tokens)} tokens</span></span>
      </button>
      <p className={`small doing ${agent.state === "error" ? "bad" : "quiet"}`}>{agent.error ?? agent.result?.split("\n")[0] ?? agent.doing}</p>
      {!over && <Meter value={agent.progress / 100} tone={agent.state === "paused" ? "hold" : agent.state === "waiting" ? "wait" : "work"} label={`Progress of ${name}`} />}
      {!over && (
        <div className="row wheel">
          {open && <Button small tone="strong" onClick={() => props.decide(open.id)}>Decide</Button>}
          <Button small icon="guide" onClick={props.guide}>Guide</Button>
          {agent.state === "paused"
            ? <Button small icon="resume" label={`Resume ${name}`} aria-disabled={held || undefined} onClick={() => { if (!held) act(api.resumeAgent(agent.id), "It goes on"); }} />
            : <Button small icon="pause" label={`Pause ${name}`} aria-disabled={held || undefined} onClick={() => { if (held) return; hold(); act(api.pauseAgent(agent.id), "It holds after its current step"); }} />}
          <Button small icon="stop" tone="danger" label={`Cancel ${name}`} onClick={() => void cancel()} />
        </div>
      )}
    </article>
  );
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
