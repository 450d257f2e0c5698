// Accounts to deploy to. What opens them is sent once, is kept by the server under its own key, and never comes back.

import { useState } from "react";
import { useQueryClient } from "@tanstack/react-query";
import type { DeployConfig } from "../../api/types";
import { told } from "../../api/api";
import { useSession } from "../../session";
import { Ago, Bones, Button, Chip, Empty, Field, Panel, Trouble } from "../../ui/parts";
import { Dialog, useSay } from "../../ui/dialog";
import { Icon } from "../../ui/icons";
import { useDeployConfigs } from "../deployments/queries";
import { targetName } from "../deployments/words";
import { answersOf, HOSTS, isAboutBuild, isComplete, settingsOf, type Answers, type HostField } from "./hosts";

export function Accounts() {
  const { world } = useSession();
  const queries = useQueryClient();
  const [open, setOpen] = useState<DeployConfig | "new" | null>(null);
  const list = useDeployConfigs();
  const close = () => {
    setOpen(null);
    void queries.invalidateQueries({ queryKey: [world, "deploy-configs"] });
  };
  return (
    <>
      <Panel title="Accounts to deploy to" flush tools={<Button small icon="plus" onClick={() => setOpen("new")}>New account</Button>}>
        {list.isLoadingError ? <Trouble error={list.error} again={() => void list.refetch()} /> : list.isPending ? <Bones /> : list.data.length === 0 ? (
          <Empty icon="deploy" title="No accounts yet">With an account at Netlify, Vercel, Cloudflare, Expo or App Store Connect, finished work can go there. A preview on this server needs none.</Empty>
        ) : (
          <div className="lines">
            {list.data.map((each) => (
              <button type="button" key={each.id} className="line-row" onClick={() => setOpen(each)}>
                <span className="stack grow" style={{ gap: 0 }}>
                  <span className="clip strong">{each.name}</span>
                  <span className="small faint clip">{[targetName(each.target), each.provider_account, each.provider_project].filter(Boolean).join(" · ")}</span>
                </span>
                {each.verified_at ? <Chip tone="good">accepted <Ago at={each.verified_at} /></Chip> : <Chip tone="off">not asked</Chip>}
              </button>
            ))}
          </div>
        )}
      </Panel>
      {open !== null && <Form config={open === "new" ? null : open} close={close} />}
    </>
  );
}

