// A file, shown: text with colours, Markdown as a page, tables as tables, pictures as pictures. HTML is shown as text: it
// runs on the preview's own address and nowhere else.

import { useEffect, useMemo, useState } from "react";
import { useQuery } from "@tanstack/react-query";
import { useSession } from "../session";
import { MAX_SHOWN_BYTES, told } from "../api/api";
import { Bones, Button, Empty, Segments, Trouble } from "../ui/parts";
import { Dialog, useSay } from "../ui/dialog";
import { visible } from "../ui/odd";
import { Code, Markdown, languageOf } from "../ui/text";
import { bytes } from "../ui/format";
import { readTable } from "../ui/csv";

export interface Source {
  name: string;
  size: number;
  /** Names its content: another one is read anew. */
  key: readonly unknown[];
  read: () => Promise<Blob>;
  /** Asks for an address here that gives it without a header, where there is such a one: the browser fetches it by itself. */
  link?: () => Promise<string | null>;
  /** Its bytes as they come. */
  stream?: () => Promise<ReadableStream<Uint8Array>>;
}

/** Pictures are shown up to this size. */
const MAX_PICTURE_BYTES = 20 * 1024 * 1024;
/** From here on a file is not held in memory to be saved where that can be helped, and what takes a while is said. */
const LARGE_BYTES = 10 * 1024 * 1024;

