// Memory that is given back: less of the program is resident, and the program goes on.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { trimMemory } from "./trim.ts";

const residentKb = (): number =>
  Number(/^RssFile:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "latin1"))![1]);

test(
  "pages of the program leave memory, and come back when they are needed",
  {
    skip: process.platform !== "linux",
  },
  () => {
    const before = residentKb();
    trimMemory();
    assert.ok(residentKb() < before, `${before} kB before, ${residentKb()} kB after`);
    assert.equal("trimmed".toUpperCase(), "TRIMMED");
  },
);
