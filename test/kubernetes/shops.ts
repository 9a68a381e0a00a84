// The same application under the same load several times over: without the mesh, and in it with either kind of sidecar.
// What goes wrong during a fault is counted for each, so that the mesh is measured against plain Kubernetes.

import assert from "node:assert/strict";
import { after, before, type TestContext } from "node:test";
import { eventually, kubectl } from "./cluster.ts";
import { installMesh } from "./mesh.ts";
import { apply, makeNamespace, rolledOut, within } from "./programs.ts";

const ENABLED = "linkerd.io/inject=enabled";
const CLASSIC = "config.linkerd.io/proxy-enable-native-sidecar=false";
const SHOPS: Readonly<Record<string, readonly string[]>> = {
  plain: [],
  meshed: [ENABLED],
  classic: [ENABLED, CLASSIC],
};

type Report = { total: number; failures: { at: number; why: string }[] };

/** The namespaces of the shops. */
export const NAMESPACES = Object.keys(SHOPS);

/** Opens the shops for the tests of a file. */
export function openShops(): void {
  before(async () => {
    await installMesh();
    await Promise.all(
      Object.entries(SHOPS).map(async ([ns, annotations]) => {
        await makeNamespace(ns, ...annotations);
        await apply(ns, "shop.yaml");
        await rolledOut(ns, "deploy/store", "deploy/loader");
      }),
    );
  });
  after(() => kubectl(`delete namespace ${NAMESPACES.join(" ")} --ignore-not-found`));
}

/** Lets `fault` happen under load; fails when a meshed shop missed more than the plain one. */
export async function compare(t: TestContext, fault: () => Promise<unknown>): Promise<void> {
  const reports = (): Promise<Report[]> => Promise.all(NAMESPACES.map(report));
  const earlier = await reports();
  await fault();
  // What the fault breaks last is seen before the count.
  await eventually("requests after the fault", async () => {
    const now = await reports();
    return now.every(({ total }, i) => total > earlier[i]!.total + 100) ? true : undefined;
  });
  const missed = (await reports()).map(({ total, failures }, i) => {
    const { total: before, failures: known } = earlier[i]!;
    const fresh = failures.slice(known.length);
    const reasons = Object.entries(Object.groupBy(fresh, ({ why }) => why));
    const why = reasons.map(([text, of]) => `${of!.length} × ${text}`).join("; ");
    console.log(`  ${t.name}: ${NAMESPACES[i]} missed ${fresh.length} of ${total - before} ${why}`);
    return { count: fresh.length, why };
  });
  const [plain, ...meshed] = missed;
  for (const [i, { count, why }] of meshed.entries())
    assert.ok(count <= plain!.count, `${NAMESPACES[i + 1]} missed what plain did not: ${why}`);
}

/** Makes the pods of all stores anew, and waits until they are. */
export async function rollOut(): Promise<void> {
  await Promise.all(
    NAMESPACES.map(async (ns) => {
      await kubectl(`rollout restart -n ${ns} deploy/store`);
      await rolledOut(ns, "deploy/store");
    }),
  );
}

async function report(ns: string): Promise<Report> {
  const script = `process.stdout.write(await (await fetch("http://127.0.0.1:9000/")).text())`;
  return JSON.parse(await within(ns, "deploy/loader", script)) as Report;
}
