// What the agents work in: files, the programs they ran, the pages they read, the pictures they made.

import { useMemo, useState } from "react";
import { useQuery, keepPreviousData } from "@tanstack/react-query";
import type { WorkspaceFile } from "../../api/types";
import { useSession } from "../../session";
import type { Page, Run, TaskView } from "../../live/fold";
import { Bones, Button, Empty, Tabs, Trouble } from "../../ui/parts";
import { Icon } from "../../ui/icons";
import { Code, Terminal } from "../../ui/text";
import { bytes, duration } from "../../ui/format";
import { FileDialog, FileView, isPicture, type Source } from "../file-view";

type Part = "files" | "terminal" | "pages" | "pictures";

export function WorkspacePanel({ view }: { view: TaskView }) {
  const [part, setPart] = useState<Part>("files");
  const files = useFiles(view.workspaceId, view.filesVersion);
  const pictures = (files.data ?? []).filter((file) => file.type === "file" && isPicture(file.path));
  const number = (value: number) => (value > 0 ? <span className="faint number">{value}</span> : null);
  return (
    <section className="panel workspace-panel" aria-label="Workspace">
      <header>
        <Tabs
          name="Workspace" value={part} choose={setPart}
          tabs={[
            { id: "files", name: "Files" }, { id: "terminal", name: "Terminal", extra: number(view.runs.length) },
            { id: "pages", name: "Web", extra: number(view.pages.length) }, { id: "pictures", name: "Pictures", extra: number(pictures.length) },
          ]}
        />
      </header>
      <div className="body flush scroll">
        {part === "files" && (files.isLoadingError ? <Trouble error={files.error} /> : files.isPending ? <Bones /> : <Files files={files.data} view={view} />)}
        {part === "terminal" && <Runs runs={view.runs} view={view} />}
        {part === "pages" && <Pages pages={view.pages} />}
        {part === "pictures" && <Pictures files={pictures} view={view} />}
      </div>
    </section>
  );
}

export function useFiles(workspace: string | null, version: number) {
  const { api, world } = useSession();
  return useQuery({
    queryKey: [world, "files", workspace, version], queryFn: () => (workspace === null ? Promise.resolve([]) : api.files(workspace)),
    placeholderData: keepPreviousData,
  });
}

export function useFileSource(workspace: string | null) {
  const { api } = useSession();
  return (file: WorkspaceFile): Source => ({
    name: file.path, size: file.size_bytes, key: ["workspace", workspace, file.path, file.modified_at, file.size_bytes],
    read: () => api.fileBlob(workspace ?? "", file.path),
  });
}

function Files({ files, view }: { files: WorkspaceFile[]; view: TaskView }) {
  const [open, setOpen] = useState<string | null>(null);
  const source = useFileSource(view.workspaceId);
  const shown = files.find((file) => file.path === open && file.type === "file");
  // The newest first: what just came is what one looks for.
  const sorted = useMemo(() => files.filter((file) => file.type === "file" && !file.path.startsWith(".miteos/")), [files]);
  if (sorted.length === 0) return <Empty icon="folder" title="No files yet">What the agents write appears here.</Empty>;
  return (
    <>
      <ul className="lines">
        {sorted.map((file) => (
          <li key={file.path}>
            <button type="button" className="line-row file-row" onClick={() => setOpen(file.path)}>
              <Icon name="file" />
              <FileName path={file.path} />
              {(view.touched[file.path] ?? 0) > 0 && <span className="touched" title="An agent wrote it" />}
              <span className="small faint number nowrap">{bytes(file.size_bytes)}</span>
            </button>
          </li>
        ))}
      </ul>
      {shown && <FileDialog source={source(shown)} close={() => setOpen(null)} />}
    </>
  );
}

export function FileName({ path }: { path: string }) {
  const cut = path.lastIndexOf("/") + 1;
  return <span className="clip grow">{cut > 0 && <span className="faint">{path.slice(0, cut)}</span>}{path.slice(cut)}</span>;
}

function Runs({ runs, view }: { runs: readonly Run[]; view: TaskView }) {
  if (runs.length === 0) return <Empty icon="terminal" title="No program has run">What programs print appears here, as on a terminal.</Empty>;
  return (
    <div className="runs">
      {[...runs].reverse().map((run) => <RunBlock key={`${run.call}-${run.seq}`} run={run} agent={run.agent === null ? "" : view.agents[run.agent]?.title ?? ""} />)}
    </div>
  );
}

function RunBlock({ run, agent }: { run: Run; agent: string }) {
  const [code, setCode] = useState(false);
  return (
    <article className="run">
      <div className="row small">
        <span className={`lamp ${run.ok === null ? "work" : run.ok ? "good" : "bad"}`} />
        <span className="clip grow quiet">{run.language}{agent !== "" && ` · ${agent}`}</span>
        {run.ms !== null && <span className="faint number">{duration(run.ms)}</span>}
        <Button small tone="plain" aria-expanded={code} onClick={() => setCode(!code)}>Program</Button>
      </div>
      {code && <div className="framed"><Code text={run.code} language={run.language} /></div>}
      {run.output === null ? <p className="small faint">Running…</p> : run.output === "" ? <p className="small faint">It printed nothing.</p> : <Terminal text={run.output} />}
      {run.outputPath && <p className="small faint">All of it is in {run.outputPath}</p>}
    </article>
  );
}

function Pages({ pages }: { pages: readonly Page[] }) {
  if (pages.length === 0) return <Empty icon="globe" title="No page has been read">Searches and pages of the web appear here.</Empty>;
  return (
    <ul className="lines">
      {[...pages].reverse().map((page) => (
        <li key={`${page.call}-${page.seq}`} className="line-row">
          <Icon name={page.what === "search" ? "search" : "globe"} />
          <span className="clip grow">
            {page.what === "page" && /^https?:\/\//i.test(page.address) ? <a href={page.address} target="_blank" rel="noopener noreferrer nofollow">{page.address}</a> : page.address}
          </span>
          {page.ok === false && <span className="small bad">failed</span>}
        </li>
      ))}
    </ul>
  );
}

function Pictures({ files, view }: { files: WorkspaceFile[]; view: TaskView }) {
  const source = useFileSource(view.workspaceId);
  if (files.length === 0) return <Empty icon="chart" title="No pictures">Charts and screenshots appear here.</Empty>;
  return <div className="pictures">{files.map((file) => <figure key={file.path}><FileView source={source(file)} /><figcaption className="small quiet clip">{file.path}</figcaption></figure>)}</div>;
}