function Form({ config, close }: { config: DeployConfig | null; close: () => void }) {
  const { api, world } = useSession();
  const say = useSay();
  const [target, setTarget] = useState(config?.target ?? "netlify");
  const host = HOSTS.find((each) => each.id === target) ?? HOSTS[0]!;
  const stored = (config?.settings ?? {}) as Record<string, unknown>;
  const [name, setName] = useState(config?.name ?? "");
  const [credentials, setCredentials] = useState<Answers>({});
  const [settings, setSettings] = useState<Answers>(() => answersOf(host.settings, stored));
  const [renewing, setRenewing] = useState(config === null);
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState<string | null>(null);
  const good = name.trim() !== "" && (!renewing || isComplete(host.credentials, credentials)) && isComplete(host.settings, settings);
  const save = async () => {
    setBusy(true);
    setWrong(null);
    const secrets = settingsOf(host.credentials, credentials);
    const said = settingsOf(host.settings, settings, stored);
    try {
      if (config === null) await api.createDeployConfig({ name: name.trim(), target: host.id, credentials: secrets, settings: said });
      else await api.updateDeployConfig(config.id, { name: name.trim(), settings: said, ...(renewing ? { credentials: secrets } : {}) });
      say.say(world === "test" ? "Stored. In the test world the host is not asked" : `${host.name} accepted it`);
      close();
    } catch (error) {
      setWrong(told(error));
      setBusy(false);
    }
  };
  const remove = async () => {
    if (config === null || !(await say.sure(`Delete “${config.name}”?`, "Nothing can be deployed with it any more. What is live stays as it is.", "Delete", true))) return;
    await api.deleteDeployConfig(config.id).then(close, (error: unknown) => setWrong(told(error)));
  };
  return (
    <Dialog
      title={config === null ? "New account" : config.name} close={close}
      foot={<>
        {config !== null && <><Button tone="danger" onClick={() => void remove()}>Delete</Button><span className="grow" /></>}
        <Button onClick={close}>Close</Button>
        <Button tone="strong" disabled={!good || busy} onClick={() => void save()}>{busy ? `Asking ${host.name}…` : config === null ? "Store it" : "Save"}</Button>
      </>}
    >
      <div className="stack wide">
        {config === null && (
          <Field name="Host">
            {(id) => (
              <select id={id} className="input" value={target} onChange={(event) => {
                const next = HOSTS.find((each) => each.id === event.target.value) ?? host;
                setTarget(next.id);
                setCredentials({});
                setSettings(answersOf(next.settings, {}));
              }}>
                {HOSTS.map((each) => <option key={each.id} value={each.id}>{each.name}</option>)}
              </select>
            )}
          </Field>
        )}
        <Field name="Name" hint="What you call it. No other account here may have it.">{(id) => <input id={id} className="input" value={name} onChange={(event) => setName(event.target.value)} />}</Field>
        {renewing ? <>
          <Fields fields={host.credentials} answers={credentials} change={setCredentials} />
          <p className="small faint">{config !== null ? "This takes the place of what is stored. " : ""}It is stored encrypted, never shown again, and given to no agent.</p>
        </> : <div className="row wrap"><span className="quiet small">The token is stored, and is not shown.</span><Button small onClick={() => setRenewing(true)}>Replace it</Button></div>}
        <Fields fields={host.settings.filter((field) => !isAboutBuild(field))} answers={settings} change={setSettings} />
        {host.settings.some(isAboutBuild) && (
          <details>
            <summary className="small quiet">How it is built: found out by itself, unless you say it here</summary>
            <div className="stack wide" style={{ marginTop: 12 }}><Fields fields={host.settings.filter(isAboutBuild)} answers={settings} change={setSettings} /></div>
          </details>
        )}
        {wrong && <div className="note bad" role="alert"><Icon name="alert" /><div className="stack" style={{ gap: 2 }}><strong>It was not stored</strong><span>{wrong}</span></div></div>}
      </div>
    </Dialog>
  );
}

function Fields({ fields, answers, change }: { fields: HostField[]; answers: Answers; change: (answers: Answers) => void }) {
  return fields.map((field) => {
    const set = (value: string | boolean) => change({ ...answers, [field.name]: value });
    const value = String(answers[field.name] ?? "");
    if (field.kind === "yes") {
      return (
        <label className="check" key={field.name}>
          <input type="checkbox" checked={answers[field.name] === true} onChange={(event) => set(event.target.checked)} />
          <span>{field.label} {field.hint && <span className="faint">{field.hint}</span>}</span>
        </label>
      );
    }
    return (
      <Field key={field.name} name={field.needed ? `${field.label} (needed)` : field.label} hint={field.hint}>
        {(id) => {
          if (field.kind === "choice") {
            return <select id={id} className="input" value={value} onChange={(event) => set(event.target.value)}>{field.choices.map(([word, says]) => <option key={word} value={word}>{says}</option>)}</select>;
          }
          if (field.kind === "long") {
            return <textarea id={id} className="input mono" rows={5} spellCheck={false} autoComplete="off" value={value} onChange={(event) => set(event.target.value)} />;
          }
          // A new password is nothing that a browser fills in by itself, or offers to keep.
          return <input id={id} className="input" type={field.kind === "secret" ? "password" : "text"} autoComplete={field.kind === "secret" ? "new-password" : "off"} spellCheck={false} value={value} onChange={(event) => set(event.target.value)} />;
        }}
      </Field>
    );
  });
}
