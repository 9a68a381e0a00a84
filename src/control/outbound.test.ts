// Outbound policies and profiles, as a proxy understands them: the proxy's own parser refuses whatever the
// real one would.

import assert from "node:assert/strict";
import { test } from "node:test";
import { podYaml, worldFrom } from "../../test/support/world.ts";
import { exponential } from "../base/backoff.ts";
import type { Fault } from "../base/fault.ts";
import { parseOutboundPolicy } from "../proxy/outboundpolicy.ts";
import type { HttpRoutes } from "../proxy/policy.ts";
import { parseProfile } from "../proxy/profile.ts";
import { outboundFor } from "./outbound.ts";
import { profileFor } from "./profiles.ts";
import type { World } from "./world.ts";

function service(
  more = "",
  ports = "[{name: http, port: 80, targetPort: http}, {name: db, port: 3306}]",
) {
  return `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: ns, annotations: {${more}}}
spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: ${ports}}
`;
}

const route = (kind: string, name: string, spec: string, more = ""): string => `
apiVersion: ${kind === "GRPCRoute" ? "gateway.networking.k8s.io/v1" : kind === "HTTPRoute" ? "policy.linkerd.io/v1beta3" : "gateway.networking.k8s.io/v1alpha2"}
kind: ${kind}
metadata: {name: ${name}, namespace: ns${more}}
spec:
  parentRefs: [{group: core, kind: Service, name: web, port: 80}]
${spec.replace(/^/gm, "  ")}
`;

function policy(yaml: string | World, port = 80, ip = "10.96.0.1", namespace = "client") {
  const world = typeof yaml === "string" ? worldFrom(yaml) : yaml;
  return parseOutboundPolicy(outboundFor(world, { ip, port }, namespace));
}

function http(parsed: ReturnType<typeof policy>): HttpRoutes {
  const { protocol } = parsed;
  if (protocol.kind === "detect") return protocol.http1;
  assert.ok(protocol.kind === "http1" || protocol.kind === "http2" || protocol.kind === "grpc");
  return protocol.http;
}

test("a service without routes is detected and balanced", () => {
  const parsed = policy(service());
  assert.equal(parsed.protocol.kind, "detect");
  const [only] = http(parsed).routes;
  const { backend } = only!.rules[0]!.to.backends[0]!;
  assert.deepEqual(backend.to, {
    kind: "balance",
    path: "web.ns.svc.cluster.local:80",
    load: { defaultRttMs: 30, decayMs: 10_000, penalty: undefined },
  });
  assert.deepEqual(backend.queue, { capacity: 100, failfastMs: 3000 });
});

test("the protocol follows the port, the default opaque ports, and what hangs on the service", () => {
  const kind = (yaml: string, port = 80): string => policy(yaml, port).protocol.kind;
  const app = (protocol: string): string => service("", `[{port: 80, appProtocol: ${protocol}}]`);
  assert.equal(kind(service(), 3306), "opaque");
  assert.equal(kind(service("config.linkerd.io/opaque-ports: '80'")), "opaque");
  assert.equal(kind(app("http")), "http1");
  assert.equal(kind(app("kubernetes.io/h2c")), "http2");
  assert.equal(kind(app("linkerd.io/opaque")), "opaque");
  const rules = "rules: [{backendRefs: [{name: web, port: 80}]}]";
  assert.equal(kind([service(), route("GRPCRoute", "g", rules)].join("---")), "grpc");
  assert.equal(kind([service(), route("HTTPRoute", "h", rules)].join("---")), "detect");
  assert.equal(kind([service(), route("TLSRoute", "t", rules)].join("---")), "tls");
  assert.equal(kind([service(), route("TCPRoute", "t", rules)].join("---")), "opaque");
  assert.equal(
    kind([app("kubernetes.io/h2c"), route("GRPCRoute", "g", rules)].join("---")),
    "grpc",
  );
});

