// `npm test`: the checks, then the unit tests beside the source in one process, then the tests of whole programs in
// test/ and demo/, each file in a process of its own. `node scripts/test.mjs conformance` runs test/conformance alone.
// A file that needs more than any machine has says so in a line such as `// Needs: root, h2spec.` and is skipped by
// name where that is missing. The last line counts all, and any failure is the exit code.

import { spawnSync } from "node:child_process";
import { accessSync, constants, globSync, readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { run } from "node:test";
import { fileURLToPath } from "node:url";
import { findNode, isRunning } from "../bin/node.mjs";
import { check } from "./check.mjs";

const home = dirname(dirname(fileURLToPath(import.meta.url)));
process.chdir(home);
if (!isRunning)
  process.exit(spawnSync(findNode(), process.argv.slice(1), { stdio: "inherit" }).status ?? 1);

// An exit before the last line is a failure, whoever calls it: unit tests share this process.
process.exitCode = 1;

/** Folders of test/ with commands of their own, for they need programs or a cluster that few have at hand. */
const apart = ["conformance", "kubernetes", "chaos"];
const chosen = process.argv.slice(2);
const total = { passed: 0, failed: 0, skipped: 0 };

if (chosen.length > 0) {
  await runFiles(
    chosen.map((name) => `test/${name}/**/*.test.ts`),
    "process",
  );
} else {
  section("Checks");
  count(await check());
  section("Units");
  await runFiles(["src/**/*.test.ts"], "none");
  section("Programs");
  await runFiles(["test/**/*.test.ts", "demo/**/*.test.ts"], "process", (file) => {
    const [, folder] = file.split(/[\\/]/);
    return !apart.includes(folder) && !file.endsWith("rooms.test.ts");
  });
}

console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
// Un-isolated tests may have left a handle open; what they say is said.
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);

async function runFiles(patterns, isolation, isWanted = () => true) {
  const files = globSync(patterns).filter(isWanted).sort();
  const able = files.filter((file) => {
    const missing = missingFor(file);
    if (missing.length > 0) skip(file, `needs ${missing.join(" and ")}`);
    return missing.length === 0;
  });
  if (able.length === 0) return;
  // Whole programs want fixed ports and both cores, so they run one after the other.
  const events = run({
    files: able,
    isolation,
    concurrency: false,
    timeout: isolation === "none" ? 30_000 : 180_000,
  });
  const before = { ...total };
  for await (const { type, data } of events) report(type, data, isolation);
  const passed = total.passed - before.passed;
  const failed = total.failed - before.failed;
  console.log(
    `${failed === 0 ? "√" : "×"} ${able.length} files, ${passed} tests passed, ${failed} failed`,
  );
}

/** What this machine lacks of that which the file says it needs. */
function missingFor(file) {
  const [, needs = ""] = readFileSync(file, "utf8").match(/^\/\/ Needs: (.+?)\.?$/m) ?? [];
  return needs.split(/,\s*/).filter((need) => need && !has(need));
}

function has(need) {
  if (need === "root") return process.getuid?.() === 0;
  if (need === "linux") return process.platform === "linux";
  if (need === need.toUpperCase()) return Boolean(process.env[need]);
  return need.split("|").some((program) =>
    (process.env.PATH ?? "").split(delimiter).some((folder) => {
      try {
        accessSync(join(folder, program), constants.X_OK);
        return true;
      } catch {
        return false;
      }
    }),
  );
}

const names = [];

function report(type, data, isolation) {
  if (type === "test:start") {
    names.length = data.nesting;
    names[data.nesting] = data.name;
  }
  if (type === "test:stdout" || type === "test:stderr") process.stdout.write(data.message);
  if (type !== "test:pass" && type !== "test:fail") return;
  if (data.details.type === "suite" && !isOwnFailure(data)) return;
  const name = [...names.slice(0, data.nesting), data.name].join(" › ");
  if (data.skip !== undefined) return skip(name, data.skip || "without a reason");
  if (type === "test:pass") {
    total.passed++;
    if (isolation === "process" && data.nesting === 0) console.log(`√ ${name}`);
    return;
  }
  total.failed++;
  const { error } = data.details;
  const cause = error?.cause ?? error;
  console.log(`× ${name}\n    ${data.file ?? ""}:${data.line ?? 0}`);
  console.log(String(cause?.stack ?? cause).replaceAll(/^/gm, "    "));
}

/** A suite fails with its tests, which have been counted, or in a hook of its own. */
function isOwnFailure({ details }) {
  return details.error !== undefined && details.error.failureType !== "subtestsFailed";
}

function skip(name, reason) {
  total.skipped++;
  console.log(`- ${name}: skipped, ${reason}`);
}

function count({ passed, failed }) {
  total.passed += passed;
  total.failed += failed;
}

function section(title) {
  console.log(`\n${title}`);
}
