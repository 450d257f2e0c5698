// The exact arguments of a call, as what they are: a difference where a file changes, a program as a program, the rest by
// name. What the workspace holds now is read when it is shown, so that the difference is with what is there.

import { useQuery } from "@tanstack/react-query";
import { ApiError } from "@miteos/sdk";
import { useSession } from "../session";
import { MAX_SHOWN_BYTES } from "../api/api";
import { Bones } from "../ui/parts";
import { Code, Diff, languageOf } from "../ui/text";

/** Texts longer than this get a field of their own in place of a line. */
const LONG = 80;

type Input = Record<string, unknown>;

export function Arguments({ tool, input, workspaceId }: { tool: string; input: unknown; workspaceId?: string | null }) {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    return <Code text={JSON.stringify(input, null, 2) ?? ""} language="json" folded />;
  }
  const fields = { ...(input as Input) };
  const path = typeof fields.path === "string" ? fields.path : null;
  if (tool === "write_file" && path !== null && typeof fields.content === "string") {
    const content = fields.content;
    delete fields.content;
    return (
      <div className="stack">
        <Fields fields={fields} />
        {workspaceId ? <Change workspaceId={workspaceId} path={path} after={content} /> : <div className="framed"><Code text={content} language={languageOf(path)} folded /></div>}
      </div>
    );
  }
  if (tool === "edit_file" && typeof fields.old === "string" && typeof fields.new === "string") {
    const before = fields.old;
    const after = fields.new;
    delete fields.old;
    delete fields.new;
    return <div className="stack"><Fields fields={fields} /><Diff before={ended(before)} after={ended(after)} /></div>;
  }
  if (tool === "code_exec" && typeof fields.code === "string") {
    const code = fields.code;
    delete fields.code;
    return <div className="stack"><Fields fields={fields} /><div className="framed"><Code text={code} language={String(fields.language ?? "")} /></div></div>;
  }
  return <Fields fields={fields} />;
}

const ended = (text: string): string => (text === "" || text.endsWith("\n") ? text : `${text}\n`);

function Change({ workspaceId, path, after }: { workspaceId: string; path: string; after: string }) {
  const { api, world } = useSession();
  const before = useQuery({
    queryKey: [world, "before", workspaceId, path],
    queryFn: async () => {
      try {
        const blob = await api.fileBlob(workspaceId, path);
        return blob.size > MAX_SHOWN_BYTES ? null : await blob.text();
      } catch (error) {
        // Nothing is there yet: all of it is new.
        if (error instanceof ApiError && error.status === 404) return "";
        throw error;
      }
    },
    staleTime: 0,
  });
  if (before.isPending) return <Bones />;
  if (before.data === null || before.isError) return <div className="framed"><Code text={after} language={languageOf(path)} folded /></div>;
  return (
    <div className="stack">
      <p className="small faint">{before.data === "" ? "A new file" : "Compared with the file as it is now"}</p>
      <Diff before={ended(before.data)} after={ended(after)} />
    </div>
  );
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
    if (value.length <= LONG && !value.includes("\n")) return <span className="mono wraps">{value === "" ? "(empty)" : value}</span>;
    return <div className="framed"><Code text={value} folded /></div>;
  }
  const text = JSON.stringify(value, null, 2) ?? "";
  return text.length <= LONG ? <code>{text}</code> : <div className="framed"><Code text={text} language="json" folded /></div>;
}
