// Inbound policies, as a proxy understands them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { podYaml, worldFrom } from "../../test/support/world.ts";
import type { Fault } from "../base/fault.ts";
import { parseInboundPolicy } from "../proxy/inboundpolicy.ts";
import { inboundFor } from "./inbound.ts";
import type { MeshSettings } from "./world.ts";

const POD = podYaml("web-1", "10.1.0.1");

const server = (more = "", proxyProtocol = "HTTP/1"): string => `
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: {name: web, namespace: ns, labels: {app: web}}
spec: {podSelector: {matchLabels: {app: web}}, port: http, proxyProtocol: ${proxyProtocol}${more}}
`;

const policyYaml = (kind: string, name: string, spec: string, version = "v1alpha1"): string => `
apiVersion: policy.linkerd.io/${version}
kind: ${kind}
metadata: {name: ${name}, namespace: ns}
spec: ${spec}
`;

function inbound(yaml: string[], port = 8080, settings: Partial<MeshSettings> = {}) {
  const world = worldFrom([POD, ...yaml].join("---"), settings);
  return inboundFor(world, { namespace: "ns", pod: "web-1" }, port);
}

const names = (message: ReturnType<typeof inbound>): string[] =>
  message.authorizations.map(({ labels }) => `${labels["kind"]}/${labels["name"]}`);

test("without a Server the default policy applies, with a route for probes", () => {
  const message = inbound([]);
  const { protocol } = message;
  assert.ok(protocol!.kind.case === "detect");
  assert.deepEqual(
    protocol!.kind.value.httpRoutes.map(({ metadata }) => metadata!.kind.value),
    ["default", "probe"],
  );
  assert.deepEqual(names(message), ["default/all-unauthenticated"]);
  assert.equal(parseInboundPolicy(message).protocol.kind, "detect");
  assert.deepEqual(names(inbound([], 8080, { defaultInboundPolicy: "deny" })), []);
});

test("a native sidecar has ports and probes as any container has", () => {
  const sidecar = `
  initContainers:
    - name: linkerd-proxy
      restartPolicy: Always
      ports: [{name: linkerd-admin, containerPort: 4191}]
      startupProbe: {httpGet: {path: /ready, port: 4191}}
    - name: migrate
      ports: [{name: early, containerPort: 4191}]
status:`;
  const ask = (port: string) =>
    inboundFor(
      worldFrom(
        [POD.replace("\nstatus:", sidecar), server().replace("port: http", `port: ${port}`)].join(
          "---",
        ),
        { defaultInboundPolicy: "deny" },
      ),
      { namespace: "ns", pod: "web-1" },
      4191,
    );
  for (const [port, kind] of [
    ["linkerd-admin", "server"],
    ["early", "default"],
  ] as const) {
    const { labels, protocol } = ask(port);
    assert.equal(labels["kind"], kind, port);
    const { kind: how } = protocol!;
    const routes = how.case === "http1" ? how.value.routes : [];
    const found = how.case === "detect" ? how.value.httpRoutes : routes;
    const [, probe] = found;
    assert.equal(probe?.metadata?.kind.value, "probe", port);
  }
});

test("default opaque ports are opaque", () => {
  assert.equal(inbound([], 3306).protocol!.kind.case, "opaque");
});

test("a Server decides the protocol, and denies unless something allows", () => {
  for (const [protocol, kind] of [
    ["unknown", "detect"],
    ["HTTP/1", "http1"],
    ["HTTP/2", "http2"],
    ["gRPC", "grpc"],
    ["opaque", "opaque"],
    ["TLS", "tls"],
  ]) {
    const message = inbound([server("", protocol)]);
    assert.equal(message.protocol!.kind.case, kind);
    assert.deepEqual(names(message), []);
    parseInboundPolicy(message);
  }
  const open = inbound([server(", accessPolicy: all-unauthenticated")]);
  assert.deepEqual(names(open), ["default/all-unauthenticated"]);
});

