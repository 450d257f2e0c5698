// What deployments are called and mean, in the words of whoever has never deployed anything. Pure.

import type { Deployment, DeployTarget } from "../../api/types";

export const TARGETS: { id: DeployTarget; name: string; hint: string }[] = [
  { id: "preview", name: "Preview on this server", hint: "A page or a folder of files at an address of its own. Needs no account anywhere." },
  { id: "netlify", name: "Netlify", hint: "A website, at your Netlify account." },
  { id: "vercel", name: "Vercel", hint: "A website, at your Vercel account." },
  { id: "cloudflare", name: "Cloudflare", hint: "A website, at your Cloudflare account." },
  { id: "expo", name: "Expo", hint: "An app or its website, at your Expo account." },
  { id: "appstore", name: "App Store Connect", hint: "An app that is built already (.ipa), for TestFlight." },
];

export const targetName = (target: string): string => TARGETS.find((each) => each.id === target)?.name ?? target;

type Tone = "work" | "wait" | "good" | "bad" | "hold" | "off";

export function stateOf(deployment: Deployment): [string, Tone] {
  switch (deployment.status) {
    case "pending": return ["Waiting", "off"];
    case "building": return ["Building", "work"];
    case "deploying": return ["Publishing", "work"];
    case "live": return ["Live", "good"];
    case "failed": return deployment.error?.code === "canceled" ? ["Cancelled", "off"] : ["Failed", "bad"];
    default: return [String(deployment.status), "off"];
  }
}

export const isDone = (deployment: Deployment): boolean => deployment.status === "live" || deployment.status === "failed";

/** The states that a deployment passes, in order. */
export const STEPS: { id: Deployment["status"]; name: string; hint: string }[] = [
  { id: "pending", name: "Waiting", hint: "for its turn" },
  { id: "building", name: "Building", hint: "and checking the files" },
  { id: "deploying", name: "Publishing", hint: "files go to the host" },
  { id: "live", name: "Live", hint: "at its address" },
];

/** How far it came: the number of the step it is in, or failed in. */
export function stepOf(deployment: Deployment): number {
  if (deployment.status !== "failed") return Math.max(0, STEPS.findIndex((step) => step.id === deployment.status));
  const step = deployment.error?.step;
  return step === "upload" || step === "publish" ? 2 : 1;
}

export function whoSees(deployment: Deployment): string | null {
  switch (deployment.visibility) {
    case "public": return "Everybody who has the address";
    case "link": return "Who was given a link";
    case "account": return "Members of the account at the host";
    case "perhaps": return "The host may ask for a sign-in first";
    default: return null;
  }
}

const TROUBLES: Record<string, string> = {
  config_invalid: "The settings cannot work",
  auth: "The host does not accept the token",
  permission: "The token may not do this",
  quota: "The allowance is used up",
  name_taken: "The name is taken",
  no_output: "There is nothing to publish",
  output_refused: "This must not be published as it is",
  output_too_large: "It is more than the host takes",
  file_too_large: "A file is larger than the host takes",
  install_failed: "Packages could not be installed",
  build_failed: "The build failed",
  upload_failed: "The files could not be handed over",
  provider_rejected: "The host refused it",
  provider_error: "The host failed or could not be reached",
  timeout: "It took too long",
  canceled: "It was cancelled",
  interrupted: "It was interrupted, and cannot go on",
};

export const troubleName = (code: string): string => TROUBLES[code] ?? "It failed";

/** Whether other words in the account's settings would mend it. */
export const isAboutAccount = (code: string): boolean => ["config_invalid", "auth", "permission", "quota", "name_taken"].includes(code);

/** A web address as it can be opened; anything else is text. */
export function openable(url: string | null | undefined): string | null {
  if (!url) return null;
  try {
    return /^https?:$/.test(new URL(url).protocol) ? url : null;
  } catch {
    return null;
  }
}

/** An address without what makes no difference to a reader. */
export const shortAddress = (url: string): string => url.replace(/^https?:\/\//, "").replace(/\/$/, "");

/** How long links and previews live. */
export const LIVES: { seconds: number; name: string }[] = [
  { seconds: 3600, name: "an hour" },
  { seconds: 86_400, name: "a day" },
  { seconds: 7 * 86_400, name: "7 days" },
  { seconds: 30 * 86_400, name: "30 days" },
];