test("routes carry matches, filters, weights, timeouts and retries", () => {
  const yaml = [
    service("retry.linkerd.io/http: 5xx, timeout.linkerd.io/response: 2s"),
    route(
      "HTTPRoute",
      "h",
      `
hostnames: ["*.example.com"]
rules:
  - matches: [{path: {type: Exact, value: /a}, method: POST, headers: [{name: X-Who, value: me}]}]
    filters:
      - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x, value: y}]}}
      - type: URLRewrite
        urlRewrite: {hostname: other, path: {type: ReplaceFullPath, replaceFullPath: /b}}
    backendRefs: [{name: web, port: 80, weight: 9}, {name: gone, port: 80, weight: 1}]
    timeouts: {request: 10s, backendRequest: 1s}
`,
      ", annotations: {retry.linkerd.io/http: '503,500-502', retry.linkerd.io/limit: '3'}",
    ),
  ].join("---");
  const { hosts, rules } = http(policy(yaml)).routes[0]!;
  const [rule] = rules;
  assert.equal(hosts.length, 1);
  assert.deepEqual(rule!.timeouts, { requestMs: 10_000, responseMs: 2000, idleMs: undefined });
  assert.deepEqual(rule!.retry!.statuses, [
    { from: 503, to: 503 },
    { from: 500, to: 502 },
  ]);
  assert.deepEqual([rule!.retry!.limit, rule!.retry!.attemptMs], [3, 1000]);
  assert.deepEqual(rule!.filters[1], {
    kind: "url",
    host: "other",
    path: { kind: "full", value: "/b" },
  });
  const [good, bad] = rule!.to.backends;
  assert.deepEqual([good!.weight, good!.backend.to.kind, good!.filters.length], [9, "balance", 0]);
  assert.deepEqual([bad!.weight, bad!.backend.to.kind, bad!.filters.length], [1, "none", 1]);
});

test("a rule says itself when to retry, and annotations what it leaves open", () => {
  const rules = `
rules:
  - retry: {codes: [500, 503], attempts: 4, backoff: 100ms}
  - retry: {}
  - {}
`;
  const limit =
    ", annotations: {retry.linkerd.io/http: gateway-error, retry.linkerd.io/limit: '7'}";
  const [full, empty, without] = http(
    policy([service(), route("HTTPRoute", "h", rules, limit)].join("---")),
  ).routes[0]!.rules.map(({ retry }) => retry!);
  assert.deepEqual(full!.statuses, [
    { from: 500, to: 500 },
    { from: 503, to: 503 },
  ]);
  assert.deepEqual([full!.limit, full!.backoff], [4, exponential(100, 1000, 1)]);
  assert.deepEqual([empty!.limit, empty!.statuses], [7, []]);
  assert.deepEqual([without!.limit, without!.statuses], [7, [{ from: 502, to: 504 }]]);
});

test("a consumer's route replaces the producer's, for its own namespace only", () => {
  const rules = "rules: [{}]";
  const consumer = route("HTTPRoute", "mine", rules)
    .replace("namespace: ns", "namespace: client")
    .replace("name: web,", "name: web, namespace: ns,");
  const world = worldFrom([service(), route("HTTPRoute", "producer", rules), consumer].join("---"));
  const names = (namespace: string) =>
    http(policy(world, 80, "10.96.0.1", namespace)).routes.map(({ meta }) => meta.name);
  assert.deepEqual(names("client"), ["mine"]);
  assert.deepEqual(names("other"), ["producer"]);
});

test("a route hangs on the port that its section names", () => {
  const named = (section: string): string =>
    route("HTTPRoute", "named", "rules: [{}]").replace("port: 80}", `sectionName: ${section}}`);
  const first = (section: string) =>
    http(policy([service(), named(section)].join("---"))).routes[0]!.meta.name;
  assert.equal(first("http"), "named");
  assert.equal(first("db"), "http");
});

test("a port that is not there is forbidden, an address that is not there unknown", () => {
  const parsed = policy(service(), 81);
  assert.ok(parsed.protocol.kind === "opaque");
  assert.equal(parsed.protocol.opaque[0]!.filters[0]!.kind, "forbid");
  assert.throws(
    () => policy(service(), 80, "10.1.0.9"),
    (fault: Fault) => fault.detail === 5,
  );
});

