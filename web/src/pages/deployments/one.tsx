// One deployment: how far it is, what it says, where it is, and what can be done with it.

import { useLayoutEffect, useRef, useState } from "react";
import { useQueryClient } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import type { Deployment } from "../../api/types";
import { told } from "../../api/api";
import { useSession } from "../../session";
import { go, to } from "../../route";
import { Ago, Bones, Button, Chip, CopyButton, Empty, Panel } from "../../ui/parts";
import { useSay } from "../../ui/dialog";
import { Icon } from "../../ui/icons";
import { Terminal } from "../../ui/text";
import { clockTime, duration, fullTime, plural } from "../../ui/format";
import { deploymentKey, useDeployConfigs, useDeployment, useDeploymentLog, useWorkspaces } from "./queries";
import type { LogLine } from "./log";
import { isAboutAccount, isDone, openable, shortAddress, stateOf, STEPS, stepOf, targetName, troubleName, whoSees } from "./words";
import { NewDeployment } from "./new";
import { PreviewPanel } from "./preview";

export function OneDeployment({ id }: { id: string }) {
  const found = useDeployment(id);
  if (found.isLoadingError) {
    return (
      <div className="page">
        <Empty icon="alert" title="This deployment cannot be shown" tools={<><Button onClick={() => void found.refetch()}>Try again</Button><Button tone="plain" onClick={() => go(to("deployments"))}>All deployments</Button></>}>{told(found.error)}</Empty>
      </div>
    );
  }
  if (found.isPending) return <div className="page"><Bones lines={5} /></div>;
  return <Body deployment={found.data} />;
}

function Body({ deployment }: { deployment: Deployment }) {
  const workspaces = useWorkspaces();
  const configs = useDeployConfigs();
  const log = useDeploymentLog(deployment.id);
  const name = workspaces.data?.find((each) => each.id === deployment.workspace_id)?.name;
  const account = configs.data?.find((each) => each.id === deployment.config_id);
  const [state, tone] = stateOf(deployment);
  const took = deployment.completed_at ? Date.parse(deployment.completed_at) - Date.parse(deployment.created_at) : null;
  const seenBy = whoSees(deployment);
  return (
    <div className="page deployment">
      <div className="page-head">
        <div className="stack grow" style={{ gap: 2 }}>
          <a className="small faint back" href={to("deployments")}>Deployments</a>
          <div className="row wrap"><h1 className="clip">{name ?? "A workspace"}</h1><Chip tone={tone} dot>{state}</Chip></div>
        </div>
        <Hands deployment={deployment} />
      </div>
      {deployment.status === "live" && <Address deployment={deployment} />}
      <Steps deployment={deployment} />
      {deployment.error && <WhyFailed deployment={deployment} />}
      <div className="columns deployment-columns">
        <Panel title={<>Log <span className="faint number">{log.lines.length > 0 && log.lines.length.toLocaleString("en-US")}</span></>} flush className="log-panel">
          {log.error !== null ? <p className="note bad" role="alert">{told(log.error)}</p> : log.lines.length === 0 ? <Empty icon="terminal" title={isDone(deployment) ? "It said nothing" : "Nothing said yet"} /> : <Lines lines={log.lines} />}
        </Panel>
        <div className="stack wide">
          {deployment.target === "preview" && deployment.status === "live" && <PreviewPanel deployment={deployment} />}
          <Panel title="About it">
            <dl className="facts">
              <dt>Where to</dt><dd>{targetName(deployment.target)}{account ? `, ${account.name}` : ""}</dd>
              {deployment.target !== "preview" && <><dt>Takes the place of what is live</dt><dd>{deployment.environment === "production" ? "yes" : "no, it has an address of its own"}</dd></>}
              {seenBy && deployment.target !== "preview" && <><dt>Who can open it</dt><dd>{seenBy}</dd></>}
              <dt>What</dt><dd>{deployment.deliverable_id ? "A deliverable of " : "The workspace "}{deployment.deliverable_id && deployment.task_id ? <a href={to("task", deployment.task_id)}>this task</a> : <a href={to("workspaces", deployment.workspace_id)}>{name ?? "that was deleted since"}</a>}</dd>
              {deployment.task_id && !deployment.deliverable_id && <><dt>Made by</dt><dd><a href={to("task", deployment.task_id)}>a task</a></dd></>}
              <dt>Started</dt><dd><Ago at={deployment.created_at} /></dd>
              {took !== null && <><dt>Took</dt><dd className="number">{duration(Math.max(0, took))}</dd></>}
              {openable(deployment.inspect_url) && <><dt>At the host</dt><dd><a href={openable(deployment.inspect_url) ?? ""} target="_blank" rel="noopener noreferrer">its own page about this</a></dd></>}
            </dl>
          </Panel>
        </div>
      </div>
    </div>
  );
}

