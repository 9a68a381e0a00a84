// The metrics page: its text, idle series, and families that are full.

import assert from "node:assert/strict";
import { test } from "node:test";
import { byLabel } from "./bylabel.ts";
import { VirtualClock } from "./clock.ts";
import { Registry } from "./metrics.ts";

test("the page is Prometheus text, sorted and escaped", () => {
  const registry = new Registry(new VirtualClock());
  registry
    .counter("request_total", "Requests.")
    .with({ direction: "inbound", path: 'a"b\\c\n' })
    .inc();
  registry.gauge("open", "Open ones.").with({}).set(1.5);
  assert.equal(
    registry.print(),
    "# HELP open Open ones.\n# TYPE open gauge\nopen 1.5\n" +
      "# HELP request_total Requests.\n# TYPE request_total counter\n" +
      'request_total{direction="inbound",path="a\\"b\\\\c\\n"} 1\n',
  );
});

test("a histogram counts into buckets whose bounds are inclusive", () => {
  const registry = new Registry(new VirtualClock());
  const latency = registry.histogram("ms", "Latency.", [1, 5, 10]).with({ dst: "a" });
  for (const ms of [0.5, 1, 1.1, 5, 7, 11]) latency.observe(ms);
  assert.match(registry.print(), /ms_bucket\{dst="a",le="1"\} 2\n/);
  assert.match(registry.print(), /le="5"\} 4\n.*le="10"\} 5\n.*le="\+Inf"\} 6\n/s);
  assert.match(registry.print(), /ms_sum\{dst="a"\} 25.6\nms_count\{dst="a"\} 6\n/);
});

test("the same labels are the same child", () => {
  const registry = new Registry(new VirtualClock());
  const family = registry.counter("n", "");
  assert.equal(family.with({ a: "1" }), family.with({ a: "1" }));
  assert.equal(registry.counter("n", ""), family);
});

test("children that differ in one label are the same as any others", () => {
  const registry = new Registry(new VirtualClock());
  const family = registry.counter("closed_total", "");
  const closed = byLabel(family, "errno", { peer: "src" });
  closed("ECONNRESET").inc();
  closed("ECONNRESET").inc();
  assert.equal(closed("ECONNRESET"), family.with({ peer: "src", errno: "ECONNRESET" }));
  assert.equal(closed("ECONNRESET").value, 2);
  assert.doesNotMatch(registry.print(), /errno=""/);
});

test("an idle series leaves the page and returns when its holder counts again", () => {
  const clock = new VirtualClock();
  const registry = new Registry(clock, { retainMs: 600_000 });
  const held = registry.counter("n", "").with({ a: "1" });
  held.inc();
  assert.match(registry.print(), /n\{a="1"\} 1/);
  clock.advance(600_001);
  assert.equal(registry.print(), "");
  held.inc();
  assert.match(registry.print(), /n\{a="1"\} 2/);
  clock.advance(600_001);
  registry.print();
  assert.equal(registry.counter("n", "").with({ a: "1" }), held, "bound again while idle");
});

test("a gauge that stands at something stays", () => {
  const clock = new VirtualClock();
  const registry = new Registry(clock);
  const open = registry.gauge("open", "").with({});
  open.inc();
  registry.print();
  clock.advance(3_600_000);
  assert.match(registry.print(), /open 1/);
  open.dec();
  registry.print();
  clock.advance(3_600_000);
  assert.equal(registry.print(), "");
});

test("a family that is full counts the rest in one series", () => {
  const registry = new Registry(new VirtualClock(), { maxSeries: 2 });
  const family = registry.counter("n", "");
  for (const host of ["a", "b", "c", "d"]) family.with({ host }).inc();
  assert.match(registry.print(), /n\{host="a"\} 1\nn\{host="b"\} 1\nn\{overflow="true"\} 2\n/);
});
