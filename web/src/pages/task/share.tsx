// Public links to one file: made with an end, copied, listed, taken back.

import { useState } from "react";
import { useQuery } from "@tanstack/react-query";
import { NotFoundError } from "@miteos/sdk";
import type { Deliverable } from "../../api/types";
import { told } from "../../api/api";
import { useSession } from "../../session";
import { plural } from "../../ui/format";
import { Ago, Bones, Button, CopyButton, Field, Trouble } from "../../ui/parts";
import { Dialog, useSay } from "../../ui/dialog";
import { Icon } from "../../ui/icons";
import { LIVES } from "../deployments/words";

const FOR_EVER = "until";

export function ShareDialog({ task, file, close }: { task: string; file: Deliverable; close: () => void }) {
  const { api, world } = useSession();
  const say = useSay();
  const [lives, setLives] = useState(String(7 * 86_400));
  const [made, setMade] = useState<{ id: string; url: string } | null>(null);
  const found = useQuery({ queryKey: [world, "shares", file.id], queryFn: async () => await api.shares(file.id) });
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState<string | null>(null);
  const make = async () => {
    setBusy(true);
    setWrong(null);
    try {
      setMade(await api.share(task, file.id, lives === FOR_EVER ? undefined : Number(lives)));
      void found.refetch();
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
    if (made?.id === id) setMade(null);
    say.say("The link leads nowhere from now on");
    void found.refetch();
  };
  const revokeAll = async () => {
    if (!(await say.sure("Revoke all links?", "None of them leads anywhere from then on. This cannot be undone; new links can be made.", "Revoke them", true))) return;
    try {
      await api.revokeShares(task, file.id);
    } catch (error) {
      setWrong(told(error));
      return;
    }
    setMade(null);
    say.say("No link that was made so far leads anywhere");
    void found.refetch();
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
        {found.isPending ? <Bones /> : found.isLoadingError ? <Trouble error={found.error} again={() => void found.refetch()} /> : (found.data?.shares.length ?? 0) > 0 && (
          <section className="stack" aria-label="Links that work">
            <div className="row">
              <h3 className="grow">{plural(found.data?.total ?? 0, "link")} that {found.data?.total === 1 ? "works" : "work"}</h3>
              {(found.data?.total ?? 0) > 1 && <Button small tone="plain" onClick={() => void revokeAll()}>Revoke all</Button>}
            </div>
            <ul className="framed lines">
              {found.data?.shares.map((share) => (
                <li key={share.id} className="line-row">
                  <Icon name="link" />
                  <span className="grow">made <Ago at={share.created_at} />, {share.expires_at ? <>ends <Ago at={share.expires_at} /></> : "works until it is revoked"}</span>
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
