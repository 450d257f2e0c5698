// What somebody began to answer: kept by decision, so that no reload of a list and no closed dialog takes it away. It is in
// this tab's memory alone. Pure but for that.

import type { Draft } from "./edit-input";

export type Mode = "look" | "reject" | "edit";

export interface Answer {
  mode: Mode;
  reason: string;
  /** Changed arguments; none while nobody changed any. */
  input: Draft | null;
}

/** Answers that are kept; the oldest goes first. */
const MOST = 50;
const begun = new Map<string, Answer>();

export const answerOf = (approval: string): Answer => begun.get(approval) ?? { mode: "look", reason: "", input: null };

export function keepAnswer(approval: string, answer: Answer): void {
  begun.delete(approval);
  if (answer.mode === "look" && answer.reason === "" && answer.input === null) return;
  begun.set(approval, answer);
  const [oldest] = begun.keys();
  if (begun.size > MOST && oldest !== undefined) begun.delete(oldest);
}

export const forgetAnswer = (approval: string): void => void begun.delete(approval);
export const forgetAnswers = (): void => begun.clear();
