// Which policies `authz` finds for the pods of a resource.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseManifests } from "../platform/manifests.ts";
import { Store } from "../platform/store.ts";
import type { MeshPod } from "../viz/world.ts";
import { listAuthorizations, printAuthorizations } from "./authorizations.ts";

const MANIFESTS = `
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: {name: http, namespace: shop, labels: {tier: front}}
spec: {podSelector: {matchLabels: {app: web}}, port: 80}
---
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: {name: other, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, port: 80}
---
apiVersion: policy.linkerd.io/v1beta3
kind: HTTPRoute
metadata: {name: stats, namespace: shop}
spec: {parentRefs: [{group: policy.linkerd.io, kind: Server, name: http}], rules: [{matches: [{path: {value: /stats}}]}]}
---
apiVersion: policy.linkerd.io/v1alpha1
kind: AuthorizationPolicy
metadata: {name: on-route, namespace: shop}
spec: {targetRef: {group: policy.linkerd.io, kind: HTTPRoute, name: stats}, requiredAuthenticationRefs: []}
---
apiVersion: policy.linkerd.io/v1alpha1
kind: AuthorizationPolicy
metadata: {name: on-server, namespace: shop}
spec: {targetRef: {group: policy.linkerd.io, kind: Server, name: http}, requiredAuthenticationRefs: []}
---
apiVersion: policy.linkerd.io/v1alpha1
kind: AuthorizationPolicy
metadata: {name: elsewhere, namespace: store}
spec: {targetRef: {kind: Namespace, name: store}, requiredAuthenticationRefs: []}
---
apiVersion: policy.linkerd.io/v1beta1
kind: ServerAuthorization
metadata: {name: old, namespace: shop}
spec: {server: {selector: {matchLabels: {tier: front}}}, client: {unauthenticated: true}}
`;

test("authz: by server, by route, by namespace, and the older kind", () => {
  const store = new Store(parseManifests([["policies.yaml", MANIFESTS]]).resources);
  const kinds = [
    store.all("Server"),
    store.all("AuthorizationPolicy"),
    store.all("ServerAuthorization"),
    store.all("PolicyHTTPRoute"),
    store.all("HTTPRoute"),
  ] as const;
  const web = { namespace: "shop", name: "web-1", labels: { app: "web" } } as unknown as MeshPod;
  assert.equal(
    printAuthorizations(listAuthorizations(kinds, [web])),
    `ROUTE  SERVER  AUTHORIZATION_POLICY  SERVER_AUTHORIZATION${"  "}
*      http                          old${" ".repeat(19)}
*      http    on-server${" ".repeat(35)}
stats  http    on-route${" ".repeat(36)}
`,
  );
});
