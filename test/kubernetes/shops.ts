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

/** What loaders counted that are no more, by namespace. */
const earlier = new Map<string, Report>();

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
  const known = await reports();
  await fault();
  // What the fault breaks last is seen before the count.
  await eventually("requests after the fault", async () => {
    const now = await reports();
    return now.every(({ total }, i) => total > known[i]!.total + 100) ? true : undefined;
  });
  const missed = (await reports()).map(({ total, failures }, i) => {
    const { total: before, failures: old } = known[i]!;
    const fresh = failures.slice(old.length);
    const reasons = Object.entries(
      Object.groupBy(fresh, ({ why }) => why.replace(/for \d+ m?s/, "for a while")),
    );
    const why = reasons.map(([text, of]) => `${of!.length} × ${text}`).join("; ");
    const line = `${NAMESPACES[i]} missed ${fresh.length} of ${total - before} ${why}`;
    process.stdout.write(`  ${t.name}: ${line}\n`);
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

/** Makes the pods that ask anew as well; what they counted still counts. */
export async function replaceLoaders(): Promise<void> {
  await Promise.all(
    NAMESPACES.map(async (ns) => {
      const { total, failures } = await report(ns);
      await kubectl(`rollout restart -n ${ns} deploy/loader`);
      await rolledOut(ns, "deploy/loader");
      earlier.set(ns, { total, failures });
    }),
  );
}

async function report(ns: string): Promise<Report> {
  const script = `process.stdout.write(await (await fetch("http://127.0.0.1:9000/")).text())`;
  const now = JSON.parse(await within(ns, "deploy/loader", script)) as Report;
  const past = earlier.get(ns) ?? { total: 0, failures: [] };
  return { total: past.total + now.total, failures: [...past.failures, ...now.failures] };
}
