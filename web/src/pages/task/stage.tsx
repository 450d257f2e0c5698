// A deliverable that is a page, or an archive of a site, gets an address of its own and is opened there: never here.

import { useEffect, useRef, useState } from "react";
import { useQueryClient } from "@tanstack/react-query";
import type { Deliverable, Deployment } from "../../api/types";
import { told } from "../../api/api";
import { useSession } from "../../session";
import { to } from "../../route";
import { Button, CopyButton } from "../../ui/parts";
import { Dialog } from "../../ui/dialog";
import { Icon } from "../../ui/icons";
import { deploymentKey, useDeployment } from "../deployments/queries";
import { isDone, openable, shortAddress, stateOf, troubleName } from "../deployments/words";

/** Whether the server can show it as a site. */
export const canBeStaged = (name: string): boolean => /\.(html?|zip|tar\.gz|tgz)$/i.test(name);

/** Without news of it, its state is asked for so often (ms). */
const LOOK_EVERY_MS = 1_000;

export function StageDialog({ task, file, close }: { task: string; file: Deliverable; close: () => void }) {
  const { api, world } = useSession();
  const queries = useQueryClient();
  const [made, setMade] = useState<string | null>(null);
  const [wrong, setWrong] = useState<string | null>(null);
  const begun = useRef(false);
  useEffect(() => {
    // Once, whatever the page does with this dialog: each call would make an address more.
    if (begun.current) return;
    begun.current = true;
    api.stage(task, file.id).then(
      (deployment) => {
        queries.setQueryData(deploymentKey(world, deployment.id), deployment);
        void queries.invalidateQueries({ queryKey: [world, "deployments", "list"] });
        setMade(deployment.id);
      },
      (error: unknown) => setWrong(told(error)),
    );
  }, [api, world, queries, task, file.id]);
  return (
    <Dialog title={<span className="clip block">Show {file.name}</span>} close={close} foot={<Button onClick={close}>Close</Button>}>
      <div className="stack wide" aria-live="polite">
        <p className="quiet">What an agent made is shown at an address of its own, apart from this page and from your key.</p>
        {wrong && <div className="note bad" role="alert"><Icon name="alert" /><span>{wrong}</span></div>}
        {made === null ? !wrong && <p role="status">Publishing…</p> : <Staged id={made} />}
      </div>
    </Dialog>
  );
}

function Staged({ id }: { id: string }) {
  const { api, world } = useSession();
  const queries = useQueryClient();
  const found = useDeployment(id);
  const done = found.data !== undefined && isDone(found.data);
  useEffect(() => {
    if (done) return;
    const timer = setInterval(() => void queries.invalidateQueries({ queryKey: deploymentKey(world, id) }), api.pace.pause(LOOK_EVERY_MS));
    return () => clearInterval(timer);
  }, [api, queries, world, id, done]);
  if (!found.data) return found.isError ? <p className="bad">{told(found.error)}</p> : null;
  return <Outcome deployment={found.data} test={world === "test"} />;
}

function Outcome({ deployment, test }: { deployment: Deployment; test: boolean }) {
  const address = openable(deployment.url);
  if (deployment.status === "failed") {
    return (
      <div className="note bad" role="alert">
        <Icon name="alert" />
        <div className="stack" style={{ gap: 2 }}><strong>{troubleName(deployment.error?.code ?? "")}</strong><span>{deployment.error?.message}</span></div>
      </div>
    );
  }
  if (deployment.status !== "live" || !deployment.url) return <p role="status">{stateOf(deployment)[0]}…</p>;
  return (
    <div className="stack">
      <div className="card address">
        <Icon name="globe" />
        <span className="mono clip grow" title={deployment.url}>{shortAddress(deployment.url)}</span>
        <CopyButton text={deployment.url} label="Copy the address" />
        {address && <a className="button strong" href={address} target="_blank" rel="noopener noreferrer" autoFocus>Open it</a>}
        {test && <p className="small faint">This is the test world: nothing was published, and nothing is at this address.</p>}
      </div>
      <p className="small"><a href={to("deployments", deployment.id)}>Who can open it, links to it, and how to delete it</a></p>
    </div>
  );
}
