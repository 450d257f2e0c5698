// The inbox: every decision that waits, oldest first, with the one that is looked at beside it. The keyboard does it all.

import { useEffect, useMemo, useRef, useState } from "react";
import { useQuery } from "@tanstack/react-query";
import type { Approval } from "../api/types";
import { usePending } from "../live/queries";
import { useSession } from "../session";
import { useRoute } from "../route";
import { Ago, Bones, Button, Empty, Trouble } from "../ui/parts";
import { RiskChip } from "../ui/status";
import { useShortcuts } from "../ui/shortcuts";
import { title } from "../ui/format";
import { asksTo } from "../live/describe";
import { Decision } from "./decision";
import { useNarrow } from "../ui/narrow";

export default function Inbox() {
  const pending = usePending();
  const route = useRoute();
  const narrow = useNarrow();
  const asked = route.query.get("approval");
  const [chosen, setChosen] = useState<string | null>(asked);
  const list = useRef<HTMLUListElement>(null);
  const approvals = useMemo(() => [...(pending.data?.approvals ?? [])].reverse(), [pending.data]);
  const at = approvals.findIndex((approval) => approval.id === chosen);
  const current = approvals[at] ?? (narrow ? undefined : approvals[0]);

  useEffect(() => {
    if (asked) setChosen(asked);
  }, [asked]);
  const move = (by: number) => {
    const from = current ? approvals.indexOf(current) : -1;
    const next = approvals[Math.max(0, Math.min(approvals.length - 1, from + by))];
    if (!next) return;
    setChosen(next.id);
    list.current?.querySelector(`[data-approval="${next.id}"]`)?.scrollIntoView({ block: "nearest" });
  };
  useShortcuts({ j: () => move(1), k: () => move(-1), ArrowDown: () => move(1), ArrowUp: () => move(-1) });
  const decided = () => {
    if (!current) return;
    const index = approvals.indexOf(current);
    setChosen((approvals[index + 1] ?? approvals[index - 1])?.id ?? null);
  };

  if (pending.isError) return <div className="page"><h1>Inbox</h1><Trouble error={pending.error} again={() => void pending.refetch()} /></div>;
  if (pending.isPending) return <div className="page"><h1>Inbox</h1><div className="panel"><Bones /></div></div>;
  if (approvals.length === 0) {
    return (
      <div className="page">
        <h1>Inbox</h1>
        <div className="panel">
          <Empty icon="inbox" title="Nothing waits for you">
            When an agent wants to do something that you should decide, it stops and asks here. How much it asks is set by a task's dial: at 50 it
            asks before anything leaves the workspace.
          </Empty>
        </div>
      </div>
    );
  }
  const shown = current && <CurrentDecision approval={current} decided={decided} />;
  return (
    <div className="page fill">
      <div className="page-head"><h1>Inbox</h1><span className="faint number">{pending.data.total}</span></div>
      {narrow && current ? (
        <div className="stack wide"><div><Button small icon="left" onClick={() => { setChosen(null); history.replaceState(null, "", "#/inbox"); }}>All</Button></div><div className="panel"><div className="body">{shown}</div></div></div>
      ) : (
        <div className="inbox">
          <ul className="panel lines scroll" ref={list} aria-label="Decisions">
            {approvals.map((approval) => (
              <li key={approval.id}>
                <button type="button" className={`line-row ask ${approval === current ? "chosen" : ""}`} data-approval={approval.id} aria-current={approval === current} onClick={() => setChosen(approval.id)}>
                  <span className="stack grow" style={{ gap: 4 }}>
                    <span className="row"><RiskChip risk={approval.risk} /><span className="grow" /><span className="small faint"><Ago at={approval.created_at} /></span></span>
                    <span className="clamp">{asksTo(approval)}</span>
                  </span>
                </button>
              </li>
            ))}
          </ul>
          {!narrow && <section className="panel" aria-label="The decision"><div className="body scroll">{shown}</div></section>}
        </div>
      )}
    </div>
  );
}

function CurrentDecision({ approval, decided }: { approval: Approval; decided: () => void }) {
  const { api, world } = useSession();
  const task = useQuery({ queryKey: [world, "task", approval.task_id], queryFn: () => api.task(approval.task_id) });
  return (
    <div className="stack">
      {task.data && <p className="small faint clip">{title(task.data.prompt)}</p>}
      <Decision key={approval.id} approval={approval} workspaceId={task.data?.workspace_id ?? null} keys showTask decided={decided} />
    </div>
  );
}
