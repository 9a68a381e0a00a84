// Who may reach a workload: authorization of requests and of byte streams, rate limits, foreign certificates.

import assert from "node:assert/strict";
import { connect as connectTls } from "node:tls";
import { test } from "node:test";
import { authority } from "../support/authority.ts";
import { application, get, mesh, metric, PORTS, read, tcp, tcpApplication, until } from "./mesh.ts";

const server = (port: string, protocol: string): string => `
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: {name: web-${port}, namespace: ns}
spec: {podSelector: {matchLabels: {app: web}}, port: ${port}, proxyProtocol: ${protocol}}
`;

const allow = (port: string, account: string): string => `
apiVersion: policy.linkerd.io/v1alpha1
kind: AuthorizationPolicy
metadata: {name: friends, namespace: ns}
spec:
  targetRef: {group: policy.linkerd.io, kind: Server, name: web-${port}}
  requiredAuthenticationRefs: [{kind: ServiceAccount, name: ${account}}]
`;

const limit = `
apiVersion: policy.linkerd.io/v1alpha1
kind: HTTPLocalRateLimitPolicy
metadata: {name: slow, namespace: ns}
spec:
  targetRef: {group: policy.linkerd.io, kind: Server, name: web-http}
  total: {requestsPerSecond: 2}
`;

test("requests need an authorization as soon as a Server asks for one", async (t) => {
  const { client, server: ip, plane, start } = await mesh(t);
  await application(t, ip, (_req, rsp) => rsp.end("hello"));
  await start();
  const status = async () => (await get(client, PORTS.http)).status;
  assert.equal(await status(), 200);
  plane.apply(server("http", "HTTP/1"));
  await until(async () => (await status()) === 403);
  const { headers } = await get(client, PORTS.http);
  assert.match(String(headers["l5d-proxy-error"]), /unauthorized request/);
  const denied = await metric(ip, "inbound_http_authz_deny_total", { srv_name: "web-http" });
  assert.ok(denied!.value > 0);
  plane.apply(allow("http", "web"));
  await until(async () => (await status()) === 200);
  const allowed = await metric(ip, "request_total", { authz_name: "friends" });
  assert.equal(allowed?.labels["authz_kind"], "authorizationpolicy");
  plane.apply(limit);
  await until(async () => (await status()) === 429);
  const limited = await get(client, PORTS.http);
  assert.deepEqual([limited.status, limited.headers["retry-after"]], [429, "1"]);
});

test("a change of policy ends the byte streams that it no longer admits", async (t) => {
  const { client, server: ip, plane, start } = await mesh(t);
  await tcpApplication(t, ip, (socket) => socket.on("data", (chunk) => socket.write(chunk)));
  plane.apply(`${server("db", "opaque")}---${allow("db", "web")}`);
  await start();
  const socket = await tcp(t, client, PORTS.db);
  socket.write("ping");
  assert.equal(await read(socket), "ping");
  plane.apply(allow("db", "somebody-else"));
  assert.equal(await read(socket), "");
  const ended = await metric(ip, "inbound_tcp_authz_terminate_total", { srv_name: "web-db" });
  assert.equal(ended?.value, 1);
  const again = await tcp(t, client, PORTS.db);
  again.write("ping");
  assert.equal(await read(again), "");
});

test("nobody without our trust anchor comes in directly", async (t) => {
  const { server: ip, start } = await mesh(t);
  await application(t, ip, (_req, rsp) => rsp.end("hello"));
  await start();
  const ca = await authority();
  const foreign = await ca.certify("web.ns.serviceaccount.identity.linkerd.cluster.local");
  const servername = "web.ns.serviceaccount.identity.linkerd.cluster.local";
  const header = Buffer.from("transport.l5d.io/v1\r\n\r\n\0\0\0\u0003\u0008\u0090\u003f", "latin1");
  const attempt = (options: object): Promise<string> => {
    const socket = connectTls({
      host: ip,
      port: 4143,
      servername,
      rejectUnauthorized: false,
      ALPNProtocols: ["transport.l5d.io/v1"],
      ...options,
    });
    socket.setEncoding("latin1").on("error", () => {});
    socket.write(header);
    socket.write("GET / HTTP/1.1\r\nhost: web\r\n\r\n");
    t.after(() => socket.destroy());
    return read(socket);
  };
  assert.equal(await attempt({ cert: foreign.certPem, key: foreign.keyPem }), "");
  assert.equal(await attempt({}), "", "no certificate at all");
  const plain = await tcp(t, ip, 4143);
  plain.write("GET / HTTP/1.1\r\nhost: web\r\n\r\n");
  assert.equal(await read(plain), "");
});
