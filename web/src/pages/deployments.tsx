// Deployments: what was published where, newest first, and one of them.

import { useState } from "react";
import { Bones, Button, Empty, Trouble } from "../ui/parts";
import { useDeployments, useWorkspaces } from "./deployments/queries";
import { DeploymentRow } from "./deployments/row";
import { NewDeployment } from "./deployments/new";
import { OneDeployment } from "./deployments/one";

const PAGE = 50;

export default function Deployments({ id }: { id: string | null }) {
  return id === null ? <All /> : <OneDeployment key={id} id={id} />;
}

function All() {
  const [offset, setOffset] = useState(0);
  const [making, setMaking] = useState(false);
  const list = useDeployments(undefined, PAGE, offset);
  const workspaces = useWorkspaces();
  const names = new Map((workspaces.data ?? []).map((each) => [each.id, each.name]));
  const rows = list.data?.data ?? [];
  return (
    <div className="page">
      <div className="page-head">
        <h1>Deployments</h1><div className="grow" />
        <Button icon="deploy" tone="strong" onClick={() => setMaking(true)}>Deploy</Button>
      </div>
      {list.isLoadingError ? <Trouble error={list.error} again={() => void list.refetch()} /> : list.isPending ? <div className="panel"><Bones /></div>
        : rows.length === 0 && offset === 0 ? (
          <div className="panel">
            <Empty icon="deploy" title="Nothing was published yet" tools={<Button onClick={() => setMaking(true)}>Deploy a workspace</Button>}>
              To deploy is to give finished work an address that opens in a browser. A preview on this server needs no account; a website or an
              app goes to a host of yours.
            </Empty>
          </div>
        ) : (
          <>
            <div className="panel lines">{rows.map((each) => <DeploymentRow key={each.id} deployment={each} name={names.get(each.workspace_id)} />)}</div>
            {(offset > 0 || list.data.has_more) && (
              <div className="row between">
                <Button small icon="left" disabled={offset === 0} onClick={() => setOffset(Math.max(0, offset - PAGE))}>Newer</Button>
                <Button small disabled={!list.data.has_more} onClick={() => setOffset(offset + PAGE)}>Older</Button>
              </div>
            )}
          </>
        )}
      {making && <NewDeployment close={() => setMaking(false)} />}
    </div>
  );
}
