// A sidecar on two threads: both serve, and whoever asks sees one proxy.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { systemClock as clock } from "../../src/base/clock.ts";
import { application, get, mesh, metric, PORTS, until } from "./mesh.ts";
import { credentialsOf, observe, TAP } from "./observe.ts";
import { exitCode, isClosed, isReady, program } from "./process.ts";

const TWO = { LINKERD2_PROXY_CORES_MAX: "2" };

type Report = { threads: number; outbound: { target: string }[] };

async function stateOf(ip: string): Promise<Report> {
  return JSON.parse((await get(ip, 4191, "/state.json")).body) as Report;
}

/** Asks until each thread of the client's sidecar has come to know the target. */
async function useBoth(ip: string, port: number): Promise<number> {
  let asked = 0;
  await until(async () => {
    await get(ip, port);
    asked += 1;
    return (await stateOf(ip)).outbound.length === 2;
  });
  return asked;
}

test("both threads serve, and their metrics are one page", async (t) => {
  const { client, server, start } = await mesh(t);
  await application(t, server, (_req, rsp) => rsp.end("hello"));
  await start(TWO);
  assert.equal((await stateOf(client)).threads, 2);
  const n = await useBoth(client, PORTS.http);
  const counted = await metric(client, "outbound_http_route_request_statuses_total", {});
  assert.equal(counted?.value, n);
  const taken = await metric(client, "outbound_http_route_request_duration_seconds_count", {});
  assert.equal(taken?.value, n);
  // Both threads balance over the one endpoint there is, and they are one process.
  const endpoints = await metric(client, "outbound_http_balancer_endpoints", {
    endpoint_state: "ready",
  });
  assert.equal(endpoints?.value, 1);
  const { body } = await get(client, 4191, "/metrics");
  assert.equal(body.match(/^process_start_time_seconds /gm)?.length, 1);
  assert.equal(body.match(/^control_identity_cert_refreshes_total\{result="ok"\} 1$/gm)?.length, 1);
  // One of them alone talks to the control plane: of the profile and of the endpoints.
  const streams = await metric(client, "control_destination_balancer_queue_requests_total", {});
  assert.equal(streams?.value, 2);
  assert.equal((await get(client, 4191, "/live")).status, 200);
});

test("a tap sees what passes through both threads, up to its limit", async (t) => {
  const { client, server, plane, start } = await mesh(t);
  await application(t, server, (_req, rsp) => rsp.end("hello"));
  await start({ ...TWO, LINKERD2_PROXY_TAP_SVC_NAME: TAP });
  const asking = setInterval(() => void get(client, PORTS.http, "/seen").catch(() => {}), 2);
  const events = await observe(client, 25, "/seen", await credentialsOf(TAP, plane));
  clearInterval(asking);
  const ids = events.flatMap(({ event }) =>
    event.case === "http" && event.value.event.case === "requestInit"
      ? [event.value.event.value.id!]
      : [],
  );
  assert.equal(ids.length, 25);
  assert.equal(events.length, 75);
  assert.equal(new Set(ids.map(({ base }) => base)).size, 2);
});

test("a rate limit holds for both threads together", async (t) => {
  const { client, server, plane, start } = await mesh(t);
  await application(t, server, (_req, rsp) => rsp.end("hello"));
  plane.apply(LIMITED);
  await start({ ...TWO, LINKERD2_PROXY_INBOUND_PORTS: "8080" });
  await useBoth(client, PORTS.http);
  // The policy is known.
  await until(async () => (await get(client, PORTS.http)).status === 429);
  const began = clock.now();
  const statuses: number[] = [];
  for (let i = 0; i < 20; i++) {
    const some = Array.from({ length: 10 }, () => get(client, PORTS.http));
    statuses.push(...(await Promise.all(some)).map(({ status }) => status));
  }
  const seconds = (clock.now() - began) / 1000;
  const passed = statuses.filter((status) => status === 200).length;
  assert.ok(passed <= 5 * (1 + seconds) + 1, `${passed} in ${seconds} s`);
  assert.equal(statuses.filter((status) => status === 429).length, 200 - passed);
});

