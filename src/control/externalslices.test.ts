// Workloads outside the cluster as endpoints: what slices a Service gets of them, and that a cluster is kept in line.

import assert from "node:assert/strict";
import { test } from "node:test";
import { worldFrom } from "../../test/support/world.ts";
import { constant, Var } from "../base/watch.ts";
import type { KubeRequest } from "../platform/kubeapi.ts";
import { endpointsFor } from "./endpoints.ts";
import { keepExternalSlices, sliceChanges } from "./externalslices.ts";
import type { World } from "./world.ts";

const SERVICE = `
apiVersion: v1
kind: Service
metadata: {name: db, namespace: ns, uid: u1}
spec: {clusterIP: 10.96.0.1, selector: {app: db}, ports: [{name: sql, port: 80, targetPort: sql}]}
`;

const workload = (name: string, ip: string, { app = "db", port = 5432, ready = "True" } = {}) => `
apiVersion: workload.linkerd.io/v1beta1
kind: ExternalWorkload
metadata: {name: ${name}, namespace: ns, labels: {app: ${app}}}
spec:
  meshTLS: {identity: "spiffe://root/${name}", serverName: ${name}.example}
  workloadIPs: [{ip: "${ip}"}]
  ports: [{name: sql, port: ${port}}]
status: {conditions: [{type: Ready, status: "${ready}"}]}
`;

const worldOf = (...yaml: string[]): World => worldFrom([SERVICE, ...yaml].join("\n---\n"));

/** The world after changes have been made. */
function applied(world: World): World {
  const slices = new Map(world.EndpointSlice);
  for (const { key, wanted } of sliceChanges(world)) {
    if (wanted) slices.set(key, wanted);
    else slices.delete(key);
  }
  return { ...world, EndpointSlice: slices };
}

test("a Service has the ExternalWorkloads that it selects, by the port that they give its name", () => {
  const world = applied(
    worldOf(
      workload("a", "1.2.3.4"),
      workload("b", "1.2.3.5", { port: 5433 }),
      workload("ill", "1.2.3.6", { ready: "False" }),
      workload("other", "1.2.3.7", { app: "web" }),
    ),
  );
  assert.deepEqual(sliceChanges(world), []);
  const client = { namespace: "ns", nodeName: "" };
  const { addrs } = endpointsFor(world, world.Service.get("ns/db")!, 80, client);
  assert.deepEqual([...addrs.keys()], ["1.2.3.4:5432", "1.2.3.5:5433"]);
  const [first] = addrs.values();
  assert.equal(first!.metricLabels["external_workload"], "a");
});

test("a slice has a hundred workloads at the most, and each address family its own", () => {
  const many = Array.from({ length: 101 }, (_, i) => workload(`w${i}`, `1.2.3.${i}`));
  const world = applied(worldOf(...many, workload("v6", "fd00::1")));
  const slices = [...world.EndpointSlice.values()];
  assert.deepEqual(
    slices.map(({ metadata, addressType, endpoints }) => [
      metadata.name,
      addressType,
      endpoints.length,
    ]),
    [
      ["linkerd-external-db-ipv4-0", "IPv4", 100],
      ["linkerd-external-db-ipv4-1", "IPv4", 1],
      ["linkerd-external-db-ipv6-2", "IPv6", 1],
    ],
  );
});

test("a cluster is kept in line, and what others manage is left alone", () => {
  const sent: string[] = [];
  const api = {
    request: <T>(path: string, { method }: KubeRequest = {}): Promise<T> => {
      sent.push(`${method} ${path.replace(/.*\/ns\//, "")}`);
      return new Promise(() => {});
    },
  };
  const before = worldOf(workload("a", "1.2.3.4"));
  const foreign = `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: mine, namespace: ns, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
endpoints: [{addresses: [1.1.1.1]}]
`;
  const changed = (yaml: string[]): World => ({
    ...worldOf(foreign, ...yaml),
    EndpointSlice: new Map([...applied(before).EndpointSlice, ...worldOf(foreign).EndpointSlice]),
  });
  const follow = (world: World) => keepExternalSlices(new Var(world), api, constant(true))();
  follow(before);
  follow(changed([workload("a", "1.2.3.5")]));
  follow(changed([]));
  follow(applied(before));
  keepExternalSlices(new Var(before), api, constant(false))();
  assert.deepEqual(sent, [
    "POST endpointslices",
    "PATCH endpointslices/linkerd-external-db-ipv4-0",
    "DELETE endpointslices/linkerd-external-db-ipv4-0",
  ]);
});
