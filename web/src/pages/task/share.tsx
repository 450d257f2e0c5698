// A public link to one file: made with an end, copied, taken back.

import { useState } from "react";
import { NotFoundError } from "@miteos/sdk";
import type { Deliverable } from "../../api/types";
import { told } from "../../api/api";
import { useSession } from "../../session";
import { Ago, Button, CopyButton, Field } from "../../ui/parts";
import { Dialog, useSay } from "../../ui/dialog";
import { Icon } from "../../ui/icons";
import { LIVES } from "../deployments/words";
import { forgetShare, madeShares, rememberShare } from "./shares";

const FOR_EVER = "until";

export function ShareDialog({ task, file, close }: { task: string; file: Deliverable; close: () => void }) {
  const { api } = useSession();
  const say = useSay();
  const [lives, setLives] = useState(String(7 * 86_400));
  const [made, setMade] = useState<{ id: string; url: string } | null>(null);
  const [known, setKnown] = useState(() => madeShares(file.id));
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState<string | null>(null);
  const make = async () => {
    setBusy(true);
    setWrong(null);
    try {
      const share = await api.share(task, file.id, lives === FOR_EVER ? undefined : Number(lives));
      setMade(share);
      rememberShare({ id: share.id, file: file.id, madeAt: Date.now(), expiresAt: share.expires_at });
      setKnown(madeShares(file.id));
    } catch (error) {
      setWrong(told(error));
    }
    setBusy(false);
  };
  const revoke = async (id: string) => {
    try {
      await api.revokeShare(id);
    } catch (error) {
      // It is gone already: as was wanted.
      if (!(error instanceof NotFoundError)) {
        setWrong(told(error));
        return;
      }
    }
    forgetShare(id);
    setKnown(madeShares(file.id));
    if (made?.id === id) setMade(null);
    say.say("The link leads nowhere from now on");
  };
  return (
    <Dialog title={<span className="clip block">Share {file.name}</span>} close={close} foot={<Button onClick={close}>Close</Button>}>
      <div className="stack wide">
        <p className="quiet">A public link: whoever has it can download this file, and nothing else. No key is needed.</p>
        <Field name="The link works">
          {(id) => (
            <div className="row">
              <select id={id} className="input" value={lives} onChange={(event) => setLives(event.target.value)}>
                {LIVES.map((each) => <option key={each.seconds} value={each.seconds}>for {each.name}</option>)}
                <option value={FOR_EVER}>until it is revoked</option>
              </select>
              <Button tone="strong" icon="link" disabled={busy} onClick={() => void make()}>Make a link</Button>
            </div>
          )}
        </Field>
        {made && (
          <div className="well stack" data-share={made.id}>
            <div className="row"><code className="grow wraps">{made.url}</code><CopyButton text={made.url} label="Copy the link" /></div>
            <p className="small faint">Copy it now: it is shown this once.</p>
          </div>
        )}
        {wrong && <div className="note bad" role="alert"><Icon name="alert" /><span>{wrong}</span></div>}
        {known.length > 0 && (
          <section className="stack" aria-label="Links that work">
            <h3>Made in this browser</h3>
            <ul className="framed lines">
              {known.map((share) => (
                <li key={share.id} className="line-row">
                  <Icon name="link" />
                  <span className="grow">made <Ago at={share.madeAt} />, {share.expiresAt ? <>ends <Ago at={share.expiresAt} /></> : "works until it is revoked"}</span>
                  <Button small tone="danger" onClick={() => void revoke(share.id)}>Revoke</Button>
                </li>
              ))}
            </ul>
          </section>
        )}
      </div>
    </Dialog>
  );
}
