// Dialogs, and the question "are you sure": the browser's own dialog element, which keeps the focus and closes on Escape.

import { createContext, useCallback, useContext, useId, useLayoutEffect, useMemo, useRef, useState, useSyncExternalStore, type ReactNode } from "react";
import { createPortal } from "react-dom";
import { Button } from "./parts";
import { Icon } from "./icons";

/** The dialogs that are open, the last one on top. What is said meanwhile is said in it: all else is hidden from readers. */
const open: HTMLDialogElement[] = [];
const watchers = new Set<() => void>();
const changed = () => watchers.forEach((each) => each());
const topmost = (): HTMLDialogElement | null => open[open.length - 1] ?? null;
const watch = (watcher: () => void) => {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
};

/** The first field, or what says of itself that it is to be first; otherwise the browser takes the first button. */
function begin(dialog: HTMLDialogElement): void {
  const first = dialog.querySelector<HTMLElement>("[data-first]")
    ?? dialog.querySelector<HTMLElement>(".content :is(input:not([type=checkbox], [type=file], [hidden]), textarea, select):not(:disabled)");
  first?.focus();
}

/** Opens it as what it is, and gives the focus back when it goes. */
function useModal() {
  const element = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const dialog = element.current;
    if (!dialog) return;
    dialog.showModal();
    begin(dialog);
    open.push(dialog);
    changed();
    return () => {
      open.splice(open.indexOf(dialog), 1);
      // While it is still in the page: only then the browser gives the focus back to where it was.
      dialog.close();
      if (document.activeElement === document.body) document.getElementById("main")?.focus({ preventScroll: true });
      changed();
    };
  }, []);
  return element;
}

interface DialogProps {
  title: ReactNode;
  wide?: boolean;
  /** What is written in it is kept when it is closed. */
  keeps?: boolean;
  /** It is closed by its own buttons alone. */
  firm?: boolean;
  close: () => void;
  foot?: ReactNode;
  children: ReactNode;
}

export function Dialog(props: DialogProps) {
  const element = useModal();
  const id = useId();
  const written = useRef(false);
  const pressed = useRef<EventTarget | null>(null);
  const [asking, setAsking] = useState(false);
  // Escape and a click beside it are easily meant for something else.
  const leave = () => {
    if (props.firm) return;
    if (written.current && !props.keeps && !asking) setAsking(true);
    else props.close();
  };
  return (
    <dialog
      ref={element} className={props.wide ? "wide" : ""} aria-labelledby={id}
      onCancel={(event) => { if (event.target !== element.current) return; event.preventDefault(); leave(); }}
      // A browser closes one by itself when Escape is pressed again and again.
      onClose={(event) => { if (event.target === element.current && props.firm) element.current?.showModal(); }}
      onPointerDown={(event) => { pressed.current = event.target; }}
      onClick={(event) => { if (event.target === element.current && pressed.current === element.current) leave(); }}
      onInput={(event) => { if (event.target instanceof HTMLTextAreaElement || (event.target instanceof HTMLInputElement && event.target.type !== "checkbox")) written.current = true; }}
    >
      <div className="head">
        <h2 id={id}>{props.title}</h2>
        {!props.firm && <Button tone="plain" icon="close" label="Close" onClick={props.close} />}
      </div>
      <div className="content">{props.children}</div>
      {asking && (
        <div className="foot" role="alert">
          <span className="grow">Close it, and lose what you wrote?</span>
          <Button onClick={() => setAsking(false)}>Go on writing</Button><Button tone="danger" onClick={props.close}>Close and lose it</Button>
        </div>
      )}
      {!asking && props.foot && <div className="foot">{props.foot}</div>}
    </dialog>
  );
}

interface Toast { id: number; text: string; bad: boolean }
interface Question { title: string; text: ReactNode; yes: string; danger: boolean; answer: (yes: boolean) => void }
interface Say {
  say: (text: string) => void;
  trouble: (error: unknown) => void;
  sure: (title: string, text: ReactNode, yes: string, danger?: boolean) => Promise<boolean>;
}

const Context = createContext<Say>({ say: () => {}, trouble: () => {}, sure: () => Promise.resolve(false) });
export const useSay = (): Say => useContext(Context);

const SHOWN_MS = 6_000;
const MOST = 4;

export function Voice({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<Toast[]>([]);
  const [question, setQuestion] = useState<Question | null>(null);
  const next = useRef(1);
  const top = useSyncExternalStore(watch, topmost);
  const hush = useCallback((id: number) => setToasts((all) => all.filter((toast) => toast.id !== id)), []);
  const show = useCallback((text: string, bad: boolean) => {
    const id = next.current++;
    setToasts((all) => [...all, { id, text, bad }].slice(-MOST));
    // What went wrong stays until it was read.
    if (!bad) setTimeout(() => hush(id), SHOWN_MS);
  }, [hush]);
  const voice = useMemo<Say>(() => ({
    say: (text) => show(text, false),
    trouble: (error) => show(error instanceof Error ? error.message : String(error), true),
    sure: (title, text, yes, danger = false) => new Promise((resolve) => {
      setQuestion({ title, text, yes, danger, answer: (said) => { setQuestion(null); resolve(said); } });
    }),
  }), [show]);
  return (
    <Context value={voice}>
      {children}
      {question && (
        <Dialog
          title={question.title} close={() => question.answer(false)}
          foot={<>
            <Button data-first={question.danger || undefined} onClick={() => question.answer(false)}>Keep as it is</Button>
            <Button tone={question.danger ? "danger" : "strong"} data-first={!question.danger || undefined} onClick={() => question.answer(true)}>{question.yes}</Button>
          </>}
        >
          <div className="quiet">{question.text}</div>
        </Dialog>
      )}
      {createPortal(<Toasts toasts={toasts} hush={hush} />, top ?? document.body)}
    </Context>
  );
}

function Toasts({ toasts, hush }: { toasts: Toast[]; hush: (id: number) => void }) {
  const shown = (bad: boolean) => toasts.filter((toast) => toast.bad === bad).map((toast) => (
    <div key={toast.id} className={`toast ${bad ? "bad" : ""}`}>
      <Icon name={bad ? "alert" : "check"} />
      <span className="grow">{toast.text}</span>
      {bad && <Button small tone="plain" icon="close" label="I have read it" onClick={() => hush(toast.id)} />}
    </div>
  ));
  return (
    <div className="toasts">
      <div role="alert">{shown(true)}</div>
      <div role="status" aria-live="polite">{shown(false)}</div>
    </div>
  );
}
