// Circuit breakers on a virtual clock: when they trip, and how they come back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { exponential } from "../base/backoff.ts";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { seededRandom } from "../base/random.ts";
import type { HttpRsp } from "../io/message.ts";
import { grpcResponse, request, response, streaming } from "../../test/support/messages.ts";
import { Breaker, type Accrual } from "./breaker.ts";
import { HttpEndpoint } from "./endpoint.ts";

const FAULT = new Fault("io", "reset by peer", { side: "upstream" });
const CONSECUTIVE: Accrual = { consecutive: 3, backoff: exponential(1000, 60_000, 0) };

function world(accrual: Accrual, readyCount = 5) {
  const clock = new VirtualClock();
  let answer: () => Promise<HttpRsp> = async () => response();
  const endpoint = new HttpEndpoint(
    { ip: "10.0.0.7", port: 80, weight: 1, labels: {} },
    { clock, service: () => answer() },
  );
  endpoint.keeper = { readyCount, changed() {} };
  const breaker = new Breaker(endpoint, accrual, { clock, random: seededRandom(1) });
  endpoint.watchers.push(breaker);
  endpoint.onClose(() => breaker.close());
  const send = (outcome: HttpRsp | Fault): Promise<unknown> => {
    answer = () => (outcome instanceof Fault ? Promise.reject(outcome) : Promise.resolve(outcome));
    return endpoint
      .send(request(), clock.now(), (_, fault) => Promise.reject(fault))
      .catch((fault: Fault) => fault);
  };
  const fail = async (n: number, outcome: () => HttpRsp | Fault = () => response(500)) => {
    for (let i = 0; i < n; i++) await send(outcome());
  };
  return { clock, endpoint, send, fail, answerWith: (fn: typeof answer) => (answer = fn) };
}

test("so many failures in a row break it, and a success in between starts over", async () => {
  const w = world(CONSECUTIVE);
  await w.fail(2);
  await w.send(response());
  await w.fail(2);
  assert.equal(w.endpoint.ready, true);
  await w.fail(1);
  assert.equal(w.endpoint.ready, false);
  assert.equal(
    w.endpoint.broken?.fault.message,
    "circuit breaker open for 10.0.0.7:80, last failure: status 500",
  );
});

test("faults and gRPC failures count, refusals by permission do as Linkerd's do, client aborts do not", async () => {
  for (const [outcome, breaks] of [
    [FAULT, true],
    [grpcResponse(14), true],
    [grpcResponse(13, "message"), true],
    [grpcResponse(7), true],
    [grpcResponse(5), false],
    [response(404), false],
    [new Fault("cancelled", "gone", { side: "client" }), false],
  ] as const) {
    const w = world(CONSECUTIVE);
    await w.fail(5, () => outcome);
    assert.equal(w.endpoint.ready, !breaks);
  }
});

test("after the backoff exactly one probe decides", async () => {
  const w = world(CONSECUTIVE);
  await w.fail(3);
  w.clock.advance(999);
  assert.equal(w.endpoint.ready, false);
  w.clock.advance(1);
  assert.equal(w.endpoint.ready, true, "on probation");
  const probe = w.send(response(500));
  assert.equal(w.endpoint.ready, false, "while it is probed, nobody else");
  await probe;
  w.clock.advance(1999);
  assert.equal(w.endpoint.ready, false, "the pause has doubled");
  w.clock.advance(1);
  await w.send(response());
  assert.equal(w.endpoint.ready, true);
  await w.fail(2);
  assert.equal(w.endpoint.ready, true, "it starts over");
});

test("a probe that streams well for a second is good enough", async () => {
  const w = world(CONSECUTIVE);
  await w.fail(3);
  w.clock.advance(1000);
  await w.send(response(200, [], streaming().body));
  assert.equal(w.endpoint.ready, false);
  w.clock.advance(1000);
  assert.equal(w.endpoint.ready, true);
});

test("a probe that its client gives up is repeated", async () => {
  const w = world(CONSECUTIVE);
  await w.fail(3);
  w.clock.advance(1000);
  await w.send(new Fault("cancelled", "gone", { side: "client" }));
  assert.equal(w.endpoint.ready, true);
  await w.send(response(500));
  assert.equal(w.endpoint.ready, false);
});

test("what was under way when it broke changes nothing", async () => {
  const w = world(CONSECUTIVE);
  let finish = (_: HttpRsp): void => {};
  w.answerWith(() => new Promise((resolve) => (finish = resolve)));
  const late = w.endpoint.send(request(), 0, (_, fault) => Promise.reject(fault));
  await w.fail(3);
  finish(response());
  await late;
  assert.equal(w.endpoint.ready, false);
});

test("a success rate below the threshold breaks it, once there were enough requests", async () => {
  const rate = { threshold: 0.8, windowMs: 10_000, minRequests: 5 };
  const w = world({ rate, backoff: exponential(1000, 60_000, 0) });
  await w.send(response(500));
  await w.send(response(500));
  assert.equal(w.endpoint.ready, true);
  w.clock.advance(11_000);
  for (let i = 0; i < 8; i++) await w.send(response());
  await w.send(response(429));
  assert.equal(w.endpoint.ready, true, "8 of 9");
  await w.send(response(500));
  await w.send(response(500));
  assert.equal(w.endpoint.ready, false, "8 of 11; being told to slow down counts as well");
});

test("a success rate over requests, as Linkerd 1 has it", async () => {
  const w = world({
    average: { threshold: 0.9, requests: 10 },
    backoff: exponential(1000, 60_000, 0),
  });
  await w.fail(9);
  assert.equal(w.endpoint.ready, true);
  await w.fail(1);
  assert.equal(w.endpoint.ready, false);
});

test("the only endpoint of a backend is probed again and again", async () => {
  const keeper = { readyCount: 1, changed() {} };
  const w = world(CONSECUTIVE);
  w.endpoint.keeper = keeper;
  await w.fail(3);
  for (const pauseMs of [1000, 2000, 4000]) {
    keeper.readyCount = 0;
    w.clock.advance(pauseMs);
    assert.equal(w.endpoint.ready, true, `after ${pauseMs} ms`);
    await w.fail(1);
  }
});

test("it leaves the minimum of endpoints in use", async () => {
  const kept = world({ ...CONSECUTIVE, minReady: 1 }, 1);
  await kept.fail(10);
  assert.equal(kept.endpoint.ready, true);
  const broken = world({ ...CONSECUTIVE, minReady: 1 }, 2);
  await broken.fail(3);
  assert.equal(broken.endpoint.ready, false);
});

test("it stays away as long as it is asked to", async () => {
  const w = world({ ...CONSECUTIVE, honourRetryAfter: true });
  await w.fail(3, () => response(503, ["Retry-After", "30"]));
  w.clock.advance(29_999);
  assert.equal(w.endpoint.ready, false);
  w.clock.advance(1);
  assert.equal(w.endpoint.ready, true);
});

test("the last request of an endpoint that has gone breaks nothing", async () => {
  const w = world(CONSECUTIVE);
  await w.fail(2);
  const last = w.send(response(500));
  w.endpoint.close();
  await last;
  assert.equal(w.endpoint.broken, undefined);
});
