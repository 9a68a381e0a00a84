// Endpoints: who stands behind a port, with what labels, identity and hints; and the updates between two sets.

import assert from "node:assert/strict";
import { test } from "node:test";
import { podYaml, worldFrom } from "../../test/support/world.ts";
import { AddressBook } from "../proxy/address.ts";
import { endpointsFor } from "./endpoints.ts";
import { updatesBetween } from "./endpointsets.ts";
import type { MeshSettings } from "./world.ts";

const SERVICE = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: ns}
spec:
  clusterIP: 10.96.0.1
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}, {name: db, port: 3306}]
`;

function endpoints(yaml: string, port = 80, settings: Partial<MeshSettings> = {}, nodeName = "") {
  const world = worldFrom([SERVICE, yaml].join("\n---\n"), settings);
  return endpointsFor(world, world.Service.get("ns/web")!, port, { namespace: "", nodeName });
}

// As a proxy understands them.
function understood(set: ReturnType<typeof endpoints>) {
  const book = new AddressBook();
  let addresses = book.apply(updatesBetween(undefined, set)[0]!).addresses;
  return [...addresses.values()];
}

test("a meshed pod is called at its target port, by identity, over HTTP/2 through its inbound port", () => {
  const [address, ...more] = understood(endpoints(podYaml("web-1", "10.1.0.1")));
  assert.equal(more.length, 0);
  assert.deepEqual(address, {
    ip: "10.1.0.1",
    port: 8080,
    weight: 10_000,
    labels: {
      namespace: "ns",
      service: "web",
      pod: "web-1",
      deployment: "web",
      serviceaccount: "web",
      control_plane_ns: "linkerd",
      pod_template_hash: "abc",
      zone_locality: "unknown",
    },
    tls: {
      id: "web.ns.serviceaccount.identity.linkerd.cluster.local",
      serverName: "web.ns.serviceaccount.identity.linkerd.cluster.local",
    },
    hint: "h2",
    transportPort: 4143,
    authority: undefined,
    keepAlive: { intervalMs: 10_000, timeoutMs: 3000 },
  });
});

test("without the transport header, only opaque ports go through the inbound port", () => {
  const yaml = podYaml("web-1", "10.1.0.1");
  const transparent = { outboundTransportMode: "transparent" as const };
  assert.equal(understood(endpoints(yaml, 80, transparent))[0]!.transportPort, undefined);
  const db = understood(endpoints(yaml, 3306, transparent))[0]!;
  assert.deepEqual([db.hint, db.transportPort], ["opaque", 4143]);
});

test("pods without a sidecar, and ports that bypass it, are called as they are", () => {
  for (const yaml of [
    podYaml("web-1", "10.1.0.1", { meshed: false }),
    podYaml("web-1", "10.1.0.1", { annotations: "{config.linkerd.io/skip-inbound-ports: http}" }),
    podYaml("web-1", "10.1.0.1", {
      annotations: "{config.linkerd.io/skip-inbound-ports: '+8080'}",
    }),
    podYaml("web-1", "10.1.0.1", {
      annotations: "{config.linkerd.io/skip-inbound-ports: '8000-8080'}",
    }),
  ]) {
    const [address] = understood(endpoints(yaml));
    assert.deepEqual(
      [address!.tls, address!.hint, address!.transportPort],
      [undefined, undefined, undefined],
    );
  }
});

test("pods that are not ready are left out; a port that is not defined is meant literally", () => {
  const yaml = [podYaml("a", "10.1.0.1"), podYaml("b", "10.1.0.2", { ready: false })].join("---");
  assert.deepEqual([...endpoints(yaml).addrs.keys()], ["10.1.0.1:8080"]);
  assert.deepEqual([...endpoints(yaml, 9999).addrs.keys()], ["10.1.0.1:9999"]);
});

test("a Server or an annotation makes a port opaque", () => {
  const server = `
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: {name: web, namespace: ns}
spec: {podSelector: {matchLabels: {app: web}}, port: http, proxyProtocol: opaque}
`;
  const annotated = podYaml("a", "10.1.0.1", {
    annotations: "{config.linkerd.io/opaque-ports: http}",
  });
  for (const yaml of [annotated, [podYaml("a", "10.1.0.1"), server].join("---")]) {
    assert.equal(understood(endpoints(yaml))[0]!.hint, "opaque");
  }
});

test("topology hints keep a client in its zone, unless an endpoint has none", () => {
  const nodes = ["a", "b"].map(
    (zone) => `
