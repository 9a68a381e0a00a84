// Fuzzing: a check runs on each seed as it is, then on spoilt ones for as long as there is time. A tenth of a second for
// each test by default; FUZZ_SECONDS makes it longer and FUZZ_SEED repeats a run.

import { test } from "node:test";
import { type Random, seededRandom } from "../../src/base/random.ts";
import { mutated } from "./mutate.ts";

const seconds = Number(process.env["FUZZ_SECONDS"] ?? 0.1);
const seed = Number(process.env["FUZZ_SEED"] ?? Date.now() % 1_000_000);
/** Checks that wait for something are made so many at a time, and have hung after so long. */
const AT_ONCE = 16;
const HANG_MS = 20_000;

type Check = (input: Buffer, random: Random) => void | Promise<void>;

process.stdout.write(`FUZZ_SEED=${seed}\n`);

/** A test that `check` holds for `seeds` and whatever `spoil` (a few bytes changed) makes of them. */
export function fuzz(
  name: string,
  seeds: readonly Buffer[],
  check: Check,
  spoil: (seeds: readonly Buffer[], random: Random) => Buffer = mutated,
): void {
  test(name, { timeout: seconds * 1_000 + 10 * HANG_MS }, async (t) => {
    const random = seededRandom(seed);
    const until = performance.now() + 1_000 * seconds;
    let inputs = 0;
    let waiting: Promise<void>[] = [];
    const attempt = async (input: Buffer): Promise<void> => {
      inputs += 1;
      // A choice of its own, so that it does not matter which of them is faster.
      const done = tried(check, input, seededRandom(random.below(2 ** 31)));
      if (done !== undefined) waiting.push(done);
      if (waiting.length < AT_ONCE) return;
      await Promise.all(waiting);
      waiting = [];
    };
    for (const input of seeds) await attempt(input);
    while (performance.now() < until)
      for (let n = 0; n < AT_ONCE; n++) await attempt(spoil(seeds, random));
    await Promise.all(waiting);
    t.diagnostic(`${inputs} inputs, FUZZ_SEED=${seed}`);
    if (seconds >= 1) process.stdout.write(`${name}: ${inputs} inputs\n`);
  });
}

function tried(check: Check, input: Buffer, random: Random): Promise<void> | undefined {
  const explain = (error: unknown): never => {
    const bytes = JSON.stringify(input.toString("latin1"));
    const message = `FUZZ_SEED=${seed}, input ${bytes}: ${(error as Error).message}`;
    throw new Error(message, { cause: error });
  };
  try {
    const done = check(input, random);
    return done === undefined ? undefined : inTime(done).catch(explain);
  } catch (error) {
    return explain(error);
  }
}

async function inTime(done: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const hung = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("it hangs")), HANG_MS);
  });
  await Promise.race([done, hung]).finally(() => clearTimeout(timer));
}
