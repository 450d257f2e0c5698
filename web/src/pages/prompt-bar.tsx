// Where a task begins: the prompt, files, and how it is to be done. What is written outlives a reload.

import { useEffect, useRef, useState, type DragEvent } from "react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useSession } from "../session";
import type { CreateTask } from "../api/types";
import { told } from "../api/api";
import { drop, keep, kept, keptJson } from "../kept";
import { go, to } from "../route";
import { Button, Field } from "../ui/parts";
import { useSay } from "../ui/dialog";
import { useHere } from "../ui/here";
import { Icon } from "../ui/icons";
import { Menu } from "../ui/menu";
import { readBudget } from "../ui/amount";
import { bytes, dialMeaning, money, plural, title } from "../ui/format";
import { useShortcuts } from "../ui/shortcuts";
import { recentPrompts, rememberPrompt } from "./recent";
import { costLine, isPriced } from "./cost-range";
import { price, useModels } from "./settings/models";

const DRAFT = "miteos.draft";
const SETTINGS = "miteos.task-settings";
const MAX_PROMPT_CHARS = 100_000;
const DEFAULT_DIAL = 50;
const DEFAULT_AGENTS = 3;
const MAX_AGENTS = 20;

interface TaskSettings {
  dial: number;
  agents: number;
  budget: string;
  model: string;
}

const DEFAULTS: TaskSettings = { dial: DEFAULT_DIAL, agents: DEFAULT_AGENTS, budget: "", model: "" };

function readAgents(text: string): number | null {
  const read = /^\d{1,2}$/.test(text.trim()) ? Number(text) : 0;
  return read >= 1 && read <= MAX_AGENTS ? read : null;
}

function keptSettings(): TaskSettings {
  const found = keptJson("browser", SETTINGS) as Partial<TaskSettings> | null;
  // To be asked less than usual is chosen for each task anew: no old choice lets the agents of a later one do everything.
  return { ...DEFAULTS, ...found, dial: Math.min(found?.dial ?? DEFAULT_DIAL, DEFAULT_DIAL) };
}

