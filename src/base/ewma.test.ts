// Moving averages against their formulas.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Ewma, PeakEwma } from "./ewma.ts";

const near = (actual: number, expected: number): void =>
  assert.ok(Math.abs(actual - expected) < 1e-6, `${actual} is not ${expected}`);

test("a peak is taken at once, a better sample only slowly", () => {
  const rtt = new PeakEwma(30, 10_000, 0);
  rtt.add(500, 0);
  near(rtt.value(0), 500);
  rtt.add(10, 10_000);
  near(rtt.value(10_000), 500 / Math.E + 10 * (1 - 1 / Math.E));
});

test("an endpoint that is not heard of becomes attractive again", () => {
  const rtt = new PeakEwma(300, 10_000, 0);
  near(rtt.value(10_000), 300 / Math.E);
  assert.ok(rtt.value(100_000) < 0.1);
});

test("samples out of order do no harm", () => {
  const rtt = new PeakEwma(30, 10_000, 1000);
  rtt.add(10, 500);
  near(rtt.value(1000), 30);
});

test("a plain average starts with its first sample", () => {
  const average = new Ewma(1000);
  assert.ok(Number.isNaN(average.value));
  average.add(4, 0);
  assert.equal(average.value, 4);
  average.add(0, 1000);
  near(average.value, 4 / Math.E);
});
