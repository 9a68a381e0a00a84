// Makes a clone ready to run: installs what package-lock.json asks for, Node 26 included, and builds what is out of date.
// Prints nothing and takes a few milliseconds when nothing is to be done. Plain JavaScript for any Node from 20 on.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { changedMs, isBuilt } from "./built.mjs";
import { findNode, oldest } from "./node.mjs";

const home = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...path) => join(home, ...path);

if (!isInstalled()) npm("Installing what package-lock.json asks for", "ci");
// Where npm must not run install scripts, the package `node` is there, but not the program.
if (!findNode()) npm(`Fetching Node ${oldest}`, "rebuild", "node");
if (!findNode())
  fail(
    `There is no Node ${oldest}: allow npm to run install scripts and run \`npm rebuild node\`, or put Node ${oldest} first in PATH.`,
  );
if (existsSync(at("src", "main.ts")) && !isBuilt(home))
  run("Building the program", findNode(), at("scripts", "build.mjs"), "program");
if (
  existsSync(at("web", "index.html")) &&
  changedMs(at("web")) > changedMs(at("dist", "web", "index.html"))
) {
  const vite = at("node_modules", "vite", "bin", "vite.js");
  run(
    "Building the dashboard",
    findNode(),
    vite,
    "build",
    "web",
    "--outDir",
    "../dist/web",
    "--emptyOutDir",
    "--logLevel",
    "warn",
  );
}

/** Compares with what npm notes down after an install; times would lie after each `git checkout`. */
function isInstalled() {
  const note = at("node_modules", ".package-lock.json");
  if (!existsSync(note)) return false;
  const installed = JSON.parse(readFileSync(note, "utf8")).packages;
  const wanted = JSON.parse(readFileSync(at("package-lock.json"), "utf8")).packages;
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === "" || optional || installed[path]?.version === version,
  );
}

function npm(what, ...args) {
  // npm names itself to the scripts that it runs.
  const { npm_execpath: self } = process.env;
  if (self?.endsWith("js")) run(what, process.execPath, self, ...args);
  else run(what, "npm", ...args);
}

function run(what, program, ...args) {
  console.error(`${what} …`);
  const { status, error } = spawnSync(program, args, { cwd: home, stdio: ["ignore", 2, 2] });
  if (status !== 0)
    fail(`That failed${error ? `: ${error.message}` : "; the lines above say why"}.`);
}

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}
