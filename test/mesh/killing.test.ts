// Parts of a mesh are killed under load: an application, a sidecar, the control plane. What is left takes over.
// Needs: linux.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { load } from "./load.ts";
import { HOME, pause, processes, processOf, until, upMesh } from "./mesh.ts";

const EMOJIVOTO = readFileSync(join(HOME, "demo/emojivoto/emojivoto.yaml"), "utf8")
  .split("\n---\n")
  .filter((document) => !document.includes("name: vote-bot"))
  .join("\n---\n")
  .replaceAll("replicas: 1", "replicas: 2");
const PUBLISH = "--publish=emojivoto/web-svc=28700";
/** Errors stop within this time. */
const HEAL_MS = 1000;

test(
  "what is killed is replaced, and missed for less than a second",
  { timeout: 120_000 },
  async (t) => {
    const { url, pods, mesh } = await upMesh(t, EMOJIVOTO, PUBLISH);
    const web = await url("emojivoto/web-svc");
    const listing = load(`${web}/api/list`);
    const voting = load(`${web}/api/vote?choice=:tada:`);
    t.after(() => Promise.all([listing.stop(), voting.stop()]));
    const failures = () => [...listing.failures, ...voting.failures];
    await until(() => listing.total > 50 && voting.total > 50);
    assert.deepEqual(failures(), []);

    for (const [name, which] of [
      ["emoji", "app"],
      ["voting", "app"],
      ["emoji", "sidecar"],
      ["web", "sidecar"],
    ] as const) {
      await t.test(`the ${which} of ${name}`, async (sub) => {
        await until(async () => (await pods(name)).length === 2);
        const before = failures().length;
        const [victim] = await pods(name);
        const pid = processOf(victim!, which);
        const at = performance.now();
        process.kill(pid, "SIGKILL");
        await pause(2500);
        const missed = failures().slice(before);
        const lastMs = Math.max(0, ...missed.map((failure) => failure.at - at));
        sub.diagnostic(
          `${missed.length} failures, the last after ${Math.round(lastMs)} ms: ${missed[0]?.why ?? ""}`,
        );
        assert.ok(lastMs < HEAL_MS, `${Math.round(lastMs)} ms: ${missed.at(-1)?.why}`);
        await until(async () => (await pods(name)).length === 2);
        const healed = failures().length;
        await pause(500);
        assert.equal(failures().length, healed, "its return disturbs nobody");
      });
    }

    await t.test("the control plane", async () => {
      const before = failures().length;
      const { pid: own } = await mesh.status.next();
      const [controller] = processes("controller").filter(
        ({ pid, argv }) => argv.includes("controller") && parentOf(pid) === own,
      );
      process.kill(controller!.pid, "SIGKILL");
      await mesh.status.next(({ controllerReady }) => !controllerReady);
      const old = new Set((await pods("emoji")).map((pod) => pod.metadata.name));
      await mesh.scale("Deployment", "emojivoto/emoji", 3);
      await until(async () => (await pods("emoji")).length === 3);
      await mesh.status.next(({ controllerReady }) => controllerReady);
      const [fresh] = (await pods("emoji")).filter((pod) => !old.has(pod.metadata.name));
      await until(async () => {
        const page = await fetch(`http://${fresh!.status!.podIP}:4191/metrics`);
        return /^request_total\{.*client_id="web\./m.test(await page.text());
      });
      assert.deepEqual(failures().slice(before), []);
    });
  },
);

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}