apiVersion: v1
kind: Node
metadata: {name: node-${zone}, labels: {topology.kubernetes.io/zone: ${zone}}}
`,
  );
  const slice = (hintsOfB: string): string => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: manual, namespace: ns, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
  - {addresses: [10.1.0.1], hints: {forZones: [{name: a}]}}
  - {addresses: [10.1.0.2]${hintsOfB}}
`;
  const hinted = [...nodes, slice(", hints: {forZones: [{name: b}]}")].join("---");
  assert.deepEqual([...endpoints(hinted, 80, {}, "node-a").addrs.keys()], ["10.1.0.1:8080"]);
  assert.equal(endpoints(hinted, 80, {}, "").addrs.size, 2);
  assert.equal(endpoints([...nodes, slice("")].join("---"), 80, {}, "node-a").addrs.size, 2);
});

test("updates tell exactly what changed, and never leave a client without endpoints between two", () => {
  const one = endpoints(podYaml("a", "10.1.0.1"));
  const two = endpoints(podYaml("b", "10.1.0.2"));
  assert.deepEqual(updatesBetween(one, one), []);
  assert.deepEqual(
    updatesBetween(one, two).map(({ update }) => update.case),
    ["add", "remove"],
  );
  const relabelled = endpoints(podYaml("a", "10.1.0.1", { labels: "app: web, version: v2" }));
  assert.deepEqual(updatesBetween(one, relabelled), []);
  const unmeshed = endpoints(podYaml("a", "10.1.0.1", { meshed: false }));
  assert.deepEqual(
    updatesBetween(one, unmeshed).map(({ update }) => update.case),
    ["add"],
  );
});

test("whoever may use the same endpoints shares one set, for as long as it is the same", () => {
  const one = worldFrom([SERVICE, podYaml("a", "10.1.0.1")].join("\n---\n"));
  const setOf = (world: typeof one) =>
    endpointsFor(world, world.Service.get("ns/web")!, 80, { namespace: "", nodeName: "" });
  const set = setOf(one);
  assert.equal(setOf(one), set);
  const same = worldFrom([SERVICE, podYaml("a", "10.1.0.1")].join("\n---\n"));
  assert.equal(setOf(same), set);
  const other = worldFrom([SERVICE, podYaml("b", "10.1.0.2")].join("\n---\n"));
  const next = setOf(other);
  assert.notEqual(next, set);
  assert.equal(updatesBetween(set, next), updatesBetween(set, next));
});

test("pods whose node is not heard of are better than none, and worse than any that is ready", () => {
  const pod = (name: string, ip: string, conditions: string, spec = "") =>
    podYaml(name, ip)
      .replace(/conditions: .*/, `conditions: [${conditions}]`)
      .replace("spec:", `spec:${spec}`);
  const unready = "{type: Ready, status: 'False'}";
  const unheard = `{type: ContainersReady, status: 'True'}, ${unready}`;
  const gated = "\n  readinessGates: [{conditionType: example.com/open}]";
  const ips = (...pods: string[]) =>
    [...endpoints(pods.join("---")).addrs.keys()].map((key) => key.split(":")[0]);
  const lost = pod("a", "10.1.0.1", unheard);
  const failing = pod("b", "10.1.0.2", `{type: ContainersReady, status: 'False'}, ${unready}`);
  const closed = pod("c", "10.1.0.3", unheard, gated);
  assert.deepEqual(ips(lost, failing, closed), ["10.1.0.1"]);
  assert.deepEqual(ips(lost, failing, podYaml("d", "10.1.0.4")), ["10.1.0.4"]);
});

test("pods that are to end and still serve are better than none, and worse than any that is ready", () => {
  const slice = (...conditions: string[]) => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: ns, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints: [${conditions.map((each, i) => `{addresses: [10.1.0.${i + 1}], conditions: {${each}}}`).join()}]
`;
  const ips = (...conditions: string[]) =>
    [...endpoints(slice(...conditions)).addrs.keys()].map((key) => key.split(":")[0]);
  const serves = "ready: false, serving: true, terminating: true";
  const unready = "ready: false, serving: false, terminating: false";
  const ended = "ready: false, serving: false, terminating: true";
  assert.deepEqual(ips(unready, serves, ended), ["10.1.0.2"]);
  assert.deepEqual(ips("ready: true, serving: true", serves), ["10.1.0.1"]);
  assert.deepEqual(ips(unready, ended), []);
});

test("a pod with addresses of both families is called by one: IPv6 where proxies listen there", () => {
  const slice = (type: string, ...addresses: string[]): string => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${type.toLowerCase()}, namespace: ns, labels: {kubernetes.io/service-name: web}}
addressType: ${type}
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints: [${addresses.map((ip, i) => `{addresses: ["${ip}"], targetRef: {kind: Pod, name: web-${i}}}`).join()}]
`;
  const yaml = [
    slice("IPv4", "10.1.0.1", "10.1.0.2"),
    slice("IPv6", "fd00::1"),
    slice("FQDN", "web.example"),
  ].join("---");
  const of = (settings: Partial<MeshSettings>) => [...endpoints(yaml, 80, settings).addrs.keys()];
  assert.deepEqual(of({}), ["10.1.0.1:8080", "10.1.0.2:8080"]);
  assert.deepEqual(of({ disableIPv6: false }), ["10.1.0.2:8080", "fd00::1:8080"]);
});

