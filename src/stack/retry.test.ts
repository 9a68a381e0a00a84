// Retries, seen from both sides: what upstream gets, and what the client gets. On a virtual clock.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Budget } from "../base/budget.ts";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { Counter } from "../base/metrics.ts";
import { seededRandom } from "../base/random.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import {
  grpcResponse,
  pass,
  request,
  response,
  scripted,
  streaming,
  textOf,
  turn,
} from "../../test/support/messages.ts";
import { retry, type RetryOptions, type RetryPolicy } from "./retry.ts";
import type { HttpService } from "./types.ts";

const POLICY: RetryPolicy = {
  limit: 2,
  maxBodyBytes: 100,
  statuses: [{ from: 500, to: 599 }],
  grpcStatuses: [14],
  attemptMs: undefined,
  backoff: undefined,
};

function world(
  policy: Partial<RetryPolicy>,
  next: HttpService,
  options: Partial<RetryOptions> = {},
) {
  const clock = new VirtualClock();
  const counted = counters();
  const filter = retry(
    { ...POLICY, ...policy },
    {
      clock,
      random: seededRandom(1),
      counters: counted,
      ...options,
    },
  );
  const counts = () =>
    Object.fromEntries(Object.entries(counted).map(([name, { value }]) => [name, value]));
  return { clock, service: filter(next), counts };
}

function counters() {
  return {
    requests: new Counter(),
    successes: new Counter(),
    limitExceeded: new Counter(),
    overflow: new Counter(),
  };
}

const fails = (): HttpRsp => response(503);
const works = (): HttpRsp => response(200, [], "fine");
const refused = new Fault("refused-stream", "not now", { side: "upstream" });

test("a request is sent again until the answer is good", async () => {
  const upstream = scripted(fails, () => refused, works);
  const w = world({}, upstream);
  assert.equal(await textOf(await w.service(request())), "fine");
  assert.equal(upstream.seen.length, 3);
  assert.deepEqual(w.counts(), { requests: 2, successes: 1, limitExceeded: 0, overflow: 0 });
});

test("when the limit is reached, the last answer is the answer", async () => {
  const upstream = scripted(fails);
  const w = world({}, upstream);
  assert.equal((await w.service(request())).status, 503);
  assert.equal(upstream.seen.length, 3);
  assert.deepEqual(w.counts(), { requests: 2, successes: 0, limitExceeded: 1, overflow: 0 });
  const faulty = world(
    {},
    scripted(() => refused),
  );
  await assert.rejects(faulty.service(request()), { code: "refused-stream" });
});

test("what may have reached the application, or was shed, is not sent again", async () => {
  for (const fault of [
    new Fault("io", "reset", { side: "upstream" }),
    new Fault("load-shed", "full"),
    new Fault("response-timeout", "late"),
  ]) {
    const upstream = scripted(() => fault);
    await assert.rejects(world({}, upstream).service(request()), { code: fault.code });
    assert.equal(upstream.seen.length, 1);
  }
});

test("each attempt gets the request as it came, its number, and whom to avoid", async () => {
  const seen: unknown[] = [];
  const w = world({}, async (req) => {
    seen.push([[...req.headers], req.path, req.attempt, [...(req.tried ?? [])]]);
    req.headers.push("x-hop", "1");
    req.path = "/rewritten";
    req.endpoint = `endpoint ${req.attempt}`;
    return seen.length < 3 ? fails() : works();
  });
  const req = request({ path: "/a", headers: ["x", "y"] });
  await w.service(req);
  assert.deepEqual(seen, [
    [["x", "y"], "/a", 0, []],
    [["x", "y"], "/a", 1, ["endpoint 0"]],
    [["x", "y"], "/a", 2, ["endpoint 0", "endpoint 1"]],
  ]);
  assert.equal(req.endpoint, "endpoint 2", "those above see where it went in the end");
});

test("the budget pays for retries, whatever the limit", async () => {
  const clock = new VirtualClock();
  const budget = new Budget(clock, { ratio: 0.5, minPerSecond: 0, ttlMs: 10_000 });
  const upstream = scripted(fails);
  const w = world({ limit: 10 }, upstream, { budget, clock });
  for (let i = 0; i < 10; i++) await w.service(request());
  assert.equal(upstream.seen.length, 15);
  assert.equal(w.counts()["overflow"], 10);
});

test("a gRPC status is found in the head and in the trailers", async () => {
  for (const bad of [grpcResponse(14), grpcResponse(14, "partial")]) {
    const upstream = scripted(
      () => bad,
      () => grpcResponse(0, "fine"),
    );
    const rsp = await world({}, upstream).service(request({ version: 20 }));
    assert.equal(await textOf(rsp), "fine");
  }
});

test("a gRPC response whose trailers come a moment later is waited for; a stream is not", async () => {
  const late = streaming();
  const upstream = scripted(
    () => response(200, [], late.body, 20),
    () => grpcResponse(0, "fine"),
  );
  const w = world({}, upstream);
  const sent = w.service(request({ version: 20 }));
  await pass(w.clock, 1000, 10);
  late.body.push(Buffer.from("message"));
  late.body.finish(["grpc-status", "14"]);
  assert.equal(await textOf(await sent), "fine");

  const stream = streaming();
  const other = world(
    {},
    scripted(() => response(200, [], stream.body, 20)),
  );
  const streamed = other.service(request({ version: 20 }));
  stream.body.push(Buffer.from("message"));
  await pass(other.clock, 30, 10);
  assert.equal((await streamed).body, stream.body);
});

