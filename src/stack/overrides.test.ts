// Limits that requests bring in header fields.

import assert from "node:assert/strict";
import { test } from "node:test";
import { request, response } from "../../test/support/messages.ts";
import { type Limits, overridable } from "./overrides.ts";

const LIMITS: Limits = { timeouts: { requestMs: 1000, idleMs: 5 }, retry: undefined };

function world(obeys: boolean) {
  const used: Limits[] = [];
  let bound = 0;
  const service = overridable(LIMITS, obeys, (limits) => {
    bound += 1;
    return async ({ headers }) => {
      used.push(limits);
      assert.ok(!headers.some((name) => name.toLowerCase().startsWith("l5d-")), "taken off");
      return response();
    };
  });
  const send = (...headers: string[]) => service(request({ headers: [...headers, "x", "y"] }));
  return { used, send, bound: () => bound };
}

test("a request without them has the limits of its route", async () => {
  const w = world(true);
  await w.send();
  assert.equal(w.used[0], LIMITS);
});

test("a request brings its own limits", async () => {
  const w = world(true);
  await w.send("L5d-Timeout", "300ms", "l5d-response-timeout", "2s");
  assert.deepEqual(w.used[0], {
    timeouts: { requestMs: 300, idleMs: 5, responseMs: 2000 },
    retry: undefined,
  });
  await w.send(
    "l5d-retry-http",
    "5xx, 429,404-405",
    "l5d-retry-limit",
    "3",
    "l5d-retry-timeout",
    "1s",
  );
  assert.deepEqual(w.used[1]!.retry, {
    limit: 3,
    maxBodyBytes: 65_536,
    statuses: [
      { from: 500, to: 599 },
      { from: 429, to: 429 },
      { from: 404, to: 405 },
    ],
    grpcStatuses: [],
    attemptMs: 1000,
    backoff: { minMs: 25, maxMs: 250, jitter: 1 },
  });
  await w.send("l5d-retry-grpc", "unavailable,internal");
  assert.deepEqual(w.used[2]!.retry?.grpcStatuses, [14, 13]);
});

test("the same limits are bound once", async () => {
  const w = world(true);
  for (let i = 0; i < 3; i++) await w.send("l5d-timeout", "1s");
  assert.equal(w.bound(), 2);
});

test("where the route does not allow them they are only taken off", async () => {
  const w = world(false);
  await w.send("l5d-timeout", "1s", "l5d-retry-limit", "nonsense");
  assert.equal(w.used[0], LIMITS);
});

test("what cannot be read is refused, all of it at once", async () => {
  const w = world(true);
  await assert.rejects(
    w.send("l5d-timeout", "soon", "l5d-retry-http", "6xx", "l5d-retry-limit", "2"),
    {
      code: "bad-request",
      message: /l5d-timeout: soon, l5d-retry-http: 6xx/,
    },
  );
});
