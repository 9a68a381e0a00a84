// Metrics and traces on their way to others: StatsD by datagrams, OpenTelemetry by gRPC.

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { collector } from "../support/collector.ts";
import { backend, eventually, run, send } from "./run.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";

const router = (port: number, more = "") => `
routers:
- protocol: http
  dtab: /svc => /$/inet/127.0.0.1/${port}
  servers: [{port: 0, ip: 127.0.0.1}]
  ${more}
`;

test("metrics go to StatsD: sums of counts, gauges, and what summaries say", async (t) => {
  const statsd = createSocket("udp4");
  t.after(() => statsd.close());
  statsd.bind(0, "127.0.0.1");
  await once(statsd, "listening");
  const sums: Record<string, number> = {};
  statsd.on("message", (packet) => {
    assert.ok(packet.length <= 1400);
    for (const line of packet.toString().split("\n")) {
      const [, name, value, kind] = /^([\w.]+):([\d.e-]+)\|([cg])$/.exec(line) ?? assert.fail(line);
      sums[name!] = kind === "c" ? (sums[name!] ?? 0) + Number(value) : Number(value);
    }
  });
  const web = await backend(t, "web");
  const at = await run(
    t,
    `telemetry:
- kind: io.l5d.statsd
  experimental: true
  prefix: mesh
  port: ${statsd.address().port}
  gaugeIntervalMs: 20
${router(web.port)}`,
  );
  for (let i = 0; i < 3; i++) await send(at.port(), "/");
  const service = "mesh.rt.http.service.svc.web";
  await eventually(() => sums[`${service}.requests`] === 3);
  await send(at.port(), "/");
  await eventually(() => sums[`${service}.requests`] === 4);
  await eventually(() => sums[`${service}.request_latency_ms.count`] === 4);
  assert.equal(sums["mesh.rt.http.server.127_0_0_1.0.success"], 4);
  assert.equal(sums[`${service}.retries.budget`], 100);
});

test("spans go to OpenTelemetry, joined to the trace of W3C's header", async (t) => {
  const { spans, port } = await collector(t, "127.0.0.1", 0);
  const web = await backend(t, "web");
  const at = await run(
    t,
    `telemetry: [{kind: io.l5d.otlp, host: 127.0.0.1, port: ${port}, sampleRate: 0}]
${router(web.port, "tracePropagator: {kind: io.l5d.w3c}")}`,
  );
  await send(at.port(), "/quiet");
  await send(at.port(), "/loud", {
    headers: { traceparent: `00-${TRACE}-b7ad6b7169203331-01` },
  });
  await eventually(() => spans.length === 2);
  assert.ok(spans.every(({ trace }) => trace === TRACE));
  const server = spans.find(({ parent }) => parent === "b7ad6b7169203331")!;
  const client = spans.find(({ parent }) => parent === server.span)!;
  assert.equal(web.seen[1]!.headers["traceparent"], `00-${TRACE}-${client.span}-01`);
  assert.equal(client.attributes["service"], "/svc/web");
  assert.equal(client.attributes["http.uri"], "/loud");
  assert.equal(client.name, "GET /svc/web");
  await eventually(async () => (await at.metrics())["otlp/sent"] === 2);
});
