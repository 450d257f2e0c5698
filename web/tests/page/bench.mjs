// How heavy the page is with a server's own data: a task of 20,000 events that ten agents really make, watched while they make
// them and read afterwards, and 500 tasks that really ran. It takes minutes, and its figures are of this machine: so no test
// does it. scripts/bench-page.sh runs it, and docs/page.md has what came of it.

import { DESKTOP, launch, open, Server, signIn, until } from "./harness.mjs";
import { assets, busiest, firstView, heap, scrollThrough } from "./measure.mjs";
import { Model } from "./model.mjs";

const AGENTS = 10;
const TURNS = 33;
const CALLS = 30;
const TASKS = 500;
/** Tasks that are started at once. */
const TOGETHER = 25;
/** How often the page is loaded to see how quickly it is there. */
const LOADS = 7;
/** How long agents are watched at work (ms). */
const WATCHED_MS = 10_000;
/** What the whole task may take (ms). */
const PATIENCE = 1_800_000;

const figures = [];
const note = (what, value) => {
  figures.push([what, value]);
  console.error(`${what}: ${value}`);
};
const ms = (value) => `${value.toFixed(0)} ms`;
const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const middle = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Reads and scrolls a long task, and says what that took. */
async function read(browser, server, key, task, events) {
  const page = await open(browser, server);
  await signIn(page, key);
  const reading = await busiest(browser, page, async () => {
    await page.goto(`${server.url}/#/task/${task}`);
    const all = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 }).format(events);
    await until("all of it", async () => (await page.locator(".timeline-panel h2").textContent().catch(() => "")).includes(all));
  });
  await scrollThrough(page, ".rows-frame", 40);
  const before = await heap(page);
  const scrolling = await busiest(browser, page, () => scrollThrough(page, ".rows-frame", 400));
  note(`${events.toLocaleString("en-US")} events: longest the page is busy while it reads them`, ms(reading));
  note("the same, while one scrolls through them", ms(scrolling));
  note("the same, memory before and after scrolling", `${mib(before)}, ${mib(await heap(page))}`);
  await page.context().close();
}

/** Agents at work, ten of them, as fast as they can. */
async function watch(browser, server, key, task) {
  const page = await open(browser, server);
  await signIn(page, key);
  await page.goto(`${server.url}/#/task/${task}`);
  await page.locator(".event[data-type='agent.result']").first().waitFor();
  const busy = await busiest(browser, page, () => new Promise((resolve) => setTimeout(resolve, WATCHED_MS)));
  note("ten agents at work: longest the page is busy while it shows that", ms(busy));
  await page.context().close();
}

/** The list of tasks, to its end and back. */
async function list(browser, server) {
  for (let made = 0; made < TASKS; made += TOGETHER) {
    const some = await Promise.all(Array.from({ length: TOGETHER }, (_, index) => server.start(`Task number ${made + index} of many`)));
    for (const task of some) await server.ended(task.id, undefined, PATIENCE);
  }
  const page = await open(browser, server);
  await signIn(page, server.keys.test);
  await page.goto(`${server.url}/#/tasks`);
  await page.locator("a.task-row").first().waitFor();
  await until("all pages", async () => {
    await scrollThrough(page, ".task-table .scroll", 20);
    return page.evaluate((least) => document.querySelector(".task-table .scroll").scrollHeight > least, (TASKS - 5) * 44);
  });
  const before = await heap(page);
  const busy = await busiest(browser, page, () => scrollThrough(page, ".task-table .scroll", 200));
  note(`${TASKS} tasks: longest the page is busy while one scrolls`, ms(busy));
  note("the same, memory before and after", `${mib(before)}, ${mib(await heap(page))}`);
  await page.context().close();
}

const model = await Model.start({
  plan: () => Array.from({ length: AGENTS }, (_, index) => [`Look through part ${index + 1}`, `Look through part ${index + 1} of the notes`]),
  agent: (part, turn) => (turn < TURNS ? Array.from({ length: CALLS }, (_, index) => ["search_files", { pattern: `${part.length}-${turn}-${index}` }]) : "Nothing was found."),
  conclude: { summary: "Nothing was found.", deliverables: [] },
});
const [server, browser] = await Promise.all([Server.start({ env: model.env }), launch()]);
try {
  const { bytes, files } = assets();
  note(`all that is loaded, compressed, fonts included: ${files} files`, `${(bytes / 1024).toFixed(0)} KiB`);
  const views = [];
  for (let load = 0; load < LOADS; load += 1) views.push(await firstView(await open(browser, server, DESKTOP)));
  note("first view, until something is painted", ms(middle(views)));

  const live = server.keys.live;
  const long = await server.start("Look through all notes for words that are not there", { max_agents: AGENTS, autonomy_level: 100 }, live);
  await watch(browser, server, live, long.id);
  const ended = await server.ended(long.id, live, PATIENCE);
  const journal = await server.events(long.id, live);
  if (ended.status !== "complete" || model.problems.length > 0) throw new Error(`the long task is ${ended.status}: ${model.problems[0] ?? ended.error}`);
  await read(browser, server, live, long.id, journal.length);
  await list(browser, server);

  const widest = Math.max(...figures.map(([what]) => what.length));
  console.log(figures.map(([what, value]) => `| ${what.padEnd(widest)} | ${value} |`).join("\n"));
} finally {
  await browser.close();
  await server.stop();
  await model.stop();
}
