// The inbox: the decisions that wait, oldest first, with the one that is looked at beside it. The keyboard does it all.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { useQuery } from "@tanstack/react-query";
import type { Approval } from "../api/types";
import { usePending } from "../live/queries";
import { useSession } from "../session";
import { go, to, useRoute } from "../route";
import { Ago, Bones, Button, Empty, Stale, Trouble } from "../ui/parts";
import { RiskChip } from "../ui/status";
import { useShortcuts } from "../ui/shortcuts";
import { title } from "../ui/format";
import { asksTo } from "../live/describe";
import { Decision } from "./decision";
import { useNarrow } from "../ui/narrow";

/** The decisions that wait, and the one that is looked at: it stays until somebody moves on, whatever becomes of it. */
function useLooked(asked: string | null, pickFirst: boolean) {
  const pending = usePending();
  const [answered, setAnswered] = useState<ReadonlySet<string>>(new Set());
  const [looked, setLooked] = useState<Approval | null>(null);
  const approvals = useMemo(() => [...(pending.data?.approvals ?? [])].reverse().filter((each) => !answered.has(each.id)), [pending.data, answered]);
  const found = asked === null ? undefined : approvals.find((each) => each.id === asked);
  useEffect(() => {
    if (found) setLooked(found);
  // eslint-disable-next-line react-hooks/exhaustive-deps -- what the address asks for is taken up once, as soon as it is there
  }, [asked, found?.id]);
  // Who asked for one is not shown another in its place.
  const lost = asked !== null && pending.isSuccess && !found && looked === null;
  useEffect(() => {
    if (looked === null && asked === null && pickFirst && approvals[0]) setLooked(approvals[0]);
  }, [looked, asked, pickFirst, approvals]);
  /** What is looked at, and what waits beside it, by the time that an answer has come. */
  const latest = useRef<{ looked: Approval | null; approvals: Approval[] } | null>(null);
  useLayoutEffect(() => {
    latest.current = { looked, approvals };
    return () => { latest.current = null; };
  });
  const at = looked === null ? -1 : approvals.findIndex((each) => each.id === looked.id);
  // The list is the newest of all that wait: beyond them, not being in it says nothing.
  const whole = (pending.data?.approvals.length ?? 0) >= (pending.data?.total ?? 0);
  return {
    pending, approvals, at, lost, current: looked && (approvals[at] ?? looked), gone: looked !== null && at < 0 && whole, look: setLooked,
    /**
     * It is answered. What is looked at from then on is given back; none where somebody has gone on meanwhile, who is left
     * alone: what they write there is meant for what they see.
     */
    answer: (approval: Approval): { next: Approval | null } | null => {
      const now = latest.current;
      if (now === null) return null;
      setAnswered((all) => new Set(all).add(approval.id));
      if (now.looked?.id !== approval.id) return null;
      const place = now.approvals.findIndex((each) => each.id === approval.id);
      const next = place < 0 ? (now.approvals[0] ?? null) : (now.approvals[place + 1] ?? now.approvals[place - 1] ?? null);
      setLooked(next);
      return { next };
    },
  };
}