test("egress falls back to the address, and obeys the narrowest network", () => {
  const network = (name: string, cidr: string, trafficPolicy: string): string => `
apiVersion: policy.linkerd.io/v1alpha1
kind: EgressNetwork
metadata: {name: ${name}, namespace: client}
spec: {trafficPolicy: ${trafficPolicy}, networks: [{cidr: ${cidr}}]}
`;
  assert.equal(policy(service(), 443, "1.2.3.4").meta.name, "egress-fallback");
  const world = worldFrom(
    [network("wide", "1.0.0.0/8", "Allow"), network("narrow", "1.2.0.0/16", "Deny")].join("---"),
  );
  const denied = policy(world, 443, "1.2.3.4");
  assert.equal(denied.meta.name, "narrow");
  assert.equal(http(denied).routes[0]!.rules[0]!.filters.length, 1);
  assert.equal(policy(world, 443, "1.9.3.4").meta.name, "wide");
  assert.equal(policy(world, 443, "1.2.3.4", "elsewhere").meta.name, "egress-fallback");
});

test("failure accrual and load follow annotations", () => {
  const consecutive = service("balancer.linkerd.io/failure-accrual: consecutive");
  assert.equal(http(policy(consecutive)).accrual!.consecutive, 7);
  const unified = service(
    "balancer.linkerd.io/failure-accrual: unified, balancer.alpha.linkerd.io/penalize-failures: 'true'",
  );
  const parsed = http(policy(unified));
  assert.ok(parsed.accrual!.rate);
  const { to } = parsed.routes[0]!.rules[0]!.to.backends[0]!.backend;
  assert.ok(to.kind === "balance" && typeof to.load === "object" && to.load.penalty);
});

test("a service chooses its balancer", () => {
  const loadOf = (annotation: string) => {
    const { to } = http(policy(service(annotation))).routes[0]!.rules[0]!.to.backends[0]!.backend;
    return to.kind === "balance" && to.load;
  };
  assert.equal(loadOf("balancer.linkerd.io/kind: least-requests"), "outstanding");
  assert.equal(loadOf("balancer.linkerd.io/kind: round-robin"), "in-turn");
  const ewma = { defaultRttMs: 30, decayMs: 10_000, penalty: undefined };
  assert.deepEqual(loadOf("balancer.linkerd.io/kind: sticky"), ewma);
  assert.deepEqual(
    loadOf("balancer.linkerd.io/ewma-decay: 2s, balancer.linkerd.io/ewma-default-rtt: 5ms"),
    { ...ewma, defaultRttMs: 5, decayMs: 2000 },
  );
});

test("profiles: of services, of pods, of nothing in particular", () => {
  const profile = `
apiVersion: linkerd.io/v1alpha2
kind: ServiceProfile
metadata: {name: web.ns.svc.cluster.local, namespace: ns}
spec:
  routes:
    - name: GET /books
      condition: {method: GET, pathRegex: "/books/[^/]*"}
      isRetryable: true
      timeout: 250ms
      responseClasses: [{condition: {status: {min: 500, max: 599}}, isFailure: true}]
  dstOverrides: [{authority: web.ns.svc.cluster.local, weight: 900m}]
`;
  const world = worldFrom([service(), profile, podYaml("web-1", "10.1.0.1")].join("---"));
  const read = (path: string) =>
    parseProfile(profileFor(world, path, { namespace: "", nodeName: "" }));
  const whole = read("web.ns.svc.cluster.local:80");
  assert.equal(whole.routes.length, 1);
  assert.equal(read("10.96.0.1:80").routes.length, 1);
  const endpoint = read("10.1.0.1:8080");
  assert.equal(endpoint.endpoint!.labels["namespace"], "ns");
  assert.equal(endpoint.endpoint!.tls!.id, "web.ns.serviceaccount.identity.linkerd.cluster.local");
  assert.equal(read("10.9.9.9:80").endpoint!.tls, undefined);
  assert.throws(
    () => read("web.ns"),
    (fault: Fault) => fault.detail === 3,
  );
  assert.throws(
    () => read("no.ns.svc.cluster.local"),
    (fault: Fault) => fault.detail === 5,
  );
});
