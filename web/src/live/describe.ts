// An event in one short line, in plain words. Pure; what an event holds is text and stays text.

import type { Event } from "../api/types";
import { visible } from "../ui/odd";

export type RowKind = "task" | "thought" | "action" | "result" | "approval" | "deliverable" | "steering" | "problem";

export const ROW_KINDS: { kind: RowKind; name: string }[] = [
  { kind: "task", name: "Milestones" },
  { kind: "thought", name: "Thinking" },
  { kind: "action", name: "Actions" },
  { kind: "result", name: "Outcomes" },
  { kind: "approval", name: "Approvals" },
  { kind: "deliverable", name: "Deliverables" },
  { kind: "steering", name: "Steering" },
  { kind: "problem", name: "Problems" },
];

const MAX_CHARS = 240;

/** The first line that says something, cut to a length. */
export function firstLine(text: string, most = MAX_CHARS): string {
  const cut = text.slice(0, most * 4);
  const line = cut.split("\n").map((each) => each.trim()).find((each) => each !== "") ?? "";
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}

export function kindOf(event: Event): RowKind {
  switch (event.type) {
    case "agent.thinking": return "thought";
    case "agent.action": return "action";
    case "agent.result": return (event.data as { ok?: boolean }).ok === false ? "problem" : "result";
    case "approval.required":
    case "approval.resolved": return "approval";
    case "deliverable.created": return "deliverable";
    case "agent.guided":
    case "agent.paused":
    case "agent.resumed":
    case "task.paused":
    case "task.resumed":
    case "agent.message": return "steering";
    case "agent.error":
    case "task.failed":
    case "billing.credit_low": return "problem";
    default: return "task";
  }
}

type Data = Record<string, unknown>;
const text = (data: Data, name: string): string => (typeof data[name] === "string" ? (data[name] as string) : "");

/** What cannot be seen in it is named, so that nothing is taken for what it is not. */
export const describe = (event: Event): string => alone(visible(said(event)));

/** A copy: a piece of a text keeps the whole of it in memory, as browsers make them. */
export const alone = (text: string): string => JSON.parse(JSON.stringify(text)) as string;

function said(event: Event): string {
  const data = event.data as Data;
  switch (event.type) {
    case "task.created": return "Task received";
    case "task.planning": return "Making a plan";
    case "task.planned": return planned(data);
    case "task.running": return "Work begins";
    case "task.paused": return "Paused: every agent holds";
    case "task.resumed": return "Resumed";
    case "task.complete": return "Complete";
    case "task.failed": return `Failed: ${firstLine(text(data, "error"))}`;
    case "task.cancelled": return "Cancelled";
    case "agent.started": return `Started: ${firstLine(text(data, "title")) || text(data, "type")}`;
    case "agent.thinking": return firstLine(text(data, "text")) || "Decided what to do next";
    case "agent.action": return action(text(data, "tool"), (data.input ?? {}) as Data);
    case "agent.result": return result(data);
    case "agent.message": return `Message to ${text(data, "to") === "all" ? "all agents" : "another agent"}: ${firstLine(text(data, "text"))}`;
    case "agent.paused": return "Paused";
    case "agent.resumed": return "Resumed";
    case "agent.guided": return `Guidance: ${firstLine(text(data, "message"))}`;
    case "agent.complete": return `Finished: ${firstLine(text(data, "result"))}`;
    case "agent.error": return `Stopped by an error: ${firstLine(text(data, "error"))}`;
    case "agent.cancelled": return data.skipped === true ? "Skipped: something it needs did not finish" : `Cancelled${reason(data)}`;
    case "approval.required": return `Asks you: ${asksTo(data as unknown as Parameters<typeof asksTo>[0])}`;
    case "approval.resolved": return resolved(data);
    case "deliverable.created": return `Delivered ${text(data, "name")}`;
    case "billing.credit_low": return "Less than a tenth of the budget is left";
    default: return String(event.type);
  }
}

const reason = (data: Data): string => (text(data, "reason") === "" ? "" : `: ${firstLine(text(data, "reason"))}`);

function planned(data: Data): string {
  const replaces = Array.isArray(data.replaces) ? data.replaces.length : 0;
  const steps = Array.isArray(data.subtasks) ? data.subtasks.length : 0;
  if (replaces > 0) return "New plan for the part that failed";
  return steps === 1 ? "Plan ready: one step" : `Plan ready: ${steps} steps`;
}

