// Mirrors: what a cluster is asked for, from what it has and what another one exports.

import assert from "node:assert/strict";
import { test } from "node:test";
import { worldFrom } from "../../test/support/world.ts";
import { LINK, type Link } from "./link.ts";
import { ENDPOINTS, type Endpoints, type Sight } from "./mirror.ts";
import { planMirrors, planWithout } from "./mirrorplan.ts";

const NOW = "2026-01-01T00:00:00Z";
const PLAIN = { enableHeadlessServices: false, enableNamespaceCreation: false };
const MARKS = {
  "mirror.linkerd.io/mirrored-service": "true",
  "mirror.linkerd.io/cluster-name": "east",
};
const FQ_NAME = "mirror.linkerd.io/remote-svc-fq-name";
const NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: ns}";

const service = (
  name: string,
  more = "",
  labels = "mirror.linkerd.io/exported: 'true'",
): string => `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ns, labels: {${labels}}, annotations: {a: b, own/secret: c}}
spec: {ports: [{name: http, port: 80, targetPort: 8080}, {name: dns, port: 53, protocol: UDP}]${more}}`;

function link(spec: object = {}, status?: object): Link {
  const mistakes: never[] = [];
  const given = {
    targetClusterName: "east",
    clusterCredentialsSecret: "cluster-credentials-east",
    gatewayAddress: "192.0.2.1",
    gatewayPort: "4143",
    gatewayIdentity: "gateway.id",
    selector: { matchLabels: { "mirror.linkerd.io/exported": "true" } },
    excludedAnnotations: ["own/*"],
    ...spec,
  };
  const raw = { metadata: { name: "east" }, spec: given, ...(status && { status }) };
  const read = LINK.shape.read(raw, [], mistakes);
  assert.deepEqual(mistakes, []);
  return { apiVersion: "", ...read };
}

/** What is seen of a far cluster with some services, from one that has some of its own. */
function sight(
  far: readonly string[] | undefined,
  near: readonly string[],
  more: object = {},
): Sight {
  const { Namespace, Service } = worldFrom([NAMESPACE, ...near].join("\n---\n"));
  const remote = far && worldFrom(far.join("\n---\n"));
  return {
    link: link(),
    remote: remote && { services: remote.Service, slices: remote.EndpointSlice },
    namespaces: Namespace,
    services: Service,
    endpoints: new Map(),
    gateway: [{ address: "192.0.2.1", ip: "192.0.2.1", alive: true, message: "" }],
    ...more,
  };
}

type Body = { metadata: object; spec: object; subsets: Endpoints["subsets"] };
const plan = (of: Sight, options = PLAIN) => {
  const { writes, status } = planMirrors(of, options, NOW);
  const lines = writes.map(({ method, path }) => `${method} ${path.replace("/api/v1", "")}`);
  const [condition] = status.mirrorServices[0]?.conditions ?? [];
  return { lines, bodies: writes.map(({ body }) => body as Body), status, condition };
};

const MIRROR = `
apiVersion: v1
kind: Service
metadata:
  name: web-east
  namespace: ns
  labels: {mirror.linkerd.io/mirrored-service: 'true', mirror.linkerd.io/cluster-name: east}
  annotations: {${FQ_NAME}: web.ns.svc.cluster.local, mirror.linkerd.io/remote-resource-version: "", a: b}
spec: {clusterIP: 10.0.0.1, ports: [{name: http, port: 80, targetPort: 80}]}`;

const PORTS = [{ name: "http", port: 4143, protocol: "TCP" }];
const endpoints = (ready: readonly string[], away: readonly string[] = []): Endpoints => {
  const list = (ips: readonly string[]) => ips.map((ip) => ({ ip }));
  const annotations = {
    [FQ_NAME]: "web.ns.svc.cluster.local",
    "mirror.linkerd.io/remote-gateway-identity": "gateway.id",
  };
  const metadata = { name: "web-east", namespace: "ns", labels: MARKS, annotations };
  const subsets = [{ addresses: list(ready), notReadyAddresses: list(away), ports: PORTS }];
  return ENDPOINTS.shape.read({ metadata, subsets }, [], []);
};

