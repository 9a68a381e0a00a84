// Taps: both sides of a request as events, for those who may look.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TapEvent } from "../../proto/gen/tap_pb.js";
import { application, get, mesh, PORTS } from "./mesh.ts";
import { credentialsOf, observe, TAP } from "./observe.ts";

const ALLOWED = { LINKERD2_PROXY_TAP_SVC_NAME: TAP };

const kinds = (events: TapEvent[]): unknown[] =>
  events.map(({ event }) => event.case === "http" && event.value.event.case);

test("a tap sees what it asks for, on both sides, and ends at its limit", async (t) => {
  const { client, server, plane, start } = await mesh(t);
  await application(t, server, (_req, rsp) => rsp.setHeader("x-app", "1").end("hello"));
  await start(ALLOWED);
  await get(client, PORTS.http, "/other");
  const own = await credentialsOf(TAP, plane);
  const taps = Promise.all([client, server].map((ip) => observe(ip, 1, "/wanted", own)));
  // Until both look, requests pass unseen; each tap ends with the first that it sees.
  const ask = () => void get(client, PORTS.http, "/wanted?a=b").catch(() => {});
  const asking = setInterval(ask, 20);
  const [out, into] = await taps;
  clearInterval(asking);
  assert.deepEqual(kinds(out!), ["requestInit", "responseInit", "responseEnd"]);
  assert.deepEqual(kinds(into!), ["requestInit", "responseInit", "responseEnd"]);
  const [first, second, third] = out!;
  assert.equal(first!.proxyDirection, 2);
  assert.equal(first!.destinationMeta?.labels["pod"], "web-1");
  assert.equal(first!.destinationMeta?.labels["tls"], "true");
  assert.equal(
    into![0]!.sourceMeta?.labels["client_id"],
    "web.ns.serviceaccount.identity.linkerd.cluster.local",
  );
  assert.ok(first!.event.case === "http" && first!.event.value.event.case === "requestInit");
  assert.equal(first!.event.value.event.value.path, "/wanted?a=b");
  assert.ok(second!.event.case === "http" && second!.event.value.event.case === "responseInit");
  assert.equal(second!.event.value.event.value.httpStatus, 200);
  const names = second!.event.value.event.value.headers?.headers.map(({ name }) => name);
  assert.ok(names?.includes("x-app"));
  assert.ok(third!.event.case === "http" && third!.event.value.event.case === "responseEnd");
  assert.equal(third!.event.value.event.value.responseBytes, 5n);
});

test("nobody taps a sidecar that was not told of a tap", async (t) => {
  const { client, start } = await mesh(t);
  await start();
  await assert.rejects(observe(client, 1, "/"), { code: "connect-failed" });
});

test("a neighbour on loopback may tap no more than one from elsewhere", async (t) => {
  const { client, plane, start } = await mesh(t);
  await start(ALLOWED);
  await assert.rejects(observe(client, 1, "/"), /a client without identity may not tap/);
  const other = await credentialsOf("web.ns.serviceaccount.identity.linkerd.cluster.local", plane);
  await assert.rejects(observe(client, 1, "/", other), /web\.ns\..* may not tap/);
});
