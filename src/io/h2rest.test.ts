// Who rests: only a turn that had little to do, of many requests that come and go fast over HTTP/2.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Traffic } from "./h2rest.ts";

type Course = { requests: number; asked: number; steps: number; turnMs: number };

/** What is said after each of a thousand turns of `turnMs`, in each of which `steps` requests end and begin anew. */
function run({ requests, asked, steps, turnMs }: Course): boolean[] {
  const traffic = new Traffic();
  const { served } = traffic;
  served.open = served.opened = requests;
  traffic.asked.open = asked;
  return Array.from({ length: 1000 }, (_, turn) => {
    served.opened += steps;
    served.ended += steps;
    return traffic.isDense((turn + 1) * turnMs);
  });
}

const dense: Course = { requests: 64, asked: 64, steps: 2, turnMs: 0.125 };

test("many requests, a few in each short turn", () => {
  const said = run(dense);
  assert.equal(said.indexOf(true), 79, "after the first 10 ms");
  assert.ok(said.slice(80).every(Boolean));
});

for (const [what, change] of [
  ["a lone request, however fast", { requests: 1, asked: 1, steps: 1 }],
  ["few requests, however fast", { requests: 20, asked: 20, steps: 4 }],
  ["requests that go on over HTTP/1", { asked: 0 }],
  ["many requests that take their time", { turnMs: 1 }],
  ["turns that had much to do", { steps: 32, turnMs: 1 }],
] as const) {
  // Opening them all at once was fast.
  test(`no rest: ${what}`, () => assert.ok(!run({ ...dense, ...change }).includes(true, 80)));
}
