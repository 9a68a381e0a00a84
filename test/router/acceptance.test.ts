// The configurations of published guides, run as they stand there (but for ports and host names): what a reader of the
// guide sees is what is seen here. The names of tests begin with the cases of the list that they were collected in; the
// other files of this folder have the rest.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import net from "node:net";
import { test, type TestContext } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { openIssuer } from "../../src/control/issuer.ts";
import { credentialsOf } from "../support/certificates.ts";
import { backend2, send2 } from "./h2.ts";
import { backend, eventually, freePort, run, send, tally } from "./run.ts";

test("B1: any Host to one backend of HTTP/1.0, the admin server on all addresses", async (t) => {
  const python = net.createServer((socket) => {
    socket.once("data", () => socket.end("HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\npython"));
  });
  await new Promise<void>((resolve) => python.listen(0, "127.0.0.1", resolve));
  t.after(() => python.close());
  const { port } = python.address() as net.AddressInfo;
  const at = await run(
    t,
    `admin: {port: 0, ip: 0.0.0.0}
routers:
- protocol: http
  dtab: "/svc/* => /$/inet/127.1/${port};"
  servers:
  - port: ${await freePort()}
    ip: 0.0.0.0
`,
  );
  const { status, body, headers } = await send(at.port(), "/", { host: "anything" });
  assert.deepEqual([status, body, headers.via], [200, "python", "1.0 linkerd"]);
  assert.equal((await send(at.adminPort, "/admin/ping", { ip: "127.0.0.1" })).body, "pong");
});

test("B3-B6: the nginx cluster, whole", async (t) => {
  const [nginx, nginx2] = [await backend(t, "nginx"), await backend(t, "nginx2")];
  const zipkin = await backend(t, "zipkin");
  const at = await run(
    t,
    `namers:
- kind: io.l5d.fs
  rootDir: DIR/disco
telemetry:
- kind: io.l5d.recentRequests
  sampleRate: 1.0
- kind: io.l5d.prometheus
- kind: io.l5d.zipkin
  host: 127.0.0.1
  port: ${zipkin.port}
  sampleRate: 1.0
routers:
- protocol: http
  httpAccessLog: DIR/access.log
  dtab: |
    /svc => /#/io.l5d.fs/nginx;
  client:
    failureAccrual:
      kind: io.l5d.consecutiveFailures
      failures: 2
      backoff:
        kind: constant
        ms: 15000
  service:
    responseClassifier:
      kind: io.l5d.http.retryableRead5XX
    retries:
      budget:
        minRetriesPerSec: 0
        percentCanRetry: 2
      backoff:
        kind: constant
        ms: 10
  servers:
  - port: 0
    ip: 127.0.0.1
`,
    { "disco/nginx": `${nginx.line}\n${nginx2.line}\n` },
  );
  const ask = () => send(at.port(), "http://nginx/status/200", { host: "nginx" });
  const spread = await tally(20, ask);
  assert.ok(spread["nginx"]! > 0 && spread["nginx2"]! > 0, JSON.stringify(spread));
  await nginx2.close();
  for (let i = 0; i < 10; i++) assert.equal((await ask()).status, 200);
  const { endpoints } = (await at.json("/routers.json")).routers[0].clients[0];
  const state = (port: number) =>
    endpoints.find((one: any) => one.address.endsWith(`:${port}`)).state;
  assert.deepEqual([state(nginx.port), state(nginx2.port)], ["ready", "broken"]);
  await eventually(
    () => readFileSync(`${at.folder}/access.log`, "utf8").trim().split("\n").length === 30,
  );
  const prometheus = (await at.admin("/admin/metrics/prometheus")).body;
  assert.match(prometheus, /^rt:server:requests\{rt="http", server="127\.0\.0\.1\/0"\} 30$/m);
  assert.match(prometheus, /^rt:client:failure_accrual:removals\{.*\} 1$/m);
  const [latest] = await at.json("/requests.json");
  assert.equal(JSON.stringify(latest).includes("/svc/nginx"), true);
  await eventually(() => zipkin.seen.length > 0);
});

