// The whole mesh on one machine, with real processes: identities, policies, routes and egress to a process
// that nobody meshed, as an application meets them.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { identity, programArgv, workload } from "./support/shop.ts";
import { startLocal } from "../src/platform/local.ts";
import type { LocalMesh } from "../src/platform/localmesh.ts";
import { parseManifests } from "../src/platform/manifests.ts";

const dir = mkdtempSync(join(tmpdir(), "mesh-"));
after(() => rmSync(dir, { recursive: true, force: true }));

const CALLS = `, {name: api, value: "http://api.shop/"}, {name: canary, value: "http://canary/"}, {name: plain, value: "http://plain.shop.svc.cluster.local:80/"}`;

const MANIFESTS = [
  workload("web", { env: CALLS }),
  workload("plain", { env: CALLS, annotations: "{linkerd.io/inject: disabled}" }),
  workload("api"),
  workload("canary"),
].join("---");

async function apply(mesh: LocalMesh, yaml: string): Promise<void> {
  await mesh.apply(parseManifests([["test.yaml", yaml]]).resources);
}

test("a mesh of real processes", { timeout: 60_000 }, async (t) => {
  const file = join(dir, "shop.yaml");
  const pidFile = join(dir, "controller.pid");
  writeFileSync(file, MANIFESTS);
  const mesh = await startLocal({
    env: process.env,
    manifests: [file],
    stateDir: join(dir, "state"),
    programs: {
      proxy: programArgv("proxy"),
      // Leaves its process id behind, so that it can be killed.
      controller: [
        "sh",
        "-c",
        `echo $$ >${pidFile}; exec "$@"`,
        "sh",
        ...programArgv("controller"),
      ],
    },
    publish: { "shop/web": 28580, "shop/plain": 28590 },
  });
  t.after(() => mesh.close());
  await mesh.resources.watch("EndpointSlice").next((slices) => {
    const endpoints = [...slices.values()].flatMap((slice) => slice.endpoints);
    return endpoints.filter((each) => each.conditions.ready).length === 4;
  });
  const ask = async (path: string, service = "web"): Promise<[number, string]> => {
    const { published } = mesh.status.value!;
    const { address } = published.find((each) => each.service === `shop/${service}`)!;
    const rsp = await fetch(`http://${address}/${path}`);
    return [rsp.status, await rsp.text()];
  };
  // What a policy changes is seen a moment later.
  const until = async (path: string, wanted: (answer: [number, string]) => boolean) => {
    let answer = await ask(path);
    while (!wanted(answer)) {
      await new Promise((resolved) => setTimeout(resolved, 50));
      answer = await ask(path);
    }
    return answer;
  };
  const close = mesh.status.each(() => {});
  t.after(close);
  await until("", ([status]) => status === 200);

  await t.test("workloads know who calls them", async () => {
    assert.deepEqual(await ask(""), [
      200,
      "web called by ingress.linkerd.serviceaccount.identity.linkerd.cluster.local",
    ]);
    assert.deepEqual(await ask("api"), [200, `api called by ${identity("web")}`]);
  });

  await t.test("what is not meshed can call and be called", async () => {
    assert.deepEqual(await ask("plain"), [200, "plain called by nobody"]);
    assert.deepEqual(await ask("api", "plain"), [200, "api called by nobody"]);
  });

  await t.test("a Server shuts the door, an authorization opens it again", async () => {
    await apply(
      mesh,
      `
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: {name: api, namespace: shop}
spec: {podSelector: {matchLabels: {app: api}}, port: http, proxyProtocol: HTTP/1}
`,
    );
    await until("api", ([status]) => status === 403);
    await apply(
      mesh,
      `
apiVersion: policy.linkerd.io/v1alpha1
kind: AuthorizationPolicy
metadata: {name: web-only, namespace: shop}
spec:
  targetRef: {group: policy.linkerd.io, kind: Server, name: api}
  requiredAuthenticationRefs: [{kind: ServiceAccount, name: web}]
`,
    );
    assert.deepEqual(await until("api", ([status]) => status === 200), [
      200,
      `api called by ${identity("web")}`,
    ]);
  });

  await t.test("a route sends elsewhere", async () => {
    await apply(
      mesh,
      `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: split, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: api, port: 80}]
  rules: [{backendRefs: [{name: canary, port: 80}]}]
`,
    );
    const [, text] = await until("api", ([, answer]) => answer.startsWith("canary"));
    assert.equal(text, `canary called by ${identity("web")}`);
    await mesh.remove("HTTPRoute", "shop/split");
    await until("api", ([, answer]) => answer.startsWith("api"));
  });

  await t.test("the mesh outlives its controller", async () => {
    process.kill(Number(readFileSync(pidFile, "utf8")), "SIGKILL");
    await mesh.status.next(({ controllerReady }) => !controllerReady);
    assert.deepEqual(await ask("api"), [200, `api called by ${identity("web")}`]);
    await mesh.status.next(({ controllerReady }) => controllerReady);
    await mesh.remove("AuthorizationPolicy", "shop/web-only");
    await until("api", ([status]) => status === 403);
  });
});
