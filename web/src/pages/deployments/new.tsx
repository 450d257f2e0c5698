// A workspace is published: which, where, with whose account. What is left open the server finds out by itself.

import { useState } from "react";
import { useQueryClient } from "@tanstack/react-query";
import type { DeployTarget } from "../../api/types";
import { told } from "../../api/api";
import { useSession } from "../../session";
import { go, to } from "../../route";
import { Button, Field } from "../../ui/parts";
import { Dialog, useSay } from "../../ui/dialog";
import { useHere } from "../../ui/here";
import { useDeployConfigs, useWorkspaces } from "./queries";
import { TARGETS, targetName } from "./words";

interface Lines { output: string; build: string; install: string }
const NO_LINES: Lines = { output: "", build: "", install: "" };

export function NewDeployment({ workspace, close }: { workspace?: string | undefined; close: () => void }) {
  const { api, world } = useSession();
  const queries = useQueryClient();
  const say = useSay();
  const here = useHere();
  const workspaces = useWorkspaces();
  const configs = useDeployConfigs();
  const [chosen, setChosen] = useState(workspace ?? "");
  const [target, setTarget] = useState<DeployTarget>("preview");
  const [config, setConfig] = useState("");
  const [lines, setLines] = useState(NO_LINES);
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState<string | null>(null);
  const fitting = (configs.data ?? []).filter((each) => each.target === target);
  const account = config !== "" && fitting.some((each) => each.id === config) ? config : (fitting[0]?.id ?? "");
  const lacksAccount = target !== "preview" && configs.isSuccess && fitting.length === 0;
  const deploy = async (): Promise<void> => {
    setBusy(true);
    setWrong(null);
    const settings = target === "appstore" ? {} : Object.fromEntries(Object.entries(lines).filter(([, line]) => line.trim() !== ""));
    try {
      const made = await api.createDeployment({
        workspace_id: chosen, target, config_id: target === "preview" ? null : account, settings: Object.keys(settings).length > 0 ? settings : null,
      });
      void queries.invalidateQueries({ queryKey: [world, "deployments"] });
      if (!here.current) return say.say("The deployment has begun");
      close();
      go(to("deployments", made.id));
    } catch (error) {
      if (!here.current) return say.trouble(new Error(told(error)));
      setWrong(told(error));
      setBusy(false);
    }
  };
  const line = (name: keyof Lines, label: string, hint: string, placeholder: string) => (
    <Field name={label} hint={hint}>
      {(id) => <input id={id} className="input mono" spellCheck={false} placeholder={placeholder} value={lines[name]} onChange={(event) => setLines({ ...lines, [name]: event.target.value })} />}
    </Field>
  );
  return (
    <Dialog
      title="Deploy" close={close}
      foot={<><Button onClick={close}>Close</Button><Button tone="strong" icon="deploy" disabled={busy || chosen === "" || lacksAccount || (target !== "preview" && account === "")} onClick={() => void deploy()}>{busy ? "Starting…" : "Deploy"}</Button></>}
    >
      <div className="stack wide">
        <Field name="Workspace" hint="What lies in it now is published. Later changes of it are not, until you deploy again.">
          {(id) => (
            <select id={id} className="input" value={chosen} onChange={(event) => setChosen(event.target.value)}>
              {chosen === "" && <option value="">Choose one</option>}
              {(workspaces.data ?? []).map((each) => <option key={each.id} value={each.id}>{each.name}</option>)}
            </select>
          )}
        </Field>
        <Field name="Where to" hint={TARGETS.find((each) => each.id === target)?.hint}>
          {(id) => (
            <select id={id} className="input" value={target} onChange={(event) => setTarget(event.target.value as DeployTarget)}>
              {TARGETS.map((each) => <option key={each.id} value={each.id}>{each.name}</option>)}
            </select>
          )}
        </Field>
        {target !== "preview" && fitting.length > 0 && (
          <Field name="Account">
            {(id) => (
              <select id={id} className="input" value={account} onChange={(event) => setConfig(event.target.value)}>
                {fitting.map((each) => <option key={each.id} value={each.id}>{each.name}{each.provider_account ? ` (${each.provider_account})` : ""}</option>)}
              </select>
            )}
          </Field>
        )}
        {lacksAccount && <div className="note wait"><span>No account at {targetName(target)} is stored here yet. <a href={to("settings", "accounts")} onClick={close}>Add one in the settings</a>, or deploy to a preview.</span></div>}
        {target !== "appstore" && (
          <details>
            <summary className="small quiet">How it is built: found out by itself, unless you say it here</summary>
            <div className="stack wide" style={{ marginTop: 12 }}>
              {line("output", "Folder to publish", "Below the workspace.", "dist")}
              {line("build", "Command that builds", "", "npm run build")}
              {line("install", "Command that installs packages", "", "npm ci")}
            </div>
          </details>
        )}
        {wrong && <div className="note bad" role="alert">{wrong}</div>}
      </div>
    </Dialog>
  );
}
