// What each host wants to know, as fields to fill in. Pure. The server says what is wrong with them; this only asks.

import type { DeployTarget } from "../../api/types";

export type HostField = {
  name: string;
  label: string;
  hint?: string;
  needed?: boolean;
} & ({ kind: "text" | "secret" | "long" | "yes" } | { kind: "choice"; choices: [string, string][] });

/** Whether a field says how a project is built: most leave that open. */
export const isAboutBuild = (field: HostField): boolean => building.includes(field);

export interface Host {
  id: Exclude<DeployTarget, "preview">;
  name: string;
  credentials: HostField[];
  settings: HostField[];
}

const token = (hint: string): HostField[] => [{ kind: "secret", name: "token", label: "Token", hint, needed: true }];
const environment: HostField = {
  kind: "choice", name: "environment", label: "What a deployment does",
  choices: [["production", "Takes the place of what is live"], ["preview", "Gets an address of its own; what is live stays"]],
};
const singlePage: HostField = { kind: "yes", name: "single_page", label: "Addresses that name no file show the first page", hint: "For apps that do their own navigation." };
const building: HostField[] = [
  { kind: "text", name: "output", label: "Folder to publish", hint: "Empty: it is found out." },
  { kind: "text", name: "build", label: "Command that builds", hint: "Empty: it is found out." },
  { kind: "text", name: "install", label: "Command that installs packages", hint: "Empty: it is found out." },
];

export const HOSTS: Host[] = [
  {
    id: "netlify", name: "Netlify", credentials: token("A personal access token, from Netlify's User settings, Applications."),
    settings: [
      { kind: "text", name: "site", label: "Site", hint: "Its id, or its name such as shop.netlify.app. Empty: one is made, named after the workspace." },
      { kind: "text", name: "team", label: "Team", hint: "That a new site belongs to." }, environment, singlePage, ...building,
    ],
  },
  {
    id: "vercel", name: "Vercel", credentials: token("An access token whose scope has your team."),
    settings: [
      { kind: "text", name: "project", label: "Project", hint: "Empty: one is made, named after the workspace." },
      { kind: "text", name: "team_id", label: "Team id", hint: "Empty: your own account." }, environment, singlePage,
      { kind: "choice", name: "upload", label: "Handed over as", choices: [["prebuilt", "A finished build"], ["files", "Plain files"]] }, ...building,
    ],
  },
  {
    id: "cloudflare", name: "Cloudflare", credentials: token("An API token that may edit Workers scripts, or Cloudflare Pages."),
    settings: [
      { kind: "text", name: "account_id", label: "Account id", needed: true },
      { kind: "choice", name: "product", label: "Product", choices: [["workers", "Workers"], ["pages", "Pages"]] },
      { kind: "text", name: "project", label: "Project or Worker", hint: "Pages needs one that is there already." },
      environment, singlePage,
      { kind: "text", name: "register_subdomain", label: "Name below workers.dev", hint: "Only for an account that has none yet: it is registered." }, ...building,
    ],
  },
  {
    id: "expo", name: "Expo", credentials: token("A personal or robot access token."),
    settings: [
      { kind: "choice", name: "action", label: "What is made", choices: [["web", "A website"], ["build", "An app"]] }, environment,
      { kind: "text", name: "export_dir", label: "Folder of the website" },
      { kind: "choice", name: "platform", label: "Platform of an app", choices: [["", "Not chosen"], ["ios", "iOS"], ["android", "Android"]] },
      { kind: "text", name: "profile", label: "Build profile of an app" }, ...building,
    ],
  },
  {
    id: "appstore", name: "App Store Connect",
    credentials: [
      { kind: "text", name: "issuer_id", label: "Issuer id", needed: true }, { kind: "text", name: "key_id", label: "Key id", needed: true },
      { kind: "long", name: "private_key", label: "Private key", hint: "What the .p8 file holds.", needed: true },
    ],
    settings: [{ kind: "text", name: "app_id", label: "App id", hint: "The number in the app's address. The app must be there already.", needed: true }],
  },
];

export type Answers = Record<string, string | boolean>;

/** What is stored, as answers to the fields. */
export function answersOf(fields: HostField[], stored: Record<string, unknown>): Answers {
  return Object.fromEntries(fields.map((field) => {
    const value = stored[field.name];
    return [field.name, field.kind === "yes" ? value === true : typeof value === "string" ? value : ""];
  }));
}

/** The answers as they are sent. What this page does not know of stays as it was; what was left empty is not sent. */
export function settingsOf(fields: HostField[], answers: Answers, stored: Record<string, unknown> = {}): Record<string, unknown> {
  const settings = { ...stored };
  for (const field of fields) {
    const answer = answers[field.name];
    const said = typeof answer === "string" ? answer.trim() : answer;
    if (said === "" || said === undefined || said === false) delete settings[field.name];
    else settings[field.name] = said;
  }
  return settings;
}

export const isComplete = (fields: HostField[], answers: Answers): boolean =>
  fields.every((field) => !field.needed || String(answers[field.name] ?? "").trim() !== "");
