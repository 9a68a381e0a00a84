// A thousand names of ten endpoints each, which change ten times a second under load: no request fails, memory stays
// what it was after the first minute, and what a change costs does not grow with the number of names.
// Needs: linux.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { PROXY_ENV } from "../../src/platform/sidecar.ts";
import { Churn, churnConfig } from "../router/churn.ts";
import { HOME, pause, stop, until } from "../mesh/mesh.ts";
import { Gauge } from "./soakgauge.ts";

const NAMES = 1_000;
const PORT = 28_791;
const CPU_SECONDS = 6;
const WARM_SECONDS = 60;
const LOAD_SECONDS = 120;
/** Enough for two looks at a file, a reading and a new set of endpoints; a look at all names costs ten times as much. */
const MOST_CPU_MS = 5;
const MOST_GROWTH_MB = 8;
/** What a connection may take: a slow machine has not made all ten thousand after a minute. */
const CONNECTION_MB = 0.02;

test("a thousand names change", { timeout: 175_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "churn-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const churn = await Churn.start(t, folder, NAMES);
  const file = join(mkdtempSync(join(tmpdir(), "churn-")), "linkerd.yaml");
  t.after(() => rmSync(join(file, ".."), { recursive: true, force: true }));
  writeFileSync(file, `admin: {port: ${PORT + 1}}\n${churnConfig(folder, PORT)}`);
  const words = ["--trace-gc", join(HOME, "src/main.ts"), file];
  const env = { ...process.env, ...PROXY_ENV };
  const router = spawn(process.execPath, words, { stdio: "pipe", env });
  t.after(() => stop(router));
  let said = "";
  router.stdout.setEncoding("utf8");
  router.stderr.on("data", (text: Buffer) => (said += text.toString()));
  const gauge = new Gauge("router", router, WARM_SECONDS);
  await until(() => said.includes("initialized"));
  await churn.askAll(PORT);

  await t.test("CPU is in proportion to changes", async (sub) => {
    const cpuMs: number[] = [];
    for (const perSecond of [0, 10, 100]) {
      const before = cpuOf(router.pid!);
      await churn.change(perSecond, CPU_SECONDS);
      cpuMs.push((cpuOf(router.pid!) - before) / CPU_SECONDS);
      sub.diagnostic(`${perSecond} changes a second: ${cpuMs.at(-1)!.toFixed(1)} ms of CPU`);
    }
    const each = (cpuMs[2]! - cpuMs[0]!) / 100;
    assert.ok(each < MOST_CPU_MS, `a change costs ${each} ms`);
  });

  await t.test("no request fails, and memory stays", async (sub) => {
    const connections = async (): Promise<number> =>
      (await churn.connections()).reduce((sum, count) => sum + count, 0);
    let over = false;
    const load = churn.load(PORT, 32, () => over);
    const changes = churn.change(10, LOAD_SECONDS);
    let warm = 0;
    for (let second = 0; second < LOAD_SECONDS; second++) {
      await pause(1_000);
      gauge.sample(second);
      if (second === WARM_SECONDS) warm = await connections();
    }
    const more = (await connections()) - warm;
    await changes;
    over = true;
    await load;
    sub.diagnostic(`${churn.answered} requests; ${gauge.summary()}; ${more} connections more`);
    assert.deepEqual(churn.failures, []);
    const { rssMb } = gauge.growth();
    assert.ok(
      rssMb < MOST_GROWTH_MB + more * CONNECTION_MB,
      `resident: ${rssMb} MB more, with ${more} connections more`,
    );
  });
});

/** Milliseconds of CPU that a process has used; the kernel counts in hundredths of a second. */
function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const [user, system] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13);
  return 10 * (Number(user) + Number(system));
}
