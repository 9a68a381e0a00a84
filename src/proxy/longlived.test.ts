// When memory is given back: once after the start, and once after each busy time.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { trimWhenQuiet } from "./longlived.ts";

test("a process shrinks when it has settled, and once after a time of load", () => {
  const clock = new VirtualClock();
  let trims = 0;
  trimWhenQuiet(clock, () => trims++);
  clock.advance(1000);
  assert.equal(trims, 1);
  clock.advance(60_000);
  assert.equal(trims, 1);
  const { user, system } = process.cpuUsage();
  for (let spent = 0; spent < 600_000;) {
    const now = process.cpuUsage();
    spent = now.user + now.system - user - system;
  }
  clock.advance(10_000);
  assert.equal(trims, 1);
  clock.advance(60_000);
  assert.equal(trims, 2);
});
