// The bag: a model of it is a Set, whatever comes and goes in which order.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Bag } from "./bag.ts";

test("what is in it is what was put in and not taken out, once", () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(20))), (steps) => {
      const bag = new Bag<number>();
      const members = [];
      const model = new Set<number>();
      for (const [value, taken] of steps.entries()) {
        if (taken === null) {
          members.push(bag.add(value));
          model.add(value);
        } else if (members.length > 0) {
          const member = members[taken % members.length]!;
          bag.delete(member);
          model.delete(member.value);
        }
      }
      assert.equal(bag.size, model.size);
      assert.deepEqual(new Set(bag.values()), model);
    }),
  );
});
