// Finds a Node that can run this project: 26 or later. Plain JavaScript, because the Node that reads it may be older.
// `node bin/node.mjs FILE …` runs FILE in it.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** The oldest major version that runs the sources and what is built from them. */
export const oldest = 26;

/** Whether the Node that runs this is new enough. */
export const isRunning = Number.parseInt(process.versions.node, 10) >= oldest;

/** The path of a suitable Node: the running one, else the one that the npm package `node` brought, else undefined. */
export function findNode() {
  if (isRunning) return process.execPath;
  const folders = createRequire(import.meta.url).resolve.paths("node-of-this-package") ?? [];
  const program = process.platform === "win32" ? "node.exe" : "node";
  return folders
    .map((folder) => join(folder, "node", "bin", program))
    .find((path) => existsSync(path));
}

/** Goes on with the running script in a suitable Node; returns only there. For scripts, since it hands on no signals. */
export function needNode() {
  if (isRunning) return;
  // Only here, for it costs each start two milliseconds.
  const { spawnSync } = createRequire(import.meta.url)("node:child_process");
  const { status } = spawnSync(findNode() ?? "node26", process.argv.slice(1), { stdio: "inherit" });
  process.exit(status ?? 1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.argv.splice(1, 2, resolve(process.argv[2] ?? ""));
  needNode();
  await import(pathToFileURL(process.argv[1]).href);
}
