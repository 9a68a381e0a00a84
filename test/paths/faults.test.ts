// What goes wrong behind the outbound sidecar, and what the application is told.

import assert from "node:assert/strict";
import { test } from "node:test";
import { podYaml } from "../support/world.ts";
import { application, get, mesh, metric, PORTS, until } from "./mesh.ts";

test("a failed request is tried again where the service says so", async (t) => {
  const { client, server, start } = await mesh(t, "retry.linkerd.io/http: 5xx");
  let calls = 0;
  await application(t, server, (req, rsp) => {
    rsp.statusCode = calls++ === 0 ? 503 : 200;
    req.pipe(rsp);
  });
  await start();
  const { status, body } = await get(client, PORTS.http, "/", {}, Buffer.from("precious"));
  assert.deepEqual([status, body, calls], [200, "precious", 2]);
  const retries = await metric(client, "outbound_http_route_retry_requests_total", {});
  assert.equal(retries?.value, 1);
});

test("a service without endpoints is refused at once, and by name", async (t) => {
  const { client, server, plane, start } = await mesh(t);
  await application(t, server, (_req, rsp) => rsp.end("hello"));
  await start();
  assert.equal((await get(client, PORTS.http)).status, 200);
  plane.remove("Pod", "ns/web-1");
  await until(async () => (await get(client, PORTS.http)).status === 503);
  const { headers } = await get(client, PORTS.http);
  const text = String(headers["l5d-proxy-error"]);
  assert.match(text, /^web\.ns\.svc\.cluster\.local:80: no-endpoints for .*: it has no endpoints/);
});

test("an endpoint that cannot be reached is named with the reason", async (t) => {
  const { client, plane, start, second } = await mesh(t);
  await start({ LINKERD2_PROXY_OUTBOUND_CONNECT_TIMEOUT: "200ms" });
  plane.remove("Pod", "ns/web-1");
  plane.apply(podYaml("web-2", second));
  let last = await get(client, PORTS.http);
  await until(async () => {
    last = await get(client, PORTS.http);
    return /fail-fast/.test(String(last.headers["l5d-proxy-error"]));
  });
  assert.equal(last.status, 504);
  const text = String(last.headers["l5d-proxy-error"]);
  assert.match(text, /service in fail-fast \(connect-failed\)/);
  assert.match(text, /1 endpoint: 0 ready, 0 broken, 1 unreachable/);
  assert.match(text, new RegExp(`${second}:4143 failed: connection refused`));
});

test("a breaker takes a failing endpoint out of use, a pod that goes is dropped", async (t) => {
  const breaker =
    "balancer.linkerd.io/failure-accrual: consecutive, balancer.linkerd.io/failure-accrual-consecutive-max-failures: '3'";
  const { client, server, second, plane, env, start, run } = await mesh(t, breaker);
  await application(t, server, (_req, rsp) => rsp.writeHead(500).end("bad"));
  await application(t, second, (_req, rsp) => rsp.end("good"));
  await start();
  await run(env("web-2", second));
  const state = async () => (await get(client, 4191, "/state.json")).body;
  for (let i = 0; i < 3; i++) {
    const { status, body } = await get(client, PORTS.http);
    assert.equal(status, 500, body);
  }
  assert.match(await state(), /circuit breaker open for .*, last failure: status 500/);
  plane.apply(podYaml("web-2", second));
  for (let i = 0; i < 10; i++) assert.equal((await get(client, PORTS.http)).body, "good");
  plane.remove("Pod", "ns/web-1");
  await until(async () => !(await state()).includes(`${server}:8080`));
  assert.equal((await get(client, PORTS.http)).body, "good");
});

test("a peer with another identity than the application wants is refused", async (t) => {
  const { client, server, start } = await mesh(t);
  await application(t, server, (_req, rsp) => rsp.end("hello"));
  await start();
  const wants = (id: string) => get(client, PORTS.http, "/", { "l5d-require-id": id });
  assert.equal((await wants("web.ns.serviceaccount.identity.linkerd.cluster.local")).status, 200);
  const refused = await wants("other.ns.serviceaccount.identity.linkerd.cluster.local");
  assert.equal(refused.status, 502);
  assert.match(String(refused.headers["l5d-proxy-error"]), /required the peer to be other\.ns/);
});

test("an application that is not there is a 502 with the reason", async (t) => {
  const { client, start } = await mesh(t);
  await start();
  const { status, headers } = await get(client, PORTS.http);
  assert.equal(status, 502);
  assert.match(String(headers["l5d-proxy-error"]), /:8080 failed: connection refused/);
});

test("an application that has ended before its sidecar costs no request", async (t) => {
  const { client, second, plane, env, start, run } = await mesh(t);
  await application(t, second, (_req, rsp) => rsp.end("second"));
  // Nobody listens behind the first sidecar.
  const { inbound } = await start({ LINKERD_PROXY_LAME_DUCK: "60s" });
  await run(env("web-2", second));
  plane.apply(podYaml("web-2", second));
  const refused = async () => (await get(client, PORTS.http)).status === 502;
  await until(refused);
  await until(async () => !(await refused()));
  void inbound.retire();
  for (let i = 0; i < 50; i++) {
    const { status, body } = await get(client, PORTS.http);
    assert.deepEqual([status, body], [200, "second"]);
  }
  plane.remove("Pod", "ns/web-2");
  await until(async () => !(await get(client, 4191, "/state.json")).body.includes(second));
  // With nobody else to ask, a request waits for somebody.
  const sent = get(client, PORTS.http);
  const waiting = () => metric(client, "outbound_http_balancer_queue_length", {});
  await until(async () => (await waiting())?.value === 1);
  plane.apply(podYaml("web-2", second));
  assert.equal((await sent).body, "second");
  plane.remove("Pod", "ns/web-2");
  await until(refused);
  assert.match(
    String((await get(client, PORTS.http)).headers["l5d-proxy-error"]),
    /REFUSED_STREAM/,
  );
});

test("an application that ends, whose sidecar knows nothing of it, costs no request", async (t) => {
  // In turn, so that neither is passed over for having been slow once.
  const inTurn = "balancer.linkerd.io/kind: round-robin";
  const { client, server, second, plane, env, start, run } = await mesh(t, inTurn);
  const first = await application(t, server, (_req, rsp) => rsp.end("first"));
  await application(t, second, (_req, rsp) => rsp.end("second"));
  await start();
  await run(env("web-2", second));
  plane.apply(podYaml("web-2", second));
  await until(async () => (await get(client, PORTS.http)).body === "second");
  await until(async () => (await get(client, PORTS.http)).body === "first");
  first.close();
  first.closeIdleConnections();
  for (let i = 0; i < 50; i++) {
    const { status, body } = await get(client, PORTS.http);
    assert.deepEqual([status, body], [200, "second"]);
  }
});
