// A task's head: what it is, how it stands, what it costs, and the hands on the wheel: dial, budget, pause, guide, cancel.

import { useState } from "react";
import { useQueryClient } from "@tanstack/react-query";
import type { Task } from "../../api/types";
import { told } from "../../api/api";
import { readBudget } from "../../ui/amount";
import { useAction } from "../../ui/action";
import { isOver, type TaskView } from "../../live/fold";
import { useSession } from "../../session";
import { to } from "../../route";
import { Button, Field, Meter, useNow } from "../../ui/parts";
import { Dialog, useSay } from "../../ui/dialog";
import { useShortcuts } from "../../ui/shortcuts";
import { TaskStatusChip } from "../../ui/status";
import { count, dialMeaning, duration, money, title } from "../../ui/format";
import { GuideDialog } from "./guide";
import { useHeld } from "./held";

/** How much of a budget is spent; what may have been billed beside it counts. */
export function spentPart(task: Task | null): number | null {
  const budget = task?.config.budget_cents;
  return task && budget ? ((task.cost + task.uncertain_cost) * 100) / budget : null;
}

export function TaskHead({ view, task }: { view: TaskView; task: Task | null }) {
  const { api } = useSession();
  const say = useSay();
  const [open, setOpen] = useState<"guide" | "dial" | "cost" | null>(null);
  const over = isOver(view.status);
  const paused = view.status === "paused";
  const waits = Object.values(view.approvals).filter((approval) => approval.status === "pending").length;
  const act = (call: Promise<unknown>, done: string) => call.then(() => say.say(done), (error: unknown) => say.trouble(new Error(told(error))));
  const { held, hold } = useHeld(paused);
  const pause = () => {
    if (held) return;
    if (!paused) hold();
    void act(paused ? api.resumeTask(view.id) : api.pauseTask(view.id), paused ? "The agents go on" : "Each agent holds after its current step");
  };
  const cancel = async () => {
    const sure = await say.sure("Cancel this task?", "Every agent stops, and what it runs is ended. Finished work and files stay. This cannot be undone.", "Cancel the task", true);
    if (sure) await act(api.cancelTask(view.id), "Cancelled");
  };
  useShortcuts(over ? {} : { p: pause, m: () => setOpen("guide") });

  return (
    <header className="task-head">
      <div className="row top">
        <div className="grow stack" style={{ gap: 2 }}>
          <a className="small faint back" href={to("tasks")}>Tasks</a>
          <h1 className="clamp" title={view.prompt.slice(0, 2000)}>{title(view.prompt)}</h1>
        </div>
        {!over && (
          <div className="row wheel">
            <Button icon="guide" onClick={() => setOpen("guide")}>Guide</Button>
            <Button icon={paused ? "resume" : "pause"} aria-disabled={held || undefined} onClick={pause}>{paused ? "Resume" : held ? "Pausing…" : "Pause"}</Button>
            <Button icon="stop" tone="danger" onClick={() => void cancel()}>Cancel</Button>
          </div>
        )}
      </div>
      <div className="row wrap task-facts">
        <TaskStatusChip status={view.status ?? "pending"} waits={waits} />
        <Elapsed view={view} over={over} />
        <button type="button" className="fact" onClick={() => setOpen("cost")} title="What it costs, by agent and by model"><CostLine view={view} task={task} /></button>
        {task && (
          <button type="button" className="fact" onClick={() => setOpen("dial")} disabled={over}>
            <span className="faint">Dial</span> <span className="number">{task.config.autonomy_level}</span> <span className="quiet wide-only">{dialMeaning(task.config.autonomy_level)}</span>
          </button>
        )}
      </div>
      {open === "guide" && <GuideDialog name="all agents" send={(text) => api.guideTask(view.id, text)} close={() => setOpen(null)} />}
      {open === "dial" && task && <DialDialog task={task} close={() => setOpen(null)} />}
      {open === "cost" && <CostDialog view={view} task={task} close={() => setOpen(null)} />}
    </header>
  );
}

function Elapsed({ view, over }: { view: TaskView; over: boolean }) {
  const now = useNow(1000);
  const began = view.rows[0]?.at ?? now;
  return <span className="fact number"><span className="faint">{over ? "Took" : "For"}</span> {duration(Math.max(0, (over ? view.lastAt : now) - began))}</span>;
}

function CostLine({ view, task }: { view: TaskView; task: Task | null }) {
  const cost = view.finalCost ?? task?.cost ?? 0;
  const part = spentPart(task);
  const budget = task?.config.budget_cents ?? null;
  return (
    <span className="row">
      <span className="faint">Cost</span>
      <span className="number">{money(cost)}</span>
      {budget !== null && <span className="quiet number">of {money(budget / 100)}</span>}
      {part !== null && <span className="budget-meter"><Meter value={part} tone={part > 0.9 ? "bad" : part > 0.7 ? "wait" : "work"} label="Part of the budget that is spent" /></span>}
    </span>
  );
}

