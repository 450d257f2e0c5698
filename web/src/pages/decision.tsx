// A decision: what an agent asks to do, exactly, and the three answers: approve, reject with a reason, edit and approve.

import { useCallback, useEffect, useRef, useState } from "react";
import { useQueryClient } from "@tanstack/react-query";
import type { Approval } from "../api/types";
import { told } from "../api/api";
import { useSession } from "../session";
import { to } from "../route";
import { Ago, Button, Field } from "../ui/parts";
import { Dialog, useSay } from "../ui/dialog";
import { RiskChip } from "../ui/status";
import { useShortcuts } from "../ui/shortcuts";
import { Unseen, useUnseen } from "../ui/unseen";
import { Icon } from "../ui/icons";
import { asksTo, toolName } from "../live/describe";
import { Arguments, hasRoundedNumber } from "./arguments";
import { answerOf, forgetAnswer, keepAnswer, type Answer } from "./drafts";
import { draftOf, EditInput, readInput } from "./edit-input";

/** A decision that came into view is not answered for so long (ms): the key or the click may have been meant for the one before. */
const UNSEEN_MS = 600;

interface DecisionProps {
  approval: Approval;
  workspaceId: string | null;
  /** Whether the page's single keys mean this decision. */
  keys: boolean;
  showTask?: boolean;
  /** It waits no more, though nobody answered it here. */
  gone?: boolean;
  /** Whether the reader is taken to it when it comes into view. */
  arrive?: boolean;
  decided: () => void;
}

/** Whether it has been in view, whole, for long enough to be answered. */
function useSeen(approval: string): { seen: boolean; drawn: () => void } {
  const [isDrawn, setDrawn] = useState(false);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    if (!isDrawn) return;
    const timer = setTimeout(() => setSeen(true), UNSEEN_MS);
    return () => clearTimeout(timer);
  }, [isDrawn, approval]);
  return { seen, drawn: useCallback(() => setDrawn(true), []) };
}

