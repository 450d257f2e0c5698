// The door: a key is pasted, or the server's link has opened it already.

import { useState } from "react";
import type { Door } from "../session";
import { told } from "../api/api";
import { Button, Field } from "../ui/parts";
import { Icon } from "../ui/icons";

export function SignIn({ door }: { door: Door }) {
  return (
    <div className="door">
      <div className="sheet">
        <div className="row"><img src="/mark.svg" alt="" width="28" height="28" /><h1>Miteos</h1></div>
        {door.state === "opening" ? <p className="quiet" role="status">Signing in…</p> : <KeyForm door={door} />}
      </div>
    </div>
  );
}

function KeyForm({ door }: { door: Extract<Door, { state: "closed" }> }) {
  const [key, setKey] = useState("");
  const [remember, setRemember] = useState(false);
  const [wrong, setWrong] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    setBusy(true);
    setWrong(null);
    try {
      await door.signIn(key.trim(), remember);
    } catch (error) {
      setWrong(told(error));
      setBusy(false);
    }
  };
  return (
    <form className="stack wide" onSubmit={(event) => { event.preventDefault(); void submit(); }}>
      <p className="quiet">Sign in with an API key of this server. It stays in this tab, and is gone when the tab is closed.</p>
      {door.why && <div className="note wait" role="alert"><Icon name="alert" /><span>{door.why}</span></div>}
      <Field name="API key" wrong={wrong}>
        {(id) => (
          <input
            id={id} className="input mono" type="password" autoComplete="off" spellCheck={false} autoFocus placeholder="mt_live_… or mt_test_…"
            value={key} onChange={(event) => setKey(event.target.value)}
          />
        )}
      </Field>
      <label className="check">
        <input type="checkbox" checked={remember} onChange={(event) => setRemember(event.target.checked)} />
        Remember it in this browser
      </label>
      <Button tone="strong" type="submit" disabled={busy || key.trim() === ""}>{busy ? "Looking…" : "Sign in"}</Button>
      <details className="small quiet">
        <summary>Where is my key?</summary>
        <div className="stack" style={{ marginTop: 8 }}>
          <p>The server's first start printed a live and a test key. They are also in the file <code>keys.json</code> in its data folder.</p>
          <p>On the server's own machine, the link that <code>miteos serve</code> prints signs you in without one.</p>
        </div>
      </details>
    </form>
  );
}
