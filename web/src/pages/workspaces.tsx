// Workspaces: the folders that tasks work in. Files go in and out here, too.

import { useMemo, useRef, useState } from "react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { Workspace } from "../api/types";
import { told } from "../api/api";
import { useSession } from "../session";
import { go, to } from "../route";
import { Ago, Bones, Button, Empty, Field, Panel, Trouble } from "../ui/parts";
import { Icon } from "../ui/icons";
import { Dialog, useSay } from "../ui/dialog";
import { useHere } from "../ui/here";
import { bytes, count, plural } from "../ui/format";
import { FileDialog } from "./file-view";
import { NewDeployment } from "./deployments/new";
import { FileName, useFiles, useFileSource } from "./task/workspace";

/** So many are put on the page at once. */
const SHOWN = 200;

export default function Workspaces({ id }: { id: string | null }) {
  const { api, world } = useSession();
  const list = useQuery({ queryKey: [world, "workspaces"], queryFn: () => api.workspaces() });
  const [making, setMaking] = useState(false);
  const [words, setWords] = useState("");
  const [most, setMost] = useState(SHOWN);
  const shown = useMemo(() => {
    const wanted = words.trim().toLowerCase();
    return (list.data ?? []).filter((each) => each.name.toLowerCase().includes(wanted)).sort((a, b) => b.created_at.localeCompare(a.created_at));
  }, [list.data, words]);
  const open = list.data?.find((each) => each.id === id);
  if (id && list.isSuccess) return open ? <One workspace={open} /> : <div className="page"><Empty icon="folder" title="There is no such workspace" tools={<Button onClick={() => go(to("workspaces"))}>All workspaces</Button>} /></div>;
  return (
    <div className="page">
      <div className="page-head">
        <h1>Workspaces</h1><span className="faint number">{list.isSuccess && count(list.data.length)}</span><div className="grow" />
        <div className="search"><Icon name="search" /><input className="input" type="search" placeholder="Search names" aria-label="Search names" value={words} onChange={(event) => setWords(event.target.value)} /></div>
        <Button icon="plus" onClick={() => setMaking(true)}>New</Button>
      </div>
      {list.isLoadingError ? <Trouble error={list.error} again={() => void list.refetch()} /> : list.isPending ? <div className="panel"><Bones /></div>
        : shown.length === 0 ? <div className="panel"><Empty icon="folder" title={words === "" ? "No workspaces yet" : "No name holds these words"}>{words === "" && "Each task gets a workspace of its own, unless it is told to work in one that is there."}</Empty></div>
          : (
            <div className="panel lines">
              {shown.slice(0, most).map((each) => (
                <a key={each.id} className="line-row" href={to("workspaces", each.id)}>
                  <Icon name="folder" /><span className="clip grow">{each.name}</span>
                  <span className="small quiet number nowrap">{plural(each.file_count, "file")}</span><span className="small faint"><Ago at={each.created_at} /></span>
                </a>
              ))}
              {shown.length > most && <div className="row table-note"><span className="small faint grow">The newest {count(most)} of {count(shown.length)} are shown.</span><Button small onClick={() => setMost(most + SHOWN)}>Show more</Button></div>}
            </div>
          )}
      {making && <Make close={() => setMaking(false)} />}
    </div>
  );
}

function Make({ close }: { close: () => void }) {
  const { api, world } = useSession();
  const queries = useQueryClient();
  const here = useHere();
  const [name, setName] = useState("");
  const make = useMutation({
    mutationFn: () => api.createWorkspace(name.trim()),
    onSuccess: (made) => {
      const listed = queries.invalidateQueries({ queryKey: [world, "workspaces"] });
      if (!here.current) return;
      close();
      const from = location.hash;
      void listed.then(() => { if (location.hash === from) go(to("workspaces", made.id)); });
    },
  });
  return (
    <Dialog title="New workspace" close={close} foot={<><Button onClick={close}>Close</Button><Button tone="strong" disabled={name.trim() === "" || make.isPending} onClick={() => make.mutate()}>Make it</Button></>}>
      <Field name="Name" hint="No other workspace may have it." wrong={make.isError ? told(make.error) : null}>
        {(id) => <input id={id} className="input" autoFocus value={name} onChange={(event) => setName(event.target.value)} onKeyDown={(event) => { if (event.key === "Enter" && !event.repeat && name.trim() !== "" && !make.isPending) make.mutate(); }} />}
      </Field>
    </Dialog>
  );
}

