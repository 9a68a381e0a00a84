// What the validators refuse, and in which words.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import type { RawObject } from "./manifest.ts";
import { mistakesOf } from "./validate.ts";

const policy = (kind: string, spec: string, version = "v1alpha1"): RawObject =>
  parse(
    `{apiVersion: policy.linkerd.io/${version}, kind: ${kind}, metadata: {name: x, namespace: ns}, spec: ${spec}}`,
  ) as RawObject;

const TARGET = "targetRef: {group: policy.linkerd.io, kind: Server, name: s}";
const tls = "{group: policy.linkerd.io, kind: MeshTLSAuthentication, name: a}";

const cases: readonly [string, RawObject, RegExp | undefined][] = [
  [
    "a network",
    policy("NetworkAuthentication", "{networks: [{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}]}"),
    undefined,
  ],
  [
    "one address",
    policy(
      "NetworkAuthentication",
      "{networks: [{cidr: 10.0.0.1}, {cidr: 10.0.0.0/8, except: 10.0.0.2}]}",
    ),
    undefined,
  ],
  [
    "an exception that is wider",
    policy("NetworkAuthentication", "{networks: [{cidr: 10.1.0.0/16, except: [10.0.0.0/8]}]}"),
    /leaves nothing/,
  ],
  [
    "an exception elsewhere",
    policy("NetworkAuthentication", "{networks: [{cidr: 10.0.0.0/8, except: [11.0.0.0/16]}]}"),
    /except 11.0.0.0\/16 is not inside 10.0.0.0\/8/,
  ],
  [
    "an exception that is all",
    policy("NetworkAuthentication", "{networks: [{cidr: 10.0.0.0/8, except: [10.0.0.0/8]}]}"),
    /leaves nothing/,
  ],
  [
    "one authentication",
    policy("AuthorizationPolicy", `{${TARGET}, requiredAuthenticationRefs: [${tls}]}`),
    undefined,
  ],
  [
    "two of them",
    policy("AuthorizationPolicy", `{${TARGET}, requiredAuthenticationRefs: [${tls}, ${tls}]}`),
    /at most one MeshTLSAuthentication/,
  ],
  [
    "a star in the middle",
    policy("MeshTLSAuthentication", '{identities: ["*.ns.example", "a.*.example"]}'),
    /identities: a.\*.example has a \*/,
  ],
  [
    "a namespace in a namespace",
    policy("MeshTLSAuthentication", "{identityRefs: [{kind: Namespace, name: a, namespace: b}]}"),
    /a Namespace is in no namespace/,
  ],
  [
    "a ServiceAccount beside a MeshTLSAuthentication",
    policy(
      "AuthorizationPolicy",
      `{${TARGET}, requiredAuthenticationRefs: [${tls}, {kind: ServiceAccount, name: a}]}`,
    ),
    /at most one MeshTLSAuthentication or ServiceAccount/,
  ],
  [
    "a target elsewhere",
    policy(
      "AuthorizationPolicy",
      "{targetRef: {group: policy.linkerd.io, kind: Server, name: s, namespace: other}, requiredAuthenticationRefs: []}",
    ),
    /the target must be in the policy's own namespace/,
  ],
  [
    "a target that cannot be one",
    policy(
      "AuthorizationPolicy",
      "{targetRef: {kind: Pod, name: p}, requiredAuthenticationRefs: []}",
    ),
    /targetRef.kind: expected one of Server, Namespace, HTTPRoute, GRPCRoute/,
  ],
  [
    "an access policy that is none",
    policy("Server", "{podSelector: {}, port: 80, accessPolicy: some}", "v1beta3"),
    /accessPolicy: expected one of/,
  ],
  [
    "an egress network without networks",
    policy("EgressNetwork", "{trafficPolicy: Allow, networks: []}"),
    /networks/,
  ],
  [
    "an override above the total",
    policy(
      "HTTPLocalRateLimitPolicy",
      `{${TARGET}, total: {requestsPerSecond: 10}, overrides: [{requestsPerSecond: 11, clientRefs: [{kind: ServiceAccount, name: a}]}]}`,
    ),
    /no limit above that of total/,
  ],
  [
    "a rate of nothing",
    policy("HTTPLocalRateLimitPolicy", `{${TARGET}, total: {requestsPerSecond: 0}}`),
    /requestsPerSecond/,
  ],
  [
    "a client that is an account and everybody",
    policy(
      "ServerAuthorization",
      "{server: {name: s}, client: {unauthenticated: true, meshTLS: {identities: [a]}}}",
      "v1beta1",
    ),
    /either unauthenticated: true or meshTLS/,
  ],
  [
    "a route with timeouts the wrong way round",
    policy(
      "HTTPRoute",
      "{parentRefs: [{group: '', kind: Service, name: s, port: 80}], rules: [{timeouts: {request: 1s, backendRequest: 2s}}]}",
      "v1beta3",
    ),
    /backendRequest \(2s\) is longer than request \(1s\)/,
  ],
  [
    "a backend without a port",
    policy(
      "HTTPRoute",
      "{parentRefs: [{group: '', kind: Service, name: s, port: 80}], rules: [{backendRefs: [{name: b}]}]}",
      "v1beta3",
    ),
    /the backend Service b needs a port/,
  ],
  [
    "an egress network without a port",
    policy(
      "HTTPRoute",
      "{parentRefs: [{group: policy.linkerd.io, kind: EgressNetwork, name: e}], rules: []}",
      "v1beta3",
    ),
    /the parent EgressNetwork e needs a port/,
  ],
  [
    "a filter that the mesh has not",
    policy(
      "HTTPRoute",
      "{parentRefs: [{group: '', kind: Service, name: s, port: 80}], rules: [{filters: [{type: RequestMirror}]}]}",
      "v1beta3",
    ),
    /filters.0.type: expected one of RequestHeaderModifier/,
  ],
  [
    "a filter that only HTTPRoutes have",
    parse(
      "{apiVersion: gateway.networking.k8s.io/v1, kind: GRPCRoute, metadata: {name: x, namespace: ns}, spec: {parentRefs: [{group: '', kind: Service, name: s, port: 80}], rules: [{filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {remove: [x]}}]}]}}",
    ) as RawObject,
    /can have the filter RequestHeaderModifier, not ResponseHeaderModifier/,
  ],
  [
    "a filter that the mesh has not, in the route of another controller's gateway",
    parse(
      "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: x, namespace: ns}, spec: {parentRefs: [{name: g}], rules: [{filters: [{type: RequestMirror}]}]}}",
    ) as RawObject,
    undefined,
  ],
  [
    "a profile that cannot be",
    parse(
      "{apiVersion: linkerd.io/v1alpha2, kind: ServiceProfile, metadata: {name: s.ns.svc.cluster.local, namespace: ns}, spec: {routes: [{name: r, condition: {}, timeout: soon}]}}",
    ) as RawObject,
    /condition: expected at least one condition.*timeout: expected a duration/,
  ],
  [
    "a status range the wrong way round",
    parse(
      "{apiVersion: linkerd.io/v1alpha2, kind: ServiceProfile, metadata: {name: s.ns.svc.cluster.local, namespace: ns}, spec: {routes: [{name: r, condition: {method: GET}, responseClasses: [{condition: {status: {min: 500, max: 400}}, isFailure: true}]}]}}",
    ) as RawObject,
    /route r: status: min 500 is above max 400/,
  ],
  ["nobody", policy("MeshTLSAuthentication", "{}"), /./],
  [
    "an unknown key",
    policy("Server", "{podSelector: {}, port: 80, portt: 81}", "v1beta3"),
    /portt/,
  ],
  ["a kind of somebody else", { apiVersion: "example.com/v1", kind: "Thing", spec: {} }, undefined],
];

for (const [name, object, wanted] of cases) {
  test(`validates ${name}`, () => {
    const mistakes = mistakesOf(object).join("; ");
    if (wanted) assert.match(mistakes, wanted);
    else assert.equal(mistakes, "");
  });
}
