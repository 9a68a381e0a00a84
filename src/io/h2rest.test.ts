// Who rests: only a turn that had little to do, of many streams that come and go fast.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Traffic } from "./h2rest.ts";

/** What is said after each of `turns` turns of `turnMs`, in each of which `steps` of `open` streams end and begin anew. */
function run(open: number, steps: number, turnMs: number, turns = 1000): boolean[] {
  const traffic = new Traffic();
  traffic.open = traffic.opened = open;
  return Array.from({ length: turns }, (_, turn) => {
    traffic.opened += steps;
    traffic.ended += steps;
    return traffic.isDense((turn + 1) * turnMs);
  });
}

test("many streams, a few in each short turn", () => {
  const said = run(128, 2, 0.125);
  assert.equal(said.indexOf(true), 79, "after the first 10 ms");
  assert.ok(said.slice(80).every(Boolean));
});

for (const [what, open, steps, turnMs] of [
  ["a lone stream, however fast", 2, 1, 0.03],
  ["few streams, however fast", 30, 4, 0.05],
  ["many streams that take their time", 1000, 2, 1],
  ["turns that had much to do", 128, 64, 1],
] as const) {
  // Opening them all at once was fast.
  test(`no rest: ${what}`, () => assert.ok(!run(open, steps, turnMs).includes(true, 20)));
}

test("no rest once streams have become slow", () => {
  const traffic = new Traffic();
  traffic.open = 128;
  let now = 0;
  const turn = (ms: number): boolean => {
    traffic.opened += 2;
    traffic.ended += 2;
    return traffic.isDense((now += ms));
  };
  for (let i = 0; i < 1000; i++) turn(0.1);
  assert.equal(turn(0.1), true);
  turn(20);
  assert.equal(turn(1), false);
});
