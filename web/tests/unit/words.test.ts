import { describe, expect, it } from "vitest";
import { readBudget, readCents } from "../../src/ui/amount";
import { oddParts, visible } from "../../src/ui/odd";
import { lineDiff } from "../../src/ui/diff";
import { asksTo, toolName } from "../../src/live/describe";
import { hasRoundedNumber } from "../../src/pages/arguments";
import { answerOf, forgetAnswers, keepAnswer } from "../../src/pages/drafts";
import { expiries, ownKey, usualExpiry } from "../../src/pages/settings/expiry";
import { clockTime } from "../../src/ui/format";
import { destination } from "../../src/ui/walk";
import { slidOut } from "../../src/live/queries";
import type { ApiKey, TaskSummary } from "../../src/api/types";

describe("amounts", () => {
  it("are read as people write them, wherever they live", () => {
    for (const [text, cents] of [["2.50", 250], ["2,50", 250], ["2,5", 250], ["$ 3", 300], ["1000", 100_000], [".5", 50], ["1,234.56", 123_456], ["1.234,56", 123_456], ["1 234,50", 123_450]] as const) {
      expect(readCents(text), text).toBe(cents);
    }
  });
  it("are refused where they could mean two, or none", () => {
    for (const text of ["1,234", "1.234", "1,23,4", "-2", "2.505", "abc", "", ".", "1e3", "2.", "1,2345.00"]) expect(readCents(text), text).toBeNull();
    expect(readBudget("  ")).toEqual({ cents: null, wrong: null });
    expect(readBudget("0,00").wrong).toMatch(/cent/);
    expect(readBudget("1,234").wrong).toMatch(/1000/);
  });
});

describe("what cannot be seen", () => {
  it("is named", () => {
    expect(visible("invoice\u202Efdp.exe")).toBe("invoice⟨U+202E⟩fdp.exe");
    expect(visible("a\u200Bb\u0007c\u2066d\uFEFF")).toBe("a⟨U+200B⟩b⟨U+0007⟩c⟨U+2066⟩d⟨U+FEFF⟩");
    expect(visible("tag\u{E0041}")).toBe("tag⟨U+E0041⟩");
    expect(visible("over\rwritten")).toBe("over⟨U+000D⟩written");
    expect(visible("pass\u200Dword")).toBe("pass⟨U+200D⟩word");
  });
  it("leaves alone what belongs to a text", () => {
    for (const text of ["", "plain\ttext\r\nwith lines\n", "Grüße, 你好, שלום", "👨\u200D👩\u200D👧", "می\u200Cخواهم", "क\u094D\u200Dष"]) expect(visible(text)).toBe(text);
    expect(oddParts("abc")).toEqual([{ text: "abc", odd: false }]);
  });
  it("is named in what a decision asks for", () => {
    expect(asksTo({ tool: "delete_file", input: { path: "a\u202Eb" }, summary: "" })).toBe("Delete a⟨U+202E⟩b");
    expect(asksTo({ tool: "unknown", input: {}, summary: "Do\u200B it" })).toBe("Do⟨U+200B⟩ it");
  });
});

describe("what a decision asks for", () => {
  it("says to whom, and how long a program is", () => {
    expect(asksTo({ tool: "send_email", input: { to: ["a@b.c", "d@e.f"], cc: "g@h.i", subject: "Hi" }, summary: "" })).toBe("Send an e-mail to a@b.c and 2 more: Hi");
    expect(asksTo({ tool: "send_email", input: { to: "a@b.c", subject: "Hi" }, summary: "" })).toBe("Send an e-mail to a@b.c: Hi");
    expect(asksTo({ tool: "code_exec", input: { language: "python", code: "# harmless\n\nimport os\n" }, summary: "" })).toBe("Run Python of 2 lines: # harmless");
    expect(asksTo({ tool: "code_exec", input: { language: "python", code: "print(1)" }, summary: "" })).toBe("Run Python: print(1)");
  });
  it("takes names that mean something to the language itself for names", () => {
    for (const name of ["constructor", "toString", "__proto__", "hasOwnProperty"]) {
      expect(typeof toolName(name)).toBe("string");
      expect(asksTo({ tool: "code_exec", input: { language: name, code: "x" }, summary: "" })).toBe("Run a program: x");
    }
  });
  it("knows numbers that a browser cannot hold", () => {
    expect(hasRoundedNumber(JSON.parse('{"a":{"b":[9007199254740993]}}'))).toBe(true);
    expect(hasRoundedNumber({ a: [1, 2.5, "9007199254740993"], b: null })).toBe(false);
  });
});

