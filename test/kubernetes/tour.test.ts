// The guided tour on a real cluster, as people type it: before the installation, installing, meshing an application,
// looking at it, and taking everything away again. The cluster must have our images and that of the demo.
// Needs: KUBECONFIG, kubectl.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually, HOME, kubectl, linkerd } from "./cluster.ts";
import { removeMesh } from "./mesh.ts";

const DEMO = join(HOME, "demo/emojivoto/emojivoto.yaml");
const NS = "emojivoto";

before(removeAll);
after(removeAll);

test("A1: without a mesh the server's version is unavailable", async () => {
  const { code, stdout } = await linkerd("version");
  assert.equal(code, 0);
  assert.match(stdout, /^Client version: \S+\nServer version: unavailable\n$/);
});

test("A2: the cluster is ready for a mesh", async () => {
  const { code, stdout } = await linkerd("check --pre");
  assert.equal(code, 0, stdout);
  assert.match(stdout, /Status check results are √/);
});

test("A3: the control plane installs, and is all right", async () => {
  const tooEarly = await linkerd("install");
  assert.equal(tooEarly.code, 1);
  assert.match(tooEarly.stderr, /CRDs must be installed first/);
  await kubectl("apply -f -", (await linkerd("install --crds")).stdout);
  await kubectl("apply -f -", (await linkerd("install")).stdout);
  const { code, stdout } = await linkerd("check --wait 2m", "", 150_000);
  assert.equal(code, 0, stdout);
  assert.match((await linkerd("install")).stderr, /linkerd upgrade/);
});

test("A4: viz installs, and is all right", async () => {
  await kubectl("apply -f -", (await linkerd("viz install")).stdout);
  const { code, stdout } = await linkerd("viz check --wait 2m", "", 150_000);
  assert.equal(code, 0, stdout);
});

test("A6: what runs already is meshed by injecting its deployments", async () => {
  // Without the namespace's wish, so that it is inject that does it.
  const demo = (await readFile(DEMO, "utf8")).replace(/^ +linkerd.io\/inject: enabled\n/m, "");
  await kubectl("apply -f -", demo.replace("  annotations:\n---", "---"));
  await rolledOut();
  assert.deepEqual(await readyColumns(), ["1/1"]);
  const manifests = await kubectl(`get -n ${NS} deploy -o yaml`);
  const { stdout, stderr } = await linkerd("inject -", manifests);
  assert.match(stderr, /^deployment "web" injected$/m);
  await kubectl("apply -f -", stdout);
  await rolledOut();
  await eventually("all pods meshed", async () =>
    (await readyColumns()).join() === "2/2" ? true : undefined,
  );
});

test("A7: a running pod is refused, and its owner named", async () => {
  const pods = await kubectl(`get -n ${NS} pods -o yaml`);
  const { stderr } = await linkerd("inject -", pods);
  assert.match(stderr, /inject deployment\/web in its place/);
});

test("A8: the data plane is all right", async () => {
  const { code, stdout } = await linkerd(`-n ${NS} check --proxy`);
  assert.equal(code, 0, stdout);
});

test("A9: stat shows success, rates and latencies", async () => {
  const rows = await eventually("traffic in stat", async () => {
    const { stdout } = await linkerd(`viz stat deploy -n ${NS}`);
    return /^voting +1\/1 +\d/m.test(stdout) && /^emoji +1\/1 +100.00%/m.test(stdout)
      ? stdout
      : undefined;
  });
  assert.match(
    rows,
    /^NAME +MESHED +SUCCESS +RPS +LATENCY_P50 +LATENCY_P95 +LATENCY_P99 +TCP_CONN/,
  );
});

test("A11: tap shows calls, encrypted, with their outcome", async () => {
  const stdout = await tapped(`deploy/web -n ${NS}`, /^end id=\S+ proxy=out .* grpc-status=OK/m);
  assert.match(
    stdout,
    /^req id=\S+ proxy=out .* tls=true :method=POST :authority=emoji-svc.emojivoto:8080/m,
  );
});