export function PromptBar({ given }: { given: { prompt: string } | null }) {
  const { api, world } = useSession();
  const queries = useQueryClient();
  const say = useSay();
  const here = useHere();
  const area = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const [prompt, setPrompt] = useState(() => kept("tab", DRAFT) ?? "");
  const [files, setFiles] = useState<File[]>([]);
  const [settings, setSettings] = useState(keptSettings);
  const [workspace, setWorkspace] = useState("");
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState<string | null>(null);
  const [wrong, setWrong] = useState<string | null>(null);
  const [over, setOver] = useState(false);
  /** A second press comes before the first one is drawn. */
  const starting = useRef(false);
  /** The workspace of a start that failed further on. */
  const made = useRef<string | null>(null);

  useShortcuts({ "/": () => area.current?.focus() });
  useEffect(() => {
    if (!given) return;
    setPrompt(given.prompt);
    area.current?.focus();
  }, [given]);
  useEffect(() => {
    keep("tab", DRAFT, prompt);
    const element = area.current;
    if (!element) return;
    element.style.height = "auto";
    element.style.height = `${Math.min(element.scrollHeight, 320)}px`;
  }, [prompt]);

  const change = (part: Partial<TaskSettings>) => {
    const next = { ...settings, ...part };
    setSettings(next);
    keep("browser", SETTINGS, JSON.stringify(next));
  };
  const { cents, wrong: badBudget } = readBudget(settings.budget);
  /** As it is written, also where that is no number yet. */
  const [agents, setAgents] = useState(String(settings.agents));
  const badAgents = readAgents(agents) === null ? `A whole number from 1 to ${MAX_AGENTS}.` : null;
  const writeAgents = (text: string) => {
    setAgents(text);
    const read = readAgents(text);
    if (read !== null) change({ agents: read });
  };
  const tooLong = prompt.length > MAX_PROMPT_CHARS;

  const start = async () => {
    if (starting.current) return;
    if (prompt.trim() === "" || busy !== null || badBudget !== null || badAgents !== null || tooLong) return;
    starting.current = true;
    setWrong(null);
    try {
      let place = workspace === "" ? null : workspace;
      if (files.length > 0) {
        setBusy("Uploading files…");
        // What a start that failed has made already serves the next one.
        place ??= made.current ??= (await api.createWorkspace(`${title(prompt).slice(0, 50)} (${stamp()})`)).id;
        await api.upload(place, files);
      }
      setBusy("Starting…");
      const body: CreateTask = {
        prompt, workspace_id: place,
        config: { autonomy_level: settings.dial, max_agents: settings.agents, budget_cents: cents, model: world === "test" ? null : settings.model.trim() || null },
      };
      const task = await api.createTask(body);
      rememberPrompt(prompt);
      setPrompt("");
      drop("tab", DRAFT);
      void queries.invalidateQueries({ queryKey: [world, "tasks"] });
      // Who has gone on to something else is not taken away from it.
      if (here.current) go(to("task", task.id));
      else say.say(`Started: ${title(prompt)}`);
    } catch (error) {
      if (!here.current) say.trouble(new Error(`It was not started: ${told(error)}`));
      setWrong(told(error));
      setBusy(null);
      starting.current = false;
    }
  };

  const add = (list: FileList | null) => setFiles((known) => [...known, ...Array.from(list ?? [])]);
  const dropped = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    add(event.dataTransfer.files);
  };

  return (
    <form
      className={`prompt ${over ? "over" : ""}`} onSubmit={(event) => { event.preventDefault(); void start(); }}
      onDragOver={(event) => { event.preventDefault(); setOver(true); }} onDragLeave={() => setOver(false)} onDrop={dropped}
    >
      <label className="only-read" htmlFor="prompt">What should be done?</label>
      <textarea
        id="prompt" ref={area} rows={2} value={prompt} placeholder="What should be done?" aria-describedby="prompt-hint"
        onChange={(event) => setPrompt(event.target.value)}
        onKeyDown={(event) => { if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) { event.preventDefault(); void start(); } }}
      />
      {files.length > 0 && (
        <ul className="row wrap attached">
          {files.map((file, index) => (
            <li key={`${file.name}-${index}`} className="chip">
              <Icon name="file" tiny />{file.name} <span className="faint">{bytes(file.size)}</span>
              <button type="button" className="bare" aria-label={`Leave out ${file.name}`} onClick={() => setFiles(files.filter((_, each) => each !== index))}><Icon name="close" tiny /></button>
            </li>
          ))}
        </ul>
      )}
      {(wrong ?? (tooLong ? `The prompt has ${plural(prompt.length, "character")}; at most ${MAX_PROMPT_CHARS.toLocaleString("en-US")} are taken.` : null)) && (
        <div className="note bad" role="alert"><Icon name="alert" /><span>{wrong ?? "The prompt is too long."}</span></div>
      )}
      {settings.dial >= 100 && <div className="note wait"><Icon name="alert" /><span>Dial at 100: the agents of this task ask for nothing, not before an e-mail and not before a deployment.</span></div>}
      <div className="prompt-tools">
        <Button small tone="plain" icon="plus" onClick={() => picker.current?.click()}>Files</Button>
        <input ref={picker} type="file" multiple hidden onChange={(event) => { add(event.target.files); event.target.value = ""; }} />
        <Button small tone="plain" icon="settings" aria-expanded={open} onClick={() => setOpen(!open)}>
          <span className="settings-line clip">{summary(settings, cents)}</span>
        </Button>
        <Recent choose={(text) => { setPrompt(text); area.current?.focus(); }} />
        <div className="grow" />
        <span id="prompt-hint" className="faint small wide-only"><kbd>Ctrl</kbd> <kbd>Enter</kbd></span>
        <Button tone="strong" type="submit" disabled={busy !== null || prompt.trim() === "" || badBudget !== null || badAgents !== null || tooLong}>{busy ?? "Start"}</Button>
      </div>
      <CostBefore model={settings.model.trim() || null} agents={settings.agents} />
      {open && <HowPanel settings={settings} change={change} workspace={workspace} setWorkspace={setWorkspace} cents={cents} badBudget={badBudget} agents={agents} writeAgents={writeAgents} badAgents={badAgents} />}
    </form>
  );
}

