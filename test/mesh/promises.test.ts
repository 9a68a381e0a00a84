// What the guides promise of traffic: every protocol without configuration, the faster endpoint gets more, requests of
// one connection are spread, profiles retry and time out, routes split. Two sidecars and a control plane, real sockets.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer as createH2, connect as connectH2 } from "node:http2";
import { test } from "node:test";
import {
  application,
  get,
  mesh,
  metric,
  PORTS,
  read,
  tcp,
  tcpApplication,
  until,
} from "../paths/mesh.ts";
import { podYaml } from "../support/world.ts";

test("one port takes HTTP/1, HTTP/2, WebSocket and anything else", async (t) => {
  const { client, server, start } = await mesh(t);
  const app = await application(t, server, (_, rsp) => rsp.end("one"));
  app.on("upgrade", (req, socket) => {
    const accept = createHash("sha1")
      .update(`${req.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest("base64");
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
    );
    socket.on("error", () => {}).on("data", (chunk: Buffer) => socket.write(chunk));
  });
  await start();
  assert.equal((await get(client, PORTS.http)).body, "one");

  const socket = await tcp(t, client, PORTS.http);
  socket.write(
    "GET /chat HTTP/1.1\r\nhost: web\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  const head = await read(socket);
  assert.match(head, /^HTTP\/1\.1 101 /);
  assert.match(head, /sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/i);
  socket.write("\u0081\u0005hello", "latin1");
  assert.equal(await read(socket), "\u0081\u0005hello");
});

test("HTTP/2 without TLS, and bytes that are not HTTP, on a port that nothing is said of", async (t) => {
  const { client, server, start } = await mesh(t);
  const app = createH2((req, rsp) => rsp.end(`${req.httpVersion} ${req.url}`));
  await new Promise<void>((resolve) => app.listen(8080, server, resolve));
  await tcpApplication(t, server, (socket) => socket.pipe(socket));
  await start();
  const session = connectH2(`http://${client}:${PORTS.http}`);
  t.after(() => (session.destroy(), app.close()));
  const stream = session.request({ ":path": "/two" });
  assert.equal((await stream.setEncoding("utf8").toArray()).join(""), "2.0 /two");
  const socket = await tcp(t, client, PORTS.db);
  socket.write("\u0000\u0001bytes");
  assert.equal(await read(socket), "\u0000\u0001bytes");
  const bytes = await metric(client, "tcp_read_bytes_total", { peer: "dst", target_port: "3306" });
  assert.ok(bytes!.value >= 7);
});

/** Two pods of the service, each an HTTP application that answers its name after a time. */
async function two(
  t: Parameters<typeof mesh>[0],
  delaysMs: readonly [number, number],
  annotations = "",
) {
  const parts = await mesh(t, annotations);
  const { server, second, plane, env, start, run } = parts;
  const answers = (name: string, ms: number) =>
    [
      (_: unknown, rsp: { end(text: string): void }) => void setTimeout(() => rsp.end(name), ms),
    ] as const;
  await application(t, server, ...answers("a", delaysMs[0]));
  await application(t, second, ...answers("b", delaysMs[1]));
  await start();
  await run(env("web-2", second));
  plane.apply(podYaml("web-2", second));
  const ask = async (): Promise<string> => (await get(parts.client, PORTS.http)).body;
  const found = new Set<string>();
  await until(async () => found.add(await ask()).size === 2);
  return { ...parts, ask };
}

test("the slower of two endpoints gets less", async (t) => {
  const { ask } = await two(t, [0, 100]);
  const counts = { a: 0, b: 0 };
  const worker = async (): Promise<void> => {
    for (let i = 0; i < 30; i++) counts[(await ask()) as "a" | "b"] += 1;
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  t.diagnostic(`${counts.a} to the fast one, ${counts.b} to the slow one`);
  assert.ok(counts.a > 3 * counts.b, JSON.stringify(counts));
});

test("requests of one HTTP/2 connection are spread over equal endpoints", async (t) => {
  const { client, server, second, plane, env, start, run } = await mesh(t);
  for (const [ip, name] of [
    [server, "a"],
    [second, "b"],
  ] as const) {
    const app = createH2((_, rsp) => void setTimeout(() => rsp.end(name), 2));
    await new Promise<void>((resolve) => app.listen(8080, ip, resolve));
    t.after(() => app.close());
  }
  await start();
  await run(env("web-2", second));
  plane.apply(podYaml("web-2", second));
  const session = connectH2(`http://${client}:${PORTS.http}`);
  t.after(() => session.destroy());
  const ask = async (): Promise<"a" | "b"> => {
    const stream = session.request({ ":method": "POST", "content-type": "application/grpc" });
    stream.end();
    return (await stream.setEncoding("utf8").toArray()).join("") as "a" | "b";
  };
  const found = new Set<string>();
  await until(async () => found.add(await ask()).size === 2);
  const counts = { a: 0, b: 0 };
  const worker = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) counts[await ask()] += 1;
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  t.diagnostic(JSON.stringify(counts));
  assert.ok(Math.min(counts.a, counts.b) > 100, JSON.stringify(counts));
});

const PROFILE = `
apiVersion: linkerd.io/v1alpha2
kind: ServiceProfile
metadata: {name: web.ns.svc.cluster.local, namespace: ns}
spec:
  retryBudget: {retryRatio: 0.2, minRetriesPerSecond: 10, ttl: 10s}
  routes:
    - name: GET /transactions
      condition: {method: GET, pathRegex: /transactions}
      isRetryable: true
    - name: POST /transactions
      condition: {method: POST, pathRegex: /transactions}
      timeout: 100ms
    - name: GET /transactions/{id}
      condition: {method: GET, pathRegex: '/transactions/[^/]*'}
`;

test("a ServiceProfile retries, times out, and keeps to its budget", async (t) => {
  const { client, server, plane, start } = await mesh(t);
  let calls = 0;
  let isDown = false;
  await application(t, server, (req, rsp) => {
    calls += 1;
    if (req.method === "POST") return;
    rsp.statusCode = isDown || calls % 2 === 1 ? 500 : 200;
    rsp.end();
  });
  plane.apply(PROFILE);
  await start();
  const status = async (path: string, body?: Buffer) =>
    (await get(client, PORTS.http, path, {}, body)).status;
  await until(
    async () => (await status("/transactions")) === 200 && (await status("/transactions")) === 200,
  );
  for (let i = 0; i < 10; i++) {
    calls = 0;
    assert.equal(await status("/transactions"), 200);
    assert.equal(calls, 2, "one failure, one retry");
  }
  calls = 0;
  assert.equal(await status("/transactions/7"), 500);
  assert.equal(calls, 1, "no retry where none is asked for");
  assert.equal(await status("/transactions", Buffer.from("x")), 504);
  isDown = true;
  calls = 0;
  const worker = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) assert.equal(await status("/transactions"), 500);
  };
  await Promise.all(Array.from({ length: 20 }, worker));
  t.diagnostic(`400 failures made ${calls} calls`);
  assert.ok(calls > 400 && calls < 400 * 2, `${calls} calls: the budget holds`);
  const actual = await metric(client, "route_actual_response_total", {
    rt_route: "GET /transactions",
  });
  assert.ok(actual, "the route is measured");
});

const backend = (name: string, ip: string): string => `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ns}
spec: {clusterIP: ${ip}, selector: {app: ${name}}, ports: [{name: http, port: 80, targetPort: http}]}
`;

const ROUTE = (one: number, other: number): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: split, namespace: ns}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules:
    - backendRefs: [{name: one, port: 80, weight: ${one}}, {name: other, port: 80, weight: ${other}}]
