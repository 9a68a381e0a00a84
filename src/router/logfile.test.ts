// Rolling of log files, on real files and with a clock that is turned by hand.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { log } from "../base/log.ts";
import { LogFile, type LogFileOptions } from "./logfile.ts";

const DAY_MS = 86_400_000;

// Its wall clock begins on a Tuesday, 14 November 2023.
function logIn(t: TestContext, before: string, options: Partial<LogFileOptions>) {
  const folder = mkdtempSync(join(tmpdir(), "logfile-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "log");
  if (before !== "") writeFileSync(path, before);
  const clock = new VirtualClock();
  const logger = log.logger("test");
  const base = { policy: "never", append: true, keep: -1 };
  const file = new LogFile({ ...base, path, clock, logger, ...options });
  return {
    clock,
    line: (line: string): Promise<void> => {
      file.write(line);
      return file.close();
    },
    files: () =>
      readdirSync(folder)
        .sort()
        .map((name) => [name, readFileSync(join(folder, name), "utf8")]),
  };
}

test("a log goes on with the file that is there, or empties it", async (t) => {
  const on = logIn(t, "old\n", {});
  await on.line("a");
  await on.line("b");
  assert.deepEqual(on.files(), [["log", "old\na\nb\n"]]);
  const anew = logIn(t, "old\n", { append: false });
  await anew.line("a");
  await anew.line("b");
  assert.deepEqual(anew.files(), [["log", "a\nb\n"]]);
});

test("a file that would become too large is rolled, and the oldest go", async (t) => {
  const at = logIn(t, "12345678\n", { policy: "10.bytes", keep: 2 });
  for (const line of ["a", "bb", "cc", "a line that is too long", "d"]) {
    at.clock.advance(1000);
    await at.line(line);
  }
  assert.deepEqual(at.files(), [
    ["log", "d\n"],
    ["log.2023-11-14T22-13-24-000Z", "a\nbb\ncc\n"],
    ["log.2023-11-14T22-13-25-000Z", "a line that is too long\n"],
  ]);
});

test("a new day, and a new week on the day that is meant, begin a new file", async (t) => {
  const daily = logIn(t, "", { policy: "daily" });
  await daily.line("Tuesday");
  daily.clock.advance(DAY_MS);
  await daily.line("Wednesday");
  assert.deepEqual(daily.files(), [
    ["log", "Wednesday\n"],
    ["log.2023-11-15T22-13-20-000Z", "Tuesday\n"],
  ]);
  // 1 is Sunday.
  const weekly = logIn(t, "", { policy: "weekly(6)" });
  for (const day of ["Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]) {
    await weekly.line(day);
    weekly.clock.advance(DAY_MS);
  }
  assert.deepEqual(weekly.files(), [
    ["log", "Friday\nSaturday\n"],
    ["log.2023-11-17T22-13-20-000Z", "Tuesday\nWednesday\nThursday\n"],
  ]);
});
