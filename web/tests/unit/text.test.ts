import { describe, expect, it } from "vitest";
import { ansiPieces } from "../../src/ui/ansi";
import { lineDiff } from "../../src/ui/diff";
import { readTable } from "../../src/ui/csv";
import { bytes, duration, money, relative, title } from "../../src/ui/format";
import { parse } from "../../src/route";
import { place } from "../../src/live/layout";
import { plan } from "./events";
import { draftOf, readInput } from "../../src/pages/edit-input";

describe("terminal output", () => {
  it("is text with names of styles", () => {
    expect(ansiPieces("plain <b>text</b>")).toEqual([{ text: "plain <b>text</b>", names: "" }]);
    const pieces = ansiPieces("\u001b[31mred\u001b[0m and \u001b[1;32mbold green\u001b[0m");
    expect(pieces.map((piece) => piece.text).join("")).toBe("red and bold green");
    expect(pieces[0]!.names).toContain("ansi-red-fg");
  });
  it("leaves out what a terminal would obey", () => {
    expect(ansiPieces("\u001b]0;title\u0007a\u001b[2J\u001b[1;1Hb\u0008c").map((piece) => piece.text).join("")).toBe("abc");
    expect(ansiPieces("\u001b]8;;javascript:alert(1)\u001b\\click\u001b]8;;\u001b\\").map((piece) => piece.text).join("")).toBe("click");
  });
  it("shows the last state of a line that was written again", () => {
    expect(ansiPieces("10%\r50%\r100%\r\ndone").map((piece) => piece.text).join("")).toBe("100%\ndone");
  });
  it("gives nothing but our own class names", () => {
    const nasty = '\u001b[38;2;1;2;3mx\u001b[0m\u001b["><script>m';
    for (const piece of ansiPieces(nasty)) expect(piece.names).toMatch(/^[a-z -]*$/);
  });
});

describe("differences", () => {
  it("shows what changes with its surroundings", () => {
    const before = Array.from({ length: 20 }, (_, index) => `line ${index}\n`).join("");
    const lines = lineDiff(before, before.replace("line 10", "LINE 10"))!;
    expect(lines.filter((line) => line.kind === "del").map((line) => line.text)).toEqual(["line 10"]);
    expect(lines.filter((line) => line.kind === "add").map((line) => line.text)).toEqual(["LINE 10"]);
    expect(lines[0]).toEqual({ kind: "gap", text: "7 lines as before" });
    expect(lines.filter((line) => line.kind === "same")).toHaveLength(6);
  });
  it("is all new for a new file, and refuses what is too long", () => {
    expect(lineDiff("", "a\nb\n")!.every((line) => line.kind === "add")).toBe(true);
    expect(lineDiff("a".repeat(300_000), "b".repeat(300_000))).toBeNull();
  });
});

describe("tables", () => {
  it("reads quotes, separators and line ends", () => {
    expect(readTable('a,b\r\n"x, ""y""","1\n2"\n', ",").rows).toEqual([["a", "b"], ['x, "y"', "1\n2"]]);
    expect(readTable("a\tb\n1\t2", "\t").rows).toEqual([["a", "b"], ["1", "2"]]);
  });
  it("counts what it does not show", () => {
    const { rows, more } = readTable(Array.from({ length: 600 }, (_, index) => `${index}`).join("\n"), ",");
    expect([rows.length, more]).toEqual([500, 100]);
  });
});

describe("words", () => {
  it("says amounts and times as people do", () => {
    expect([money(0), money(0.0042), money(1234.5)]).toEqual(["$0.00", "$0.0042", "$1,234.50"]);
    expect([bytes(1), bytes(1536), bytes(20 * 1024 * 1024)]).toEqual(["1 byte", "1.5 KiB", "20 MiB"]);
    expect([duration(420), duration(61_000), duration(3_660_000)]).toEqual(["420 ms", "1 min 01 s", "1 h 01 min"]);
    expect([relative(0, 5_000), relative(0, 90_000), relative(86_400_000 * 2, 0)]).toEqual(["just now", "1 min ago", "in 2 days"]);
    expect(title("\n\n  First line \nsecond")).toBe("First line");
  });
  it("reads addresses, also broken ones", () => {
    expect(parse("#/task/task_1")).toMatchObject({ page: "task", id: "task_1" });
    expect(parse("#/inbox?approval=appr_1").query.get("approval")).toBe("appr_1");
    expect(parse("#/%zz")).toMatchObject({ page: "%zz", id: null });
    expect(parse("")).toMatchObject({ page: "", id: null });
  });
});

describe("the plan's places", () => {
  const subtasks = (plan(4)[2]!.data as unknown as { subtasks: Parameters<typeof place>[0] }).subtasks;
  it("goes from left to right, and no node lies on another", () => {
    const { nodes, edges, width, height } = place(subtasks);
    const x = nodes.map((node) => node.x);
    expect([...x].sort((a, b) => a - b)).toEqual(x);
    expect(edges).toHaveLength(3);
    expect(width).toBeGreaterThan(0);
    for (const node of nodes) expect(node.y >= 0 && node.y < height).toBe(true);
  });
  it("keeps the plan's order from top to bottom", () => {
    const side = subtasks.map((each, index) => ({ ...each, depends_on: index === 3 ? ["st_1", "st_2", "st_3"] : [] }));
    const y = new Map(place(side).nodes.map((node) => [node.id, node.y]));
    expect(y.get("st_1")!).toBeLessThan(y.get("st_2")!);
    expect(y.get("st_2")!).toBeLessThan(y.get("st_3")!);
  });
  it("does not move when a node lights up", () => {
    const lit = subtasks.map((each, index) => (index === 0 ? { ...each, status: "running" as const } : each));
    expect(place(lit)).toEqual(place(subtasks));
  });
});

describe("edited arguments", () => {
  it("come back as they were, or say what is wrong", () => {
    const input = { to: ["a@b.c"], subject: "Hi", count: 2, deep: { a: null } };
    expect(readInput(draftOf(input)).input).toEqual(input);
    const draft = draftOf(input).map((field) => (field.name === "count" ? { ...field, value: "two" } : field));
    expect(readInput(draft)).toMatchObject({ input: null, problems: { count: expect.any(String) } });
  });
});
