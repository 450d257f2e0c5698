// What it cost: by day as a chart, by model and by task as lists.

import { useState } from "react";
import { useQuery } from "@tanstack/react-query";
import type { GroupBy, UsageRow } from "../api/types";
import { useTasks } from "../live/queries";
import { useSession } from "../session";
import { to } from "../route";
import { Bones, Empty, Meter, Panel, Segments, Trouble } from "../ui/parts";
import { bytes, count, money, plural, shortDay, title } from "../ui/format";

const DAY_MS = 86_400_000;
const isoDay = (at: number): string => new Date(at).toISOString().slice(0, 10);

export default function Usage() {
  const [days, setDays] = useState<"7" | "30" | "90">("30");
  const to = isoDay(Date.now());
  const from = isoDay(Date.now() - (Number(days) - 1) * DAY_MS);
  const byDay = useReport("day", from, to);
  return (
    <div className="page">
      <div className="page-head">
        <h1>Usage</h1><div className="grow" />
        <Segments name="Time" value={days} choose={setDays} choices={[{ id: "7", name: "7 days" }, { id: "30", name: "30 days" }, { id: "90", name: "90 days" }]} />
      </div>
      {byDay.isLoadingError ? <Trouble error={byDay.error} again={() => void byDay.refetch()} /> : byDay.isPending ? <div className="panel"><Bones /></div> : (
        <>
          <div className="sums">
            <Sum name="Cost" value={money(byDay.data.cost)} />
            <Sum name="Tasks" value={count(byDay.data.tasks)} />
            <Sum name="Model calls" value={count(byDay.data.model_calls)} />
            <Sum name="Tokens" value={count(byDay.data.tokens)} note={`${count(byDay.data.input_tokens)} in, ${count(byDay.data.output_tokens)} out`} />
            <Sum name="Kept now" value={bytes(byDay.data.storage.workspace_bytes + byDay.data.storage.deliverable_bytes + byDay.data.storage.preview_bytes)} note={`${plural(byDay.data.storage.workspaces, "workspace")}, ${plural(byDay.data.storage.deliverables, "deliverable")}, ${plural(byDay.data.storage.previews, "preview")}`} />
          </div>
          {byDay.data.unpriced_calls > 0 && <div className="note">{plural(byDay.data.unpriced_calls, "call")} went to models without a known price and count as nothing.</div>}
          <Days rows={byDay.data.rows} from={from} days={Number(days)} />
          {byDay.data.model_calls > 0 && (
            <div className="columns">
              <Parts name="By model" group="model" from={from} to={to} />
              <Parts name="By task" group="task" from={from} to={to} />
            </div>
          )}
        </>
      )}
    </div>
  );
}

function useReport(group: GroupBy, from: string, until: string) {
  const { api, world } = useSession();
  return useQuery({ queryKey: [world, "usage", group, from, until], queryFn: () => api.usage({ group_by: group, from, to: until }) });
}

function Sum({ name, value, note }: { name: string; value: string; note?: string }) {
  return <div className="card sum"><span className="small faint">{name}</span><strong className="number">{value}</strong>{note && <span className="small faint number">{note}</span>}</div>;
}

const HEIGHT = 140;

interface Day { day: string; row: UsageRow | undefined }

/** Cost where there is any; else tokens, so that free models show something, too. The same as a picture and as a table. */
function Days({ rows, from, days }: { rows: UsageRow[]; from: string; days: number }) {
  const [as, setAs] = useState<"chart" | "table">("chart");
  const known = new Map(rows.map((row) => [row.day ?? "", row]));
  const all = Array.from({ length: days }, (_, index) => {
    const day = isoDay(Date.parse(from) + index * DAY_MS);
    return { day, row: known.get(day) };
  });
  const used = rows.some((row) => row.cost > 0 || row.tokens > 0);
  const choice = <Segments name="By day as" value={as} choose={setAs} choices={[{ id: "chart", name: "Chart" }, { id: "table", name: "Table" }]} />;
  return (
    <Panel title="By day" tools={used && choice} flush={used && as === "table"}>
      {!used ? <Empty icon="usage" title="Nothing was used in this time">What tasks cost, and what they read and write, stands here by day.</Empty>
        : as === "chart" ? <Chart all={all} /> : <DayTable all={all} />}
    </Panel>
  );
}

