// `npm test`: the checks, then the unit tests beside the source in one process, then the tests of whole programs in
// test/ and demo/, each file in a process of its own. `node scripts/test.mjs conformance paths/labels` runs a folder of
// test/ and a file, after what the setup.ts of such a folder prepares. A file that needs more than any machine has says
// so in a line such as `// Needs: root, h2spec.` and is skipped by name where that is missing; `--all` is a need that
// the command line meets. The last line counts all, and any failure is the exit code.

import fs from "node:fs";
import { delimiter, dirname, join, relative, resolve } from "node:path";
import { run } from "node:test";
import { fileURLToPath } from "node:url";
import { needNode } from "../bin/node.mjs";
import { check } from "./check.mjs";

needNode();
process.chdir(dirname(dirname(fileURLToPath(import.meta.url))));

// Unit tests share this process: one that ends it, or breaks it, shall not look like success.
process.exitCode = 1;
process.on("exit", () => {
  if (!isDone) console.log("\nThe tests ended before their time.");
});

/** Folders of test/ with commands of their own, for they need programs or a cluster that few have at hand. */
const apart = ["conformance", "kubernetes", "chaos"];
const words = process.argv.slice(2);
const chosen = words.filter((word) => !word.startsWith("--"));
const total = { passed: 0, failed: 0, skipped: 0 };
/** The names of the running test and of the suites around it. */
const names = [];
let isDone = false;

if (chosen.length > 0) {
  const forms = (name) => [name, `test/${name}.test.ts`, `test/${name}/**/*.test.ts`];
  const files = ableFiles(chosen.flatMap(forms), (file) => file.endsWith(".test.ts"));
  // Files of a folder that prepares something belong together.
  const folders = Object.groupBy(files, (file) => file.split(/[\\/]/)[1]);
  for (const [folder, together] of Object.entries(folders)) {
    const setup = resolve(`test/${folder}/setup.ts`);
    const { globalSetup, globalTeardown } = fs.existsSync(setup) ? await import(setup) : {};
    // Not left to the runner, which ends while a teardown is under way.
    await globalSetup?.();
    await runApart(together, { timeout: globalSetup ? 1_200_000 : 180_000 });
    await globalTeardown?.();
  }
  if (total.passed + total.failed + total.skipped === 0) {
    console.log(`No test is called ${chosen.join(", ")}: name a file or a folder of test/.`);
  }
} else {
  console.log("Checks");
  add(await check());
  console.log("\nUnits");
  await runTogether(["src/**/*.test.ts"]);
  console.log("\nPrograms");
  const files = ableFiles(["test/**/*.test.ts", "demo/**/*.test.ts"], (file) => {
    const [, folder] = file.split(/[\\/]/);
    return !apart.includes(folder) && !file.endsWith("rooms.test.ts");
  });
  await runApart(files);
}

console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
isDone = true;
// Units may have left a handle open; what they say is said.
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);

/** All files in this process: what costs is starting processes, and units leave nothing behind. */
async function runTogether(patterns) {
  const files = ableFiles(patterns);
  for await (const { type, data } of run({ files, isolation: "none", timeout: 30_000 })) {
    report(type, data);
    if (type === "test:summary") line(`${files.length} files`, data);
  }
}

/** Each file in its own process, one after the other: whole programs want fixed ports and both cores. */
async function runApart(files, { timeout } = { timeout: 180_000 }) {
  const each = { files, concurrency: false, timeout };
  for await (const { type, data } of run(each)) {
    report(type, data);
    if (type === "test:summary" && data.file) line(relative(".", data.file), data);
  }
}

/** The files of the patterns, without those that need what this machine lacks; these are reported as skipped. */
function ableFiles(patterns, isWanted = () => true) {
  const files = fs.globSync(patterns).filter(isWanted).sort();
  return files.filter((file) => {
    const [, needs = ""] = fs.readFileSync(file, "utf8").match(/^\/\/ Needs: (.+?)\.?$/m) ?? [];
    const missing = needs.split(/,\s*/).filter((need) => need && !isHere(need));
    if (missing.length > 0) skip(file, `needs ${missing.join(" and ")}`);
    return missing.length === 0;
  });
}

/** A need is `root`, `linux`, a variable such as KUBECONFIG, a flag, or a program in PATH (`chromium|google-chrome`). */
function isHere(need) {
  if (need.startsWith("--")) return words.includes(need);
  if (need === "root") return process.getuid?.() === 0;
  if (need === "linux") return process.platform === "linux";
  if (need === need.toUpperCase()) return Boolean(process.env[need]);
  const folders = (process.env.PATH ?? "").split(delimiter);
  return need
    .split("|")
    .some((name) => folders.some((folder) => fs.existsSync(join(folder, name))));
}

function report(type, data) {
  if (type === "test:start") names.splice(data.nesting, Infinity, data.name);
  if (type === "test:stdout" || type === "test:stderr") process.stdout.write(data.message);
  // What a test does after its end fails nothing by itself.
  if (type === "test:diagnostic" && data.message.startsWith("Error: "))
    fail("after the end of a test", data, data.message);
  if (type !== "test:pass" && type !== "test:fail") return;
  const { type: kind, error } = data.details;
  // A suite is skipped as a whole, or fails in a hook of its own; its tests are counted themselves.
  const isOwn = data.skip !== undefined || (error && error.failureType !== "subtestsFailed");
  if (kind === "suite" && !isOwn) return;
  const name = [...names.slice(0, data.nesting), data.name].join(" › ");
  if (data.skip !== undefined) skip(name, data.skip || "without a reason");
  else if (type === "test:pass") total.passed++;
  else fail(name, data, error?.cause ?? error);
}

function skip(name, reason) {
  total.skipped++;
  console.log(`- ${name}: skipped, ${reason}`);
}

function fail(name, { file, line: at }, cause) {
  total.failed++;
  const what = `${file}:${at}\n${cause?.stack ?? cause}`;
  console.log(`× ${name}\n${what.replaceAll(/^/gm, "    ")}`);
}

function line(what, { success, counts, duration_ms }) {
  const seconds = (duration_ms / 1_000).toFixed(1);
  console.log(`${success ? "√" : "×"} ${what}: ${counts.passed} tests passed, ${seconds} s`);
}

function add({ passed, failed }) {
  total.passed += passed;
  total.failed += failed;
}
