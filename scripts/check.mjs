// `npm run check`: types, lint, layout, unused code, and the rules of the rooms, all at once, in a few seconds.
// Prints a line for each, and its output only where it failed. Exits with the number of those.

import { spawn } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { findNode } from "../bin/node.mjs";

const home = dirname(dirname(fileURLToPath(import.meta.url)));
const folders = ["src", "web", "test", "demo", "bench", "scripts", "bin"];

/** Each check with the arguments for Node that run it. */
const checks = {
  "types (tsc)": ["node_modules/.bin/tsc", "-p", "."],
  "types of web": ["node_modules/.bin/tsc", "-p", "web"],
  "lint (oxlint)": ["node_modules/.bin/oxlint", "--deny-warnings"],
  "layout (oxfmt)": [
    "node_modules/.bin/oxfmt",
    "--check",
    "--no-error-on-unmatched-pattern",
    ...folders,
  ],
  "unused (knip)": ["node_modules/.bin/knip", "--no-progress"],
  rooms: ["--test", "--test-reporter=dot", "test/rooms.test.ts"],
};

/** Runs all checks and prints how each went; resolves to how many passed and failed. */
export async function check() {
  const started = performance.now();
  const results = await Promise.all(
    Object.entries(checks).map(async ([name, args]) => {
      const { code, output } = await run(args);
      const seconds = ((performance.now() - started) / 1_000).toFixed(1);
      console.log(`${code === 0 ? "√" : "×"} ${name.padEnd(16)} ${seconds} s`);
      if (code !== 0) console.log(output.trimEnd().replaceAll(/^/gm, "    "));
      return code === 0;
    }),
  );
  const passed = results.filter(Boolean).length;
  return { passed, failed: results.length - passed };
}

async function run(args) {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(findNode(), args, {
    cwd: home,
    env: { ...env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text) => (output += text));
  const code = await new Promise((ended) => child.on("close", ended));
  return { code, output };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exit((await check()).failed);