function Chart({ all }: { all: Day[] }) {
  const [shown, setShown] = useState<Day | null>(null);
  const inMoney = all.some(({ row }) => (row?.cost ?? 0) > 0);
  const value = (row: UsageRow | undefined) => (row ? (inMoney ? row.cost : row.tokens) : 0);
  const say = (amount: number) => (inMoney ? money(amount) : plural(amount, "token"));
  const most = Math.max(...all.map(({ row }) => value(row)));
  const width = 100 / all.length;
  return (
    <figure className="days" onPointerLeave={() => setShown(null)}>
      <div className="small faint number row between">
        <span>{say(most)}</span>
        {shown && <span className="quiet">{shortDay(Date.parse(shown.day))}: {say(value(shown.row))}</span>}
      </div>
      <svg viewBox={`0 0 100 ${HEIGHT}`} preserveAspectRatio="none" height={HEIGHT} width="100%" role="img" aria-label={`${inMoney ? "Cost" : "Tokens"} by day, at most ${say(most)} a day. Each day stands in the table.`}>
        {[0, 0.5, 1].map((part) => <line key={part} x1={0} x2={100} y1={HEIGHT * part} y2={HEIGHT * part} vectorEffect="non-scaling-stroke" />)}
        {all.map((each, index) => {
          const height = Math.max(value(each.row) > 0 ? 2 : 0, (value(each.row) / most) * HEIGHT);
          return (
            <g key={each.day} className={shown?.day === each.day ? "shown" : ""} onPointerEnter={() => setShown(each)}>
              <rect className="whole" x={index * width} width={width} y={0} height={HEIGHT} />
              <rect x={index * width + width * 0.14} width={width * 0.72} y={HEIGHT - height} height={height} />
            </g>
          );
        })}
      </svg>
      <div className="small faint row between"><span>{shortDay(Date.parse(all[0]!.day))}</span><span>Today, by UTC</span></div>
    </figure>
  );
}

/** Newest first; days on which nothing was used say nothing. */
function DayTable({ all }: { all: Day[] }) {
  return (
    <div className="table-frame scroll day-table" tabIndex={0} role="region" aria-label="Usage by day">
      <table className="data tight">
        <thead><tr><th scope="col">Day</th><th scope="col" className="end">Cost</th><th scope="col" className="end">Model calls</th><th scope="col" className="end">Tokens</th></tr></thead>
        <tbody>
          {all.filter(({ row }) => row !== undefined).reverse().map(({ day, row }) => (
            <tr key={day}>
              <th scope="row">{shortDay(Date.parse(day))}</th>
              <td className="end number">{money(row?.cost ?? 0)}</td><td className="end number">{count(row?.model_calls ?? 0)}</td><td className="end number">{count(row?.tokens ?? 0)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Parts({ name, group, from, to: until }: { name: string; group: "model" | "task"; from: string; to: string }) {
  const report = useReport(group, from, until);
  const rows = [...(report.data?.rows ?? [])].sort((a, b) => b.cost - a.cost || b.tokens - a.tokens).slice(0, 20);
  const most = Math.max(...rows.map((row) => row.cost || row.tokens), 1e-9);
  // Of newer tasks the prompts are known; of older ones their ids say it.
  const tasks = useTasks({ limit: 100 });
  const names = new Map((tasks.data?.tasks ?? []).map((task) => [task.id, title(task.prompt)]));
  return (
    <Panel title={name} flush>
      {report.isPending ? <Bones /> : rows.length === 0 ? <Empty title="Nothing yet" /> : (
        <table className="data tight">
          <tbody>
            {rows.map((row) => (
              <tr key={row.model ?? row.task_id ?? ""}>
                <td className="clip cell">{row.task_id ? <a href={to("task", row.task_id)}>{names.get(row.task_id) ?? <code>{row.task_id}</code>}</a> : row.model}</td>
                <td className="small quiet number nowrap">{count(row.tokens)} tokens</td>
                <td className="bar"><Meter value={(row.cost || row.tokens) / most} label={`Part of ${row.model ?? row.task_id ?? ""}`} /></td>
                <td className="end number">{money(row.cost)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  );
}
