// The metrics of requests, routes and queues as they stand on the page.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { Registry } from "../base/metrics.ts";
import type { HttpRsp } from "../io/message.ts";
import { grpcResponse, request, response, scripted } from "../../test/support/messages.ts";
import { observe, type Watcher } from "./exchange.ts";
import { backendStats, inboundRouteStats, queueStats, routeStats } from "./routestats.ts";
import { HttpFamilies, LATENCY_BOUNDS_MS, Stats } from "./stats.ts";

const LABELS = { direction: "outbound", dst_service: "web" };

/** The samples on the page after `answers`, each taking `ms`, without those of histogram buckets. */
async function samples(
  watch: (registry: Registry) => Watcher,
  answers: (HttpRsp | Fault)[],
  ms = 0,
): Promise<string[]> {
  const clock = new VirtualClock();
  const registry = new Registry(clock);
  const slow = scripted(
    ...answers.map((answer) => () => {
      clock.advance(ms);
      return answer;
    }),
  );
  const service = observe(clock, [watch(registry)])(slow);
  for (const _ of answers) await service(request()).catch(() => {});
  return registry
    .print()
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#") && !/_bucket|_sum/.test(line));
}

test("requests, responses by status and class, latencies by status", async () => {
  const lines = await samples(
    (registry) => new Stats(new HttpFamilies(registry), LABELS),
    [
      response(200),
      response(503),
      response(200),
      grpcResponse(14, "x"),
      grpcResponse(0),
      new Fault("connect-failed", "refused"),
    ],
  );
  const common = 'direction="outbound",dst_service="web"';
  assert.deepEqual(lines, [
    `request_total{${common}} 6`,
    `response_latency_ms_count{${common},status_code="200"} 4`,
    `response_latency_ms_count{${common},status_code="503"} 1`,
    `response_total{${common},status_code="200",classification="success"} 2`,
    `response_total{${common},status_code="503",classification="failure"} 1`,
    `response_total{${common},status_code="200",classification="failure",grpc_status="14"} 1`,
    `response_total{${common},status_code="200",classification="success",grpc_status="0"} 1`,
    `response_total{${common},classification="failure",error="i/o"} 1`,
  ]);
});

test("the buckets of latencies are Linkerd's", () => {
  assert.deepEqual(LATENCY_BOUNDS_MS.slice(0, 12), [1, 2, 3, 4, 5, 10, 20, 30, 40, 50, 100, 200]);
  assert.equal(LATENCY_BOUNDS_MS.length, 25);
  assert.equal(LATENCY_BOUNDS_MS.at(-1), 50_000);
});

test("routes and backends by HTTP status or error", async () => {
  const route = { parent_name: "web", route_name: "r" };
  const answers = [
    response(200),
    new Fault("failfast", "x"),
    new Fault("response-timeout", "x"),
    response(200),
  ];
  const common = 'parent_name="web",route_name="r"';
  assert.deepEqual(await samples((r) => routeStats(r, "outbound_http", route), answers, 20), [
    `outbound_http_route_request_duration_seconds_count{${common}} 4`,
    `outbound_http_route_request_statuses_total{${common},http_status="200",error=""} 2`,
    `outbound_http_route_request_statuses_total{${common},http_status="",error="FAIL_FAST"} 1`,
    `outbound_http_route_request_statuses_total{${common},http_status="",error="RESPONSE_HEADERS_TIMEOUT"} 1`,
  ]);
  assert.deepEqual(
    (await samples((r) => backendStats(r, "outbound_http", route), answers)).slice(0, 2),
    [
      `outbound_http_route_backend_requests_total{${common}} 4`,
      `outbound_http_route_backend_response_duration_seconds_count{${common}} 4`,
    ],
  );
});

test("gRPC routes count gRPC statuses", async () => {
  const lines = await samples(
    (r) => inboundRouteStats(r, "inbound_grpc", { route_name: "r" }),
    [grpcResponse(0, "x"), grpcResponse(5), response(200)],
  );
  assert.deepEqual(
    lines.filter((line) => line.includes("statuses")),
    [
      'inbound_grpc_statuses_total{route_name="r",grpc_status="OK",error=""} 1',
      'inbound_grpc_statuses_total{route_name="r",grpc_status="NOT_FOUND",error=""} 1',
      'inbound_grpc_statuses_total{route_name="r",grpc_status="",error="UNKNOWN"} 1',
    ],
  );
});

test("queues and balancers", () => {
  const clock = new VirtualClock();
  const registry = new Registry(clock);
  const watcher = queueStats(registry, "outbound_http", { backend_name: "web" }, clock);
  watcher.endpoints(2, 1);
  watcher.gate("open");
  watcher.passed(2);
  watcher.length(3);
  const page = registry.print();
  for (const sample of [
    'outbound_http_balancer_endpoints{endpoint_state="ready",backend_name="web"} 2',
    'outbound_http_balancer_endpoints{endpoint_state="pending",backend_name="web"} 1',
    'outbound_http_balancer_queue_gate_open_total{backend_name="web"} 1',
    'outbound_http_balancer_queue_gate_open_time_seconds{backend_name="web"} 1700000000',
    'outbound_http_balancer_queue_requests_total{backend_name="web"} 1',
    'outbound_http_balancer_queue_latency_seconds_bucket{backend_name="web",le="0.005"} 1',
    'outbound_http_balancer_queue_length{backend_name="web"} 3',
  ]) {
    assert.ok(page.includes(`${sample}\n`), sample);
  }
});
