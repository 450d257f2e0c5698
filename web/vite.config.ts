// How the page is built: a few files with hashed names, nothing in the page itself, so that its policy needs no exception.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, constants } from "node:zlib";
import { defineConfig, type Plugin } from "vite";
import react from "@vitejs/plugin-react";

const SDK = new URL("../sdk/typescript/src/index.ts", import.meta.url).pathname;

/** Fonts are packed already. */
const PACKABLE = /\.(js|css|html|svg)$/;

/** A packed copy beside each file: the server sends it as it is. */
function packed(): Plugin {
  return {
    name: "packed",
    apply: "build",
    closeBundle() {
      const folder = new URL("dist/", import.meta.url).pathname;
      for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
        if (!PACKABLE.test(name)) continue;
        const bytes = readFileSync(join(folder, name));
        const small = gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION });
        if (small.length < bytes.length) writeFileSync(join(folder, `${name}.gz`), small);
      }
    },
  };
}

export default defineConfig({
  plugins: [react(), packed()],
  resolve: { alias: { "@miteos/sdk": SDK } },
  build: {
    target: "es2022",
    // The folder is in the repository; scripts/web.sh empties it.
    emptyOutDir: false,
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  test: { include: ["tests/unit/**/*.test.ts"], environment: "node", testTimeout: 240_000 },
} as Parameters<typeof defineConfig>[0]);
