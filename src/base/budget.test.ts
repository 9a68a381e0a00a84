// Retry budgets: what requests earn, what retries cost, and what time takes away.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Budget } from "./budget.ts";
import { VirtualClock } from "./clock.ts";

test("a fresh default budget pays for the reserve: 10 a second for 10 s", () => {
  const budget = new Budget(new VirtualClock());
  let paid = 0;
  while (budget.withdraw()) paid++;
  assert.equal(paid, 100);
});

test("without a reserve, every fifth request pays for one retry", () => {
  const budget = new Budget(new VirtualClock(), { ratio: 0.2, minPerSecond: 0, ttlMs: 10_000 });
  for (let i = 0; i < 4; i++) budget.deposit();
  assert.equal(budget.withdraw(), false);
  budget.deposit();
  assert.equal(budget.withdraw(), true);
  assert.equal(budget.withdraw(), false);
});

test("deposits expire", () => {
  const clock = new VirtualClock();
  const budget = new Budget(clock, { ratio: 1, minPerSecond: 0, ttlMs: 10_000 });
  budget.deposit();
  clock.advance(9_000);
  assert.equal(budget.balance, 1);
  clock.advance(2_000);
  assert.equal(budget.withdraw(), false);
});

test("withdrawals expire too, so that the reserve comes back", () => {
  const clock = new VirtualClock();
  const budget = new Budget(clock, { ratio: 0, minPerSecond: 1, ttlMs: 1_000 });
  assert.equal(budget.withdraw(), true);
  assert.equal(budget.withdraw(), false);
  clock.advance(1_100);
  assert.equal(budget.withdraw(), true);
});

test("a ratio of 0 and no reserve never pays", () => {
  const budget = new Budget(new VirtualClock(), { ratio: 0, minPerSecond: 0, ttlMs: 10_000 });
  for (let i = 0; i < 1000; i++) budget.deposit();
  assert.equal(budget.withdraw(), false);
});
