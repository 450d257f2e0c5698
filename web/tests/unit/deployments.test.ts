import { describe, expect, it } from "vitest";
import type { Model } from "@miteos/sdk";
import type { Deployment, TaskSummary } from "../../src/api/types";
import { Pace } from "../../src/api/pace";
import { costLine, isPriced } from "../../src/pages/cost-range";
import { openable, shortAddress, stateOf, stepOf } from "../../src/pages/deployments/words";
import { readLog } from "../../src/pages/deployments/log";
import { answersOf, HOSTS, isComplete, settingsOf } from "../../src/pages/settings/hosts";

const made = (part: object): Deployment => ({ id: "dep_1", status: "live", error: null, ...part }) as unknown as Deployment;

describe("a deployment in words", () => {
  it("opens web addresses and nothing else", () => {
    expect(openable("https://a.example/x")).toBe("https://a.example/x");
    for (const url of ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "not an address", "", null]) expect(openable(url)).toBeNull();
    expect(shortAddress("http://abc.localhost:7701/")).toBe("abc.localhost:7701");
  });
  it("knows a cancelled one from a failed one, and where it ended", () => {
    expect(stateOf(made({ status: "failed", error: { code: "canceled", message: "", step: "build" } }))[0]).toBe("Cancelled");
    expect(stateOf(made({ status: "failed", error: { code: "auth", message: "", step: "publish" } }))).toEqual(["Failed", "bad"]);
    expect(stepOf(made({ status: "failed", error: { code: "build_failed", message: "", step: "build" } }))).toBe(1);
    expect(stepOf(made({ status: "failed", error: { code: "upload_failed", message: "", step: "upload" } }))).toBe(2);
    expect(["pending", "building", "deploying", "live"].map((status) => stepOf(made({ status })))).toEqual([0, 1, 2, 3]);
  });
  it("reads a log that came as text", () => {
    expect(readLog("2026-11-22T10:00:00.000Z one two\nno time here\n")).toEqual([
      { no: 1, at: Date.parse("2026-11-22T10:00:00Z"), text: "one two" }, { no: 2, at: null, text: "no time here" },
    ]);
    expect(readLog("")).toEqual([]);
  });
});

describe("what a host is told", () => {
  const netlify = HOSTS.find((host) => host.id === "netlify")!;
  it("is what was filled in, and keeps what the page does not know", () => {
    const stored = { site: "old.netlify.app", single_page: true, weather: "fine" };
    const answers = { ...answersOf(netlify.settings, stored), site: " shop.netlify.app ", single_page: false };
    expect(settingsOf(netlify.settings, answers, stored)).toEqual({ site: "shop.netlify.app", weather: "fine" });
  });
  it("is not sent before what is needed is there", () => {
    expect(isComplete(netlify.credentials, {})).toBe(false);
    expect(isComplete(netlify.credentials, { token: "  " })).toBe(false);
    expect(isComplete(netlify.credentials, { token: "x" })).toBe(true);
  });
});

describe("what tasks cost before", () => {
  const task = (cost: number, part: object = {}) =>
    ({ status: "complete", cost, config: { model: null, max_agents: 3 }, ...part }) as unknown as TaskSummary;
  const like = { model: null, agents: 3 };
  it("is told of tasks that are like this one", () => {
    const others = [task(9, { status: "failed" }), task(9, { config: { model: "a/b", max_agents: 3 } }), task(9, { config: { model: null, max_agents: 4 } })];
    expect(costLine([...others, task(0.02), task(0.31)], like)).toBe("Your last 2 tasks with 3 agents and the server's choice of model cost $0.02 to $0.31.");
    expect(costLine([task(0.5)], like)).toBe("Your last task with 3 agents and the server's choice of model cost $0.50.");
    expect(costLine([task(0), task(0)], like)).toContain("cost nothing");
    expect(costLine(others, like)).toBeNull();
  });
  it("looks back at the newest alone", () => {
    expect(costLine([...Array.from({ length: 20 }, () => task(1)), task(99)], like)).not.toContain("99");
  });
  it("is not told where a price is unknown: its sums would be too small", () => {
    const model = (id: string, price: number | null, roles: string[] = []) => ({ id, input_usd_per_mtok: price, output_usd_per_mtok: price, roles }) as unknown as Model;
    const models = [model("a/b", 3, ["default"]), model("c/d", null)];
    expect([isPriced(models, null), isPriced(models, "a/b"), isPriced(models, "c/d"), isPriced(models, "e/f")]).toEqual([true, true, false, false]);
    expect(isPriced([...models, model("e/f", null, ["fallback"])], null)).toBe(false);
  });
});

describe("asking by itself", () => {
  it("leaves half of what a key may ask to the person", () => {
    const pace = new Pace();
    expect(pace.pause(400)).toBe(400);
    pace.heard(new Headers({ "x-ratelimit-limit": "60", "x-ratelimit-remaining": "59" }));
    expect(pace.pause(400)).toBe(6000);
    pace.heard(new Headers({ "x-ratelimit-limit": "60", "x-ratelimit-remaining": "3" }));
    expect(pace.pause(400)).toBeGreaterThan(6000);
    pace.heard(new Headers({ "x-ratelimit-limit": "5000", "x-ratelimit-remaining": "4999" }));
    expect(pace.pause(400)).toBe(400);
  });
});
