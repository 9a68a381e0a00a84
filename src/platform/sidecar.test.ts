// What a sidecar is told by annotations.

import assert from "node:assert/strict";
import { test } from "node:test";
import { wholeCores } from "./sidecar.ts";

test("a limit of processors is rounded up to whole threads", () => {
  const cases = { "1": "1", "500m": "1", "1500m": "2", "2.5": "3", "2000m": "2", " 4 ": "4" };
  for (const [limit, threads] of Object.entries(cases)) assert.equal(wholeCores(limit), threads);
  for (const wrong of ["many", "", "-1", "1k", "1,5"])
    assert.throws(() => wholeCores(wrong), { code: "bad-input" });
});
