// A preview on this server: who may look at it and until when, links to it, and its end.

import { useState } from "react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { NotFoundError } from "@miteos/sdk";
import type { Deployment, Preview } from "../../api/types";
import { told } from "../../api/api";
import { useSession } from "../../session";
import { Ago, Bones, Button, CopyButton, Panel, Segments, Trouble } from "../../ui/parts";
import { Menu } from "../../ui/menu";
import { useSay } from "../../ui/dialog";
import { Icon } from "../../ui/icons";
import { bytes, plural } from "../../ui/format";
import { LIVES, openable, shortAddress } from "./words";

const NEVER = "never";

export function PreviewPanel({ deployment }: { deployment: Deployment }) {
  const { api, world } = useSession();
  const key = [world, "deployments", "preview", deployment.id];
  const found = useQuery({ queryKey: key, queryFn: () => api.preview(deployment.id), retry: false });
  if (found.isPending) return <Panel title="Preview"><Bones /></Panel>;
  // Also where it was there a moment ago.
  if (found.error instanceof NotFoundError) return <Panel title="Preview"><p className="quiet">This preview has ended or was deleted: nothing is at its address any more.</p></Panel>;
  if (found.isLoadingError) return <Panel title="Preview"><Trouble error={found.error} again={() => void found.refetch()} /></Panel>;
  return <Shown preview={found.data} queryKey={key} />;
}

function Shown({ preview, queryKey }: { preview: Preview; queryKey: readonly unknown[] }) {
  const { api } = useSession();
  const queries = useQueryClient();
  const say = useSay();
  const [lives, setLives] = useState(String(7 * 86_400));
  const [link, setLink] = useState<{ id: string; url: string; expires_at: string } | null>(null);
  const [busy, setBusy] = useState(false);
  const links = useQuery({ queryKey: [...queryKey, "links"], queryFn: async () => await api.previewLinks(preview.deployment_id) });
  const act = async (call: () => Promise<unknown>, done: string) => {
    setBusy(true);
    try {
      await call();
      say.say(done);
    } catch (error) {
      say.trouble(new Error(told(error)));
    }
    setBusy(false);
  };
  const change = (part: Parameters<typeof api.updatePreview>[1], done: string) =>
    act(async () => queries.setQueryData(queryKey, await api.updatePreview(preview.deployment_id, part)), done);
  const make = () => act(async () => { setLink(await api.createPreviewLink(preview.deployment_id, Number(lives))); void links.refetch(); }, "The link works from now on");
  const revokeOne = (id: string) => act(async () => {
    await api.revokePreviewLink(preview.deployment_id, id);
    if (link?.id === id) setLink(null);
    void links.refetch();
  }, "This link opens nothing any more");
  const revoke = async () => {
    if (!(await say.sure("Revoke all links?", "Whoever came in by a link is locked out with the next click. This cannot be undone; new links can be made.", "Revoke them", true))) return;
    await act(async () => { await api.revokePreviewLinks(preview.deployment_id); setLink(null); void links.refetch(); }, "No link that was made so far works any more");
  };
  const remove = async () => {
    if (!(await say.sure("Delete this preview?", "Nothing is at its address from then on. The files in the workspace stay.", "Delete it", true))) return;
    await act(async () => { await api.deletePreview(preview.deployment_id); await queries.invalidateQueries({ queryKey }); }, "Deleted");
  };
  const onlyLinks = preview.visibility === "link";
  return (
    <Panel title="Preview" className="preview-panel" tools={<Button small tone="danger" icon="trash" label="Delete the preview" disabled={busy} onClick={() => void remove()} />}>
      <div className="stack wide">
        <p className="small quiet number">{preview.files > 0 && `${plural(preview.files, "file")}, ${bytes(preview.size_bytes)}. `}{preview.expires_at ? <>It ends <Ago at={preview.expires_at} />.</> : "It stays until you delete it."}</p>
        <div className="stack">
          <span className="small strong">Who can open it</span>
          <Segments
            name="Who can open it" value={preview.visibility === "link" ? "link" : "public"}
            choices={[{ id: "public", name: "Everybody with the address" }, { id: "link", name: "Only with a link" }]}
            choose={(visibility) => { if (visibility !== preview.visibility) void change({ visibility }, visibility === "link" ? "Only links open it now" : "The address alone opens it now"); }}
          />
          <span className="small faint">{onlyLinks ? "Make a link for each person or purpose. Each can be revoked, or all of them at once." : "The address cannot be guessed, so knowing it is the permission to look."}</span>
        </div>
        <div>
          <Menu
            name={preview.expires_at ? "Change when it ends" : "Let it end"} disabled={busy}
            items={[...LIVES.map((each) => ({ id: String(each.seconds), name: `In ${each.name}` })), ...(preview.expires_at ? [{ id: NEVER, name: "Never" }] : [])]}
            choose={(chosen) => void change({ expires_in: chosen === NEVER ? null : Number(chosen) }, "Changed")}
          />
        </div>
        <label className="check">
          <input type="checkbox" checked={preview.single_page} disabled={busy} onChange={(event) => void change({ single_page: event.target.checked }, "Changed")} />
          <span>Addresses that name no file show the first page <span className="faint">For apps that do their own navigation.</span></span>
        </label>
        <section className="stack" aria-label="Links">
          <h3>Links</h3>
          <div className="row wrap">
            <select className="input lives" aria-label="How long the link works" value={lives} onChange={(event) => setLives(event.target.value)}>
              {LIVES.map((each) => <option key={each.seconds} value={each.seconds}>for {each.name}</option>)}
            </select>
            <Button icon="link" disabled={busy} onClick={() => void make()}>Make a link</Button>
            <Button tone="plain" disabled={busy} onClick={() => void revoke()}>Revoke all</Button>
          </div>
          {link && (
            <div className="well stack" data-link>
              <div className="row"><code className="grow clip" title={link.url}>{shortAddress(link.url)}</code><CopyButton text={link.url} label="Copy the link" />{openable(link.url) && <a className="button small" href={openable(link.url) ?? ""} target="_blank" rel="noopener noreferrer">Open</a>}</div>
              <p className="small faint">It is shown this once, and works until <Ago at={link.expires_at} />.</p>
            </div>
          )}
          {links.data && links.data.links.length > 0 && (
            <ul className="framed lines" aria-label="Links that work">
              {links.data.links.map((each) => (
                <li key={each.id} className="line-row">
                  <Icon name="link" />
                  <span className="grow">made <Ago at={each.created_at} />, ends <Ago at={each.expires_at} /></span>
                  <Button small tone="danger" disabled={busy} onClick={() => void revokeOne(each.id)}>Revoke</Button>
                </li>
              ))}
            </ul>
          )}
        </section>
      </div>
    </Panel>
  );
}
