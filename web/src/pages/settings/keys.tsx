// API keys: made with no more than is needed, shown once, revoked at once.

import { useState } from "react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { CreateApiKey } from "@miteos/sdk";
import type { ApiKey } from "../../api/types";
import { told } from "../../api/api";
import { useSession } from "../../session";
import { Ago, Bones, Button, Chip, Empty, Field, Panel, Segments, Trouble } from "../../ui/parts";
import { Dialog, useSay } from "../../ui/dialog";
import { useAction } from "../../ui/action";
import { ShownOnce } from "../../ui/once";
import { expiries, ownKey, usualExpiry } from "./expiry";

type Scope = CreateApiKey["scopes"][number];
/** What a key may do, in words: what is seen with it, and what is changed. */
const GROUPS: { name: string; see: Scope; change: Scope | null }[] = [
  { name: "Tasks and their files", see: "tasks.read", change: "tasks.write" },
  { name: "Agents, events and decisions", see: "agents.read", change: "agents.write" },
  { name: "Workspaces", see: "workspaces.read", change: "workspaces.write" },
  { name: "Deployments and accounts", see: "deployments.read", change: "deployments.write" },
  { name: "Webhooks", see: "webhooks.read", change: "webhooks.write" },
  { name: "Skills", see: "skills.read", change: "skills.write" },
  { name: "API keys", see: "keys.read", change: "keys.write" },
  { name: "Usage and cost", see: "usage.read", change: null },
];

function inWords(scopes: readonly string[]): string {
  if (scopes.includes("*")) return "everything";
  const may = GROUPS.flatMap((group) => {
    const name = group.name.toLowerCase();
    if (group.change !== null && scopes.includes(group.change)) return [`change ${name}`];
    return scopes.includes(group.see) ? [`see ${name}`] : [];
  });
  return may.length > 2 ? `${may.slice(0, 2).join(", ")} and ${may.length - 2} more` : may.join(", ");
}

export function Keys() {
  const session = useSession();
  const { api, world } = session;
  const queries = useQueryClient();
  const say = useSay();
  const [making, setMaking] = useState(false);
  const list = useQuery({ queryKey: [world, "keys"], queryFn: () => api.keys() });
  const again = () => void queries.invalidateQueries({ queryKey: [world, "keys"] });
  const mine = ownKey(list.data ?? [], session.key);
  const revoke = async (key: ApiKey) => {
    if (!(await say.sure(`Revoke “${key.name}”?`, key.id === mine?.id ? "It is the key that you are signed in with: this page is closed to you with it." : "Whatever uses this key is locked out at once. This cannot be undone.", "Revoke", true))) return;
    await api.of(api.revokeKey(key.id)).then(again, (error: unknown) => say.trouble(new Error(told(error))));
  };
  return (
    <>
      <Panel title="API keys" flush tools={<Button small icon="plus" onClick={() => setMaking(true)}>New key</Button>}>
        {list.isLoadingError ? <Trouble error={list.error} /> : list.isPending ? <Bones /> : list.data.length === 0 ? <Empty icon="key" title="No keys" /> : (
          <div className="table-frame">
            <table className="data">
              <thead><tr><th>Name</th><th>World</th><th>May</th><th>Last used</th><th>Expires</th><th><span className="only-read">Revoke</span></th></tr></thead>
              <tbody>
                {list.data.map((key) => (
                  <tr key={key.id}>
                    <td><div className="stack" style={{ gap: 0 }}><span>{key.name}{key.id === mine?.id && <> <Chip tone="good">this browser</Chip></>}</span><code className="faint">{key.prefix}…</code></div></td>
                    <td><Chip tone={key.environment === "live" ? "work" : "off"}>{key.environment}</Chip></td>
                    <td className="small quiet" title={key.scopes.join(", ")}>{inWords(key.scopes)}</td>
                    <td className="small quiet">{key.last_used_at ? <Ago at={key.last_used_at} /> : "never"}</td>
                    <td className="small quiet">{key.expires_at ? <Ago at={key.expires_at} /> : "never"}</td>
                    <td className="end"><Button small tone="plain" icon="trash" label={`Revoke ${key.name}`} onClick={() => void revoke(key)} /></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Panel>
      {making && list.data && <MakeKey mine={mine} close={() => { setMaking(false); again(); }} />}
    </>
  );
}

function MakeKey({ mine, close }: { mine: ApiKey | undefined; close: () => void }) {
  const { api, worlds } = useSession();
  const [name, setName] = useState("");
  const [environment, setEnvironment] = useState<"live" | "test">(worlds.includes("live") ? "live" : "test");
  const [all, setAll] = useState(false);
  const [scopes, setScopes] = useState<Scope[]>(["tasks.read", "tasks.write", "agents.read"]);
  const [choices] = useState(() => expiries(mine?.expires_at ?? null, Date.now()));
  const [lasts, setLasts] = useState(() => usualExpiry(choices));
  const [made, setMade] = useState<string | null>(null);
  const { busy, wrong, act } = useAction();
  const make = () => act(async () => {
    const key = await api.createKey({
      name: name.trim(), environment, scopes: all ? ["*"] : scopes, tier: mine?.tier ?? "free",
      expires_at: choices.find((each) => each.id === lasts)?.at(Date.now()) ?? null,
    });
    setMade(key.key);
  });
  if (made !== null) {
    return <ShownOnce title="Your new key" text="Copy it now: it is shown this once." value={made} copy="Copy the key" close={close} />;
  }
  return (
    <Dialog title="New key" close={close} foot={<><Button onClick={close}>Close</Button><Button tone="strong" disabled={busy || name.trim() === "" || (!all && scopes.length === 0)} onClick={() => void make()}>{busy ? "Making it…" : "Make it"}</Button></>}>
      <div className="stack wide">
        <Field name="Name" hint="What it is for." wrong={wrong}>{(id) => <input id={id} className="input" autoFocus value={name} onChange={(event) => setName(event.target.value)} />}</Field>
        <div className="row wrap between">
          <Segments name="World" value={environment} choose={setEnvironment} choices={worlds.includes("live") ? [{ id: "live", name: "Live" }, { id: "test", name: "Test" }] : [{ id: "test", name: "Test" }]} />
          <label className="row small">Ends <select className="input" style={{ width: 150 }} value={lasts} onChange={(event) => setLasts(event.target.value)}>{choices.map((each) => <option key={each.id} value={each.id}>{each.name}</option>)}</select></label>
        </div>
        {mine?.expires_at && <p className="small faint">You are signed in with a key that ends <Ago at={mine.expires_at} />, and no key makes one that lasts longer. For one that does, sign in with the server's own key, from <code>keys.json</code> in its data folder.</p>}
        <label className="check"><input type="checkbox" checked={all} onChange={(event) => setAll(event.target.checked)} /> May do everything</label>
        {!all && (
          <table className="data tight framed"><caption className="only-read">What the key may do</caption>
            <thead><tr><th scope="col">With it one may</th><th scope="col">see</th><th scope="col">change</th></tr></thead>
            <tbody>
              {GROUPS.map((group) => (
                <tr key={group.see}>
                  <th scope="row">{group.name}</th>
                  {[group.see, group.change].map((scope, at) => (
                    <td key={at}>
                      {scope && <input type="checkbox" title={scope} aria-label={`${at === 0 ? "See" : "Change"}: ${group.name}`} checked={scopes.includes(scope)} onChange={(event) => setScopes(event.target.checked ? [...scopes, scope] : scopes.filter((each) => each !== scope))} />}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </div>
    </Dialog>
  );
}