describe("differences", () => {
  it("are given up where too much is different", () => {
    const lines = (seed: number) => Array.from({ length: 9_000 }, (_, index) => `${(index * seed) % 9973}`).join("\n");
    expect(lineDiff(lines(7919), lines(6101))).toBeNull();
  });
  it("show a line end that comes or goes", () => {
    const lines = lineDiff("a\nb", "a\nb\n")!;
    expect(lines.map(({ kind, text, open }) => [kind, text, open ?? false])).toEqual([["same", "a", false], ["del", "b", true], ["add", "b", false]]);
  });
});

describe("answers that were begun", () => {
  it("are kept by decision, and not for ever", () => {
    keepAnswer("appr_1", { mode: "reject", reason: "no", input: null });
    expect(answerOf("appr_1").reason).toBe("no");
    expect(answerOf("appr_2")).toEqual({ mode: "look", reason: "", input: null });
    for (let at = 0; at < 100; at += 1) keepAnswer(`other_${at}`, { mode: "reject", reason: "x", input: null });
    expect(answerOf("appr_1").reason).toBe("");
    forgetAnswers();
    expect(answerOf("other_99").reason).toBe("");
  });
});

describe("the end of a new key", () => {
  const now = Date.parse("2026-11-22T12:00:00Z");
  it("is not later than that of the key that makes it", () => {
    const own = "2026-11-28T12:00:00Z";
    const all = expiries(own, now);
    expect(all.map((each) => each.id)).toEqual(["own", "1"]);
    for (const each of all) expect(Date.parse(each.at(now)!)).toBeLessThanOrEqual(Date.parse(own));
    expect(all[0]!.at(now)).toBe(own);
    expect(usualExpiry(all)).toBe("own");
    // On the last day nothing shorter is left.
    expect(expiries("2026-11-22T13:00:00Z", now).map((each) => each.id)).toEqual(["own"]);
  });
  it("is chosen freely by a key without an end", () => {
    const all = expiries(null, now);
    expect(all.map((each) => each.id)).toEqual(["7", "90", "365", ""]);
    expect([usualExpiry(all), all.at(-1)!.at(now)]).toEqual(["90", null]);
  });
  it("knows the key that is signed in with", () => {
    const keys = [{ id: "key_2", prefix: "mt_live_bbbb" }, { id: "key_1", prefix: "mt_live_aaaa" }] as ApiKey[];
    expect(ownKey(keys, "mt_live_aaaa1234")?.id).toBe("key_1");
    expect(ownKey(keys, "mt_live_cccc1234")).toBeUndefined();
  });
});

describe("times", () => {
  it("begin a day at zero", () => {
    expect(clockTime(new Date(2026, 10, 22, 0, 5, 9).getTime())).toMatch(/^00/);
  });
});

describe("the long list of tasks", () => {
  const tasks = (...ids: string[]) => ids.map((id) => ({ id }) as TaskSummary);
  it("knows what slid out behind the newest", () => {
    const before = tasks("e", "d", "c", "b");
    expect(slidOut([], before)).toEqual([]);
    expect(slidOut(before, before)).toEqual([]);
    expect(slidOut(before, tasks("g", "f", "e", "d"))).toEqual(tasks("c", "b"));
    // One that left for another reason slid nowhere.
    expect(slidOut(before, tasks("f", "e", "c", "b"))).toEqual([]);
    expect(slidOut(before, tasks("d", "c", "b", "a"))).toEqual([]);
    expect(slidOut(before, tasks("k", "j", "i", "h"))).toBeNull();
  });
});

describe("keys in a list", () => {
  it("lead from line to line and not beyond the ends", () => {
    expect(destination("ArrowDown", 4, 100, 10, true)).toBe(5);
    expect(destination("PageUp", 4, 100, 10, true)).toBe(0);
    expect(destination("End", 4, 100, 10, true)).toBe(99);
    expect([destination("j", 4, 100, 10, true), destination("j", 4, 100, 10, false)]).toEqual([5, null]);
    expect([destination("x", 4, 100, 10, true), destination("Home", 0, 0, 10, true), destination("constructor", 0, 9, 1, true)]).toEqual([null, null, null]);
  });
});