`;

const SPLIT = (one: number, other: number): string => `
apiVersion: split.smi-spec.io/v1alpha2
kind: TrafficSplit
metadata: {name: split, namespace: ns}
spec: {service: web, backends: [{service: one, weight: ${one}}, {service: other, weight: ${other}}]}
`;

for (const [kind, split] of [
  ["HTTPRoute", ROUTE],
  ["TrafficSplit", SPLIT],
] as const) {
  test(`a ${kind} sends 75 of 100 to one and 25 to the other, then all to one`, async (t) => {
    const { client, server, second, plane, env, start, run } = await mesh(t);
    await application(t, server, (_, rsp) => rsp.end("one"));
    await application(t, second, (_, rsp) => rsp.end("other"));
    plane.apply([backend("one", "10.96.0.11"), backend("other", "10.96.0.12")].join("---"));
    plane.apply(podYaml("web-1", server, { labels: "app: one" }));
    plane.apply(podYaml("web-2", second, { labels: "app: other" }));
    plane.apply(split(75, 25));
    await start();
    await run(env("web-2", second));
    const ask = async (): Promise<string> => (await get(client, PORTS.http)).body;
    const found = new Set<string>();
    await until(async () => found.add(await ask()).has("one") && found.has("other"));
    let others = 0;
    for (let i = 0; i < 1000; i++) if ((await ask()) === "other") others += 1;
    t.diagnostic(`${others} of 1000 went to the other`);
    // Six standard deviations to either side.
    assert.ok(Math.abs(others - 250) < 83, `${others} of 1000`);
    plane.apply(split(100, 0));
    let alike = 0;
    await until(async () => (alike = (await ask()) === "one" ? alike + 1 : 0) === 50);
  });
}

test("whatever clients make up, the metrics stay of the same size", async (t) => {
  const { client, server, start } = await mesh(t);
  await application(t, server, (_, rsp) => rsp.end("hello"));
  await start();
  const call = (i: number) =>
    get(client, PORTS.http, `/p${i}?q=${i}`, { host: `h${i}.example`, [`x-${i}`]: "1" });
  const series = async (): Promise<number> => {
    const pages = await Promise.all([client, server].map((ip) => get(ip, 4191, "/metrics")));
    const lines = pages.flatMap(({ body }) => body.split("\n"));
    // Buckets appear as latencies fall into them.
    return lines.filter((line) => /^\w/.test(line) && !line.includes("_bucket{")).length;
  };
  for (let i = 0; i < 100; i++) await call(i);
  const before = await series();
  for (let i = 100; i < 1000; i++) await call(i);
  const after = await series();
  t.diagnostic(`${before} series after 100 requests, ${after} after 1000`);
  assert.ok(after < before + 50, `${before} became ${after}`);
});
