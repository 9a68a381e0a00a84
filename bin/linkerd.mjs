#!/usr/bin/env node
// The command `linkerd`: hands over to Node 26 and the program itself, whichever Node (20 or later) the shell found.
// That is what was built (half the memory and a third of the time to start), or, in a clone whose build is older than
// its sources, the sources themselves.

import { existsSync } from "node:fs";
import module from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { isBuilt } from "./built.mjs";
import { findNode, isRunning, oldest } from "./node.mjs";

const home = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(home, "src", "main.ts");
const program = isBuilt(home) ? join(home, "dist", "main.js") : source;
const node = findNode();

if (!node) {
  const remedy = existsSync(join(home, "node_modules"))
    ? `run \`npm rebuild node\` in ${home}`
    : existsSync(source)
      ? `run \`npm ci\` in ${home}`
      : "reinstall this package with its install scripts allowed";
  fail(
    `linkerd needs Node ${oldest} or later and found only ${process.versions.node}: ${remedy}, or put a newer Node first in PATH.`,
  );
}
if (!existsSync(program))
  fail(`linkerd is not complete, ${program} is missing: run \`npm run build\` in ${home}.`);

const cache = (process.env.NODE_COMPILE_CACHE ||= join(cacheHome(), "linkerd", "compiled"));

// Whoever started this may be killed, and then hands on no signal: nothing shall go on that Ctrl-C cannot stop.
const end = () => process.kill(process.pid, "SIGTERM");
if (process.env.npm_lifecycle_event) {
  const parent = process.ppid;
  setInterval(() => process.ppid === parent || end(), 500).unref();
}

if (isRunning) {
  if (process.channel) {
    process.once("disconnect", end);
    process.channel.unref();
  }
  module.enableCompileCache(cache);
  process.argv[1] = program;
  await import(pathToFileURL(program).href);
} else {
  await handOver(node);
}

/** Runs the program in another Node as if it were this process: its streams, its signals, its way to end. */
async function handOver(path) {
  const { spawn } = await import("node:child_process");
  const words = process.argv.slice(2);
  const own = fileURLToPath(import.meta.url);
  // The channel ends with this process, however that ends.
  const stdio = ["inherit", "inherit", "inherit", "ipc"];
  const child = spawn(path, [own, ...words], { stdio });
  child.on("error", (cause) => fail(`linkerd cannot start ${path}: ${cause.message}.`));
  for (const signal of ["SIGTERM", "SIGHUP", "SIGUSR2", "SIGINT", "SIGQUIT"])
    process.on(signal, () => {
      // What is typed at a terminal reaches the child by itself.
      const isTyped = process.stdin.isTTY && (signal === "SIGINT" || signal === "SIGQUIT");
      if (!isTyped) child.kill(signal);
    });
  child.on("exit", (code, signal) => {
    if (code !== null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function cacheHome() {
  if (process.platform === "darwin") return join(homedir(), "Library", "Caches");
  if (process.platform === "win32")
    return process.env.LOCALAPPDATA || join(homedir(), "AppData", "Local");
  return process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
}

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}
