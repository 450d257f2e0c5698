// The exact arguments of a call, as what they are: a difference where a file changes, a program as a program, the rest by
// name. What the workspace holds now is read when it is shown, so that the difference is with what is there.

import { useEffect } from "react";
import { useQuery } from "@tanstack/react-query";
import { ApiError } from "@miteos/sdk";
import { useSession } from "../session";
import { MAX_SHOWN_BYTES, told } from "../api/api";
import { Ago, Bones } from "../ui/parts";
import { Marked } from "../ui/marked";
import { Code, Diff, languageOf } from "../ui/text";

/** Texts longer than this get a field of their own in place of a line. */
const LONG = 80;

type Input = Record<string, unknown>;

interface Shown {
  tool: string;
  input: unknown;
  /** Where the files are that would change; none: what is there now is not looked at. */
  workspaceId?: string | null;
  /** Names the call: what is compared is read anew for each. */
  call?: string;
  /** Told once all of it is on the page. */
  drawn?: () => void;
}

export function Arguments({ tool, input, workspaceId, call, drawn }: Shown) {
  const compared = tool === "write_file" && workspaceId != null && isRecord(input) && typeof input.path === "string" && typeof input.content === "string";
  useEffect(() => {
    if (!compared) drawn?.();
  }, [compared, drawn]);
  if (!isRecord(input)) return <Code text={JSON.stringify(input, null, 2) ?? ""} language="json" folded />;
  const fields = { ...input };
  const path = typeof fields.path === "string" ? fields.path : null;
  if (tool === "write_file" && path !== null && typeof fields.content === "string") {
    const content = fields.content;
    delete fields.content;
    return (
      <div className="stack">
        <Fields fields={fields} />
        {workspaceId ? <Change workspaceId={workspaceId} path={path} after={content} call={call} drawn={drawn} /> : <Content text={content} path={path} />}
      </div>
    );
  }
  if (tool === "edit_file" && typeof fields.old === "string" && typeof fields.new === "string") {
    const before = fields.old;
    const after = fields.new;
    delete fields.old;
    delete fields.new;
    return <div className="stack"><Fields fields={fields} /><Diff {...pieces(before, after)} /></div>;
  }
  if (tool === "code_exec" && typeof fields.code === "string") {
    const code = fields.code;
    delete fields.code;
    return <div className="stack"><Fields fields={fields} /><div className="framed"><Code text={code} language={String(fields.language ?? "")} folded /></div></div>;
  }
  return <Fields fields={fields} />;
}

const isRecord = (input: unknown): input is Input => typeof input === "object" && input !== null && !Array.isArray(input);

/** Whether a number is in it that a browser cannot hold exactly: what it shows of that is not what is asked. */
export function hasRoundedNumber(value: unknown): boolean {
  if (typeof value === "number") return Number.isInteger(value) && !Number.isSafeInteger(value);
  if (typeof value !== "object" || value === null) return false;
  return Object.values(value).some(hasRoundedNumber);
}

function Content({ text, path }: { text: string; path: string }) {
  return <div className="framed"><Code text={text} language={languageOf(path)} folded /></div>;
}

/** Two pieces of a file as lines: that both end in the middle of one is no difference. */
function pieces(before: string, after: string): { before: string; after: string } {
  const open = (text: string) => text !== "" && !text.endsWith("\n");
  return open(before) && open(after) ? { before: `${before}\n`, after: `${after}\n` } : { before, after };
}

/** What lies there now: a text, nothing, or something that is not compared and why. */
type Before = { text: string } | "nothing" | "too large" | "no text";

function Change({ workspaceId, path, after, call, drawn }: { workspaceId: string; path: string; after: string; call: string | undefined; drawn: (() => void) | undefined }) {
  const { api, world } = useSession();
  const before = useQuery({
    queryKey: [world, "before", workspaceId, path, call ?? ""],
    queryFn: async (): Promise<Before> => {
      try {
        const text = await api.fileText(workspaceId, path, MAX_SHOWN_BYTES);
        if (text === null) return "too large";
        return text.includes("\u0000") ? "no text" : { text };
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return "nothing";
        throw error;
      }
    },
    staleTime: 0, gcTime: 0,
  });
  const pending = before.isPending;
  useEffect(() => {
    if (!pending) drawn?.();
  }, [pending, drawn]);
  if (pending) return <Bones />;
  const whole = <Content text={after} path={path} />;
  if (before.data === undefined) return <Note text={`What is there now could not be read: ${told(before.error)}. This is the whole new text:`}>{whole}</Note>;
  if (before.data === "nothing") return <Note text="A new file">{whole}</Note>;
  if (before.data === "too large") return <Note text="It replaces a file that is too large to compare. This is the whole new text:">{whole}</Note>;
  if (before.data === "no text") return <Note text="It replaces a file that is no text. This is the whole new text:">{whole}</Note>;
  const had = before.data.text;
  return (
    <Note text={<>Compared with the file as it was <Ago at={before.dataUpdatedAt} /> <button type="button" className="link" onClick={() => void before.refetch()}>Look again</button></>}>
      {had === "" ? <><p className="small faint">The file is there, and empty.</p>{whole}</> : <Diff before={had} after={after} />}
    </Note>
  );
}

function Note({ text, children }: { text: React.ReactNode; children: React.ReactNode }) {
  return <div className="stack"><p className="small faint">{text}</p>{children}</div>;
}

function Fields({ fields }: { fields: Input }) {
  const names = Object.keys(fields);
  if (names.length === 0) return null;
  return (
    <dl className="facts args">
      {names.map((name) => (
        <div className="pair" key={name}>
          <dt><code>{name}</code></dt>
          <dd><Value value={fields[name]} /></dd>
        </div>
      ))}
    </dl>
  );
}

function Value({ value }: { value: unknown }) {
  if (typeof value === "string") {
    if (value.length <= LONG && !value.includes("\n")) return <span className="mono wraps">{value === "" ? "(empty)" : <Marked text={value} />}</span>;
    return <div className="framed"><Code text={value} folded /></div>;
  }
  const text = JSON.stringify(value, null, 2) ?? "";
  return text.length <= LONG ? <code>{text}</code> : <div className="framed"><Code text={text} language="json" folded /></div>;
}
