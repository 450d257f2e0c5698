// The small parts: buttons, chips, panels, fields, meters, empty states. They know nothing of tasks.

import { useEffect, useId, useLayoutEffect, useRef, useState, useSyncExternalStore, type ButtonHTMLAttributes, type KeyboardEvent, type ReactNode } from "react";
import { Icon, type IconName } from "./icons";
import { fullTime, relative } from "./format";

type Tone = "work" | "wait" | "good" | "bad" | "hold" | "off";

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  icon?: IconName;
  tone?: "strong" | "danger" | "plain";
  small?: boolean;
  /** A button that shows its icon alone still has a name. */
  label?: string;
}

export function Button({ icon, tone, small, label, children, className, type, ...rest }: ButtonProps) {
  const alone = children === undefined || children === null;
  const names = ["button", tone, small && "small", alone && "icon", className].filter(Boolean).join(" ");
  return (
    <button type={type ?? "button"} className={names} aria-label={label} title={alone ? label : undefined} {...rest}>
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

export function Chip({ tone, dot, strong, children }: { tone?: Tone | undefined; dot?: boolean; strong?: boolean; children: ReactNode }) {
  return (
    <span className={`chip ${tone ?? ""} ${strong ? "full" : ""}`}>
      {dot && <span className="dot" />}
      {children}
    </span>
  );
}

export function Panel(props: { title: ReactNode; tools?: ReactNode; flush?: boolean; className?: string; label?: string; children: ReactNode }) {
  const id = useId();
  return (
    <section className={`panel ${props.className ?? ""}`} aria-labelledby={id}>
      <header>
        <h2 id={id}>{props.title}</h2>
        <div className="grow" />
        {props.tools}
      </header>
      <div className={`body scroll ${props.flush ? "flush" : ""}`}>{props.children}</div>
    </section>
  );
}

export function Meter({ value, tone, label }: { value: number; tone?: Tone | undefined; label: string }) {
  const part = Math.max(0, Math.min(1, value));
  return (
    <div className={`meter ${tone ?? ""}`} role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(part * 100)}>
      <span style={{ transform: `scaleX(${part})` }} />
    </div>
  );
}

export function Field(props: { name: string; hint?: ReactNode; wrong?: string | null; children: (id: string) => ReactNode }) {
  const id = useId();
  const said = `${id}-said`;
  const isSaid = Boolean(props.wrong ?? props.hint);
  const isWrong = Boolean(props.wrong);
  // The field is somewhere in what the caller gives; what is said of it belongs to it for those who hear the page.
  useLayoutEffect(() => {
    const field = document.getElementById(id);
    if (!field) return;
    if (isSaid) field.setAttribute("aria-describedby", said);
    else field.removeAttribute("aria-describedby");
    if (isWrong) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  });
  return (
    <div className="field">
      <label className="name" htmlFor={id}>{props.name}</label>
      {props.children(id)}
      {props.wrong ? <span className="wrong" role="alert" id={said}>{props.wrong}</span> : props.hint && <span className="hint" id={said}>{props.hint}</span>}
    </div>
  );
}

export function Empty({ icon, title, children, tools }: { icon?: IconName; title: string; children?: ReactNode; tools?: ReactNode }) {
  return (
    <div className="empty">
      {icon && <span className="faint"><Icon name={icon} /></span>}
      <strong>{title}</strong>
      {children && <p>{children}</p>}
      {tools && <div className="row wrap">{tools}</div>}
    </div>
  );
}

export function Bones({ lines = 3 }: { lines?: number }) {
  return (
    <div className="stack" aria-hidden="true" style={{ padding: 14 }}>
      {Array.from({ length: lines }, (_, index) => <div key={index} className="bone" style={{ width: `${88 - index * 17}%` }} />)}
    </div>
  );
}

export function Trouble({ error, again }: { error: unknown; again?: () => void }) {
  const text = error instanceof Error ? error.message : String(error);
  return (
    <div className="note bad" role="alert">
      <Icon name="alert" />
      <div className="stack">
        <span>{text}</span>
        {again && <div><Button small onClick={again}>Try again</Button></div>}
      </div>
    </div>
  );
}

interface TabsProps<T extends string> {
  name: string;
  /** Names the tabs and their panel: a `TabPanel` with the same one shows what is chosen. */
  id: string;
  value: T;
  tabs: { id: T; name: ReactNode; extra?: ReactNode }[];
  choose: (id: T) => void;
}

/** One stop for Tab; arrows, Home and End choose. */
export function Tabs<T extends string>(props: TabsProps<T>) {
  const list = useRef<HTMLDivElement>(null);
  const move = (event: KeyboardEvent) => {
    const { tabs } = props;
    const at = tabs.findIndex((tab) => tab.id === props.value);
    const to = { ArrowRight: (at + 1) % tabs.length, ArrowLeft: (at - 1 + tabs.length) % tabs.length, Home: 0, End: tabs.length - 1 }[event.key];
    const next = to === undefined ? undefined : tabs[to];
    if (!next) return;
    event.preventDefault();
    props.choose(next.id);
    list.current?.querySelector<HTMLButtonElement>(`[data-tab="${next.id}"]`)?.focus();
  };
  return (
    <div className="tabs" role="tablist" aria-label={props.name} ref={list} onKeyDown={move}>
      {props.tabs.map((tab) => {
        const chosen = tab.id === props.value;
        return (
          <button
            key={tab.id} type="button" role="tab" id={`${props.id}-${tab.id}`} data-tab={tab.id} aria-selected={chosen} aria-controls={chosen ? `${props.id}-panel` : undefined}
            tabIndex={chosen ? 0 : -1} onClick={() => props.choose(tab.id)}
          >
            {tab.name}{tab.extra}
          </button>
        );
      })}
    </div>
  );
}

/** What stands behind the tab that is chosen. */
export function TabPanel({ id, value, className, children }: { id: string; value: string; className: string; children: ReactNode }) {
  return <div className={className} role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${value}`} tabIndex={0}>{children}</div>;
}

/** Which of several is shown, where they are parts of one list and no panels. */
export function Filter<T extends string>(props: { name: string; value: T; choices: { id: T; name: string }[]; choose: (id: T) => void }) {
  return (
    <div className="tabs" role="group" aria-label={props.name}>
      {props.choices.map((choice) => (
        <button key={choice.id} type="button" aria-pressed={choice.id === props.value} onClick={() => props.choose(choice.id)}>{choice.name}</button>
      ))}
    </div>
  );
}

export function Segments<T extends string>(props: { name: string; value: T; choices: { id: T; name: string }[]; choose: (id: T) => void }) {
  return (
    <div className="segments" role="group" aria-label={props.name}>
      {props.choices.map((choice) => (
        <button key={choice.id} type="button" aria-pressed={choice.id === props.value} onClick={() => props.choose(choice.id)}>{choice.name}</button>
      ))}
    </div>
  );
}

/** A clock that strikes every so often, as long as somebody listens: one for all that show an age, however many they are. */
function clock(everyMs: number) {
  const listeners = new Set<() => void>();
  let now = Date.now();
  let timer: ReturnType<typeof setInterval> | null = null;
  return {
    now: () => now,
    listen: (listener: () => void) => {
      listeners.add(listener);
      if (timer === null) now = Date.now();
      timer ??= setInterval(() => {
        now = Date.now();
        for (const each of listeners) each();
      }, everyMs);
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0 || timer === null) return;
        clearInterval(timer);
        timer = null;
      };
    },
  };
}

const clocks = new Map<number, ReturnType<typeof clock>>();

/** The time now, anew every so often, for everything that shows an age. */
export function useNow(everyMs: number): number {
  const found = clocks.get(everyMs) ?? clock(everyMs);
  clocks.set(everyMs, found);
  return useSyncExternalStore(found.listen, found.now);
}

export function Ago({ at }: { at: string | number }) {
  // What came since the clock struck is not in the future.
  const [began] = useState(Date.now);
  const now = Math.max(useNow(15_000), began);
  const value = typeof at === "number" ? at : Date.parse(at);
  if (!Number.isFinite(value)) return <span className="nowrap">at an unknown time</span>;
  return <time dateTime={new Date(value).toISOString()} title={fullTime(value)} className="nowrap">{relative(value, now)}</time>;
}

/** Beside what it copies. Without https browsers give no clipboard: then the old way is tried, and what came of it is said. */
export function CopyButton({ text, label = "Copy" }: { text: string; label?: string }) {
  const [came, setCame] = useState<"done" | "refused" | null>(null);
  const button = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    if (came !== "done") return;
    const timer = setTimeout(() => setCame(null), 1500);
    return () => clearTimeout(timer);
  }, [came]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCame("done");
    } catch {
      // Also where there is no clipboard at all.
      setCame(copyBySelection(text, button.current) ? "done" : "refused");
    }
  };
  return (
    <span className="row" ref={button}>
      <Button small tone="plain" icon={came === "done" ? "check" : "copy"} label={came === "done" ? "Copied" : label} onClick={() => void copy()} />
      {came === "refused" && <span className="small" role="alert">This browser does not let the page copy. Select it, and copy it yourself.</span>}
    </span>
  );
}

function copyBySelection(text: string, beside: HTMLElement | null): boolean {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "only-read";
  // Inside a dialog only what is in it can have the focus.
  (beside ?? document.body).append(field);
  const before = document.activeElement;
  field.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    field.remove();
    if (before instanceof HTMLElement) before.focus();
  }
}

/** A quiet word above what is shown when asking for it again failed: it is of before. */
export function Stale({ query }: { query: { isRefetchError: boolean; error: unknown; dataUpdatedAt: number; refetch: () => unknown } }) {
  if (!query.isRefetchError) return null;
  const text = query.error instanceof Error ? query.error.message : String(query.error);
  return (
    <div className="row small faint stale" title={text}>
      <Icon name="alert" tiny /><span>This is of <Ago at={query.dataUpdatedAt} />; the server did not answer since.</span>
      <button type="button" className="link" onClick={() => query.refetch()}>Ask again</button>
    </div>
  );
}
