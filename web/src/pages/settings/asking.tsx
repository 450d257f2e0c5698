// When agents ask, for the whole account: from which setting of the dial each risk runs by itself.

import { useState } from "react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { ApprovalPolicy, Risk } from "../../api/types";
import { useSession } from "../../session";
import { Bones, Button, Field, Panel, Segments, Trouble } from "../../ui/parts";
import { useSay } from "../../ui/dialog";
import { useAction } from "../../ui/action";
import { RISKS } from "../../live/fold";

const EXAMPLES: Record<Risk, string> = {
  low: "reading files and pages, searching", medium: "writing files, running programs", high: "e-mails, posts, orders", critical: "deploying",
};
/** Above the dial's end: it always asks. */
const ALWAYS = 101;
/** A threshold may be raised and not lowered: these are where each begins. */
const LEAST: Record<Risk, number> = { low: 20, medium: 50, high: 100, critical: 100 };

export function Asking() {
  const { api, world } = useSession();
  const queries = useQueryClient();
  const say = useSay();
  const policy = useQuery({ queryKey: [world, "policy"], queryFn: () => api.policy() });
  /** What was changed here and is not stored; none while nothing was. */
  const [changed, setChanged] = useState<ApprovalPolicy | null>(null);
  const { busy, wrong, act } = useAction();
  const save = (next: ApprovalPolicy) => act(async () => {
    const kept = await api.setPolicy(next);
    queries.setQueryData([world, "policy"], kept);
    setChanged(null);
    say.say("Stored. Tasks that are started from now on ask like this");
  });
  if (policy.isLoadingError) return <Trouble error={policy.error} again={() => void policy.refetch()} />;
  const draft = changed ?? policy.data;
  if (!draft) return <div className="panel"><Bones /></div>;
  const setDraft = setChanged;
  const tools = Object.entries(draft.tools);
  return (
    <Panel title="When agents ask" tools={<Button small tone="strong" disabled={busy || changed === null} onClick={() => changed && void save(changed)}>{busy ? "Storing…" : "Save"}</Button>}>
      <div className="stack wide">
        <p className="quiet">Each task has a dial from 0 to 100. An action runs without asking when the dial is at least at the number of its risk. You can make agents ask more than they would; not less.</p>
        <div className="note">What you set here holds for tasks that are started from now on. A task that is there already keeps what it began with: to make it ask more, turn its own dial down.</div>
        {wrong && <div className="note bad" role="alert">{wrong}</div>}
        {RISKS.map((risk) => <Threshold key={risk} risk={risk} value={draft[risk]} change={(value) => setDraft({ ...draft, [risk]: value })} />)}
        {tools.length > 0 && (
          <section className="stack" aria-label="Single tools">
            <h3>Single tools</h3>
            {tools.map(([tool, rule]) => (
              <div className="row between" key={tool}><code>{tool}</code><span className="row small quiet">{rule === "always" ? "always asks" : "never asks"}
                <Button small tone="plain" icon="close" label={`Remove the rule for ${tool}`} onClick={() => setDraft({ ...draft, tools: Object.fromEntries(tools.filter(([name]) => name !== tool)) as ApprovalPolicy["tools"] })} /></span></div>
            ))}
          </section>
        )}
      </div>
    </Panel>
  );
}

function Threshold({ risk, value, change }: { risk: Risk; value: number; change: (value: number) => void }) {
  const name = `${risk.charAt(0).toUpperCase()}${risk.slice(1)} risk`;
  const says = value >= ALWAYS ? "always asks" : value >= 100 ? "asks unless the dial is at 100" : `asks below ${value}`;
  // At the dial's end there are two answers, and nothing between them to slide to.
  if (LEAST[risk] >= 100) {
    return (
      <div className="field">
        <span className="name">{name}: {says}</span>
        <div><Segments name={name} value={value >= ALWAYS ? "always" : "usual"} choose={(chosen) => change(chosen === "always" ? ALWAYS : LEAST[risk])} choices={[{ id: "usual", name: "Asks unless the dial is at 100" }, { id: "always", name: "Always asks" }]} /></div>
        <span className="hint">{EXAMPLES[risk]}</span>
      </div>
    );
  }
  return (
    <Field name={`${name}: ${says}`} hint={EXAMPLES[risk]}>
      {(id) => <input id={id} type="range" min={LEAST[risk]} max={ALWAYS} value={value} onChange={(event) => change(Number(event.target.value))} />}
    </Field>
  );
}
