// Timeouts on a virtual clock: before the head, in the body, and never after the end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import type { Fault } from "../base/fault.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import { request, response, scripted, streaming, turn } from "../../test/support/messages.ts";
import { timeout, type Timeouts } from "./timeout.ts";

/** A request on its way, whose answer is given by hand. */
function sent(limits: Timeouts, req = request()) {
  const clock = new VirtualClock();
  let answer = (_: HttpRsp): void => {};
  let upstream: Fault | undefined;
  const service = timeout(
    limits,
    clock,
  )((inner: HttpReq) => {
    inner.onCancel = (fault) => (upstream = fault);
    return new Promise((resolve) => (answer = resolve));
  });
  const outcome = service(req).then(
    (rsp) => rsp,
    (fault: Fault) => fault.code,
  );
  return { clock, outcome, answer: (rsp: HttpRsp) => answer(rsp), upstream: () => upstream?.code };
}

test("a response that does not come in time is a fault, and upstream is told", async () => {
  const w = sent({ requestMs: 100 });
  w.clock.advance(100);
  assert.equal(await w.outcome, "request-timeout");
  assert.equal(w.upstream(), "request-timeout");
});

test("a response that has begun but does not end in time is cut short", async () => {
  const w = sent({ requestMs: 100 });
  const { body, asked } = streaming();
  w.answer(response(200, [], body));
  assert.equal(((await w.outcome) as HttpRsp).status, 200);
  w.clock.advance(100);
  assert.equal(body.ended?.fault?.code, "request-timeout");
  assert.deepEqual(asked, ["cancel request-timeout"]);
});

test("nothing happens after the end", async () => {
  const w = sent({ requestMs: 100, responseMs: 100, idleMs: 100, headMs: 100 });
  const { body } = streaming();
  w.answer(response(200, [], body));
  await w.outcome;
  body.to({ chunk: () => true, end() {}, abort() {} });
  body.finish();
  w.clock.advance(10_000);
  assert.equal(body.ended?.fault, undefined);
  assert.equal(w.upstream(), undefined);
});

test("the response's own time starts when the request has ended", async () => {
  const { body } = streaming();
  const w = sent({ responseMs: 100 }, request({ body }));
  w.clock.advance(1000);
  body.finish();
  w.clock.advance(99);
  await turn();
  assert.equal(w.upstream(), undefined);
  w.clock.advance(1);
  assert.equal(await w.outcome, "response-timeout");
});

test("the head's own time does not limit the body", async () => {
  const w = sent({ headMs: 100 });
  const { body } = streaming();
  w.answer(response(200, [], body));
  await w.outcome;
  w.clock.advance(1000);
  assert.equal(body.ended, undefined);
  const late = sent({ headMs: 100 });
  late.clock.advance(100);
  assert.equal(await late.outcome, "response-timeout");
});

test("an exchange is idle when nothing moves in either direction", async () => {
  const up = streaming();
  const down = streaming();
  const w = sent({ idleMs: 100 }, request({ body: up.body }));
  for (let i = 0; i < 5; i++) {
    up.body.push(Buffer.from("x"));
    w.clock.advance(75);
  }
  w.answer(response(200, [], down.body));
  await w.outcome;
  for (let i = 0; i < 5; i++) {
    down.body.push(Buffer.from("x"));
    w.clock.advance(75);
  }
  assert.equal(down.body.ended, undefined);
  w.clock.advance(125);
  assert.equal(down.body.ended!.fault?.code, "idle-timeout");
});

test("without limits it is no filter", () => {
  const service = scripted(() => response());
  assert.equal(timeout({}, new VirtualClock())(service), service);
});