const mirror = (labels: string, annotations = "{}"): string => `
apiVersion: v1
kind: Service
metadata: {name: mirror, namespace: ns, labels: ${labels}, annotations: ${annotations}}
spec: {clusterIP: 10.96.0.2, ports: [{name: http, port: 80}, {name: db, port: 3306}]}`;

// Of the service "mirror" of a cluster that knows one other, which has a pod.
function mirrored(yaml: string, port = 80) {
  const far = worldFrom([SERVICE, podYaml("web-1", "10.2.0.1")].join("\n---\n"), {
    trustDomain: "east.example",
  });
  const near = worldFrom([SERVICE, podYaml("web-1", "10.1.0.1"), yaml].join("\n---\n"));
  const world = { ...near, remotes: new Map([["east", far]]) };
  const client = { namespace: "", nodeName: "" };
  const set = endpointsFor(world, world.Service.get("ns/mirror")!, port, client);
  return set.addrs.size === 0 ? [] : understood(set);
}

test("a gateway is told the name of the service, and the port that was asked for", () => {
  const yaml = `${mirror("{mirror.linkerd.io/cluster-name: east}", "{mirror.linkerd.io/remote-svc-fq-name: web.ns.svc.cluster.local}")}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: mirror
  namespace: ns
  labels: {kubernetes.io/service-name: mirror}
  annotations: {mirror.linkerd.io/remote-gateway-identity: gateway.id}
endpoints: [{addresses: [192.0.2.1]}]
ports: [{name: http, port: 4143}, {name: db, port: 4143}]`;
  for (const port of [80, 3306]) {
    const [address] = mirrored(yaml, port);
    assert.equal(address?.authority, `web.ns.svc.cluster.local:${port}`);
    assert.deepEqual(
      [address.ip, address.port, address.tls?.id],
      ["192.0.2.1", 4143, "gateway.id"],
    );
  }
});

test("a service of a flat network has the pods of the other cluster, with their identities there", () => {
  const labels =
    "{multicluster.linkerd.io/remote-discovery: east, multicluster.linkerd.io/remote-service: web}";
  const [address, ...more] = mirrored(mirror(labels));
  assert.equal(more.length, 0);
  assert.deepEqual([address?.ip, address?.port], ["10.2.0.1", 8080]);
  assert.equal(address?.tls?.id, "web.ns.serviceaccount.identity.linkerd.east.example");
  assert.deepEqual(mirrored(mirror(labels.replace("discovery: east", "discovery: west"))), []);
});

test("one of several clusters has the pods of all that are known", () => {
  const annotations =
    "{multicluster.linkerd.io/remote-discovery: 'web@east,web@west', multicluster.linkerd.io/local-discovery: web}";
  const ips = mirrored(mirror("{}", annotations)).map(({ ip }) => ip);
  assert.deepEqual(ips.sort(), ["10.1.0.1", "10.2.0.1"]);
});

test("where zones have weights, endpoints of the client's own weigh ten times as much", () => {
  const node = (name: string, zone: string): string => `
apiVersion: v1
kind: Node
metadata: {name: ${name}, labels: {topology.kubernetes.io/zone: ${zone}}}
`;
  const far = podYaml("far", "10.1.0.2").replace("node-a", "node-b");
  const yaml = [node("node-a", "a"), node("node-b", "b"), podYaml("near", "10.1.0.1"), far];
  const weights = (settings: Partial<MeshSettings>) =>
    [...endpoints(yaml.join("---"), 80, settings, "node-a").addrs.values()].map((a) => a.weight);
  assert.deepEqual(weights({}), [10_000, 10_000]);
  assert.deepEqual(weights({ extEndpointZoneWeights: true }), [100_000, 10_000]);
});
