// What came out: the files that were handed over. They never change, whatever becomes of the workspace.

import { useState } from "react";
import type { Deliverable } from "../../api/types";
import { useSession } from "../../session";
import { useDeliverables } from "../../live/queries";
import { isOver, type TaskView } from "../../live/fold";
import { Button, Empty, Panel } from "../../ui/parts";
import { Icon } from "../../ui/icons";
import { bytes, plural } from "../../ui/format";
import { FileDialog, saveAs, type Source } from "../file-view";

export function Deliverables({ view }: { view: TaskView }) {
  const { api } = useSession();
  const [open, setOpen] = useState<string | null>(null);
  const listed = useDeliverables(view.id, view.deliverables.length);
  const links = new Map((listed.data ?? []).map((each) => [each.id, each.download_url ?? null]));
  const source = (file: Deliverable): Source => ({
    name: file.name, size: file.size_bytes, key: ["deliverable", file.id], read: () => api.deliverableBlob(view.id, file.id), url: here(links.get(file.id)),
  });
  const shown = view.deliverables.find((each) => each.id === open);
  return (
    <Panel title="Deliverables" flush className="deliverables-panel" tools={view.deliverables.length > 0 && <span className="small faint number">{plural(view.deliverables.length, "file")}</span>}>
      {view.deliverables.length === 0 ? (
        <Empty icon="file" title={isOver(view.status) ? "No files were handed over" : "Nothing handed over yet"}>
          {!isOver(view.status) && "Finished files appear here. They are copies that never change."}
        </Empty>
      ) : (
        <ul className="lines">
          {view.deliverables.map((file) => (
            <li key={file.id} className="file-line">
              <button type="button" className="line-row" onClick={() => setOpen(file.id)}>
                <Icon name="file" />
                <span className="stack grow" style={{ gap: 0 }}><span className="clip strong">{file.name}</span><span className="small faint">{bytes(file.size_bytes)}</span></span>
              </button>
              <Button small tone="plain" icon="download" label={`Download ${file.name}`} onClick={() => void saveAs(source(file))} />
            </li>
          ))}
        </ul>
      )}
      {shown && <FileDialog source={source(shown)} close={() => setOpen(null)} />}
    </Panel>
  );
}

/** A link of this very address; behind another name the file is fetched with the key. */
function here(url: string | null | undefined): string | null {
  if (!url) return null;
  try {
    return new URL(url).origin === location.origin ? url : null;
  } catch {
    return null;
  }
}
