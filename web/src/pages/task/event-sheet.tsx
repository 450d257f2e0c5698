// One event, whole: read from the log, with the arguments and the output of calls as what they are.

import { useQuery } from "@tanstack/react-query";
import type { Event } from "../../api/types";
import type { TaskView } from "../../live/fold";
import { useSession } from "../../session";
import { Bones, Button, CopyButton, Trouble } from "../../ui/parts";
import { Dialog } from "../../ui/dialog";
import { Code, Markdown, Terminal } from "../../ui/text";
import { RiskChip } from "../../ui/status";
import { count, duration, exactly, fullTime, money } from "../../ui/format";
import { useShortcutsInDialog } from "../../ui/arrows";
import { Arguments } from "../arguments";

interface SheetProps {
  task: string;
  seq: number;
  last: number;
  view: TaskView;
  move: (seq: number) => void;
  close: () => void;
}

export function EventSheet({ task, seq, last, view, move, close }: SheetProps) {
  const { api, world } = useSession();
  const event = useQuery({ queryKey: [world, "event", task, seq], queryFn: () => api.event(task, seq), staleTime: Infinity, gcTime: 60_000 });
  useShortcutsInDialog({ ArrowLeft: () => seq > 1 && move(seq - 1), ArrowRight: () => seq < last && move(seq + 1) });
  const row = view.rows[seq - 1];
  const agent = row?.agent ? view.agents[row.agent] : undefined;
  return (
    <Dialog
      wide close={close} title={<span className="row"><span className="clip">{row?.text ?? "Event"}</span></span>}
      foot={<>
        <span className="grow small faint number">Event {exactly(seq)} of {exactly(last)}</span>
        <Button small icon="left" label="The one before" disabled={seq <= 1} onClick={() => move(seq - 1)} />
        <Button small icon="right" label="The next one" disabled={seq >= last} onClick={() => move(seq + 1)} />
      </>}
    >
      <div className="stack wide sheet-body">
        <p className="row wrap small quiet">
          {row && <span>{fullTime(row.at)}</span>}<code>{row?.type}</code>{agent && <span>{agent.title || agent.type}</span>}
        </p>
        {event.isPending ? <Bones /> : event.isError ? <Trouble error={event.error} /> : event.data && <Body event={event.data} />}
      </div>
    </Dialog>
  );
}

function Body({ event }: { event: Event }) {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  const data = event.data as Record<string, any>;
  switch (event.type) {
    case "agent.thinking":
      return (
        <>
          {data.text ? <Markdown text={String(data.text)} /> : <p className="quiet">The model answered with actions alone.</p>}
          <p className="small quiet number">
            {[data.model, `${count(data.usage.input)} tokens in`, `${count(data.usage.output)} out`, data.cost == null ? "no known price" : money(data.cost)].filter(Boolean).join(" · ")}
          </p>
        </>
      );
    case "agent.action":
      return <><div className="row"><code>{data.tool}</code><RiskChip risk={data.risk} /></div><Arguments tool={data.tool} input={data.input} /></>;
    case "agent.result":
      return (
        <>
          <p className="small quiet number">{data.ok ? "Worked" : "Failed"} · {duration(data.duration_ms)}{data.output_path ? ` · all of it in ${data.output_path}` : ""}</p>
          <div className="well"><Terminal text={String(data.output)} /></div>
        </>
      );
    case "agent.complete":
      return <Markdown text={String(data.result ?? "")} />;
    case "task.complete":
      return <Markdown text={String(data.result ?? "")} />;
    default: {
      const text = JSON.stringify(event.data, null, 2);
      return <div className="framed"><div className="corner"><CopyButton text={text} /></div><Code text={text} language="json" folded /></div>;
    }
  }
}
