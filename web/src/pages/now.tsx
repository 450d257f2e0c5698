// The first page. It answers, in this order: what needs me, what is happening, what came out, what did it cost.

import { useState } from "react";
import { useQuery } from "@tanstack/react-query";
import type { Approval, TaskSummary } from "../api/types";
import { usePending, useTasks } from "../live/queries";
import { asksTo } from "../live/describe";
import { isOver } from "../live/fold";
import { useSession, type World } from "../session";
import { to } from "../route";
import { Ago, Bones, Trouble, useNow } from "../ui/parts";
import { Icon } from "../ui/icons";
import { nameOfTask, RiskChip, TaskStatusChip, toneOfTask } from "../ui/status";
import { count, duration, money, plural, title } from "../ui/format";
import { PromptBar } from "./prompt-bar";

/** The newest tasks, which are looked at all the time. */
const LOOKED_AT = 60;
/** Older ones that are not over are looked for by their states, now and then: one may wait for days behind many newer. */
const OPEN = ["running", "paused", "planning", "pending"] as const;
const MOST_OPEN = 50;
const OPEN_EVERY_MS = 20_000;
const SHOWN_DONE = 6;
const SHOWN_ASKED = 4;

export function Now() {
  const { world } = useSession();
  const [example, setExample] = useState<{ prompt: string } | null>(null);
  const pending = usePending();
  const tasks = useTasks({ limit: LOOKED_AT });
  const all = tasks.data?.tasks ?? [];
  const older = useOlder((tasks.data?.total ?? 0) > LOOKED_AT);
  const newest = new Set(all.map((task) => task.id));
  const running = [...all.filter((task) => !isOver(task.status)), ...older.filter((task) => !newest.has(task.id) && !isOver(task.status))];
  const done = all.filter((task) => isOver(task.status)).slice(0, SHOWN_DONE);
  const asked = pending.data?.approvals ?? [];
  const waits = new Map<string, number>();
  for (const approval of asked) waits.set(approval.task_id, (waits.get(approval.task_id) ?? 0) + 1);
  return (
    <div className="page now">
      <h1 className="only-read">Now</h1>
      <PromptBar given={example} />
      {asked.length > 0 && <Asked approvals={asked} total={pending.data?.total ?? asked.length} tasks={running} />}
      {tasks.isLoadingError && <Trouble error={tasks.error} again={() => void tasks.refetch()} />}
      {tasks.isPending ? <Bones /> : all.length === 0 ? <First world={world} choose={(prompt) => setExample({ prompt })} /> : (
        <div className="columns">
          <section aria-labelledby="running" className="stack">
            <h2 id="running">Running {running.length > 0 && <span className="faint number">{running.length}</span>}</h2>
            {running.length === 0
              ? <p className="quiet empty-line">Nothing runs. What should be done?</p>
              : running.map((task) => <RunningCard key={task.id} task={task} waits={waits.get(task.id) ?? 0} />)}
          </section>
          <section aria-labelledby="done" className="stack">
            <div className="row between">
              <h2 id="done">Finished</h2>
              <a href={to("tasks")} className="small">All {count(tasks.data?.total ?? 0)} tasks</a>
            </div>
            {done.length === 0 ? <p className="quiet empty-line">Nothing has finished yet.</p> : (
              <div className="panel lines">{done.map((task) => <DoneRow key={task.id} task={task} />)}</div>
            )}
            <Spent />
          </section>
        </div>
      )}
    </div>
  );
}

/** Tasks that are not over, whenever they were started. */
function useOlder(enabled: boolean): TaskSummary[] {
  const { api, world } = useSession();
  const open = useQuery({
    queryKey: [world, "open-tasks"], enabled, refetchInterval: () => api.pace.pause(OPEN_EVERY_MS), staleTime: OPEN_EVERY_MS,
    queryFn: async () => (await Promise.all(OPEN.map((status) => api.tasks({ status, limit: MOST_OPEN })))).flatMap((page) => page.tasks),
  });
  return open.data ?? [];
}

