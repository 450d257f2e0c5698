// A decision: what an agent asks to do, exactly, and the three answers: approve, reject with a reason, edit and approve.

import { useEffect, useState } from "react";
import { useQueryClient } from "@tanstack/react-query";
import type { Approval } from "../api/types";
import { told } from "../api/api";
import { useSession } from "../session";
import { to } from "../route";
import { Ago, Button, Field } from "../ui/parts";
import { Dialog, useSay } from "../ui/dialog";
import { RiskChip } from "../ui/status";
import { useShortcuts } from "../ui/shortcuts";
import { Icon } from "../ui/icons";
import { asksTo, toolName } from "../live/describe";
import { Arguments } from "./arguments";
import { EditInput, readInput, type Draft, draftOf } from "./edit-input";

type Mode = "look" | "reject" | "edit";

interface DecisionProps {
  approval: Approval;
  workspaceId: string | null;
  /** Whether the page's single keys mean this decision. */
  keys: boolean;
  showTask?: boolean;
  decided: () => void;
}

export function Decision({ approval, workspaceId, keys, showTask, decided }: DecisionProps) {
  const { api, world } = useSession();
  const queries = useQueryClient();
  const say = useSay();
  const [mode, setMode] = useState<Mode>("look");
  const [reason, setReason] = useState("");
  const [draft, setDraft] = useState<Draft>(() => draftOf(approval.input));
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState<string | null>(null);
  const open = approval.status === "pending";
  useEffect(() => {
    setMode("look");
    setReason("");
    setDraft(draftOf(approval.input));
    setWrong(null);
    setBusy(false);
  }, [approval.id, approval.input]);

  const answer = async (call: () => Promise<unknown>, done: string) => {
    if (busy) return;
    setBusy(true);
    setWrong(null);
    try {
      await call();
      say.say(done);
      void queries.invalidateQueries({ queryKey: [world, "approvals"] });
      decided();
    } catch (error) {
      setWrong(told(error));
      setBusy(false);
      // Somebody else may have been quicker.
      void queries.invalidateQueries({ queryKey: [world, "approvals"] });
    }
  };
  const approve = () => void answer(() => api.approve(approval), "Approved");
  const reject = () => void answer(() => api.reject(approval, reason.trim()), "Rejected");
  const edited = readInput(draft);
  const approveEdited = () => {
    const { input } = edited;
    if (input) void answer(() => api.approve(approval, input), "Approved as you changed it");
  };
  useShortcuts(keys && open && mode === "look" ? { a: approve, r: () => setMode("reject"), e: () => setMode("edit") } : {});

  return (
    <div className="decision stack wide">
      <div className="stack">
        <div className="row wrap">
          <RiskChip risk={approval.risk} />
          <span className="small quiet" title={approval.tool}>{capital(toolName(approval.tool))}</span>
          <span className="small faint">asked <Ago at={approval.created_at} /></span>
          {approval.expires_at && open && <span className="small faint">counts as rejected <Ago at={approval.expires_at} /></span>}
          {showTask && <a className="small" href={to("task", approval.task_id)}>Open the task</a>}
        </div>
        <p className="lead">{asksTo(approval)}</p>
        {approval.asked === "may_have_happened" && (
          <div className="note wait"><Icon name="alert" /><span>This may have happened already: it was begun {approval.attempts ?? 1} time{(approval.attempts ?? 1) === 1 ? "" : "s"} and its end was not seen. Approve to do it once more.</span></div>
        )}
      </div>
      {mode === "edit"
        ? <EditInput draft={draft} change={setDraft} problems={edited.problems} />
        : <Arguments tool={approval.tool} input={approval.input} workspaceId={workspaceId} />}
      {mode === "reject" && (
        <Field name="Reason" hint="The agent reads it and goes on without this step.">
          {(id) => (
            <textarea
              id={id} className="input" rows={2} autoFocus value={reason} placeholder="Not yet: ask me again when the numbers are checked."
              onChange={(event) => setReason(event.target.value)}
              onKeyDown={(event) => {
                if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) reject();
                if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); setMode("look"); }
              }}
            />
          )}
        </Field>
      )}
      {wrong && <div className="note bad" role="alert"><Icon name="alert" /><span>{wrong}</span></div>}
      {!open ? <p className="quiet">{settled(approval)}</p> : (
        <div className="row wrap answers">
          {mode === "look" && <>
            <Button tone="strong" icon="check" disabled={busy} onClick={approve}>Approve {keys && <kbd>a</kbd>}</Button>
            <Button icon="close" disabled={busy} onClick={() => setMode("reject")}>Reject {keys && <kbd>r</kbd>}</Button>
            <Button tone="plain" icon="edit" disabled={busy} onClick={() => setMode("edit")}>Edit {keys && <kbd>e</kbd>}</Button>
          </>}
          {mode === "reject" && <>
            <Button tone="danger" icon="close" disabled={busy} onClick={reject}>Reject{reason.trim() === "" ? " without a reason" : ""}</Button>
            <Button tone="plain" onClick={() => setMode("look")}>Back</Button>
          </>}
          {mode === "edit" && <>
            <Button tone="strong" icon="check" disabled={busy || !edited.input} onClick={approveEdited}>Approve this</Button>
            <Button tone="plain" onClick={() => { setDraft(draftOf(approval.input)); setMode("look"); }}>Back</Button>
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
    <Dialog wide title="Your decision" close={close}>
      <Decision approval={approval} workspaceId={workspaceId} keys={false} decided={close} />
    </Dialog>
  );
}