test("an exported service is mirrored: its TCP ports, what marks it, and what may be copied", () => {
  const { lines, bodies, condition } = plan(
    sight([service("web"), service("own", "", "a: b")], []),
  );
  assert.deepEqual(lines, ["POST /namespaces/ns/services"]);
  assert.deepEqual(bodies[0]!.metadata, {
    name: "web-east",
    namespace: "ns",
    labels: MARKS,
    annotations: {
      a: "b",
      "mirror.linkerd.io/remote-resource-version": "",
      [FQ_NAME]: "web.ns.svc.cluster.local",
    },
  });
  assert.deepEqual(bodies[0]!.spec, {
    ports: [{ name: "http", port: 80, targetPort: 80, protocol: "TCP" }],
  });
  assert.deepEqual([condition?.status, condition?.lastTransitionTime], ["True", NOW]);
});

test("endpoints follow the service, and then there is nothing to do", () => {
  const first = plan(sight([service("web")], [MIRROR]));
  assert.deepEqual(first.lines, ["POST /namespaces/ns/endpoints"]);
  assert.deepEqual(first.bodies[0]!.subsets, endpoints(["192.0.2.1"]).subsets);
  const had = new Map([["ns/web-east", endpoints(["192.0.2.1"])]]);
  assert.deepEqual(plan(sight([service("web")], [MIRROR], { endpoints: had })).lines, []);
});

test("addresses that do not answer are not ready, and those unheard of are as they were", () => {
  const gateway = (alive: boolean | undefined) => [
    { address: "gw.example", ip: "192.0.2.1", alive, message: "" },
    { address: "gw.example", ip: "192.0.2.2", alive: true, message: "" },
  ];
  const half = endpoints(["192.0.2.2"], ["192.0.2.1"]);
  const subsets = (alive: boolean | undefined, had: Endpoints) => {
    const known = { gateway: gateway(alive), endpoints: new Map([["ns/web-east", had]]) };
    const { lines, bodies } = plan(sight([service("web")], [MIRROR], known));
    return lines.length === 0 ? "as they are" : bodies[0]!.subsets;
  };
  assert.deepEqual(subsets(false, endpoints(["192.0.2.1"])), half.subsets);
  assert.equal(subsets(undefined, half), "as they are");
  assert.deepEqual(subsets(true, half), endpoints(["192.0.2.1", "192.0.2.2"]).subsets);
});

test("what is no longer exported goes, and what somebody changed comes back", () => {
  assert.deepEqual(plan(sight([], [MIRROR])).lines, ["DELETE /namespaces/ns/services/web-east"]);
  const changed = MIRROR.replace("port: 80,", "port: 81,");
  const { lines } = plan(sight([service("web")], [changed], { gateway: [] }));
  assert.deepEqual(lines, ["PUT /namespaces/ns/services/web-east"]);
});

test("a cluster that was never heard of keeps its mirrors, whose endpoints follow the gateway", () => {
  const gateway = [{ address: "192.0.2.1", ip: "192.0.2.1", alive: false, message: "no answer" }];
  const had = new Map([["ns/web-east", endpoints(["192.0.2.1"])]]);
  const { lines, bodies, status } = plan(sight(undefined, [MIRROR], { gateway, endpoints: had }));
  assert.deepEqual(lines, ["PUT /namespaces/ns/endpoints/web-east"]);
  assert.deepEqual(bodies[0]!.subsets, endpoints([], ["192.0.2.1"]).subsets);
  assert.deepEqual(status.gateways, [{ address: "192.0.2.1", alive: false, message: "no answer" }]);
});

