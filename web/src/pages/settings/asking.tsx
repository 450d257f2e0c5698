// When agents ask, for the whole account: from which setting of the dial each risk runs by itself.

import { useEffect, useState } from "react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { ApprovalPolicy, Risk } from "../../api/types";
import { told } from "../../api/api";
import { useSession } from "../../session";
import { Bones, Button, Field, Panel, Trouble } from "../../ui/parts";
import { useSay } from "../../ui/dialog";
import { RISKS } from "../../live/fold";

const EXAMPLES: Record<Risk, string> = {
  low: "reading files and pages, searching", medium: "writing files, running programs", high: "e-mails, posts, orders", critical: "deploying",
};
const NEVER = 101;

export function Asking() {
  const { api, world } = useSession();
  const queries = useQueryClient();
  const say = useSay();
  const policy = useQuery({ queryKey: [world, "policy"], queryFn: () => api.policy() });
  const [draft, setDraft] = useState<ApprovalPolicy | null>(null);
  useEffect(() => {
    if (policy.data) setDraft(policy.data);
  }, [policy.data]);
  const save = () => draft && api.setPolicy(draft).then(
    (kept) => { queries.setQueryData([world, "policy"], kept); say.say("It holds from the next decision on"); },
    (error: unknown) => say.trouble(new Error(told(error))),
  );
  if (policy.isError) return <Trouble error={policy.error} />;
  if (!draft) return <div className="panel"><Bones /></div>;
  const tools = Object.entries(draft.tools);
  return (
    <Panel title="When agents ask" tools={<Button small tone="strong" onClick={() => void save()}>Save</Button>}>
      <div className="stack wide">
        <p className="quiet">Each task has a dial from 0 to 100. An action runs without asking when the dial is at least at the number of its risk.</p>
        {RISKS.map((risk) => (
          <Field key={risk} name={`${risk.charAt(0).toUpperCase()}${risk.slice(1)} risk: ${draft[risk] >= NEVER ? "always asks" : `asks below ${draft[risk]}`}`} hint={EXAMPLES[risk]}>
            {(id) => <input id={id} type="range" min={0} max={NEVER} value={draft[risk]} onChange={(event) => setDraft({ ...draft, [risk]: Number(event.target.value) })} />}
          </Field>
        ))}
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
