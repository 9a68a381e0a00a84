// A stock linkerd2-proxy as the sidecar, driven by our control plane, meshes the demo: traffic, mutual TLS, figures.
// LINKERD2_PROXY_BIN is its path; setup.ts packs an image with it, so LINKERD_LOAD must be there as well.
// Needs: KUBECONFIG, LINKERD_LOAD, LINKERD2_PROXY_BIN, kubectl.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually, HOME, kubectl, linkerd } from "./cluster.ts";
import { installMesh } from "./mesh.ts";
import { rolledOut } from "./programs.ts";

const NS = "emojivoto";
const INJECT = "    linkerd.io/inject: enabled\n";
const IMAGE = "    config.linkerd.io/proxy-image: linkerd-ts/linkerd2-proxy\n";
const WORKLOADS = ["emoji", "voting", "web", "vote-bot"];

before(async () => {
  await installMesh();
  await kubectl("apply -f -", (await linkerd("viz install")).stdout);
  const demo = await readFile(join(HOME, "demo/emojivoto/emojivoto.yaml"), "utf8");
  await kubectl("apply -f -", demo.replace(INJECT, INJECT + IMAGE));
  await rolledOut(NS, ...WORKLOADS.map((name) => `deploy/${name}`));
  const check = await linkerd("viz check --wait 1m", "", 90_000);
  assert.equal(check.code, 0, check.stdout);
});
after(() => kubectl(`delete namespace ${NS} --ignore-not-found`));

test("every sidecar is the stock proxy", async () => {
  for (const name of WORKLOADS) {
    const { stdout } = await linkerd(`diagnostics proxy-metrics -n ${NS} deploy/${name}`);
    assert.match(stdout, /^rustls_info\{/m, name);
  }
});

test("traffic passes with mutual TLS, and is counted", async () => {
  await eventually("traffic in stat", async () => {
    const { stdout } = await linkerd(`viz stat deploy -n ${NS}`);
    return /^voting +1\/1 +\d/m.test(stdout) && /^emoji +1\/1 +100.00%/m.test(stdout)
      ? true
      : undefined;
  });
  const { stdout } = await linkerd(`viz edges deploy -n ${NS}`);
  assert.match(stdout, /^vote-bot +web +emojivoto +emojivoto +√/m);
  assert.match(stdout, /^web +emoji +emojivoto +emojivoto +√/m);
  assert.match(stdout, /^web +voting +emojivoto +emojivoto +√/m);
});

test("the data plane is all right", async () => {
  const { code, stdout } = await linkerd(`-n ${NS} check --proxy`);
  assert.equal(code, 0, stdout);
});

test("a sidecar of ours and a stock one understand each other", async () => {
  const ours = {
    metadata: { annotations: { "config.linkerd.io/proxy-image": "linkerd-ts/proxy" } },
  };
  const patch = JSON.stringify({ spec: { template: ours } });
  await kubectl(["patch", "-n", NS, "deploy/web", "-p", patch]);
  await rolledOut(NS, "deploy/web");
  for (const [name, client] of [
    ["web", "default"],
    ["emoji", "web"],
  ])
    await eventually(`${client}'s calls of ${name}`, async () => {
      const { stdout } = await linkerd(`diagnostics proxy-metrics -n ${NS} deploy/${name}`);
      const calls = new RegExp(
        `^response_total\\{.*direction="inbound".*client_id="${client}\\.`,
        "m",
      );
      const isStock = /^rustls_info\{/m.test(stdout);
      return calls.test(stdout) && isStock === (name !== "web") ? true : undefined;
    });
});
