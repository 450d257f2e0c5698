// Text of others, shown as text: programs with colours, terminals, differences, Markdown. Nothing here makes HTML out of
// a string: highlighters and parsers give trees, and the trees become elements.

import { Component, lazy, Suspense, useMemo, type ReactNode } from "react";
import { ansiPieces } from "./ansi";
import { lineDiff, type DiffLine } from "./diff";

const Highlighted = lazy(() => import("./highlighted"));
const MarkdownBody = lazy(() => import("./markdown"));

/** Longer texts are shown without colours: finding them would take longer than reading. */
const MAX_COLOURED_CHARS = 100_000;
/** More is not put on the page at once. */
const MAX_SHOWN_CHARS = 400_000;

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

export function Code({ text, language, folded }: { text: string; language?: string | undefined; folded?: boolean }) {
  const shown = text.length > MAX_SHOWN_CHARS ? `${text.slice(0, MAX_SHOWN_CHARS)}\n… (the rest is in the file)` : text;
  const plain = <>{shown}</>;
  const colour = language !== undefined && shown.length <= MAX_COLOURED_CHARS;
  return (
    <pre className={`code scroll ${folded ? "folded" : ""}`} tabIndex={0}>
      {colour ? (
        <Fallback plain={plain}>
          <Suspense fallback={plain}><Highlighted text={shown} language={language} /></Suspense>
        </Fallback>
      ) : plain}
    </pre>
  );
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

export function Diff({ before, after }: { before: string; after: string }) {
  const lines = useMemo(() => lineDiff(before, after), [before, after]);
  if (lines === null) return <p className="faint">The texts are too long to compare here.</p>;
  if (lines.every((line) => line.kind === "gap" || line.kind === "same")) return <p className="faint">Nothing would change.</p>;
  return (
    <div className="diff scroll" tabIndex={0} role="group" aria-label="What would change">
      <div className="in">
        {lines.map((line, index) => (
          <div key={index} className={`l ${line.kind}`}>
            <span className="m" aria-hidden="true">{SIGN[line.kind]}</span>
            <span>{WORD[line.kind] !== "" && <span className="only-read">{WORD[line.kind]}</span>}{line.text}</span>
          </div>
        ))}
      </div>
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
  return known[end];
}
