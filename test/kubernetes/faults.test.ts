// What goes wrong in a cluster costs a meshed application no request that it would not have cost without a mesh.
// Needs: KUBECONFIG, kubectl.

import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually, kubectl } from "./cluster.ts";
import { compare, NAMESPACES, openShops, rollOut } from "./shops.ts";

openShops();

test("three rollouts in a row", (t) =>
  compare(t, async () => {
    for (let i = 0; i < 3; i++) await rollOut();
  }));

test("all pods of the control plane are deleted", (t) =>
  compare(t, async () => {
    await kubectl("delete pods -n linkerd --all --wait=true");
    await kubectl("rollout status -n linkerd deploy --timeout=60s");
    // A pod that is made now gets its proxy from the new injector, and its endpoint from the new destination.
    await rollOut();
  }));

test("the node is drained as far as budgets allow, and taken back", async (t) => {
  const node = (await kubectl("get nodes -o jsonpath={.items[0].metadata.name}")).trim();
  t.after(() => kubectl(`uncordon ${node}`));
  await compare(t, async () => {
    await kubectl(`cordon ${node}`);
    for (const ns of NAMESPACES) {
      const pods = await kubectl(`get pods -n ${ns} -l app=store -o name`);
      for (const pod of pods.trim().split("\n")) await evict(ns, pod.replace("pod/", ""));
    }
    await eventually("one pod that waits for a node in each shop", async () => {
      const pods = await kubectl(
        "get pods -A -l app=store --field-selector=status.phase=Pending -o name",
      );
      return pods.trim().split("\n").length === NAMESPACES.length ? true : undefined;
    });
    await kubectl(`uncordon ${node}`);
    for (const ns of NAMESPACES)
      await kubectl(`rollout status -n ${ns} deploy/store --timeout=80s`);
  });
});

// A budget refuses what would leave too few; that is not the end of the drain, but of this pod's part in it.
async function evict(namespace: string, name: string): Promise<void> {
  const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace } };
  const path = `/api/v1/namespaces/${namespace}/pods/${name}/eviction`;
  try {
    await kubectl(`create --raw ${path} -f -`, JSON.stringify(eviction));
  } catch (error) {
    assert.match(String(error), /disruption budget/);
  }
}
