// What the charts allow themselves: every container as little as it needs, every account what its program asks of the
// API server and no more.

import assert from "node:assert/strict";
import { test } from "node:test";
import { READ } from "../control/reads.ts";
import type { RawObject, RawPodSpec } from "../control/manifest.ts";
import { podOf } from "../control/manifest.ts";
import { WRITTEN } from "../control/statuses.ts";
import { KINDS, type Kind } from "../platform/kinds.ts";
import { renderChart } from "./chart.ts";

const tls = { crtPEM: "C", keyPEM: "K", caBundle: "B" };
const objects = renderChart("linkerd-control-plane", "linkerd", {
  identityTrustAnchorsPEM: "A",
  identity: { issuer: { tls: { crtPEM: "C", keyPEM: "K" } } },
  proxyInjector: tls,
  profileValidator: tls,
  policyValidator: tls,
});

test("containers of the control plane run as nobody, and write nowhere", () => {
  const pods = objects.map(podOf).filter((pod) => pod !== undefined);
  assert.equal(pods.length, 3);
  for (const { spec } of pods) {
    for (const { name, securityContext } of spec.containers) {
      assert.deepEqual(
        securityContext,
        {
          allowPrivilegeEscalation: false,
          capabilities: { drop: ["ALL"] },
          readOnlyRootFilesystem: true,
          runAsNonRoot: true,
          runAsUser: 2103,
          seccompProfile: { type: "RuntimeDefault" },
        },
        name,
      );
    }
    assert.ok(!(spec as RawPodSpec).hostNetwork);
  }
});

type Rule = { apiGroups: string[]; resources: string[]; verbs: string[]; resourceNames?: string[] };

/** What an account may do: "list apps/deployments", or "get leases/x" where only one is meant. */
function rightsOf(account: string, from: readonly RawObject[] = objects): string[] {
  const rules = from
    .filter(
      ({ kind, metadata }) => /^(Cluster)?Role$/.test(kind!) && metadata?.name?.endsWith(account),
    )
    .flatMap((role) => role["rules"] as Rule[]);
  const rights = rules.flatMap(({ apiGroups, resources, verbs, resourceNames = [""] }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((plural) =>
        verbs.flatMap((verb) => resourceNames.map((name) => right(verb, group, plural, name))),
      ),
    ),
  );
  return [...new Set(rights)].sort();
}

const right = (verb: string, group: string, plural: string, name = ""): string =>
  `${verb} ${group === "" ? "" : `${group}/`}${plural}${name && `/${name}`}`;
const read = (kind: Kind): string[] =>
  ["list", "watch"].map((verb) => right(verb, KINDS[kind].group, KINDS[kind].plural));

test("the destination service reads what it watches, and writes statuses and slices", () => {
  const lease = "coordination.k8s.io/leases";
  const holders = ["policy-controller-write", "linkerd-destination-endpoint-write"];
  assert.deepEqual(
    rightsOf("destination"),
    [
      ...READ.flatMap(read),
      ...WRITTEN.map((kind) => right("patch", KINDS[kind].group, `${KINDS[kind].plural}/status`)),
      ...["create", "patch", "delete"].map((verb) => `${verb} discovery.k8s.io/endpointslices`),
      `create ${lease}`,
      ...["get", "update"].flatMap((verb) => holders.map((name) => `${verb} ${lease}/${name}`)),
    ].sort(),
  );
});

test("the injector reads namespaces, looks for pods that it missed, asks for owners, and tells", () => {
  const lease = "coordination.k8s.io/leases";
  assert.deepEqual(
    rightsOf("proxy-injector"),
    [
      ...read("Namespace"),
      "list pods",
      "create events",
      ...["namespaces", "apps/replicasets", "batch/jobs"].map((plural) => `get ${plural}`),
      `create ${lease}`,
      ...["get", "update"].map((verb) => `${verb} ${lease}/proxy-injector-missed`),
    ].sort(),
  );
});

test("the identity service reviews tokens, and tells", () => {
  assert.deepEqual(
    rightsOf("identity"),
    [
      "create authentication.k8s.io/tokenreviews",
      "create events",
      "get apps/deployments/linkerd-identity",
    ].sort(),
  );
});

test("the CNI plugin reads the pod that it redirects; its repairs take more", () => {
  const of = (values: object) =>
    rightsOf("linkerd-cni", renderChart("linkerd2-cni", "cni", values as never));
  const own = ["get apps/daemonsets/linkerd-cni", "get pods"];
  assert.deepEqual(of({}), own);
  assert.deepEqual(
    of({ repairController: { enabled: true } }),
    [...own, ...read("Pod"), "create events", "create pods/eviction"].sort(),
  );
});
