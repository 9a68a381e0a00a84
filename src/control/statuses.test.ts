// Statuses: what people are told of their routes and limits.

import assert from "node:assert/strict";
import { test } from "node:test";
import { storeFrom, worldFrom } from "../../test/support/world.ts";
import { VirtualClock } from "../base/clock.ts";
import { Var } from "../base/watch.ts";
import type { Condition, Kind } from "../platform/kinds.ts";
import { resourceOf } from "../platform/manifests.ts";
import { statusesOf, writeStatuses } from "./statuses.ts";

const NOW = "2026-01-01T00:00:00Z";

const SERVICE = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: ns}
spec: {clusterIP: 10.96.0.1, ports: [{port: 80, name: http}, {port: 8080, name: other}]}
`;

const route = (name: string, kind: string, parent: string, backend = "web"): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: {name: ${name}, namespace: ns}
spec:
  parentRefs: [${parent}]
  rules: [{backendRefs: [{name: ${backend}, port: 80}]}]
`;

const WEB = '{group: "", kind: Service, name: web, port: 80}';

function reasons(yaml: string[]): Record<string, string[]> {
  const statuses = statusesOf(worldFrom([SERVICE, ...yaml].join("---")), NOW);
  return Object.fromEntries(
    statuses.map(({ key, status }) => {
      const { parents, conditions } = status as {
        parents?: { conditions: { reason: string }[] }[];
        conditions?: { reason: string }[];
      };
      const all = conditions ?? parents!.flatMap((parent) => parent.conditions);
      return [key, all.map(({ reason }) => reason)];
    }),
  );
}

test("routes are told whether they count and whether their backends are there", () => {
  assert.deepEqual(
    reasons([
      route("good", "HTTPRoute", WEB),
      route("no-parent", "HTTPRoute", WEB.replace("web", "gone")),
      route("no-port", "HTTPRoute", WEB.replace("80", "81")),
      route("no-backend", "HTTPRoute", WEB, "gone"),
      route("gateway", "HTTPRoute", "{name: some-gateway}"),
    ]),
    {
      "ns/good": ["Accepted", "ResolvedRefs"],
      "ns/no-parent": ["NoMatchingParent", "ResolvedRefs"],
      "ns/no-port": ["NoMatchingTarget", "ResolvedRefs"],
      "ns/no-backend": ["Accepted", "BackendNotFound"],
    },
  );
});

test("a gRPC route takes its port from HTTP routes", () => {
  assert.deepEqual(reasons([route("http", "HTTPRoute", WEB), route("grpc", "GRPCRoute", WEB)]), {
    "ns/http": ["RouteReasonConflicted", "ResolvedRefs"],
    "ns/grpc": ["Accepted", "ResolvedRefs"],
  });
});

test("of two limits on a Server the older counts", () => {
  const limit = (name: string, created: string, server = "web"): string => `
apiVersion: policy.linkerd.io/v1alpha1
kind: HTTPLocalRateLimitPolicy
metadata: {name: ${name}, namespace: ns, creationTimestamp: "${created}"}
spec: {targetRef: {kind: Server, name: ${server}}, total: {requestsPerSecond: 1}}
`;
  const server = `
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: {name: web, namespace: ns}
spec: {podSelector: {}, port: 80}
`;
  assert.deepEqual(
    reasons([server, limit("new", "2026"), limit("old", "2025"), limit("lost", "2025", "gone")]),
    {
      "ns/new": ["RateLimitReasonAlreadyExists"],
      "ns/old": ["Accepted"],
      "ns/lost": ["NoMatchingTarget"],
    },
  );
});

test("an egress network inside the cluster is told that it counts for nothing", () => {
  const egress = (name: string, networks: string): string => `
apiVersion: policy.linkerd.io/v1alpha1
kind: EgressNetwork
metadata: {name: ${name}, namespace: ns}
spec: {trafficPolicy: Allow${networks}}
`;
  const cluster = "[10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16]";
  const [good, bad] = [["Accepted"], ["EgressReasonNetworkOverlap"]];
  assert.deepEqual(
    reasons([
      egress("all", ""),
      egress("outside", ", networks: [{cidr: 1.0.0.0/8}]"),
      egress("around", `, networks: [{cidr: 0.0.0.0/0, except: ${cluster}}]`),
      egress("inside", ", networks: [{cidr: 1.0.0.0/8}, {cidr: 10.1.0.0/16}]"),
      egress("too-wide", ", networks: [{cidr: 0.0.0.0/0}]"),
    ]),
    { "ns/all": good, "ns/outside": good, "ns/around": good, "ns/inside": bad, "ns/too-wide": bad },
  );
});

