// Summaries: how exact they are, and how long they remember.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Summary } from "./summary.ts";

test("a summary tells quantiles to two per cent", () => {
  const summary = new Summary();
  for (let ms = 1; ms <= 1000; ms++) summary.add(ms);
  const digest = summary.read();
  assert.equal(digest.count, 1000);
  assert.equal(digest.sum, 500_500);
  assert.deepEqual([digest.min, digest.max], [1, 1000]);
  for (const q of [0.5, 0.9, 0.99]) {
    assert.ok(Math.abs(digest.quantile(q) / (q * 1000) - 1) < 0.025, `p${q * 100}`);
  }
  assert.equal(digest.quantile(1), 1000);
});

test("what is older than two half-minutes is forgotten", () => {
  const summary = new Summary();
  summary.add(5);
  summary.roll();
  assert.equal(summary.read().count, 1);
  summary.roll();
  assert.deepEqual([summary.read().count, summary.read().quantile(0.5)], [0, 0]);
});
