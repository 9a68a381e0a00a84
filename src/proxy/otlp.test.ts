// Spans and a collector that does not answer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { turn } from "../../test/support/messages.ts";
import { VirtualClock } from "../base/clock.ts";
import { Counter } from "../base/metrics.ts";
import type { HttpRsp } from "../io/message.ts";
import type { Span } from "../stack/trace.ts";
import { Otlp } from "./otlp.ts";

const SPAN: Span = {
  kind: "client",
  name: "/",
  traceId: "0".repeat(31) + "1",
  spanId: "0".repeat(15) + "1",
  parentId: "",
  start: 1,
  end: 2,
  failed: false,
  attributes: {},
};

test("a collector that takes a batch and never answers is asked again with the next", async () => {
  const clock = new VirtualClock();
  const counters = { sent: new Counter(), dropped: new Counter(), failed: new Counter() };
  let asked = 0;
  const silent = () => {
    asked += 1;
    return new Promise<HttpRsp>(() => {});
  };
  const sink = new Otlp(silent, { clock, authority: "collector:1", attributes: {}, counters });
  sink.span(SPAN);
  clock.advance(1000);
  assert.equal(asked, 1);
  sink.span(SPAN);
  clock.advance(10_000);
  await turn();
  assert.deepEqual([counters.failed.value, counters.dropped.value], [1, 1]);
  clock.advance(1000);
  assert.equal(asked, 2);
});
