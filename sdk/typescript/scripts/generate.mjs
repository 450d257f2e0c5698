// Writes the types of the wire from the OpenAPI document.
//
//   node scripts/generate.mjs           writes them
//   node scripts/generate.mjs --check   fails if what is committed is not what the document makes
//
// src/generated/openapi.ts    the objects of the contract, by openapi-typescript
// src/generated/events.ts     what an event of each type holds
// test/generated/queries.ts   the names in each operation's query, which the tests compare ours with; not in the package

import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const DOCUMENT = new URL("../../../docs/openapi.json", import.meta.url);
const HEAD = "// Made from docs/openapi.json by scripts/generate.mjs. Do not edit it: npm run generate\n\n";

// A field with a default may be left out of a request; answers list theirs as required.
const OPTIONS = { defaultNonNullable: false };

const document = JSON.parse(await readFile(DOCUMENT, "utf8"));

const files = {
  "../src/generated/openapi.ts": await types({ ...document, paths: {}, webhooks: {}, components: schemasOf(document) }),
  "../src/generated/events.ts": events(document),
  "../test/generated/queries.ts": queries(document),
};

let stale = false;
for (const [path, text] of Object.entries(files)) {
  const url = new URL(path, import.meta.url);
  if (!process.argv.includes("--check")) {
    await writeFile(url, text);
  } else if ((await readFile(url, "utf8").catch(() => "")) !== text) {
    console.error(`${path.slice("../".length)} is not what docs/openapi.json makes; run: npm run generate`);
    stale = true;
  }
}
if (stale) process.exitCode = 1;

async function types(contract) {
  return HEAD + astToString(await openapiTS(contract, OPTIONS));
}

function schemasOf({ components }) {
  return { schemas: components.schemas };
}

// The union in the document says for each type of event what schema its data has. An intersection with it would not
// narrow: openapi-typescript makes `data: object & …` of it.
function events({ components }) {
  const { EventType, Event } = components.schemas;
  const schemaOf = new Map();
  for (const { properties } of Event.oneOf) {
    for (const type of properties.type.enum) schemaOf.set(type, properties.data.$ref?.split("/").at(-1));
  }
  const lines = EventType.enum.map((type) => {
    if (!schemaOf.has(type)) throw new Error(`the document does not say what ${type} holds`);
    const schema = schemaOf.get(type);
    return `  "${type}": ${schema === undefined ? "Record<string, unknown>" : `Schemas["${schema}"]`};`;
  });
  return [
    `${HEAD}import type { components } from "./openapi.js";`,
    'type Schemas = components["schemas"];',
    `/** What \`data\` of an event holds, by the event's type. */\nexport interface EventData {\n${lines.join("\n")}\n}\n`,
  ].join("\n\n");
}

function queries({ paths }) {
  const operations = Object.values(paths).flatMap((methods) => Object.values(methods));
  const lines = operations.flatMap(({ operationId, parameters = [] }) => {
    const names = parameters.filter((each) => each.in === "query").map(({ name }) => JSON.stringify(name));
    return names.length === 0 ? [] : `  ${operationId}: ${names.join(" | ")};`;
  });
  return `${HEAD}export interface Queries {\n${lines.join("\n")}\n}\n`;
}
