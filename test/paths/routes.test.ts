// What routes do: service profiles, HTTPRoutes, gRPC, HTTP_PROXY.

import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import { Identity } from "../../proto/gen/identity_pb.js";
import { systemClock as clock } from "../../src/base/clock.ts";
import { dial } from "../../src/io/dial.ts";
import { H2Client } from "../../src/io/h2client.ts";
import { listen } from "../../src/io/listen.ts";
import { serveH2 } from "../../src/io/h2server.ts";
import { GrpcFault } from "../../src/stack/grpc.ts";
import { grpcClient } from "../../src/stack/grpcclient.ts";
import { grpcService, implement } from "../../src/stack/grpcserver.ts";
import { podYaml } from "../support/world.ts";
import { application, get, mesh, metric, PORTS, read, tcp, until } from "./mesh.ts";

const profile = `
apiVersion: linkerd.io/v1alpha2
kind: ServiceProfile
metadata: {name: web.ns.svc.cluster.local, namespace: ns}
spec:
  routes:
    - name: GET /transactions
      condition: {method: GET, pathRegex: /transactions}
      isRetryable: true
    - name: POST /transactions
      condition: {method: POST, pathRegex: /transactions}
      timeout: 100ms
`;

test("a service that wants its endpoints in turn gets them in turn", async (t) => {
  const { client, server, second, plane, start } = await mesh(
    t,
    "balancer.linkerd.io/kind: round-robin",
  );
  for (const ip of [server, second]) await application(t, ip, (_, rsp) => rsp.end(ip));
  plane.apply(podYaml("web-2", second, { meshed: false }));
  await start();
  const answers: string[] = [];
  await until(async () => {
    answers.push((await get(client, PORTS.http, "/")).body);
    return answers.includes(server) && answers.includes(second);
  });
  for (let i = 0; i < 8; i++) {
    answers.push((await get(client, PORTS.http, "/")).body);
    assert.notEqual(answers.at(-1), answers.at(-2));
  }
});

test("a service profile retries, times out and names its routes", async (t) => {
  const { client, server, plane, start } = await mesh(t);
  let calls = 0;
  await application(t, server, (req, rsp) => {
    if (req.method === "POST") return;
    calls += 1;
    rsp.statusCode = req.url === "/transactions" && calls % 3 !== 0 ? 503 : 200;
    rsp.end("ledger");
  });
  plane.apply(profile);
  await start();
  // No request waits for a profile on the server's side, where it only names them.
  await until(async () => {
    await get(client, PORTS.http, "/other");
    const pages = [client, server].map((ip) => metric(ip, "route_request_total", {}));
    return (await Promise.all(pages)).every((found) => found !== undefined);
  });
  calls = 0;
  assert.equal((await get(client, PORTS.http, "/transactions")).status, 200);
  assert.equal(calls, 3);
  const late = await get(client, PORTS.http, "/transactions", {}, Buffer.from("x"));
  assert.equal(late.status, 504);
  const route = { rt_route: "GET /transactions" };
  const effective = await metric(client, "route_response_total", route);
  const actual = await metric(client, "route_actual_request_total", route);
  assert.deepEqual([effective?.labels["classification"], effective?.value], ["success", 1]);
  assert.equal(effective?.labels["dst"], "web.ns.svc.cluster.local:80");
  assert.equal(actual?.value, 3);
  const inbound = await metric(server, "route_request_total", { ...route, direction: "inbound" });
  assert.deepEqual([inbound?.labels["dst"], inbound?.value], ["web.ns.svc.cluster.local:80", 3]);
});

const httpRoute = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: ns}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules:
    - matches: [{path: {value: /old}}]
      filters:
        - type: URLRewrite
          urlRewrite: {hostname: other, path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}}
      retry: {codes: [503], attempts: 2, backoff: 1ms}
    - filters:
        - type: ResponseHeaderModifier
          responseHeaderModifier: {set: [{name: x-rule, value: rest}]}