function Hands({ deployment }: { deployment: Deployment }) {
  const { api, world } = useSession();
  const queries = useQueryClient();
  const say = useSay();
  const [making, setMaking] = useState(false);
  const [busy, setBusy] = useState(false);
  const act = async (call: () => Promise<unknown>, done: string) => {
    setBusy(true);
    try {
      await call();
      say.say(done);
      await queries.invalidateQueries({ queryKey: [world, "deployments"] });
    } catch (error) {
      say.trouble(new Error(told(error)));
    }
    setBusy(false);
  };
  const cancel = async () => {
    if (!(await say.sure("Cancel this deployment?", "The build is stopped, and the host is told to end what it has begun. What was live before stays.", "Cancel it", true))) return;
    await act(() => api.cancelDeployment(deployment.id), "Cancelled");
  };
  const back = async () => {
    if (!(await say.sure("Make this one live again?", "It takes the place of what is live at its host now. Nothing is built or uploaded.", "Make it live", false))) return;
    await act(async () => queries.setQueryData(deploymentKey(world, deployment.id), await api.rollBack(deployment.id)), "It is the live one again");
  };
  return (
    <div className="row wrap">
      {!isDone(deployment) && <Button icon="stop" tone="danger" disabled={busy} onClick={() => void cancel()}>Cancel</Button>}
      {/* A preview keeps its own address: there is nothing to go back to. */}
      {deployment.status === "live" && deployment.target !== "preview" && deployment.target !== "appstore" && <Button disabled={busy} onClick={() => void back()}>Make it live again</Button>}
      {isDone(deployment) && !deployment.deliverable_id && <Button icon="deploy" onClick={() => setMaking(true)}>Deploy again</Button>}
      {making && <NewDeployment workspace={deployment.workspace_id} close={() => setMaking(false)} />}
    </div>
  );
}

function Address({ deployment }: { deployment: Deployment }) {
  const { world } = useSession();
  const address = openable(deployment.url);
  if (!deployment.url) return null;
  return (
    <section className="card address" aria-label="Its address">
      <Icon name="globe" />
      <span className="mono clip grow" title={deployment.url}>{shortAddress(deployment.url)}</span>
      <CopyButton text={deployment.url} label="Copy the address" />
      {address && <a className="button strong" href={address} target="_blank" rel="noopener noreferrer">Open it</a>}
      {world === "test" && <p className="small faint">This is the test world: nothing was published, and nothing is at this address.</p>}
    </section>
  );
}

function Steps({ deployment }: { deployment: Deployment }) {
  const at = stepOf(deployment);
  const failed = deployment.status === "failed";
  return (
    <ol className="steps" aria-label="How far it is">
      {STEPS.map((step, index) => {
        const state = index < at || (index === at && deployment.status === "live") ? "past" : index > at ? "next" : failed ? (deployment.error?.code === "canceled" ? "ended" : "failed") : "now";
        const icon = state === "past" ? "check" : state === "failed" || state === "ended" ? "close" : null;
        return (
          <li key={step.id} className={state} aria-current={state === "now" ? "step" : undefined}>
            <span className="mark">{icon ? <Icon name={icon} tiny /> : <span className="number">{index + 1}</span>}</span>
            <span className="stack" style={{ gap: 0 }}><strong>{step.name}</strong><span className="small faint wide-only">{step.hint}</span></span>
          </li>
        );
      })}
    </ol>
  );
}

function WhyFailed({ deployment }: { deployment: Deployment }) {
  const error = deployment.error;
  if (!error) return null;
  return (
    <div className={`note ${error.code === "canceled" ? "" : "bad"}`} role="alert">
      <Icon name="alert" />
      <div className="stack" style={{ gap: 4 }}>
        <strong>{troubleName(error.code)}</strong>
        <span>{error.message}</span>
        {deployment.config_id && isAboutAccount(error.code) && <a href={to("settings", "accounts")}>Change the account's settings</a>}
      </div>
    </div>
  );
}

const ROW = 21;
/** A short log is as high as this many lines. */
const LEAST_ROWS = 6;
/** So near to the end counts as at the end (pixels). */
const NEAR = 40;

function Lines({ lines }: { lines: readonly LogLine[] }) {
  const frame = useRef<HTMLDivElement>(null);
  const [follows, setFollows] = useState(true);
  const list = useVirtualizer({ count: lines.length, getScrollElement: () => frame.current, estimateSize: () => ROW, overscan: 20 });
  useLayoutEffect(() => {
    const element = frame.current;
    if (follows && element) element.scrollTop = element.scrollHeight;
  }, [lines, follows]);
  const scrolled = () => {
    const element = frame.current;
    if (element) setFollows(element.scrollHeight - element.scrollTop - element.clientHeight < NEAR);
  };
  const longest = lines.reduce((most, line) => Math.max(most, Math.min(line.text.length, 2000)), 0);
  return (
    <div className="scroll log-frame" style={{ height: Math.max(LEAST_ROWS, lines.length) * ROW + 14 }} ref={frame} onScroll={scrolled} tabIndex={0} role="log" aria-label={`The log, ${plural(lines.length, "line")}`}>
      <div style={{ height: list.getTotalSize(), width: `max(100%, ${longest + 14}ch)`, position: "relative" }} className="mono">
        {list.getVirtualItems().map((item) => {
          const line = lines[item.index]!;
          return (
            <div key={line.no} className="virtual log-line" style={{ height: ROW, transform: `translateY(${item.start}px)` }}>
              {line.at !== null && <time className="faint" dateTime={new Date(line.at).toISOString()} title={fullTime(line.at)}>{clockTime(line.at)}</time>}
              <Terminal text={line.text} />
            </div>
          );
        })}
      </div>
    </div>
  );
}
