// Arguments to change before they are approved: texts as texts, everything else as JSON.

import { Field } from "../ui/parts";

export interface DraftField {
  name: string;
  isText: boolean;
  value: string;
}

export type Draft = DraftField[];

export function draftOf(input: unknown): Draft {
  if (typeof input !== "object" || input === null || Array.isArray(input)) return [];
  return Object.entries(input).map(([name, value]) => ({
    name, isText: typeof value === "string", value: typeof value === "string" ? value : JSON.stringify(value, null, 2),
  }));
}

export function readInput(draft: Draft): { input: Record<string, unknown> | null; problems: Record<string, string> } {
  const input: Record<string, unknown> = {};
  const problems: Record<string, string> = {};
  for (const field of draft) {
    if (field.isText) {
      input[field.name] = field.value;
      continue;
    }
    try {
      input[field.name] = JSON.parse(field.value);
    } catch {
      problems[field.name] = "This is no JSON: text stands in quotes, numbers and true or false do not.";
    }
  }
  return { input: Object.keys(problems).length === 0 ? input : null, problems };
}

const rowsFor = (value: string): number => Math.max(1, Math.min(16, value.split("\n").length));

interface EditProps {
  draft: Draft;
  change: (draft: Draft) => void;
  problems: Record<string, string>;
  /** Whether the first field takes the focus. */
  focus: boolean;
}

export function EditInput({ draft, change, problems, focus }: EditProps) {
  return (
    <div className="stack wide">
      {draft.map((field, index) => (
        <Field key={field.name} name={field.name} wrong={problems[field.name] ?? null}>
          {(id) => (
            <textarea
              id={id} className="input mono" rows={rowsFor(field.value)} spellCheck={false} autoFocus={focus && index === 0} value={field.value}
              onChange={(event) => change(draft.map((each, at) => (at === index ? { ...each, value: event.target.value } : each)))}
            />
          )}
        </Field>
      ))}
    </div>
  );
}