test("a route names a port of its service by number, by name, or by both", () => {
  const parent = (ref: string) => WEB.replace("port: 80", ref);
  assert.deepEqual(
    reasons([
      route("by-name", "HTTPRoute", parent("sectionName: http")),
      route("by-both", "HTTPRoute", parent("sectionName: http, port: 80")),
      route("by-two", "HTTPRoute", parent("sectionName: http, port: 8080")),
      route("by-none", "HTTPRoute", parent("sectionName: gone")),
    ]),
    {
      "ns/by-name": ["Accepted", "ResolvedRefs"],
      "ns/by-both": ["Accepted", "ResolvedRefs"],
      "ns/by-two": ["NoMatchingTarget", "ResolvedRefs"],
      "ns/by-none": ["NoMatchingTarget", "ResolvedRefs"],
    },
  );
});

// A world in which statuses are written.
function written(yaml: string) {
  const store = storeFrom(yaml);
  const world = () => ({
    ...worldFrom("---", {}),
    HTTPRoute: store.all("HTTPRoute"),
    Service: store.all("Service"),
  });
  type Changes = { status?: unknown; spec?: unknown; generation?: number };
  const change = ({ generation, ...changes }: Changes): void => {
    const resource = store.get("HTTPRoute", "ns/good")!;
    const metadata = { ...resource.metadata, ...(generation && { generation }) };
    store.put(resourceOf("HTTPRoute", { ...resource, metadata, ...changes }));
  };
  return { world, change };
}

type Parents = { parents: { controllerName: string; conditions: Condition[] }[] };

test("a status that is right already is left alone, but for the generation that it is about", () => {
  const { world, change } = written([SERVICE, route("good", "HTTPRoute", WEB)].join("---"));
  change({ generation: 1 });
  change({ status: statusesOf(world(), NOW)[0]!.status });
  assert.deepEqual(statusesOf(world(), "later"), []);
  change({ generation: 2 });
  const { parents } = statusesOf(world(), "later")[0]!.status as Parents;
  assert.deepEqual(
    parents[0]!.conditions.map((each) => [each.lastTransitionTime, each.observedGeneration]),
    [
      [NOW, 2],
      [NOW, 2],
    ],
  );
});

test("what other controllers say of a route stays, and what we said goes with our parents", () => {
  const gateway = "{name: some-gateway}";
  const { world, change } = written(
    [SERVICE, route("good", "HTTPRoute", `${gateway}, ${WEB}`)].join("---"),
  );
  const theirs = { parentRef: { name: "some-gateway" }, controllerName: "other", conditions: [] };
  change({ status: { parents: [theirs] } });
  const { status } = statusesOf(world(), NOW)[0]!;
  const names = (of: unknown): string[] =>
    (of as Parents).parents.map(({ controllerName }) => controllerName);
  assert.deepEqual(names(status), ["other", "linkerd.io/policy-controller"]);
  change({ status });
  assert.deepEqual(statusesOf(world(), NOW), []);
  change({ spec: { parentRefs: [{ name: "some-gateway" }] } });
  assert.deepEqual(names(statusesOf(world(), NOW)[0]!.status), ["other"]);
});

test("while a status is written, worlds that come do not send it again, but may send another one", async () => {
  const write = Promise.withResolvers<void>();
  const sent: string[] = [];
  const resources = {
    watch: () => assert.fail(),
    reviewToken: () => assert.fail(),
    writeStatus: (_: Kind, key: string, status: unknown) => {
      sent.push(`${key} ${JSON.stringify(status).match(/"reason":"(\w+)"/)![1]}`);
      return write.promise;
    },
  };
  const good = route("good", "HTTPRoute", WEB);
  const world = new Var(worldFrom([SERVICE, good].join("---")));
  const close = writeStatuses(world, resources, new VirtualClock());
  world.set(worldFrom([SERVICE, good].join("---")));
  assert.deepEqual(sent, ["ns/good Accepted"]);
  world.set(worldFrom(good));
  write.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(sent, ["ns/good Accepted", "ns/good NoMatchingParent"]);
  close();
});
