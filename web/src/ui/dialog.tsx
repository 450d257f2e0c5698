// Dialogs, and the question "are you sure": the browser's own dialog element, which keeps the focus and closes on Escape.

import { createContext, useCallback, useContext, useEffect, useId, useMemo, useRef, useState, type ReactNode } from "react";
import { Button } from "./parts";
import { Icon } from "./icons";

export function Dialog(props: { title: ReactNode; wide?: boolean; close: () => void; foot?: ReactNode; children: ReactNode }) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    if (dialog && !dialog.open) dialog.showModal();
  }, []);
  return (
    <dialog
      ref={element} className={props.wide ? "wide" : ""} aria-labelledby={id}
      onCancel={(event) => { event.preventDefault(); props.close(); }}
      onClick={(event) => { if (event.target === element.current) props.close(); }}
    >
      <div className="head">
        <h2 id={id}>{props.title}</h2>
        <Button tone="plain" icon="close" label="Close" onClick={props.close} />
      </div>
      <div className="content">{props.children}</div>
      {props.foot && <div className="foot">{props.foot}</div>}
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
  const show = useCallback((text: string, bad: boolean) => {
    const id = next.current++;
    setToasts((all) => [...all, { id, text, bad }].slice(-MOST));
    setTimeout(() => setToasts((all) => all.filter((toast) => toast.id !== id)), SHOWN_MS);
  }, []);
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
            <Button onClick={() => question.answer(false)}>Keep as it is</Button>
            <Button tone={question.danger ? "danger" : "strong"} autoFocus onClick={() => question.answer(true)}>{question.yes}</Button>
          </>}
        >
          <div className="quiet">{question.text}</div>
        </Dialog>
      )}
      <div className="toasts" role="status" aria-live="polite">
        {toasts.map((toast) => (
          <div key={toast.id} className={`toast ${toast.bad ? "bad" : ""}`}>
            <Icon name={toast.bad ? "alert" : "check"} />
            <span>{toast.text}</span>
          </div>
        ))}
      </div>
    </Context>
  );
}
