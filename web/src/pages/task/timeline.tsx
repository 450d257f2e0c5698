// Every event of the task, one line each, filtered by agent, kind and words. Only the lines in sight are on the page; what
// an event holds is read again from the log when its line is opened.

import { memo, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ROW_KINDS, type RowKind } from "../../live/describe";
import type { AgentView, Row, TaskView } from "../../live/fold";
import { Button, Empty, Panel } from "../../ui/parts";
import { Icon, type IconName } from "../../ui/icons";
import { clockTime, count, duration, fullTime } from "../../ui/format";
import { AGENT_ICON, agentName } from "../../ui/status";
import { useWalk } from "../../ui/walk";
import { EventSheet } from "./event-sheet";

const ROW = 30;
/** So near to the end counts as at the end (pixels). */
const NEAR = 48;

const ICON: Record<RowKind, IconName> = {
  task: "flag", thought: "bulb", action: "bolt", result: "check", approval: "hand", deliverable: "file", steering: "guide", problem: "alert",
};

interface TimelineProps {
  view: TaskView;
  caughtUp: boolean;
  agent: string | null;
  chooseAgent: (agent: string | null) => void;
  leftAt: number | null;
}

export function Timeline({ view, caughtUp, agent, chooseAgent, leftAt }: TimelineProps) {
  const [kind, setKind] = useState<"" | RowKind>("");
  const [words, setWords] = useState("");
  const [open, setOpen] = useState<number | null>(null);
  const wanted = words.trim().toLowerCase();
  const rows = useMemo(() => {
    if (agent === null && kind === "" && wanted === "") return view.rows;
    return view.rows.filter((row) =>
      (agent === null || row.agent === agent) && (kind === "" || row.kind === kind) && (wanted === "" || row.text.toLowerCase().includes(wanted)));
  }, [view.rows, agent, kind, wanted]);
  const filtered = rows !== view.rows;
  const tools = (
    <div className="row timeline-tools">
      <select className="input small" aria-label="Agent" value={agent ?? ""} onChange={(event) => chooseAgent(event.target.value || null)}>
        <option value="">All agents</option>
        {view.agentOrder.map((id) => <option key={id} value={id}>{view.agents[id]!.title || agentName(view.agents[id]!.type)}</option>)}
      </select>
      <select className="input small" aria-label="Kind" value={kind} onChange={(event) => setKind(event.target.value as "" | RowKind)}>
        <option value="">All kinds</option>
        {ROW_KINDS.map((each) => <option key={each.kind} value={each.kind}>{each.name}</option>)}
      </select>
      <input className="input small" type="search" placeholder="Filter" aria-label="Filter by words" value={words} onChange={(event) => setWords(event.target.value)} />
    </div>
  );
  return (
    <Panel title={<>Timeline <span className="faint number">{count(filtered ? rows.length : view.rows.length)}</span></>} flush className="timeline-panel" tools={tools}>
      {rows.length === 0
        ? <Empty icon="filter" title={caughtUp ? "No event is like that" : "Reading the log…"} tools={filtered && <Button small onClick={() => { setKind(""); setWords(""); chooseAgent(null); }}>Show all</Button>} />
        : <Rows rows={rows} view={view} open={setOpen} leftAt={leftAt} />}
      {open !== null && <EventSheet task={view.id} seq={open} last={view.lastSeq} move={setOpen} view={view} close={() => setOpen(null)} />}
    </Panel>
  );
}

function Rows({ rows, view, open, leftAt }: { rows: readonly Row[]; view: TaskView; open: (seq: number) => void; leftAt: number | null }) {
  const frame = useRef<HTMLDivElement>(null);
  const [follows, setFollows] = useState(true);
  const latest = useRef(rows.length);
  useLayoutEffect(() => {
    latest.current = rows.length;
  });
  // Whoever walks away from the end is not taken back to it by what comes.
  const walked = useCallback((at: number) => setFollows(at === latest.current - 1), []);
  const walk = useWalk({ items: rows, keyOf: seqOf, frame, row: ROW, walked });
  const list = useVirtualizer({ count: rows.length, getScrollElement: () => frame.current, estimateSize: () => ROW, overscan: 8, rangeExtractor: walk.rangeExtractor });
  useLayoutEffect(() => {
    const element = frame.current;
    if (follows && element) element.scrollTop = element.scrollHeight;
  }, [rows, follows]);
  const mark = useMemo(() => (leftAt === null ? -1 : rows.findIndex((row) => row.seq > leftAt)), [rows, leftAt]);
  // Whoever comes back begins where they left.
  const shownMark = useRef<number | null>(null);
  useEffect(() => {
    if (mark > 0 && leftAt !== shownMark.current) {
      shownMark.current = leftAt;
      if (rows.length - mark > 12) {
        setFollows(false);
        list.scrollToIndex(mark, { align: "center" });
      }
    }
  }, [mark, leftAt, rows.length, list]);
  const scrolled = () => {
    const element = frame.current;
    if (element) setFollows(element.scrollHeight - element.scrollTop - element.clientHeight < NEAR);
  };
  return (
    <div className="rows">
      <div className="scroll rows-frame" ref={frame} onScroll={scrolled} role="list" aria-label="Events" {...walk.frameProps}>
        <div style={{ height: list.getTotalSize(), position: "relative" }}>
          {list.getVirtualItems().map((item) => {
            const row = rows[item.index]!;
            return (
              <div
                key={row.seq} role="listitem" aria-posinset={item.index + 1} aria-setsize={rows.length} data-at={item.index}
                className={`virtual ${item.index === mark ? "mark" : ""}`} style={{ height: ROW, transform: `translateY(${item.start}px)` }}
              >
                <EventRow row={row} {...whoOf(row.agent === null ? undefined : view.agents[row.agent])} open={open} />
              </div>
            );
          })}
        </div>
      </div>
      <div className="jumps">
        {mark > 0 && <Button small onClick={() => { setFollows(false); list.scrollToIndex(mark, { align: "center" }); }}>Since you left</Button>}
        {!follows && <Button small icon="down" onClick={() => setFollows(true)}>Newest</Button>}
      </div>
    </div>
  );
}

const seqOf = (row: Row): number => row.seq;

/** What a line shows of its agent, which changes far less often than the agent does. */
function whoOf(agent: AgentView | undefined): { who: string | null; icon: IconName } {
  if (!agent) return { who: null, icon: "robot" };
  return { who: agent.title || agentName(agent.type), icon: AGENT_ICON[agent.type] ?? "robot" };
}

/** Drawn once: while one scrolls, and while events come, lines that are there stay as they are. */
const EventRow = memo(function EventRow({ row, who, icon, open }: { row: Row; who: string | null; icon: IconName; open: (seq: number) => void }) {
  return (
    <button type="button" tabIndex={-1} className={`event ${row.kind}`} data-seq={row.seq} data-type={row.type} onClick={() => open(row.seq)}>
      <time className="faint number" dateTime={new Date(row.at).toISOString()} title={fullTime(row.at)}>{clockTime(row.at)}</time>
      <span className="mark-icon"><Icon name={ICON[row.kind]} tiny /></span>
      <span className="who small faint">{who !== null && <><Icon name={icon} tiny /><span className="clip" title={who}>{who}</span></>}</span>
      <span className="clip grow" title={row.text}>{row.text}</span>
      {row.ms !== null && row.ms >= 100 && <span className="faint small number nowrap">{duration(row.ms)}</span>}
    </button>
  );
});
