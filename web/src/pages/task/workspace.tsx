// What the agents work in: files, the programs they ran, the pages they read, the pictures they made.

import { memo, useEffect, useId, useMemo, useRef, useState } from "react";
import { useQuery } from "@tanstack/react-query";
import type { WorkspaceFile } from "../../api/types";
import { useSession } from "../../session";
import type { Page, Run, TaskView } from "../../live/fold";
import { Bones, Button, Empty, TabPanel, Tabs, Trouble } from "../../ui/parts";
import { Icon } from "../../ui/icons";
import { Code, Terminal } from "../../ui/text";
import { visible } from "../../ui/odd";
import { bytes, count, duration } from "../../ui/format";
import { FileDialog, FileView, isPicture, type Source } from "../file-view";

/** Files are listed anew at most so often, however many change (ms). */
const FILES_EVERY_MS = 1_500;
/** So many rows, and pictures, are put on the page at once. */
const SHOWN_FILES = 200;
const SHOWN_PICTURES = 12;

type Part = "files" | "terminal" | "pages" | "pictures";

export function WorkspacePanel({ view }: { view: TaskView }) {
  const [part, setPart] = useState<Part>("files");
  const id = useId();
  const files = useFiles(view.workspaceId, view.filesVersion);
  const pictures = (files.data ?? []).filter((file) => file.type === "file" && isPicture(file.path));
  const number = (value: number) => (value > 0 ? <span className="faint number">{value}</span> : null);
  return (
    <section className="panel workspace-panel" aria-label="Workspace">
      <header>
        <Tabs
          name="Workspace" id={id} value={part} choose={setPart}
          tabs={[
            { id: "files", name: "Files" }, { id: "terminal", name: "Terminal", extra: number(view.runs.length) },
            { id: "pages", name: "Web", extra: number(view.pages.length) }, { id: "pictures", name: "Pictures", extra: number(pictures.length) },
          ]}
        />
      </header>
      <TabPanel id={id} value={part} className="body flush scroll">
        {part === "files" && (files.isLoadingError ? <Trouble error={files.error} /> : files.isPending ? <Bones /> : <Files files={files.data} workspace={view.workspaceId} touched={view.touched} />)}
        {part === "terminal" && <Runs runs={view.runs} view={view} />}
        {part === "pages" && <Pages pages={view.pages} />}
        {part === "pictures" && <Pictures files={pictures} view={view} />}
      </TabPanel>
    </section>
  );
}

/** The list of files; as `version` goes up it is asked for again, but never while it is being asked for. */
export function useFiles(workspace: string | null, version: number) {
  const { api, world } = useSession();
  const files = useQuery({ queryKey: [world, "files", workspace], queryFn: ({ signal }) => (workspace === null ? Promise.resolve([]) : api.files(workspace, signal)) });
  const asked = useRef({ version, at: Date.now() });
  const { isFetching, refetch } = files;
  useEffect(() => {
    if (isFetching || asked.current.version === version) return;
    const wait = Math.max(0, asked.current.at + api.pace.pause(FILES_EVERY_MS) - Date.now());
    const timer = setTimeout(() => {
      asked.current = { version, at: Date.now() };
      void refetch();
    }, wait);
    return () => clearTimeout(timer);
  }, [api, version, isFetching, refetch]);
  return files;
}

export function useFileSource(workspace: string | null) {
  const { api } = useSession();
  return (file: WorkspaceFile): Source => ({
    name: file.path, size: file.size_bytes, key: ["workspace", workspace, file.path, file.modified_at, file.size_bytes],
    read: () => api.fileBlob(workspace ?? "", file.path), stream: () => api.fileStream(workspace ?? "", file.path),
  });
}

/** Drawn again only when a file changed: events come many times a second. */
const Files = memo(function Files({ files, workspace, touched }: { files: WorkspaceFile[]; workspace: string | null; touched: TaskView["touched"] }) {
  const [open, setOpen] = useState<string | null>(null);
  const [most, setMost] = useState(SHOWN_FILES);
  const source = useFileSource(workspace);
  const shown = files.find((file) => file.path === open && file.type === "file");
  const sorted = useMemo(() => files.filter((file) => file.type === "file" && !file.path.startsWith(".miteos/")), [files]);
  if (sorted.length === 0) return <Empty icon="folder" title="No files yet">What the agents write appears here.</Empty>;
  return (
    <>
      <ul className="lines">
        {sorted.slice(0, most).map((file) => (
          <li key={file.path}>
            <button type="button" className="line-row file-row" onClick={() => setOpen(file.path)}>
              <Icon name="file" />
              <FileName path={file.path} />
              {(touched[file.path] ?? 0) > 0 && <span className="touched" title="An agent wrote it" />}
              <span className="small faint number nowrap">{bytes(file.size_bytes)}</span>
            </button>
          </li>
        ))}
        {sorted.length > most && <More shown={most} all={sorted.length} more={() => setMost(most + SHOWN_FILES)} />}
      </ul>
      {shown && <FileDialog source={source(shown)} close={() => setOpen(null)} />}
    </>
  );
});

function More({ shown, all, more }: { shown: number; all: number; more: () => void }) {
  return <li className="row table-note"><span className="small faint grow">The first {count(shown)} of {count(all)} are shown.</span><Button small onClick={more}>Show more</Button></li>;
}

export function FileName({ path }: { path: string }) {
  const cut = path.lastIndexOf("/") + 1;
  return <span className="clip grow">{cut > 0 && <span className="faint">{visible(path.slice(0, cut))}</span>}{visible(path.slice(cut))}</span>;
}

function Runs({ runs, view }: { runs: readonly Run[]; view: TaskView }) {
  if (runs.length === 0) return <Empty icon="terminal" title="No program has run">What programs print appears here, as on a terminal.</Empty>;
  return (
    <div className="runs">
      {[...runs].reverse().map((run) => <RunBlock key={`${run.call}-${run.seq}`} run={run} agent={run.agent === null ? "" : view.agents[run.agent]?.title ?? ""} />)}
    </div>
  );
}

const RunBlock = memo(function RunBlock({ run, agent }: { run: Run; agent: string }) {
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
});

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
  const [most, setMost] = useState(SHOWN_PICTURES);
  if (files.length === 0) return <Empty icon="chart" title="No pictures">Charts and screenshots appear here.</Empty>;
  return <div className="pictures">{files.slice(0, most).map((file) => <figure key={file.path}><FileView source={source(file)} /><figcaption className="small quiet clip">{file.path}</figcaption></figure>)}{files.length > most && <ul><More shown={most} all={files.length} more={() => setMost(most + SHOWN_PICTURES)} /></ul>}</div>;
}
