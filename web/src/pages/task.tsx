// One task: its head, its plan, and four panels: fleet, timeline, workspace, deliverables.

import { useEffect, useId, useMemo, useRef, useState } from "react";
import { isTransient } from "@miteos/sdk";
import { useTaskFeed } from "../live/hooks";
import { usePending, useTask } from "../live/queries";
import { asksTo } from "../live/describe";
import { isOver, type TaskView } from "../live/fold";
import type { Approval, Task } from "../api/types";
import { useSession } from "../session";
import { told } from "../api/api";
import { to, go } from "../route";
import { Bones, Button, Empty, TabPanel, Tabs } from "../ui/parts";
import { Icon } from "../ui/icons";
import { Markdown } from "../ui/text";
import { title } from "../ui/format";
import { TaskHead } from "./task/head";
import { Fleet } from "./task/fleet";
import { Timeline } from "./task/timeline";
import { Plan } from "./task/plan";
import { WorkspacePanel } from "./task/workspace";
import { Deliverables } from "./task/deliverables";
import { DecisionDialog } from "./decision";
import { useNarrow } from "../ui/narrow";
import { useLeft } from "./task/left";

/** How often the server's own sums are asked for while something happens (ms). */
const SUMS_EVERY_MS = 1_500;

/** The server's object of the task, asked for again as its log grows, but never while it is being asked for. */
function useSums(id: string, lastSeq: number) {
  const { api } = useSession();
  const sums = useTask(id);
  const asked = useRef({ at: 0, seq: 0 });
  const { isFetching, refetch } = sums;
  useEffect(() => {
    if (lastSeq === asked.current.seq || isFetching) return;
    const wait = Math.max(0, asked.current.at + api.pace.pause(SUMS_EVERY_MS) - Date.now());
    const timer = setTimeout(() => {
      asked.current = { at: Date.now(), seq: lastSeq };
      void refetch();
    }, wait);
    return () => clearTimeout(timer);
  }, [lastSeq, api, isFetching, refetch]);
  return sums;
}

export default function TaskPage({ id }: { id: string }) {
  const feed = useTaskFeed(id);
  const { view } = feed;
  const sums = useSums(id, view.lastSeq);
  const pending = useMemo(() => Object.values(view.approvals).filter((approval) => approval.status === "pending"), [view.approvals]);
  // As everywhere the count is of all tasks. A hidden tab hears nothing of this one, and asks for that count now and then.
  const waits = Math.max(pending.length, usePending().data?.total ?? 0);
  useEffect(() => {
    document.title = `${waits > 0 ? `(${waits}) ` : ""}${view.prompt === "" ? "A task" : title(view.prompt)} · Miteos`;
  }, [view.prompt, waits]);

  // While the server is away nothing is given up: what is known stays, and the rest comes.
  const error = feed.error ?? (view.lastSeq === 0 && !isTransient(sums.error) ? sums.error : null);
  if (error) {
    return (
      <div className="page">
        <Empty icon="alert" title="This task cannot be shown" tools={<><Button onClick={feed.again}>Try again</Button><Button tone="plain" onClick={() => go(to("tasks"))}>All tasks</Button></>}>{told(error)}</Empty>
      </div>
    );
  }
  if (view.lastSeq === 0) return <div className="page"><Bones lines={5} /></div>;
  return <TaskBody view={view} caughtUp={feed.caughtUp} task={sums.data ?? null} pending={pending} />;
}

type Side = "fleet" | "plan" | "timeline" | "workspace" | "deliverables";

function TaskBody({ view, caughtUp, task, pending }: { view: TaskView; caughtUp: boolean; task: Task | null; pending: Approval[] }) {
  const [agent, setAgent] = useState<string | null>(null);
  const [deciding, setDeciding] = useState<string | null>(null);
  const [side, setSide] = useState<Side>("fleet");
  const narrow = useNarrow();
  const tabs = useId();
  const leftAt = useLeft(view.id, view.lastSeq, caughtUp);
  const shown = deciding === null ? undefined : view.approvals[deciding];

  const fleet = <Fleet view={view} task={task} chosen={agent} choose={setAgent} decide={setDeciding} />;
  const timeline = <Timeline view={view} caughtUp={caughtUp} agent={agent} chooseAgent={setAgent} leftAt={leftAt} />;
  const plan = view.subtasks.length > 1 ? <Plan view={view} chosen={agent} choose={setAgent} /> : null;
  const workspace = <WorkspacePanel view={view} />;
  const deliverables = <Deliverables view={view} />;
  const outcome = <Outcome view={view} />;

  return (
    <div className="task-page">
      <TaskHead view={view} task={task} />
      {pending.length > 0 && <Waiting pending={pending} view={view} decide={setDeciding} />}
      {narrow ? (
        <>
          <Tabs
            name="Parts of the task" id={tabs} value={side} choose={setSide}
            tabs={[
              { id: "fleet", name: "Agents" }, { id: "timeline", name: "Timeline" }, ...(plan ? [{ id: "plan" as const, name: "Plan" }] : []),
              { id: "deliverables", name: "Results", extra: view.deliverables.length > 0 ? <span className="faint number">{view.deliverables.length}</span> : null },
              { id: "workspace", name: "Workspace" },
            ]}
          />
          <TabPanel id={tabs} value={side} className="one">
            {side === "fleet" && fleet}
            {side === "timeline" && timeline}
            {side === "plan" && (plan ?? fleet)}
            {side === "workspace" && workspace}
            {side === "deliverables" && <>{outcome}{deliverables}</>}
          </TabPanel>
        </>
      ) : (
        <div className="board">
          <div className="column fleet-column">{fleet}</div>
          <div className="column middle">{outcome}{plan}{timeline}</div>
          <div className="column right">{deliverables}{workspace}</div>
        </div>
      )}
      {shown && <DecisionDialog key={shown.id} approval={shown} workspaceId={view.workspaceId} close={() => setDeciding((now) => (now === shown.id ? null : now))} />}
    </div>
  );
}

function Waiting({ pending, view, decide }: { pending: Approval[]; view: TaskView; decide: (id: string) => void }) {
  return (
    <section className="attention" aria-label="Decisions that wait for you">
      <ul className="lines">
        {pending.map((approval) => (
          <li key={approval.id} className="line-row">
            <Icon name="hand" />
            <span className="grow"><strong>{view.agents[approval.agent_id]?.title || "An agent"}</strong> <span className="quiet">asks: {asksTo(approval)}</span></span>
            <Button small tone="strong" onClick={() => decide(approval.id)}>Decide</Button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Outcome({ view }: { view: TaskView }) {
  const [whole, setWhole] = useState(false);
  if (view.status === "failed" && view.error) {
    return (
      <section className="panel outcome bad" aria-label="Why it failed">
        <header><h2>Why it failed</h2></header>
        <div className="body">{view.error}</div>
      </section>
    );
  }
  if (!isOver(view.status) || !view.result) return null;
  const long = view.result.length > 700 || view.result.split("\n").length > 10;
  return (
    <section className={`panel outcome ${whole ? "" : "folded"}`} aria-label="Result">
      <header><h2>Result</h2><div className="grow" />{long && <Button small tone="plain" aria-expanded={whole} onClick={() => setWhole(!whole)}>{whole ? "Less" : "All of it"}</Button>}</header>
      <div className="body"><Markdown text={view.result} /></div>
    </section>
  );
}