const PICTURES: Record<string, string> = { png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", gif: "image/gif", webp: "image/webp", svg: "image/svg+xml", avif: "image/avif" };
const ending = (name: string): string => name.slice(name.lastIndexOf(".") + 1).toLowerCase();

export const isPicture = (name: string): boolean => Object.hasOwn(PICTURES, ending(name));

/** Where browsers have it: asks where to, and takes the file as it comes. */
type Picker = (options: { suggestedName: string }) => Promise<{ createWritable: () => Promise<WritableStream<Uint8Array>> }>;
const picker = (): Picker | undefined => (window as unknown as { showSaveFilePicker?: Picker }).showSaveFilePicker?.bind(window);

function follow(address: string, name: string): void {
  const link = document.createElement("a");
  link.download = name;
  link.href = address;
  link.click();
}

/**
 * Gives a file to the browser as a download. No large one is held in memory where that can be helped: a link is followed by the
 * browser itself, and a stream goes to disk as it comes. The type is none, so that no browser opens it on this page's address.
 */
async function saveAs(source: Source, say: (text: string) => void): Promise<void> {
  const name = source.name.split("/").pop() ?? "file";
  const address = await source.link?.();
  if (address) return follow(address, name);
  const large = source.size > LARGE_BYTES;
  const pick = picker();
  if (large && pick && source.stream) {
    const place = await pick({ suggestedName: name }).catch((error: unknown) => {
      if (error instanceof DOMException && error.name === "AbortError") return null;
      throw error;
    });
    if (place === null) return undefined;
    say(`${name}, ${bytes(source.size)}, is being saved`);
    const into = await place.createWritable();
    // What breaks off leaves nothing behind: the file is there when all of it is.
    await (await source.stream().catch(async (error: unknown) => { await into.abort(); throw error; })).pipeTo(into);
    return say(`${name} is saved`);
  }
  if (large) say(`${name}, ${bytes(source.size)}, is being read. It is saved when all of it is there`);
  const blob = await source.read();
  const made = URL.createObjectURL(new Blob([blob], { type: "application/octet-stream" }));
  follow(made, name);
  setTimeout(() => URL.revokeObjectURL(made), 60_000);
  return undefined;
}

/** The same, with what became of it: a download that fails says so. */
export function useSave(): (source: Source) => void {
  const say = useSay();
  return (source) => void saveAs(source, say.say).catch((error: unknown) => say.trouble(new Error(`${source.name} was not downloaded: ${told(error)}`)));
}

export function FileDialog({ source, tools, close }: { source: Source; tools?: React.ReactNode; close: () => void }) {
  const save = useSave();
  return (
    <Dialog
      wide close={close} title={<span className="clip block">{visible(source.name)}</span>}
      foot={<><span className="grow small faint">{bytes(source.size)}</span>{tools}<Button icon="download" onClick={() => save(source)}>Download</Button></>}
    >
      <FileView source={source} />
    </Dialog>
  );
}

export function FileView({ source }: { source: Source }) {
  const { world } = useSession();
  const tooLarge = source.size > (isPicture(source.name) ? MAX_PICTURE_BYTES : MAX_SHOWN_BYTES);
  const file = useQuery({ queryKey: [world, "file", ...source.key], queryFn: source.read, enabled: !tooLarge, gcTime: 30_000, staleTime: 30_000 });
  if (tooLarge) return <Empty icon="file" title="Too large to show here">{bytes(source.size)}. Download it to look inside.</Empty>;
  if (file.isPending) return <Bones lines={4} />;
  if (file.isLoadingError) return <Trouble error={file.error} again={() => void file.refetch()} />;
  return isPicture(source.name) ? <Picture blob={file.data} name={source.name} /> : <TextFile blob={file.data} name={source.name} />;
}

function Picture({ blob, name }: { blob: Blob; name: string }) {
  const [address, setAddress] = useState<string | null>(null);
  const [broken, setBroken] = useState(false);
  useEffect(() => {
    // As a picture a vector file runs no script; its type is said by its name and not by its sender.
    const made = URL.createObjectURL(new Blob([blob], { type: PICTURES[ending(name)] ?? "application/octet-stream" }));
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [blob, name]);
  if (broken) return <Empty icon="file" title="This is no picture that can be shown" />;
  return address && <div className="picture"><img src={address} alt={name} onError={() => setBroken(true)} /></div>;
}

function TextFile({ blob, name }: { blob: Blob; name: string }) {
  const [text, setText] = useState<string | null | "binary">(null);
  useEffect(() => {
    let current = true;
    void blob.text().then((read) => { if (current) setText(read.slice(0, 4096).includes("\u0000") ? "binary" : read); });
    return () => { current = false; };
  }, [blob]);
  if (text === null) return <Bones />;
  if (text === "binary") return <Empty icon="file" title="Not a text">Download it to open it with its own program.</Empty>;
  const end = ending(name);
  if (end === "md" || end === "markdown") return <Both first="Page" text={text} language="markdown"><Markdown text={text} /></Both>;
  if (end === "csv" || end === "tsv") return <Both first="Table" text={text} language={undefined}><Table text={text} tabs={end === "tsv"} /></Both>;
  return <div className="framed"><Code text={text} language={languageOf(name)} folded={languageOf(name) === undefined} /></div>;
}

function Both({ first, text, language, children }: { first: string; text: string; language: string | undefined; children: React.ReactNode }) {
  const [as, setAs] = useState<"shown" | "text">("shown");
  return (
    <div className="stack">
      <div><Segments name="Shown as" value={as} choose={setAs} choices={[{ id: "shown", name: first }, { id: "text", name: "Text" }]} /></div>
      {as === "shown" ? children : <div className="framed"><Code text={text} language={language} folded /></div>}
    </div>
  );
}

function Table({ text, tabs }: { text: string; tabs: boolean }) {
  const { rows, more } = useMemo(() => readTable(text, tabs ? "\t" : ","), [text, tabs]);
  const [head = [], ...body] = rows;
  return (
    <div className="framed table-frame">
      <table className="data tight grid">
        <thead><tr>{head.map((cell, index) => <th key={index} scope="col">{cell}</th>)}</tr></thead>
        <tbody>{body.map((row, index) => <tr key={index}>{row.map((cell, at) => <td key={at} className={/^-?[\d.,]+%?$/.test(cell) ? "end number" : ""}>{cell}</td>)}</tr>)}</tbody>
      </table>
      {more > 0 && <p className="small faint" style={{ padding: "8px 14px" }}>{more} more rows are in the file.</p>}
    </div>
  );
}
