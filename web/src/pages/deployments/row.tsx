// A deployment as one line of a list.

import type { Deployment } from "../../api/types";
import { to } from "../../route";
import { Ago, Chip } from "../../ui/parts";
import { Icon } from "../../ui/icons";
import { openable, shortAddress, stateOf, targetName, troubleName } from "./words";

/** A deployment as one line: its state, what and where, and how to open it. */
export function DeploymentRow({ deployment, name }: { deployment: Deployment; name?: string | undefined }) {
  const [state, tone] = stateOf(deployment);
  const address = deployment.status === "live" ? openable(deployment.url) : null;
  return (
    <div className="file-line deployment-row" data-deployment={deployment.id} data-status={deployment.status}>
      <a className="line-row" href={to("deployments", deployment.id)}>
        <Chip tone={tone} dot>{state}</Chip>
        <span className="stack grow" style={{ gap: 0 }}>
          <span className="clip strong">{name ?? (deployment.deliverable_id ? "A deliverable" : "A workspace")}</span>
          <span className="small faint clip">{deployment.target === "preview" ? "Preview" : targetName(deployment.target)}{deployment.status === "live" && deployment.url ? ` · ${shortAddress(deployment.url)}` : deployment.error ? ` · ${troubleName(deployment.error.code)}` : ""}</span>
        </span>
        <span className="small faint when"><Ago at={deployment.created_at} /></span>
      </a>
      {address && <a className="button small icon plain" href={address} target="_blank" rel="noopener noreferrer" aria-label={`Open ${shortAddress(address)}`} title="Open it"><Icon name="globe" /></a>}
    </div>
  );
}
