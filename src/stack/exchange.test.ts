// What watchers see of an exchange, and what counts as success.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { grpcResponse, request, response, streaming } from "../../test/support/messages.ts";
import { byClasses, isSuccess, mark } from "./classify.ts";
import { type Exchange, observe, type Watcher } from "./exchange.ts";
import type { HttpService } from "./types.ts";

function recorded(service: HttpService, clock = new VirtualClock()) {
  const events: string[] = [];
  const seen: Exchange[] = [];
  const watcher = (name: string): Watcher => ({
    begin: () => events.push(`${name} begin`),
    head: (x) => events.push(`${name} head ${x.headAt - x.at}`),
    end: (x) => {
      events.push(`${name} end ${x.endAt - x.at} ${x.success}`);
      seen.push(x);
    },
  });
  return { clock, events, seen, service: observe(clock, [watcher("a"), watcher("b")])(service) };
}

test("every watcher sees begin, head and end, with their times", async () => {
  const clock = new VirtualClock();
  const { body } = streaming();
  const w = recorded(async () => {
    clock.advance(5);
    return response(200, [], body);
  }, clock);
  await w.service(request());
  clock.advance(7);
  body.finish();
  assert.deepEqual(w.events, [
    "a begin",
    "b begin",
    "a head 5",
    "b head 5",
    "a end 12 true",
    "b end 12 true",
  ]);
});

test("a fault before the head, and one in the body, end it as a failure", async () => {
  const w = recorded(() => Promise.reject(new Fault("io", "reset")));
  await assert.rejects(w.service(request()), { code: "io" });
  assert.deepEqual(w.events.slice(2), ["a end 0 false", "b end 0 false"]);
  const { body } = streaming();
  const other = recorded(async () => response(200, [], body));
  await other.service(request());
  body.abort(new Fault("reset", "RST_STREAM"));
  assert.equal(other.seen[0]!.success, false);
  assert.equal(other.seen[0]!.fault?.code, "reset");
});

test("whatever is thrown becomes a fault", async () => {
  const w = recorded(() => Promise.reject(new TypeError("bug")));
  await assert.rejects(w.service(request()), { code: "unexpected", message: "bug" });
});

test("a client that left says nothing about the server", async () => {
  const w = recorded(() => Promise.reject(new Fault("cancelled", "gone", { side: "client" })));
  await assert.rejects(w.service(request()));
  assert.equal(w.seen[0]!.abandoned, true);
});

test("Linkerd's rule of success", async () => {
  const cases = [
    [response(200), true],
    [response(499), true],
    [response(500), false],
    ...[0, 1, 3, 5, 6, 8, 9, 10, 11, 12, 16].map((status) => [grpcResponse(status), true] as const),
    ...[2, 4, 7, 13, 14, 15].map((status) => [grpcResponse(status, "x"), false] as const),
  ] as const;
  for (const [rsp, success] of cases) {
    const w = recorded(async () => rsp);
    await w.service(request());
    assert.equal(w.seen[0]!.success, success, `${rsp.status} ${w.seen[0]!.grpcStatus}`);
  }
});

test("a gRPC status that is no number is unknown", async () => {
  const w = recorded(async () => response(200, ["grpc-status", "oops"], undefined, 20));
  await w.service(request());
  assert.equal(w.seen[0]!.grpcStatus, 2);
});

test("the classes of a route decide before the rule", async () => {
  const classify = byClasses([
    { match: (status) => status === 404, failure: true },
    { match: (status) => status === 503, failure: false },
  ]);
  for (const [status, success] of [
    [404, false],
    [503, true],
    [500, false],
    [200, true],
  ] as const) {
    const w = recorded(async () => response(status));
    await mark({ labels: {}, classify })(w.service)(request());
    assert.equal(isSuccess(w.seen[0]!), success);
  }
});