test("D2: a file for Kubernetes starts without it; what needs it says so, the rest works", async (t) => {
  const web = await backend(t, "web");
  const at = await run(
    t,
    `namers:
- kind: io.l5d.k8s
  host: localhost
  port: 8001
routers:
- protocol: http
  label: outgoing
  dtab: |
    /srv        => /#/io.l5d.k8s/default/http;
    /host       => /srv;
    /svc        => /host;
    /host/world => /srv/world-v1;
    /host/here  => /$/inet/127.1/${web.port};
  interpreter:
    kind: default
    transformers:
    - {kind: io.l5d.port, port: ${web.port}}
  service:
    responseClassifier: {kind: io.l5d.http.retryableRead5XX}
  servers: [{port: 0, ip: 127.0.0.1}]
- protocol: http
  label: incoming
  dtab: /svc => /$/inet/127.1/${web.port}
  interpreter: {kind: default, transformers: [{kind: io.l5d.localhost}]}
  servers: [{port: 0, ip: 127.0.0.2}]
`,
  );
  assert.equal((await send(at.port("outgoing"), "/", { host: "here" })).body, "web");
  assert.equal((await send(at.port("incoming"), "/", { ip: "127.0.0.2" })).body, "web");
  const { status, body } = await send(at.port("outgoing"), "/", { host: "world" });
  assert.equal(status, 502);
  assert.match(body, /\/#\/io\.l5d\.k8s\/default\/http\/world-v1 .*io\.l5d\.k8s is not available/);
  const { routers } = await at.json("/routers.json");
  assert.deepEqual(
    routers.map((one: any) => one.label),
    ["outgoing", "incoming"],
  );
});

test("D4: a port each for HTTP, HTTP/2 and gRPC", async (t) => {
  const [web, h2] = [await backend(t, "http"), await backend2(t)];
  const at = await run(
    t,
    `routers:
- {protocol: http, label: http, dtab: /svc => /$/inet/127.1/${web.port}, servers: [{port: 0, ip: 127.0.0.1}]}
- {protocol: h2, label: h2, dtab: /svc => /$/inet/127.1/${h2.port}, servers: [{port: 0, ip: 127.0.0.2}]}
- protocol: h2
  label: grpc
  identifier: {kind: io.l5d.header.path, segments: 1}
  dtab: /svc/pkg.Svc => /$/inet/127.1/${h2.port}
  service: {responseClassifier: {kind: io.l5d.h2.grpc.default}}
  servers: [{port: 0, ip: 127.0.0.3}]
`,
  );
  assert.equal((await send(at.port("http"), "/")).body, "http");
  assert.equal((await send2(at.port("h2"), "/", {}, "127.0.0.2")).body, "h2");
  const called = await send2(at.port("grpc"), "/pkg.Svc/Method", { "x-grpc": "0" }, "127.0.0.3");
  assert.deepEqual([called.body, called.trailers["grpc-status"]], ["message", "0"]);
});

/** Two routers, as on each node of a cluster: outgoing ones send to the incoming ones of the other side. */
async function node(t: TestContext, disco: Record<string, string>, tls?: string) {
  const incoming = await run(
    t,
    `namers: [{kind: io.l5d.fs, rootDir: DIR/disco}]
routers:
- protocol: http
  label: incoming
  dtab: /srv => /#/io.l5d.fs; /host => /srv; /svc => /host; /host/world => /srv/world-v1;
  servers:
  - port: 0
    ip: 127.0.0.1
    ${tls === undefined ? "" : "tls: {certPath: DIR/linkerd.pem, keyPath: DIR/linkerd.key}"}
`,
    disco,
  );
  const outgoing = await run(
    t,
    `routers:
- protocol: http
  label: outgoing
  dtab: /svc/* => /$/inet/127.0.0.1/${incoming.port("incoming")}
  ${tls ?? ""}
  servers: [{port: 0, ip: 127.0.0.1}]
`,
    disco,
  );
  return { in: incoming.port("incoming"), out: outgoing.port("outgoing") };
}

test("D5: routers speak TLS to each other, and nobody without TLS to the incoming one", async (t) => {
  const folder = (await run(t, "routers: [{protocol: http, servers: [{port: 0, ip: 127.0.0.1}]}]"))
    .folder;
  const { issuer } = await openIssuer(folder, "test", systemClock);
  const { certPem, keyPem, rootsPem } = await credentialsOf(issuer, "linkerd");
  const world = await backend(t, "world");
  const at = await node(
    t,
    {
      "disco/world-v1": world.line,
      "linkerd.pem": certPem,
      "linkerd.key": keyPem,
      "cacertificate.pem": rootsPem,
    },
    "client: {tls: {commonName: linkerd, trustCerts: [DIR/cacertificate.pem]}}",
  );
  assert.equal((await send(at.out, "/", { host: "world" })).body, "world");
  await assert.rejects(send(at.in, "/", { host: "world" }));
});

test("D9, D10: hello calls world through its router; a rule of the first request moves the second", async (t) => {
  const [v1, v2] = [await backend(t, "world"), await backend(t, "earth")];
  let router = 0;
  const hello = await backend(t, "hello", ({ headers }, rsp) => {
    const context = Object.entries(headers).filter(([name]) => name.startsWith("l5d-ctx-"));
    const carried = Object.fromEntries(context) as Record<string, string>;
    void send(router, "http://world/", { host: "world", headers: carried }).then(({ body }) =>
      rsp.end(`Hello (10.12.2.5) ${body} (10.12.0.6)!!`),
    );
  });
  const at = await node(t, {
    "disco/hello": hello.line,
    "disco/world-v1": v1.line,
    "disco/world-v2": v2.line,
  });
  router = at.out;
  const ask = (headers = {}) => send(router, "http://hello/", { host: "hello", headers });
  assert.equal((await ask()).body, "Hello (10.12.2.5) world (10.12.0.6)!!");
  const moved = await ask({ "l5d-dtab": "/host/world => /srv/world-v2" });
  assert.equal(moved.body, "Hello (10.12.2.5) earth (10.12.0.6)!!");
  assert.equal((await ask()).body, "Hello (10.12.2.5) world (10.12.0.6)!!");
  const traces = [hello, v1, v2].flatMap(({ seen }) =>
    seen.map(({ headers }) => headers["l5d-reqid"]),
  );
  assert.equal(new Set(traces).size, 3, "one trace for each first request");
});

test("G: a forward proxy (http_proxy=localhost:4140 curl http://webapp/hello)", async (t) => {
  const app = await backend(t, "Hello world");
  const at = await run(
    t,
    `routers:
- protocol: http
  dtab: |
    /svc/webapp => /$/inet/127.1/${app.port};
  servers: [{port: 0}]
`,
  );
  const { body } = await send(at.port(), "http://webapp/hello", { host: "webapp" });
  assert.deepEqual([body, app.seen[0]!.url], ["Hello world", "/hello"]);
});

test("G: names with a port, by porthostPfx", async (t) => {
  const app = await backend(t, "app");
  const at = await run(
    t,
    `namers: [{kind: io.l5d.fs, prefix: /io.l5d.k8s, rootDir: DIR/disco}]
routers:
- protocol: http
  dtab: |
    /porthost => /#/io.l5d.k8s/default;
    /svc      => /$/io.buoyant.porthostPfx/porthost;
  servers: [{port: 0}]
`,
    { "disco/default/8080/add": app.line },
  );
  assert.equal((await send(at.port(), "/", { host: "add:8080" })).body, "app");
  assert.equal((await send(at.port(), "/", { host: "add" })).status, 502);
});

const ACCRUALS: readonly (readonly [accrual: string, recovers: boolean])[] = [
  ["kind: none", false],
  ["kind: io.l5d.consecutiveFailures, failures: 5", true],
  [
    "kind: io.l5d.successRate, successRate: 0.9, requests: 20, backoff: {kind: constant, ms: 10000}",
    true,
  ],
];

for (const [accrual, recovers] of ACCRUALS) {
  test(`G: three backends of which one fails, and failureAccrual {${accrual}}`, async (t) => {
    const good = [await backend(t, "1"), await backend(t, "2")];
    const bad = await backend(t, "3", (_, rsp) => {
      rsp.statusCode = 500;
      rsp.end();
    });
    const at = await run(
      t,
      `routers:
- protocol: http
  dtab: /svc => /#/io.l5d.fs
  client:
    failureAccrual: {${accrual}}
  servers: [{port: 0}]
namers: [{kind: io.l5d.fs, rootDir: DIR/disco}]
`,
      { "disco/web": [...good, bad].map(({ line }) => line).join("\n") },
    );
    const state = async (): Promise<string> =>
      (await at.json("/routers.json")).routers[0].clients[0].endpoints[2].state;
    await eventually(async () => {
      await send(at.port(), "/");
      return recovers ? (await state()) === "broken" : bad.seen.length >= 6;
    });
    const before = bad.seen.length;
    for (let i = 0; i < 30; i++) await send(at.port(), "/");
    if (recovers) assert.equal(bad.seen.length, before);
    else assert.equal(await state(), "ready");
  });
}

test("G: shares of two namers' names, told to InfluxDB", async (t) => {
  const [app1, app2] = [await backend(t, "app1"), await backend(t, "app2")];
  const at = await run(
    t,
    `telemetry: [{kind: io.l5d.influxdb}]
namers: [{kind: io.l5d.fs, rootDir: DIR/disco}]
routers:
- protocol: http
  dtab: /svc => 9 * /#/io.l5d.fs/app1 & /#/io.l5d.fs/app2;
  servers: [{port: 0}]
`,
    { "disco/app1": app1.line, "disco/app2": app2.line },
  );
  const counts = await tally(300, () => send(at.port(), "/"));
  assert.ok(counts["app2"]! > 10 && counts["app2"]! < 60, JSON.stringify(counts));
  const { body } = await at.admin("/admin/metrics/influxdb");
  assert.match(body, /^rt:client,host=.*,rt=http,client=#\/io\.l5d\.fs\/app1 .*requests=\d+/m);
});

test("G: names from the path, consumed, with a large requeue budget", async (t) => {
  const app = await backend(t, "app");
  const at = await run(
    t,
    `namers: [{kind: io.l5d.fs, rootDir: DIR/disco}]
routers:
- protocol: http
  identifier: {kind: io.l5d.path, segments: 1, consume: true}
  dtab: /svc => /#/io.l5d.fs
  client: {requeueBudget: {percentCanRetry: 5.0}}
  servers: [{port: 0}]
`,
    { "disco/app": app.line },
  );
  assert.equal((await send(at.port(), "/app/x?y")).body, "app");
  assert.equal(app.seen[0]!.url, "/x?y");
});