/** One decision. It is made anew for each: give it the approval's id as its key. */
export function Decision({ approval, workspaceId, keys, showTask, gone, arrive, decided }: DecisionProps) {
  const { api, world } = useSession();
  const queries = useQueryClient();
  const say = useSay();
  const [answer, setAnswer] = useState<Answer>(() => answerOf(approval.id));
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState<string | null>(null);
  const { seen, drawn } = useSeen(approval.id);
  const { unseen, tell } = useUnseen();
  /** Whether the answer was begun just now; one that was begun before waits without taking the focus. */
  const [entered, setEntered] = useState(false);
  const heading = useRef<HTMLHeadingElement>(null);
  const { mode, reason } = answer;
  const input = answer.input ?? draftOf(approval.input);
  const rounded = hasRoundedNumber(approval.input);
  const editable = !rounded && draftOf(approval.input).length > 0;
  const open = approval.status === "pending" && !gone;
  // Who has begun an answer here has looked here.
  const ready = open && !busy && (seen || (entered && mode !== "look"));
  const change = (part: Partial<Answer>) => {
    const next = { ...answer, ...part };
    keepAnswer(approval.id, next);
    setAnswer(next);
    if (part.mode !== undefined) setEntered(true);
  };
  useEffect(() => {
    // The fields hold the arguments, all of them.
    if (mode === "edit") drawn();
  }, [mode, drawn]);
  useEffect(() => {
    if (arrive) heading.current?.focus();
  // eslint-disable-next-line react-hooks/exhaustive-deps -- when it comes into view, and never while somebody writes in it
  }, []);

  const send = async (call: () => Promise<unknown>, done: string) => {
    if (!ready) return;
    setBusy(true);
    setWrong(null);
    try {
      await call();
      forgetAnswer(approval.id);
      say.say(done);
      decided();
    } catch (error) {
      setWrong(told(error));
      setBusy(false);
    }
    // Also where it failed: somebody else may have been quicker.
    void queries.invalidateQueries({ queryKey: [world, "approvals"] });
  };
  // What was never on the page is approved by nobody.
  const whole = unseen === 0;
  const approve = () => whole && void send(() => api.approve(approval), "Approved");
  const reject = () => void send(() => api.reject(approval, reason.trim()), "Rejected");
  const edited = readInput(input);
  const approveEdited = () => {
    const changed = edited.input;
    if (changed) void send(() => api.approve(approval, changed), "Approved as you changed it");
  };
  // Beginning an answer is no answer: who presses `r` and writes on at once writes into the field.
  useShortcuts(keys && open && !busy && mode === "look"
    ? { ...(seen && whole ? { a: approve } : {}), r: () => change({ mode: "reject" }), ...(!editable ? {} : { e: () => change({ mode: "edit" }) }) }
    : {});

  return (
    <div className="decision stack wide" data-seen={seen}>
      <div className="stack">
        <div className="row wrap">
          <RiskChip risk={approval.risk} />
          <span className="small quiet" title={approval.tool}>{capital(toolName(approval.tool))}</span>
          <span className="small faint">asked <Ago at={approval.created_at} /></span>
          {approval.expires_at && open && <span className="small faint">without an answer it counts as rejected <Ago at={approval.expires_at} /></span>}
          {showTask && <a className="small" href={to("task", approval.task_id)}>Open the task</a>}
        </div>
        <h2 className="lead" ref={heading} tabIndex={-1}>{asksTo(approval)}</h2>
        {approval.asked === "may_have_happened" && (
          <div className="note wait"><Icon name="alert" /><span>This may have happened already: it was begun {approval.attempts ?? 1} time{(approval.attempts ?? 1) === 1 ? "" : "s"} and its end was not seen. Approve to do it once more.</span></div>
        )}
        {rounded && <div className="note wait"><Icon name="alert" /><span>A number in it is larger than a browser can show exactly: its last digits may be others. It cannot be changed here.</span></div>}
      </div>
      {mode === "edit"
        ? <EditInput draft={input} change={(draft) => change({ input: draft })} problems={edited.problems} focus={entered} />
        : <Unseen value={tell}><Arguments tool={approval.tool} input={approval.input} workspaceId={workspaceId} call={approval.id} drawn={drawn} /></Unseen>}
      {mode === "reject" && (
        <Field name="Reason" hint="The agent reads it and goes on without this step.">
          {(id) => (
            <textarea
              id={id} className="input" rows={2} autoFocus={entered} value={reason} placeholder="Not yet: ask me again when the numbers are checked."
              onChange={(event) => change({ reason: event.target.value })}
              onKeyDown={(event) => {
                if (event.key === "Enter" && (event.metaKey || event.ctrlKey) && !event.repeat) reject();
                if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); change({ mode: "look" }); }
              }}
            />
          )}
        </Field>
      )}
      {wrong && <div className="note bad" role="alert"><Icon name="alert" /><span>{wrong}</span></div>}
      {open && mode === "look" && !whole && <p className="small quiet">It is longer than what is shown. Show the rest of it to approve it.</p>}
      {!open ? <p className="quiet" role="status">{gone && approval.status === "pending" ? "This waits no more: it was answered elsewhere, was withdrawn, or nobody answered in time." : settled(approval)}</p> : (
        <div className="row wrap answers">
          {mode === "look" && <>
            <Button tone="strong" icon="check" disabled={!ready || !whole} onClick={approve}>Approve {keys && <kbd>a</kbd>}</Button>
            <Button icon="close" disabled={busy} onClick={() => change({ mode: "reject" })}>Reject {keys && <kbd>r</kbd>}</Button>
            <Button tone="plain" icon="edit" disabled={busy || !editable} onClick={() => change({ mode: "edit" })}>Edit {keys && <kbd>e</kbd>}</Button>
          </>}
          {mode === "reject" && <>
            <Button tone="danger" icon="close" disabled={!ready} onClick={reject}>Reject{reason.trim() === "" ? " without a reason" : ""}</Button>
            <Button tone="plain" onClick={() => change({ mode: "look" })}>Back</Button>
          </>}
          {mode === "edit" && <>
            <Button tone="strong" icon="check" disabled={!ready || !edited.input} onClick={approveEdited}>Approve this</Button>
            <Button tone="plain" onClick={() => change({ mode: "look", input: null })}>Back</Button>
          </>}
        </div>
      )}
    </div>
  );
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function settled(approval: Approval): string {
  switch (approval.status) {
    case "approved": return "This was approved.";
    case "rejected": return approval.reason ? `This was rejected: ${approval.reason}` : "This was rejected.";
    case "expired": return "Nobody answered in time; it counts as rejected.";
    default: return "The question was withdrawn.";
  }
}

export function DecisionDialog({ approval, workspaceId, close }: { approval: Approval; workspaceId: string | null; close: () => void }) {
  return (
    <Dialog wide keeps title="Your decision" close={close}>
      <Decision key={approval.id} approval={approval} workspaceId={workspaceId} keys={false} decided={close} />
    </Dialog>
  );
}
