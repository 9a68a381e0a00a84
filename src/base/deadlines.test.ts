// A line of deadlines, on a virtual clock.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "./clock.ts";
import { Deadlines } from "./deadlines.ts";

function world() {
  const clock = new VirtualClock();
  const due: string[] = [];
  return { clock, due, deadlines: new Deadlines<string>(clock, 100, (name) => due.push(name)) };
}

test("each is due in its time, and those that left are not", () => {
  const { clock, due, deadlines } = world();
  deadlines.add(0, "a");
  const b = deadlines.add(0, "b");
  clock.advance(50);
  deadlines.add(50, "c");
  b.cancel();
  clock.advance(49);
  assert.deepEqual(due, []);
  clock.advance(1);
  assert.deepEqual(due, ["a"]);
  clock.advance(50);
  assert.deepEqual(due, ["a", "c"]);
});

test("the line may become empty and fill again", () => {
  const { clock, due, deadlines } = world();
  deadlines.add(0, "a").cancel();
  clock.advance(60);
  deadlines.add(60, "b");
  clock.advance(100);
  assert.deepEqual(due, ["b"]);
  clock.advance(1000);
  deadlines.add(clock.now(), "c");
  clock.advance(100);
  assert.deepEqual(due, ["b", "c"]);
});

test("whoever is due may cancel others and join again", () => {
  const clock = new VirtualClock();
  const due: string[] = [];
  const deadlines = new Deadlines<string>(clock, 100, (name) => {
    due.push(name);
    if (name !== "a") return;
    b.cancel();
    deadlines.add(clock.now(), "again");
  });
  deadlines.add(0, "a");
  const b = deadlines.add(0, "b");
  deadlines.add(0, "c");
  clock.advance(100);
  assert.deepEqual(due, ["a", "c"]);
  clock.advance(100);
  assert.deepEqual(due, ["a", "c", "again"]);
});

test("one that throws when it is due does not cost the next one its time", () => {
  const clock = new VirtualClock();
  const due: string[] = [];
  const deadlines = new Deadlines<string>(clock, 100, (name) => {
    due.push(name);
    if (name === "a") throw new Error("a bug");
  });
  deadlines.add(0, "a");
  deadlines.add(0, "b");
  assert.throws(() => clock.advance(100), /a bug/);
  clock.advance(1);
  assert.deepEqual(due, ["a", "b"]);
});
