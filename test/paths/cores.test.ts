// A sidecar on two threads: both serve, and whoever asks sees one proxy.

import assert from "node:assert/strict";
import { test } from "node:test";
import { application, get, mesh, PORTS } from "./mesh.ts";

const TWO = { LINKERD2_PROXY_CORES_MAX: "2" };

type Report = { threads: number; outbound: { target: string }[]; connections: number };

async function stateOf(ip: string): Promise<Report> {
  return JSON.parse((await get(ip, 4191, "/state.json")).body) as Report;
}

async function metric(ip: string, pattern: RegExp): Promise<number> {
  const { body } = await get(ip, 4191, "/metrics");
  const lines = body.split("\n").filter((line) => pattern.test(line));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

test("both threads serve, and their metrics are one page", async (t) => {
  const { client, server, start } = await mesh(t);
  await application(t, server, (_req, rsp) => rsp.end("hello"));
  await start(TWO);
  const n = 40;
  for (let i = 0; i < n; i++) assert.equal((await get(client, PORTS.http, `/${i}`)).body, "hello");
  const state = await stateOf(client);
  assert.equal(state.threads, 2);
  // Each connection is its own, and the kernel spreads them: each thread has come to know the target.
  assert.equal(state.outbound.filter(({ target }) => target === "10.96.0.1:80").length, 2);
  assert.equal(await metric(client, /^outbound_http_route_request_statuses_total\{/), n);
  assert.equal(await metric(server, /^inbound_http_authz_allow_total\{.*8080/), n);
});