test("A12: the filters of tap count", async () => {
  const stdout = await tapped(`ns/${NS} --path /api/list --method GET`, /:path=/);
  const paths = new Set([...stdout.matchAll(/:path=(\S+)/g)].map(([, path]) => path));
  assert.deepEqual([...paths], ["/api/list"]);
});

test("A15: edges are secured", async () => {
  const { stdout } = await linkerd(`viz edges deploy -n ${NS}`);
  assert.match(stdout, /^vote-bot +web +emojivoto +emojivoto +√/m);
  assert.match(stdout, /^web +emoji +emojivoto +emojivoto +√/m);
});

test("policies that make no sense are refused", async () => {
  const policy = JSON.stringify({
    apiVersion: "policy.linkerd.io/v1alpha1",
    kind: "NetworkAuthentication",
    metadata: { name: "x", namespace: NS },
    spec: { networks: [{ cidr: "10.0.0.0/8", except: ["11.0.0.0/16"] }] },
  });
  await assert.rejects(
    kubectl("apply -f -", policy),
    /except 11.0.0.0\/16 is not inside 10.0.0.0\/8/,
  );
});

test("A16: uninjecting brings the pods back as they were", async () => {
  const { stdout, stderr } = await linkerd(
    "uninject -",
    await kubectl(`get -n ${NS} deploy -o yaml`),
  );
  assert.match(stderr, /^deployment "web" uninjected$/m);
  await kubectl("apply -f -", stdout);
  await rolledOut();
  await eventually("all pods without a proxy", async () =>
    (await readyColumns()).join() === "1/1" ? true : undefined,
  );
});

test("A18: a namespace meshes what is made in it from then on", async () => {
  await kubectl(`annotate ns ${NS} linkerd.io/inject=enabled`);
  assert.deepEqual(await readyColumns(), ["1/1"]);
  await kubectl(`rollout restart -n ${NS} deploy`);
  await rolledOut();
  await eventually("all pods meshed", async () =>
    (await readyColumns()).join() === "2/2" ? true : undefined,
  );
  const refused = await linkerd("uninstall");
  assert.match(refused.stderr, /these pods still have proxies/);
});

test("A17: nothing of the mesh is left", async () => {
  await kubectl(`delete ns ${NS} --wait=true`);
  await kubectl("delete -f -", (await linkerd("viz uninstall")).stdout);
  await kubectl("delete -f -", (await linkerd("uninstall")).stdout);
  const kinds =
    "crd,clusterrole,clusterrolebinding,mutatingwebhookconfiguration,validatingwebhookconfiguration,ns";
  assert.doesNotMatch(await kubectl(`get ${kinds} -o name`), /linkerd/);
});

async function removeAll(): Promise<void> {
  await kubectl(`delete ns ${NS} --ignore-not-found`);
  await removeMesh();
}

/** What a tap shows in eight seconds, the first time that `wanted` is in it. */
function tapped(words: string, wanted: RegExp): Promise<string> {
  return eventually(`${String(wanted)} in a tap`, async () => {
    const { stdout } = await linkerd(`viz tap ${words}`, "", 8000);
    return wanted.test(stdout) ? stdout : undefined;
  });
}

async function rolledOut(): Promise<void> {
  for (const name of ["emoji", "voting", "web", "vote-bot"])
    await kubectl(`rollout status -n ${NS} deploy/${name} --timeout=80s`);
}

/** The distinct values of the column READY, without pods that are on their way out. */
async function readyColumns(): Promise<string[]> {
  const rows = (await kubectl(`get pods -n ${NS} --no-headers`)).trim().split("\n");
  return [
    ...new Set(
      rows.filter((row) => !/Terminating|Completed/.test(row)).map((row) => row.split(/\s+/)[1]!),
    ),
  ];
}
