// The page with a server's own data: a task of 20,000 events that ten agents really made, and 500 tasks that really ran.
// Making them takes minutes, so no test does. The figures stand in docs/page.md:
//   MITEOS_PROGRAM=… node tests/page/heavy.mjs

import { launch, open, Server, signIn, until } from "./harness.mjs";
import { busiest, heap, scrollThrough } from "./measure.mjs";
import { Model } from "./model.mjs";

const AGENTS = 10;
const TURNS = 33;
const CALLS = 30;
const TASKS = 500;
/** Tasks that are started at once. */
const TOGETHER = 25;

const model = await Model.start({
  plan: () => Array.from({ length: AGENTS }, (_, index) => [`Look through part ${index + 1}`, `Look through part ${index + 1} of the notes`]),
  agent: (part, turn) => (turn < TURNS ? Array.from({ length: CALLS }, (_, index) => ["search_files", { pattern: `${part.length}-${turn}-${index}` }]) : "Nothing was found."),
  conclude: { summary: "Nothing was found.", deliverables: [] },
});
const [server, browser] = await Promise.all([Server.start({ env: model.env }), launch()]);
const live = server.keys.live;
const mib = (bytes) => (bytes / 2 ** 20).toFixed(1);
try {
  const long = await server.start("Look through all notes for words that are not there", { max_agents: AGENTS, autonomy_level: 100 }, live);
  const ended = await until("the long task", async () => {
    const shown = await server.call("GET", `/tasks/${long.id}`, undefined, live).catch(() => ({}));
    return ["complete", "failed"].includes(shown.status) ? shown : undefined;
  }, 900_000);
  const journal = await server.events(long.id, live);
  console.log(`${ended.status}: ${journal.length} events`);
  const page = await open(browser, server);
  await signIn(page, live);
  const reading = await busiest(browser, page, async () => {
    await page.goto(`${server.url}/#/task/${long.id}`);
    await until("all of it", async () => (await page.locator(".timeline-panel h2").textContent().catch(() => "")).includes("K"));
    await page.locator(".timeline-panel").getByRole("searchbox").waitFor();
  });
  await scrollThrough(page, ".rows-frame", 40);
  const before = await heap(page);
  const scrolling = await busiest(browser, page, () => scrollThrough(page, ".rows-frame", 400));
  console.log(`${journal.length} events: busy at most ${reading.toFixed(0)} ms while reading, ${scrolling.toFixed(0)} ms while scrolling; heap ${mib(before)} to ${mib(await heap(page))} MiB`);
  await page.context().close();

  for (let made = 0; made < TASKS; made += TOGETHER) {
    const some = await Promise.all(Array.from({ length: TOGETHER }, (_, index) => server.start(`Task number ${made + index} of many`)));
    for (const task of some) await server.ended(task.id);
  }
  const list = await open(browser, server);
  await signIn(list, server.keys.test);
  await list.goto(`${server.url}/#/tasks`);
  await list.locator("a.task-row").first().waitFor();
  await until("all pages", async () => {
    await scrollThrough(list, ".task-table .scroll", 20);
    return list.evaluate((least) => document.querySelector(".task-table .scroll").scrollHeight > least, (TASKS - 5) * 44);
  });
  const listBefore = await heap(list);
  const busy = await busiest(browser, list, () => scrollThrough(list, ".task-table .scroll", 200));
  console.log(`${TASKS} tasks: busy at most ${busy.toFixed(0)} ms while scrolling; heap ${mib(listBefore)} to ${mib(await heap(list))} MiB`);
} finally {
  await browser.close();
  await server.stop();
  await model.stop();
}