test("both threads have the same certificate, and the next one", async (t) => {
  const { server, start } = await mesh(t);
  const every = { MIN_REFRESH: "1s", MAX_REFRESH: "1s" };
  const renewal = Object.entries(every).map(([k, v]) => [`LINKERD2_PROXY_IDENTITY_${k}`, v]);
  await start({ ...TWO, ...(Object.fromEntries(renewal) as Record<string, string>) });
  // Of so many connections, some are accepted by either thread.
  const serials = async (): Promise<string[]> => {
    const all = await Promise.all(Array.from({ length: 16 }, () => serialOf(server)));
    return [...new Set(all)];
  };
  const seen = new Set<string>();
  await until(async () => {
    const found = await serials();
    if (found.length === 1) seen.add(found[0]!);
    return seen.size === 2;
  });
});

test("SIGTERM lets requests on both threads finish, then ends it with 0", async (t) => {
  const { client: ip, env } = await mesh(t);
  const waiting: (() => void)[] = [];
  await application(t, ip, ({ url }, rsp) => {
    if (url === "/wait") waiting.push(() => rsp.end("late"));
    else rsp.end();
  });
  const { child } = program(t, { ...env("client", ip), ...ALONE(ip), ...TWO });
  await until(isReady(ip));
  await useBoth(ip, 14_080);
  const replies = Array.from({ length: 16 }, () => get(ip, 14_080, "/wait"));
  await until(() => waiting.length === 16);
  child.kill("SIGTERM");
  await until(isClosed(t, ip, 14_080));
  for (const answer of waiting) answer();
  for (const reply of await Promise.all(replies)) assert.equal(reply.body, "late");
  assert.equal(await exitCode(child), 0);
});

test("what is logged changes for both threads", async (t) => {
  const { client: ip, env } = await mesh(t);
  const { child, errors } = program(t, { ...env("client", ip), ...ALONE(ip), ...TWO });
  await until(isReady(ip));
  const body = Buffer.from("linkerd=info");
  const put = await fetch(`http://${ip}:4191/proxy-log-level`, { method: "PUT", body });
  assert.equal(put.status, 204);
  await until(async () => {
    await get(ip, 14_080); // Nothing is there to answer it.
    return ["01", "02"].every((n) => errors().includes(`ThreadId(${n}) linkerd::proxy: Request`));
  });
  child.kill("SIGKILL");
});

test("a thread that ends by itself ends the proxy, which says why", async (t) => {
  const { client: ip, env } = await mesh(t);
  const folder = mkdtempSync(join(tmpdir(), "cores-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const sign = join(folder, "sign");
  const death = join(folder, "death.mjs");
  writeFileSync(
    death,
    `import { existsSync } from "node:fs";
     import { isMainThread } from "node:worker_threads";
     if (!isMainThread) setInterval(() => existsSync(${JSON.stringify(sign)}) && process.exit(9), 10);`,
  );
  const { child, errors } = program(t, {
    ...env("client", ip),
    ...ALONE(ip),
    ...TWO,
    LINKERD2_PROXY_LOG: "error",
    NODE_OPTIONS: `--import ${death}`,
  });
  await until(isReady(ip));
  writeFileSync(sign, "");
  assert.equal(await exitCode(child), 70);
  assert.match(errors(), /lost a thread error=thread 2 has ended: exit code 9/);
});

// An outbound side that leads to the application beside it.
const ALONE = (ip: string): Record<string, string> => ({
  LINKERD2_PROXY_OUTBOUND_LISTEN_ADDRS: `${ip}:14080`,
  LINKERD_PROXY_OUTBOUND_ORIGINALS: `${ip}:14080=${ip}:8080`,
  LINKERD2_PROXY_SHUTDOWN_GRACE_PERIOD: "10s",
});

async function serialOf(ip: string): Promise<string> {
  const servername = "web.ns.serviceaccount.identity.linkerd.cluster.local";
  const socket = connectTls({ host: ip, port: 4143, servername, rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const { serialNumber } = socket.getPeerCertificate();
  socket.on("error", () => {}).destroy();
  return serialNumber;
}

const LIMITED = `
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: {name: web-http, namespace: ns}
spec:
  podSelector: {matchLabels: {app: web}}
  port: http
  proxyProtocol: HTTP/1
  accessPolicy: all-unauthenticated
---
apiVersion: policy.linkerd.io/v1alpha1
kind: HTTPLocalRateLimitPolicy
metadata: {name: slow, namespace: ns}
spec:
  targetRef: {group: policy.linkerd.io, kind: Server, name: web-http}
  total: {requestsPerSecond: 5}
`;
