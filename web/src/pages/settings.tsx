// Settings: this browser, keys, webhooks, accounts to deploy to, models, and when agents ask.

import { useState } from "react";
import { useQuery } from "@tanstack/react-query";
import { useSession } from "../session";
import { to } from "../route";
import { applyTheme, theme, type Theme } from "../theme";
import { Button, Panel, Segments } from "../ui/parts";
import { useSay } from "../ui/dialog";
import { setSingleKeys, singleKeys } from "../ui/shortcuts";
import { forgetPrompts } from "./recent";
import { Keys } from "./settings/keys";
import { Webhooks } from "./settings/webhooks";
import { Asking } from "./settings/asking";
import { Accounts } from "./settings/accounts";
import { ModelList } from "./settings/models";

type Part = "browser" | "keys" | "webhooks" | "accounts" | "models" | "asking";
const PARTS: { id: Part; name: string }[] = [
  { id: "browser", name: "This browser" }, { id: "keys", name: "API keys" }, { id: "webhooks", name: "Webhooks" }, { id: "asking", name: "When agents ask" },
  { id: "models", name: "Models" }, { id: "accounts", name: "Deploy accounts" },
];

export default function Settings({ part }: { part: string | null }) {
  const shown: Part = PARTS.find((each) => each.id === part)?.id ?? "browser";
  return (
    <div className="page">
      <div className="page-head"><h1>Settings</h1></div>
      <nav className="tabs" aria-label="Settings">
        {PARTS.map((each) => <a key={each.id} href={to("settings", each.id)} aria-current={each.id === shown ? "page" : undefined}>{each.name}</a>)}
      </nav>
      {shown === "browser" && <Browser />}
      {shown === "keys" && <Keys />}
      {shown === "webhooks" && <Webhooks />}
      {shown === "asking" && <Asking />}
      {shown === "models" && <ModelList />}
      {shown === "accounts" && <Accounts />}
    </div>
  );
}

function Browser() {
  const { api, remembered, remember, signOut } = useSession();
  const say = useSay();
  const [chosen, setChosen] = useState<Theme>(theme);
  const [keys, setKeys] = useState(singleKeys);
  const health = useQuery({ queryKey: ["health"], queryFn: () => api.health() });
  return (
    <>
      <Panel title="Appearance">
        <div className="row between wrap">
          <span className="quiet">Light or dark</span>
          <Segments name="Appearance" value={chosen} choose={(next) => { setChosen(next); applyTheme(next); }} choices={[{ id: "system", name: "As the system" }, { id: "light", name: "Light" }, { id: "dark", name: "Dark" }]} />
        </div>
      </Panel>
      <Panel title="Keyboard">
        <label className="check">
          <input type="checkbox" checked={keys} onChange={(event) => { setSingleKeys(event.target.checked); setKeys(event.target.checked); }} />
          <span>Single keys do things <span className="faint">Such as <kbd>a</kbd> in the inbox, which approves. Turn it off if keys are pressed that you do not mean, for example by speech input.</span></span>
        </label>
      </Panel>
      <Panel title="Signed in">
        <div className="stack wide">
          <label className="check">
            <input type="checkbox" checked={remembered} onChange={(event) => remember(event.target.checked)} />
            <span>Remember the key in this browser <span className="faint">Otherwise it is gone when this tab is closed.</span></span>
          </label>
          <div className="row wrap">
            <Button icon="leave" onClick={() => void signOut()}>Sign out</Button>
            <Button tone="plain" onClick={() => { forgetPrompts(); say.say("Forgotten"); }}>Forget recent prompts</Button>
          </div>
        </div>
      </Panel>
      <p className="small faint">Server {health.data?.version ?? "…"} · <a href="/docs">API reference</a></p>
    </>
  );
}