export default function Inbox() {
  const route = useRoute();
  const narrow = useNarrow();
  const asked = route.query.get("approval");
  const { pending, approvals, at, lost, current: looked, gone, look, answer } = useLooked(asked, !narrow);
  const list = useRef<HTMLUListElement>(null);
  /** Whether somebody has just answered: then they are taken to what comes next. */
  const [began, setBegan] = useState(false);
  // On a phone a decision is a place of its own, which the way back leaves.
  const current = narrow && asked === null ? null : looked;
  const open = (approval: Approval) => {
    setBegan(false);
    look(approval);
    if (narrow) go(`${to("inbox")}?approval=${approval.id}`);
  };
  const move = (by: number, focus: boolean) => {
    const next = approvals[Math.max(0, Math.min(approvals.length - 1, at + by))];
    if (!next) return;
    setBegan(false);
    look(next);
    const row = list.current?.querySelector<HTMLElement>(`[data-approval="${next.id}"]`);
    if (focus) row?.focus();
    row?.scrollIntoView({ block: "nearest" });
  };
  useShortcuts({ j: () => move(1, false), k: () => move(-1, false) }, "again");
  const decided = (approval: Approval) => {
    const moved = answer(approval);
    if (moved === null) return;
    setBegan(true);
    // The address asks for what is looked at, or for none.
    if (narrow || asked !== null) history.replaceState(null, "", narrow && moved.next ? `${to("inbox")}?approval=${moved.next.id}` : to("inbox"));
  };
  const close = () => {
    look(null);
    go(to("inbox"));
  };

  if (pending.isLoadingError) return <div className="page"><h1>Inbox</h1><Trouble error={pending.error} again={() => void pending.refetch()} /></div>;
  if (pending.isPending) return <div className="page"><h1>Inbox</h1><div className="panel"><Bones /></div></div>;
  if (approvals.length === 0 && current === null && !lost) return <Nothing />;
  const total = Math.max(approvals.length, pending.data.total);
  const shown = lost ? <Lost first={approvals[0]} open={(approval) => { go(to("inbox")); open(approval); }} /> : current && (
    <>
      <CurrentDecision approval={current} gone={gone} arrive={began} decided={() => decided(current)} />
      {gone && <div><Button icon={narrow ? "left" : "right"} onClick={() => { setBegan(true); if (narrow) close(); else look(approvals[0] ?? null); }}>{narrow ? "All decisions" : approvals.length > 0 ? "Go on to the next" : "Close"}</Button></div>}
    </>
  );
  return (
    <div className="page fill">
      <div className="page-head"><h1>Inbox</h1><span className="faint number">{total}</span><div className="grow" /><Stale query={pending} /></div>
      {narrow && (current || lost) ? (
        <div className="stack wide"><div><Button small icon="left" onClick={close}>All</Button></div><div className="panel"><div className="body stack">{shown}</div></div></div>
      ) : (
        <div className="inbox">
          <ul
            className="panel lines scroll" ref={list} aria-label="Decisions"
            onKeyDown={(event) => {
              const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
              if (by === 0) return;
              event.preventDefault();
              move(by, true);
            }}
          >
            {approvals.map((approval) => <Row key={approval.id} approval={approval} chosen={approval.id === current?.id} choose={() => open(approval)} />)}
            {total > approvals.length && <li className="small faint more-wait">{total - approvals.length} older ones come when these are answered.</li>}
          </ul>
          {!narrow && <section className="panel" aria-label="The decision"><div className="body scroll stack">{shown}</div></section>}
        </div>
      )}
    </div>
  );
}

function Row({ approval, chosen, choose }: { approval: Approval; chosen: boolean; choose: () => void }) {
  return (
    <li>
      <button type="button" className={`line-row ask ${chosen ? "chosen" : ""}`} data-approval={approval.id} aria-current={chosen} onClick={choose}>
        <span className="stack grow" style={{ gap: 4 }}>
          <span className="row"><RiskChip risk={approval.risk} /><span className="grow" /><span className="small faint"><Ago at={approval.created_at} /></span></span>
          <span className="clamp">{asksTo(approval)}</span>
        </span>
      </button>
    </li>
  );
}

/** A link to a decision that waits no more. */
function Lost({ first, open }: { first: Approval | undefined; open: (approval: Approval) => void }) {
  return (
    <Empty icon="inbox" title="This waits no more" tools={first ? <Button onClick={() => open(first)}>Go on to the next</Button> : <Button onClick={() => go(to("inbox"))}>Close</Button>}>
      It was answered elsewhere, was withdrawn, or nobody answered in time.
    </Empty>
  );
}

function Nothing() {
  return (
    <div className="page">
      <h1>Inbox</h1>
      <div className="panel">
        <Empty icon="inbox" title="Nothing waits for you">
          When an agent wants to do something that you should decide, it stops and asks here. How much it asks is set by a task's dial: at 50 it
          asks before what is risky, such as sending an e-mail.
        </Empty>
      </div>
    </div>
  );
}

function CurrentDecision({ approval, gone, arrive, decided }: { approval: Approval; gone: boolean; arrive: boolean; decided: () => void }) {
  const { api, world } = useSession();
  const task = useQuery({ queryKey: [world, "task", approval.task_id], queryFn: () => api.task(approval.task_id) });
  return (
    <div className="stack">
      {task.data && <p className="small faint clip">{title(task.data.prompt)}</p>}
      {task.isPending ? <Bones /> : (
        <Decision key={approval.id} approval={approval} workspaceId={task.data?.workspace_id ?? null} keys showTask gone={gone} arrive={arrive} decided={decided} />
      )}
    </div>
  );
}