test("how long an end is waited for, and over how many bytes, can be said", async () => {
  const untilEnd = { ms: 100, bytes: 20 };
  const of = (bytes: string) => {
    const answer = streaming();
    const responseTooLong = new Counter();
    const endTimeout = new Counter();
    const w = world(
      { untilEnd },
      scripted(
        () => response(200, [], answer.body, 20),
        () => grpcResponse(0, "fine"),
      ),
      {
        counters: { ...counters(), responseTooLong, endTimeout },
      },
    );
    const sent = w.service(request({ version: 20 }));
    answer.body.push(Buffer.from(bytes));
    return {
      ...w,
      sent,
      body: answer.body,
      counts: () => [responseTooLong.value, endTimeout.value],
    };
  };
  const patient = of("a message");
  await pass(patient.clock, 90, 10);
  patient.body.finish(["grpc-status", "14"]);
  assert.equal(await textOf(await patient.sent), "fine");
  const late = of("a message");
  await pass(late.clock, 120, 10);
  assert.equal((await late.sent).body, late.body);
  assert.deepEqual(late.counts(), [0, 1]);
  const long = of("a message of too many bytes");
  await pass(long.clock, 20, 10);
  assert.equal((await long.sent).body, long.body);
  assert.deepEqual(long.counts(), [1, 0]);
});

test("attempts are timed, except for the last one", async () => {
  const cancelled: string[] = [];
  let answer = (_: HttpRsp): void => {};
  const w = world({ attemptMs: 100, limit: 1 }, (req: HttpReq) => {
    req.onCancel = (fault) => cancelled.push(`${req.attempt} ${fault.code}`);
    return new Promise((resolve) => (answer = resolve));
  });
  const req = request();
  const sent = w.service(req);
  await pass(w.clock, 100);
  assert.deepEqual(cancelled, ["0 response-timeout"]);
  assert.equal(req.cancelled, undefined, "the request itself lives on");
  await pass(w.clock, 100_000);
  answer(works());
  assert.equal((await sent).status, 200);
});

test("it pauses between attempts, and stops when the client leaves", async () => {
  const upstream = scripted(fails);
  const w = world({ backoff: { minMs: 25, maxMs: 250, jitter: 0 } }, upstream);
  const req = request();
  const sent = w.service(req);
  await pass(w.clock, 24);
  assert.equal(upstream.seen.length, 1);
  await pass(w.clock, 1);
  assert.equal(upstream.seen.length, 2);
  req.cancel(new Fault("cancelled", "gone", { side: "client" }));
  await assert.rejects(sent, { code: "cancelled" });
  await pass(w.clock, 1000);
  assert.equal(upstream.seen.length, 2);
});

test("a client that leaves takes back the attempt that is under way", async () => {
  const cancelled: number[] = [];
  let n = 0;
  const w = world({}, (req: HttpReq) => {
    if (n++ === 0) return Promise.resolve(fails());
    return new Promise((_, reject) => {
      req.onCancel = (fault) => {
        cancelled.push(req.attempt);
        reject(fault);
      };
    });
  });
  const req = request();
  const sent = w.service(req);
  await turn();
  req.cancel(new Fault("cancelled", "gone", { side: "client" }));
  await assert.rejects(sent, { code: "cancelled" });
  assert.deepEqual(cancelled, [1]);
});

test("a body that streams is sent again from its start, as long as it fits", async () => {
  const { body } = streaming();
  const bodies: string[] = [];
  const w = world({ limit: 1 }, async (req) => {
    bodies.push(await textOf(req));
    return bodies.length < 2 ? fails() : works();
  });
  const sent = w.service(request({ method: "POST", body }));
  for (const part of ["one ", "two ", "three"]) {
    await turn();
    body.push(Buffer.from(part));
  }
  body.finish();
  assert.equal((await sent).status, 200);
  assert.deepEqual(bodies, ["one two three", "one two three"]);
});

test("an answer that comes before the request has ended does not lose the rest of it", async () => {
  const { body } = streaming();
  const texts: string[] = [];
  let n = 0;
  const w = world({}, async (req) => {
    if (n++ === 0) {
      req.body.to({ chunk: () => true, end() {}, abort() {} });
      await turn();
      req.body.cancel(refused);
      return fails();
    }
    texts.push(await textOf(req));
    return works();
  });
  body.push(Buffer.from("early "));
  const sent = w.service(request({ method: "POST", body }));
  await turn();
  await turn();
  body.push(Buffer.from("late"));
  body.finish();
  await sent;
  assert.deepEqual(texts, ["early late"]);
});

test("a body that is too large, or grows too large, is sent once", async () => {
  const upstream = scripted(fails);
  await world({}, upstream).service(request({ body: "x".repeat(101) }));
  assert.equal(upstream.seen.length, 1);

  const { body } = streaming();
  let attempts = 0;
  const w = world({}, async (req) => {
    attempts += 1;
    assert.equal((await textOf(req)).length, 200);
    return fails();
  });
  const sent = w.service(request({ body }));
  for (let i = 0; i < 4; i++) {
    await turn();
    body.push(Buffer.alloc(50, "x"));
  }
  body.finish();
  assert.equal((await sent).status, 503);
  assert.equal(attempts, 1);
});

test("a request for a tunnel is sent once", async () => {
  const upstream = scripted(fails);
  const req = request();
  req.upgrade = "websocket";
  await world({}, upstream).service(req);
  assert.equal(upstream.seen.length, 1);
});

test("a body that the last attempt gives up is not kept waiting", async () => {
  const { body, asked } = streaming();
  const gone = new Fault("reset", "no more of it", { side: "upstream" });
  const early: HttpService = (req) => {
    req.body.cancel(gone);
    return Promise.resolve(response(400));
  };
  const req = request();
  req.body = body;
  await world({}, early).service(req);
  assert.equal(asked.at(-1), "cancel reset");
});
