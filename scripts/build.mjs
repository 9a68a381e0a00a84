// `npm run build`: what is published, and what a clone runs when it is up to date. src/ becomes dist/main.js and a chunk
// for each program, with the libraries inside (a sidecar that loads three files starts in half the time of one that
// loads two hundred); the demo goes to dist/demo, runnable from there as in a clone; the dashboard goes to dist/web.
// dist/types holds what plug-ins in TypeScript are checked against. `build.mjs program` makes the first only.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { needNode } from "../bin/node.mjs";
import { chunksByProgram } from "./chunks.mjs";

needNode();
process.chdir(dirname(dirname(fileURLToPath(import.meta.url))));
await program();
if (process.argv[2] !== "program") {
  demo();
  types();
  if (fs.globSync("web/index.html").length > 0) {
    const to = ["--outDir", "../dist/web", "--emptyOutDir"];
    node("vite/bin/vite.js", "build", "web", ...to, "--logLevel", "warn");
  }
}

async function program() {
  const bundle = await rolldown({
    input: { main: "src/main.ts" },
    platform: "node",
    // Native code, and what has to be found on disk.
    external: [/^koffi$/, /^@grpc\//],
    plugins: [{ name: "ascii", generateBundle }],
    // Chunks import from dist/main.js what it loads anyway.
    preserveEntrySignatures: "allow-extension",
    logLevel: "warn",
  });
  fs.rmSync("dist/chunks", { recursive: true, force: true });
  await bundle.write({
    dir: "dist",
    format: "esm",
    entryFileNames: "[name].js",
    // As deep as src/ROOM/, so that a path relative to a source is right for its chunk too.
    chunkFileNames: "chunks/[name]-[hash].js",
    minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } },
    keepNames: true,
    codeSplitting: chunksByProgram(),
  });
  await bundle.close();
}

/** V8 keeps a source with one letter beyond Latin 1 at twice its size. */
function generateBundle(_options, bundle) {
  const escaped = (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  for (const chunk of Object.values(bundle))
    if (chunk.type === "chunk") chunk.code = chunk.code.replace(/[^\0-\x7f]/g, escaped);
}

function demo() {
  compile("dist/demo", {
    compilerOptions: { rootDir: "../../demo" },
    include: ["../../demo"],
    exclude: ["../../demo/**/*.test.ts"],
  });
  for (const file of fs.globSync("demo/**/*.{proto,html,yaml,yml,json,md}")) {
    const text = fs.readFileSync(file, "utf8");
    fs.mkdirSync(join("dist", dirname(file)), { recursive: true });
    // Manifests name the programs, which have another ending now.
    const isManifest = /\.ya?ml$/.test(file);
    const built = isManifest ? text.replaceAll(/(demo\/[\w/-]+)\.ts\b/g, "$1.js") : text;
    fs.writeFileSync(join("dist", file), built);
  }
}

// What a plug-in written in TypeScript is checked against: `import type { Plugin } from "linkerd-ts/plugin"`.
function types() {
  compile("dist/types", {
    compilerOptions: { rootDir: "../..", declaration: true, emitDeclarationOnly: true },
    include: [],
    files: ["../../src/router/plugin.ts"],
  });
}

function compile(folder, { compilerOptions, ...rest }) {
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  const config = join(folder, "tsconfig.json");
  const options = { ...compilerOptions, noEmit: false, outDir: "." };
  const settings = { extends: "../../tsconfig.json", compilerOptions: options, ...rest };
  fs.writeFileSync(config, JSON.stringify(settings));
  node("typescript/bin/tsc", "-p", config);
  fs.rmSync(config);
}

function node(program, ...args) {
  const path = join("node_modules", program);
  const { status } = spawnSync(process.execPath, [path, ...args], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