test("what cannot be mirrored is left out, and the Link says why", () => {
  const reasonOf = (of: Sight, options = PLAIN) => {
    const { lines, condition } = plan(of, options);
    return `${condition?.reason}: ${lines.join(", ")}`;
  };
  const far = [service("web")];
  const udp = service("web", "").replace("{name: http, port: 80, targetPort: 8080}, ", "");
  const nobody = { namespaces: new Map() };
  const taken = service("web-east", "", "a: b");
  assert.equal(reasonOf(sight(far, [], { link: link({ gatewayAddress: "" }) })), "NoGateway: ");
  assert.equal(reasonOf(sight([udp], [])), "NoPort: ");
  assert.equal(reasonOf(sight([service("w".repeat(60))], [])), "NameTooLong: ");
  assert.equal(reasonOf(sight(far, [taken])), "NameTaken: ");
  assert.equal(reasonOf(sight(far, [], nobody)), "NoNamespace: ");
  assert.equal(
    reasonOf(sight(far, [], nobody), { ...PLAIN, enableNamespaceCreation: true }),
    "Mirrored: POST /namespaces, POST /namespaces/ns/services",
  );
});

test("a service of a flat network needs no gateway, and has no endpoints of one", () => {
  const far = [service("web", "", "mirror.linkerd.io/exported: remote-discovery")];
  const flat = link({
    gatewayAddress: "",
    remoteDiscoverySelector: { matchLabels: { "mirror.linkerd.io/exported": "remote-discovery" } },
  });
  const { lines, bodies } = plan(sight(far, [], { link: flat, gateway: [] }));
  assert.deepEqual(lines, ["POST /namespaces/ns/services"]);
  assert.deepEqual((bodies[0]!.metadata as { labels: object }).labels, {
    ...MARKS,
    "multicluster.linkerd.io/remote-discovery": "east",
    "multicluster.linkerd.io/remote-service": "web",
  });
  const had = new Map([["ns/web-east", endpoints(["192.0.2.1"])]]);
  const before = plan(sight(far, [MIRROR], { link: flat, endpoints: had }));
  assert.deepEqual(before.lines, [
    "PUT /namespaces/ns/services/web-east",
    "PUT /namespaces/ns/endpoints/web-east",
  ]);
  assert.deepEqual(before.bodies[1]!.subsets, []);
});

const MEMBER = "mirror.linkerd.io/federated: member";
const selecting = {
  federatedServiceSelector: { matchLabels: { [MEMBER.split(":")[0]!]: "member" } },
};
const federated = (members: string, local = ""): string => `
apiVersion: v1
kind: Service
metadata:
  name: web-federated
  namespace: ns
  resourceVersion: "7"
  labels: {mirror.linkerd.io/mirrored-service: 'true'}
  annotations: {a: b, multicluster.linkerd.io/remote-discovery: '${members}'${local}}
spec: {clusterIP: 10.0.0.1, ports: [{name: http, port: 80, targetPort: 80}]}`;
const LOCAL = ", multicluster.linkerd.io/local-discovery: web";

test("a member joins its federated service, beside those of other clusters and of this one", () => {
  const joined = (near: readonly string[]) => {
    const seen = sight([service("web", "", MEMBER)], near, { link: link(selecting), gateway: [] });
    const { lines, bodies, status } = plan(seen);
    assert.equal(status.federatedServices[0]?.conditions[0]?.reason, "Mirrored");
    const { annotations, resourceVersion } = (bodies[0]?.metadata ?? {}) as {
      annotations?: Record<string, string>;
      resourceVersion?: string;
    };
    const {
      "multicluster.linkerd.io/remote-discovery": far,
      "multicluster.linkerd.io/local-discovery": here,
    } = annotations ?? {};
    return [lines.join(), far, here, resourceVersion];
  };
  const own = service("web", "", MEMBER);
  const put = "PUT /namespaces/ns/services/web-federated";
  assert.deepEqual(joined([]), ["POST /namespaces/ns/services", "web@east", undefined, undefined]);
  assert.deepEqual(joined([federated("web@west")]), [put, "web@east,web@west", undefined, "7"]);
  assert.deepEqual(joined([federated("web@east"), own]), [put, "web@east", "web", "7"]);
  assert.deepEqual(joined([federated("web@east", LOCAL), own])[0], "");
  assert.deepEqual(joined([federated("web@east", LOCAL)]), [put, "web@east", undefined, "7"]);
});