function resolved(data: Data): string {
  switch (text(data, "status")) {
    case "approved": return `Approved: ${asksTo(data as unknown as Parameters<typeof asksTo>[0])}`;
    case "rejected": return `Rejected${reason(data)}`;
    case "expired": return "Nobody answered in time: counted as rejected";
    default: return "The question was withdrawn";
  }
}

function result(data: Data): string {
  const line = firstLine(text(data, "output"));
  if (data.ok === false) return `Failed: ${line}`;
  return line === "" ? "Done" : line;
}

/** What a call of a tool is about to do. */
export function action(tool: string, input: Data): string {
  const path = text(input, "path");
  switch (tool) {
    case "write_file": return `Write ${path}`;
    case "edit_file": return `Change ${path}`;
    case "delete_file": return `Delete ${path}`;
    case "read_file": return `Read ${path}`;
    case "list_files": return path === "" ? "Look through the files" : `Look through ${path}`;
    case "search_files": return `Search the files for ${firstLine(text(input, "pattern"), 80)}`;
    case "web_search": return `Search the web: ${firstLine(text(input, "query"), 120)}`;
    case "web_fetch":
    case "browser_navigate": return `Read ${firstLine(text(input, "url"), 160)}`;
    case "code_exec": return `Run ${language(text(input, "language"))}${lines(text(input, "code"))}: ${firstLine(text(input, "code"), 120)}`;
    case "publish": return `Hand over ${text(input, "name") || path}`;
    case "message_agent": return `Write to ${text(input, "agent_id") === "all" ? "all agents" : "another agent"}`;
    case "remember": return `Remember ${firstLine(text(input, "key"), 80)}`;
    case "recall": return `Recall ${firstLine(text(input, "query"), 80)}`;
    case "send_email": return `Send an e-mail${receivers(input)}: ${firstLine(text(input, "subject"), 120)}`;
    case "deploy": return `Deploy to ${text(input, "target")}`;
    default: return `${tool} ${firstLine(JSON.stringify(input), 140)}`;
  }
}

/** Of a program with more than one line the first says little. */
function lines(code: string): string {
  const number = code.split("\n").filter((line) => line.trim() !== "").length;
  return number > 1 ? ` of ${number} lines` : "";
}

/** To whom: the first one, and how many more. */
function receivers(input: Data): string {
  const all = [input.to, input.cc, input.bcc].flat().filter((each): each is string => typeof each === "string" && each !== "");
  if (all.length === 0) return "";
  return ` to ${firstLine(all[0]!, 60)}${all.length > 1 ? ` and ${all.length - 1} more` : ""}`;
}

function language(word: string): string {
  const names: Record<string, string> = { python: "Python", javascript: "JavaScript", bash: "a shell script" };
  return Object.hasOwn(names, word) ? names[word]! : "a program";
}

/** Tools whose calls are said in our own words; of others the server's sentence is shown. */
const KNOWN = new Set([
  "write_file", "edit_file", "delete_file", "read_file", "list_files", "search_files", "web_search", "web_fetch", "browser_navigate", "code_exec",
  "publish", "message_agent", "remember", "recall", "send_email", "deploy",
]);

/** What an approval asks for, in a few words; its exact arguments are shown beside it. */
export function asksTo(approval: { tool: string; input?: unknown; summary: string }): string {
  const { tool, input, summary } = approval;
  if (!KNOWN.has(tool) || typeof input !== "object" || input === null) return visible(firstLine(summary));
  return visible(action(tool, input as Data));
}

/** A tool's name as people say it. */
export function toolName(tool: string): string {
  const names: Record<string, string> = {
    write_file: "writing a file", edit_file: "changing a file", delete_file: "deleting a file", read_file: "reading a file",
    list_files: "looking at files", search_files: "searching files", web_search: "searching the web", web_fetch: "reading a page",
    browser_navigate: "reading a page", code_exec: "running a program", publish: "handing over", message_agent: "writing to an agent",
    remember: "taking a note", recall: "looking up notes", send_email: "sending an e-mail", deploy: "deploying",
  };
  return Object.hasOwn(names, tool) ? names[tool]! : tool.replaceAll("_", " ");
}
