// The page's frame: who may enter, where things are, and how the connection is.

import { Suspense, useEffect, useRef, useState, type ReactNode } from "react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { Gate, useSession } from "./session";
import { forgetAnswers } from "./pages/drafts";
import { Following, useConnection, useReachable } from "./live/hooks";
import { usePending } from "./live/queries";
import { useRoute, to, go, type Route } from "./route";
import { Boundary, part } from "./ui/boundary";
import { Dialog, Voice } from "./ui/dialog";
import { Bones, Button, Empty, Segments, useNow } from "./ui/parts";
import { Icon, type IconName } from "./ui/icons";
import { duration } from "./ui/format";
import { SignIn } from "./pages/signin";
import { Now } from "./pages/now";
import { Tasks } from "./pages/tasks";
import { useShortcuts } from "./ui/shortcuts";

const TaskPage = part(() => import("./pages/task"));
const Inbox = part(() => import("./pages/inbox"));
const Deployments = part(() => import("./pages/deployments"));
const Workspaces = part(() => import("./pages/workspaces"));
const Usage = part(() => import("./pages/usage"));
const Settings = part(() => import("./pages/settings"));

/** The SDK repeats by itself what may be repeated. */
const queries = new QueryClient({
  defaultOptions: { queries: { retry: false, staleTime: 5_000, refetchOnWindowFocus: true, networkMode: "always" }, mutations: { networkMode: "always" } },
});

const forget = () => {
  queries.clear();
  forgetAnswers();
};

export function App() {
  return (
    <QueryClientProvider client={queries}>
      <Gate door={(door) => <SignIn door={door} />} left={forget}>
        <Following>
          <Voice><Whole /></Voice>
        </Following>
      </Gate>
    </QueryClientProvider>
  );
}

/** Nothing that goes wrong leaves an empty window. */
function Whole() {
  return <Boundary place="" reachable={useReachable()}><Frame /></Boundary>;
}

interface Place { page: string; name: string; icon: IconName }

const PLACES: Place[] = [
  { page: "", name: "Now", icon: "now" },
  { page: "inbox", name: "Inbox", icon: "inbox" },
  { page: "tasks", name: "Tasks", icon: "tasks" },
  { page: "workspaces", name: "Workspaces", icon: "folder" },
  { page: "deployments", name: "Deployments", icon: "deploy" },
  { page: "usage", name: "Usage", icon: "usage" },
  { page: "settings", name: "Settings", icon: "settings" },
];

function Frame() {
  const route = useRoute();
  const pending = usePending();
  const waits = pending.data?.total ?? 0;
  const reachable = useReachable();
  useArrival(route);
  const [help, setHelp] = useState(false);
  const [more, setMore] = useState(false);
  useEffect(() => setMore(false), [route]);

  useEffect(() => {
    const name = PLACES.find((place) => place.page === route.page)?.name ?? "Miteos";
    if (route.page !== "task") document.title = `${waits > 0 ? `(${waits}) ` : ""}${name} · Miteos`;
  }, [route, waits]);

  useShortcuts({
    "g n": () => go(to("")), "g i": () => go(to("inbox")), "g t": () => go(to("tasks")), "g w": () => go(to("workspaces")), "g d": () => go(to("deployments")),
    "g u": () => go(to("usage")), "g s": () => go(to("settings")), "?": () => setHelp(true),
  });

  return (
    <div className="frame">
      <a className="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>Skip to the content</a>
      <Side page={route.page} waits={waits} help={() => setHelp(true)} />
      <main id="main" tabIndex={-1}>
        <ConnectionLine />
        <Notice />
        <Boundary place={`${route.page}/${route.id}`} reachable={reachable}>
          <Suspense fallback={<div className="page"><Bones lines={4} /></div>}>
            <Page page={route.page} id={route.id} />
          </Suspense>
        </Boundary>
      </main>
      <Bottom page={route.page} waits={waits} more={() => setMore(true)} />
      {help && <Shortcuts close={() => setHelp(false)} />}
      {more && <More page={route.page} close={() => setMore(false)} />}
    </div>
  );
}

function Page({ page, id }: { page: string; id: string | null }): ReactNode {
  switch (page) {
    case "": return <Now />;
    case "inbox": return <Inbox />;
    case "tasks": return <Tasks />;
    case "task": return id ? <TaskPage key={id} id={id} /> : <Tasks />;
    case "workspaces": return <Workspaces id={id} />;
    case "deployments": return <Deployments id={id} />;
    case "usage": return <Usage />;
    case "settings": return <Settings part={id} />;
    default: return (
      <div className="page">
        <Empty title="There is nothing here" tools={<Button onClick={() => go(to(""))}>Go to Now</Button>}>The address may have been cut short.</Empty>
      </div>
    );
  }
}

function PlaceLink({ place, at, waits }: { place: Place; at: string; waits: number }) {
  const here = place.page === at || (place.page === "tasks" && at === "task");
  return (
    <a href={to(place.page)} aria-current={here ? "page" : undefined}>
      <Icon name={place.icon} />
      <span className="name">{place.name}</span>
      {place.page === "inbox" && waits > 0 && <span className="count" aria-label={`${waits} waiting`}>{waits}</span>}
    </a>
  );
}

