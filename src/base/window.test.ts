// Success rates over time and over requests.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SuccessAverage, SuccessWindow } from "./window.ts";

test("a window forgets what is older than itself", () => {
  const window = new SuccessWindow(10_000);
  for (let i = 0; i < 4; i++) window.add(i !== 0, 0);
  assert.equal(window.rate(0), 0.75);
  assert.equal(window.total(9_999), 4);
  window.add(true, 9_999);
  assert.equal(window.total(10_000), 1);
  assert.equal(window.rate(30_000), 1);
});

test("an average over requests says nothing before it has seen so many", () => {
  const average = new SuccessAverage(10);
  for (let i = 0; i < 9; i++) average.add(false);
  assert.equal(average.rate, 1);
  average.add(false);
  assert.ok(average.rate < 0.2);
  average.clear();
  assert.equal(average.rate, 1);
});
