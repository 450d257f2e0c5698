// Text of others, shown as text: programs with colours, terminals, differences, Markdown. Nothing here makes HTML out of
// a string: highlighters and parsers give trees, and the trees become elements.

import { Component, lazy, Suspense, useMemo, useState, type ReactNode } from "react";
import { ansiPieces } from "./ansi";
import { lineDiff, type DiffLine } from "./diff";
import { count } from "./format";
import { Marked } from "./marked";
import { Button } from "./parts";
import { Unseen, useRest } from "./unseen";

const Highlighted = lazy(() => import("./highlighted"));
const MarkdownBody = lazy(() => import("./markdown"));

/** Longer texts are shown without colours: finding them would take longer than reading. */
const MAX_COLOURED_CHARS = 100_000;
/** So much more is put on the page at once; the rest comes when it is asked for. */
const SHOWN_CHARS = 200_000;
/** Lines of a difference, likewise. */
const SHOWN_LINES = 2_000;

/** What stands in for a part that failed to load or to draw: the text as it is. */
class Fallback extends Component<{ plain: ReactNode; children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };
  static getDerivedStateFromError() {
    return { failed: true };
  }
  override render() {
    return this.state.failed ? this.props.plain : this.props.children;
  }
}

/** A text from its first character to its last. Of a long one the rest comes on demand, and that there is one is said. */
export function Code({ text, language, folded }: { text: string; language?: string | undefined; folded?: boolean }) {
  const [most, setMost] = useState(SHOWN_CHARS);
  useRest(text.length > most);
  const shown = text.length > most ? text.slice(0, most) : text;
  const plain = <Marked text={shown} />;
  const colour = language !== undefined && shown.length <= MAX_COLOURED_CHARS;
  return (
    <>
      <pre className={`code scroll ${folded ? "folded" : ""}`} tabIndex={0}>
        {colour ? (
          <Fallback plain={plain}>
            <Suspense fallback={plain}><Highlighted text={shown} language={language} /></Suspense>
          </Fallback>
        ) : plain}
      </pre>
      {text.length > most && <Rest said={`The first ${count(most)} of ${count(text.length)} characters`} more={() => setMost(most + SHOWN_CHARS)} />}
    </>
  );
}

function Rest({ said, more }: { said: string; more: () => void }) {
  return <div className="note wait rest"><span className="grow">{said} are shown.</span><Button small onClick={more}>Show more</Button></div>;
}

export function Terminal({ text }: { text: string }) {
  const pieces = useMemo(() => ansiPieces(text), [text]);
  return (
    <div className="terminal">
      {pieces.map((piece, index) => (piece.names === "" ? piece.text : <span key={index} className={piece.names}>{piece.text}</span>))}
    </div>
  );
}

export function Markdown({ text }: { text: string }) {
  const plain = <div style={{ whiteSpace: "pre-wrap" }}>{text}</div>;
  return (
    <div className="prose">
      <Fallback plain={plain}>
        <Suspense fallback={plain}><MarkdownBody text={text} /></Suspense>
      </Fallback>
    </div>
  );
}

const SIGN: Record<DiffLine["kind"], string> = { same: " ", add: "+", del: "−", gap: "⋯" };
const WORD: Record<DiffLine["kind"], string> = { same: "", add: "added: ", del: "removed: ", gap: "" };

/** What would change. Where two texts cannot be compared, both are shown whole. */
export function Diff({ before, after }: { before: string; after: string }) {
  const lines = useMemo(() => lineDiff(before, after), [before, after]);
  const [most, setMost] = useState(SHOWN_LINES);
  useRest(lines !== null && lines.length > most);
  if (lines === null) return <Uncompared before={before} after={after} />;
  if (lines.every((line) => line.kind === "gap" || line.kind === "same")) return <p className="faint">Nothing would change.</p>;
  return (
    <>
      <div className="diff scroll" tabIndex={0} role="group" aria-label="What would change">
        <div className="in">
          {lines.slice(0, most).map((line, index) => (
            <div key={index} className={`l ${line.kind}`}>
              <span className="m" aria-hidden="true">{SIGN[line.kind]}</span>
              <span>{WORD[line.kind] !== "" && <span className="only-read">{WORD[line.kind]}</span>}<Marked text={line.text} />{line.open && line.kind !== "same" && <span className="faint"> (no line end)</span>}</span>
            </div>
          ))}
        </div>
      </div>
      {lines.length > most && <Rest said={`The first ${count(most)} of ${count(lines.length)} lines`} more={() => setMost(most + SHOWN_LINES)} />}
    </>
  );
}

function Uncompared({ before, after }: { before: string; after: string }) {
  return (
    <div className="stack" data-uncompared>
      <p className="small quiet">Too much is different to show it line by line. This is the whole new text:</p>
      <div className="framed"><Code text={after} folded /></div>
      {before !== "" && <details><summary className="small quiet">The text of before</summary><div className="framed"><Unseen value={null}><Code text={before} folded /></Unseen></div></details>}
    </div>
  );
}

/** What to colour a file as, by its name; none where it is plain text or unknown. */
export function languageOf(name: string): string | undefined {
  const end = name.slice(name.lastIndexOf(".") + 1).toLowerCase();
  const known: Record<string, string> = {
    py: "python", js: "javascript", mjs: "javascript", cjs: "javascript", jsx: "javascript", ts: "typescript", tsx: "typescript",
    json: "json", md: "markdown", markdown: "markdown", html: "xml", htm: "xml", xml: "xml", svg: "xml", css: "css", sh: "bash", bash: "bash",
    yml: "yaml", yaml: "yaml", toml: "ini", ini: "ini", rs: "rust", go: "go", sql: "sql", diff: "diff", patch: "diff",
  };
  return Object.hasOwn(known, end) ? known[end] : undefined;
}