function Side({ page, waits, help }: { page: string; waits: number; help: () => void }) {
  return (
    <div className="side">
      <a className="brand" href={to("")}><img src="/mark.svg" alt="" width="22" height="22" /><span>Miteos</span></a>
      <nav aria-label="Main">
        {PLACES.map((place) => <PlaceLink key={place.page} place={place} at={page} waits={waits} />)}
      </nav>
      <div className="grow" />
      <div className="stack">
        <Light />
        <WorldChoice />
        <Button tone="plain" small onClick={help} className="left"><kbd>?</kbd> Keyboard</Button>
      </div>
    </div>
  );
}

function WorldChoice() {
  const { world, worlds, setWorld } = useSession();
  if (worlds.length < 2) {
    return <div className="world small quiet">{world === "test" ? "Test world: nothing costs, nothing leaves the server" : "Live"}</div>;
  }
  return (
    <div className="world">
      <Segments
        name="World" value={world} choose={(chosen) => { setWorld(chosen); go(to("")); }}
        choices={[{ id: "live", name: "Live" }, { id: "test", name: "Test" }]}
      />
      {world === "test" && <p className="small faint">A scripted model: no cost, nothing leaves the server.</p>}
    </div>
  );
}

function Light() {
  const connection = useConnection();
  const [tone, text] = {
    open: ["good", "Connected"], connecting: ["off", "Connecting…"], waiting: ["bad", "Connection lost"], refused: ["bad", "No live updates"],
    asking: ["work", "Looks every few seconds"],
  }[connection.state] as [string, string];
  const why = connection.state === "asking" ? "This key may have no more live connections than are open already, so this page asks every few seconds." : undefined;
  return <div className="light small quiet" data-state={connection.state} title={why}><span className={`lamp ${tone}`} />{text}</div>;
}

/** Where a change of the place takes away what had the focus, the focus goes to the new content. */
function useArrival(route: Route): void {
  const at = `${route.page}/${route.id}`;
  const before = useRef(at);
  useEffect(() => {
    if (before.current === at) return;
    before.current = at;
    if (document.activeElement === null || document.activeElement === document.body) document.getElementById("main")?.focus({ preventScroll: true });
  }, [at]);
}

/** What became of a link that was opened beside a session. */
function Notice() {
  const { notice, hush } = useSession();
  if (notice === null) return null;
  return (
    <div className="connection-line" role="alert">
      <Icon name="alert" /><span className="grow">{notice}</span><Button small onClick={hush}>Go on as before</Button>
    </div>
  );
}

function ConnectionLine() {
  const connection = useConnection();
  const now = useNow(1000);
  if (connection.state === "waiting" && now - connection.since > 1500) {
    // What is spoken stays the same: a screen reader would say each second.
    return (
      <div className="connection-line" role="status">
        <Icon name="alert" />
        <span>The server is out of reach<span aria-hidden="true">, for {duration(now - connection.since)}</span>. Trying again; nothing will be missed.</span>
      </div>
    );
  }
  if (connection.state === "refused") {
    return <div className="connection-line" role="status"><Icon name="alert" /><span>No live updates: {connection.why}</span></div>;
  }
  return null;
}

/** On a phone these are always in sight; the others are behind one more. */
const AT_HAND = new Set(["", "inbox", "tasks", "workspaces"]);

function Bottom({ page, waits, more }: { page: string; waits: number; more: () => void }) {
  const elsewhere = PLACES.some((place) => place.page === page && !AT_HAND.has(page));
  return (
    <nav className="bottom" aria-label="Main, below">
      {PLACES.filter((place) => AT_HAND.has(place.page)).map((place) => <PlaceLink key={place.page} place={place} at={page} waits={waits} />)}
      <button type="button" aria-current={elsewhere ? "true" : undefined} onClick={more}><Icon name="more" /><span className="name">More</span></button>
    </nav>
  );
}

function More({ page, close }: { page: string; close: () => void }) {
  return (
    <Dialog title="More" close={close}>
      <div className="stack wide more">
        <nav className="lines framed" aria-label="More places">
          {PLACES.filter((place) => !AT_HAND.has(place.page)).map((place) => (
            <a key={place.page} className="line-row" href={to(place.page)} aria-current={place.page === page ? "page" : undefined} onClick={close}><Icon name={place.icon} /><span className="grow">{place.name}</span></a>
          ))}
        </nav>
        <WorldChoice />
        <Light />
      </div>
    </Dialog>
  );
}

const KEYS: [string, string][] = [
  ["/", "Write a new task"], ["g n", "Now"], ["g i", "Inbox"], ["g t", "Tasks"], ["g w", "Workspaces"], ["g d", "Deployments"],
  ["g u", "Usage"], ["g s", "Settings"],
  ["j  k", "In the inbox, the timeline and the list of tasks: next, previous"], ["a", "In the inbox: approve"], ["r", "In the inbox: reject"], ["e", "In the inbox: edit, then approve"],
  ["p", "On a task: pause or resume"], ["m", "On a task: guide all agents"], ["?", "This list"],
];

function Shortcuts({ close }: { close: () => void }) {
  return (
    <Dialog title="Keyboard" close={close}>
      <dl className="facts keys">
        {KEYS.map(([keys, does]) => (
          <div key={keys} className="pair"><dt>{keys.split(/ +/).map((key) => <kbd key={key}>{key}</kbd>)}</dt><dd>{does}</dd></div>
        ))}
      </dl>
    </Dialog>
  );
}