test("a member leaves with its label or with its Link, and the last one takes the service along", () => {
  const left = (members: string) =>
    plan(sight([], [federated(members)], { link: link(selecting) })).lines.join();
  assert.equal(left("web@east,web@west"), "PUT /namespaces/ns/services/web-federated");
  assert.equal(left("web@east"), "DELETE /namespaces/ns/services/web-federated");
  assert.equal(left("web@west"), "");
  const { Service } = worldFrom([MIRROR, federated("web@east")].join("\n---\n"));
  assert.deepEqual(
    planWithout({ services: Service }, "east").map(
      ({ method, path }) => `${method} ${path.split("/").at(-1)}`,
    ),
    ["DELETE web-east", "DELETE web-federated"],
  );
});

test("an empty selector selects nothing, and a condition that stays keeps its time", () => {
  assert.deepEqual(plan(sight([service("web")], [], { link: link({ selector: {} }) })).lines, []);
  const { status } = plan(sight([service("web")], []));
  const later = sight([service("web")], [], { link: link({}, status) });
  assert.deepEqual(planMirrors(later, PLAIN, "later").status, status);
});

test("a headless service has a mirror of its own for each pod with a name", () => {
  const far = [
    service("db", ", clusterIP: None"),
    `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, namespace: ns, labels: {kubernetes.io/service-name: db}}
endpoints: [{addresses: [10.1.0.1], hostname: db-0}]`,
  ];
  const options = { ...PLAIN, enableHeadlessServices: true };
  const first = plan(sight(far, []), options);
  assert.deepEqual(first.lines, ["POST /namespaces/ns/services", "POST /namespaces/ns/services"]);
  assert.equal((first.bodies[0]!.spec as { clusterIP?: string }).clusterIP, "None");
  assert.deepEqual(first.bodies[1]!.metadata, {
    name: "db-0-east",
    namespace: "ns",
    labels: { ...MARKS, "mirror.linkerd.io/headless-mirror-svc-name": "db-east" },
    annotations: { [FQ_NAME]: "db-0.db.ns.svc.cluster.local" },
  });
  const own = (name: string, ip: string, fqName: string, more = ""): string => `
apiVersion: v1
kind: Service
metadata:
  name: ${name}
  namespace: ns
  labels: {mirror.linkerd.io/mirrored-service: 'true', mirror.linkerd.io/cluster-name: east${more}}
  annotations: {${FQ_NAME}: ${fqName}, mirror.linkerd.io/remote-resource-version: "", a: b}
spec: {clusterIP: ${ip}, ports: [{name: http, port: 80, targetPort: 80}]}`;
  const near = [
    own("db-east", "None", "db.ns.svc.cluster.local"),
    own(
      "db-0-east",
      "10.0.0.7",
      "db-0.db.ns.svc.cluster.local",
      ", mirror.linkerd.io/headless-mirror-svc-name: db-east",
    ),
  ];
  const { lines, bodies } = plan(sight(far, near), options);
  assert.deepEqual(lines, ["POST /namespaces/ns/endpoints", "POST /namespaces/ns/endpoints"]);
  const [root, pod] = bodies.map(({ subsets }) => subsets[0]!.addresses);
  assert.deepEqual([root, pod], [[{ ip: "10.0.0.7", hostname: "db-0" }], [{ ip: "192.0.2.1" }]]);
});
