// Labels that a workload asks for, and what is counted of requests that nothing is for.

import assert from "node:assert/strict";
import { test } from "node:test";
import { application, get, mesh, metric, PORTS, until } from "./mesh.ts";

test("hosts and authorities are told apart where the workload wants them to be", async (t) => {
  const { client, server, start } = await mesh(t);
  await application(t, server, (_req, rsp) => rsp.end("hello"));
  await start({
    LINKERD2_PROXY_OUTBOUND_METRICS_HOSTNAME_LABELS: "true",
    LINKERD2_PROXY_INBOUND_METRICS_AUTHORITY_LABELS: "unsafe",
  });
  for (const host of ["one.example:80", "Two.Example", "two.example"]) {
    assert.equal((await get(client, PORTS.http, "/", { host })).status, 200);
  }
  const route = "outbound_http_route_request_statuses_total";
  const backend = "outbound_http_route_backend_requests_total";
  for (const [name, count] of [
    ["one.example", 1],
    ["two.example", 2],
  ] as const) {
    assert.equal((await metric(client, route, { hostname: name }))?.value, count);
    assert.equal((await metric(client, backend, { hostname: name }))?.value, count);
  }
  const inbound = await metric(server, "request_total", { authority: "one.example:80" });
  assert.equal(inbound?.value, 1);
  assert.match(inbound?.labels["client_id"] ?? "", /identity\.linkerd/);
});

test("a request that no route of a server is for is answered with 404 and counted", async (t) => {
  const { client, server, plane, start } = await mesh(t);
  await application(t, server, (_req, rsp) => rsp.end("hello"));
  plane.apply(`
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: {name: http, namespace: ns}
spec: {podSelector: {matchLabels: {app: web}}, port: http, proxyProtocol: HTTP/1, accessPolicy: all-unauthenticated}
---
apiVersion: policy.linkerd.io/v1beta3
kind: HTTPRoute
metadata: {name: api, namespace: ns}
spec:
  parentRefs: [{group: policy.linkerd.io, kind: Server, name: http}]
  rules: [{matches: [{path: {type: PathPrefix, value: /api}}]}]
`);
  await start();
  await until(async () => (await get(client, PORTS.http, "/other")).status === 404);
  const missed = await metric(server, "inbound_http_route_not_found_total", { srv_name: "http" });
  assert.ok(missed!.value >= 1);
  assert.equal(missed?.labels["tls"], "true");
});