function summary(settings: TaskSettings, cents: number | null): string {
  const parts = [capital(dialMeaning(settings.dial)), plural(settings.agents, "agent")];
  if (cents !== null) parts.push(`at most ${money(cents / 100)}`);
  if (settings.model.trim() !== "") parts.push(settings.model.trim());
  return parts.join(" · ");
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

const stamp = (): string => new Date().toISOString().slice(0, 19).replace("T", " ");

function HowPanel(props: {
  settings: TaskSettings; change: (part: Partial<TaskSettings>) => void; workspace: string; setWorkspace: (id: string) => void; cents: number | null; badBudget: string | null;
  agents: string; writeAgents: (text: string) => void; badAgents: string | null;
}) {
  const { settings, change } = props;
  return (
    <div className="how">
      <Field name={`Dial: ${settings.dial}`} hint={`Who decides: it ${dialMeaning(settings.dial)}.`}>
        {(id) => <input id={id} type="range" min={0} max={100} step={5} value={settings.dial} onChange={(event) => change({ dial: Number(event.target.value) })} />}
      </Field>
      <Field name="Agents at the same time" hint="1 to 20. More are faster, and cost the same per step." wrong={props.badAgents}>
        {(id) => <input id={id} className="input" inputMode="numeric" value={props.agents} onChange={(event) => props.writeAgents(event.target.value)} />}
      </Field>
      <Field name="Budget in dollars" hint={`${props.cents === null ? "Empty: no limit." : `At most ${money(props.cents / 100)}:`} work stops before it would cost more.`} wrong={props.badBudget}>
        {(id) => <input id={id} className="input" inputMode="decimal" placeholder="No limit" value={settings.budget} onChange={(event) => change({ budget: event.target.value })} />}
      </Field>
      <ModelField value={settings.model} choose={(model) => change({ model })} />
      <WorkspaceField value={props.workspace} choose={props.setWorkspace} />
    </div>
  );
}

/** What tasks like this one have cost before, where that is known. */
function CostBefore({ model, agents }: { model: string | null; agents: number }) {
  const { api, world } = useSession();
  const models = useModels();
  const done = useQuery({ queryKey: [world, "costs"], queryFn: () => api.tasks({ status: "complete", limit: 100 }), staleTime: 60_000 });
  const line = models.data && done.data && isPriced(models.data.data, model) ? costLine(done.data.tasks, { model, agents }) : null;
  return line && <p className="small faint cost-before">{line}</p>;
}

function ModelField({ value, choose }: { value: string; choose: (model: string) => void }) {
  const { world } = useSession();
  const models = useModels();
  const known = models.data?.data ?? [];
  const found = known.find((each) => each.id === value.trim());
  if (world === "test") {
    return <Field name="Model" hint="In the test world a scripted model answers, at no cost.">{(id) => <input id={id} className="input mono" disabled value="test/scripted" readOnly />}</Field>;
  }
  const hint = found
    ? found.input_usd_per_mtok === 0 && found.output_usd_per_mtok === 0 ? "It costs nothing." : `A million tokens: reading ${price(found.input_usd_per_mtok)}, writing ${price(found.output_usd_per_mtok)}.`
    : "Empty: the server's choice.";
  return (
    <Field name="Model" hint={hint}>
      {(id) => <>
        <input id={id} className="input mono" list={`${id}-known`} placeholder="the server's choice" spellCheck={false} value={value} onChange={(event) => choose(event.target.value)} />
        <datalist id={`${id}-known`}>{known.map((each) => <option key={each.id} value={each.id} />)}</datalist>
      </>}
    </Field>
  );
}

function WorkspaceField({ value, choose }: { value: string; choose: (id: string) => void }) {
  const { data } = useWorkspaces();
  return (
    <Field name="Workspace" hint="The folder that the agents work in.">
      {(id) => (
        <select id={id} className="input" value={value} onChange={(event) => choose(event.target.value)}>
          <option value="">A new one for this task</option>
          {(data ?? []).map((each) => <option key={each.id} value={each.id}>{each.name}</option>)}
        </select>
      )}
    </Field>
  );
}

function Recent({ choose }: { choose: (prompt: string) => void }) {
  const [prompts] = useState(recentPrompts);
  if (prompts.length === 0) return null;
  const items = prompts.map((prompt, index) => ({ id: String(index), name: title(prompt) }));
  return <Menu plain name="Recent" items={items} choose={(at) => choose(prompts[Number(at)] ?? "")} />;
}

function useWorkspaces() {
  const { api, world } = useSession();
  return useQuery({ queryKey: [world, "workspaces"], queryFn: () => api.workspaces() });
}
