// What the page takes of processor and memory, from the browser's own traces.

import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";

/** All that the built page loads, as it is sent: packed where that is smaller. */
export function assets() {
  const folder = new URL("../../dist/", import.meta.url).pathname;
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => /\.(js|css|html|svg|woff2)$/.test(name));
  const size = (name) => { try { return statSync(folder + name).size; } catch { return Infinity; } };
  return { files: names.length, bytes: names.reduce((all, name) => all + Math.min(size(name), size(`${name}.gz`)), 0) };
}

/** How long a page that was just opened took until something was painted (ms). It is closed with its profile. */
export async function firstView(page) {
  await page.getByLabel("API key").waitFor();
  const seen = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime);
  await page.context().close();
  return seen;
}

/** Processor time of the page's main thread in its longest task, from a trace of what `act` does. */
export async function busiest(browser, page, act) {
  await browser.startTracing(page, { categories: ["toplevel", "disabled-by-default-devtools.timeline", "__metadata"] });
  await act();
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());
  const main = new Set(traceEvents.filter((each) => each.name === "thread_name" && each.args.name === "CrRendererMain").map((each) => `${each.pid}/${each.tid}`));
  const tasks = traceEvents.filter((each) => each.ph === "X" && /RunTask$/.test(each.name) && main.has(`${each.pid}/${each.tid}`));
  assert.ok(tasks.length > 50, "the trace has the page's tasks");
  const timed = tasks.filter((each) => each.tdur !== undefined);
  assert.ok(timed.length > 50, "the trace has processor times");
  return Math.max(...timed.map((each) => each.tdur)) / 1000;
}

/** How many elements `act` makes the page make: in all, and at most from one frame to the next. */
export async function madeAnew(page, act) {
  await page.evaluate(() => {
    const made = { sum: 0, most: 0, frame: 0, over: false };
    const add = (records) => {
      for (const record of records) {
        for (const node of record.addedNodes) {
          if (node.nodeType === Node.ELEMENT_NODE) made.frame += 1 + node.getElementsByTagName("*").length;
        }
      }
    };
    const observer = new MutationObserver(add);
    observer.observe(document, { childList: true, subtree: true });
    const next = () => {
      add(observer.takeRecords());
      made.sum += made.frame;
      made.most = Math.max(made.most, made.frame);
      made.frame = 0;
      if (made.over) observer.disconnect();
      else requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
    window.madeAnew = { made, end: () => { made.over = true; next(); } };
  });
  await act();
  return page.evaluate(() => {
    window.madeAnew.end();
    const { sum, most } = window.madeAnew.made;
    return { sum, most };
  });
}

/** What the page's objects take once nothing is left over (bytes). */
export async function heap(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  await session.detach();
  return usedSize;
}

/** Scrolls to the end and back, a screen at a time, a frame for each. */
export async function scrollThrough(page, selector, steps) {
  await page.evaluate(async ([where, times]) => {
    const frame = document.querySelector(where);
    const next = () => new Promise((resolve) => requestAnimationFrame(resolve));
    const far = frame.scrollHeight - frame.clientHeight;
    for (const way of [1, 0]) {
      for (let step = 1; step <= times; step += 1) {
        frame.scrollTop = far * (way ? step / times : 1 - step / times);
        await next();
      }
    }
  }, [selector, steps]);
}