function Asked({ approvals, total, tasks }: { approvals: Approval[]; total: number; tasks: TaskSummary[] }) {
  const names = new Map(tasks.map((task) => [task.id, title(task.prompt)]));
  return (
    <section className="attention" aria-labelledby="asked">
      <div className="row between">
        <h2 id="asked"><Icon name="hand" /> {total === 1 ? "One decision waits for you" : `${total} decisions wait for you`}</h2>
        <a href={to("inbox")}>Open the inbox</a>
      </div>
      <ul className="lines">
        {approvals.slice(0, SHOWN_ASKED).map((approval) => (
          <li key={approval.id}>
            <a className="line-row" href={`${to("inbox")}?approval=${approval.id}`}>
              <RiskChip risk={approval.risk} />
              <span className="clip grow">{asksTo(approval)}{names.has(approval.task_id) && <span className="faint of"> · {names.get(approval.task_id)}</span>}</span>
              <span className="faint small nowrap"><Ago at={approval.created_at} /></span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

function RunningCard({ task, waits }: { task: TaskSummary; waits: number }) {
  const now = useNow(1000);
  const began = Date.parse(task.started_at ?? task.created_at);
  const budget = task.config.budget_cents;
  return (
    <a className="card task-card" href={to("task", task.id)}>
      <div className="row between"><TaskStatusChip status={task.status} waits={waits} /><span className="faint small number">{duration(Math.max(0, now - began))}</span></div>
      <h3 className="clamp">{title(task.prompt)}</h3>
      <div className="row small quiet number">
        <span>{money(task.cost)}{budget !== null && ` of ${money(budget / 100)}`}</span>
        <span className="faint">·</span>
        <span>{plural(task.total_tokens_used, "token")}</span>
        {task.deliverables_count > 0 && <><span className="faint">·</span><span>{plural(task.deliverables_count, "file")}</span></>}
      </div>
    </a>
  );
}

function DoneRow({ task }: { task: TaskSummary }) {
  return (
    <a className="line-row done-row" href={to("task", task.id)}>
      <span className={`badge ${toneOfTask(task.status)}`}><Icon name={task.status === "complete" ? "check" : task.status === "failed" ? "alert" : "stop"} /></span>
      <span className="stack grow" style={{ gap: 1 }}>
        <span className="clip">{title(task.prompt)}</span>
        <span className="small faint number clip">
          {nameOfTask(task.status)}{task.deliverables_count > 0 && ` · ${plural(task.deliverables_count, "file")}`} · {money(task.cost)} · <Ago at={task.completed_at ?? task.created_at} />
        </span>
      </span>
    </a>
  );
}

function Spent() {
  const { api, world } = useSession();
  const from = new Date(Date.now() - 6 * 86_400_000).toISOString().slice(0, 10);
  const usage = useQuery({ queryKey: [world, "usage", "week", from], queryFn: () => api.usage({ group_by: "day", from }), retry: false });
  if (!usage.data) return null;
  const today = new Date().toISOString().slice(0, 10);
  const spent = usage.data.rows.find((row) => row.day === today);
  return (
    <a className="card spent" href={to("usage")}>
      <div><span className="faint small" title="By universal time">Today (UTC)</span><strong className="number">{money(spent?.cost ?? 0)}</strong></div>
      <div><span className="faint small">Seven days</span><strong className="number">{money(usage.data.cost)}</strong></div>
      <div><span className="faint small">Tokens, seven days</span><strong className="number">{count(usage.data.tokens)}</strong></div>
    </a>
  );
}

/** What a first task may be; those of the test world steer its scripted model. */
const EXAMPLES: Record<World, string[]> = {
  live: [
    "Compare three note-taking apps for a small team: price, export, privacy. Write a table and a recommendation.",
    "Write a Python program that adds up the amounts in sales.csv for each region, run it, and hand over totals.csv.",
    "Read the home page of our project and list what a newcomer would not understand.",
  ],
  test: [
    "Compare three note-taking apps\n[test:agents=3] [test:slow=2s]",
    "Send the weekly report to the team\n[test:approval]",
    "Plan the move of our blog\n[test:agents=5] [test:approval]",
  ],
};

function First({ world, choose }: { world: World; choose: (prompt: string) => void }) {
  return (
    <section className="panel" aria-label="How it works">
      <div className="first">
        <h2>Your first task</h2>
        <ol>
          <li><span className="badge work"><Icon name="edit" /></span><strong>You say what you want</strong>In plain words, with files if there are any. The dial says how much is decided without you.</li>
          <li><span className="badge good"><Icon name="plan" /></span><strong>Agents carry it out</strong>There is a plan, and agents work on it side by side. You see every step, and what it costs, as it happens.</li>
          <li><span className="badge wait"><Icon name="hand" /></span><strong>You decide and you keep</strong>Before they do what is risky, such as sending an e-mail, they ask you. What they make is yours to open and to download.</li>
        </ol>
        <div className="examples">
          <span className="small faint">{world === "test" ? "Try one. This is the test world: a scripted model answers, at no cost." : "Try one of these"}</span>
          {EXAMPLES[world].map((example) => <button type="button" key={example} onClick={() => choose(example)}><Icon name="right" /><span className="clip">{title(example)}</span></button>)}
        </div>
      </div>
    </section>
  );
}
