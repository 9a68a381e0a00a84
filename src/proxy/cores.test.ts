// The number of threads, for what may be set and what there is.

import assert from "node:assert/strict";
import { test } from "node:test";
import { coresOf } from "./cores.ts";

const NONE = {
  cores: undefined,
  coresMin: undefined,
  coresMax: undefined,
  coresMaxRatio: undefined,
};

const cases: [Partial<Parameters<typeof coresOf>[0]>, available: number, threads: number][] = [
  [{}, 8, 1],
  [{ cores: 3 }, 8, 3],
  [{ cores: 3, coresMin: 1 }, 8, 1],
  [{ cores: 16 }, 8, 8],
  [{ coresMax: 4 }, 8, 4],
  [{ coresMax: 4, coresMaxRatio: 1 }, 8, 4],
  [{ coresMaxRatio: 0.5 }, 8, 4],
  [{ coresMaxRatio: 0.3 }, 8, 2],
  [{ coresMaxRatio: 0.01 }, 8, 1],
  [{ coresMin: 2, coresMaxRatio: 0.01 }, 8, 2],
  [{ coresMin: 6, coresMax: 4 }, 8, 6],
  [{ coresMin: 0, coresMax: 0, cores: 0 }, 8, 1],
];

test("the number of threads follows linkerd2-proxy's rule", () => {
  for (const [given, available, threads] of cases) {
    assert.equal(
      coresOf({ ...NONE, ...given }, available, "linux"),
      threads,
      JSON.stringify(given),
    );
  }
});

test("where the kernel does not spread connections there is one", () => {
  assert.equal(coresOf({ ...NONE, coresMax: 4 }, 8, "darwin"), 1);
});
