// Statuses: what people are told of their routes and limits.

import assert from "node:assert/strict";
import { test } from "node:test";
import { storeFrom, worldFrom } from "../../test/support/world.ts";
import { resourceOf } from "../platform/manifests.ts";
import { statusesOf } from "./statuses.ts";

const NOW = "2026-01-01T00:00:00Z";

const SERVICE = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: ns}
spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}
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

test("a status that is right already is left alone", () => {
  const store = storeFrom([SERVICE, route("good", "HTTPRoute", WEB)].join("---"));
  const world = () => worldFrom("---", {});
  const before = { ...world(), HTTPRoute: store.all("HTTPRoute"), Service: store.all("Service") };
  const [wanted] = statusesOf(before, NOW);
  const resource = store.get("HTTPRoute", "ns/good")!;
  store.put(resourceOf("HTTPRoute", { ...resource, status: wanted!.status }));
  const after = { ...before, HTTPRoute: store.all("HTTPRoute") };
  assert.deepEqual(statusesOf(after, "later"), []);
});
