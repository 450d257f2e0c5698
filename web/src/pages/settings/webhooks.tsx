// Webhooks: where events are sent, and what became of each delivery.

import { useState } from "react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { Webhook } from "../../api/types";
import { useSession } from "../../session";
import { Ago, Bones, Button, Chip, Empty, Field, Panel, Trouble } from "../../ui/parts";
import { Dialog, useSay } from "../../ui/dialog";
import { useAction } from "../../ui/action";
import { ShownOnce } from "../../ui/once";
import { duration } from "../../ui/format";

const USUAL = ["task.complete", "task.failed", "approval.required"];

export function Webhooks() {
  const { api, world } = useSession();
  const queries = useQueryClient();
  const [making, setMaking] = useState(false);
  const [open, setOpen] = useState<string | null>(null);
  const list = useQuery({ queryKey: [world, "webhooks"], queryFn: () => api.webhooks() });
  const again = () => void queries.invalidateQueries({ queryKey: [world, "webhooks"] });
  const shown = list.data?.find((each) => each.id === open);
  return (
    <>
      <Panel title="Webhooks" flush tools={<Button small icon="plus" onClick={() => setMaking(true)}>New webhook</Button>}>
        {list.isLoadingError ? <Trouble error={list.error} /> : list.isPending ? <Bones /> : list.data.length === 0 ? (
          <Empty icon="hook" title="No webhooks">A webhook tells a server of yours what happens: signed, and tried again until it arrives.</Empty>
        ) : (
          <div className="lines">
            {list.data.map((each) => (
              <button type="button" key={each.id} className="line-row" onClick={() => setOpen(each.id)}>
                <span className="stack grow" style={{ gap: 0 }}><span className="clip">{each.url}</span><span className="small faint clip">{each.description ?? each.events.join(", ")}</span></span>
                {each.failing_since && each.status === "enabled" && <Chip tone="wait">failing</Chip>}
                <Chip tone={each.status === "enabled" ? "good" : "off"}>{each.status}</Chip>
              </button>
            ))}
          </div>
        )}
      </Panel>
      {making && <MakeWebhook close={() => { setMaking(false); again(); }} />}
      {shown && <One webhook={shown} again={again} close={() => setOpen(null)} />}
    </>
  );
}

function Secret({ secret, close }: { secret: string; close: () => void }) {
  return <ShownOnce title="The secret" text="Your server checks signatures with it. It is shown this once." value={secret} copy="Copy the secret" close={close} />;
}

function MakeWebhook({ close }: { close: () => void }) {
  const { api } = useSession();
  const [url, setUrl] = useState("https://");
  const [description, setDescription] = useState("");
  const [all, setAll] = useState(false);
  const [secret, setSecret] = useState<string | null>(null);
  const { busy, wrong, act } = useAction();
  const make = () => act(async () => setSecret((await api.createWebhook(url.trim(), all ? ["*"] : USUAL, description.trim())).secret));
  if (secret !== null) return <Secret secret={secret} close={close} />;
  return (
    <Dialog title="New webhook" close={close} foot={<><Button onClick={close}>Close</Button><Button tone="strong" disabled={busy} onClick={() => void make()}>{busy ? "Making it…" : "Make it"}</Button></>}>
      <div className="stack wide">
        <Field name="Address" wrong={wrong}>{(id) => <input id={id} className="input" type="url" autoFocus value={url} onChange={(event) => setUrl(event.target.value)} />}</Field>
        <Field name="What it is for">{(id) => <input id={id} className="input" value={description} onChange={(event) => setDescription(event.target.value)} />}</Field>
        <label className="check"><input type="checkbox" checked={all} onChange={(event) => setAll(event.target.checked)} /> All events <span className="faint">Otherwise: ended tasks, and decisions that wait.</span></label>
      </div>
    </Dialog>
  );
}

function One({ webhook, again, close }: { webhook: Webhook; again: () => void; close: () => void }) {
  const { api, world } = useSession();
  const queries = useQueryClient();
  const say = useSay();
  const [secret, setSecret] = useState<string | null>(null);
  const deliveries = useQuery({ queryKey: [world, "webhooks", webhook.id, "deliveries"], queryFn: () => api.deliveries(webhook.id) });
  const { busy, wrong, act } = useAction();
  const fresh = () => void queries.invalidateQueries({ queryKey: [world, "webhooks"] });
  const enabled = webhook.status === "enabled";
  const test = () => act(async () => {
    const came = await api.testWebhook(webhook.id);
    fresh();
    const answered = `It answered ${came.response_status ?? "nothing"}`;
    if (!came.ok) throw new Error(came.error ?? answered);
    say.say(`${answered} in ${duration(came.duration_ms)}`);
  });
  const turn = () => act(async () => {
    await api.setWebhook(webhook.id, enabled ? "disabled" : "enabled");
    again();
  });
  const renew = async () => {
    const sure = await say.sure("Make a new secret?", "Your server needs the new one within a day: until then messages are signed with both. A second new secret before that ends the one your server knows at once.", "Make a new secret");
    if (sure) await act(async () => setSecret((await api.rotateWebhook(webhook.id)).secret));
  };
  const remove = async () => {
    if (!(await say.sure("Delete this webhook?", "Nothing is sent there any more, and the list of its deliveries is gone.", "Delete", true))) return;
    if (await act(() => api.deleteWebhook(webhook.id))) {
      again();
      close();
    }
  };
  const repeat = (delivery: string) => act(async () => {
    await api.redeliver(webhook.id, delivery);
    fresh();
  });
  if (secret !== null) return <Secret secret={secret} close={() => setSecret(null)} />;
  return (
    <Dialog wide title={<span className="clip block">{webhook.url}</span>} close={close}>
      <div className="stack wide">
        {webhook.disabled_reason && <div className="note wait">{webhook.disabled_reason}</div>}
        <div className="row wrap">
          <Button small disabled={busy} onClick={() => void test()}>Send a test</Button>
          <Button small disabled={busy} onClick={() => void turn()}>{enabled ? "Disable" : "Enable"}</Button>
          <Button small disabled={busy} onClick={() => void renew()}>New secret</Button>
          <Button small tone="danger" disabled={busy} onClick={() => void remove()}>Delete</Button>
        </div>
        {wrong && <div className="note bad" role="alert">{wrong}</div>}
        <section className="stack" aria-label="Deliveries">
          <h3>Deliveries</h3>
          {deliveries.isPending ? <Bones /> : deliveries.isLoadingError ? <Trouble error={deliveries.error} /> : deliveries.data.deliveries.length === 0 ? <p className="quiet">None yet.</p> : (
            <div className="framed table-frame"><table className="data tight"><tbody>
              {deliveries.data.deliveries.map((each) => (
                <tr key={each.id}>
                  <td><Chip tone={each.status === "delivered" ? "good" : each.status === "failed" ? "bad" : "work"}>{each.status}</Chip></td>
                  <td><code>{each.type}</code></td>
                  <td className="small quiet">{each.error ?? (each.response_status === null ? "" : `answered ${each.response_status}`)}</td>
                  <td className="small faint"><Ago at={each.created_at} /></td>
                  <td className="end"><Button small tone="plain" disabled={busy} onClick={() => void repeat(each.id)}>Send again</Button></td>
                </tr>
              ))}
            </tbody></table></div>
          )}
        </section>
      </div>
    </Dialog>
  );
}