function One({ workspace }: { workspace: Workspace }) {
  const { api, world } = useSession();
  const queries = useQueryClient();
  const say = useSay();
  const picker = useRef<HTMLInputElement>(null);
  const [open, setOpen] = useState<string | null>(null);
  const [most, setMost] = useState(SHOWN);
  const [deploying, setDeploying] = useState(false);
  const files = useFiles(workspace.id, 0);
  const source = useFileSource(workspace.id);
  const again = () => {
    void queries.invalidateQueries({ queryKey: [world, "files", workspace.id] });
    void queries.invalidateQueries({ queryKey: [world, "workspaces"] });
  };
  const upload = async (list: FileList | null) => {
    if (!list || list.length === 0) return;
    try {
      await api.upload(workspace.id, Array.from(list));
      say.say(`${plural(list.length, "file")} uploaded`);
      again();
    } catch (error) {
      say.trouble(new Error(told(error)));
    }
  };
  const remove = async (path: string) => {
    if (!(await say.sure("Delete this file?", <><code>{path}</code> is gone then. Deliverables made from it stay.</>, "Delete", true))) return;
    await api.deleteFile(workspace.id, path).then(again, (error: unknown) => say.trouble(new Error(told(error))));
  };
  const removeAll = async () => {
    if (!(await say.sure("Delete this workspace?", "Its files are gone then. Deliverables stay.", "Delete the workspace", true))) return;
    try {
      await api.deleteWorkspace(workspace.id);
      await queries.invalidateQueries({ queryKey: [world, "workspaces"] });
      go(to("workspaces"));
    } catch (error) {
      say.trouble(new Error(told(error)));
    }
  };
  const only = (files.data ?? []).filter((file) => file.type === "file");
  const shown = only.find((file) => file.path === open);
  return (
    <div className="page">
      <div className="page-head">
        <div className="stack grow" style={{ gap: 2 }}><a className="small faint back" href={to("workspaces")}>Workspaces</a><h1 className="clip">{workspace.name}</h1></div>
        <Button icon="deploy" onClick={() => setDeploying(true)}>Deploy</Button>
        <Button icon="upload" onClick={() => picker.current?.click()}>Upload</Button>
        <input ref={picker} type="file" multiple hidden onChange={(event) => { void upload(event.target.files); event.target.value = ""; }} />
        <Button icon="trash" tone="danger" label="Delete the workspace" onClick={() => void removeAll()} />
      </div>
      <Panel title={<>Files <span className="faint number">{count(only.length)}</span></>} flush>
        {files.isLoadingError ? <Trouble error={files.error} /> : files.isPending ? <Bones /> : only.length === 0 ? <Empty icon="folder" title="Empty">Upload files, or let a task work here.</Empty> : (
          <ul className="lines">
            {only.slice(0, most).map((file) => (
              <li key={file.path} className="file-line">
                <button type="button" className="line-row" onClick={() => setOpen(file.path)}>
                  <Icon name="file" /><FileName path={file.path} /><span className="small faint number nowrap">{bytes(file.size_bytes)}</span><span className="small faint"><Ago at={file.modified_at} /></span>
                </button>
                <Button small tone="plain" icon="trash" label={`Delete ${file.path}`} onClick={() => void remove(file.path)} />
              </li>
            ))}
            {only.length > most && <li className="row table-note"><span className="small faint grow">The first {count(most)} of {count(only.length)} are shown.</span><Button small onClick={() => setMost(most + SHOWN)}>Show more</Button></li>}
          </ul>
        )}
      </Panel>
      {shown && <FileDialog source={source(shown)} close={() => setOpen(null)} />}
      {deploying && <NewDeployment workspace={workspace.id} close={() => setDeploying(false)} />}
    </div>
  );
}