`;

test("an HTTPRoute rewrites URLs and retries", async (t) => {
  const { client, server, plane, start } = await mesh(t);
  const seen: string[] = [];
  await application(t, server, (req, rsp) => {
    if (req.url!.startsWith("/new")) seen.push(`${req.headers.host}${req.url}`);
    rsp.statusCode = seen.length % 3 === 0 ? 200 : 503;
    rsp.end(req.url);
  });
  plane.apply(httpRoute);
  await start();
  await until(async () => (await get(client, PORTS.http, "/older")).headers["x-rule"] === "rest");
  assert.equal((await get(client, PORTS.http, "/older")).body, "/older");
  assert.equal((await get(client, PORTS.http, "/old/a?q")).status, 200);
  assert.deepEqual(seen, Array(3).fill("other/new/a?q"));
});

test("gRPC calls cross both sidecars, and their status counts", async (t) => {
  const { client, server, start } = await mesh(t);
  const service = grpcService(
    [
      implement(Identity, {
        certify: ({ identity }) => {
          if (identity === "nobody") throw new GrpcFault("UNAVAILABLE", "try later");
          return { leafCertificate: new TextEncoder().encode(identity) };
        },
      }),
    ],
    { clock },
  );
  const app = await listen({ ip: server, port: 8080 }, {}, (conn) => {
    serveH2(conn, service, { clock });
  });
  t.after(() => app.close());
  await start();
  const h2 = new H2Client(
    await dial({ ip: client, port: PORTS.http }, { clock, timeoutMs: 1000 }),
    { clock },
  );
  t.after(() => h2.close());
  const call = grpcClient(Identity, (req) => h2.request(req), "web.ns", { clock });
  const reply = await call.certify({ identity: "somebody" });
  assert.equal(new TextDecoder().decode(reply.leafCertificate), "somebody");
  await assert.rejects(call.certify({ identity: "nobody" }), { status: "UNAVAILABLE" });
  for (const ip of [client, server]) {
    const failed = await metric(ip, "response_total", { grpc_status: "14" });
    assert.equal(failed?.labels["classification"], "failure");
    const good = await metric(ip, "response_total", { grpc_status: "0" });
    assert.equal(good?.labels["classification"], "success");
  }
});

test("an application with HTTP_PROXY names its destination itself", async (t) => {
  const { client, server, env, run, start } = await mesh(t);
  await application(t, server, (req, rsp) => rsp.end(`${req.headers.host} ${req.url}`));
  await start();
  await run({
    ...env("client", `${client.slice(0, -1)}9`),
    LINKERD_PROXY_HTTP_PROXY_ADDR: `${client}:14140`,
  });
  const ask = (host: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const path = `http://${host}/hello`;
      const headers = { host };
      const req = request({ host: client, port: 14_140, path, headers }, (rsp) => {
        rsp.setEncoding("utf8").on("data", resolve);
      });
      req.on("error", reject).end();
    });
  assert.equal(await ask("web.ns.svc.cluster.local"), "web.ns.svc.cluster.local /hello");
  // An address of a meshed pod is reached in mutual TLS too.
  assert.equal(await ask(`${server}:8080`), `${server}:8080 /hello`);
  const direct = { target_addr: `${server}:8080`, direction: "outbound", tls: "true" };
  assert.ok(await metric(`${client.slice(0, -1)}9`, "request_total", direct));
  const socket = await tcp(t, client, 14_140);
  socket.write("CONNECT web.ns.svc.cluster.local:80 HTTP/1.1\r\nhost: web\r\n\r\n");
  assert.equal(await read(socket), "HTTP/1.1 200 OK\r\n\r\n");
  socket.write("GET /inside HTTP/1.1\r\nhost: web\r\n\r\n");
  assert.match(await read(socket), /web \/inside/);
});

test("an ingress sends a request where l5d-dst-override says", async (t) => {
  const { client, server, start } = await mesh(t);
  await application(t, server, (req, rsp) => rsp.end(String(req.headers["l5d-dst-override"])));
  await start({ LINKERD2_PROXY_INGRESS_MODE: "true" });
  const override = { "l5d-dst-override": "web.ns.svc.cluster.local" };
  assert.equal((await get(client, PORTS.http, "/", override)).body, "undefined");
  const unknown = { "l5d-dst-override": "none.ns.svc.cluster.local:80" };
  const refused = await get(client, PORTS.http, "/", unknown);
  assert.ok(refused.status >= 500);
  assert.equal(refused.headers["l5d-proxy-error"], undefined);
});