function DialDialog({ task, close }: { task: Task; close: () => void }) {
  const { api, world } = useSession();
  const queries = useQueryClient();
  const say = useSay();
  // What was there when this was opened: only what is changed here is sent, whatever others turn meanwhile.
  const [had] = useState({ dial: task.config.autonomy_level, cents: task.config.budget_cents });
  const [dial, setDial] = useState(had.dial);
  const [budget, setBudget] = useState(had.cents === null ? "" : (had.cents / 100).toFixed(2));
  const { cents, wrong: bad } = readBudget(budget);
  const { busy, wrong, act } = useAction();
  const moved = [
    task.config.autonomy_level !== had.dial && `the dial stands at ${task.config.autonomy_level}`,
    task.config.budget_cents !== had.cents && `the budget is ${task.config.budget_cents === null ? "without a limit" : money(task.config.budget_cents / 100)}`,
  ].filter(Boolean);
  const save = () => act(async () => {
    const change: { autonomy_level?: number; budget_cents?: number | null } = {};
    if (dial !== had.dial) change.autonomy_level = dial;
    if (cents !== had.cents) change.budget_cents = cents;
    if (Object.keys(change).length > 0) {
      // An answer that is under way would bring back what was.
      await queries.cancelQueries({ queryKey: [world, "task", task.id] });
      const now = await api.updateTask(task.id, change);
      queries.setQueryData([world, "task", task.id], now);
      say.say("It holds from the next decision on");
    }
    close();
  });
  return (
    <Dialog title="Dial and budget" close={close} foot={<><Button onClick={close}>Keep as it is</Button><Button tone="strong" disabled={bad !== null || busy} onClick={() => void save()}>{busy ? "Saving…" : "Save"}</Button></>}>
      <div className="stack wide">
        {moved.length > 0 && <div className="note wait" role="status">Somebody changed it meanwhile: {moved.join(" and ")} now. Only what you change here is saved.</div>}
        <Field name={`Dial: ${dial}`} hint={`It ${dialMeaning(dial)}. What waits for you already goes on waiting.`}>
          {(id) => <input id={id} type="range" min={0} max={100} step={5} value={dial} onChange={(event) => setDial(Number(event.target.value))} />}
        </Field>
        <Field name="Budget in dollars" hint={`${cents === null ? "Empty: no limit." : `At most ${money(cents / 100)} in all.`} Below what is spent already the task stops at its next call.`} wrong={wrong ?? bad}>
          {(id) => <input id={id} className="input" inputMode="decimal" placeholder="No limit" value={budget} onChange={(event) => setBudget(event.target.value)} />}
        </Field>
      </div>
    </Dialog>
  );
}

function CostDialog({ view, task, close }: { view: TaskView; task: Task | null; close: () => void }) {
  const agents = view.agentOrder.map((id) => view.agents[id]!);
  const total = view.finalCost ?? task?.cost ?? 0;
  const byAgents = agents.reduce((sum, agent) => sum + agent.cost, 0);
  const models = Object.values(view.models);
  const byModels = models.reduce((sum, model) => sum + model.cost, 0);
  const most = Math.max(total, 1e-9);
  const line = (name: string, cost: number, note: string) => (
    <tr key={name}><td className="clip">{name}</td><td className="small quiet number nowrap">{note}</td><td className="bar"><Meter value={cost / most} label={`Part of ${name}`} /></td><td className="end number">{money(cost)}</td></tr>
  );
  const rest = (sum: number) => total - sum > 5e-7 && line("Planning and summing up", total - sum, "");
  return (
    <Dialog title={`Cost: ${money(total)}`} close={close}>
      <div className="stack wide">
        <section className="stack" aria-label="By agent">
          <h3>By agent</h3>
          <table className="data tight"><tbody>{agents.map((agent) => line(agent.title || agent.type, agent.cost, `${count(agent.tokens)} tokens`))}{rest(byAgents)}</tbody></table>
        </section>
        <section className="stack" aria-label="By model">
          <h3>By model</h3>
          <table className="data tight"><tbody>{models.map((model) => line(model.model, model.cost, `${count(model.calls)} calls, ${count(model.tokens)} tokens`))}{rest(byModels)}</tbody></table>
        </section>
        {task && task.uncertain_cost > 0 && <p className="small quiet">Up to {money(task.uncertain_cost)} more may be billed for calls that broke off. A budget counts that too.</p>}
        {agents.some((agent) => agent.unpriced) && <p className="small quiet">Some calls went to a model without a known price. They count as nothing here.</p>}
      </div>
    </Dialog>
  );
}
