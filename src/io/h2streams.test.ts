// The table of streams behaves as a Map would, whatever comes and goes.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Tally } from "./h2rest.ts";
import type { H2Stream } from "./h2stream.ts";
import { H2Streams } from "./h2streams.ts";

const stream = (id: number): H2Stream => ({ id }) as H2Stream;

test("opening and ending streams in any order", () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(200)), { maxLength: 500 }), (steps) => {
      const tally = new Tally();
      const table = new H2Streams(tally);
      const model = new Map<number, H2Stream>();
      let next = 1;
      for (const step of steps) {
        if (step === null) {
          const opened = stream(next);
          table.add(opened);
          model.set(next, opened);
          next += 2;
        } else {
          table.delete(2 * step + 1);
          model.delete(2 * step + 1);
        }
        assert.equal(table.size, model.size);
        assert.equal(tally.open, model.size);
        assert.equal(tally.opened - tally.ended, model.size);
      }
      for (let id = 1; id < next + 4; id += 2) assert.equal(table.get(id), model.get(id));
      assert.deepEqual(new Set(table.all()), new Set(model.values()));
    }),
  );
});

test("a stream that stays does not disturb a million that come and go", () => {
  const tally = new Tally();
  const table = new H2Streams(tally);
  table.add(stream(1));
  for (let id = 3; id < 2_000_000; id += 2) {
    table.add(stream(id));
    table.delete(id);
  }
  assert.equal(table.get(1)?.id, 1);
  assert.equal(table.size, 1);
  table.clear();
  assert.equal(table.get(1), undefined);
  assert.equal(tally.open, 0);
});
