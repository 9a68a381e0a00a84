// Watches: what observers see, and when what feeds a watch runs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "./fault.ts";
import { combine, constant, source, Var, type State } from "./watch.ts";

const seen = <T>(states: State<T>[]): unknown[] =>
  states.map((s) =>
    s.kind === "ok" ? s.value : s.kind === "failed" ? [s.fault.code, s.last] : s.kind,
  );

test("an observer hears the current value at once and each change until it closes", () => {
  const v = new Var(1);
  const states: State<number>[] = [];
  const close = v.observe((s) => states.push(s));
  v.set(2);
  close();
  v.set(3);
  assert.deepEqual(seen(states), [1, 2]);
});

test("a pending watch says nothing until it knows", () => {
  const v = new Var<number>();
  const states: State<number>[] = [];
  v.observe((s) => states.push(s));
  assert.equal(states.length, 0);
  v.set(1);
  assert.deepEqual(seen(states), [1]);
});

test("a failure keeps the last good value", () => {
  const v = new Var("good");
  v.fail(new Fault("unavailable", "gone"));
  assert.equal(v.value, "good");
  const mapped = v.map((s) => s.length);
  const states: State<number>[] = [];
  mapped.observe((s) => states.push(s));
  assert.deepEqual(seen(states), [["unavailable", 4]]);
});

test("a source runs only while somebody looks, and starts afresh", () => {
  let running = 0;
  let starts = 0;
  const s = source<number>((set) => {
    running++;
    set({ kind: "ok", value: ++starts });
    return () => running--;
  });
  const a = s.observe(() => {});
  const b = s.observe(() => {});
  assert.equal(running, 1);
  a();
  a();
  assert.equal(running, 1);
  b();
  assert.equal(running, 0);
  assert.equal(s.state.kind, "pending");
  const states: State<number>[] = [];
  s.observe((state) => states.push(state))();
  assert.deepEqual(seen(states), [2]);
});

test("a source that fails keeps what it last knew", () => {
  let set!: (state: State<number>) => void;
  const s = source<number>((setter) => {
    set = setter;
    return () => {};
  });
  s.observe(() => {});
  set({ kind: "ok", value: 7 });
  set({ kind: "failed", fault: new Fault("unavailable", "gone") });
  assert.equal(s.value, 7);
});

test("a source that is closed while it starts is stopped", () => {
  let running = 0;
  const s = source<number>((set) => {
    running++;
    set({ kind: "ok", value: 1 });
    return () => running--;
  });
  return s.next().then(() => assert.equal(running, 0));
});

test("a failure of the outer watch shows, with the inner value kept", () => {
  const outer = new Var("a");
  const inner = new Var(1);
  const states: State<number>[] = [];
  outer.flatMap(() => inner).observe((s) => states.push(s));
  outer.fail(new Fault("unavailable", "gone"));
  inner.set(2);
  assert.deepEqual(seen(states), [1, ["unavailable", 1], 2]);
});

test("flatMap follows the inner watch and closes the previous one", () => {
  const inner = { a: new Var(1), b: new Var(10) };
  const pick = new Var<"a" | "b">("a");
  const states: State<number>[] = [];
  const close = pick.flatMap((k) => inner[k]).observe((s) => states.push(s));
  inner.a.set(2);
  pick.set("b");
  inner.a.set(3);
  inner.b.set(11);
  assert.deepEqual(seen(states), [1, 2, 10, 11]);
  assert.equal(inner.a.observed, false);
  close();
  assert.equal(inner.b.observed, false);
});

test("combine waits for all and follows each", () => {
  const a = new Var<number>();
  const b = new Var("x");
  const states: State<readonly [number, string]>[] = [];
  combine<[number, string]>([a, b]).observe((s) => states.push(s));
  assert.equal(states.length, 0);
  a.set(1);
  b.set("y");
  b.fail(new Fault("unavailable", "gone"));
  assert.deepEqual(seen(states), [
    [1, "x"],
    [1, "y"],
    ["unavailable", [1, "y"]],
  ]);
});

test("distinct hides changes that change nothing", () => {
  const v = new Var({ n: 1 });
  const states: State<{ n: number }>[] = [];
  v.distinct((x, y) => x.n === y.n).observe((s) => states.push(s));
  v.set({ n: 1 });
  v.set({ n: 2 });
  assert.deepEqual(seen(states), [{ n: 1 }, { n: 2 }]);
});

test("a throw in map is a failed state, not a crash", () => {
  const states: State<never>[] = [];
  constant(1)
    .map((): never => {
      throw new Fault("bad-input", "no");
    })
    .observe((s) => states.push(s));
  assert.deepEqual(seen(states), [["bad-input", undefined]]);
});

test("next resolves with the first good value, and rejects when there never was one", async () => {
  const v = new Var<number>();
  const next = v.next((n) => n > 1);
  v.set(1);
  v.set(2);
  assert.equal(await next, 2);
  const failed = new Var<number>();
  const never = failed.next();
  failed.fail(new Fault("not-found", "no such thing"));
  await assert.rejects(never, /no such thing/);
  v.fail(new Fault("not-found", "gone"));
  assert.equal(await v.next(), 2, "what it knew before it failed");
});

test("a throw in flatMap is a failed state, not a crash", () => {
  const states: State<unknown>[] = [];
  constant(1)
    .flatMap((): never => {
      throw new Fault("bad-input", "no");
    })
    .observe((s) => states.push(s));
  assert.deepEqual(seen(states), [["bad-input", undefined]]);
});

test("who stops looking at a flatMap when it answers leaves no watch of it open", async () => {
  const outer = new Var<number>();
  const inner = new Var("a");
  const found = outer.flatMap(() => inner).next();
  outer.set(1);
  assert.equal(await found, "a");
  assert.equal(inner.observed, false);
});

test("an observer that sets another value does not leave others with the one before", () => {
  const v = new Var<number>();
  const told: number[] = [];
  v.each((n) => {
    if (n === 1) v.set(2);
  });
  v.each((n) => told.push(n));
  v.set(1);
  assert.deepEqual(told, [2]);
});
