// What came out: the files that were handed over, which never change, whatever becomes of the workspace; and where the work
// was published.

import { useState } from "react";
import type { Deliverable } from "../../api/types";
import { useSession } from "../../session";
import { isOver, type TaskView } from "../../live/fold";
import { Button, Empty, Panel } from "../../ui/parts";
import { Icon } from "../../ui/icons";
import { visible } from "../../ui/odd";
import { bytes, plural } from "../../ui/format";
import { FileDialog, useSave, type Source } from "../file-view";
import { DeploymentRow } from "../deployments/row";
import { NewDeployment } from "../deployments/new";
import { useDeployments } from "../deployments/queries";
import { ShareDialog } from "./share";
import { StageDialog, canBeStaged } from "./stage";

/** Deployments that are listed here; the others are on their own page. */
const SHOWN_DEPLOYMENTS = 5;

type Act = "open" | "share" | "stage";

export function Deliverables({ view }: { view: TaskView }) {
  const { api } = useSession();
  const [open, setOpen] = useState<{ id: string; act: Act } | null>(null);
  const save = useSave();
  const [deploying, setDeploying] = useState(false);
  const source = (file: Deliverable): Source => ({
    name: file.name, size: file.size_bytes, key: ["deliverable", file.id], read: () => api.deliverableBlob(view.id, file.id),
    // Asked for when it is used: links work for an hour, and a page stays open for days.
    link: async () => here((await api.deliverables(view.id)).find((each) => each.id === file.id)?.download_url),
  });
  const shown = view.deliverables.find((each) => each.id === open?.id);
  const close = () => setOpen(null);
  return (
    <Panel
      title="Deliverables" flush className="deliverables-panel"
      tools={<>
        {view.deliverables.length > 0 && <span className="small faint number">{plural(view.deliverables.length, "file")}</span>}
        {view.workspaceId !== null && <Button small tone="plain" icon="deploy" onClick={() => setDeploying(true)}>Deploy</Button>}
      </>}
    >
      {view.deliverables.length === 0 ? (
        <Empty icon="file" title={isOver(view.status) ? "No files were handed over" : "Nothing handed over yet"}>
          {!isOver(view.status) && "Finished files appear here. They are copies that never change."}
        </Empty>
      ) : (
        <ul className="lines">
          {view.deliverables.map((file) => (
            <li key={file.id} className="file-line">
              <button type="button" className="line-row" onClick={() => setOpen({ id: file.id, act: "open" })}>
                <Icon name="file" />
                <span className="stack grow" style={{ gap: 0 }}><span className="clip strong">{visible(file.name)}</span><span className="small faint">{bytes(file.size_bytes)}</span></span>
              </button>
              {canBeStaged(file.name) && <Button small tone="plain" icon="globe" label={`Show ${file.name} as a page`} onClick={() => setOpen({ id: file.id, act: "stage" })} />}
              <Button small tone="plain" icon="share" label={`Share ${file.name}`} onClick={() => setOpen({ id: file.id, act: "share" })} />
              <Button small tone="plain" icon="download" label={`Download ${file.name}`} onClick={() => save(source(file))} />
            </li>
          ))}
        </ul>
      )}
      {view.workspaceId !== null && <Published workspace={view.workspaceId} />}
      {shown && open?.act === "open" && (
        <FileDialog
          source={source(shown)} close={close}
          tools={<>
            {canBeStaged(shown.name) && <Button icon="globe" onClick={() => setOpen({ id: shown.id, act: "stage" })}>Show as a page</Button>}
            <Button icon="share" onClick={() => setOpen({ id: shown.id, act: "share" })}>Share</Button>
          </>}
        />
      )}
      {shown && open?.act === "share" && <ShareDialog task={view.id} file={shown} close={close} />}
      {shown && open?.act === "stage" && <StageDialog task={view.id} file={shown} close={close} />}
      {deploying && <NewDeployment workspace={view.workspaceId ?? undefined} close={() => setDeploying(false)} />}
    </Panel>
  );
}

/** Where the workspace, or a file of it, was published. A key that may not see that shows none. */
function Published({ workspace }: { workspace: string }) {
  const list = useDeployments(workspace, SHOWN_DEPLOYMENTS);
  const rows = list.data?.data ?? [];
  if (rows.length === 0) return null;
  return (
    <section className="published" aria-label="Published">
      <h3 className="small faint">Published</h3>
      <div className="lines">{rows.map((each) => <DeploymentRow key={each.id} deployment={each} name={each.deliverable_id ? "A deliverable" : "The workspace"} />)}</div>
    </section>
  );
}

/** The same link at this page's own address: what is signed is the file and not the server's name, which may be another here. */
function here(url: string | null | undefined): string | null {
  if (!url) return null;
  try {
    const { pathname, search } = new URL(url);
    return `${location.origin}${pathname}${search}`;
  } catch {
    return null;
  }
}