test("authorization policies name identities and networks", () => {
  const message = inbound([
    server(),
    policyYaml(
      "AuthorizationPolicy",
      "both",
      `{targetRef: {group: policy.linkerd.io, kind: Server, name: web}, requiredAuthenticationRefs: [
        {group: policy.linkerd.io, kind: MeshTLSAuthentication, name: friends},
        {group: policy.linkerd.io, kind: NetworkAuthentication, name: office}]}`,
    ),
    policyYaml(
      "MeshTLSAuthentication",
      "friends",
      "{identities: ['*.ns2.serviceaccount.identity.linkerd.cluster.local', 'me'], identityRefs: [{kind: ServiceAccount, name: bot}]}",
    ),
    policyYaml(
      "NetworkAuthentication",
      "office",
      "{networks: [{cidr: 10.0.0.0/8, except: [10.9.0.0/16]}]}",
    ),
    policyYaml(
      "AuthorizationPolicy",
      "dangling",
      `{targetRef: {group: policy.linkerd.io, kind: Server, name: web}, requiredAuthenticationRefs: [
        {group: policy.linkerd.io, kind: MeshTLSAuthentication, name: gone}]}`,
    ),
  ]);
  assert.deepEqual(names(message), ["authorizationpolicy/both"]);
  const [authz] = message.authorizations;
  assert.ok(authz!.authentication!.permit.case === "meshTLS");
  const { clients } = authz!.authentication!.permit.value;
  assert.ok(clients.case === "identities");
  assert.deepEqual(
    clients.value.identities.map(({ name }) => name),
    ["me", "bot.ns.serviceaccount.identity.linkerd.cluster.local"],
  );
  assert.equal(clients.value.suffixes[0]!.parts[0], "ns2");
  assert.equal(authz!.networks[0]!.except.length, 1);
  parseInboundPolicy(message);
});

test("a namespace's policy covers its Servers; older ServerAuthorizations count too", () => {
  const message = inbound([
    server(),
    policyYaml(
      "AuthorizationPolicy",
      "whole",
      "{targetRef: {kind: Namespace, name: ns}, requiredAuthenticationRefs: [{kind: ServiceAccount, name: bot}]}",
    ),
    policyYaml(
      "ServerAuthorization",
      "old",
      "{server: {selector: {matchLabels: {app: web}}}, client: {unauthenticated: true}}",
      "v1beta1",
    ),
  ]);
  assert.deepEqual(names(message), ["serverauthorization/old", "authorizationpolicy/whole"]);
  parseInboundPolicy(message);
});

test("routes replace the default one and have authorizations of their own; limits follow", () => {
  const message = inbound([
    server(),
    `
apiVersion: policy.linkerd.io/v1beta3
kind: HTTPRoute
metadata: {name: books, namespace: ns}
spec:
  parentRefs: [{group: policy.linkerd.io, kind: Server, name: web}]
  rules: [{matches: [{path: {value: /books}}]}]
`,
    policyYaml(
      "AuthorizationPolicy",
      "readers",
      `{targetRef: {group: policy.linkerd.io, kind: HTTPRoute, name: books}, requiredAuthenticationRefs: [{kind: ServiceAccount, name: bot}]}`,
    ),
    policyYaml(
      "HTTPLocalRateLimitPolicy",
      "limit",
      "{targetRef: {kind: Server, name: web}, total: {requestsPerSecond: 100}, overrides: [{requestsPerSecond: 5, clientRefs: [{kind: ServiceAccount, name: bot}]}]}",
    ),
  ]);
  assert.ok(message.protocol!.kind.case === "http1");
  const { routes, localRateLimit } = message.protocol!.kind.value;
  assert.equal(routes.length, 1);
  assert.equal(routes[0]!.authorizations[0]!.labels["name"], "readers");
  assert.equal(localRateLimit!.total!.requestsPerSecond, 100);
  assert.equal(localRateLimit!.overrides[0]!.clients!.identities.length, 1);
  parseInboundPolicy(message);
});

test("a workload that nobody knows is refused", () => {
  assert.throws(
    () => inboundFor(worldFrom(POD), { namespace: "ns", pod: "other" }, 80),
    (fault: Fault) => fault.detail === 5,
  );
});
