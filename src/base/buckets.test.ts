// Buckets of one thread and of several, which are real ones here.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { bindShared, bucketMemory, OwnBucket } from "./buckets.ts";
import { VirtualClock } from "./clock.ts";

const RPS = 100;

test("a bucket holds one second's worth and fills again", () => {
  const clock = new VirtualClock();
  for (const bucket of [new OwnBucket(RPS), bindShared(bucketMemory(), clock)(RPS, "a")]) {
    const taken = (): number => {
      let n = 0;
      while (bucket.take(clock.now())) n += 1;
      return n;
    };
    assert.equal(taken(), RPS);
    clock.advance(500);
    assert.equal(taken(), RPS / 2);
    clock.advance(10_000);
    assert.equal(taken(), RPS);
    clock.advance(10_000);
  }
});

test("names have buckets of their own, and nobody gets anything of none", () => {
  const clock = new VirtualClock();
  const bind = bindShared(bucketMemory(), clock);
  const names = Array.from({ length: 500 }, (_, i) => bind(1, `client ${i}`));
  for (const bucket of names) assert.equal(bucket.take(clock.now()), true);
  for (const bucket of names) assert.equal(bucket.take(clock.now()), false);
  assert.equal(bind(0, "none").take(clock.now()), false);
  // Each is full again, so others may have their places.
  clock.advance(2000);
  const more = Array.from({ length: 500 }, (_, i) => bind(1, `other ${i}`));
  for (const bucket of [...more, ...names]) assert.equal(bucket.take(clock.now()), true);
});

const TAKER = `
const { parentPort, workerData } = require("node:worker_threads");
const { buckets, clock, memory, rps, tries } = workerData;
Promise.all([import(buckets), import(clock)]).then(([{ bindShared }, { systemClock }]) => {
  const bucket = bindShared(memory, systemClock)(rps, "shared");
  let taken = 0;
  for (let i = 0; i < tries; i++) if (bucket.take(systemClock.now())) taken += 1;
  parentPort.postMessage(taken);
});
`;

test("threads that share a bucket get no more than its rate together", async () => {
  const memory = bucketMemory();
  const [buckets, clock] = ["./buckets.ts", "./clock.ts"].map((one) => import.meta.resolve(one));
  const began = process.hrtime.bigint();
  const taken = await Promise.all(
    Array.from({ length: 4 }, () => {
      const workerData = { buckets, clock, memory, rps: RPS, tries: 5000 };
      const worker = new Worker(TAKER, { eval: true, execArgv: [], workerData });
      return new Promise<number>((resolve, reject) => {
        worker.once("message", resolve);
        worker.once("error", reject);
      });
    }),
  );
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  const all = taken.reduce((sum, n) => sum + n, 0);
  assert.ok(all >= RPS, `${all} of a full bucket`);
  assert.ok(all <= RPS * (1 + seconds) + 1, `${all} in ${seconds} s`);
});
