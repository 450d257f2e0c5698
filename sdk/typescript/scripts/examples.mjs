// Takes the programs out of README.md, so that they are compiled and run as tests. Each becomes a file of its own; what has
// to be printed stands in the block behind it.

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";

const README = new URL("../README.md", import.meta.url);
const INTO = new URL("../test/examples/", import.meta.url);

const text = await readFile(README, "utf8");
await rm(INTO, { recursive: true, force: true });
await mkdir(INTO);
const blocks = [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, kind, body]) => ({ kind, body }));
let number = 0;
for (const [index, { kind, body }] of blocks.entries()) {
  if (kind !== "ts") continue;
  number += 1;
  const name = String(number).padStart(2, "0");
  const next = blocks[index + 1];
  await writeFile(new URL(`${name}.ts`, INTO), `${body}\nexport {};\n`);
  await writeFile(new URL(`${name}.txt`, INTO), next?.kind === "text" ? next.body : "");
}
