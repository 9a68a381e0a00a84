// The cache of bound things: idle, busy and full, on a virtual clock.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Cache, type Closable } from "./cache.ts";
import { VirtualClock } from "./clock.ts";
import { Scope } from "./scope.ts";

function recorded(options: { max?: number; scope?: Scope } = {}): {
  clock: VirtualClock;
  cache: Cache<string, Closable & { busy: boolean }>;
  events: string[];
} {
  const clock = new VirtualClock();
  const events: string[] = [];
  const make = (key: string): Closable & { busy: boolean } => {
    events.push(`+${key}`);
    return { busy: false, close: () => events.push(`-${key}`) };
  };
  return { clock, events, cache: new Cache(make, { clock, idleMs: 1000, ...options }) };
}

test("a value is made once and closed when nobody asks for it any more", () => {
  const { clock, cache, events } = recorded();
  const first = cache.at("a");
  for (let i = 0; i < 10; i++) {
    clock.advance(900);
    assert.equal(cache.at("a"), first);
  }
  clock.advance(1000);
  assert.deepEqual(events, ["+a"], "not before its time");
  clock.advance(300);
  assert.deepEqual(events, ["+a", "-a"]);
});

test("a busy value is kept", () => {
  const { clock, cache, events } = recorded();
  cache.at("a").busy = true;
  clock.advance(5000);
  assert.deepEqual(events, ["+a"]);
  cache.values()[0]!.busy = false;
  clock.advance(1300);
  assert.equal(cache.size, 0);
});

test("a full cache closes the most idle one", () => {
  const { clock, cache, events } = recorded({ max: 2 });
  cache.at("a");
  clock.advance(300);
  cache.at("b");
  cache.at("c");
  assert.deepEqual(events, ["+a", "+b", "+c", "-a"]);
});

test("it closes with its scope", async () => {
  const scope = new Scope();
  const { clock, cache, events } = recorded({ scope });
  cache.at("a");
  await scope.close();
  clock.advance(10_000);
  assert.deepEqual(events, ["+a", "-a"]);
});
