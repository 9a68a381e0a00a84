// A small world whose answers use most of what answers can say.

import { podYaml } from "../support/world.ts";

export const WORLD = [
  `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: ns, annotations: {balancer.linkerd.io/failure-accrual: consecutive, retry.linkerd.io/http: 5xx}}
spec:
  clusterIP: 10.96.0.1
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}, {name: db, port: 3306, targetPort: db}]
`,
  `
apiVersion: policy.linkerd.io/v1beta3
kind: HTTPRoute
metadata: {name: one, namespace: ns}
spec:
  hostnames: ["web", "*.example.com"]
  parentRefs: [{group: core, kind: Service, name: web, port: 80}]
  rules:
    - matches:
        - path: {type: RegularExpression, value: "/a(/.*)?"}
          method: GET
          headers: [{name: x-a, value: b}, {name: x-c, type: RegularExpression, value: "d+"}]
          queryParams: [{name: c, value: d}]
      filters:
        - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-set, value: y}], remove: [x-a]}}
      timeouts: {request: 1s, backendRequest: 500ms}
      backendRefs: [{name: web, port: 80, weight: 1}]
    - matches: [{path: {type: PathPrefix, value: /r}}]
      filters: [{type: RequestRedirect, requestRedirect: {hostname: elsewhere, statusCode: 302}}]
      backendRefs: [{name: web, port: 80}]
`,
  `
apiVersion: linkerd.io/v1alpha2
kind: ServiceProfile
metadata: {name: web.ns.svc.cluster.local, namespace: ns}
spec:
  retryBudget: {retryRatio: 0.2, minRetriesPerSecond: 10, ttl: 10s}
  routes:
    - name: GET /a
      condition: {all: [{method: GET}, {pathRegex: /a.*}]}
      responseClasses: [{condition: {status: {min: 500, max: 599}}, isFailure: true}]
      isRetryable: true
      timeout: 1s
`,
  `
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: {name: http, namespace: ns}
spec: {podSelector: {matchLabels: {app: web}}, port: http, proxyProtocol: HTTP/1}
`,
  `
apiVersion: policy.linkerd.io/v1alpha1
kind: AuthorizationPolicy
metadata: {name: all, namespace: ns}
spec:
  targetRef: {group: policy.linkerd.io, kind: Server, name: http}
  requiredAuthenticationRefs: [{group: policy.linkerd.io, kind: NetworkAuthentication, name: near}]
`,
  `
apiVersion: policy.linkerd.io/v1alpha1
kind: NetworkAuthentication
metadata: {name: near, namespace: ns}
spec: {networks: [{cidr: 127.0.0.0/8, except: [127.9.0.0/16]}, {cidr: "::/0"}]}
`,
  podYaml("web-1", "127.95.0.1"),
  podYaml("web-2", "127.95.0.2"),
].join("\n---\n");
