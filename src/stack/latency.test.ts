// Penalties for failures in the latency estimate.

import assert from "node:assert/strict";
import { test } from "node:test";
import { grpcResponse, response } from "../../test/support/messages.ts";
import { Latency, retryAfterMs } from "./latency.ts";

const PENALTY = { penaltyMs: 5000, decayMs: 10_000, maxRetryAfterMs: 300_000 };

test("a failing response keeps the endpoint away, as long as it asks for and no longer than allowed", () => {
  const of = (...headers: string[]) => {
    const latency = new Latency({ defaultRttMs: 30, decayMs: 10_000, penalty: PENALTY }, 0);
    latency.punish(response(503, headers), 0);
    return latency;
  };
  assert.equal(of().cost(0), 5000);
  assert.equal(of("retry-after", "60").cost(0), 60_000);
  assert.equal(of("retry-after", "1").cost(0), 5000);
  assert.equal(of("retry-after", "86400").cost(0), 300_000);
  assert.ok(Math.abs(of().cost(10_000) - 5000 / Math.E) < 1e-6);
});

test("without a penalty, a failure still weighs a second by its share of time", () => {
  const latency = new Latency({ defaultRttMs: 30, decayMs: 10_000 }, 0);
  latency.punish(response(503), 0);
  assert.equal(latency.cost(0), 30);
  for (let ms = 100; ms <= 1000; ms += 100) latency.failed(1, ms);
  assert.ok(latency.cost(1000) > 100 && latency.cost(1000) < 200, String(latency.cost(1000)));
});

test("what responses ask for", () => {
  assert.equal(retryAfterMs(response(429, ["Retry-After", "2"])), 2000);
  assert.equal(
    retryAfterMs(response(429, ["Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT"])),
    undefined,
  );
  const pushed = grpcResponse(14, "x");
  pushed.body.ended!.trailers!.push("grpc-retry-pushback-ms", "250");
  assert.equal(retryAfterMs(pushed), 250);
  assert.equal(retryAfterMs(response(503)), undefined);
});
