// Backoff: how delays grow, and that chance keeps within the limits.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Backoff, delays, exponential } from "./backoff.ts";
import { seededRandom } from "./random.ts";

test("exponential delays double up to the maximum and start over after a reset", () => {
  const run = delays(exponential(100, 1000, 0), seededRandom(1));
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6].map(() => run.next()),
    [100, 200, 400, 800, 1000, 1000],
  );
  run.reset();
  assert.equal(run.next(), 100);
});

test("every delay of every kind stays within its limits", () => {
  const kinds = fc.constantFrom<Backoff["kind"]>("exponential", "decorrelated", "equal");
  fc.assert(
    fc.property(kinds, fc.integer(), fc.integer({ min: 1, max: 500 }), (kind, seed, minMs) => {
      const backoff = { kind, minMs, maxMs: minMs * 50, jitter: 0.5 } as Backoff;
      const run = delays(backoff, seededRandom(seed));
      const low = kind === "equal" ? minMs / 2 : minMs;
      for (let i = 0; i < 2000; i++) {
        const ms = run.next();
        assert.ok(ms >= low && ms <= minMs * 50, `${kind}: ${ms}`);
      }
    }),
  );
});

test("a constant delay is constant", () => {
  const run = delays({ kind: "constant", ms: 7 }, seededRandom(1));
  assert.deepEqual([run.next(), run.next()], [7, 7]);
});
